//! A disk from its arrival to its return, with the agent itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use comeback_remote::protocol::{Content, Event, Evidence, FailureKind, VolumeId};
use comeback_remote::{Conversion, Converter as _, RemoteError, Target, Wanted};
use comeback_testkit::{golden, image};

use crate::server::{Server, agent, payload_of, skip};

/// A guest that converts for Nitro.
const GUEST: &str = "amazon-linux-2018.03";

/// What a conversion may take over SSH, beside the disk's own latency.
const LIMIT: Duration = Duration::from_secs(1);

/// A loop device on top of an image.
struct Loop(PathBuf);

impl Loop {
    fn attach(image: &Path) -> Option<Loop> {
        let out = Command::new("losetup")
            .args(["--find", "--show"])
            .arg(image)
            .output()
            .ok()?;
        let name = String::from_utf8(out.stdout).ok()?;
        if !out.status.success() {
            return skip("a block device: no loop devices for this user");
        }
        Some(Loop(PathBuf::from(name.trim())))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_disk_is_found_converted_brought_back_and_reverted() {
    let (Some(server), Some(agent)) = (Server::started(), agent()) else {
        return;
    };
    let folder = server.folder.path();
    let guest = golden::load(&golden::repository_folder().join(GUEST)).unwrap();
    let root = folder.join("disk");
    guest.materialise(&root).unwrap();
    let disk = image::build_ext(&root, &guest.description).unwrap();
    let before = fs::read(&disk).unwrap();

    let converter = server.converter(server.address, payload_of(folder, &agent)).await;
    assert_eq!(converter.push().await.unwrap().kept.len(), 0);
    assert_eq!(converter.push().await.unwrap().sent.len(), 0);
    let known: Vec<PathBuf> = converter
        .disks()
        .await
        .unwrap()
        .into_iter()
        .map(|disk| disk.path)
        .collect();
    let Some(device) = Loop::attach(&disk) else { return };
    let volume: VolumeId = "vol-0123456789abcdef0".parse().unwrap();
    let mut wanted = Wanted {
        volume: volume.clone(),
        size: before.len() as u64,
        known: Some(known),
        device: Some("/dev/sdf".to_owned()),
        timeout: 10,
    };
    let found = converter.find(&wanted).await.unwrap();
    assert_eq!((&found.disk.path, found.by), (&device.0, Evidence::New));
    assert!(matches!(found.disk.content, Content::Ext { .. }));
    (wanted.known, wanted.timeout) = (None, 0);
    match converter.find(&wanted).await.unwrap_err() {
        RemoteError::Agent { failure, .. } => assert_eq!(failure.kind, FailureKind::NotFound),
        other => panic!("{other}"),
    }

    let conversion = Conversion {
        device: device.0.clone(),
        target: Target::Nitro,
        saved: converter.saved_folder(&volume),
        dry_run: false,
    };
    let heard = Mutex::new(Vec::new());
    let done = converter
        .convert(&conversion, &|event| heard.lock().unwrap().push(event.clone()))
        .await
        .unwrap();
    assert!(done.converted.applied);
    assert_eq!(done.planned.unwrap().target, "nitro");
    let heard = heard.into_inner().unwrap();
    let last = heard.iter().rev().find_map(|event| match event {
        Event::Progress { done, total } => Some((*done, *total)),
        _ => None,
    });
    assert_eq!(last, Some((done.converted.changed, done.converted.changed)));
    assert!(fs::read(&disk).unwrap() != before);
    let inspected = converter.inspect(&device.0).await.unwrap();
    assert!(
        inspected
            .verdicts
            .iter()
            .any(|verdict| verdict.platform == "nitro" && verdict.outcome == "boots")
    );

    let back = folder.join("back");
    converter.bring_back(&conversion.saved, &back).await.unwrap();
    converter.bring_back(&conversion.saved, &back).await.unwrap();
    // The machine that converted it is gone, and another one takes it back.
    fs::remove_dir_all(&conversion.saved).unwrap();
    let error = converter
        .revert(&device.0, &conversion.saved, false, &|_| ())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("nothing was saved"), "{error}");
    converter.give_back(&back, &conversion.saved).await.unwrap();
    let reverted = converter
        .revert(&device.0, &conversion.saved, false, &|_| ())
        .await
        .unwrap();
    assert!(reverted.reverted && reverted.kept.is_empty());
    assert!(fs::read(&disk).unwrap() == before, "the disk is not what it was");
}

/// `cargo xtask test` names the guests in `COMEBACK_GUESTS`, one `name=path` a line, and the agent in `COMEBACK_AGENT`.
#[tokio::test]
#[ignore = "needs a test guest, which `cargo xtask test` builds"]
async fn a_disk_of_gigabytes_is_converted_within_a_second() {
    let guests = std::env::var("COMEBACK_GUESTS").expect("run by `cargo xtask test`, which sets COMEBACK_GUESTS");
    let guest = guests
        .lines()
        .find_map(|line| line.strip_prefix("bookworm-plain="))
        .unwrap();
    let agent = std::env::var("COMEBACK_AGENT").expect("run by `cargo xtask test`, which sets COMEBACK_AGENT");
    let server = Server::started().expect("an SSH server");
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let disk = folder.path().join("disk.img");
    let copied = Command::new("cp")
        .args(["--sparse=always", "--reflink=auto", guest])
        .arg(&disk)
        .status()
        .unwrap();
    assert!(copied.success());
    let device = Loop::attach(&disk).expect("a loop device");
    let converter = server
        .converter(server.address, payload_of(server.folder.path(), agent.as_ref()))
        .await;
    let pushing = Instant::now();
    converter.push().await.unwrap();
    let pushed = pushing.elapsed();
    let conversion = Conversion {
        device: device.0.clone(),
        target: Target::Auto,
        saved: folder.path().join("saved"),
        dry_run: false,
    };
    let mut times = Vec::new();
    for _ in 0..5 {
        let started = Instant::now();
        let done = converter.convert(&conversion, &|_| ()).await.unwrap();
        times.push(started.elapsed());
        assert!(done.converted.applied);
        let reverted = converter
            .revert(&device.0, &conversion.saved, false, &|_| ())
            .await
            .unwrap();
        assert!(reverted.reverted);
    }
    eprintln!("the agent was sent in {pushed:?}; conversions over SSH took {times:?}");
    // The others tell how busy the machine is.
    let best = times.iter().min().unwrap();
    assert!(*best < LIMIT, "{times:?}");
}
