//! What goes well: dry run, conversion, inspection, again, and back.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use crate::support::{Disk, GUEST, fsck, hash, noise, program};

/// Converts, looks, converts again, and reverts.
fn there_and_back(disk: &Disk) {
    let before = disk.hash();
    let unconverted = disk.runs(1, "inspect", &[]);
    assert!(unconverted.out.contains("boot-code-missing"), "{}", unconverted.out);

    let converted = disk.runs(0, "convert", &[]);
    assert!(
        converted.out.contains("Written. The old bytes are in"),
        "{}",
        converted.out
    );
    assert!(
        converted.out.contains(disk.saved().to_str().unwrap()),
        "{}",
        converted.out
    );
    let after = disk.hash();
    assert_ne!(after, before);
    disk.runs(0, "inspect", &[]);
    disk.runs(0, "inspect", &["--as", "nitro"]);
    disk.runs(0, "inspect", &["--as", "pv-grub-1.03"]);

    let again = disk.runs(0, "convert", &[]);
    assert!(again.out.contains("nothing to do"), "{}", again.out);
    assert_eq!(disk.hash(), after, "the second conversion changed something");
    assert!(
        disk.saved().is_dir(),
        "the saved bytes are gone after the second conversion"
    );

    let reverted = disk.runs(0, "revert", &[]);
    assert!(reverted.out.contains("bit for bit"), "{}", reverted.out);
    assert!(!disk.saved().exists());
}

#[test]
fn a_raw_image_goes_there_and_back() {
    let disk = Disk::usual();
    let before = disk.hash();
    there_and_back(&disk);
    assert_eq!(disk.hash(), before);
    disk.runs(0, "convert", &[]);
    fsck(&disk.path, 0);
}

/// The hash of what a guest sees of a qcow2 image.
fn content(disk: &Disk) -> String {
    let raw = disk.beside("content.img");
    program(
        "qemu-img",
        &["convert", "-O", "raw", disk.name(), raw.to_str().unwrap()],
    );
    let hash = hash(&raw);
    fs::remove_file(raw).unwrap();
    hash
}

#[test]
fn a_qcow2_image_goes_there_and_back() {
    let raw = Disk::usual();
    let disk = raw.to_qcow2();
    there_and_back(&disk);
    assert_eq!(content(&disk), raw.hash());
    program("qemu-img", &["check", "-q", disk.name()]);
    disk.runs(0, "convert", &[]);
    program("qemu-img", &["check", "-q", disk.name()]);
}

#[test]
fn partitions_and_a_boot_of_its_own_go_there_and_back() {
    for (guest, offset) in [
        ("sector-63", 63 * 512),
        ("separate-boot", 25 << 20),
        ("rhel-6", 1 << 20),
    ] {
        let disk = Disk::golden(guest);
        let before = disk.hash();
        disk.runs(0, "convert", &[]);
        fsck(&disk.path, offset);
        disk.runs(0, "inspect", &[]);
        disk.runs(0, "revert", &[]);
        assert_eq!(disk.hash(), before, "{guest}");
    }
}

#[test]
fn a_dry_run_shows_everything_and_writes_nothing() {
    let disk = Disk::usual();
    let before = (disk.hash(), disk.names(), fs::metadata(&disk.path).unwrap().mtime());
    let run = disk.runs(0, "convert", &["--dry-run"]);
    for words in [
        "target nitro",
        "/boot/comeback/grub.cfg",
        "      -kernel",
        "      +kernel",
        "offset",
        "length",
        "Nothing was written",
    ] {
        assert!(run.out.contains(words), "{words:?} is not in:\n{}", run.out);
    }
    let json = disk.runs(0, "convert", &["--dry-run", "--json"]).json();
    assert_eq!(
        (&json["applied"], &json["saved"]),
        (&false.into(), &serde_json::Value::Null)
    );
    let partitioned = disk.runs(
        0,
        "convert",
        &[
            "--dry-run",
            "--layout",
            "partitioned",
            "--output",
            disk.beside("new.img").to_str().unwrap(),
        ],
    );
    assert!(partitioned.out.contains("Nothing was written"), "{}", partitioned.out);
    assert_eq!(
        (disk.hash(), disk.names(), fs::metadata(&disk.path).unwrap().mtime()),
        before
    );
}

