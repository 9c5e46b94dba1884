//! What all ways of converting have in common.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use comeback_convert::conversion::{self, Conversion};
use comeback_convert::in_place;
use comeback_convert::plan::{Layout, Target};
use comeback_convert::refusal;
use comeback_convert::verdict::Assessment;
use comeback_disk::boot::assets::Assets;
use comeback_disk::image::{Access, Image};
use comeback_disk::io::ReadAt;
use comeback_disk::patch::Patch;
use serde::Serialize;

use super::earlier;
use crate::cli::{ConvertArguments, TargetArgument};
use crate::disk::{open, tell_users};
use crate::exit::Exit;
use crate::keep;
use crate::output;

/// What is printed as JSON.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    pub(super) version: u32,
    pub(super) disk: &'a Path,
    pub(super) layout: Layout,
    /// The new disk, in the partitioned layout; none if it is the disk itself.
    pub(super) output: Option<&'a Path>,
    pub(super) plan: &'a comeback_convert::plan::Plan,
    pub(super) patch: &'a Patch,
    pub(super) before: &'a Assessment,
    pub(super) after: &'a Assessment,
    /// Whether anything was written.
    pub(super) applied: bool,
    /// Where the saved bytes are.
    pub(super) saved: Option<&'a Path>,
}

/// A disk that is converted where it is.
pub(super) struct Begun {
    pub(super) image: Arc<Image>,
    /// Where its bytes are saved.
    pub(super) folder: PathBuf,
    /// Whether an earlier conversion has saved some there.
    pub(super) earlier: bool,
}

/// Opens the disk, and completes a conversion of it that was cut off: then that is all.
pub(super) fn begin(arguments: &ConvertArguments) -> Result<ControlFlow<Exit, Begun>> {
    let access = if arguments.dry_run { Access::Read } else { Access::Write };
    let image = Arc::new(open(&arguments.disk, access)?);
    tell_users(&image);
    let folder = keep::folder(&arguments.keep, &image)?;
    let finished = earlier::finish(arguments, &image, &folder);
    let finished = finished.with_context(|| format!("converting {}", arguments.disk.disk.display()))?;
    Ok(finished.map_continue(|earlier| Begun { image, folder, earlier }))
}

fn target(arguments: &ConvertArguments) -> Target {
    match arguments.target {
        TargetArgument::Auto => Target::Auto,
        TargetArgument::XenHvm => Target::XenHvm,
        TargetArgument::Nitro => Target::Nitro,
    }
}

/// Makes the conversion, and says which findings stand against it if it cannot be made.
pub(super) fn prepare(disk: Arc<dyn ReadAt>, arguments: &ConvertArguments, now: i64) -> Result<Conversion> {
    let assets = Assets::find().context("finding boot code")?;
    conversion::convert(disk, target(arguments), &assets, now)
        .inspect_err(|error| {
            let mut text = String::new();
            for finding in refusal::findings(error) {
                output::finding(&mut text, finding);
            }
            output::say(&text);
        })
        .with_context(|| format!("converting {}", arguments.disk.disk.display()))
}

/// Makes room for the folder of the saved bytes: that of an `earlier` conversion is renamed.
pub(super) fn make_way(arguments: &ConvertArguments, image: &Image, folder: &Path, earlier: bool) -> Result<()> {
    if earlier {
        let aside = in_place::set_aside(folder)?;
        output::say(&format!(
            "comeback: the bytes saved by an earlier conversion are now in {}\n",
            aside.display()
        ));
    }
    keep::make_parent(&arguments.keep, image, folder)
}
