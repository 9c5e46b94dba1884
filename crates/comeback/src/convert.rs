//! `comeback convert`

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use comeback_convert::conversion::{self, Conversion};
use comeback_convert::edits::{Action, FileChange};
use comeback_convert::in_place;
use comeback_convert::plan::{Layout, Placement, Target};
use comeback_convert::refusal;
use comeback_convert::relocation::Relocation;
use comeback_convert::verdict::Assessment;
use comeback_disk::boot::assets::Assets;
use comeback_disk::image::{self, Access, Format, Image, ImageError};
use comeback_disk::io::{ReadAt, WriteAt};
use comeback_disk::patch::Patch;
use comeback_disk::probe::{self, Content};
use comeback_disk::table;
use comeback_disk::view::View;
use comeback_guest::kernels::KernelReader;
use serde::Serialize;
use similar::TextDiff;

use crate::cli::{ConvertArguments, KeepArguments, LayoutArgument, TargetArgument};
use crate::earlier;
use crate::exit::Exit;
use crate::inspect::{now, open};
use crate::keep;
use crate::moving;
use crate::output::{self, printable};

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

pub(crate) fn run(arguments: &ConvertArguments) -> Result<Exit> {
    let wrong = |text: &str| {
        output::say(&format!("comeback: {text}\n"));
        Ok(Exit::Usage)
    };
    match (arguments.layout, &arguments.output) {
        (LayoutArgument::InPlace, None) => in_place(arguments),
        (LayoutArgument::InPlace, Some(_)) => {
            wrong("--output is for `--layout partitioned`; in place, DISK itself is converted")
        }
        (LayoutArgument::Partitioned, None) => moving::run(arguments),
        (LayoutArgument::Partitioned, Some(_)) if arguments.keep.keep.is_some() => wrong(
            "--keep is for the in-place layout: `--layout partitioned` leaves DISK as it is, there is nothing to save",
        ),
        (LayoutArgument::Partitioned, Some(output)) => partitioned(arguments, output),
    }
}

/// A disk that is only read may be in use; whoever reads the result has to know.
pub(crate) fn tell_users(image: &Image) {
    for user in image.users() {
        let path = image.path().display();
        output::say(&format!(
            "comeback: {path} is in use: {user}; what is read may be half of a change\n"
        ));
    }
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

pub(crate) fn in_place(arguments: &ConvertArguments) -> Result<Exit> {
    let access = if arguments.dry_run { Access::Read } else { Access::Write };
    let image = Arc::new(open(&arguments.disk, access)?);
    let converting = || format!("converting {}", arguments.disk.disk.display());
    tell_users(&image);
    let folder = keep::folder(&arguments.keep, &image)?;
    let earlier = match earlier::finish(arguments, &image, &folder).with_context(converting)? {
        ControlFlow::Break(exit) => return Ok(exit),
        ControlFlow::Continue(earlier) => earlier,
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

fn partitioned(arguments: &ConvertArguments, output: &Path) -> Result<Exit> {
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

/// The plan for a person. `moves` is the number of bytes that move to make room for a table.
pub(crate) fn plan_text(
    conversion: &Conversion,
    patch: &Patch,
    moves: Option<u64>,
    disk: &Path,
    details: bool,
) -> String {
    let plan = &conversion.plan;
    let mut text = format!("Plan for {}, target {}\n", disk.display(), plan.target);
    if let Some(bytes) = moves {
        let _ = writeln!(
            text,
            "  move           all data ({}) up by 1 MiB; a GPT and a BIOS-boot partition before them",
            output::size(bytes)
        );
    }
    if let Some(boot_code) = &plan.boot_code {
        let place = match boot_code.placement {
            Placement::File => "a file of the guest, found by block list".to_owned(),
            Placement::Gap { start } => format!("the gap before the first partition, from byte {start} on"),
            Placement::BiosBoot { start } => format!("the BIOS-boot partition, from byte {start} on"),
        };
        let _ = writeln!(
            text,
            "  boot sector    GRUB 2 in sector 0; its core image ({}) in {place}",
            output::size(boot_code.core_size)
        );
    }
    for change in &plan.files {
        describe_change(&mut text, change, details);
    }
    let _ = writeln!(
        text,
        "Patch: {} in {} ranges of a disk of {}",
        output::size(patch.changed_bytes()),
        patch.ranges.len(),
        output::size(patch.disk_size)
    );
    if details {
        for range in &patch.ranges {
            let _ = writeln!(text, "  offset {:>14}  length {:>8}", range.offset, range.len());
        }
    }
    let _ = writeln!(text, "\nBefore and after");
    let before = &conversion.before.assessment.verdicts;
    for (before, after) in before.iter().zip(&conversion.after.assessment.verdicts) {
        let (was, is) = (before.outcome.to_string(), after.outcome.to_string());
        let _ = writeln!(text, "  {:<13} {was:<14} -> {is}", before.platform);
    }
    if details {
        text.push_str("\nNothing was written (dry run): the same command without --dry-run does all this.\n");
    }
    text
}

fn describe_change(text: &mut String, change: &FileChange, details: bool) {
    let what = match &change.action {
        Action::Edit { .. } => "edit",
        Action::Create { .. } => "new file",
        Action::Link { .. } => "new link",
        Action::CoreImage { .. } => "core image",
    };
    let _ = writeln!(text, "  {what:<14} {}", printable(&change.path));
    for reason in &change.reasons {
        let line = reason.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        let _ = writeln!(text, "                   {line}{}", printable(&reason.text));
    }
    if !details {
        return;
    }
    match &change.action {
        Action::Edit { old, new } => diff(text, old, new),
        Action::Create { content, .. } => diff(text, b"", content),
        Action::Link { target } => {
            let _ = writeln!(text, "      -> {}", printable(target));
        }
        Action::CoreImage { size } => {
            let _ = writeln!(text, "      {size} bytes, immutable");
        }
    }
}

fn diff(text: &mut String, old: &[u8], new: &[u8]) {
    let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
    for line in TextDiff::from_lines(old.as_ref(), new.as_ref())
        .unified_diff()
        .context_radius(1)
        .to_string()
        .lines()
    {
        let _ = writeln!(text, "      {}", printable(line));
    }
}
