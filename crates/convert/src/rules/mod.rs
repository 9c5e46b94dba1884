//! The rules: each looks at one side of a guest and says what it found. A rule never looks at what another one found.

mod boot_code;
pub(crate) mod console;
mod entry;
mod filesystem;
pub(crate) mod fstab;
mod kernel;
pub(crate) mod network;
mod root;
mod system;

use comeback_disk::boot::BootCode;
use comeback_guest::boot::{BootEntry, Loader};
use comeback_guest::inspect::Guest;

use crate::finding::Finding;
use crate::platform::Platform;

/// Runs all rules.
pub fn all(guest: &Guest, now: i64) -> Vec<Finding> {
    let mut found = Vec::new();
    boot_code::check(guest, &mut found);
    filesystem::check(guest, now, &mut found);
    entry::check(guest, &mut found);
    kernel::check(guest, &mut found);
    root::check(guest, &mut found);
    fstab::check(guest, &mut found);
    network::check(guest, &mut found);
    console::check(guest, &mut found);
    system::check(guest, &mut found);
    found
}

/// The loader that reads the boot menu on a platform. Where there is no boot code yet, it is the one that comeback would
/// install: what else would be wrong is worth knowing beforehand.
pub(crate) fn loader(guest: &Guest, platform: Platform) -> Loader {
    match (platform.is_hvm(), &guest.disk.boot_code) {
        (false, _) => Loader::PvGrub,
        (true, BootCode::Grub2 { .. }) => Loader::Grub2,
        (true, BootCode::GrubLegacy) => Loader::GrubLegacy,
        (true, _) => Loader::Comeback,
    }
}

/// The entries that get started, each with the platforms on which that is so.
pub(crate) fn started(guest: &Guest) -> Vec<(&BootEntry, Vec<Platform>)> {
    let mut started: Vec<(&BootEntry, Vec<Platform>)> = Vec::new();
    for platform in Platform::ALL {
        let selection = guest.selection(loader(guest, platform));
        let Some(entry) = selection.and_then(|selection| selection.entry.as_ref()) else {
            continue;
        };
        match started.iter_mut().find(|(other, _)| *other == entry) {
            Some((_, platforms)) => platforms.push(platform),
            None => started.push((entry, vec![platform])),
        }
    }
    started
}

/// Those of `platforms` that start with a BIOS, or those that do not.
pub(crate) fn only(platforms: &[Platform], hvm: bool) -> Vec<Platform> {
    platforms
        .iter()
        .copied()
        .filter(|platform| platform.is_hvm() == hvm)
        .collect()
}
