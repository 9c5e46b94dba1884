//! Guests that cannot boot as HVM, or not everywhere, whatever is done to their files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::{Disk, GUEST};

/// `inspect` shows the finding, and no conversion is made because of it.
#[track_caller]
fn blocked(disk: &Disk, finding: &str, words: &[&str]) {
    let inspected = disk.runs(1, "inspect", &[]);
    assert!(
        inspected.out.contains(finding),
        "{finding} is not in:\n{}",
        inspected.out
    );
    let words: Vec<&str> = [finding, "remedy:"].iter().chain(words).copied().collect();
    for arguments in [
        &[][..],
        &["--dry-run"],
        &["--target", "xen-hvm"],
        &["--target", "nitro"],
    ] {
        disk.refused(1, "convert", arguments, &words);
    }
    let output = disk.beside("new.img");
    disk.refused(
        1,
        "convert",
        &["--layout", "partitioned", "--output", output.to_str().unwrap()],
        &words,
    );
}

/// Removes the files in `folder` whose names start like this.
fn remove(folder: &Path, start: &str) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        if entry.file_name().to_string_lossy().starts_with(start) {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}

#[test]
fn no_boot_menu() {
    let disk = Disk::edited(GUEST, |root| {
        fs::remove_dir_all(root.join("boot/grub")).unwrap();
    });
    blocked(
        &disk,
        "boot-menu-missing",
        &["/boot/grub/menu.lst", "write a boot menu"],
    );
}

#[test]
fn no_kernel() {
    let disk = Disk::edited(GUEST, |root| {
        remove(&root.join("boot"), "vmlinuz");
    });
    blocked(
        &disk,
        "kernel-none",
        &["there is no kernel on this disk", "install a kernel"],
    );
}

#[test]
fn a_kernel_for_pv_only() {
    blocked(
        &Disk::golden("ubuntu-8.04"),
        "kernel-pv-only",
        &["paravirtual guest only"],
    );
}

#[test]
fn a_32_bit_guest_converts_but_not_for_nitro() {
    let disk = Disk::golden("i386");
    let before = disk.hash();
    for arguments in [&["--target", "nitro"][..], &["--target", "nitro", "--dry-run"]] {
        disk.refused(
            1,
            "convert",
            arguments,
            &["kernel-32bit", "32-bit kernel", "every Nitro type is 64-bit"],
        );
    }
    let converted = disk.runs(0, "convert", &[]);
    assert!(converted.out.contains("target xen-hvm"), "{}", converted.out);
    assert!(
        converted.out.contains("rehearse") && converted.out.contains("--as xen-hvm"),
        "{}",
        converted.out
    );
    disk.runs(0, "inspect", &["--as", "xen-hvm"]);
    disk.runs(1, "inspect", &["--as", "nitro"]);
    // What was converted for one target is not quietly taken for another.
    disk.refused(1, "convert", &["--target", "nitro"], &["kernel-32bit"]);
    disk.runs(0, "revert", &[]);
    assert_eq!(disk.hash(), before);
}

/// Replaces the boot menu by links.
fn with_links(links: &[(&str, &str)]) -> Disk {
    Disk::edited(GUEST, |root| {
        fs::remove_file(root.join("boot/grub/menu.lst")).unwrap();
        fs::remove_file(root.join("boot/grub/grub.conf")).unwrap();
        for (path, target) in links {
            symlink(target, root.join(path)).unwrap();
        }
    })
}

#[test]
fn a_boot_menu_that_leads_out_of_the_guest() {
    // Both exist on this machine and not in the guest, or say something else there.
    for target in ["../../../../../../proc/version", "/proc/version"] {
        let disk = with_links(&[("boot/grub/menu.lst", target)]);
        let inspected = disk.runs(1, "inspect", &["--json"]);
        assert!(
            !inspected.out.contains("Linux version"),
            "a file of this machine was read"
        );
        blocked(&disk, "boot-menu-unreadable", &["/boot/grub/menu.lst"]);
    }
    let disk = with_links(&[("boot/grub/menu.lst", "../../../../../../etc/fstab")]);
    blocked(&disk, "boot-menu-missing", &["/boot/grub/menu.lst", "no entry"]);
}

#[test]
fn a_boot_menu_that_leads_in_circles() {
    let round = with_links(&[
        ("boot/grub/menu.lst", "grub.conf"),
        ("boot/grub/grub.conf", "./menu.lst"),
    ]);
    blocked(
        &round,
        "boot-menu-unreadable",
        &["/boot/grub/menu.lst", "go in circles", "mend the file"],
    );
    let selfish = with_links(&[("boot/grub/menu.lst", "menu.lst")]);
    blocked(&selfish, "boot-menu-unreadable", &["go in circles"]);
}

#[test]
fn a_boot_menu_that_is_a_directory() {
    let disk = Disk::edited(GUEST, |root| {
        fs::remove_file(root.join("boot/grub/menu.lst")).unwrap();
        fs::create_dir(root.join("boot/grub/menu.lst")).unwrap();
    });
    blocked(
        &disk,
        "boot-menu-unreadable",
        &["/boot/grub/menu.lst", "expected a regular file"],
    );
}

#[test]
fn a_boot_menu_of_10_mb() {
    let disk = Disk::edited(GUEST, |root| {
        let entry = "title Linux\nroot (hd0)\nkernel /boot/vmlinuz root=LABEL=/\n";
        let menu = entry.repeat(10_000_000 / entry.len());
        fs::write(root.join("boot/grub/menu.lst"), menu).unwrap();
    });
    blocked(
        &disk,
        "boot-menu-unreadable",
        &["/boot/grub/menu.lst", "larger than", "1048576"],
    );
}
