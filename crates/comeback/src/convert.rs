//! `comeback convert`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use comeback_convert::conversion::{self, Conversion};
use comeback_convert::edits::{Action, FileChange};
use comeback_convert::plan::{Layout, Placement, PlanError, Target};
use comeback_convert::relocation::Relocation;
use comeback_convert::verdict::Assessment;
use comeback_disk::boot::assets::Assets;
use comeback_disk::image::{self, Access, Format, Image};
use comeback_disk::io::{ReadAt, WriteAt};
use comeback_disk::patch::Patch;
use comeback_disk::saved::{Request, Saved, Span, State, Summary};
use comeback_disk::view::View;
use comeback_guest::kernels::KernelReader;
use comeback_guest::system::Disk;
use serde::Serialize;
use similar::TextDiff;

use crate::cli::{ConvertArguments, LayoutArgument, TargetArgument};
use crate::exit::Exit;
use crate::inspect::{now, open};
use crate::keep;
use crate::output::{self, printable};

/// What is printed as JSON.
#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    disk: &'a Path,
    layout: Layout,
    /// The new disk, in the partitioned layout.
    output: Option<&'a Path>,
    plan: &'a comeback_convert::plan::Plan,
    patch: &'a Patch,
    before: &'a Assessment,
    after: &'a Assessment,
    /// Whether anything was written.
    applied: bool,
    /// Where the saved bytes are.
    saved: Option<&'a Path>,
}

