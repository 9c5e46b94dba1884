//! What can go wrong with a saved patch.

use std::io;
use std::path::PathBuf;

use super::Span;

/// Why a patch could not be saved, applied or reverted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SavedError {
    /// A file could not be read or written.
    #[error("{doing} {path}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk itself could not be read or written. What was saved stays; apply or revert again.
    #[error("{doing} the disk at byte {offset}: {source}; the saved bytes are kept, try again or revert")]
    Disk {
        /// What was being done.
        doing: &'static str,
        /// Where, in bytes.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// There is a saved patch already.
    #[error("{path} exists already: the disk was converted before; finish that, or revert it first")]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A patch that changes nothing cannot be undone either.
    #[error("the patch changes nothing, so there is nothing to save")]
    Empty,
    /// The patch was made for other bytes than the disk has.
    #[error("the disk has changed since the patch was made (byte {offset}); make it again")]
    Stale {
        /// The first range in which it has, in bytes from the start of the disk.
        offset: u64,
    },
    /// The patch does not fit what it is made for.
    #[error("saving the patch: {0}")]
    Invalid(String),
    /// What is in the folder is not what was saved.
    #[error("{path} is damaged: {reason}; restore it from a copy, or, if the disk is as it should be, move it away")]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The patch belongs to another disk.
    #[error(
        "{path} was saved for a disk of {expected} bytes, this one has {found}; name the folder that belongs to it with \
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
    /// The disk was written to since.
    #[error("the disk has been written to since the patch was saved, at {}; nothing was changed", list(.ranges, .witnesses))]
    WrittenTo {
        /// Ranges of the patch that hold neither the old nor the new bytes.
        ranges: Vec<Span>,
        /// Witnesses that have changed.
        witnesses: Vec<Span>,
    },
    /// The folder is only thrown away for a disk on which nothing of the patch is.
    #[error("the disk holds (part of) the patch; revert it instead")]
    NotOld,
}

fn list(ranges: &[Span], witnesses: &[Span]) -> String {
    let mut all: Vec<Span> = ranges.iter().chain(witnesses).copied().collect();
    all.sort();
    let more = all.len().saturating_sub(4);
    let mut text: Vec<String> = all
        .iter()
        .take(4)
        .map(|span| format!("bytes {}+{}", span.offset, span.len))
        .collect();
    if more > 0 {
        text.push(format!("{more} more places"));
    }
    text.join(", ")
}
