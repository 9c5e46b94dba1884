//! `--layout partitioned --output FILE`: a new disk, with the used blocks of the old one.

use std::fmt::Write as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use comeback_convert::conversion::{self, Conversion};
use comeback_convert::plan::Layout;
use comeback_convert::relocation::Relocation;
use comeback_disk::image::{self, Access, Format, Image, ImageError};
use comeback_disk::io::{ReadAt, WriteAt};
use comeback_disk::probe::{self, Content};
use comeback_disk::table;
use comeback_disk::view::View;
use comeback_guest::kernels::KernelReader;

use super::common::{Report, prepare};
use super::text::plan_text;
use crate::cli::{ConvertArguments, KeepArguments};
use crate::disk::{now, open, tell_users};
use crate::exit::Exit;
use crate::keep;
use crate::output;

pub(super) fn run(arguments: &ConvertArguments, output: &Path) -> Result<Exit> {
    let image = Arc::new(open(&arguments.disk, Access::Read)?);
    tell_users(&image);
    let none = KeepArguments { keep: None };
    if keep::interrupted(&keep::folder(&none, &image)?, &image) {
        bail!("{}: {}; nothing was written", image.path().display(), keep::INTERRUPTED);
    }
    let device = match std::fs::metadata(output) {
        Ok(metadata) if metadata.file_type().is_block_device() => Some(empty_device(output, arguments.dry_run)?),
        // A link to nowhere is there, too.
        _ if output.symlink_metadata().is_ok() => bail!(
            "converting {}: {} exists already; choose another name, or an empty block device",
            image.path().display(),
            output.display()
        ),
        _ => None,
    };
    let now = now();
    let source = Arc::new(View::new(Arc::clone(&image) as Arc<dyn ReadAt>));
    let (system, _) = conversion::inspect(&source, &mut KernelReader::default(), now)
        .with_context(|| format!("inspecting {}", arguments.disk.disk.display()))?;
    let relocation = Relocation::of(&system, device.as_ref().map(ReadAt::size), now)
        .with_context(|| format!("laying {} out anew", arguments.disk.disk.display()))?;
    drop(system);
    let conversion = prepare(relocation.disk() as Arc<dyn ReadAt>, arguments, now)?;
    let report = |applied| Report {
        version: 1,
        disk: image.path(),
        layout: Layout::Partitioned,
        output: Some(output),
        plan: &conversion.plan,
        patch: &conversion.patch,
        before: &conversion.before.assessment,
        after: &conversion.after.assessment,
        applied,
        saved: None,
    };
    if arguments.dry_run {
        if arguments.json {
            output::json(&report(false))?;
        } else {
            output::print(&plan_text(&conversion, &conversion.patch, None, output, true))?;
        }
        return Ok(Exit::Done);
    }
    let copied = match device {
        Some(device) => write_new(&device, false, &relocation, &conversion),
        None => write_file(output, &relocation, &conversion),
    };
    let copied = copied.with_context(|| format!("converting {} to {}", image.path().display(), output.display()))?;
    if arguments.json {
        output::json(&report(true))?;
    } else {
        let mut text = plan_text(&conversion, &conversion.patch, None, output, false);
        let _ = writeln!(
            text,
            "\nWritten: {} copied to {}; the source was only read.",
            output::size(copied),
            output.display()
        );
        let _ = writeln!(
            text,
            "Prove it now: comeback rehearse {} --as {}",
            output.display(),
            conversion.plan.target
        );
        output::print(&text)?;
    }
    Ok(Exit::Done)
}

/// Opens a block device that the new disk is written to. What holds anything is refused: nothing is lost by mistake.
fn empty_device(path: &Path, dry_run: bool) -> Result<Image> {
    let access = if dry_run { Access::Read } else { Access::Write };
    let device = Image::open(path, access).with_context(|| format!("opening {}", path.display()))?;
    let table = table::read(&device).with_context(|| format!("reading {}", path.display()))?;
    let content = probe::identify(&device).with_context(|| format!("reading {}", path.display()))?;
    if content != Content::Empty || !table.partitions.is_empty() {
        let what = if table.partitions.is_empty() {
            content.to_string()
        } else {
            "partitions".to_owned()
        };
        bail!(
            "{}: is not empty (it holds {what}); if it may be overwritten, clear it first: wipefs -a {0}",
            path.display()
        );
    }
    Ok(device)
}

/// Writes a new image under another name until it is whole: nobody shall take half a disk for one.
fn write_file(output: &Path, relocation: &Relocation, conversion: &Conversion) -> Result<u64> {
    let qcow2 = output.extension().is_some_and(|extension| extension == "qcow2");
    let format = if qcow2 { Format::Qcow2 } else { Format::Raw };
    let mut partial = output.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let new = match image::create(&partial, format, relocation.disk().size()) {
        Err(ImageError::Exists { path }) => bail!(
            "{} exists already: another conversion is writing it, or was interrupted; if none is running, remove it",
            path.display()
        ),
        new => new?,
    };
    let copied = write_new(&new, true, relocation, conversion);
    drop(new);
    let copied = copied.and_then(|copied| name(&partial, output).map(|()| copied));
    if copied.is_err() {
        // The first error is the one to report.
        let _ = std::fs::remove_file(&partial);
    }
    copied
}

/// Gives the new disk its name, never replacing what has that name by now.
fn name(partial: &Path, output: &Path) -> Result<()> {
    let naming = || format!("naming {}", output.display());
    match std::fs::hard_link(partial, output) {
        Ok(()) => std::fs::remove_file(partial).with_context(|| format!("removing {}", partial.display())),
        Err(error) if output.symlink_metadata().is_ok() => Err(error).with_context(naming),
        // Some file systems have no hard links.
        Err(_) => std::fs::rename(partial, output).with_context(naming),
    }
}

/// Copies, then patches; sector 0, without which nothing boots, comes last.
fn write_new(new: &Image, is_zero: bool, relocation: &Relocation, conversion: &Conversion) -> Result<u64> {
    let bar = output::progress();
    let copied = relocation.copy(new, is_zero, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    let (first, rest): (Vec<_>, Vec<_>) = conversion.patch.ranges.iter().partition(|range| range.offset < 512);
    for ranges in [rest, first] {
        for range in ranges {
            new.write_at(range.offset, &range.new)?;
        }
        new.flush()?;
    }
    Ok(copied)
}
