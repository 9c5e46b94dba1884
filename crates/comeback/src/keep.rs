//! Where the saved bytes of a conversion are kept.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use comeback_disk::image::{Format, Image};
use comeback_disk::saved::Saved;

use crate::cli::KeepArguments;

/// The folder for a disk: the one that was named, or one beside the image; a block device has no place beside it.
pub(crate) fn folder(arguments: &KeepArguments, image: &Image) -> Result<PathBuf> {
    if let Some(folder) = &arguments.keep {
        return Ok(folder.clone());
    }
    if image.format() != Format::BlockDevice {
        return Ok(Saved::folder_for(image.path()));
    }
    let state = match std::env::var_os("XDG_STATE_HOME").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => std::env::home_dir()
            .context("finding a folder for the saved bytes: set HOME, or name one with --keep")?
            .join(".local/state"),
    };
    let state = state.join("comeback");
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

/// Says of an interrupted conversion what to do.
pub(crate) const INTERRUPTED: &str = "a conversion (or a revert) of this disk was interrupted: `comeback convert` completes \
    the conversion, `comeback revert` takes it back";
