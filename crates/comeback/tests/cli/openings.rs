//! What cannot be opened as a disk, and boot code that is not at hand.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;

use comeback_testkit::compress::{Compression, compress};

use crate::support::{Disk, command, program, run};

/// All commands that open a disk say the same.
#[track_caller]
fn cannot_be_opened(disk: &Disk, words: &[&str]) {
    for (name, arguments) in [
        ("inspect", &[][..]),
        ("convert", &["--dry-run"]),
        ("convert", &[]),
        ("revert", &[]),
    ] {
        disk.refused(3, name, arguments, words);
    }
}

#[test]
fn a_missing_file() {
    let disk = Disk::at("missing.img");
    for arguments in [&["inspect"][..], &["convert"], &["revert"], &["rehearse"]] {
        let run = disk.run(arguments[0], &[]);
        run.ended_with(3);
        assert!(run.err.contains("missing.img: no such file or device"), "{}", run.err);
    }
}

#[test]
fn a_directory() {
    let disk = Disk::at("folder.img");
    fs::create_dir(&disk.path).unwrap();
    for name in ["inspect", "convert", "revert", "rehearse"] {
        let run = disk.run(name, &[]);
        run.ended_with(3);
        assert!(
            run.err
                .contains("is a directory; a disk image or a block device is needed"),
            "{}",
            run.err
        );
    }
}

#[test]
fn an_empty_file() {
    cannot_be_opened(&Disk::of(0, &[]), &["is empty (0 bytes)", "copy the disk again"]);
}

#[test]
fn a_thousand_bytes() {
    cannot_be_opened(
        &Disk::of(1000, &[]),
        &["1000 bytes are not a multiple of 512", "truncate -s %512"],
    );
}

#[test]
fn a_compressed_image() {
    let disk = Disk::at("disk.img.gz");
    fs::write(&disk.path, compress(&vec![0; 1 << 20], Compression::Gzip).unwrap()).unwrap();
    cannot_be_opened(&disk, &["compressed with gzip", "gzip -dc"]);
}

#[test]
fn an_image_of_another_program() {
    let disk = Disk::at("disk.vmdk");
    program("qemu-img", &["create", "-q", "-f", "vmdk", disk.name(), "1M"]);
    cannot_be_opened(&disk, &["VMDK image", "qemu-img convert -f vmdk"]);
}

#[test]
fn qcow2_with_its_backing_file_in_another_folder() {
    let base = Disk::usual();
    let disk = Disk::at("overlay.qcow2");
    program(
        "qemu-img",
        &[
            "create",
            "-q",
            "-f",
            "qcow2",
            "-b",
            base.name(),
            "-F",
            "raw",
            disk.name(),
        ],
    );
    let before = base.hash();
    cannot_be_opened(
        &disk,
        &[
            "its backing file",
            base.name(),
            "in the same folder",
            "qemu-img convert -O qcow2",
        ],
    );
    assert_eq!(base.hash(), before);
}

#[test]
fn qcow2_with_its_backing_file_beside_it_converts_and_leaves_that_alone() {
    let base = Disk::usual();
    let overlay = base.beside("overlay.qcow2");
    program(
        "qemu-img",
        &[
            "create",
            "-q",
            "-f",
            "qcow2",
            "-b",
            "disk.img",
            "-F",
            "raw",
            overlay.to_str().unwrap(),
        ],
    );
    let before = base.hash();
    run(&mut command(&["convert", overlay.to_str().unwrap()])).ended_with(0);
    run(&mut command(&["inspect", overlay.to_str().unwrap()])).ended_with(0);
    assert_eq!(base.hash(), before);
}

#[test]
fn a_truncated_qcow2() {
    let disk = Disk::usual().to_qcow2();
    let size = fs::metadata(&disk.path).unwrap().len();
    File::options()
        .write(true)
        .open(&disk.path)
        .unwrap()
        .set_len(size / 2)
        .unwrap();
    let before = disk.hash();
    cannot_be_opened(&disk, &["truncated", "copy the image again", "qemu-img check"]);
    // The last cluster of a good image may be short.
    let whole = Disk::usual().to_qcow2();
    whole.runs(1, "inspect", &[]);
    assert_eq!(disk.hash(), before);
}

#[test]
fn a_file_that_is_only_for_reading() {
    let disk = Disk::usual();
    fs::set_permissions(&disk.path, fs::Permissions::from_mode(0o444)).unwrap();
    disk.runs(0, "convert", &["--dry-run"]);
    if File::options().write(true).open(&disk.path).is_ok() {
        return crate::support::skip("a file without write permission: root may write all the same");
    }
    disk.refused(3, "convert", &[], &["permission denied", "may write it"]);
}

#[test]
fn neither_boot_assets_nor_grub_modules() {
    let disk = Disk::usual();
    let empty = tempfile::tempdir().unwrap();
    let before = (disk.hash(), disk.names());
    for arguments in [&["convert"][..], &["convert", "--dry-run"]] {
        let mut all = vec![arguments[0], disk.name()];
        all.extend(&arguments[1..]);
        let mut command = command(&all);
        command
            .env("COMEBACK_BOOT_ASSETS", empty.path())
            .env("COMEBACK_GRUB_MODULES", empty.path());
        let run = run(&mut command);
        run.ended_with(3);
        for word in [
            empty.path().to_str().unwrap(),
            "grub-pc-bin",
            "grub-common",
            "boot.img and core.img",
        ] {
            assert!(run.err.contains(word), "{word:?} is not in:\n{}", run.err);
        }
    }
    assert_eq!((disk.hash(), disk.names()), before);
}

#[test]
fn boot_assets_that_are_something_else() {
    let disk = Disk::usual();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("boot.img"), [0; 512]).unwrap();
    fs::write(folder.path().join("core.img"), [0; 20_000]).unwrap();
    let before = disk.hash();
    let run = run(command(&["convert", disk.name()]).env("COMEBACK_BOOT_ASSETS", folder.path()));
    run.ended_with(3);
    assert!(
        run.err.contains("boot.img") && run.err.contains("cargo xtask boot-assets"),
        "{}",
        run.err
    );
    assert_eq!(disk.hash(), before);
}

/// Where Debian's grub-pc-bin is installed, an empty assets folder is no obstacle.
#[test]
fn boot_code_is_built_from_the_machines_own_grub() {
    let modules = "/usr/lib/grub/i386-pc";
    if !fs::exists(format!("{modules}/kernel.img")).unwrap() || !fs::exists("/usr/bin/grub-mkimage").unwrap() {
        return crate::support::skip("building boot code: grub-pc-bin or grub-common is not installed");
    }
    let disk = Disk::usual();
    let empty = tempfile::tempdir().unwrap();
    let mut command = command(&["convert", disk.name()]);
    run(command
        .env("COMEBACK_BOOT_ASSETS", empty.path())
        .env("COMEBACK_GRUB_MODULES", modules))
    .ended_with(0);
    disk.runs(0, "inspect", &[]);
}
