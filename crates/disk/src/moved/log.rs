//! `cells.log`: which cells are on their way, and what is in them. Only ever added to.
//!
//! A record is on stable storage before the first of its cells moves. Numbers are little endian:
//!
//! | bytes | what they are |
//! |---|---|
//! | 4 | `CMLG` |
//! | 4 | 0: the cells move up; 1: they move back down |
//! | 8 | number of the first cell |
//! | 4 | how many cells, from that one on |
//! | 32 each | SHA-256 of each cell |
//! | 32 | SHA-256 of all of the record before |
//!
//! A record that is cut off at the end was never begun to be acted upon.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::MoveError;

const MAGIC: &[u8; 4] = b"CMLG";
const HEAD: usize = 20;
/// Length of a checksum in bytes.
pub(super) const HASH: usize = 32;

/// No record has more cells. They are held in memory while they move.
pub(super) const MAX_BATCH: u64 = 32;

/// SHA-256 of a cell.
pub(super) type Hash = [u8; HASH];

pub(super) fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// Where the cells go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Each to the place behind it.
    Up,
    /// Back.
    Down,
}

/// Cells on their way: those from `first` on, which have these checksums. Cells below are all in their old places, cells
/// above all in their new ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    pub direction: Direction,
    pub first: u64,
    pub hashes: Vec<Hash>,
}

impl Batch {
    /// The first cell behind.
    pub fn end(&self) -> u64 {
        self.first + self.hashes.len() as u64
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(u32::from(self.direction == Direction::Down).to_le_bytes());
        bytes.extend(self.first.to_le_bytes());
        bytes.extend((self.hashes.len() as u32).to_le_bytes());
        bytes.extend(self.hashes.as_flattened());
        let sum = hash(&bytes);
        bytes.extend(sum);
        bytes
    }

    /// Reads a record; none where there is no (whole) one.
    fn decode(input: &mut impl Read) -> io::Result<Option<(Self, u64)>> {
        let Some(head) = take(input, HEAD)? else {
            return Ok(None);
        };
        let number = |at: usize, len: usize| {
            let bytes = head[at..at + len].iter().rev();
            bytes.fold(0, |number, &byte| number << 8 | u64::from(byte))
        };
        let (direction, first, count) = (number(4, 4), number(8, 8), number(16, 4));
        if !head.starts_with(MAGIC) || direction > 1 || count == 0 || count > MAX_BATCH {
            return Ok(None);
        }
        let Some(body) = take(input, (count as usize + 1) * HASH)? else {
            return Ok(None);
        };
        let (hashes, sum) = body.split_at(count as usize * HASH);
        let all = [&head[..], hashes].concat();
        if hash(&all) != sum || first.checked_add(count).is_none() {
            return Ok(None);
        }
        let batch = Batch {
            direction: if direction == 0 { Direction::Up } else { Direction::Down },
            first,
            hashes: hashes.as_chunks::<HASH>().0.to_vec(),
        };
        Ok(Some((batch, (all.len() + HASH) as u64)))
    }
}

/// Exactly so many bytes, or none.
fn take(input: &mut impl Read, len: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::with_capacity(len);
    input.take(len as u64).read_to_end(&mut bytes)?;
    Ok((bytes.len() == len).then_some(bytes))
}

/// The log of one move.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    /// Where the next record goes, in bytes.
    end: u64,
    last: Option<Batch>,
    /// Checksums of the cells as they were at first, from `known` on; the last cell comes first.
    first: Vec<Hash>,
    known: u64,
    /// Cells that were something else when they last moved.
    changed: BTreeSet<u64>,
}

impl Log {
    /// Makes an empty one.
    pub fn create(path: &Path) -> Result<(), MoveError> {
        let file = File::options().write(true).create_new(true).mode(0o600).open(path);
        file.and_then(|file| file.sync_all())
            .map_err(|source| MoveError::io("making", path, source))
    }

