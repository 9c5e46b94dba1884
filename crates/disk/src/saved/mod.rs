//! A patch on stable storage: saved before the disk is touched, applied, completed after an interruption, reverted.
//!
//! A folder beside the image (`disk.img.comeback` for `disk.img`) holds
//!
//! | file | what it is |
//! |---|---|
//! | `patch.qcow2` | an overlay of the disk that shows it as it will be; boots under QEMU before the patch is applied |
//! | `undo.qcow2` | an overlay of the disk that shows it as it was, once the patch is applied |
//! | `journal.json` | size and names of the disk, each range with checksums of its old and new bytes, and the state |
//!
//! The overlays are meant for tools and for people; they are right as long as nobody else writes to the disk.
//!
//! # Order of writes
//! The folder is made under another name, synced and renamed, so it is there in full or not at all. Only then the
//! disk is written to:
//! - **apply** writes everything but the first sector, flushes, and writes the first sector last. Before that the disk
//!   does not start as it did not before, afterwards everything that the boot code needs is there.
//! - **revert** restores the first sector first, flushes, and then the rest, so that boot code whose files are already
//!   gone is never started.
//!
//! A write that stops anywhere leaves each byte of each range old or new ([`Summary::Mixed`]); [`Saved::apply`] and
//! [`Saved::revert`] both complete from there.
//!
//! # Written to since
//! The ranges of the patch alone cannot tell whether the disk was booted. The caller names *witnesses*, places that
//! every use changes (the superblock of a file system, its journal's); their checksums, without what the patch itself
//! changes there, are the same before and after. A revert of a disk that was used puts old metadata beside new data;
//! forced, it restores only ranges that are as the conversion left them, and the file system has to be checked.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use imago::FormatAccess;
use serde::{Deserialize, Serialize};

use crate::image::storage::HostFile;
use crate::image::{Format, qcow2};
use crate::io::{ReadAt, WriteAt};
use crate::patch::Patch;

mod create;
mod error;
mod folder;
mod journal;
mod overlay;

use create::{backing_path, prepare, write_folder};
pub use error::SavedError;
use folder::io_error;
pub(crate) use folder::{append, archive_name, remove_file, remove_partial, rename, sync_folder, write_json};
pub use journal::State;
use journal::{Journal, Piece, sha256};

/// What the firmware starts, in bytes.
const SECTOR: u64 = 512;

const JOURNAL: &str = "journal.json";
const UNDO: &str = "undo.qcow2";
const PATCH: &str = "patch.qcow2";

/// A run of bytes on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// Offset from the start of the disk, in bytes.
    pub offset: u64,
    /// Length in bytes.
    pub len: u64,
}

impl Span {
    fn checked_end(self) -> Option<u64> {
        self.offset.checked_add(self.len)
    }
}

/// For which disk a patch is saved, and what to remember with it.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The image or device.
    pub image: &'a Path,
    /// Its format.
    pub format: Format,
    /// What the caller knows the disk by, such as the UUID of its file system; given back by [`Saved::ids`].
    pub ids: Vec<String>,
    /// Places that change whenever the disk is used, at most 16 MiB each.
    pub witnesses: Vec<Span>,
    /// The plan in short, for a person or the caller; given back by [`Saved::description`].
    pub description: serde_json::Value,
}

/// What a disk looks like, compared with the saved patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// All ranges in one word.
    pub summary: Summary,
    /// Ranges that hold neither old nor new bytes: written to since.
    pub foreign: Vec<Span>,
    /// Witnesses that have changed: the disk was used since.
    pub used: Vec<Span>,
}

impl Condition {
    /// Whether somebody else wrote to the disk since the patch was saved, as far as can be told.
    pub fn is_written_to(&self) -> bool {
        !self.foreign.is_empty() || !self.used.is_empty()
    }
}

/// All ranges of a patch in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Summary {
    /// As before the patch.
    AllOld,
    /// As after the patch.
    AllNew,
    /// Each byte is old or new: applying or reverting was interrupted.
    Mixed,
    /// Some ranges hold other bytes, see [`Condition::foreign`].
    Foreign,
}

