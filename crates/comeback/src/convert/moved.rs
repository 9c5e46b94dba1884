//! `--layout partitioned` on the disk itself: all data move up.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use comeback_convert::conversion;
use comeback_convert::in_place;
use comeback_convert::plan::Layout;
use comeback_convert::shift::Shift;
use comeback_disk::image::Format;
use comeback_disk::io::ReadAt;
use comeback_disk::moved::{Moved, Stamp};
use comeback_disk::table::{self, Scheme};
use comeback_disk::view::View;
use comeback_guest::kernels::KernelReader;

use super::common::{Begun, Report, begin, make_way, prepare};
use super::in_place as in_place_way;
use super::text::plan_text;
use crate::cli::ConvertArguments;
use crate::disk::now;
use crate::exit::Exit;
use crate::output;
use crate::watched::watched;

pub(super) fn run(arguments: &ConvertArguments) -> Result<Exit> {
    let converting = || format!("converting {}", arguments.disk.disk.display());
    let Begun { image, folder, earlier } = match begin(arguments)? {
        ControlFlow::Break(exit) => return Ok(exit),
        ControlFlow::Continue(begun) => begun,
    };
    if table::read(image.as_ref()).with_context(converting)?.scheme == Scheme::Gpt {
        // It has the layout that was asked for.
        drop(image);
        return in_place_way::run(arguments);
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
    let conversion = prepare(shift.disk() as Arc<dyn ReadAt>, arguments, now)?;
    let patch = shift.patch(&conversion.patch).with_context(converting)?;
    let cells = shift.shifted().cells();
    let text = |details| {
        let moves = Some(cells.count * cells.len);
        plan_text(&conversion, &patch, moves, image.path(), details)
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
    make_way(arguments, &image, &folder, earlier)?;
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
