//! `comeback revert`

use anyhow::{Context, Result};
use comeback_disk::image::Access;
use comeback_disk::saved::{Reverted, Saved, SavedError, Span};

use crate::cli::RevertArguments;
use crate::exit::Exit;
use crate::inspect::open;
use crate::keep;
use crate::output;

pub(crate) fn run(arguments: &RevertArguments) -> Result<Exit> {
    let image = open(&arguments.disk, Access::Write)?;
    let folder = keep::folder(&arguments.keep, &image)?;
    let Some(saved) = Saved::load(&folder)? else {
        anyhow::bail!(
            "{}: nothing was saved for this disk (looked in {}); name the folder with --keep if it is elsewhere",
            image.path().display(),
            folder.display()
        );
    };
    let reverted = match saved.revert(&image, arguments.force, &mut |_, _| ()) {
        Err(SavedError::WrittenTo { ranges, witnesses }) => {
            eprintln!(
                "comeback: {}: the disk was written to since it was converted (it was booted, or mounted), so its old bytes \
                 would not fit; nothing was changed",
                image.path().display()
            );
            list("written to", &ranges);
            list("changed by use", &witnesses);
            eprintln!(
                "  The disk still boots as PV as it is: nothing has to be reverted to go back. With --force, what is still as \
                 the conversion left it is put back; check the file system afterwards (e2fsck -f)."
            );
            return Ok(Exit::Blocked);
        }
        result => result.with_context(|| format!("reverting {}", image.path().display()))?,
    };
    if arguments.json {
        output::json(&reverted)?;
        return Ok(exit(&reverted));
    }
    let bytes: u64 = reverted.restored.iter().map(|span| span.len).sum();
    output::print(&format!(
        "{}: {} ranges put back ({})\n",
        image.path().display(),
        reverted.restored.len(),
        output::size(bytes)
    ))?;
    match &reverted.archived {
        None => output::print("  The disk is bit for bit what it was before the conversion.\n")?,
        Some(archive) => {
            list("left alone, written to since", &reverted.kept);
            eprintln!("  The saved bytes are in {}. Check the file system now: e2fsck -f.", archive.display());
        }
    }
    Ok(exit(&reverted))
}

/// A disk that was put back in part only is not done.
fn exit(reverted: &Reverted) -> Exit {
    if reverted.kept.is_empty() { Exit::Done } else { Exit::Blocked }
}

fn list(what: &str, spans: &[Span]) {
    for span in spans {
        eprintln!("  {what}: offset {}, {} bytes", span.offset, span.len);
    }
}
