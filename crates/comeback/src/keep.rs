//! Where the saved bytes of a conversion are kept.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use comeback_convert::in_place;
use comeback_disk::image::{Format, Image};
use comeback_disk::moved::{Moved, Standing};
use comeback_disk::saved::{Saved, State, Summary};

use crate::cli::KeepArguments;

/// The user's folder of this program for what is kept between its runs: `what`, for which `option` names another one.
pub(crate) fn state_folder(what: &str, option: &str) -> Result<PathBuf> {
    let state = match std::env::var_os("XDG_STATE_HOME").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => std::env::home_dir()
            .with_context(|| format!("finding a folder for {what}: set HOME, or name one with {option}"))?
            .join(".local/state"),
    };
    Ok(state.join("comeback"))
}

/// The folder for a disk: the one that was named, or one beside the image; a block device has no place beside it.
pub(crate) fn folder(arguments: &KeepArguments, image: &Image) -> Result<PathBuf> {
    if let Some(folder) = &arguments.keep {
        return Ok(folder.clone());
    }
    if image.format() != Format::BlockDevice {
        return Ok(Saved::folder_for(image.path()));
    }
    let state = state_folder("the saved bytes", "--keep")?;
    let name = image
        .path()
        .file_name()
        .context("naming the folder for the saved bytes: use --keep")?;
    Ok(state.join(name))
}

/// Makes the folders that the folder of the saved bytes will lie in, for a device; others have to be there.
pub(crate) fn make_parent(arguments: &KeepArguments, image: &Image, folder: &Path) -> Result<()> {
    if let (None, Format::BlockDevice, Some(parent)) = (&arguments.keep, image.format(), folder.parent()) {
        std::fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
    }
    Ok(())
}

/// Whether a move, or the patch that follows it, was cut off; not if there is no trace of it on the disk, or it is complete.
pub(crate) fn is_cut_off(moved: &Moved, standing: &Standing) -> bool {
    match standing {
        Standing::HalfWay { .. } => true,
        Standing::Moved(condition) => match condition.summary {
            Summary::Mixed | Summary::AllOld => true,
            Summary::AllNew => moved.saved().state() == State::Saved,
            Summary::Foreign => false,
        },
        Standing::Untouched | Standing::Reverted | Standing::Foreign(_) => false,
    }
}

/// What stands in the way of taking the disk for what it looks like: a conversion or a revert that was cut off.
pub(crate) fn interrupted(folder: &Path, image: &Image) -> bool {
    // Whoever only looks at the disk has no use for what is wrong with the folder.
    match Moved::load(folder).ok().flatten() {
        Some(moved) => moved
            .standing(image)
            .is_ok_and(|standing| is_cut_off(&moved, &standing)),
        None => in_place::is_interrupted(folder, image),
    }
}

/// Says of an interrupted conversion what to do.
pub(crate) const INTERRUPTED: &str = "a conversion (or a revert) of this disk was interrupted: `comeback convert` completes \
    the conversion, `comeback revert` takes it back";
