//! `/etc/fstab`: this disk by its identity, hazards made harmless.

use comeback_guest::fstab::FstabEntry;

use super::Edits;
use super::boot_menu::root_identity;
use super::text::{Replacement, line_around};
use crate::rules::fstab::{Hazard, hazard};

const PATH: &str = "/etc/fstab";

pub(super) fn edit(edits: &mut Edits) {
    let guest = edits.guest;
    let Some(fstab) = &guest.fstab else {
        return;
    };
    for entry in &fstab.entries {
        match hazard(guest, entry) {
            Some(Hazard::OwnByName(partition)) => match identity(edits, partition) {
                Some(identity) => edits.push(
                    PATH,
                    Replacement::new(
                        entry.spec.span.clone(),
                        identity,
                        entry.line,
                        format!("{} has another name on every platform", entry.spec.value),
                    ),
                ),
                None => make_harmless(edits, entry),
            },
            Some(Hazard::Waits | Hazard::Swap) => make_harmless(edits, entry),
            Some(Hazard::Harmless) | None => {}
        }
    }
}

/// How a partition of this disk is named for good; none for what has no identity that comeback reads.
fn identity(edits: &Edits, partition: Option<u32>) -> Option<String> {
    let disk = &edits.guest.disk;
    if partition == disk.root.partition {
        return Some(root_identity(edits));
    }
    if let Some(boot) = disk.boot.as_ref().filter(|boot| boot.partition == partition) {
        return Some(format!("UUID={}", boot.superblock.uuid));
    }
    let other = disk.others.iter().find(|other| Some(other.partition) == partition)?;
    other.uuid.map(|uuid| format!("UUID={uuid}"))
}

/// `nofail` and no check, with a comment that says why.
fn make_harmless(edits: &mut Edits, entry: &FstabEntry) {
    let guest = edits.guest;
    let content = edits.content(PATH);
    let line = line_around(content, entry.span.start);
    let mut options = vec!["nofail"];
    if guest.mountall {
        options.push("nobootwait");
    }
    options.retain(|option| !entry.has_option(option));
    let reason = format!("{} may have another name, or be gone, after the move", entry.spec.value);
    let mut made = Vec::new();
    match &entry.options {
        Some(field) if !options.is_empty() => {
            made.push(Replacement::insert(
                field.span.end,
                format!(",{}", options.join(",")),
                entry.line,
                &reason,
            ));
        }
        Some(_) => {}
        None => {
            let kind = if entry.fs_type.is_none() { " auto" } else { "" };
            let text = format!("{kind} defaults,{} 0 0", options.join(","));
            made.push(Replacement::insert(entry.span.end, text, entry.line, &reason));
        }
    }
    if let Some(pass) = entry.pass.as_ref().filter(|pass| pass.value != 0) {
        made.push(Replacement::new(
            pass.span.clone(),
            "0",
            entry.line,
            "a disk that is gone cannot be checked, and the boot would stop there",
        ));
    }
    if made.is_empty() {
        return;
    }
    let comment = format!(
        "# comeback: {} may have another name, or be gone, on this machine: it must not stop the boot\n",
        entry.spec.value
    );
    made.insert(0, Replacement::insert(line.start, comment, entry.line, &reason));
    for replacement in made {
        edits.push(PATH, replacement);
    }
}
