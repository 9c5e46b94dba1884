//! What can go wrong with an ext file system.

use std::io;

use crate::tree::TreeError;

/// Why an ext file system could not be opened, read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ExtError {
    /// There is no ext superblock.
    #[error("no ext2, ext3 or ext4 file system: byte 1080 does not hold the magic number 0xEF53")]
    NotExt,
    /// The superblock says that this is the journal of another file system.
    #[error("this is an external ext journal, no file system: give the device of the file system that it belongs to")]
    JournalDevice,
    /// The journal lies on another device.
    #[error(
        "the journal is on another device ({uuid}), which is not at hand: attach it and run `tune2fs -O ^has_journal` on the guest first"
    )]
    ExternalJournal {
        /// UUID of the journal's device.
        uuid: uuid::Uuid,
    },
    /// libext2fs cannot handle some features, or cannot write with them.
    #[error(
        "libext2fs cannot {verb} a file system with {}: either they are newer than the e2fsprogs that comeback was built \
         with, or the superblock is damaged; see what `dumpe2fs -h` says",
        features.join(", ")
    )]
    Features {
        /// What was tried: `read` or `write`.
        verb: &'static str,
        /// The features' names, as `dumpe2fs` prints them.
        features: Vec<String>,
    },
    /// The file system is larger than what it is on.
    #[error("truncated: the file system has {expected} bytes, what it is on has {actual}; copy the disk again")]
    Truncated {
        /// Size that the superblock states, in bytes.
        expected: u64,
        /// Size of the medium, in bytes.
        actual: u64,
    },
    /// The journal holds changes that are not in the file system yet.
    #[error("the journal was not replayed: replay it before the file system is written to")]
    NeedsRecovery,
    /// The journal has fast commits, which only e2fsck and the kernel can replay.
    #[error(
        "the journal holds fast commits, which cannot be replayed here: run `e2fsck -E journal_only` on the file system, or mount it once"
    )]
    FastCommits,
    /// The journal cannot be replayed.
    #[error("journal: {reason}: run `e2fsck -f` on the file system")]
    Journal {
        /// What was found, where.
        reason: String,
    },
    /// The file system contradicts itself.
    #[error("damaged: {what}: {reason}: run `e2fsck -f` on the file system")]
    Damaged {
        /// The call or structure.
        what: String,
        /// What libext2fs or the check said.
        reason: String,
    },
    /// Not enough free blocks or inodes.
    #[error("no space: {what} needs {needed} free {unit}, {free} are free; remove some files in the guest first")]
    NoSpace {
        /// The path or call that needed it.
        what: String,
        /// `blocks` or `inodes`.
        unit: &'static str,
        /// How many were needed, at least.
        needed: u64,
        /// How many there are.
        free: u64,
    },
    /// There are enough free blocks, but not in one run.
    #[error("no contiguous run of {needed} free blocks for {path}; remove some files in the guest first")]
    Fragmented {
        /// The file.
        path: String,
        /// Length of the run in blocks.
        needed: u64,
    },
    /// The file is immutable or append-only.
    #[error("{path}: the file is {flag} (see lsattr): `chattr -{letter}` it, or ask to change it all the same")]
    Protected {
        /// The file.
        path: String,
        /// `immutable` or `append-only`.
        flag: &'static str,
        /// The letter that chattr knows the flag by.
        letter: char,
    },
    /// The file's content is encrypted, or sealed by fs-verity.
    #[error("{path}: {what} files cannot be changed from outside")]
    Sealed {
        /// The file.
        path: String,
        /// `encrypted` or `verity`.
        what: &'static str,
    },
    /// There is something at the path already.
    #[error("{path}: exists")]
    Exists {
        /// The path.
        path: String,
    },
    /// A path, name, attribute or size that the file system cannot hold.
    #[error("{path}: {reason}")]
    Invalid {
        /// The path.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file system was opened for reading only.
    #[error("the file system was opened for reading only")]
    ReadOnly,
    /// A path leads nowhere.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The medium failed.
    #[error("{what}: {source}")]
    Io {
        /// What was read or written.
        what: String,
        /// The medium's own error.
        source: io::Error,
    },
    /// libext2fs said no.
    #[error("{what}: {message}")]
    Library {
        /// The call, with its file or inode.
        what: String,
        /// libext2fs's text for the code.
        message: String,
        /// The code, as com_err knows it.
        code: std::ffi::c_long,
    },
}
