//! Random access to bytes: what every layer of this crate reads from and writes to.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// What something is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only. A disk may be in use, see [`crate::image::Image::users`].
    Read,
    /// Reading and writing. A disk that is in use is refused.
    Write,
}

/// Bytes that can be read at any offset. Offsets and sizes are in bytes.
pub trait ReadAt: Debug + Send + Sync {
    /// Size in bytes.
    fn size(&self) -> u64;

    /// Fills `buf` from `offset` on.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when the range reaches past [`ReadAt::size`]; whatever the medium reports.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;
}

/// Bytes that can also be written at any offset. The size never changes.
pub trait WriteAt: ReadAt {
    /// Writes all of `data` from `offset` on.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when the range reaches past [`ReadAt::size`]; whatever the medium reports.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Makes all earlier writes durable.
    ///
    /// # Errors
    /// Whatever the medium reports.
    fn flush(&self) -> io::Result<()>;
}

impl<T: ReadAt + ?Sized> ReadAt for Arc<T> {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, buf)
    }
}

impl<T: WriteAt + ?Sized> WriteAt for Arc<T> {
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        (**self).write_at(offset, data)
    }

    fn flush(&self) -> io::Result<()> {
        (**self).flush()
    }
}

/// The error for a range that does not lie within `size`.
pub(crate) fn out_of_bounds(offset: u64, len: usize, size: u64) -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        format!("{len} bytes at offset {offset} reach past the end at {size}"),
    )
}

/// Checks that `len` bytes at `offset` lie within `size`.
///
/// # Errors
/// [`io::ErrorKind::UnexpectedEof`] when they do not.
pub(crate) fn check_bounds(offset: u64, len: usize, size: u64) -> io::Result<()> {
    match offset.checked_add(len as u64) {
        Some(end) if end <= size => Ok(()),
        _ => Err(out_of_bounds(offset, len, size)),
    }
}

/// A contiguous part of something larger: a partition of a disk.
#[derive(Debug, Clone)]
pub struct Window<T> {
    inner: T,
    start: u64,
    size: u64,
}

impl<T: ReadAt> Window<T> {
    /// The `size` bytes of `inner` from `start` on.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when `inner` is too small.
    pub fn new(inner: T, start: u64, size: u64) -> io::Result<Self> {
        match start.checked_add(size) {
            Some(end) if end <= inner.size() => Ok(Window { inner, start, size }),
            _ => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{size} bytes from {start} on reach past the end at {}", inner.size()),
            )),
        }
    }

    /// Where this part starts within the whole, in bytes.
    pub fn start(&self) -> u64 {
        self.start
    }
}

impl<T: ReadAt> ReadAt for Window<T> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        check_bounds(offset, buf.len(), self.size)?;
        self.inner.read_at(self.start + offset, buf)
    }
}

impl<T: WriteAt> WriteAt for Window<T> {
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        check_bounds(offset, data.len(), self.size)?;
        self.inner.write_at(self.start + offset, data)
    }

    fn flush(&self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Bytes in memory, for tests and small images.
#[derive(Debug, Default)]
pub struct Memory(std::sync::RwLock<Vec<u8>>);

impl Memory {
    /// Takes the bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Memory(std::sync::RwLock::new(bytes))
    }

    /// A copy of the bytes as they are now.
    pub fn to_vec(&self) -> Vec<u8> {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

impl ReadAt for Memory {
    fn size(&self) -> u64 {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let bytes = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        check_bounds(offset, buf.len(), bytes.len() as u64)?;
        let start = offset as usize;
        buf.copy_from_slice(&bytes[start..start + buf.len()]);
        Ok(())
    }
}

impl WriteAt for Memory {
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut bytes = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        check_bounds(offset, data.len(), bytes.len() as u64)?;
        let start = offset as usize;
        bytes[start..start + data.len()].copy_from_slice(data);
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}
