//! The in-place conversion of an open disk, and the way back: what every program does that converts one.
//!
//! ```text
//! begin ─ what an earlier conversion left is completed, kept or thrown away
//! save  ─ the bytes of a conversion, old and new, on stable storage; `Saved::apply` writes to the disk
//! revert ─ the old bytes again, after it was made sure that they are this disk's
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use comeback_disk::image::Image;
use comeback_disk::io::{Access, ReadAt};
use comeback_disk::saved::{Progress, Request, Reverted, Saved, SavedError, Span, State, Summary};
use comeback_disk::view::View;
use comeback_guest::system::{Disk, System};

use crate::conversion::Conversion;

/// What there is of earlier conversions before a new one.
#[derive(Debug)]
pub enum Beginning {
    /// One had been interrupted, and is complete now; there is nothing else to do.
    Completed(Saved),
    /// One is complete, or the disk was used since: its saved bytes are still in the folder, see [`set_aside`].
    Kept,
    /// Nothing of one is on the disk, and nothing in the folder.
    Fresh,
}

/// Looks for an earlier conversion whose bytes are in `folder`, and completes it if it was interrupted.
///
/// # Errors
/// [`SavedError`]: what was saved is damaged, or the disk cannot be read or written.
pub fn begin(folder: &Path, image: &Image, progress: Progress<'_>) -> Result<Beginning, SavedError> {
    let Some(mut saved) = Saved::load(folder)? else {
        return Ok(Beginning::Fresh);
    };
    let condition = match saved.condition(image) {
        // Of a disk that had the same name before.
        Err(SavedError::OtherDisk { .. }) => return Ok(Beginning::Kept),
        condition => condition?,
    };
    Ok(match condition.summary {
        Summary::AllOld if saved.state() == State::Reverted || !condition.is_written_to() => {
            saved.discard(image)?;
            Beginning::Fresh
        }
        Summary::Mixed => {
            saved.apply(image, progress)?;
            Beginning::Completed(saved)
        }
        Summary::AllNew if saved.state() == State::Saved => {
            saved.apply(image, progress)?;
            Beginning::Completed(saved)
        }
        Summary::AllOld | Summary::AllNew | Summary::Foreign => Beginning::Kept,
    })
}

/// Whether a conversion or a revert was cut off, which stands in the way of taking the disk for what it looks like.
pub fn is_interrupted(folder: &Path, image: &Image) -> bool {
    // Whoever only looks at the disk has no use for what is wrong with the folder.
    let saved = Saved::load(folder).ok().flatten();
    saved
        .and_then(|saved| saved.condition(image).ok())
        .is_some_and(|condition| condition.summary == Summary::Mixed)
}

/// Saves the bytes of a conversion in the new folder `folder`. The disk is only read; [`Saved::apply`] writes to it.
///
/// # Errors
/// [`SavedError`]; nothing was written to the disk.
pub fn save(conversion: &Conversion, image: &Image, folder: &Path) -> Result<Saved, SavedError> {
    Saved::create(folder, image, &conversion.patch, request(conversion, image)?)
}

/// What is remembered with the bytes of a conversion.
///
/// # Errors
/// [`SavedError::Invalid`] if the plan cannot be written down.
pub fn request<'a>(conversion: &Conversion, image: &'a Image) -> Result<Request<'a>, SavedError> {
    let disk = &conversion.before.guest.disk;
    let description = serde_json::to_value(&conversion.plan)
        .map_err(|error| SavedError::Invalid(format!("its plan cannot be written down: {error}")))?;
    Ok(Request {
        image: image.path(),
        format: image.format(),
        ids: ids(disk),
        witnesses: witnesses(disk),
        description,
    })
}

/// Moves the saved bytes of an earlier conversion out of the way; gives back where they are now.
///
/// # Errors
/// [`SavedError::Io`] if the folder cannot be renamed.
pub fn set_aside(folder: &Path) -> Result<PathBuf, SavedError> {
    let mut number = 1_u64;
    loop {
        let mut path = folder.as_os_str().to_owned();
        path.push(format!(".{number}"));
        let path = PathBuf::from(path);
        if path.symlink_metadata().is_err() {
            std::fs::rename(folder, &path).map_err(|source| SavedError::Io {
                doing: "renaming",
                path: folder.to_owned(),
                source,
            })?;
            return Ok(path);
        }
        number += 1;
    }
}

