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
    std::fs::create_dir_all(&state).with_context(|| format!("creating {}", state.display()))?;
    let name = image.path().file_name().context("naming the folder for the saved bytes: use --keep")?;
    Ok(state.join(name))
}

/// Moves the saved bytes of an earlier conversion out of the way; gives back where they are now.
pub(crate) fn set_aside(folder: &Path) -> Result<PathBuf> {
    let name = folder.as_os_str();
    let free = (1..).map(|number| {
        let mut path = name.to_owned();
        path.push(format!(".{number}"));
        PathBuf::from(path)
    });
    for path in free {
        if !path.exists() {
            std::fs::rename(folder, &path).with_context(|| format!("renaming {}", folder.display()))?;
            return Ok(path);
        }
    }
    unreachable!("the numbers do not end")
}
