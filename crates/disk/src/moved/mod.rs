//! A move: all data of a disk go up by one cell (1 MiB), to make room for a partition table and boot code, and can go back.
//!
//! A move is cut off by power failures and by people, and must neither lose a byte nor leave a disk that anybody takes for a
//! whole one. Then the [patch](crate::saved) follows, which adds the table and changes the files.
//!
//! # A hole that travels
//! The disk is seen in places as long as the way that the data move. Cell `i` lies in place `i` before, and in place `i + 1`
//! afterwards. One place more than there are cells is used, so at any time exactly one place holds nothing that counts:
//! the *hole*. At first it is behind the last cell. A step up copies the cell below the hole into it; now the hole
//! is where that cell was. When it has come to place 0, all have moved. Steps down take the same way back.
//!
//! ```text
//! hole at 4   [0][1][2][3][ ]        as it was
//! hole at 2   [0][1][ ][2][3]
//! hole at 0   [ ][0][1][2][3]        moved
//! ```
//!
//! A step only writes to the hole, and the next one begins when that is on stable storage. So a step that is cut off anywhere
//! is simply done again, if one knows where the hole is. `cells.log` tells: before a batch of cells moves, their checksums are
//! on stable storage, and after an interruption the hole is where the places below it hold their cells by these checksums,
//! and the places above it hold theirs. Where cells are equal, there are several such places, and each is right.
//! Nothing but the two ends is written twice for this, and direction may change at any time.
//!
//! Cells are not looked into: free blocks of the file system move like others, or a revert could not bring them back to the
//! last bit. What is cheap is a cell that equals the one above it, as in the zeros of a disk that was never full: it is read, and
//! not written.
//!
//! # Nobody mistakes it
//! Before the first step, a [stamp](Stamp) replaces the first 4 KiB, the boot sector and the superblock with them: a disk on
//! the move neither boots nor mounts. The patch, whose first sector is written last, puts the table there; a
//! revert puts the stamp back first, and the old bytes last.
//!
//! # On stable storage
//! | file | what it is |
//! |---|---|
//! | `move.json` | size of the disk, the cells, and what is being done |
//! | `replaced.bin` | the first 4 KiB, the stamp, and what was in the place that the last cell moves to |
//! | `cells.log` | cells on their way |
//! | `patch/` | a [saved patch](crate::saved) of the disk as it is when its data have moved |

use std::fs::{self, DirBuilder};
use std::ops::ControlFlow;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::io::{ReadAt, WriteAt};
use crate::patch::Patch;
use crate::saved::{
    Condition, Request, Reverted, Saved, SavedError, Span, append, archive_name, remove_file, remove_partial, rename,
    sync_folder,
};

mod cells;
mod error;
mod hole;
mod journal;
mod log;
mod stamp;

pub use cells::{Cells, Shifted};
pub use error::MoveError;
use journal::{JOURNAL, Journal, Replaced, State};
use log::{Direction, Log};
pub(crate) use stamp::MAGIC;
pub use stamp::Stamp;

const LOG: &str = "cells.log";
const PATCH: &str = "patch";

/// Told of bytes done and bytes in all; says whether to go on.
pub type Watch<'a> = &'a mut dyn FnMut(u64, u64) -> ControlFlow<()>;

/// What a disk looks like, compared with what was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing has moved. At most the stamp has been written.
    Untouched,
    /// Data are on the move, or were when it was cut off.
    HalfWay {
        /// Bytes that have moved up, about.
        done: u64,
        /// Bytes that move in all.
        total: u64,
    },
    /// All data have moved; what the patch looks like.
    Moved(Condition),
    /// It was taken back; only the folder is left.
    Reverted,
    /// Data should be on the move, but it does not look like it: it is another disk, or was written to.
    Foreign(Span),
}

