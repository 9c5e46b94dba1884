//! Files and folders that are there in full or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::SavedError;
use super::journal::Journal;

/// Writes a journal to a file that does not exist yet, and syncs it.
pub(super) fn write_journal(path: &Path, journal: &Journal) -> Result<(), SavedError> {
    let text = serde_json::to_vec_pretty(journal).map_err(|err| io_error("writing", path)(err.into()))?;
    let file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    file.and_then(|mut file| {
        file.write_all(&text)?;
        file.sync_all()
    })
    .map_err(io_error("writing", path))
}

/// Removes what an interrupted [`Saved::create`] or [`Saved::remove`] left behind.
pub(super) fn remove_partial(path: &Path) -> Result<(), SavedError> {
    match fs::remove_dir_all(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(io_error("removing", path)),
    }
}

pub(super) fn remove_file(path: &Path) -> Result<(), SavedError> {
    match fs::remove_file(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(io_error("removing", path)),
    }
}

pub(super) fn sync_folder(path: &Path) -> Result<(), SavedError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(io_error("syncing", path))
}

/// The folder that `path` lies in.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

pub(super) fn append(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

pub(super) fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SavedError {
    let path = path.to_owned();
    move |source| SavedError::Io { doing, path, source }
}
