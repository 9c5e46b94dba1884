//! `journal.json`: what was saved, for which disk, and how far it got.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Span;
use crate::image::Format;

/// Version of the format. A reader refuses others.
const VERSION: u32 = 1;

/// No piece is longer, in bytes: a piece is held in memory, three times.
pub(super) const MAX_PIECE: u64 = 1 << 20;

/// No witness is longer, in bytes.
pub(super) const MAX_WITNESS: u64 = 16 << 20;

/// A journal is not larger, in bytes; a piece takes about 200.
pub(super) const MAX_JOURNAL: u64 = 256 << 20;

/// How far a patch got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Old and new bytes are safe. Writing to the disk may have begun.
    Saved,
    /// All new bytes are on the disk.
    Applied,
    /// The old bytes are back on the disk.
    Reverted,
}

/// A part of a range of the patch: either within the first sector or after it, at most 1 MiB long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Piece {
    #[serde(flatten)]
    pub span: Span,
    /// SHA-256 of the bytes before, in hexadecimal.
    pub old: String,
    /// SHA-256 of the bytes afterwards, in hexadecimal.
    pub new: String,
}

/// Bytes outside of the patch that change when the disk is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Witness {
    #[serde(flatten)]
    pub span: Span,
    /// SHA-256 of the bytes, those that the patch changes taken as zero.
    pub sha256: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Journal {
    pub version: u32,
    pub state: State,
    pub format: Format,
    /// Size of the disk in bytes.
    pub disk_size: u64,
    /// What the caller knows the disk by: identifiers of its file system, its table.
    pub ids: Vec<String>,
    pub pieces: Vec<Piece>,
    pub witnesses: Vec<Witness>,
    pub description: serde_json::Value,
}

impl Journal {
    pub fn new(format: Format, disk_size: u64, ids: Vec<String>, description: serde_json::Value) -> Self {
        Journal {
            version: VERSION,
            state: State::Saved,
            format,
            disk_size,
            ids,
            pieces: Vec::new(),
            witnesses: Vec::new(),
            description,
        }
    }

    /// Decodes and checks a journal; says what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let unreadable = |err: serde_json::Error| format!("journal.json cannot be read ({err})");
        let Versioned { version } = serde_json::from_slice(bytes).map_err(unreadable)?;
        if version != VERSION {
            return Err(format!(
                "journal.json has version {version}, this program knows {VERSION}"
            ));
        }
        let journal: Journal = serde_json::from_slice(bytes).map_err(unreadable)?;
        let mut end = 0;
        for piece in &journal.pieces {
            let span = piece.span;
            if span.offset < end || span.len == 0 || span.len > MAX_PIECE {
                return Err(format!(
                    "journal.json names an impossible range at byte {}",
                    span.offset
                ));
            }
            end = span.checked_end().ok_or("journal.json names a range past the end")?;
        }
        let witness_end = journal.witnesses.iter().try_fold(0, |end: u64, witness| {
            let fits = witness.span.len <= MAX_WITNESS;
            witness.span.checked_end().filter(|_| fits).map(|other| end.max(other))
        });
        if end > journal.disk_size || witness_end.is_none_or(|end| end > journal.disk_size) {
            return Err("journal.json names a range past the end".to_owned());
        }
        if journal.pieces.is_empty() {
            return Err("journal.json names no range".to_owned());
        }
        Ok(journal)
    }
}

/// SHA-256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Cuts a range into pieces.
pub(super) fn cut(offset: u64, len: u64) -> impl Iterator<Item = Span> {
    let end = offset + len;
    let mut at = offset;
    std::iter::from_fn(move || {
        let next = if at < super::SECTOR {
            super::SECTOR
        } else {
            at + MAX_PIECE
        };
        let span = Span {
            offset: at,
            len: next.min(end) - at,
        };
        at = span.offset + span.len;
        (span.len > 0).then_some(span)
    })
}
