//! Random bytes in every file that is parsed: an answer within bounded time, and no conversion on a guess.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Disk, GUEST, noise};

/// The only file in `folder` whose name starts like this, relative to the guest's root.
fn find(root: &Path, folder: &str, start: &str) -> PathBuf {
    let entries = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap());
    let mut found = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(start));
    found.next().unwrap().path()
}

/// Fills one file with garbage. Whatever `convert` then says, it must be one of its own exit codes; where it converts,
/// the way back leads to the same bytes.
fn survives(guest: &str, name: &str, path: impl Fn(&Path) -> PathBuf) {
    // Random bytes, and lines of them, which get further into parsers.
    let lines: Vec<u8> = noise(20_000, 9)
        .into_iter()
        .map(|byte| if byte < 24 { b'\n' } else { byte & 0x7f | 0x20 })
        .collect();
    for (kind, garbage) in [("bytes", noise(20_000, 7)), ("lines", lines)] {
        let disk = Disk::edited(guest, |root| {
            let path = path(root);
            let _ = fs::remove_file(&path);
            fs::write(path, &garbage).unwrap();
        });
        let before = disk.hash();
        let inspected = disk.run("inspect", &[]);
        assert!(matches!(inspected.code, 0 | 1), "{name}, {kind}: {inspected:?}");
        assert!(inspected.out.contains("Verdicts"), "{name}, {kind}: {inspected:?}");
        assert!(
            !inspected.out.contains('\x1b') && !inspected.err.contains('\x1b'),
            "{name}, {kind}: escapes"
        );
        let converted = disk.run("convert", &[]);
        match converted.code {
            0 => {
                disk.runs(0, "inspect", &[]);
                disk.runs(0, "revert", &[]);
            }
            1 => assert!(converted.err.contains("disk.img"), "{name}, {kind}: {converted:?}"),
            _ => panic!("{name}, {kind}: {converted:?}"),
        }
        assert_eq!(disk.hash(), before, "{name}, {kind}");
    }
}

#[test]
fn menu_lst() {
    survives(GUEST, "menu.lst", |root| root.join("boot/grub/menu.lst"));
}

#[test]
fn grub_cfg() {
    survives("ubuntu-14.04", "grub.cfg", |root| root.join("boot/grub/grub.cfg"));
}

#[test]
fn default_grub() {
    survives("ubuntu-14.04", "default/grub", |root| root.join("etc/default/grub"));
}

#[test]
fn fstab() {
    survives(GUEST, "fstab", |root| root.join("etc/fstab"));
}

#[test]
fn inittab() {
    survives("debian-7", "inittab", |root| root.join("etc/inittab"));
}

#[test]
fn interfaces() {
    survives("debian-7", "interfaces", |root| root.join("etc/network/interfaces"));
}

#[test]
fn kernel() {
    survives(GUEST, "kernel", |root| find(root, "boot", "vmlinuz"));
}

#[test]
fn initramfs() {
    survives(GUEST, "initramfs", |root| find(root, "boot", "initramfs"));
}

#[test]
fn config() {
    survives(GUEST, "config", |root| find(root, "boot", "config"));
}

#[test]
fn modules_dep() {
    survives(GUEST, "modules.dep", |root| {
        find(root, "lib/modules", "").join("modules.dep")
    });
}

#[test]
fn modules_builtin() {
    survives(GUEST, "modules.builtin", |root| {
        find(root, "lib/modules", "").join("modules.builtin")
    });
}