/// What a revert did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reverted {
    /// Ranges that hold their old bytes again.
    pub restored: Vec<Span>,
    /// Ranges that were left alone because they were written to since the conversion; not empty only if forced.
    pub kept: Vec<Span>,
    /// Where the saved bytes are now; none if they are gone because everything was restored.
    pub archived: Option<PathBuf>,
}

/// What one piece of the patch looks like on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PieceState {
    /// Old and new are the same, and so is the disk.
    Both,
    Old,
    New,
    Mixed,
    Foreign,
}

/// A patch on stable storage.
#[derive(Debug)]
pub struct Saved {
    folder: PathBuf,
    journal: Journal,
}

/// Told of bytes done and bytes in all.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

impl Saved {
    /// The names of the files in the folder. The journal comes last: with it in place, the set is whole.
    pub const FILES: [&str; 3] = [UNDO, PATCH, JOURNAL];

    /// The folder that belongs to an image file: `disk.img.comeback` for `disk.img`.
    pub fn folder_for(image: &Path) -> PathBuf {
        append(image, ".comeback")
    }

    /// Saves `patch`, which is to be applied to `disk`, in the new folder `folder`. The disk is only read.
    ///
    /// # Errors
    /// [`SavedError::Exists`] if there is a saved patch already, [`SavedError::Stale`] if the disk does not hold the
    /// patch's old bytes, [`SavedError::Io`] if writing fails; in all cases nothing is left behind that would be
    /// taken for a saved patch.
    pub fn create(folder: &Path, disk: &dyn ReadAt, patch: &Patch, request: Request<'_>) -> Result<Saved, SavedError> {
        if patch.is_empty() {
            return Err(SavedError::Empty);
        }
        if patch.disk_size != disk.size() {
            let (made, found) = (patch.disk_size, disk.size());
            return Err(SavedError::Invalid(format!(
                "it was made for {made} bytes, the disk has {found}"
            )));
        }
        if let Some(earlier) = Saved::load(folder)? {
            // A revert that was interrupted after its last write to the disk.
            if earlier.state() != State::Reverted {
                return Err(SavedError::Exists {
                    path: folder.to_owned(),
                });
            }
            earlier.archive()?;
        }
        let partial = append(folder, ".partial");
        remove_partial(&partial)?;
        let backing = backing_path(folder, request.image)?;
        let journal = prepare(disk, patch, &request)?;

        DirBuilder::new()
            .mode(0o700)
            .create(&partial)
            .map_err(io_error("making", &partial))?;
        let written = write_folder(&partial, disk, patch, &journal, &backing, request.format);
        if let Err(err) = written {
            // Not being able to clean up must not hide why.
            let _ = fs::remove_dir_all(&partial);
            return Err(err);
        }
        rename(&partial, folder)?;
        Ok(Saved {
            folder: folder.to_owned(),
            journal,
        })
    }

