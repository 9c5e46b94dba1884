//! The bytes of volumes and snapshots: raw sparse files in the state folder, copied with their holes.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::SeekFrom;

/// Bytes per GiB.
pub(crate) const GIB: u64 = 1 << 30;

/// Where they are; nowhere if there are no machines to use them.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    folder: Option<PathBuf>,
    guests: PathBuf,
}

/// A file could not be handled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("{what} {}: {source}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("there is no guest image {}: `cargo xtask guests {name}` makes it", path.display())]
    NoGuest { name: String, path: PathBuf },
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Io { what, path, source }
}

impl Files {
    /// In `folder`, with guest images in `guests`.
    pub(crate) fn new(folder: Option<PathBuf>, guests: PathBuf) -> Self {
        Self { folder, guests }
    }

    /// Whether there are files at all.
    pub(crate) fn exist(&self) -> bool {
        self.folder.is_some()
    }

    /// The file of a volume or a snapshot. Without a folder it is an empty path, which nobody opens.
    pub(crate) fn path(&self, id: &str) -> PathBuf {
        match &self.folder {
            Some(folder) => folder.join("disks").join(format!("{id}.img")),
            None => PathBuf::new(),
        }
    }

    /// The image of a guest.
    pub(crate) fn guest(&self, name: &str) -> Result<PathBuf, FileError> {
        let path = self.guests.join(format!("{name}.img"));
        if path.exists() {
            return Ok(path);
        }
        Err(FileError::NoGuest {
            name: name.to_owned(),
            path,
        })
    }

    /// The public key that the test guests are built with, if they were built.
    pub(crate) fn guest_key(&self) -> Option<String> {
        let path = self.guests.parent()?.join("guests/ssh-key.pub");
        Some(fs::read_to_string(path).ok()?.trim().to_owned())
    }

    /// How many GiB a guest's image needs; 8 where there are no files.
    pub(crate) fn guest_size(&self, name: &str) -> Result<u32, FileError> {
        if !self.exist() {
            return Ok(8);
        }
        let path = self.guest(name)?;
        let length = fs::metadata(&path).map_err(io_error("reading", &path))?.len();
        Ok(u32::try_from(length.div_ceil(GIB)).unwrap_or(u32::MAX))
    }

    /// A file of `size` GiB that holds nothing.
    pub(crate) fn blank(&self, id: &str, size: u32) -> Result<(), FileError> {
        if !self.exist() {
            return Ok(());
        }
        let path = self.path(id);
        self.make_folder()?;
        let file = File::create(&path).map_err(io_error("creating", &path))?;
        file.set_len(u64::from(size) * GIB)
            .map_err(io_error("extending", &path))
    }

    /// A file of at least `size` GiB that begins with the bytes of another.
    pub(crate) fn copy(&self, from: &Path, id: &str, size: u32) -> Result<(), FileError> {
        if !self.exist() {
            return Ok(());
        }
        self.make_folder()?;
        let path = self.path(id);
        copy_sparse(from, &path)?;
        let file = OpenOptions::new()
            .write(true)
            .open(&path)
            .map_err(io_error("opening", &path))?;
        let length = file.metadata().map_err(io_error("reading", &path))?.len();
        file.set_len(length.max(u64::from(size) * GIB))
            .map_err(io_error("extending", &path))
    }

    /// Removes the file, if there is one.
    pub(crate) fn remove(&self, id: &str) -> Result<(), FileError> {
        if !self.exist() {
            return Ok(());
        }
        let path = self.path(id);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("removing", &path)(error)),
            _ => Ok(()),
        }
    }

    fn make_folder(&self) -> Result<(), FileError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let disks = folder.join("disks");
        fs::create_dir_all(&disks).map_err(io_error("creating", &disks))
    }
}

/// Copies a file, sharing its blocks where the file system can, else leaving its holes out.
fn copy_sparse(from: &Path, to: &Path) -> Result<(), FileError> {
    let source = File::open(from).map_err(io_error("opening", from))?;
    let target = File::create(to).map_err(io_error("creating", to))?;
    if rustix::fs::ioctl_ficlone(&target, &source).is_ok() {
        return Ok(());
    }
    let length = source.metadata().map_err(io_error("reading", from))?.len();
    target.set_len(length).map_err(io_error("extending", to))?;
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    while at < length {
        let start = match rustix::fs::seek(&source, SeekFrom::Data(at)) {
            Ok(start) => start,
            // Nothing but a hole up to the end.
            Err(rustix::io::Errno::NXIO) => break,
            Err(error) => return Err(io_error("finding the data of", from)(error.into())),
        };
        let end = rustix::fs::seek(&source, SeekFrom::Hole(start))
            .map_err(|error| io_error("finding the holes of", from)(error.into()))?;
        at = start;
        while at < end {
            let wanted = buffer.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
            let got = source
                .read_at(&mut buffer[..wanted], at)
                .map_err(io_error("reading", from))?;
            if got == 0 {
                return Ok(());
            }
            target
                .write_all_at(&buffer[..got], at)
                .map_err(io_error("writing", to))?;
            at += got as u64;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn copies_keep_bytes_and_holes() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        let file = File::create(&from).unwrap();
        file.set_len(64 << 20).unwrap();
        file.write_all_at(b"begin", 0).unwrap();
        file.write_all_at(b"middle", 20 << 20).unwrap();
        file.write_all_at(b"end", (64 << 20) - 3).unwrap();
        let files = Files::new(Some(folder.path().to_owned()), PathBuf::new());
        files.copy(&from, "vol-1", 1).unwrap();
        let copy = fs::File::open(files.path("vol-1")).unwrap();
        let mut text = [0; 6];
        copy.read_exact_at(&mut text, 20 << 20).unwrap();
        assert_eq!(&text, b"middle");
        copy.read_exact_at(&mut text[..3], (64 << 20) - 3).unwrap();
        assert_eq!(&text[..3], b"end");
        let metadata = copy.metadata().unwrap();
        assert_eq!(metadata.len(), GIB);
        assert!(metadata.blocks() * 512 < 4 << 20, "{} blocks", metadata.blocks());
    }

    #[test]
    fn missing_guest_says_how_to_make_it() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(Some(folder.path().to_owned()), folder.path().to_owned());
        let error = files.guest("tokyo").unwrap_err().to_string();
        assert!(error.contains("cargo xtask guests tokyo"), "{error}");
    }
}