#[test]
fn json_has_the_documented_keys() {
    #[track_caller]
    fn keys(json: &serde_json::Value, wanted: &[&str]) {
        for key in wanted {
            assert!(
                json.get(key).is_some(),
                "{key} is not in {:?}",
                json.as_object().unwrap().keys()
            );
        }
        assert_eq!(json["version"], 1);
    }
    let disk = Disk::usual();
    let inspected = disk.runs(1, "inspect", &["--json"]).json();
    keys(
        &inspected,
        &[
            "version", "disk", "format", "size", "users", "guest", "findings", "verdicts",
        ],
    );
    let verdict = |json: &serde_json::Value, platform: &str| {
        let verdicts = json["verdicts"].as_array().unwrap().iter();
        verdicts
            .filter(|verdict| verdict["platform"] == platform)
            .map(|verdict| verdict["outcome"].clone())
            .next()
            .unwrap()
    };
    assert_eq!(verdict(&inspected, "nitro"), "does-not-boot");
    assert_eq!(verdict(&inspected, "pv-grub-1.03"), "boots");
    for finding in inspected["findings"].as_array().unwrap() {
        for key in ["id", "level", "title", "evidence", "effects"] {
            assert!(finding.get(key).is_some(), "{key} is not in {finding}");
        }
    }

    let converted = disk.runs(0, "convert", &["--json"]).json();
    keys(
        &converted,
        &[
            "version", "disk", "layout", "output", "plan", "patch", "before", "after", "applied", "saved",
        ],
    );
    assert_eq!(converted["applied"], true);
    assert_eq!(converted["saved"], disk.saved().to_str().unwrap());
    assert_eq!(verdict(&converted["after"], "nitro"), "boots");
    let again = disk.runs(0, "convert", &["--json"]).json();
    assert_eq!(
        (&again["applied"], &again["saved"]),
        (&false.into(), &disk.saved().to_str().unwrap().into())
    );

    let reverted = disk.runs(0, "revert", &["--json"]).json();
    keys(
        &reverted,
        &["version", "disk", "reverted", "restored", "kept", "used", "archived"],
    );
    assert_eq!(reverted["reverted"], true);
}

#[test]
fn a_dirty_journal_is_replayed_and_put_back() {
    let disk = Disk::usual();
    // The block is overwritten in the journal alone: whoever does not replay it reads the old one.
    let old = program("debugfs", &["-R", "cat /etc/issue", disk.name()]);
    let inode = program("debugfs", &["-R", "blocks /etc/fstab", disk.name()]);
    let block: u64 = inode.split_whitespace().next().unwrap().parse().unwrap();
    let mut content = b"LABEL=/ / ext4 defaults 1 1\n/dev/xvdz /journal ext3 defaults 0 2\n".to_vec();
    content.resize(4096, b'\n');
    let file = disk.beside("block");
    fs::write(&file, content).unwrap();
    disk.debugfs(&format!("jo\njw -b {block} {}\njc\n", file.display()));
    fs::remove_file(file).unwrap();
    let superblock = program("dumpe2fs", &["-h", disk.name()]);
    assert!(superblock.contains("needs_recovery"), "{superblock}{old}");

    let before = disk.hash();
    let inspected = disk.runs(1, "inspect", &[]);
    assert!(inspected.out.contains("fs-journal-replayed"), "{}", inspected.out);
    assert_eq!(disk.hash(), before, "inspect replayed the journal on the disk itself");
    disk.runs(0, "convert", &[]);
    fsck(&disk.path, 0);
    disk.runs(0, "inspect", &[]);
    disk.runs(0, "revert", &[]);
    assert_eq!(disk.hash(), before);
}

/// As a boot would: the superblock counts it.
fn mount_once(disk: &Disk) {
    disk.debugfs("set_super_value mnt_count 7\nset_super_value mtime 20260101\n");
}

#[test]
fn a_disk_that_was_used_is_not_reverted() {
    let disk = Disk::usual();
    disk.runs(0, "convert", &[]);
    mount_once(&disk);
    let before = (disk.hash(), disk.names());
    let run = disk.refused(
        1,
        "revert",
        &[],
        &[
            "was used since it was converted",
            "nothing was changed",
            "still boots as PV",
            "--force",
        ],
    );
    assert!(run.err.contains("offset 1024, 1024 bytes"), "{}", run.err);
    let json = disk.runs(1, "revert", &["--json"]).json();
    assert_eq!(json["reverted"], false);
    assert_eq!(json["used"][0]["offset"], 1024);
    assert_eq!((disk.hash(), disk.names()), before);
    // The conversion itself is complete, and stays so.
    let again = disk.runs(0, "convert", &[]);
    assert!(again.out.contains("nothing to do"), "{}", again.out);
    assert_eq!((disk.hash(), disk.names()), before);
}

