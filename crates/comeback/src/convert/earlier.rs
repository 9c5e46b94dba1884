//! Conversions that were cut off earlier: the same command completes them.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::Result;
use comeback_convert::in_place::{self, Beginning};
use comeback_convert::plan::Layout;
use comeback_disk::image::Image;
use comeback_disk::moved::{MoveError, Moved, Standing};
use comeback_disk::saved::{Saved, SavedError};
use serde::Serialize;

use crate::cli::ConvertArguments;
use crate::exit::Exit;
use crate::keep;
use crate::output;
use crate::watched::watched;

/// What is printed as JSON about a conversion that was cut off earlier.
#[derive(Serialize)]
struct Resumed<'a> {
    version: u32,
    disk: &'a Path,
    layout: Layout,
    /// The plan as it was made then.
    plan: &'a serde_json::Value,
    /// Whether it was completed now; else it is as it was found.
    completed: bool,
    /// Whether anything was written.
    applied: bool,
    /// Where the saved bytes are.
    saved: &'a Path,
}

/// Completes a conversion that was cut off, and ends with that. Else tells whether there are saved bytes of an earlier one.
pub(super) fn finish(arguments: &ConvertArguments, image: &Image, folder: &Path) -> Result<ControlFlow<Exit, bool>> {
    if let Some(moved) = Moved::load(folder)? {
        return of_move(moved, arguments, image);
    }
    let resumed = |saved: &Saved, completed| {
        let (plan, folder) = (saved.description(), saved.folder());
        resumed(plan, folder, Layout::InPlace, image, completed, arguments.json).map(ControlFlow::Break)
    };
    if arguments.dry_run {
        return match Saved::load(folder)? {
            Some(saved) if keep::interrupted(folder, image) => resumed(&saved, false),
            saved => Ok(ControlFlow::Continue(saved.is_some())),
        };
    }
    Ok(match in_place::begin(folder, image, &mut |_, _| ())? {
        Beginning::Completed(saved) => resumed(&saved, true)?,
        Beginning::Kept => ControlFlow::Continue(true),
        Beginning::Fresh => ControlFlow::Continue(false),
    })
}

/// Completes a move that was cut off, and ends with that. Else tells whether there is the record of an earlier one.
fn of_move(mut moved: Moved, arguments: &ConvertArguments, image: &Image) -> Result<ControlFlow<Exit, bool>> {
    let standing = match moved.standing(image) {
        // Of a disk that had the same name before.
        Err(MoveError::OtherDisk { .. } | MoveError::Saved(SavedError::OtherDisk { .. })) => {
            return Ok(ControlFlow::Continue(true));
        }
        standing => standing?,
    };
    if keep::is_cut_off(&moved, &standing) {
        if !arguments.dry_run {
            watched(|watch| moved.apply(image, watch))??;
        }
        let (plan, folder) = (moved.saved().description(), moved.folder());
        let completed = !arguments.dry_run;
        return resumed(plan, folder, Layout::Partitioned, image, completed, arguments.json).map(ControlFlow::Break);
    }
    Ok(match standing {
        Standing::Untouched | Standing::Reverted if !arguments.dry_run => {
            moved.discard(image)?;
            ControlFlow::Continue(false)
        }
        _ => ControlFlow::Continue(true),
    })
}

/// Tells of a conversion that was cut off earlier. It was planned then: options of today are not looked at.
fn resumed(
    plan: &serde_json::Value,
    saved: &Path,
    layout: Layout,
    image: &Image,
    completed: bool,
    json: bool,
) -> Result<Exit> {
    if json {
        output::json(&Resumed {
            version: 1,
            disk: image.path(),
            layout,
            plan,
            completed,
            applied: completed,
            saved,
        })?;
        return Ok(Exit::Done);
    }
    let disk = image.path().display();
    let target = plan
        .get("target")
        .and_then(|target| target.as_str())
        .unwrap_or("the target of then");
    let folder = saved.display();
    output::print(&if completed {
        format!(
            "{disk}: an interrupted conversion for {target} was completed as it was planned; the old bytes are in {folder}, \
             `comeback revert` puts them back\n"
        )
    } else {
        format!(
            "{disk}: {}\n  It was planned for {target}; the old bytes are in {folder}. Nothing was written (dry run).\n",
            keep::INTERRUPTED
        )
    })?;
    Ok(Exit::Done)
}
