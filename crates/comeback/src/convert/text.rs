//! The plan of a conversion for a person.

use std::fmt::Write as _;
use std::path::Path;

use comeback_convert::conversion::Conversion;
use comeback_convert::edits::{Action, FileChange};
use comeback_convert::plan::Placement;
use comeback_disk::patch::Patch;
use similar::TextDiff;

use crate::output::{self, printable};

/// The plan for a person. `moves` is the number of bytes that move to make room for a table.
pub(super) fn plan_text(
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
