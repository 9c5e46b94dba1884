//! `comeback-agent convert`

use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use comeback_convert::conversion::{self, Conversion};
use comeback_convert::in_place::{self, Beginning};
use comeback_disk::boot::assets::Assets;
use comeback_disk::image::{Access, Image};
use comeback_disk::io::ReadAt;
use comeback_disk::saved::Saved;
use comeback_protocol::{Converted, Event, Planned, Span, Stage};

use crate::cli::ConvertArguments;
use crate::inspect::verdicts;
use crate::now;
use crate::voice::Voice;

pub(crate) fn run(arguments: &ConvertArguments, voice: &Voice) -> Result<Event> {
    let folder = arguments.keep.as_path();
    let converting = || format!("converting {}", arguments.disk.display());
    voice.stage(Stage::Opening);
    let access = if arguments.dry_run { Access::Read } else { Access::Write };
    let image =
        Image::open(&arguments.disk, access).with_context(|| format!("opening {}", arguments.disk.display()))?;
    let image = Arc::new(image);
    for user in image.users() {
        voice.say(&Event::Note {
            text: format!("the disk is in use: {user}; what is read may be half of a change"),
        });
    }
    let mut earlier = false;
    if !arguments.dry_run {
        let mut resume = |done, total| {
            if done == 0 {
                voice.stage(Stage::Resuming);
            }
            voice.progress(done, total);
        };
        match in_place::begin(folder, &image, &mut resume).with_context(converting)? {
            Beginning::Completed(saved) => return Ok(Event::Converted(completed(&saved))),
            Beginning::Kept => earlier = true,
            Beginning::Fresh => {}
        }
    } else if in_place::is_interrupted(folder, &image) {
        voice.say(&Event::Note {
            text:
                "an earlier conversion (or a revert) was interrupted; what follows is about the mixture that is there"
                    .to_owned(),
        });
    }
    voice.stage(Stage::Planning);
    let assets = Assets::find().context("finding boot code")?;
    let target = arguments.target.into();
    let conversion =
        conversion::convert(Arc::clone(&image) as Arc<dyn ReadAt>, target, &assets, now()).with_context(converting)?;
    voice.say(&Event::Planned(Box::new(planned(&conversion)?)));
    let mut end = Converted {
        applied: false,
        resumed: false,
        target: Some(conversion.plan.target.name().to_owned()),
        saved: earlier.then(|| folder.to_owned()),
        set_aside: None,
        changed: conversion.patch.changed_bytes(),
    };
    if conversion.patch.is_empty() || arguments.dry_run {
        return Ok(Event::Converted(end));
    }
    if earlier {
        end.set_aside = Some(in_place::set_aside(folder).with_context(converting)?);
    }
    make_parent(folder)?;
    voice.stage(Stage::Saving);
    let mut saved = in_place::save(&conversion, &image, folder).with_context(converting)?;
    voice.stage(Stage::Applying);
    saved
        .apply(image.as_ref(), &mut |done, total| voice.progress(done, total))
        .with_context(converting)?;
    end.applied = true;
    end.saved = Some(folder.to_owned());
    Ok(Event::Converted(end))
}

fn completed(saved: &Saved) -> Converted {
    let target = saved.description().get("target");
    Converted {
        applied: true,
        resumed: true,
        target: target.and_then(|target| target.as_str()).map(str::to_owned),
        saved: Some(saved.folder().to_owned()),
        set_aside: None,
        changed: saved.ranges().map(|span| span.len).sum(),
    }
}

fn planned(conversion: &Conversion) -> Result<Planned> {
    Ok(Planned {
        target: conversion.plan.target.name().to_owned(),
        plan: serde_json::to_value(&conversion.plan)?,
        before: verdicts(&conversion.before.assessment),
        after: verdicts(&conversion.after.assessment),
        findings: serde_json::to_value(&conversion.before.assessment.findings)?,
        ranges: conversion
            .patch
            .ranges
            .iter()
            .map(|range| Span {
                offset: range.offset,
                len: range.len(),
            })
            .collect(),
        disk_size: conversion.patch.disk_size,
    })
}

/// What is saved of a disk may be secret, and so is where it lies.
fn make_parent(folder: &Path) -> Result<()> {
    let Some(parent) = folder.parent().filter(|parent| *parent != Path::new("")) else {
        return Ok(());
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(parent)
        .with_context(|| format!("creating {}", parent.display()))
}
