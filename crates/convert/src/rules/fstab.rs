//! Lines of `/etc/fstab` that will hang or fail after the move.

use comeback_guest::fstab::FstabEntry;
use comeback_guest::inspect::Guest;
use comeback_guest::spec::Spec;

use crate::finding::{Effect, Evidence, Finding};
use crate::names::{self, Leads};
use crate::platform::Platform;

/// What a line will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hazard {
    /// It names a file system of this disk by a name that will be another.
    OwnByName(Option<u32>),
    /// It names a disk that the target may not have, and the boot waits for it.
    Waits,
    /// It is swap on a disk that the target may not have: slow, but not fatal.
    Swap,
    /// It names a disk that the target may not have, and says itself that this does no harm.
    Harmless,
}

/// What a line will do after the move; none where it is as good there as here.
pub(crate) fn hazard(guest: &Guest, entry: &FstabEntry) -> Option<Hazard> {
    if !matches!(entry.device, Spec::Disk(_)) {
        return None;
    }
    if let Leads::ByName(partition) = names::leads(&guest.disk, &entry.device) {
        return Some(Hazard::OwnByName(partition));
    }
    let swap = entry.fs_type.as_ref().is_some_and(|kind| kind.value == "swap") || entry.mount_point.value == "swap";
    let optional =
        entry.has_option("noauto") || (entry.has_option("nofail") && !guest.mountall) || entry.has_option("nobootwait");
    // mountall checks nothing that is not there; whatever came after it fails.
    let checked = !guest.mountall && entry.pass.as_ref().is_some_and(|pass| pass.value != 0);
    Some(match (optional && !checked, swap) {
        (true, _) => Hazard::Harmless,
        (false, true) => Hazard::Swap,
        (false, false) => Hazard::Waits,
    })
}

pub(super) fn check(guest: &Guest, found: &mut Vec<Finding>) {
    let Some(fstab) = &guest.fstab else {
        found.push(
            Finding::new("fstab-missing", "there is no readable /etc/fstab")
                .at(Evidence::file("/etc/fstab", "missing, or not a file"))
                .warning(),
        );
        return;
    };
    for problem in &fstab.problems {
        found.push(
            Finding::new("fstab-malformed", "a line of fstab is not understood")
                .at(Evidence::line("/etc/fstab", problem.line, &problem.value))
                .warning(),
        );
    }
    for entry in &fstab.entries {
        let mount_point = &entry.mount_point.value;
        let at = Evidence::line(
            "/etc/fstab",
            entry.line,
            format!("{} on {mount_point}", entry.spec.value),
        );
        match hazard(guest, entry) {
            Some(Hazard::OwnByName(_)) => own(guest, entry, at, found),
            Some(Hazard::Waits) => found.push(
                Finding::new("fstab-waits", format!("the boot waits for {mount_point}, whose disk may have another name or be gone after the move"))
                    .at(at)
                    .remedy("run `comeback convert`, which makes the line harmless; name data volumes by UUID to have them mounted")
                    .on(&Platform::HVM, Effect::Blocks),
            ),
            Some(Hazard::Swap) => found.push(
                Finding::new("fstab-swap", "swap on a disk that is gone after the move: the boot goes on, after a wait")
                    .at(at)
                    .remedy("run `comeback convert`, which makes the line harmless, or remove it")
                    .on(&Platform::HVM, Effect::Warns),
            ),
            Some(Hazard::Harmless) => found.push(
                Finding::new("fstab-optional", "this disk may have another name or be gone after the move, which the line allows for")
                    .at(at),
            ),
            None => identity(guest, entry, at, found),
        }
    }
}

fn own(guest: &Guest, entry: &FstabEntry, at: Evidence, found: &mut Vec<Finding>) {
    let Spec::Disk(name) = &entry.device else {
        return;
    };
    let lost: Vec<Platform> = Platform::HVM
        .into_iter()
        .filter(|&platform| !names::exists(&guest.disk, name, platform))
        .collect();
    if lost.is_empty() {
        return;
    }
    found.push(
        Finding::new(
            "fstab-device-name",
            format!(
                "{} is named by a device that has another name after the move",
                entry.mount_point.value
            ),
        )
        .at(at)
        .remedy("run `comeback convert`, which writes UUID=… (or the label in use)")
        .on(&lost, Effect::Blocks),
    );
}

/// UUIDs and labels that are not on this disk: other volumes that have to come along.
fn identity(guest: &Guest, entry: &FstabEntry, at: Evidence, found: &mut Vec<Finding>) {
    let by_identity = matches!(
        entry.device,
        Spec::Uuid(_) | Spec::Label(_) | Spec::PartUuid(_) | Spec::PartLabel(_)
    );
    if !by_identity || !matches!(names::leads(&guest.disk, &entry.device), Leads::Elsewhere) {
        return;
    }
    let other = guest.disk.others.iter().any(|other| match &entry.device {
        Spec::Uuid(uuid) => other.uuid.is_some_and(|own| own.to_string().eq_ignore_ascii_case(uuid)) || other.swap,
        Spec::Label(label) => other.label.as_deref() == Some(label) || other.swap,
        _ => true,
    });
    if other {
        return;
    }
    let optional = entry.has_option("nofail") || entry.has_option("nobootwait") || entry.has_option("noauto");
    let finding = if entry.mount_point.value == "/" {
        Finding::new("fstab-root-elsewhere", "fstab names a root that is not on this disk")
            .at(at)
            .remedy("let the line name the root file system of this disk")
            .on(&Platform::HVM, Effect::Warns)
    } else {
        Finding::new(
            "fstab-other-volume",
            format!(
                "{} is on another volume, which has to be attached to the target as well",
                entry.mount_point.value
            ),
        )
        .at(at)
    };
    found.push(if optional { finding } else { finding.warning() });
}
