//! `--layout in-place`: a patch, and no data move.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Context, Result};
use comeback_convert::in_place;
use comeback_convert::plan::Layout;
use comeback_disk::io::ReadAt;

use super::common::{Begun, Report, begin, make_way, prepare};
use super::text::plan_text;
use crate::cli::ConvertArguments;
use crate::disk::now;
use crate::exit::Exit;
use crate::output;

pub(super) fn run(arguments: &ConvertArguments) -> Result<Exit> {
    let converting = || format!("converting {}", arguments.disk.disk.display());
    let Begun { image, folder, earlier } = match begin(arguments)? {
        ControlFlow::Break(exit) => return Ok(exit),
        ControlFlow::Continue(begun) => begun,
    };
    let conversion = prepare(Arc::clone(&image) as Arc<dyn ReadAt>, arguments, now())?;
    let report = |applied, saved| Report {
        version: 1,
        disk: image.path(),
        layout: Layout::InPlace,
        output: None,
        plan: &conversion.plan,
        patch: &conversion.patch,
        before: &conversion.before.assessment,
        after: &conversion.after.assessment,
        applied,
        saved,
    };
    if conversion.patch.is_empty() {
        if arguments.json {
            output::json(&report(false, earlier.then_some(folder.as_path())))?;
        } else {
            let target = conversion.plan.target;
            output::print(&format!(
                "{}: nothing to do, it is ready for {target}\n",
                image.path().display()
            ))?;
        }
        return Ok(Exit::Done);
    }
    if arguments.dry_run {
        if arguments.json {
            output::json(&report(false, None))?;
        } else {
            output::print(&plan_text(&conversion, &conversion.patch, None, image.path(), true))?;
        }
        return Ok(Exit::Done);
    }
    make_way(arguments, &image, &folder, earlier)?;
    let mut saved = in_place::save(&conversion, &image, &folder).with_context(converting)?;
    saved.apply(image.as_ref(), &mut |_, _| ()).with_context(converting)?;
    if arguments.json {
        output::json(&report(true, Some(&folder)))?;
    } else {
        let mut text = plan_text(&conversion, &conversion.patch, None, image.path(), false);
        let _ = writeln!(
            text,
            "\nWritten. The old bytes are in {}; `comeback revert` puts them back.",
            folder.display()
        );
        let _ = writeln!(
            text,
            "Prove it now: comeback rehearse {} --as {}",
            image.path().display(),
            conversion.plan.target
        );
        output::print(&text)?;
    }
    Ok(Exit::Done)
}