#[test]
fn force_puts_back_what_is_untouched_and_lists_the_rest() {
    let disk = Disk::usual();
    disk.runs(0, "convert", &[]);
    mount_once(&disk);
    // One range of the patch: the core image.
    let range = saved_ranges(&disk).into_iter().max_by_key(|(_, len)| *len).unwrap();
    disk.write(range.0 + 10, b"written by the guest");
    let run = disk.runs(1, "revert", &["--force"]);
    assert!(
        run.err
            .contains(&format!("left alone, written to since: offset {}", range.0)),
        "{}",
        run.err
    );
    assert!(run.err.contains("e2fsck -f"), "{}", run.err);
    assert_eq!(disk.read(range.0 + 10, 20), b"written by the guest");
    assert_eq!(disk.read(510, 2), [0, 0], "the boot sector is still there");
    assert!(!disk.saved().exists());
    assert!(disk.beside("disk.img.comeback-reverted").is_dir());
    let nothing = disk.refused(3, "revert", &[], &["nothing was saved for this disk"]);
    assert!(nothing.err.contains("disk.img.comeback-reverted"), "{}", nothing.err);
}

/// Offset and length of what the conversion changed.
pub fn saved_ranges(disk: &Disk) -> Vec<(u64, u64)> {
    let journal: serde_json::Value =
        serde_json::from_slice(&fs::read(disk.saved().join("journal.json")).unwrap()).unwrap();
    let number = |piece: &serde_json::Value, key| piece[key].as_u64().unwrap();
    journal["pieces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|piece| (number(piece, "offset"), number(piece, "len")))
        .collect()
}

#[test]
fn nothing_to_revert() {
    let disk = Disk::usual();
    disk.refused(
        3,
        "revert",
        &[],
        &["nothing was saved for this disk", "disk.img.comeback", "--keep"],
    );
}

#[test]
fn saved_bytes_that_are_damaged_are_not_put_back() {
    let disk = Disk::usual();
    disk.runs(0, "convert", &[]);
    fs::write(disk.saved().join("undo.qcow2"), noise(50_000, 4)).unwrap();
    disk.refused(
        3,
        "revert",
        &[],
        &[
            "is damaged",
            "disk.img.comeback",
            "undo.qcow2",
            "restore it from a copy",
        ],
    );
    fs::write(disk.saved().join("journal.json"), "{").unwrap();
    disk.refused(3, "revert", &[], &["is damaged", "journal.json"]);
    disk.refused(3, "convert", &[], &["is damaged", "journal.json", "move it away"]);
}

#[test]
fn saved_bytes_of_another_disk_are_not_put_back() {
    let converted = Disk::usual();
    converted.runs(0, "convert", &[]);
    let keep = converted.saved();
    let keep = ["--keep", keep.to_str().unwrap()];
    // Of another size, and of another guest.
    let small = Disk::of(4 << 20, &[]);
    small.refused(
        3,
        "revert",
        &keep,
        &["was saved for a disk of 67108864 bytes, this one has 4194304", "--keep"],
    );
    let other = Disk::golden("debian-7");
    let forced = ["--force", keep[0], keep[1]];
    for arguments in [&keep[..], &forced] {
        other.refused(
            3,
            "revert",
            arguments,
            &["was saved for another disk", "UUID", "--keep"],
        );
    }
    // Converting it sets them aside.
    let run = other.runs(0, "convert", &keep);
    assert!(
        run.err.contains("saved by an earlier conversion are now in"),
        "{}",
        run.err
    );
    assert!(converted.beside("disk.img.comeback.1").is_dir());
    let aside = converted.beside("disk.img.comeback.1");
    converted.runs(0, "revert", &["--keep", aside.to_str().unwrap()]);
    other.runs(0, "revert", &keep);
}

#[test]
fn a_new_disk_with_partitions() {
    let disk = Disk::usual();
    let before = disk.hash();
    for name in ["new.img", "new.qcow2"] {
        let path = disk.beside(name);
        let new = path.to_str().unwrap();
        let json = disk
            .runs(0, "convert", &["--layout", "partitioned", "--output", new, "--json"])
            .json();
        assert_eq!(
            (&json["layout"], &json["output"], &json["applied"]),
            (&"partitioned".into(), &new.into(), &true.into())
        );
        let info: serde_json::Value =
            serde_json::from_str(&program("qemu-img", &["info", "--output=json", new])).unwrap();
        assert_eq!(info["virtual-size"], 1 << 30);
        assert_eq!(info["format"], if name == "new.img" { "raw" } else { "qcow2" });
        let taken = fs::metadata(&path).unwrap().blocks() * 512;
        assert!(taken < 16 << 20, "{name} takes {taken} bytes");
        let inspected = crate::support::comeback(&["inspect", new]);
        inspected.ended_with(0);
        assert!(inspected.out.contains("table      GPT"), "{}", inspected.out);
        let again = crate::support::comeback(&["convert", new]);
        again.ended_with(0);
        assert!(again.out.contains("nothing to do"), "{}", again.out);
    }
    fsck(&disk.beside("new.img"), 1 << 20);
    assert_eq!(disk.names(), ["disk.img", "new.img", "new.qcow2"]);
    assert_eq!(disk.hash(), before, "the source was written to");
}

#[test]
fn an_output_that_is_in_the_way_stays() {
    let disk = Disk::usual();
    let existing = disk.beside("existing.img");
    fs::write(&existing, "precious").unwrap();
    // A link to nowhere is something that is there, too.
    std::os::unix::fs::symlink("nowhere", disk.beside("link.img")).unwrap();
    for name in ["existing.img", "link.img", "disk.img"] {
        let output = disk.beside(name);
        let words = [name, "exists already", "choose another name"];
        disk.refused(
            3,
            "convert",
            &["--layout", "partitioned", "--output", output.to_str().unwrap()],
            &words,
        );
    }
    // What an interrupted conversion left, or what another one is writing right now.
    fs::write(disk.beside("new.img.partial"), "half").unwrap();
    let new = disk.beside("new.img");
    let words = ["new.img.partial exists already", "if none is running, remove it"];
    disk.refused(
        3,
        "convert",
        &["--layout", "partitioned", "--output", new.to_str().unwrap()],
        &words,
    );
    assert_eq!(fs::read(&existing).unwrap(), b"precious");
    let nowhere = disk.beside("no-such-folder/new.img");
    disk.refused(
        3,
        "convert",
        &["--layout", "partitioned", "--output", nowhere.to_str().unwrap()],
        &["no-such-folder"],
    );
}

#[test]
fn a_gpt_is_not_laid_out_again() {
    let disk = Disk::usual();
    let new = disk.beside("new.img");
    disk.runs(
        0,
        "convert",
        &["--layout", "partitioned", "--output", new.to_str().unwrap()],
    );
    let output = disk.beside("newer.img");
    let run = crate::support::comeback(&[
        "convert",
        new.to_str().unwrap(),
        "--layout",
        "partitioned",
        "--output",
        output.to_str().unwrap(),
    ]);
    run.ended_with(1);
    assert!(
        run.err.contains("new.img") && run.err.contains("has a GPT already"),
        "{}",
        run.err
    );
    assert!(!output.exists());
}

#[test]
fn the_format_can_be_said() {
    let disk = Disk::usual();
    disk.refused(3, "convert", &["--format", "qcow2"], &["is not a qcow2 image"]);
    disk.runs(0, "convert", &["--format", "raw"]);
    let qcow2 = disk.to_qcow2();
    // Its bytes, taken as a disk, hold no file system.
    qcow2.refused(1, "convert", &["--format", "raw"], &["no root file system"]);
}

#[test]
fn a_keep_folder_that_was_named_is_used() {
    let disk = Disk::usual();
    let before = disk.hash();
    let keep = disk.beside("keep");
    let keep = ["--keep", keep.to_str().unwrap()];
    disk.runs(0, "convert", &keep);
    assert!(!disk.saved().exists());
    assert!(disk.beside("keep").is_dir());
    disk.runs(0, "revert", &keep);
    assert_eq!(disk.hash(), before);
}

#[test]
fn a_keep_folder_that_cannot_be_made_stops_everything() {
    let disk = Disk::usual();
    fs::write(disk.beside("file"), "").unwrap();
    let keep = disk.beside("file/keep");
    disk.refused(3, "convert", &["--keep", keep.to_str().unwrap()], &["file/keep"]);
}

#[test]
fn an_image_that_was_moved_with_its_saved_bytes_still_reverts() {
    let disk = Disk::usual();
    let before = disk.hash();
    disk.runs(0, "convert", &[]);
    let moved = Disk::at("moved.img");
    program("mv", &[disk.name(), moved.name()]);
    program("mv", &[disk.saved(), moved.saved()]);
    moved.runs(0, "revert", &[]);
    assert_eq!(moved.hash(), before);
}

#[test]
fn the_overlay_shows_the_disk_as_it_was() {
    let disk = Disk::edited(GUEST, |_| ());
    let before = disk.hash();
    disk.runs(0, "convert", &[]);
    let shown = disk.beside("shown.img");
    let undo = disk.saved().join("undo.qcow2");
    let status = Command::new("qemu-img")
        .args(["convert", "-O", "raw"])
        .args([&undo, &shown])
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(hash(&shown), before);
    assert_eq!(File::open(&shown).unwrap().metadata().unwrap().len(), 64 << 20);
}
