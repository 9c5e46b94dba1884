//! A tree of files as a guest sees it, whatever carries it: an ext file system in an image, or a folder of this machine.
//!
//! Paths are absolute within the guest (`/boot/grub/menu.lst`). Symbolic links are resolved **inside** the guest, as in
//! a chroot: an absolute target starts at the guest's root, `..` stops there, and no more than [`MAX_LINKS`] are followed.

use std::fmt::Debug;
use std::io::Read;

use serde::Serialize;

/// How many symbolic links are followed before a path is said to go in circles (Linux stops at 40 too).
pub const MAX_LINKS: u32 = 40;

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, socket or pipe.
    Other,
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Regular file, directory, …
    pub kind: Kind,
    /// Size in bytes.
    pub size: u64,
    /// Permission bits, with set-uid, set-gid and sticky bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last change of the content, seconds since 1970.
    pub mtime: i64,
    /// Inode number; equal numbers in one tree are hard links to the same file.
    pub inode: u64,
}

/// Why a path could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Nothing is there.
    #[error("{path}: no such file")]
    NotFound {
        /// The path that was asked for.
        path: String,
    },
    /// The links go in circles, or there are too many.
    #[error("{path}: symbolic links go in circles or are nested deeper than {MAX_LINKS}")]
    TooManyLinks {
        /// The path that was asked for.
        path: String,
    },
    /// A directory where a file was expected, or the reverse.
    #[error("{path}: expected {expected}")]
    WrongKind {
        /// The path that was asked for.
        path: String,
        /// What was expected, with its article: `a regular file`.
        expected: &'static str,
    },
    /// The file is larger than a file of its kind can be.
    #[error("{path}: {size} bytes, larger than the {limit} bytes that such a file can have")]
    TooLarge {
        /// The path that was asked for.
        path: String,
        /// Size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The medium or the file system failed.
    #[error("{path}: {reason}")]
    Unreadable {
        /// The path that was asked for.
        path: String,
        /// What the file system said.
        reason: String,
    },
}

impl TreeError {
    /// Whether the path simply does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, TreeError::NotFound { .. })
    }
}

/// A tree of files, read only.
pub trait FileTree: Debug {
    /// What the path leads to, following a link in its last component.
    ///
    /// # Errors
    /// See [`TreeError`].
    fn metadata(&self, path: &str) -> Result<Metadata, TreeError>;

    /// What the path itself is: a link in its last component is not followed.
    ///
    /// # Errors
    /// See [`TreeError`].
    fn symlink_metadata(&self, path: &str) -> Result<Metadata, TreeError>;

    /// Where the link at `path` points to, as it is written.
    ///
    /// # Errors
    /// See [`TreeError`]; `WrongKind` when it is not a link.
    fn read_link(&self, path: &str) -> Result<String, TreeError>;

    /// The path with all links resolved.
    ///
    /// # Errors
    /// See [`TreeError`].
    fn canonical(&self, path: &str) -> Result<String, TreeError>;

    /// The names in a directory, sorted, without `.` and `..`. Bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// See [`TreeError`].
    fn read_dir(&self, path: &str) -> Result<Vec<String>, TreeError>;

    /// A stream over a regular file's content; nothing is kept in memory.
    ///
    /// # Errors
    /// See [`TreeError`].
    fn open(&self, path: &str) -> Result<Box<dyn Read + '_>, TreeError>;

    /// The content of a regular file of at most `limit` bytes.
    ///
    /// # Errors
    /// See [`TreeError`]; `TooLarge` when the file is larger than `limit`.
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, TreeError> {
        let metadata = self.metadata(path)?;
        if metadata.size > limit {
            return Err(TreeError::TooLarge {
                path: path.to_owned(),
                size: metadata.size,
                limit,
            });
        }
        let mut content = Vec::with_capacity(metadata.size as usize);
        self.open(path)?
            .take(limit)
            .read_to_end(&mut content)
            .map_err(|error| TreeError::Unreadable {
                path: path.to_owned(),
                reason: error.to_string(),
            })?;
        Ok(content)
    }

    /// Whether the path leads to something.
    fn exists(&self, path: &str) -> bool {
        self.metadata(path).is_ok()
    }
}
