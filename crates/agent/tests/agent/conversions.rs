//! Converting, and the way back.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::process::Stdio;

use comeback_protocol::{Converted, Event, FailureKind, SAVED_FILES, Stage};

use crate::support::{Disk, GUEST, Loop, Run, agent, command, path, skip, succeeds};

fn stages(run: &Run) -> Vec<Stage> {
    run.events
        .iter()
        .filter_map(|event| match event {
            Event::Stage { stage } => Some(*stage),
            _ => None,
        })
        .collect()
}

#[track_caller]
fn converted(run: &Run) -> &Converted {
    match run.end() {
        Event::Converted(converted) => converted,
        other => panic!("{other:?}"),
    }
}

/// There and back on `disk`, which is a device or the image itself.
fn there_and_back(image: &Disk, disk: &str) {
    let before = image.bytes();
    let keep = image.beside("state/saved/vol-1234abcd");
    let convert = |more: &[&str]| {
        let mut all = vec!["convert", disk, "--target", "nitro", "--keep", path(&keep)];
        all.extend(more);
        agent(&all)
    };

    let dry = convert(&["--dry-run"]).ended_with(0);
    assert!(!converted(&dry).applied && converted(&dry).changed > 0);
    assert!(!keep.exists() && image.bytes() == before, "a dry run wrote something");

    let run = convert(&[]).ended_with(0);
    use Stage::{Applying, Opening, Planning, Saving};
    assert_eq!(stages(&run), [Opening, Planning, Saving, Applying]);
    let end = converted(&run);
    assert!(end.applied && !end.resumed && end.set_aside.is_none());
    assert_eq!(
        (end.target.as_deref(), end.saved.as_deref()),
        (Some("nitro"), Some(keep.as_path()))
    );
    let planned = run.events.iter().find_map(|event| match event {
        Event::Planned(planned) => Some(planned),
        _ => None,
    });
    let planned = planned.unwrap();
    assert_eq!(planned.disk_size, before.len() as u64);
    assert_eq!(planned.ranges.iter().map(|range| range.len).sum::<u64>(), end.changed);
    let outcome = |verdicts: &[comeback_protocol::Verdict]| {
        verdicts
            .iter()
            .find(|verdict| verdict.platform == "nitro")
            .unwrap()
            .outcome
            .clone()
    };
    assert_eq!(
        (outcome(&planned.before).as_str(), outcome(&planned.after).as_str()),
        ("does-not-boot", "boots")
    );
    let progress: Vec<(u64, u64)> = run
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Progress { done, total } => Some((*done, *total)),
            _ => None,
        })
        .collect();
    assert_eq!(progress.first(), Some(&(0, end.changed)));
    assert_eq!(progress.last(), Some(&(end.changed, end.changed)));
    let after = image.bytes();
    assert_ne!(after, before);

    let inspected = agent(&["inspect", disk]).ended_with(0);
    match inspected.end() {
        Event::Inspected(inspected) => assert_eq!(outcome(&inspected.verdicts), "boots"),
        other => panic!("{other:?}"),
    }
    let again = convert(&[]).ended_with(0);
    assert!(!converted(&again).applied && converted(&again).saved.is_some());
    assert!(image.bytes() == after, "what was ready was written to");

    let out = command(&["pack", "--keep", path(&keep)]).output().unwrap();
    assert!(out.status.success());
    let mut archive = tar::Archive::new(out.stdout.as_slice());
    let names: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_str().unwrap().to_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            assert!(fs::read(keep.join(&name)).unwrap() == bytes, "{name}");
            name
        })
        .collect();
    assert_eq!(names, SAVED_FILES);

    let reverted = agent(&["revert", disk, "--keep", path(&keep)]).ended_with(0);
    match reverted.end() {
        Event::Reverted(end) => assert!(end.reverted && end.kept.is_empty() && end.saved.is_none()),
        other => panic!("{other:?}"),
    }
    assert!(image.bytes() == before, "the disk is not what it was");
    assert!(!keep.exists());
    let nothing = agent(&["revert", disk, "--keep", path(&keep)]).ended_with(3);
    assert!(nothing.failure().message.contains("nothing was saved for this disk"));
    assert_eq!(nothing.failure().kind, FailureKind::Failed);
}

#[test]
fn an_image_goes_there_and_back() {
    let disk = Disk::golden(GUEST);
    there_and_back(&disk, disk.name());
}

