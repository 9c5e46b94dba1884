//! Where the saved bytes of a conversion are kept.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use comeback_disk::image::{Format, Image};
use comeback_disk::saved::{Saved, Summary};

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

/// What stands in the way of taking the disk for what it looks like: a conversion or a revert that was cut off.
pub(crate) fn interrupted(folder: &Path, image: &Image) -> bool {
    // Whoever only looks at the disk has no use for what is wrong with the folder.
    let saved = Saved::load(folder).ok().flatten();
    saved
        .and_then(|saved| saved.condition(image).ok())
        .is_some_and(|condition| condition.summary == Summary::Mixed)
}

/// Says so.
pub(crate) const INTERRUPTED: &str = "a conversion (or a revert) of this disk was interrupted: `comeback convert` completes \
    the conversion, `comeback revert` takes it back";

/// The folders of earlier conversions beside `folder`, which were set aside or reverted in part.
pub(crate) fn set_aside_earlier(folder: &Path) -> Vec<PathBuf> {
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let is_ours = |entry: &std::fs::DirEntry| {
        let found = entry.file_name();
        let rest = found.to_str().and_then(|found| found.strip_prefix(name));
        rest.is_some_and(|rest| rest.starts_with('.') && rest != ".partial" || rest.starts_with("-reverted"))
            && entry.path().join("journal.json").exists()
    };
    let mut paths: Vec<PathBuf> = entries.filter(is_ours).map(|entry| entry.path()).collect();
    paths.sort();
    paths
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