/// The folders of earlier conversions beside `folder`, which were set aside or reverted in part.
pub fn set_aside_earlier(folder: &Path) -> Vec<PathBuf> {
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let is_ours = |entry: &std::fs::DirEntry| {
        let found = entry.file_name();
        let rest = found.to_str().and_then(|found| found.strip_prefix(name));
        rest.is_some_and(|rest| rest.starts_with('.') && rest != ".partial" || rest.starts_with("-reverted"))
            && ["journal.json", "move.json"]
                .iter()
                .any(|name| entry.path().join(name).exists())
    };
    let mut paths: Vec<PathBuf> = entries.filter(is_ours).map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// What a revert came to.
#[derive(Debug)]
pub enum Reversal {
    /// The old bytes are back, all but those that are listed as kept.
    Reverted {
        /// What was done.
        reverted: Reverted,
        /// Other places that show that the disk was used since the conversion; only if it was forced.
        used: Vec<Span>,
    },
    /// The disk was used since the conversion, so its old bytes would not fit what is there now; nothing was changed.
    Refused {
        /// Ranges that hold neither the old nor the new bytes.
        written_to: Vec<Span>,
        /// Other places that show that the disk was used.
        used: Vec<Span>,
    },
}

/// Why a disk was not reverted.
#[derive(Debug, thiserror::Error)]
pub enum RevertError {
    /// There is nothing to put back.
    #[error(
        "{}: nothing was saved for this disk (looked in {}), so it was not converted, or was reverted already; name the \
         folder with --keep if it is elsewhere{}", disk.display(), folder.display(), of_earlier(.earlier)
    )]
    NothingSaved {
        /// The disk.
        disk: PathBuf,
        /// The folder.
        folder: PathBuf,
        /// Folders beside it that hold what earlier conversions saved.
        earlier: Vec<PathBuf>,
    },
    /// What was saved is another disk's. Devices get their names anew, images are renamed.
    #[error(
        "{}: what is in {} was saved for another disk (file system UUID {}, this one has {}); nothing was changed. Name \
         the folder that belongs to this disk with --keep", disk.display(), folder.display(), saved.join(", "), found.join(", ")
    )]
    OtherDisk {
        /// The disk.
        disk: PathBuf,
        /// The folder.
        folder: PathBuf,
        /// File systems of the disk that the bytes were saved for.
        saved: Vec<String>,
        /// File systems of this disk.
        found: Vec<String>,
    },
    /// What was saved is damaged, or the disk cannot be read or written.
    #[error(transparent)]
    Saved(#[from] SavedError),
}

fn of_earlier(earlier: &[PathBuf]) -> String {
    if earlier.is_empty() {
        return String::new();
    }
    let names: Vec<String> = earlier.iter().map(|path| path.display().to_string()).collect();
    format!(" (of earlier conversions: {})", names.join(", "))
}

/// Puts back the bytes that were saved in `folder`. With `force`, also on a disk that was used since, as far as it is as
/// the conversion left it. `now` is in seconds since 1970.
///
/// # Errors
/// [`RevertError`]. If the disk reports an error, it may hold part of the patch: revert or convert again.
pub fn revert(
    image: &Arc<Image>,
    folder: &Path,
    force: bool,
    now: i64,
    progress: Progress<'_>,
) -> Result<Reversal, RevertError> {
    let Some(saved) = Saved::load(folder)? else {
        return Err(RevertError::NothingSaved {
            disk: image.path().to_owned(),
            folder: folder.to_owned(),
            earlier: set_aside_earlier(folder),
        });
    };
    let condition = saved.condition(image.as_ref())?;
    if condition.is_written_to() {
        refuse_another_disk(&saved, image, now)?;
    }
    let used = condition.used;
    match saved.revert(image.as_ref(), force, progress) {
        Err(SavedError::WrittenTo { ranges, .. }) => Ok(Reversal::Refused {
            written_to: ranges,
            used,
        }),
        reverted => Ok(Reversal::Reverted {
            reverted: reverted?,
            used,
        }),
    }
}

/// Makes sure that what was saved is this disk's, as far as its file systems tell. `now` is in seconds since 1970.
///
/// # Errors
/// [`RevertError::OtherDisk`].
pub fn refuse_another_disk(saved: &Saved, image: &Arc<Image>, now: i64) -> Result<(), RevertError> {
    let view = Arc::new(View::new(Arc::clone(image) as Arc<dyn ReadAt>));
    // What cannot be read any more may still be the disk that it was.
    let Ok(system) = System::open(view, Access::Read, now) else {
        return Ok(());
    };
    let found = ids(system.disk());
    if saved.ids().is_empty() || saved.ids().iter().any(|id| found.contains(id)) {
        return Ok(());
    }
    Err(RevertError::OtherDisk {
        disk: image.path().to_owned(),
        folder: saved.folder().to_owned(),
        saved: saved.ids().to_vec(),
        found,
    })
}

/// What a disk is known by.
fn ids(disk: &Disk) -> Vec<String> {
    let places = std::iter::once(&disk.root).chain(&disk.boot);
    places.map(|place| place.superblock.uuid.to_string()).collect()
}

/// Superblocks: they change at every mount.
fn witnesses(disk: &Disk) -> Vec<Span> {
    let places = std::iter::once(&disk.root).chain(&disk.boot);
    places
        .map(|place| Span {
            offset: place.start + 1024,
            len: 1024,
        })
        .collect()
}