/// A move on stable storage, with the patch that belongs to it.
#[derive(Debug)]
pub struct Moved {
    folder: PathBuf,
    journal: Journal,
    replaced: Replaced,
    log: Log,
    saved: Saved,
}

impl Moved {
    /// Records in the new folder `folder` that the disk below `shifted` is to become `shifted`, and then to get `patch`.
    /// The disk is only read.
    ///
    /// # Errors
    /// As [`Saved::create`]; in all cases nothing is left behind that would be taken for a record.
    pub fn create(folder: &Path, shifted: &Shifted, patch: &Patch, request: Request<'_>) -> Result<Moved, MoveError> {
        if folder.symlink_metadata().is_ok() {
            let path = folder.to_owned();
            return Err(SavedError::Exists { path }.into());
        }
        let partial = append(folder, ".partial");
        remove_partial(&partial)?;
        DirBuilder::new()
            .mode(0o700)
            .create(&partial)
            .map_err(|source| MoveError::io("making", &partial, source))?;
        let fill = || -> Result<(), MoveError> {
            Saved::create(&partial.join(PATCH), shifted, patch, request)?;
            let replaced = Replaced::read(shifted)?;
            replaced.write(&partial)?;
            Log::create(&partial.join(LOG))?;
            Journal::new(shifted).write(&partial.join(JOURNAL))?;
            Ok(sync_folder(&partial)?)
        };
        if let Err(err) = fill() {
            // Not being able to clean up must not hide why.
            let _ = fs::remove_dir_all(&partial);
            return Err(err);
        }
        rename(&partial, folder)?;
        Moved::load(folder)?.ok_or_else(|| MoveError::Damaged {
            path: folder.to_owned(),
            reason: format!("{JOURNAL} is gone"),
        })
    }

    /// The move recorded in `folder`; none if there is no such folder, or it holds something else.
    ///
    /// # Errors
    /// [`MoveError::Damaged`], or it cannot be read.
    pub fn load(folder: &Path) -> Result<Option<Moved>, MoveError> {
        let Some((journal, replaced)) = Journal::load(folder)? else {
            return Ok(None);
        };
        let saved = Saved::load(&folder.join(PATCH))?.ok_or_else(|| MoveError::Damaged {
            path: folder.to_owned(),
            reason: format!("{PATCH} is missing"),
        })?;
        Ok(Some(Moved {
            log: Log::open(&folder.join(LOG), journal.cells.count)?,
            folder: folder.to_owned(),
            journal,
            replaced,
            saved,
        }))
    }

    /// The folder that holds it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The patch that belongs to it.
    pub fn saved(&self) -> &Saved {
        &self.saved
    }

    /// What moves.
    pub fn cells(&self) -> Cells {
        self.journal.cells
    }

    /// Compares the disk with what was recorded. Of data on the move, only the start of the disk is looked at.
    ///
    /// # Errors
    /// [`MoveError::OtherDisk`], [`MoveError::Damaged`], or the disk cannot be read.
    pub fn standing(&self, disk: &dyn ReadAt) -> Result<Standing, MoveError> {
        self.check_size(disk)?;
        match self.journal.state {
            State::Moved => return Ok(Standing::Moved(self.saved.condition(disk)?)),
            State::Reverted => return Ok(Standing::Reverted),
            State::Up | State::Down => {}
        }
        if !self.is_ours(disk)? {
            return Ok(Standing::Foreign(HEAD));
        }
        let Cells { len, count } = self.cells();
        Ok(match self.log.last() {
            None => Standing::Untouched,
            Some(batch) => Standing::HalfWay {
                done: (count - batch.end()) * len,
                total: count * len,
            },
        })
    }

