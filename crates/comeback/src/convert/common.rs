//! What all ways of converting have in common.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use comeback_convert::conversion::{self, Conversion};
use comeback_convert::in_place;
use comeback_convert::plan::{Layout, Target};
use comeback_convert::refusal;
use comeback_convert::verdict::Assessment;
use comeback_disk::boot::assets::Assets;
use comeback_disk::image::Image;
use comeback_disk::io::ReadAt;
use comeback_disk::patch::Patch;
use serde::Serialize;

use crate::cli::{ConvertArguments, TargetArgument};
use crate::keep;
use crate::output;

/// What is printed as JSON.
#[derive(Serialize)]
pub(crate) struct Report<'a> {
    pub(crate) version: u32,
    pub(crate) disk: &'a Path,
    pub(crate) layout: Layout,
    /// The new disk, in the partitioned layout; none if it is the disk itself.
    pub(crate) output: Option<&'a Path>,
    pub(crate) plan: &'a comeback_convert::plan::Plan,
    pub(crate) patch: &'a Patch,
    pub(crate) before: &'a Assessment,
    pub(crate) after: &'a Assessment,
    /// Whether anything was written.
    pub(crate) applied: bool,
    /// Where the saved bytes are.
    pub(crate) saved: Option<&'a Path>,
}

fn target(arguments: &ConvertArguments) -> Target {
    match arguments.target {
        TargetArgument::Auto => Target::Auto,
        TargetArgument::XenHvm => Target::XenHvm,
        TargetArgument::Nitro => Target::Nitro,
    }
}

/// Makes the conversion, and says which findings stand against it if it cannot be made.
pub(crate) fn prepare(disk: Arc<dyn ReadAt>, arguments: &ConvertArguments, now: i64) -> Result<Conversion> {
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
pub(crate) fn make_way(arguments: &ConvertArguments, image: &Image, folder: &Path, earlier: bool) -> Result<()> {
    if earlier {
        let aside = in_place::set_aside(folder)?;
        output::say(&format!(
            "comeback: the bytes saved by an earlier conversion are now in {}\n",
            aside.display()
        ));
    }
    keep::make_parent(&arguments.keep, image, folder)
}
