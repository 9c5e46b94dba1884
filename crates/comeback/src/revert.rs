//! `comeback revert`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use comeback_convert::in_place::{self, Reversal, RevertError};
use comeback_disk::image::{Access, Image};
use comeback_disk::moved::{MoveError, Moved, Standing};
use comeback_disk::saved::{SavedError, Span};
use serde::Serialize;

use crate::cli::RevertArguments;
use crate::disk::{now, open};
use crate::exit::Exit;
use crate::keep;
use crate::output;
use crate::watched::watched;

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
    let folder = keep::folder(&arguments.keep, &image)?;
    let moved = Moved::load(&folder).with_context(|| format!("reverting {}", image.path().display()))?;
    let moves = moved.is_some();
    let reversal = match moved {
        Some(moved) => take_back(moved, &image, arguments.force)?,
        None => in_place::revert(&image, &folder, arguments.force, now(), &mut |_, _| ()).map_err(named(&image))?,
    };
    let report = match reversal {
        Reversal::Refused { written_to, used } => Report {
            version: 1,
            disk: image.path(),
            reverted: false,
            restored: Vec::new(),
            kept: written_to,
            used,
            archived: Some(folder),
        },
        Reversal::Reverted { reverted, used } => Report {
            version: 1,
            disk: image.path(),
            reverted: true,
            restored: reverted.restored,
            kept: reverted.kept,
            used,
            archived: reverted.archived,
        },
    };
    if arguments.json {
        output::json(&report)?;
    } else if report.reverted {
        say_reverted(&report)?;
    } else {
        say_refused(&report, moves);
    }
    // A disk that was put back in part only is not done.
    Ok(if report.reverted && report.kept.is_empty() {
        Exit::Done
    } else {
        Exit::Blocked
    })
}

/// Adds the disk to errors that do not name it.
fn named(image: &Image) -> impl Fn(RevertError) -> anyhow::Error {
    move |error| match error {
        RevertError::Saved(error) => anyhow::Error::new(error).context(format!("reverting {}", image.path().display())),
        error => error.into(),
    }
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

fn say_refused(report: &Report<'_>, moves: bool) {
    output::say(&format!(
        "comeback: {}: the disk was used since it was converted (booted, or mounted), so its old bytes would not fit what is \
         there now; nothing was changed\n",
        report.disk.display()
    ));
    list("written to", &report.kept);
    list("changed by use", &report.used);
    output::say(if moves {
        "  As it is, the disk still boots as PV with an hd00 kernel image (AKI). With --force, its data are moved back as they \
         are now; check the file system afterwards (e2fsck -f).\n"
    } else {
        "  As it is, the disk still boots as PV: nothing has to be reverted to go back. With --force, what is still as the \
         conversion left it is put back; check the file system afterwards (e2fsck -f).\n"
    });
}

fn list(what: &str, spans: &[Span]) {
    for span in spans {
        output::say(&format!("  {what}: offset {}, {} bytes\n", span.offset, span.len));
    }
}

/// Takes a move back, or a part of one.
fn take_back(moved: Moved, image: &Arc<Image>, force: bool) -> Result<Reversal> {
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