#[test]
fn a_block_device_goes_there_and_back() {
    let disk = Disk::golden(GUEST);
    if let Some(device) = Loop::attach(&disk) {
        there_and_back(&disk, device.name());
    }
}

#[test]
fn a_conversion_that_was_cut_off_is_completed() {
    let disk = Disk::golden(GUEST);
    let before = disk.bytes();
    let keep = disk.beside("saved");
    let arguments = ["convert", disk.name(), "--target", "xen-hvm", "--keep", path(&keep)];
    agent(&arguments).ended_with(0);
    let after = disk.bytes();
    // As after a power failure before the last write.
    let file = File::options().write(true).open(&disk.path).unwrap();
    file.write_all_at(&before[..512], 0).unwrap();
    let run = agent(&["convert", disk.name(), "--target", "nitro", "--keep", path(&keep)]).ended_with(0);
    assert_eq!(stages(&run), [Stage::Opening, Stage::Resuming]);
    let end = converted(&run);
    assert!(end.resumed && end.applied);
    assert_eq!(
        end.target.as_deref(),
        Some("xen-hvm"),
        "it was planned for another target"
    );
    assert!(disk.bytes() == after);
}

#[test]
fn what_is_done_to_the_disk_does_not_stop_when_nobody_listens() {
    let disk = Disk::golden(GUEST);
    let before = disk.bytes();
    let keep = disk.beside("saved");
    let mut child = command(&["convert", disk.name(), "--keep", path(&keep)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(disk.bytes() != before && keep.join("journal.json").exists());
}

#[test]
fn a_disk_that_was_used_since_is_not_reverted() {
    let disk = Disk::golden(GUEST);
    let keep = disk.beside("saved");
    agent(&["convert", disk.name(), "--keep", path(&keep)]).ended_with(0);
    // The time of the last mount, in the superblock.
    let file = File::options().write(true).open(&disk.path).unwrap();
    file.write_all_at(&[1, 2, 3, 4], 1024 + 0x2c).unwrap();
    let after = disk.bytes();
    let run = agent(&["revert", disk.name(), "--keep", path(&keep)]).ended_with(1);
    match run.end() {
        Event::Reverted(end) => assert!(!end.reverted && !end.used.is_empty() && end.saved.is_some()),
        other => panic!("{other:?}"),
    }
    assert!(disk.bytes() == after);
}

#[test]
fn a_guest_that_cannot_boot_there_is_refused_with_the_findings() {
    let disk = Disk::golden("centos-5");
    let before = disk.bytes();
    let keep = disk.beside("saved");
    let run = agent(&["convert", disk.name(), "--target", "nitro", "--keep", path(&keep)]).ended_with(1);
    let failure = run.failure();
    assert_eq!(failure.kind, FailureKind::Blocked);
    assert!(
        failure.findings.as_array().is_some_and(|findings| !findings.is_empty()),
        "{failure:?}"
    );
    assert!(disk.bytes() == before && !keep.exists());
}

#[test]
fn a_disk_that_is_mounted_is_refused() {
    let disk = Disk::golden(GUEST);
    let Some(device) = Loop::attach(&disk) else {
        return;
    };
    let folder = disk.beside("mnt");
    fs::create_dir(&folder).unwrap();
    let options: [&std::ffi::OsStr; 4] = ["-o".as_ref(), "ro,noload".as_ref(), device.0.as_ref(), folder.as_ref()];
    if !succeeds("mount", &options) {
        return skip("a mounted device: mount(8) does not work here");
    }
    let keep = disk.beside("saved");
    let run = agent(&["convert", device.name(), "--keep", path(&keep)]);
    let listed = agent(&["disks"]);
    assert!(succeeds("umount", &[folder.as_ref()]));
    let run = run.ended_with(3);
    assert_eq!(run.failure().kind, FailureKind::InUse);
    assert!(run.failure().message.contains(path(&folder)), "{:?}", run.failure());
    match listed.end() {
        Event::Disks { disks } => {
            let found = disks.iter().find(|found| found.path == device.0).unwrap();
            assert!(found.users.iter().any(|user| user.contains(path(&folder))), "{found:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn wrong_usage_ends_with_64() {
    for arguments in [
        &["convert", "/dev/null"][..],
        &["find", "--volume", "/dev/sdf", "--size", "1"],
        &[],
    ] {
        let out = command(arguments).output().unwrap();
        assert_eq!(out.status.code(), Some(64), "{arguments:?}");
        assert!(out.stdout.is_empty() && !out.stderr.is_empty());
    }
}
