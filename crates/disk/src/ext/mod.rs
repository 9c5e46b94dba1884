//! ext2, ext3 and ext4, read and written in user space through libext2fs.
//!
//! ```text
//! Ext (path in, bytes out)      tree, write: paths, links, files
//!   └─ sys                      the only unsafe code: one Rust function per function of the shim
//!        └─ shim/*.c            libext2fs, with bitmaps loaded group by group
//!             └─ io::WriteAt    reads and writes of libext2fs come back to us
//! superblock, journal           pure Rust: what must be known, and done, before libext2fs opens anything
//! ```
//!
//! libext2fs wants all bitmaps in memory before it allocates. On a disk of 1 TiB these are 64 MiB, so the shim gives it
//! bitmaps in which everything is in use, and loads only the groups that something is taken from or given back to.

mod cache;
mod error;
pub mod journal;
mod path;
mod superblock;
mod sys;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tree;
mod write;

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use error::ExtError;
pub use superblock::{Features, Kind, Superblock};

pub use crate::io::Access;
use crate::io::WriteAt;

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
    access: Access,
    now: i64,
    io: Arc<dyn WriteAt>,
    handle: Mutex<sys::Handle>,
}

impl Ext {
    /// Opens the file system on `io`. `now` (seconds since 1970) is what libext2fs takes for the time.
    ///
    /// # Errors
    /// See [`ExtError`]; in particular `NotExt`, `Features`, `Truncated`, `ExternalJournal`, `Damaged`, and for writing
    /// `NeedsRecovery`.
    pub fn open(io: Arc<dyn WriteAt>, access: Access, now: i64) -> Result<Ext, ExtError> {
        let superblock = Superblock::read(&io)?.ok_or(ExtError::NotExt)?;
        check(&superblock, io.size(), access)?;
        let io: Arc<dyn WriteAt> = Arc::new(cache::Cache::new(io));
        let handle = sys::Handle::open(io.clone(), superblock.size, access == Access::Write, now)?;
        Ok(Ext {
            superblock,
            access,
            now,
            io,
            handle: Mutex::new(handle),
        })
    }

    /// What the superblock said when the file system was opened.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// Free blocks, counted from the group descriptors: the superblock's number is stale unless it was unmounted.
    pub fn free_blocks(&self) -> u64 {
        self.handle().free_counts().0
    }

    /// Free inodes, counted from the group descriptors.
    pub fn free_inodes(&self) -> u64 {
        self.handle().free_counts().1
    }

    /// The bytes that are in use, metadata and the boot sector included, ascending, without overlaps. Reads all block
    /// bitmaps.
    ///
    /// # Errors
    /// See [`ExtError`].
    pub fn used_ranges(&self) -> Result<Vec<Range<u64>>, ExtError> {
        let block_size = u64::from(self.superblock.block_size);
        let mut handle = self.handle();
        let mut ranges: Vec<Range<u64>> = Vec::new();
        let mut add = |start: u64, end: u64| match ranges.last_mut() {
            Some(last) if last.end >= start => last.end = end,
            _ => ranges.push(start..end),
        };
        // No bitmap has a bit for what lies before the first data block, nor for the boot sector.
        add(
            0,
            block_size.max(u64::from(self.superblock.first_data_block) * block_size),
        );
        for group in 0..handle.groups() {
            for (start, len) in handle.used(group)? {
                add(start * block_size, (start + len) * block_size);
            }
        }
        Ok(ranges)
    }

    /// Writes what has changed: bitmaps, group descriptors, superblock. Nothing is written when nothing has changed.
    ///
    /// # Errors
    /// [`ExtError::Io`].
    pub fn flush(&self) -> Result<(), ExtError> {
        if self.access == Access::Read {
            return Ok(());
        }
        self.handle().flush()?;
        self.io.flush().map_err(|source| ExtError::Io {
            what: "flushing the file system's medium".to_owned(),
            source,
        })
    }

    /// [`Ext::flush`], and then no more. Dropping without it leaves what was not flushed undone.
    ///
    /// # Errors
    /// [`ExtError::Io`].
    pub fn close(self) -> Result<(), ExtError> {
        self.flush()
    }

    fn handle(&self) -> MutexGuard<'_, sys::Handle> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether libext2fs should be let near it at all.
fn check(superblock: &Superblock, medium: u64, access: Access) -> Result<(), ExtError> {
    let features = superblock.features;
    if features.incompat & superblock::INCOMPAT_JOURNAL_DEV != 0 {
        return Err(ExtError::JournalDevice);
    }
    let (incompat, ro_compat) = sys::supported_features();
    let unknown = |verb, ro_compat| {
        let unknown = Features {
            compat: 0,
            incompat: features.incompat & !incompat,
            ro_compat,
        };
        match unknown.names() {
            names if names.is_empty() => Ok(()),
            features => Err(ExtError::Features { verb, features }),
        }
    };
    unknown("read", 0)?;
    if access == Access::Write {
        unknown("write", features.ro_compat & !ro_compat)?;
    }
    if superblock.size > medium {
        return Err(ExtError::Truncated {
            expected: superblock.size,
            actual: medium,
        });
    }
    superblock.check_geometry().map_err(|reason| ExtError::Damaged {
        what: "superblock".to_owned(),
        reason,
    })?;
    if access == Access::Write || superblock.needs_recovery {
        if superblock.has_external_journal() {
            return Err(ExtError::ExternalJournal {
                uuid: superblock.journal_uuid,
            });
        }
        if access == Access::Write && superblock.needs_recovery {
            return Err(ExtError::NeedsRecovery);
        }
    }
    Ok(())
}
