//! File systems: what boot loaders can read, and what the guest will do with them first.

use comeback_guest::inspect::Guest;
use comeback_guest::system::Place;

use crate::finding::{Effect, Evidence, Finding};
use crate::platform::Platform;

/// The superblock starts here within a file system, in bytes.
const SUPERBLOCK: u64 = 1024;

/// Incompatible features that GRUB 2 reads or can ignore (`grub-core/fs/ext2.c`, `EXT2_DRIVER_SUPPORTED_INCOMPAT` and
/// `EXT2_DRIVER_IGNORED_INCOMPAT`, as of 2.06).
const GRUB2_READS: [&str; 9] = [
    "filetype",
    "extent",
    "flex_bg",
    "meta_bg",
    "64bit",
    "encrypt",
    "needs_recovery",
    "mmp",
    "metadata_csum_seed",
];

/// Incompatible features that GRUB 0.97 reads with the patches of Xen's stubdom (`40ext3_256byte_inode`, `60ext4`).
const PV_GRUB_READS: [&str; 4] = ["filetype", "extent", "flex_bg", "needs_recovery"];

/// Incompatible features of which nobody has said that PV-GRUB reads them, nor that it does not.
const PV_GRUB_UNPROVEN: [&str; 5] = ["64bit", "meta_bg", "metadata_csum_seed", "large_dir", "mmp"];

pub(super) fn check(guest: &Guest, now: i64, found: &mut Vec<Finding>) {
    features(guest.disk.boot_place(), found);
    for place in std::iter::once(&guest.disk.root).chain(&guest.disk.boot) {
        condition(place, now, found);
    }
}

fn at(place: &Place, text: String) -> Evidence {
    Evidence::offset(
        place.start + SUPERBLOCK,
        format!("superblock on {}: {text}", place.name()),
    )
}

fn features(place: &Place, found: &mut Vec<Finding>) {
    let incompat = place.superblock.features.incompat_names();
    let outside = |known: &[&str]| -> Vec<String> {
        incompat
            .iter()
            .filter(|name| !known.contains(&name.as_str()))
            .cloned()
            .collect()
    };
    let unreadable = outside(&GRUB2_READS);
    if !unreadable.is_empty() {
        found.push(
            Finding::new(
                "fs-features-grub",
                "GRUB 2 cannot read a file system with these features",
            )
            .at(at(place, unreadable.join(", ")))
            .remedy("copy the files to a file system without them; boot files can go to a small /boot of its own")
            .on(&Platform::HVM, Effect::Blocks),
        );
    }
    let not_read = outside(&PV_GRUB_READS);
    let (unproven, unreadable): (Vec<String>, Vec<String>) = not_read
        .into_iter()
        .partition(|name| PV_GRUB_UNPROVEN.contains(&name.as_str()));
    if !unreadable.is_empty() {
        found.push(
            Finding::new(
                "fs-features-pv-grub",
                "PV-GRUB cannot read a file system with these features",
            )
            .at(at(place, unreadable.join(", ")))
            .on(&Platform::PV, Effect::Blocks),
        );
    } else if !unproven.is_empty() {
        found.push(
            Finding::new(
                "fs-features-pv-grub-unproven",
                "PV-GRUB is built on GRUB 0.97, which predates these features",
            )
            .at(at(place, unproven.join(", ")))
            .on(&Platform::PV, Effect::Unknown),
        );
    }
}

fn condition(place: &Place, now: i64, found: &mut Vec<Finding>) {
    let superblock = &place.superblock;
    if superblock.state_has_errors {
        found.push(
            Finding::new("fs-errors", "the file system is marked as having errors")
                .at(at(
                    place,
                    format!("{} errors since it was last checked", superblock.error_count),
                ))
                .remedy("repair it first: `e2fsck -f` on the unmounted device or image")
                .on(&Platform::ALL, Effect::Unknown)
                .forbids_conversion(),
        );
    }
    if let Some(replay) = &place.replayed {
        found.push(
            Finding::new(
                "fs-journal-replayed",
                "the guest was not shut down cleanly; its journal was replayed in the view",
            )
            .at(at(
                place,
                format!(
                    "needs_recovery; {} transactions, {} blocks",
                    replay.transactions, replay.blocks
                ),
            )),
        );
    }
    if superblock.orphans_pending {
        found.push(
            Finding::new(
                "fs-orphans",
                "files that were deleted while open wait to be cleaned up at the next mount",
            )
            .at(at(place, "the list of orphans is not empty".to_owned())),
        );
    }
    let count = (superblock.max_mount_count > 0
        && i32::from(superblock.mount_count) >= i32::from(superblock.max_mount_count))
    .then(|| {
        format!(
            "mounted {} times, checked every {}",
            superblock.mount_count, superblock.max_mount_count
        )
    });
    let days = |seconds: i64| seconds / 86_400;
    let interval = i64::from(superblock.check_interval);
    let age = now - superblock.last_check;
    let time = (interval > 0 && age >= interval)
        .then(|| format!("last checked {} days ago, checked every {}", days(age), days(interval)));
    if let Some(due) = count.or(time) {
        found.push(
            Finding::new(
                "fs-check-due",
                "the next boot checks the whole file system, which looks like a dead server meanwhile",
            )
            .at(at(place, due))
            .remedy("wait for it, or check it beforehand with `e2fsck -f`")
            .on(&Platform::ALL, Effect::Warns),
        );
    }
    if superblock.free_blocks <= superblock.reserved_blocks {
        let free = superblock.free_blocks.saturating_mul(u64::from(superblock.block_size)) >> 20;
        found.push(
            Finding::new("fs-full", "the file system is full")
                .at(at(place, format!("{free} MiB free, all of it reserved for root")))
                .remedy("free some space in the guest")
                .warning(),
        );
    }
}
