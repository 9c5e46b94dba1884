//! Files and folders that are there in full or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::SavedError;

/// Writes a value as JSON to a file that does not exist yet, and syncs it.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), SavedError> {
    let text = serde_json::to_vec_pretty(value).map_err(|err| io_error("writing", path)(err.into()))?;
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
pub(crate) fn remove_partial(path: &Path) -> Result<(), SavedError> {
    match fs::remove_dir_all(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(io_error("removing", path)),
    }
}

pub(crate) fn remove_file(path: &Path) -> Result<(), SavedError> {
    match fs::remove_file(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(io_error("removing", path)),
    }
}

pub(crate) fn sync_folder(path: &Path) -> Result<(), SavedError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(io_error("syncing", path))
}

/// Renames, and makes the new name durable.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), SavedError> {
    fs::rename(from, to).map_err(io_error("renaming", from))?;
    sync_folder(parent(to))
}

/// A name that is free, for a folder that was reverted and is still needed.
pub(crate) fn archive_name(folder: &Path) -> PathBuf {
    let mut target = append(folder, "-reverted");
    let mut number = 1;
    while target.symlink_metadata().is_ok() {
        number += 1;
        target = append(folder, &format!("-reverted-{number}"));
    }
    target
}

/// The folder that `path` lies in.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

pub(crate) fn append(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

pub(crate) fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SavedError {
    let path = path.to_owned();
    move |source| SavedError::Io { doing, path, source }
}
