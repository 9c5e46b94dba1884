//! The partitioned layout on the disk itself: all data move up.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::in_use::Loop;
use crate::support::{Disk, command, fsck, noise, program, run, skip};

const MIB: u64 = 1 << 20;
const PARTITIONED: [&str; 2] = ["--layout", "partitioned"];

/// A guest that fills its disk, which was grown.
fn grown() -> Disk {
    let disk = Disk::usual();
    let file = File::options().write(true).open(&disk.path).unwrap();
    let size = file.metadata().unwrap().len();
    // What is behind the file system is put back, too.
    file.set_len(size + 8 * MIB).unwrap();
    file.write_all_at(&noise(3 * MIB as usize, 7), size).unwrap();
    disk
}

/// The file system as it is on the disk, but for what a conversion changes.
fn files(disk: &Disk, offset: u64) -> String {
    let device = format!("{}?offset={offset}", disk.name());
    program("debugfs", &["-R", "ls -l -p /etc", &device])
}

#[test]
fn there_and_back() {
    let disk = grown();
    let before = disk.hash();
    let list = files(&disk, 0);
    let plan = disk.runs(0, "convert", &["--layout", "partitioned", "--dry-run"]);
    assert!(plan.out.contains("up by 1 MiB"), "{}", plan.out);
    assert_eq!(
        (disk.hash(), disk.names()),
        (before.clone(), vec!["disk.img".to_owned()])
    );

    let run = disk.runs(0, "convert", &PARTITIONED);
    assert!(
        run.out.contains("hd00") && run.out.contains("up by 1 MiB"),
        "{}",
        run.out
    );
    fsck(&disk.path, MIB);
    assert_eq!(files(&disk, MIB).lines().count(), list.lines().count());
    let verified = program("sfdisk", &["--verify", disk.name()]);
    assert!(verified.contains("No errors detected"), "{verified}");
    let inspected = disk.runs(0, "inspect", &["--as", "nitro"]);
    assert!(inspected.out.contains("table      GPT"), "{}", inspected.out);
    let menu = program(
        "debugfs",
        &[
            "-R",
            "cat /boot/grub/grub.conf",
            &format!("{}?offset={MIB}", disk.name()),
        ],
    );
    assert!(menu.contains("root (hd0,0)"), "{menu}");

    let after = disk.hash();
    for arguments in [&PARTITIONED[..], &[]] {
        let again = disk.runs(0, "convert", arguments);
        assert!(again.out.contains("nothing to do"), "{}", again.out);
    }
    assert_eq!(disk.hash(), after);
    let reverted = disk.runs(0, "revert", &[]);
    assert!(reverted.out.contains("bit for bit"), "{}", reverted.out);
    assert_eq!((disk.hash(), disk.names()), (before, vec!["disk.img".to_owned()]));
}

#[test]
fn json_names_the_layout() {
    let disk = grown();
    let json = disk.runs(0, "convert", &["--layout", "partitioned", "--json"]).json();
    assert_eq!(
        (&json["layout"], &json["output"], &json["applied"]),
        (&"partitioned".into(), &serde_json::Value::Null, &true.into())
    );
    assert_eq!(json["saved"], disk.saved().to_str().unwrap());
}

#[test]
fn without_room_it_says_how_much_is_missing() {
    let disk = Disk::usual();
    let words = [
        "2097152 bytes too few",
        "modify-volume --size 1)",
        "truncate -s 69206016",
        "--output",
    ];
    let words = words.map(|word| word.trim_end_matches(')'));
    disk.refused(1, "convert", &PARTITIONED, &words);
}

#[test]
fn what_cannot_move_in_place_is_refused() {
    let words = ["has partitions already", "--output FILE"];
    Disk::golden("sector-63").refused(1, "convert", &PARTITIONED, &words);
    let qcow2 = Disk::usual().to_qcow2();
    qcow2.refused(3, "convert", &PARTITIONED, &["qcow2", "--output FILE"]);
}

