//! `comeback convert --layout partitioned` on the disk itself: all data move up.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use comeback_convert::conversion;
use comeback_convert::in_place::{self, Reversal};
use comeback_convert::plan::Layout;
use comeback_convert::shift::Shift;
use comeback_disk::image::{Access, Format, Image};
use comeback_disk::io::ReadAt;
use comeback_disk::moved::{MoveError, Moved, Stamp, Standing};
use comeback_disk::saved::SavedError;
use comeback_disk::table::{self, Scheme};
use comeback_disk::view::View;
use comeback_guest::kernels::KernelReader;

use crate::cli::ConvertArguments;
use crate::convert::{self, Report};
use crate::earlier;
use crate::exit::Exit;
use crate::inspect::{now, open};
use crate::keep;
use crate::output;

pub(crate) fn run(arguments: &ConvertArguments) -> Result<Exit> {
    let access = if arguments.dry_run { Access::Read } else { Access::Write };
    let image = Arc::new(open(&arguments.disk, access)?);
    let converting = || format!("converting {}", arguments.disk.disk.display());
    convert::tell_users(&image);
    let folder = keep::folder(&arguments.keep, &image)?;
    let earlier = match earlier::finish(arguments, &image, &folder).with_context(converting)? {
        ControlFlow::Break(exit) => return Ok(exit),
        ControlFlow::Continue(earlier) => earlier,
    };
    if table::read(image.as_ref()).with_context(converting)?.scheme == Scheme::Gpt {
        // It has the layout that was asked for.
        drop(image);
        return convert::in_place(arguments);
    }
    if image.format() == Format::Qcow2 {
        bail!(
            "{}: a qcow2 image is not moved in place, it would grow to its full size; use --output FILE",
            image.path().display()
        );
    }
    let now = now();
    let source = Arc::new(View::new(Arc::clone(&image) as Arc<dyn ReadAt>));
    let (system, _) = conversion::inspect(&source, &mut KernelReader::default(), now)
        .with_context(|| format!("inspecting {}", arguments.disk.disk.display()))?;
    let record = std::path::absolute(&folder).with_context(converting)?;
    let shift = Shift::of(&system, Stamp::new(&record))
        .with_context(|| format!("laying {} out anew", arguments.disk.disk.display()))?;
    drop(system);
    let conversion = convert::prepare(shift.disk() as Arc<dyn ReadAt>, arguments, now)?;
    let patch = shift.patch(&conversion.patch).with_context(converting)?;
    let cells = shift.shifted().cells();
    let text = |details| {
        let moves = Some(cells.count * cells.len);
        convert::plan_text(&conversion, &patch, moves, image.path(), details)
    };
    let report = |applied, saved| Report {
        version: 1,
        disk: image.path(),
        layout: Layout::Partitioned,
        output: None,
        plan: &conversion.plan,
        patch: &patch,
        before: &conversion.before.assessment,
        after: &conversion.after.assessment,
        applied,
        saved,
    };
    if arguments.dry_run {
        if arguments.json {
            output::json(&report(false, None))?;
        } else {
            output::print(&text(true))?;
        }
        return Ok(Exit::Done);
    }
    convert::make_way(arguments, &image, &folder, earlier)?;
    let request = in_place::request(&conversion, &image)?;
    output::say(&format!(
        "comeback: moving all data of {}; until that is complete, the disk neither boots nor mounts. Ctrl-C stops it between two \
         steps.\n",
        image.path().display()
    ));
    let mut moved = Moved::create(&folder, shift.shifted(), &patch, request).with_context(converting)?;
    watched(|watch| moved.apply(image.as_ref(), watch))?.with_context(converting)?;
    if arguments.json {
        output::json(&report(true, Some(&folder)))?;
    } else {
        let (mut text, disk) = (text(false), image.path().display());
        let _ = writeln!(
            text,
            "\nMoved and written. {} has what it takes to go back; `comeback revert` does.",
            folder.display()
        );
        text.push_str("As PV it boots from its first partition now: with an hd00 kernel image (AKI).\n");
        let _ = writeln!(
            text,
            "Prove it now: comeback rehearse {disk} --as {}",
            conversion.plan.target
        );
        output::print(&text)?;
    }
    Ok(Exit::Done)
}

/// Completes a move that was cut off, and ends with that. Else tells whether there is the record of an earlier one.
pub(crate) fn earlier(
    mut moved: Moved,
    arguments: &ConvertArguments,
    image: &Image,
) -> Result<ControlFlow<Exit, bool>> {
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
        return earlier::resumed(plan, folder, Layout::Partitioned, image, completed, arguments.json)
            .map(ControlFlow::Break);
    }
    Ok(match standing {
        Standing::Untouched | Standing::Reverted if !arguments.dry_run => {
            moved.discard(image)?;
            ControlFlow::Continue(false)
        }
        _ => ControlFlow::Continue(true),
    })
}

/// Takes a move back, or a part of one.
pub(crate) fn revert(moved: Moved, image: &Arc<Image>, force: bool) -> Result<Reversal> {
    let reverting = || format!("reverting {}", image.path().display());
    let mut used = Vec::new();
    if let Standing::Moved(condition) = moved.standing(image.as_ref()).with_context(reverting)? {
        if condition.is_written_to() {
            in_place::refuse_another_disk(moved.saved(), image, now())?;
        }
        used = condition.used;
    }
    match watched(|watch| moved.revert(image.as_ref(), force, watch))? {
        Err(MoveError::Saved(SavedError::WrittenTo { ranges, .. })) => Ok(Reversal::Refused {
            written_to: ranges,
            used,
        }),
        reverted => Ok(Reversal::Reverted {
            reverted: reverted.with_context(reverting)?,
            used,
        }),
    }
}

/// Does something that takes long: shows how far it is, and lets Ctrl-C stop it between two steps.
fn watched<T>(work: impl FnOnce(&mut dyn FnMut(u64, u64) -> ControlFlow<()>) -> T) -> Result<T> {
    let stop = Arc::new(AtomicBool::new(false));
    let handler = Arc::clone(&stop);
    ctrlc::set_handler(move || handler.store(true, Ordering::Relaxed)).context("watching for Ctrl-C")?;
    let bar = output::progress();
    let result = work(&mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
        if stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    bar.finish_and_clear();
    Ok(result)
}