    /// Opens the log of a move of `count` cells.
    ///
    /// # Errors
    /// A text that says what is wrong with the file, in [`MoveError::Damaged`] of its folder.
    pub fn open(path: &Path, count: u64) -> Result<Self, MoveError> {
        let failed = |source| MoveError::io("reading", path, source);
        let damaged = |reason: &str| MoveError::Damaged {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        let file = File::options().read(true).write(true).open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        let mut input = BufReader::new(&file);
        let mut log = Log {
            path: path.to_owned(),
            end: 0,
            last: None,
            first: Vec::new(),
            known: count,
            changed: BTreeSet::new(),
            file: file.try_clone().map_err(failed)?,
        };
        while let Some((batch, size)) = Batch::decode(&mut input).map_err(failed)? {
            if batch.end() > count || batch.end() < log.known {
                return Err(damaged("it names cells that there are not"));
            }
            log.end += size;
            log.remember(batch);
        }
        // A record that was cut off is no longer than a record.
        if len - log.end.min(len) > (HEAD + (MAX_BATCH as usize + 1) * HASH) as u64 {
            return Err(damaged("a record in the middle of it cannot be read"));
        }
        Ok(log)
    }

    /// The cells that are on their way; none if none ever were.
    pub fn last(&self) -> Option<&Batch> {
        self.last.as_ref()
    }

    /// The cells that are not what they were when they first moved: somebody wrote to them while they were up.
    pub fn changed(&self) -> impl Iterator<Item = u64> {
        self.changed.iter().copied()
    }

    /// Adds a record; it is on stable storage when this returns.
    pub fn add(&mut self, batch: Batch) -> Result<(), MoveError> {
        let bytes = batch.encode();
        let write = || {
            // What a record that was cut off left.
            self.file.set_len(self.end)?;
            self.file.write_all_at(&bytes, self.end)?;
            self.file.sync_all()
        };
        write().map_err(|source| MoveError::io("writing", &self.path, source))?;
        self.end += bytes.len() as u64;
        self.remember(batch);
        Ok(())
    }

    fn remember(&mut self, batch: Batch) {
        for (index, &hash) in batch.hashes.iter().enumerate().rev() {
            let cell = batch.first + index as u64;
            if cell < self.known {
                self.first.push(hash);
                self.known = cell;
                continue;
            }
            let first = self.known + self.first.len() as u64 - cell - 1;
            if self.first.get(first as usize) == Some(&hash) {
                self.changed.remove(&cell);
            } else {
                self.changed.insert(cell);
            }
        }
        self.last = Some(batch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(direction: Direction, first: u64, seeds: &[u8]) -> Batch {
        Batch {
            direction,
            first,
            hashes: seeds.iter().map(|&seed| hash(&[seed])).collect(),
        }
    }

    #[test]
    fn comes_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cells.log");
        Log::create(&path).unwrap();
        let mut log = Log::open(&path, 10).unwrap();
        assert!(log.last().is_none());
        let batches = [
            batch(Direction::Up, 7, &[7, 8, 9]),
            batch(Direction::Up, 4, &[4, 5, 6]),
            batch(Direction::Down, 5, &[15, 16]),
            batch(Direction::Up, 3, &[3, 24, 5]),
        ];
        for batch in &batches {
            log.add(batch.clone()).unwrap();
        }
        for log in [log, Log::open(&path, 10).unwrap()] {
            assert_eq!(log.last(), Some(&batches[3]));
            // 5 and 6 were others on their way down, and 5 is itself again; 4 is another one on its second way up.
            assert_eq!(log.changed().collect::<Vec<_>>(), [4, 6]);
        }
        assert!(Log::open(&path, 9).is_err(), "of another move");
    }

    #[test]
    fn a_record_that_was_cut_off_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cells.log");
        let (first, second) = (batch(Direction::Up, 2, &[2, 3]), batch(Direction::Up, 0, &[0, 1]));
        let whole = [first.encode(), second.encode()].concat();
        for len in first.encode().len()..whole.len() {
            std::fs::write(&path, &whole[..len]).unwrap();
            let mut log = Log::open(&path, 4).unwrap();
            assert_eq!(log.last(), Some(&first));
            log.add(second.clone()).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), whole);
        }
        // Damage in the middle is something else.
        let mut bytes = whole.repeat(20);
        bytes[30] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(Log::open(&path, 4), Err(MoveError::Damaged { .. })));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_get_an_answer(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let magic = [&MAGIC[..], &bytes].concat();
            for bytes in [&bytes, &magic] {
                proptest::prop_assert!(Batch::decode(&mut &bytes[..]).unwrap().is_none());
            }
        }
    }
}