/// Starts the move of a disk and lets it come some way.
fn start(disk: &Disk, way: u64) -> Child {
    let mut child = command(&["convert", disk.name(), "--layout", "partitioned"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = disk.saved().join("cells.log");
    let began = Instant::now();
    // The log grows by a batch of 32 MiB.
    while std::fs::metadata(&log).map_or(0, |metadata| metadata.len()) < way {
        assert!(child.try_wait().unwrap().is_none(), "it ended early");
        assert!(began.elapsed() < Duration::from_secs(300), "it did not begin");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

#[test]
fn killed_and_completed_or_taken_back() {
    for (way, complete) in [(1, true), (1500, true), (1, false), (1500, false)] {
        let disk = grown();
        let before = disk.hash();
        let mut child = start(&disk, way);
        child.kill().unwrap();
        child.wait().unwrap();
        let half = disk.hash();
        // Unless it was faster than the signal.
        let is_cut_off = disk.run("convert", &["--dry-run"]).out.contains("was interrupted");
        assert_eq!(disk.hash(), half);
        if is_cut_off && disk.read(0, 8) == b"COMEBACK" {
            let inspected = disk.runs(1, "inspect", &[]);
            assert!(
                inspected.err.contains("`comeback revert` takes it back"),
                "{}",
                inspected.err
            );
        }
        if complete {
            let run = disk.runs(0, "convert", &[]);
            assert!(!is_cut_off || run.out.contains("was completed"), "{}", run.out);
            disk.runs(0, "inspect", &[]);
            fsck(&disk.path, MIB);
        }
        disk.runs(0, "revert", &[]);
        assert_eq!(disk.hash(), before);
    }
}

#[test]
fn ctrl_c_stops_it_and_says_how_to_go_on() {
    let disk = grown();
    let before = disk.hash();
    let mut child = start(&disk, 1);
    program("sh", &["-c", &format!("kill -INT {}", child.id())]);
    let status = child.wait().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    // Unless it was faster than the signal.
    if status.code() != Some(0) {
        assert_eq!(status.code(), Some(3), "{said}");
        assert!(
            said.contains("stopped after") && said.contains("completes the conversion"),
            "{said}"
        );
    }
    disk.runs(0, "revert", &[]);
    assert_eq!(disk.hash(), before);
}

#[test]
fn a_disk_that_was_used_is_not_moved_back_unless_forced() {
    let disk = grown();
    disk.runs(0, "convert", &PARTITIONED);
    // The time of the last mount, in the superblock.
    disk.write(MIB + 1024 + 44, &[1, 2, 3, 4]);
    let words = ["was used since", "hd00", "moved back"];
    disk.refused(1, "revert", &[], &words);
    let forced = disk.runs(1, "revert", &["--force"]);
    assert!(forced.err.contains("e2fsck -f"), "{}", forced.err);
    assert_eq!(disk.read(1024 + 44, 4), [1, 2, 3, 4]);
    assert!(disk.beside("disk.img.comeback-reverted").is_dir());
}

#[test]
fn a_record_that_is_lost_is_asked_for() {
    let disk = grown();
    let mut child = start(&disk, 1);
    child.kill().unwrap();
    child.wait().unwrap();
    if disk.read(0, 8) != b"COMEBACK" {
        return;
    }
    let aside = disk.beside("elsewhere");
    std::fs::rename(disk.saved(), &aside).unwrap();
    let named = disk.saved();
    for command in ["convert", "inspect"] {
        disk.refused(1, command, &[], &["half moved", "strings"]);
    }
    disk.refused(3, "revert", &[], &["nothing was saved"]);
    assert!(String::from_utf8_lossy(&disk.read(0, 1024)).contains(named.to_str().unwrap()));
    disk.runs(0, "convert", &["--keep", aside.to_str().unwrap()]);
    disk.runs(0, "inspect", &[]);
}

#[test]
fn a_block_device_that_was_grown() {
    let disk = Disk::usual();
    let (size, state) = (std::fs::metadata(&disk.path).unwrap().len(), disk.beside("state"));
    let Some(device) = Loop::attach(&disk) else {
        return skip("a move on a block device: no loop devices for this user");
    };
    let on_device = |arguments: &[&str]| {
        let mut all = vec![arguments[0], device.name()];
        all.extend(&arguments[1..]);
        run(command(&all).env("XDG_STATE_HOME", &state))
    };
    let refused = on_device(&["convert", "--layout", "partitioned"]);
    refused.ended_with(1);
    assert!(
        refused.err.contains("bytes too few") && !state.exists(),
        "{}",
        refused.err
    );

    // As a volume that was modified: the device grows under the same name.
    File::options()
        .write(true)
        .open(&disk.path)
        .unwrap()
        .set_len(size + 4 * MIB)
        .unwrap();
    let before = disk.hash();
    program("losetup", &["--set-capacity", device.name()]);
    on_device(&["convert", "--layout", "partitioned"]).ended_with(0);
    let inspected = on_device(&["inspect"]);
    inspected.ended_with(0);
    assert!(inspected.out.contains("table      GPT"), "{}", inspected.out);
    fsck(&disk.path, MIB);
    on_device(&["revert"]).ended_with(0);
    assert_eq!(std::fs::read_dir(state.join("comeback")).unwrap().count(), 0);
    drop(device);
    assert_eq!(disk.hash(), before);
}
