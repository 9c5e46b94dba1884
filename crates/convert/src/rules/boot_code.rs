//! Boot code in sector 0, or PV-GRUB in its place.

use comeback_disk::boot::BootCode;
use comeback_disk::table::Scheme;
use comeback_guest::inspect::Guest;

use crate::finding::{Effect, Evidence, Finding};
use crate::platform::Platform;

pub(super) fn check(guest: &Guest, found: &mut Vec<Finding>) {
    let at = |text: &str| Evidence::offset(0, text);
    let hvm = &Platform::HVM;
    found.push(match &guest.disk.boot_code {
        BootCode::Missing => Finding::new("boot-code-missing", "there is no boot code in the first sector")
            .at(at("no 55 AA, or nothing before the partition table"))
            .remedy("run `comeback convert`, which installs it")
            .on(hvm, Effect::Blocks),
        BootCode::Comeback {
            partition,
            problem: None,
        } if partition.map(u32::from) == guest.disk.boot_place().partition => Finding::new(
            "boot-code",
            "GRUB 2 was installed by comeback, and its core image is intact",
        )
        .at(at("GRUB 2, core image with matching checksum"))
        .on(hvm, Effect::Supports),
        BootCode::Comeback { partition, problem } => Finding::new(
            "boot-code-broken",
            "the boot code that comeback installed does not lead to GRUB any more",
        )
        .at(at(problem
            .as_deref()
            .unwrap_or("it names another partition than that of /boot")))
        .at(at(&partition.map_or_else(
            || "no partition".to_owned(),
            |number| format!("partition {number}"),
        )))
        .remedy("run `comeback convert` again")
        .on(hvm, Effect::Blocks),
        BootCode::Grub2 { problem: None } => Finding::new(
            "boot-code",
            "GRUB 2 is installed, and its core image is where its boot sector says",
        )
        .at(at("GRUB 2"))
        .on(hvm, Effect::Supports),
        BootCode::Grub2 { problem: Some(problem) } => Finding::new(
            "boot-code-broken",
            "the boot sector is GRUB 2's, but does not lead to its core image",
        )
        .at(at(problem))
        .remedy("run `comeback convert`, which installs boot code anew")
        .on(hvm, Effect::Blocks),
        BootCode::GrubLegacy => Finding::new(
            "boot-code-grub-legacy",
            "GRUB legacy is in the boot sector; whether its stages are intact cannot be told",
        )
        .at(at("GRUB stage 1"))
        .remedy("boot it with `comeback rehearse`, or have `comeback convert` install GRUB 2")
        .on(hvm, Effect::Unknown),
        BootCode::Syslinux => Finding::new(
            "boot-code-syslinux",
            "SYSLINUX or EXTLINUX is in the boot sector; comeback does not follow its menu",
        )
        .at(at("SYSLINUX"))
        .remedy("boot it with `comeback rehearse`, or have `comeback convert` install GRUB 2")
        .on(hvm, Effect::Unknown),
        BootCode::Unknown => Finding::new(
            "boot-code-unknown",
            "the boot sector holds code that comeback does not know",
        )
        .at(at("55 AA and code of unknown origin"))
        .remedy("boot it with `comeback rehearse`, or have `comeback convert` install GRUB 2")
        .on(hvm, Effect::Unknown),
    });

    if guest.disk.scheme == Scheme::Gpt {
        found.push(
            Finding::new("gpt-pv-grub", "PV-GRUB 1.03 and earlier cannot read a GPT")
                .at(Evidence::offset(512, "GPT header"))
                .remedy("use PV-GRUB 1.04 or later, or the in-place layout")
                .on(&[Platform::PvGrub103], Effect::Blocks),
        );
    }
    // PV-GRUB comes from the host; what it needs from the disk is its menu where it looks for it.
    let Some(lst) = &guest.menus.lst else {
        return;
    };
    let boot = guest.disk.boot_place();
    // 1.04 and later look for /boot/grub and /grub in the first four partitions, 1.03 for /boot/grub in the first only.
    let sees = |platform| match (boot.partition, platform) {
        (None, _) => true,
        (Some(number), Platform::PvGrub105) => number <= 4,
        (Some(number), _) => number == 1 && guest.menus.lst_under_boot,
    };
    let (seen, unseen): (Vec<_>, Vec<_>) = Platform::PV.into_iter().partition(|&platform| sees(platform));
    let evidence = Evidence::file(&lst.path, format!("on {}", boot.name()));
    if !unseen.is_empty() {
        found.push(
            Finding::new("boot-menu-place", "PV-GRUB does not look for its menu where it is")
                .at(evidence.clone())
                .on(&unseen, Effect::Blocks),
        );
    }
    found.push(
        Finding::new("boot-menu-read", "PV-GRUB finds its menu")
            .at(evidence)
            .on(&seen, Effect::Supports),
    );
}