    /// Moves the data and writes the patch; completes what was interrupted, a revert too. `watch` is told of each step
    /// and may stop in between.
    ///
    /// # Errors
    /// [`MoveError::WrittenTo`] (or its like of the patch) if somebody else wrote to the disk meanwhile;
    /// [`MoveError::Stopped`]. Whatever the error, apply or revert again.
    pub fn apply(&mut self, disk: &dyn WriteAt, watch: Watch<'_>) -> Result<(), MoveError> {
        self.check_size(disk)?;
        if self.journal.state != State::Moved {
            self.check_head(disk)?;
            self.set_state(State::Up)?;
            self.write_stamp(disk)?;
            self.travel(disk, Direction::Up, watch)?;
            self.set_state(State::Moved)?;
        }
        Ok(self.saved.apply(disk, &mut |_, _| ())?)
    }

    /// Takes the patch back and moves the data back; completes what was interrupted. When all is as it was, the folder is
    /// removed; if some places had been written to, it is renamed to `….comeback-reverted`.
    ///
    /// With `force`, also reverts a disk that was used since. Its data move back as they are now.
    ///
    /// # Errors
    /// [`SavedError::WrittenTo`] without `force`; [`MoveError::TableChanged`] with it; [`MoveError::WrittenTo`] and
    /// [`MoveError::Stopped`] as of [`Moved::apply`]. Whatever the error, revert or apply again.
    pub fn revert(mut self, disk: &dyn WriteAt, force: bool, watch: Watch<'_>) -> Result<Reverted, MoveError> {
        self.check_size(disk)?;
        let Cells { len, .. } = self.cells();
        if self.journal.state == State::Moved {
            let foreign = self.saved.condition(disk)?.foreign;
            let in_table = |span: &Span| span.offset < len || span.offset >= self.cells().end();
            if force && foreign.iter().any(in_table) {
                return Err(MoveError::TableChanged);
            }
            self.saved.take_back(disk, force, &mut |_, _| ())?;
            // The disk may have been used: its superblock goes back as it is now, and the next scan for the hole needs the
            // cells as they are now.
            self.replaced.head = read(disk, len, stamp::LEN)?;
            self.replaced.write(&self.folder)?;
            self.send_off(disk, Direction::Down, 0)?;
            self.set_state(State::Down)?;
        }
        if self.journal.state != State::Reverted {
            self.check_head(disk)?;
            self.set_state(State::Down)?;
            if self.log.last().is_some() {
                self.write_stamp(disk)?;
                self.travel(disk, Direction::Down, watch)?;
                write(disk, self.cells().at(self.cells().count), &self.replaced.last)?;
            }
            flush(disk)?;
            write(disk, 0, &self.replaced.head)?;
            flush(disk)?;
            self.set_state(State::Reverted)?;
        }
        let restored = self.ranges();
        let kept = self.changed();
        let archived = if kept.is_empty() {
            self.remove()?;
            None
        } else {
            Some(self.archive()?)
        };
        Ok(Reverted {
            restored,
            kept,
            archived,
        })
    }

    /// Throws away a move that has not begun, or was taken back.
    ///
    /// # Errors
    /// [`SavedError::NotOld`] if data are on the move or have moved; [`MoveError::WrittenTo`] if the disk has neither its
    /// old start nor the stamp.
    pub fn discard(self, disk: &dyn WriteAt) -> Result<(), MoveError> {
        match self.standing(disk)? {
            Standing::Reverted => {}
            Standing::Untouched => {
                if self.head(disk)? != self.replaced.head {
                    write(disk, 0, &self.replaced.head)?;
                    flush(disk)?;
                }
            }
            Standing::Foreign(span) => return Err(self.written_to(span)),
            Standing::HalfWay { .. } | Standing::Moved(_) => return Err(SavedError::NotOld.into()),
        }
        self.remove()
    }

    /// All that differs from the disk as it was.
    fn ranges(&self) -> Vec<Span> {
        let end = self.cells().end();
        let moved = Span { offset: 0, len: end };
        let others = self.saved.ranges().filter(|span| span.offset >= end);
        std::iter::once(moved).chain(others).collect()
    }