    /// The patch saved in `folder`; none if there is no such folder.
    ///
    /// # Errors
    /// [`SavedError::Damaged`] if something else is there, [`SavedError::Io`] if it cannot be read.
    pub fn load(folder: &Path) -> Result<Option<Saved>, SavedError> {
        let damaged = |reason: String| SavedError::Damaged {
            path: folder.to_owned(),
            reason,
        };
        match fs::symlink_metadata(folder) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(io_error("reading", folder)(err)),
            Ok(metadata) if !metadata.is_dir() => return Err(damaged("it is not a folder".to_owned())),
            Ok(_) => {}
        }
        let path = folder.join(JOURNAL);
        let mut bytes = Vec::new();
        match File::open(&path).and_then(|file| file.take(journal::MAX_JOURNAL + 1).read_to_end(&mut bytes)) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Err(damaged(format!("{JOURNAL} is missing"))),
            Err(err) => return Err(io_error("reading", &path)(err)),
            Ok(len) if len as u64 > journal::MAX_JOURNAL => return Err(damaged(format!("{JOURNAL} is too large"))),
            Ok(_) => {}
        }
        let journal = Journal::parse(&bytes).map_err(damaged)?;
        Ok(Some(Saved {
            folder: folder.to_owned(),
            journal,
        }))
    }

    /// The folder that holds it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How far it got, as far as the journal knows; see [`Saved::condition`] for what the disk says.
    pub fn state(&self) -> State {
        self.journal.state
    }

    /// What the caller knew the disk by.
    pub fn ids(&self) -> &[String] {
        &self.journal.ids
    }

    /// The plan in short, as the caller gave it.
    pub fn description(&self) -> &serde_json::Value {
        &self.journal.description
    }

    /// The ranges that differ between old and new, in ascending order; long ones are cut in pieces.
    pub fn ranges(&self) -> impl Iterator<Item = Span> {
        self.journal.pieces.iter().map(|piece| piece.span)
    }

    /// Compares the disk with what was saved. Checks all saved bytes on the way.
    ///
    /// # Errors
    /// [`SavedError::Damaged`], [`SavedError::OtherDisk`], or the disk cannot be read.
    pub fn condition(&self, disk: &dyn ReadAt) -> Result<Condition, SavedError> {
        Ok(self.examine(disk)?.0)
    }

    /// Writes the new bytes to the disk; completes what was interrupted. Does nothing to a disk that has them all.
    ///
    /// # Errors
    /// [`SavedError::WrittenTo`] if somebody else wrote to the disk since the patch was saved. If the disk reports an
    /// error, it may hold part of the patch: apply or revert again.
    pub fn apply(&mut self, disk: &dyn WriteAt, progress: Progress<'_>) -> Result<(), SavedError> {
        let (condition, states) = self.examine(disk)?;
        if condition.is_written_to() {
            let (ranges, witnesses) = (condition.foreign, condition.used);
            return Err(SavedError::WrittenTo { ranges, witnesses });
        }
        let (first, rest) = self.split(&states, PieceState::New);
        let mut writer = Writer::new(self.open(PATCH)?, disk, progress, &[&first, &rest]);
        for pieces in [rest, first] {
            for piece in pieces {
                writer.write(self, piece, &piece.new)?;
            }
            flush(disk)?;
        }
        self.set_state(State::Applied)
    }

    /// Writes the old bytes back to the disk; completes what was interrupted. When all are back, the folder is
    /// removed; if some ranges had to be kept, it is renamed to `….comeback-reverted`.
    ///
    /// With `force`, also reverts a disk that was written to since: what holds neither old nor new bytes is left
    /// alone. Its file system has to be checked afterwards.
    ///
    /// # Errors
    /// [`SavedError::WrittenTo`] without `force`. If the disk reports an error, it may hold part of the patch: revert
    /// or apply again.
    pub fn revert(mut self, disk: &dyn WriteAt, force: bool, progress: Progress<'_>) -> Result<Reverted, SavedError> {
        let (condition, states) = self.examine(disk)?;
        // After the last write of a revert the disk may be used again, and only the folder has to go.
        let is_done = self.state() == State::Reverted;
        if condition.is_written_to() && !force && !is_done {
            let (ranges, witnesses) = (condition.foreign, condition.used);
            return Err(SavedError::WrittenTo { ranges, witnesses });
        }
        let mut restored = Vec::new();
        if !is_done {
            restored = self.restore(disk, &states, progress)?;
            self.set_state(State::Reverted)?;
        }
        let kept = condition.foreign;
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

    /// As [`Saved::revert`], but keeps the folder, as the patch may be applied again.
    pub(crate) fn take_back(
        &mut self,
        disk: &dyn WriteAt,
        force: bool,
        progress: Progress<'_>,
    ) -> Result<Reverted, SavedError> {
        let (condition, states) = self.examine(disk)?;
        if condition.is_written_to() && !force {
            let (ranges, witnesses) = (condition.foreign, condition.used);
            return Err(SavedError::WrittenTo { ranges, witnesses });
        }
        let restored = self.restore(disk, &states, progress)?;
        self.set_state(State::Saved)?;
        Ok(Reverted {
            restored,
            kept: condition.foreign,
            archived: None,
        })
    }

    /// Writes the old bytes where the disk has new ones, the first sector first.
    fn restore(
        &self,
        disk: &dyn WriteAt,
        states: &[PieceState],
        progress: Progress<'_>,
    ) -> Result<Vec<Span>, SavedError> {
        let (first, rest) = self.split(states, PieceState::Old);
        let restored = first.iter().chain(&rest).map(|piece| piece.span).collect();
        let mut writer = Writer::new(self.open(UNDO)?, disk, progress, &[&first, &rest]);
        for pieces in [first, rest] {
            for piece in pieces {
                writer.write(self, piece, &piece.old)?;
            }
            flush(disk)?;
        }
        Ok(restored)
    }

    /// Throws away a patch of which nothing is on the disk.
    ///
    /// # Errors
    /// [`SavedError::NotOld`] if the disk holds anything else than the old bytes.
    pub fn discard(self, disk: &dyn ReadAt) -> Result<(), SavedError> {
        match self.condition(disk)?.summary {
            Summary::AllOld => self.remove(),
            _ => Err(SavedError::NotOld),
        }
    }

    /// Compares piece by piece.
    fn examine(&self, disk: &dyn ReadAt) -> Result<(Condition, Vec<PieceState>), SavedError> {
        let (expected, found) = (self.journal.disk_size, disk.size());
        if expected != found {
            let path = self.folder.clone();
            return Err(SavedError::OtherDisk { path, expected, found });
        }
        let (undo, patch) = (self.open(UNDO)?, self.open(PATCH)?);
        let mut states = Vec::new();
        for piece in &self.journal.pieces {
            let old = self.bytes(&undo, UNDO, piece, &piece.old)?;
            let new = self.bytes(&patch, PATCH, piece, &piece.new)?;
            let seen = read_disk(disk, piece.span)?;
            let mut bytes = seen.iter().zip(old.iter().zip(&new));
            states.push(match (seen == old, seen == new) {
                (true, true) => PieceState::Both,
                (true, false) => PieceState::Old,
                (false, true) => PieceState::New,
                (false, false) if bytes.all(|(seen, (old, new))| seen == old || seen == new) => PieceState::Mixed,
                (false, false) => PieceState::Foreign,
            });
        }
        let all = |state| states.iter().all(|&other| other == state || other == PieceState::Both);
        let foreign: Vec<Span> = self.ranges_in(&states, PieceState::Foreign);
        let summary = if !foreign.is_empty() {
            Summary::Foreign
        } else if all(PieceState::New) {
            Summary::AllNew
        } else if all(PieceState::Old) {
            Summary::AllOld
        } else {
            Summary::Mixed
        };
        let mut used = Vec::new();
        for witness in &self.journal.witnesses {
            if witness_hash(disk, witness.span, self.ranges())? != witness.sha256 {
                used.push(witness.span);
            }
        }
        Ok((Condition { summary, foreign, used }, states))
    }

    fn ranges_in(&self, states: &[PieceState], wanted: PieceState) -> Vec<Span> {
        let pieces = self.ranges().zip(states);
        pieces
            .filter(|&(_, &state)| state == wanted)
            .map(|(span, _)| span)
            .collect()
    }

    /// The pieces that have to be written to reach `goal`: those in the first sector, and the others.
    fn split(&self, states: &[PieceState], goal: PieceState) -> (Vec<&Piece>, Vec<&Piece>) {
        let done = [goal, PieceState::Both, PieceState::Foreign];
        let pieces = self.journal.pieces.iter().zip(states);
        pieces
            .filter(|(_, state)| !done.contains(state))
            .map(|(piece, _)| piece)
            .partition(|piece| piece.span.offset < SECTOR)
    }

    /// Opens one of the two overlays alone, without the disk below.
    fn open(&self, name: &str) -> Result<FormatAccess<HostFile>, SavedError> {
        let path = self.folder.join(name);
        let damaged = |reason: String| SavedError::Damaged {
            path: self.folder.clone(),
            reason,
        };
        let file = File::open(&path).map_err(|err| damaged(format!("{name} cannot be opened ({err})")))?;
        let image = qcow2::open_without_backing(&path, HostFile::new(Box::new(file), &path));
        let image = image.map_err(|err| damaged(err.to_string()))?;
        if image.size() != self.journal.disk_size {
            return Err(damaged(format!("{name} has another size than the disk")));
        }
        Ok(image)
    }

    /// The saved bytes of a piece, which must have this checksum.
    fn bytes(
        &self,
        image: &FormatAccess<HostFile>,
        name: &str,
        piece: &Piece,
        checksum: &str,
    ) -> Result<Vec<u8>, SavedError> {
        let mut bytes = vec![0; piece.span.len as usize];
        let read = image.read(&mut bytes[..], piece.span.offset);
        if read.is_err() || sha256(&bytes) != checksum {
            return Err(SavedError::Damaged {
                path: self.folder.clone(),
                reason: format!("{name} does not hold what was saved for byte {}", piece.span.offset),
            });
        }
        Ok(bytes)
    }

    /// Replaces the journal by one with another state; the old or the new is there at any time.
    fn set_state(&mut self, state: State) -> Result<(), SavedError> {
        self.journal.state = state;
        let next = self.folder.join("journal.json.new");
        remove_file(&next)?;
        write_json(&next, &self.journal)?;
        rename(&next, &self.folder.join(JOURNAL))
    }

    /// Removes the folder; a name that nobody takes for a saved patch comes first.
    fn remove(self) -> Result<(), SavedError> {
        let partial = append(&self.folder, ".partial");
        remove_partial(&partial)?;
        rename(&self.folder, &partial)?;
        remove_partial(&partial)
    }

    /// Moves the folder out of the way.
    fn archive(self) -> Result<PathBuf, SavedError> {
        let target = archive_name(&self.folder);
        rename(&self.folder, &target)?;
        Ok(target)
    }
}

