//! The file below an image, as `imago` wants it, with a place for tests to make it fail.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use imago::io_buffers::{IoVector, IoVectorMut};
use imago::storage::PreallocateMode;
use imago::storage::drivers::CommonStorageHelper;
use imago::{Storage, StorageOpenOptions};

/// What an image is stored in. Tests put in media that fail.
pub(crate) trait Medium: fmt::Debug + Send + Sync {
    /// As [`FileExt::read_at`]: may read less than asked for, nothing at the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// As [`FileExt::write_all_at`].
    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()>;
    /// As [`File::sync_data`].
    fn sync(&self) -> io::Result<()>;
    /// As [`File::set_len`].
    fn set_len(&self, size: u64) -> io::Result<()>;
    /// Size in bytes.
    fn len(&self) -> io::Result<u64>;
}

impl Medium for File {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buf, offset)
    }

    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, data, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn set_len(&self, size: u64) -> io::Result<()> {
        File::set_len(self, size)
    }

    /// Also right for block devices, whose metadata say 0.
    fn len(&self) -> io::Result<u64> {
        io::Seek::seek(&mut &*self, io::SeekFrom::End(0))
    }
}

/// A medium with its path.
#[derive(Debug)]
pub(crate) struct HostFile {
    medium: Box<dyn Medium>,
    path: PathBuf,
    helper: CommonStorageHelper,
}

impl HostFile {
    pub(crate) fn new(medium: Box<dyn Medium>, path: &Path) -> Self {
        HostFile {
            medium,
            path: path.to_owned(),
            helper: CommonStorageHelper::default(),
        }
    }

    /// The file below.
    pub(crate) fn medium(&self) -> &dyn Medium {
        &*self.medium
    }

    /// Fills `buf`; an error at the end of the file.
    pub(crate) fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        match self.read_up_to(offset, buf)? {
            len if len == buf.len() => Ok(()),
            len => Err(crate::io::out_of_bounds(offset, buf.len(), offset + len as u64)),
        }
    }

    /// Fills as much of `buf` as the file has, and says how much that is.
    pub(crate) fn read_up_to(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match self.medium.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(len) => done += len,
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(err),
            }
        }
        Ok(done)
    }
}

impl fmt::Display for HostFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

// The trait's methods are `unsafe` because imago wants them called through its own wrappers; nothing here is.
#[allow(unsafe_code)]
impl Storage for HostFile {
    /// Backing files come this way, once the gate has let them through; they are only read.
    fn open(options: StorageOpenOptions) -> io::Result<Self> {
        let path = options.get_filename().ok_or(io::ErrorKind::InvalidInput)?;
        Ok(HostFile::new(Box::new(File::open(path)?), path))
    }

    fn size(&self) -> io::Result<u64> {
        self.medium.len()
    }

    fn resolve_relative_path<P: AsRef<Path>>(&self, relative: P) -> io::Result<PathBuf> {
        Ok(self.path.parent().unwrap_or(Path::new("")).join(relative))
    }

    fn get_filename(&self) -> Option<PathBuf> {
        Some(self.path.clone())
    }

    unsafe fn pure_readv(&self, bufv: IoVectorMut<'_>, mut offset: u64) -> io::Result<()> {
        for mut buf in bufv.into_inner() {
            let len = self.read_up_to(offset, &mut buf)?;
            buf[len..].fill(0);
            offset += buf.len() as u64;
        }
        Ok(())
    }

    unsafe fn pure_writev(&self, bufv: IoVector<'_>, mut offset: u64) -> io::Result<()> {
        for buf in bufv.into_inner() {
            self.medium.write_all_at(&buf, offset)?;
            offset += buf.len() as u64;
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.medium.sync()
    }

    unsafe fn invalidate_cache(&self) -> io::Result<()> {
        Ok(())
    }

    fn get_storage_helper(&self) -> &CommonStorageHelper {
        &self.helper
    }

    fn resize(&self, size: u64, _: PreallocateMode) -> io::Result<()> {
        self.medium.set_len(size)
    }
}
