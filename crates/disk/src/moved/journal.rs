//! `move.json` and `replaced.bin`: what moves on which disk, in which direction, and what is written over.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::MoveError;
use super::cells::{Cells, Shifted};
use super::log::{HASH, hash};
use super::stamp::{self, Stamp};
use crate::io::ReadAt;
use crate::saved::{rename, write_json};

pub(super) const JOURNAL: &str = "move.json";
pub(super) const REPLACED: &str = "replaced.bin";

/// Version of the format. A reader refuses others.
const VERSION: u32 = 1;

/// The journal is not larger, in bytes.
const MAX_JOURNAL: u64 = 64 << 10;

/// No cell is longer, in bytes.
const MAX_CELL: u64 = 16 << 20;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// The cells move up, if they have begun to.
    Up,
    /// All have moved; the patch is being written, or has been.
    Moved,
    /// The patch is gone, and the cells move back.
    Down,
    /// The disk is as it was.
    Reverted,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Journal {
    version: u32,
    pub state: State,
    /// Size of the disk in bytes.
    pub disk_size: u64,
    pub cells: Cells,
}

impl Journal {
    pub fn new(shifted: &Shifted) -> Self {
        Journal {
            version: VERSION,
            state: State::Up,
            disk_size: shifted.size(),
            cells: shifted.cells(),
        }
    }

    /// Reads it and what was replaced; none if there is no such journal in the folder.
    pub fn load(folder: &Path) -> Result<Option<(Self, Replaced)>, MoveError> {
        let path = folder.join(JOURNAL);
        let bytes = match read(&path, MAX_JOURNAL) {
            Err(err) if matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            bytes => bytes.map_err(|source| MoveError::io("reading", &path, source))?,
        };
        let damaged = |reason: String| MoveError::Damaged {
            path: folder.to_owned(),
            reason,
        };
        let journal: Journal =
            serde_json::from_slice(&bytes).map_err(|err| damaged(format!("{JOURNAL} cannot be read ({err})")))?;
        if journal.version != VERSION {
            let version = journal.version;
            return Err(damaged(format!(
                "{JOURNAL} has version {version}, this program knows {VERSION}"
            )));
        }
        if !journal.cells.fit(journal.disk_size) || journal.cells.len > MAX_CELL {
            return Err(damaged(format!("{JOURNAL} names data that do not lie on the disk")));
        }
        let path = folder.join(REPLACED);
        let bytes = read(&path, 2 * stamp::LEN + MAX_CELL + HASH as u64)
            .map_err(|source| MoveError::io("reading", &path, source))?;
        let replaced = Replaced::decode(&bytes, journal.cells)
            .ok_or_else(|| damaged(format!("{REPLACED} does not hold what was saved")))?;
        Ok(Some((journal, replaced)))
    }

    /// Writes it under a new name.
    pub fn write(&self, path: &Path) -> Result<(), MoveError> {
        Ok(write_json(path, self)?)
    }
}

/// Bytes that a move writes over, and what it writes at the start.
#[derive(Debug)]
pub(super) struct Replaced {
    /// The start of the disk as it was.
    pub head: Vec<u8>,
    /// What is there while data are on the move.
    pub stamp: Stamp,
    /// What was in the place that the last cell moves to.
    pub last: Vec<u8>,
}

impl Replaced {
    pub fn read(shifted: &Shifted) -> Result<Self, MoveError> {
        let cells = shifted.cells();
        let at = |offset, len| -> Result<Vec<u8>, MoveError> {
            let mut bytes = vec![0; len as usize];
            let read = shifted.base().read_at(offset, &mut bytes);
            read.map_err(|source| MoveError::Disk {
                doing: "reading",
                offset,
                source,
            })?;
            Ok(bytes)
        };
        Ok(Replaced {
            head: at(0, stamp::LEN)?,
            stamp: shifted.stamp().clone(),
            last: at(cells.at(cells.count), cells.len)?,
        })
    }

    /// Writes `replaced.bin`; the old one or the new one is there at any time.
    pub fn write(&self, folder: &Path) -> Result<(), MoveError> {
        let (path, next) = (folder.join(REPLACED), folder.join("replaced.bin.new"));
        let write = || {
            let mut open = File::options();
            let mut file = open.write(true).create(true).truncate(true).mode(0o600).open(&next)?;
            file.write_all(&self.encode())?;
            file.sync_all()
        };
        write().map_err(|source| MoveError::io("writing", &next, source))?;
        Ok(rename(&next, &path)?)
    }

    /// The parts one after the other, and the SHA-256 of them all.
    fn encode(&self) -> Vec<u8> {
        let parts = [&self.head, self.stamp.bytes(), &self.last].concat();
        [&parts[..], &hash(&parts)].concat()
    }

    fn decode(bytes: &[u8], cells: Cells) -> Option<Self> {
        let (parts, sum) = bytes.split_last_chunk::<HASH>()?;
        (hash(parts) == *sum).then_some(())?;
        let (head, rest) = parts.split_at_checked(stamp::LEN as usize)?;
        let (stamp, last) = rest.split_at_checked(stamp::LEN as usize)?;
        (last.len() as u64 == cells.len).then_some(())?;
        Some(Replaced {
            head: head.to_vec(),
            stamp: Stamp::of(stamp.to_vec())?,
            last: last.to_vec(),
        })
    }
}

/// Reads a file that has at most so many bytes.
fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is too large"));
    }
    Ok(bytes)
}