pub(crate) fn run(arguments: &ConvertArguments) -> Result<Exit> {
    match (arguments.layout, &arguments.output) {
        (LayoutArgument::InPlace, None) => in_place(arguments),
        (LayoutArgument::InPlace, Some(_)) => {
            eprintln!("comeback: --output is for `--layout partitioned`; in place, DISK itself is converted");
            Ok(Exit::Usage)
        }
        (LayoutArgument::Partitioned, Some(output)) => partitioned(arguments, output),
        (LayoutArgument::Partitioned, None) => {
            eprintln!("comeback: `--layout partitioned` needs --output FILE: the data moves to a new disk");
            Ok(Exit::Usage)
        }
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
fn prepare(disk: Arc<dyn ReadAt>, arguments: &ConvertArguments, now: i64) -> Result<Conversion> {
    let assets = Assets::find().context("finding boot code")?;
    conversion::convert(disk, target(arguments), &assets, now)
        .inspect_err(|error| {
            let findings = match error {
                conversion::ConvertError::Plan(error @ (PlanError::Forbidden(_) | PlanError::Blocked { .. })) => {
                    error.findings()
                }
                conversion::ConvertError::NotProven { findings, .. } => findings,
                _ => return,
            };
            let mut text = String::new();
            for finding in findings {
                output::finding(&mut text, finding);
            }
            eprint!("{text}");
        })
        .with_context(|| format!("converting {}", arguments.disk.disk.display()))
}

fn in_place(arguments: &ConvertArguments) -> Result<Exit> {
    let access = if arguments.dry_run { Access::Read } else { Access::Write };
    let image = Arc::new(open(&arguments.disk, access)?);
    let folder = keep::folder(&arguments.keep, &image)?;
    let earlier = Saved::load(&folder)?;
    let earlier = match earlier {
        Some(saved) if !arguments.dry_run => match settle(saved, &image)? {
            Settled::Completed(saved) => return completed(&saved, &image),
            Settled::Kept => true,
            Settled::Gone => false,
        },
        Some(_) => true,
        None => false,
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
            output::json(&report(false, None))?;
        } else {
            let target = conversion.plan.target;
            output::print(&format!("{}: nothing to do, it is ready for {target}\n", image.path().display()))?;
        }
        return Ok(Exit::Done);
    }
    if arguments.dry_run {
        if arguments.json {
            output::json(&report(false, None))?;
        } else {
            output::print(&plan_text(&conversion, image.path(), true))?;
        }
        return Ok(Exit::Done);
    }
    if earlier {
        let aside = keep::set_aside(&folder)?;
        eprintln!("comeback: the bytes saved by an earlier conversion are now in {}", aside.display());
    }
    let request = Request {
        image: image.path(),
        format: image.format(),
        ids: ids(&conversion.before.guest.disk),
        witnesses: witnesses(&conversion.before.guest.disk),
        description: serde_json::to_value(&conversion.plan)?,
    };
    let mut saved = Saved::create(&folder, image.as_ref(), &conversion.patch, request)?;
    saved.apply(image.as_ref(), &mut |_, _| ())?;
    if arguments.json {
        output::json(&report(true, Some(&folder)))?;
    } else {
        let mut text = plan_text(&conversion, image.path(), false);
        let _ = writeln!(text, "\nWritten. The old bytes are in {}; `comeback revert` puts them back.", folder.display());
        let _ = writeln!(text, "Prove it now: comeback rehearse {} --as {}", image.path().display(), conversion.plan.target);
        output::print(&text)?;
    }
    Ok(Exit::Done)
}

/// What became of a conversion that was saved earlier.
enum Settled {
    /// It had been interrupted, and is complete now.
    Completed(Saved),
    /// It is complete, or the disk was used since: its saved bytes stay.
    Kept,
    /// Nothing of it was on the disk.
    Gone,
}

fn settle(mut saved: Saved, image: &Image) -> Result<Settled> {
    let condition = saved.condition(image)?;
    Ok(match condition.summary {
        Summary::AllOld if saved.state() == State::Reverted || !condition.is_written_to() => {
            saved.discard(image)?;
            Settled::Gone
        }
        Summary::Mixed => {
            saved.apply(image, &mut |_, _| ())?;
            Settled::Completed(saved)
        }
        Summary::AllNew if saved.state() == State::Saved => {
            saved.apply(image, &mut |_, _| ())?;
            Settled::Completed(saved)
        }
        Summary::AllOld | Summary::AllNew | Summary::Foreign => Settled::Kept,
    })
}

fn completed(saved: &Saved, image: &Image) -> Result<Exit> {
    output::print(&format!(
        "{}: an interrupted conversion was completed; the old bytes are in {}\n",
        image.path().display(),
        saved.folder().display()
    ))?;
    Ok(Exit::Done)
}

/// What a disk is known by.
fn ids(disk: &Disk) -> Vec<String> {
    let places = std::iter::once(&disk.root).chain(&disk.boot);
    places.map(|place| place.superblock.uuid.to_string()).collect()
}

/// Superblocks: they change at every mount.
fn witnesses(disk: &Disk) -> Vec<Span> {
    let places = std::iter::once(&disk.root).chain(&disk.boot);
    places
        .map(|place| Span {
            offset: place.start + 1024,
            len: 1024,
        })
        .collect()
}

fn partitioned(arguments: &ConvertArguments, output: &Path) -> Result<Exit> {
    let image = Arc::new(open(&arguments.disk, Access::Read)?);
    if output.exists() {
        bail!("{}: is there already; name a file that is not", output.display());
    }
    let now = now();
    let source = Arc::new(View::new(Arc::clone(&image) as Arc<dyn ReadAt>));
    let (system, _) = conversion::inspect(&source, &mut KernelReader::default(), now)
        .with_context(|| format!("inspecting {}", arguments.disk.disk.display()))?;
    let relocation = Relocation::of(&system, now)
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
            output::print(&plan_text(&conversion, output, true))?;
        }
        return Ok(Exit::Done);
    }
    let qcow2 = output.extension().is_some_and(|extension| extension == "qcow2");
    let format = if qcow2 { Format::Qcow2 } else { Format::Raw };
    // Under another name until it is whole: nobody shall take half a disk for one.
    let mut partial = output.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let copied = write_new(&partial, format, &relocation, &conversion);
    if copied.is_err() {
        // The first error is the one to report.
        let _ = std::fs::remove_file(&partial);
    }
    let copied = copied.with_context(|| format!("writing {}", output.display()))?;
    // A hard link refuses to replace what may have come in the meantime; a rename would not.
    std::fs::hard_link(&partial, output).with_context(|| format!("naming {}", output.display()))?;
    std::fs::remove_file(&partial).with_context(|| format!("removing {}", partial.display()))?;
    if arguments.json {
        output::json(&report(true))?;
    } else {
        let mut text = plan_text(&conversion, output, false);
        let _ = writeln!(text, "\nWritten: {} copied to {}; the source was only read.", output::size(copied), output.display());
        let _ = writeln!(text, "Prove it now: comeback rehearse {} --as {}", output.display(), conversion.plan.target);
        output::print(&text)?;
    }
    Ok(Exit::Done)
}

/// Copies, then patches; sector 0, without which nothing boots, comes last.
fn write_new(path: &Path, format: Format, relocation: &Relocation, conversion: &Conversion) -> Result<u64> {
    let new = image::create(path, format, relocation.disk().size())?;
    let bar = output::progress();
    let copied = relocation.copy(&new, |done, total| {
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

fn plan_text(conversion: &Conversion, disk: &Path, details: bool) -> String {
    let plan = &conversion.plan;
    let mut text = format!("Plan for {}, target {}\n", disk.display(), plan.target);
    if let Some(boot_code) = &plan.boot_code {
        let place = match boot_code.placement {
            Placement::File => "a file of the guest, found by block list".to_owned(),
            Placement::Gap { start } => format!("the gap before the first partition, from byte {start} on"),
            Placement::BiosBoot { start } => format!("the BIOS-boot partition, from byte {start} on"),
        };
        let _ = writeln!(text, "  boot sector    GRUB 2 in sector 0; its core image ({}) in {place}", output::size(boot_code.core_size));
    }
    for change in &plan.files {
        describe_change(&mut text, change, details);
    }
    let patch = &conversion.patch;
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
    for line in TextDiff::from_lines(old.as_ref(), new.as_ref()).unified_diff().context_radius(1).to_string().lines() {
        let _ = writeln!(text, "      {}", printable(line));
    }
}