    /// What moved back otherwise than it had gone up, where it is now.
    fn changed(&self) -> Vec<Span> {
        let cells = self.cells();
        let mut spans: Vec<Span> = Vec::new();
        for cell in self.log.changed() {
            match spans.last_mut() {
                Some(last) if last.offset + last.len == cells.at(cell) => last.len += cells.len,
                _ => spans.push(Span {
                    offset: cells.at(cell),
                    len: cells.len,
                }),
            }
        }
        spans
    }

    fn check_size(&self, disk: &dyn ReadAt) -> Result<(), MoveError> {
        let (expected, found) = (self.journal.disk_size, disk.size());
        if expected == found {
            return Ok(());
        }
        let path = self.folder.clone();
        Err(MoveError::OtherDisk { path, expected, found })
    }

    fn written_to(&self, span: Span) -> MoveError {
        let path = self.folder.clone();
        MoveError::WrittenTo { path, span }
    }

    fn head(&self, disk: &dyn ReadAt) -> Result<Vec<u8>, MoveError> {
        read(disk, HEAD.offset, HEAD.len)
    }

    /// Whether the start of the disk is as it was, or the stamp, or both as a write leaves it that was cut off.
    fn is_ours(&self, disk: &dyn ReadAt) -> Result<bool, MoveError> {
        let old_and_new = self.replaced.head.iter().zip(self.replaced.stamp.bytes());
        let head = self.head(disk)?;
        Ok(head
            .iter()
            .zip(old_and_new)
            .all(|(byte, (old, new))| byte == old || byte == new))
    }

    fn check_head(&self, disk: &dyn ReadAt) -> Result<(), MoveError> {
        if self.is_ours(disk)? {
            return Ok(());
        }
        Err(self.written_to(HEAD))
    }

    fn write_stamp(&self, disk: &dyn WriteAt) -> Result<(), MoveError> {
        if self.head(disk)? != self.replaced.stamp.bytes() {
            write(disk, 0, self.replaced.stamp.bytes())?;
        }
        flush(disk)
    }

    /// Replaces the journal by one with another state; the old or the new is there at any time.
    fn set_state(&mut self, state: State) -> Result<(), MoveError> {
        if self.journal.state == state {
            return Ok(());
        }
        self.journal.state = state;
        let next = self.folder.join("move.json.new");
        remove_file(&next)?;
        self.journal.write(&next)?;
        Ok(rename(&next, &self.folder.join(JOURNAL))?)
    }

    /// Removes the folder; a name that nobody takes for a record comes first.
    fn remove(self) -> Result<(), MoveError> {
        let partial = append(&self.folder, ".partial");
        remove_partial(&partial)?;
        rename(&self.folder, &partial)?;
        Ok(remove_partial(&partial)?)
    }

    /// Moves the folder out of the way.
    fn archive(self) -> Result<PathBuf, MoveError> {
        let target = archive_name(&self.folder);
        rename(&self.folder, &target)?;
        Ok(target)
    }
}

/// Where the stamp is.
const HEAD: Span = Span {
    offset: 0,
    len: stamp::LEN,
};

fn failed(doing: &'static str, offset: u64) -> impl FnOnce(std::io::Error) -> MoveError {
    move |source| MoveError::Disk { doing, offset, source }
}

fn read(disk: &dyn ReadAt, offset: u64, len: u64) -> Result<Vec<u8>, MoveError> {
    let mut bytes = vec![0; len as usize];
    disk.read_at(offset, &mut bytes).map_err(failed("reading", offset))?;
    Ok(bytes)
}

fn write(disk: &dyn WriteAt, offset: u64, bytes: &[u8]) -> Result<(), MoveError> {
    disk.write_at(offset, bytes).map_err(failed("writing to", offset))
}

fn flush(disk: &dyn WriteAt) -> Result<(), MoveError> {
    disk.flush().map_err(failed("flushing", 0))
}

#[cfg(test)]
mod tests;
