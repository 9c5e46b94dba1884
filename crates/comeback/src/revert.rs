//! `comeback revert`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use comeback_disk::image::{Access, Image};
use comeback_disk::io::ReadAt;
use comeback_disk::saved::{Saved, SavedError, Span};
use comeback_disk::view::View;
use comeback_guest::system::System;
use serde::Serialize;

use crate::cli::RevertArguments;
use crate::convert;
use crate::exit::Exit;
use crate::inspect::{now, open};
use crate::keep;
use crate::output;

/// What is printed as JSON.
#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    disk: &'a Path,
    /// Whether the old bytes are back, all but those that are kept.
    reverted: bool,
    /// Ranges that hold their old bytes again.
    restored: Vec<Span>,
    /// Ranges that were left alone, because somebody else wrote to them since.
    kept: Vec<Span>,
    /// Other places that show that the disk was used since.
    used: Vec<Span>,
    /// Where the saved bytes are now, if they are still needed.
    archived: Option<PathBuf>,
}

pub(crate) fn run(arguments: &RevertArguments) -> Result<Exit> {
    let image = Arc::new(open(&arguments.disk, Access::Write)?);
    let reverting = || format!("reverting {}", image.path().display());
    let folder = keep::folder(&arguments.keep, &image)?;
    let Some(saved) = Saved::load(&folder).with_context(reverting)? else {
        bail!("{}", nothing_saved(&image, &folder));
    };
    let condition = saved.condition(image.as_ref()).with_context(reverting)?;
    if condition.is_written_to() {
        refuse_another_disk(&saved, &image)?;
    }
    let mut report = Report {
        version: 1,
        disk: image.path(),
        reverted: false,
        restored: Vec::new(),
        kept: Vec::new(),
        used: condition.used,
        archived: None,
    };
    match saved.revert(image.as_ref(), arguments.force, &mut |_, _| ()) {
        Err(SavedError::WrittenTo { ranges, .. }) => {
            report.kept = ranges;
            report.archived = Some(folder);
        }
        reverted => {
            let reverted = reverted.with_context(reverting)?;
            report.reverted = true;
            report.restored = reverted.restored;
            report.kept = reverted.kept;
            report.archived = reverted.archived;
        }
    }
    if arguments.json {
        output::json(&report)?;
    } else if report.reverted {
        say_reverted(&report)?;
    } else {
        say_refused(&report);
    }
    // A disk that was put back in part only is not done.
    Ok(if report.reverted && report.kept.is_empty() {
        Exit::Done
    } else {
        Exit::Blocked
    })
}

fn nothing_saved(image: &Image, folder: &Path) -> String {
    let mut text = format!(
        "{}: nothing was saved for this disk (looked in {}), so it was not converted, or was reverted already; name the \
         folder with --keep if it is elsewhere",
        image.path().display(),
        folder.display()
    );
    let earlier: Vec<String> = keep::set_aside_earlier(folder)
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    if !earlier.is_empty() {
        text.push_str(&format!(" (of earlier conversions: {})", earlier.join(", ")));
    }
    text
}

/// Devices get their names anew, images are renamed: what was saved may be another disk's.
fn refuse_another_disk(saved: &Saved, image: &Arc<Image>) -> Result<()> {
    let view = Arc::new(View::new(Arc::clone(image) as Arc<dyn ReadAt>));
    // What cannot be read any more may still be the disk that it was.
    let Ok(system) = System::open(view, Access::Read, now()) else {
        return Ok(());
    };
    let found = convert::ids(system.disk());
    if saved.ids().is_empty() || saved.ids().iter().any(|id| found.contains(id)) {
        return Ok(());
    }
    bail!(
        "{}: what is in {} was saved for another disk (file system UUID {}, this one has {}); nothing was changed. Name the \
         folder that belongs to this disk with --keep",
        image.path().display(),
        saved.folder().display(),
        saved.ids().join(", "),
        found.join(", ")
    )
}

fn say_reverted(report: &Report<'_>) -> Result<()> {
    let bytes: u64 = report.restored.iter().map(|span| span.len).sum();
    let (disk, ranges, size) = (report.disk.display(), report.restored.len(), output::size(bytes));
    output::print(&format!("{disk}: {ranges} ranges put back ({size})\n"))?;
    if report.kept.is_empty() && report.used.is_empty() {
        return output::print("  The disk is bit for bit what it was before the conversion.\n");
    }
    list("left alone, written to since", &report.kept);
    list("changed by use", &report.used);
    if let Some(archive) = &report.archived {
        output::say(&format!("  The saved bytes are in {}.\n", archive.display()));
    }
    output::say("  Old and new are mixed now. Check the file system before anything else uses it: e2fsck -f\n");
    Ok(())
}

fn say_refused(report: &Report<'_>) {
    output::say(&format!(
        "comeback: {}: the disk was used since it was converted (booted, or mounted), so its old bytes would not fit what is \
         there now; nothing was changed\n",
        report.disk.display()
    ));
    list("written to", &report.kept);
    list("changed by use", &report.used);
    output::say(
        "  As it is, the disk still boots as PV: nothing has to be reverted to go back. With --force, what is still as the \
         conversion left it is put back; check the file system afterwards (e2fsck -f).\n",
    );
}

fn list(what: &str, spans: &[Span]) {
    for span in spans {
        output::say(&format!("  {what}: offset {}, {} bytes\n", span.offset, span.len));
    }
}
