//! Telling devices from each other.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use comeback_protocol::{Content, Event, Evidence, FailureKind};

use crate::support::{Disk, GUEST, Loop, Run, agent};

#[track_caller]
fn disks(run: &Run) -> &[comeback_protocol::Disk] {
    match run.end() {
        Event::Disks { disks } => disks,
        other => panic!("{other:?}"),
    }
}

fn find(size: u64, more: &[&str]) -> Run {
    let size = size.to_string();
    let mut all = vec!["find", "--volume", "vol-0123456789abcdef0", "--size", &size];
    all.extend(more);
    agent(&all)
}

#[test]
fn a_device_is_listed_with_its_file_system() {
    let disk = Disk::golden(GUEST);
    let Some(device) = Loop::attach(&disk) else {
        return;
    };
    let run = agent(&["disks"]).ended_with(0);
    let found = disks(&run).iter().find(|found| found.path == device.0).unwrap();
    assert_eq!(found.size, disk.bytes().len() as u64);
    assert!(found.is_whole() && found.users.is_empty() && found.volume.is_none());
    match &found.content {
        Content::Ext { uuid, .. } => assert_eq!(uuid.len(), 36),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_device_that_was_not_there_before_is_waited_for_and_found() {
    // A size that no other disk has.
    let size = (7 << 20) + 3 * 512;
    let disk = Disk::empty(size);
    let known: Vec<PathBuf> = disks(&agent(&["disks"])).iter().map(|disk| disk.path.clone()).collect();
    let known = known
        .iter()
        .map(|path| path.to_str().unwrap())
        .collect::<Vec<_>>()
        .join(",");
    let waiting = thread::spawn({
        let known = known.clone();
        move || find(size, &["--known", &known, "--timeout", "20"])
    });
    thread::sleep(Duration::from_millis(300));
    let device = Loop::attach(&disk);
    if device.is_none() {
        return;
    }
    let device = device.unwrap();
    let run = waiting.join().unwrap().ended_with(0);
    match run.end() {
        Event::Found { disk, by } => assert_eq!((&disk.path, *by), (&device.0, Evidence::New)),
        other => panic!("{other:?}"),
    }

    // Without knowing what was there before, any disk of that size could be another's.
    let run = find(size, &["--timeout", "0"]).ended_with(1);
    assert_eq!(run.failure().kind, FailureKind::NotFound);
    assert!(
        run.failure().candidates.iter().any(|disk| disk.path == device.0),
        "{:?}",
        run.failure()
    );

    let other = Disk::empty(size);
    let other = Loop::attach(&other).unwrap();
    let run = find(size, &["--known", &known, "--timeout", "0"]).ended_with(1);
    let failure = run.failure();
    let mut candidates: Vec<_> = failure.candidates.iter().map(|disk| &disk.path).collect();
    candidates.sort();
    let mut both = vec![&device.0, &other.0];
    both.sort();
    assert_eq!(candidates, both);
    assert!(failure.message.contains("more than one device"), "{failure:?}");
}

#[test]
fn a_volume_that_does_not_come_is_an_error_after_the_time_that_was_given() {
    let started = std::time::Instant::now();
    let run = find(12_345 * 512, &["--known", "", "--timeout", "1"]).ended_with(1);
    assert_eq!(run.failure().kind, FailureKind::NotFound);
    assert!(
        run.failure().message.contains("no device can be vol-0123456789abcdef0"),
        "{:?}",
        run.failure()
    );
    assert!(started.elapsed() >= Duration::from_secs(1));
}
