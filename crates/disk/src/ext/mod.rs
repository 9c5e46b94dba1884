//! ext2, ext3 and ext4, read and written in user space through libext2fs.
//!
//! ```text
//! Ext (path in, bytes out)      tree, write: paths, links, files
//!   └─ sys                      the only unsafe code: one Rust function per function of the shim
//!        └─ shim.c              libext2fs, with bitmaps loaded group by group
//!             └─ io::WriteAt    reads and writes of libext2fs come back to us
//! superblock, journal           pure Rust: what must be known, and done, before libext2fs opens anything
//! ```
//!
//! libext2fs wants all bitmaps in memory before it allocates. On a disk of 1 TiB these are 256 MiB, so the shim gives it
//! bitmaps in which everything is in use, and loads only the groups that something is taken from or given back to.

mod error;
pub mod journal;
mod superblock;

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

pub use error::ExtError;
pub use superblock::{Features, Kind, Superblock};

use crate::io::WriteAt;
use crate::tree::{FileTree, Metadata, TreeError};

/// What the file system is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing is written.
    Read,
    /// Files may be changed.
    Write,
}

/// What a new file, directory or link is to be like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewFile {
    /// Permission bits, with set-uid, set-gid and sticky bits. Without meaning for a link.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// All time stamps, seconds since 1970.
    pub time: i64,
    /// The guest's kernel shall not let anybody change, move or remove it.
    pub immutable: bool,
    /// All blocks in one run, or [`ExtError::Fragmented`].
    pub contiguous: bool,
    /// Extended attributes, such as `security.selinux`, with their values as `getxattr` returns them.
    pub xattrs: Vec<(String, Vec<u8>)>,
}

/// A run of a file's bytes that lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where in the file, in bytes.
    pub logical: u64,
    /// Where in the file system, in bytes from its start.
    pub physical: u64,
    /// Length in bytes, a multiple of the block size.
    pub len: u64,
    /// Allocated, but never written: reads as zeros.
    pub unwritten: bool,
}

/// An open ext file system.
#[derive(Debug)]
pub struct Ext {
    superblock: Superblock,
}

impl Ext {
    /// Opens the file system on `io`. `now` (seconds since 1970) is what libext2fs takes for the time.
    ///
    /// # Errors
    /// See [`ExtError`]; in particular `NotExt`, `Features`, `Truncated`, `ExternalJournal`, `Damaged`, and for writing
    /// `NeedsRecovery`.
    pub fn open(_io: Arc<dyn WriteAt>, _access: Access, _now: i64) -> Result<Ext, ExtError> {
        Err(not_yet())
    }

    /// What the superblock said when the file system was opened.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// Free blocks, counted from the group descriptors.
    pub fn free_blocks(&self) -> u64 {
        0
    }

    /// Free inodes, counted from the group descriptors.
    pub fn free_inodes(&self) -> u64 {
        0
    }

    /// The bytes that are in use, metadata included, ascending, without overlaps.
    ///
    /// # Errors
    /// See [`ExtError`].
    pub fn used_ranges(&self) -> Result<Vec<Range<u64>>, ExtError> {
        Err(not_yet())
    }

    /// Writes what has changed: bitmaps, group descriptors, superblock.
    ///
    /// # Errors
    /// [`ExtError::Io`].
    pub fn flush(&self) -> Result<(), ExtError> {
        Err(not_yet())
    }

    /// [`Ext::flush`], and then no more.
    ///
    /// # Errors
    /// [`ExtError::Io`].
    pub fn close(self) -> Result<(), ExtError> {
        self.flush()
    }

    /// Replaces a regular file's content; a link at `path` is followed. Owner, mode, all time stamps, extended
    /// attributes and flags stay, and so does every block that is still needed. `force`: even if it is immutable or
    /// append-only.
    ///
    /// # Errors
    /// See [`ExtError`].
    pub fn write_file(&self, _path: &str, _content: &[u8], _force: bool) -> Result<(), ExtError> {
        Err(not_yet())
    }

    /// Creates a regular file; its directory must exist.
    ///
    /// # Errors
    /// See [`ExtError`].
    pub fn create_file(&self, _path: &str, _content: &[u8], _new: &NewFile) -> Result<(), ExtError> {
        Err(not_yet())
    }

    /// Creates a directory; its parent must exist.
    ///
    /// # Errors
    /// See [`ExtError`].
    pub fn create_dir(&self, _path: &str, _new: &NewFile) -> Result<(), ExtError> {
        Err(not_yet())
    }

    /// Creates a symbolic link to `target`.
    ///
    /// # Errors
    /// See [`ExtError`].
    pub fn create_symlink(&self, _path: &str, _target: &str, _new: &NewFile) -> Result<(), ExtError> {
        Err(not_yet())
    }

    /// Removes a regular file or a link (which is not followed). `force`: even if it is immutable or append-only.
    ///
    /// # Errors
    /// See [`ExtError`].
    pub fn remove_file(&self, _path: &str, _force: bool) -> Result<(), ExtError> {
        Err(not_yet())
    }

    /// Extended attributes of what `path` leads to, sorted by name.
    ///
    /// # Errors
    /// See [`ExtError`].
    pub fn xattrs(&self, _path: &str) -> Result<Vec<(String, Vec<u8>)>, ExtError> {
        Err(not_yet())
    }

    /// Sets one extended attribute of what `path` leads to.
    ///
    /// # Errors
    /// See [`ExtError`].
    pub fn set_xattr(&self, _path: &str, _name: &str, _value: &[u8]) -> Result<(), ExtError> {
        Err(not_yet())
    }

    /// The inode flags of what `path` leads to (`EXT4_*_FL`: 0x10 immutable, 0x20 append-only, 0x80000 extents).
    ///
    /// # Errors
    /// See [`ExtError`].
    pub fn flags(&self, _path: &str) -> Result<u32, ExtError> {
        Err(not_yet())
    }

    /// Sets or clears the immutable flag.
    ///
    /// # Errors
    /// See [`ExtError`].
    pub fn set_immutable(&self, _path: &str, _immutable: bool) -> Result<(), ExtError> {
        Err(not_yet())
    }

    /// Where a regular file's bytes lie, in ascending order; holes are left out.
    ///
    /// # Errors
    /// See [`ExtError`].
    pub fn extents(&self, _path: &str) -> Result<Vec<Extent>, ExtError> {
        Err(not_yet())
    }
}

fn not_yet() -> ExtError {
    ExtError::ReadOnly
}

fn tree_not_yet(path: &str) -> TreeError {
    TreeError::NotFound { path: path.to_owned() }
}

impl FileTree for Ext {
    fn metadata(&self, path: &str) -> Result<Metadata, TreeError> {
        Err(tree_not_yet(path))
    }

    fn symlink_metadata(&self, path: &str) -> Result<Metadata, TreeError> {
        Err(tree_not_yet(path))
    }

    fn read_link(&self, path: &str) -> Result<String, TreeError> {
        Err(tree_not_yet(path))
    }

    fn canonical(&self, path: &str) -> Result<String, TreeError> {
        Err(tree_not_yet(path))
    }

    fn read_dir(&self, path: &str) -> Result<Vec<String>, TreeError> {
        Err(tree_not_yet(path))
    }

    fn open(&self, path: &str) -> Result<Box<dyn Read + '_>, TreeError> {
        Err(tree_not_yet(path))
    }
}
