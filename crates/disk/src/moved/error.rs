//! What can go wrong with a move.

use std::io;
use std::path::{Path, PathBuf};

use crate::saved::{SavedError, Span};

/// Why the data of a disk could not be moved, or moved back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MoveError {
    /// A file of the record could not be read or written.
    #[error("{doing} {path}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk itself could not be read or written.
    #[error("{doing} the disk at byte {offset}: {source}; nothing is lost: convert again, or revert")]
    Disk {
        /// What was being done.
        doing: &'static str,
        /// Where, in bytes.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The caller asked to stop.
    #[error(
        "stopped after {done} of {total} bytes; until it is complete, the disk neither boots nor mounts: `comeback convert` \
         completes the conversion, `comeback revert` takes it back"
    )]
    Stopped {
        /// Bytes that are where they are to go.
        done: u64,
        /// All bytes that go there.
        total: u64,
    },
    /// What moves does not lie on the disk.
    #[error("moving the data: {0}")]
    Invalid(String),
    /// What is in the folder is not what was recorded.
    #[error("{path} is damaged: {reason}; restore it from a copy")]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The record belongs to another disk.
    #[error(
        "{path} was recorded for a disk of {expected} bytes, this one has {found}; name the folder that belongs to it with \
         --keep"
    )]
    OtherDisk {
        /// The folder.
        path: PathBuf,
        /// Size of the disk that it was made for, in bytes.
        expected: u64,
        /// Size of this disk, in bytes.
        found: u64,
    },
    /// The disk was written to while its data were on the move, or it is another one.
    #[error(
        "the disk has been written to since its data began to move (bytes {}+{}), or it is another one that was recorded in \
         {path}; nothing was changed",
        .span.offset,
        .span.len
    )]
    WrittenTo {
        /// The folder.
        path: PathBuf,
        /// Where.
        span: Span,
    },
    /// A disk whose table was changed may have data where none were.
    #[error(
        "the partition table was changed since the conversion, so that the partition may have grown over what would be put \
         back; nothing was changed. Go back to a snapshot instead, or copy the files"
    )]
    TableChanged,
    /// The patch that goes with the move.
    #[error(transparent)]
    Saved(#[from] SavedError),
}

impl MoveError {
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        MoveError::Io { doing, path, source }
    }
}