/// Writes pieces to a disk and tells of it.
struct Writer<'a> {
    image: FormatAccess<HostFile>,
    disk: &'a dyn WriteAt,
    progress: Progress<'a>,
    done: u64,
    total: u64,
}

impl<'a> Writer<'a> {
    fn new(image: FormatAccess<HostFile>, disk: &'a dyn WriteAt, progress: Progress<'a>, pieces: &[&[&Piece]]) -> Self {
        let total = pieces
            .iter()
            .flat_map(|pieces| pieces.iter())
            .map(|piece| piece.span.len)
            .sum();
        progress(0, total);
        Writer {
            image,
            disk,
            progress,
            done: 0,
            total,
        }
    }

    fn write(&mut self, saved: &Saved, piece: &Piece, checksum: &str) -> Result<(), SavedError> {
        let bytes = saved.bytes(&self.image, "a saved image", piece, checksum)?;
        let offset = piece.span.offset;
        self.disk.write_at(offset, &bytes).map_err(|source| SavedError::Disk {
            doing: "writing to",
            offset,
            source,
        })?;
        self.done += piece.span.len;
        (self.progress)(self.done, self.total);
        Ok(())
    }
}

/// Checksum of a witness, what the patch changes there taken as zero.
fn witness_hash(disk: &dyn ReadAt, witness: Span, pieces: impl Iterator<Item = Span>) -> Result<String, SavedError> {
    let mut bytes = read_disk(disk, witness)?;
    let end = witness.offset + witness.len;
    for piece in pieces {
        let from = piece.offset.clamp(witness.offset, end) - witness.offset;
        let to = (piece.offset + piece.len).clamp(witness.offset, end) - witness.offset;
        bytes[from as usize..to as usize].fill(0);
    }
    Ok(sha256(&bytes))
}

fn read_disk(disk: &dyn ReadAt, span: Span) -> Result<Vec<u8>, SavedError> {
    let mut bytes = vec![0; span.len as usize];
    disk.read_at(span.offset, &mut bytes)
        .map_err(|source| SavedError::Disk {
            doing: "reading",
            offset: span.offset,
            source,
        })?;
    Ok(bytes)
}

fn flush(disk: &dyn WriteAt) -> Result<(), SavedError> {
    disk.flush().map_err(|source| SavedError::Disk {
        doing: "flushing",
        offset: 0,
        source,
    })
}

#[cfg(test)]
mod tests;
