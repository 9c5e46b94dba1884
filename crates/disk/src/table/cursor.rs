//! A position in a disk, for libraries that want to read, write and seek.

use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::io::{ReadAt, WriteAt};

/// Reads, and if `D` can, writes at a position of its own.
#[derive(Debug)]
pub(super) struct Cursor<D> {
    disk: D,
    position: u64,
}

impl<D> Cursor<D> {
    pub(super) fn new(disk: D) -> Self {
        Cursor { disk, position: 0 }
    }
}

impl<D: AsDisk> Read for Cursor<D> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let disk = self.disk.as_disk();
        let left = disk.size().saturating_sub(self.position);
        let len = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        disk.read_at(self.position, &mut buf[..len])?;
        self.position += len as u64;
        Ok(len)
    }
}

impl<D: AsDisk> Seek for Cursor<D> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(delta) => self.disk.as_disk().size().checked_add_signed(delta),
            SeekFrom::Current(delta) => self.position.checked_add_signed(delta),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

impl Write for Cursor<&dyn WriteAt> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.disk.write_at(self.position, data)?;
        self.position += data.len() as u64;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.disk.flush()
    }
}

/// What both kinds of reference can do.
pub(super) trait AsDisk {
    fn as_disk(&self) -> &dyn ReadAt;
}

impl AsDisk for &dyn ReadAt {
    fn as_disk(&self) -> &dyn ReadAt {
        *self
    }
}

impl AsDisk for &dyn WriteAt {
    fn as_disk(&self) -> &dyn ReadAt {
        *self
    }
}
