//! A disk from its arrival to its return, with the agent itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use comeback_remote::protocol::{Content, Event, Evidence, FailureKind, VolumeId};
use comeback_remote::{Conversion, Converter as _, RemoteError, Target, Wanted};
use comeback_testkit::{golden, image};

use crate::server::{Server, agent, payload_of, skip};

/// A guest that converts for Nitro.
const GUEST: &str = "amazon-linux-2018.03";

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
    let started = Instant::now();
    let done = converter
        .convert(&conversion, &|event| heard.lock().unwrap().push(event.clone()))
        .await
        .unwrap();
    eprintln!("converted over SSH in {:?}", started.elapsed());
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
