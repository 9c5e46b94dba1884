//! Disks that something else uses.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::support::{Disk, comeback, command, run, skip};

/// A virtual machine's stand-in, which has the image open for writing.
struct Qemu(Child);

impl Qemu {
    fn open(disk: &Disk, format: &str) -> Qemu {
        let mut child = Command::new("qemu-io")
            .args(["-f", format, disk.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // The answer comes when the image is open, and with it the locks.
        child.stdin.as_mut().unwrap().write_all(b"length\n").unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(line.contains("MiB"), "{line}");
        Qemu(child)
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn an_image_that_a_virtual_machine_has_open() {
    let raw = Disk::usual();
    let qcow2 = raw.to_qcow2();
    for (disk, format) in [(raw, "raw"), (qcow2, "qcow2")] {
        disk.runs(0, "convert", &[]);
        let before = disk.hash();
        let qemu = Qemu::open(&disk, format);
        let words = ["is in use", "such as a running virtual machine", "stop it first"];
        disk.refused(3, "convert", &[], &words);
        disk.refused(3, "revert", &[], &words);
        let inspected = disk.runs(0, "inspect", &[]);
        assert!(
            inspected.out.contains("in use     another program"),
            "{}",
            inspected.out
        );
        let json = disk.runs(0, "inspect", &["--json"]).json();
        assert!(json["users"][0].as_str().unwrap().contains("another program"), "{json}");
        let dry = disk.runs(0, "convert", &["--dry-run"]);
        assert!(dry.err.contains("in use"), "{}", dry.err);
        drop(qemu);
        assert_eq!(disk.hash(), before);
        disk.runs(0, "revert", &[]);
    }
}

/// A loop device on top of an image.
pub struct Loop(pub PathBuf);

impl Loop {
    pub fn attach(disk: &Disk) -> Option<Loop> {
        let out = Command::new("losetup")
            .args(["--find", "--show", disk.name()])
            .output()
            .ok()?;
        let name = String::from_utf8(out.stdout).ok()?;
        out.status.success().then(|| Loop(PathBuf::from(name.trim())))
    }

    pub fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.0).status();
    }
}

struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn an_image_and_a_device_that_are_mounted() {
    let disk = Disk::usual();
    let Some(device) = Loop::attach(&disk) else {
        return skip("a mounted image: no loop devices for this user");
    };
    let attached = format!("attached as {}", device.name());
    disk.refused(3, "convert", &[], &["is in use", &attached, "detach it first"]);

    let folder = disk.beside("mnt");
    std::fs::create_dir(&folder).unwrap();
    let mounted = Command::new("mount")
        .args(["-o", "ro,noload"])
        .arg(&device.0)
        .arg(&folder)
        .stderr(Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        return skip("a mounted device: mount(8) does not work here");
    }
    let mounted = Mounted(folder);
    let place = format!("{} is mounted on {}", device.name(), mounted.0.display());
    disk.refused(3, "convert", &[], &["is in use", &attached, &place, "unmount"]);
    let partitioned = ["convert", device.name(), "--layout", "partitioned"];
    for arguments in [
        &["convert", device.name()][..],
        &["revert", device.name()],
        &partitioned,
    ] {
        let run = comeback(arguments);
        run.ended_with(3);
        assert!(
            run.err.contains("is in use") && run.err.contains(&place) && run.err.contains("unmount it"),
            "{}",
            run.err
        );
    }
    let inspected = comeback(&["inspect", device.name()]);
    inspected.ended_with(1);
    assert!(
        inspected.out.contains(&format!("in use     {place}")),
        "{}",
        inspected.out
    );
}

#[test]
fn a_block_device_goes_there_and_back() {
    let disk = Disk::usual();
    let before = disk.hash();
    let Some(device) = Loop::attach(&disk) else {
        return skip("a block device: no loop devices for this user");
    };
    let state = disk.beside("state");
    let on_device = |arguments: &[&str]| {
        let mut all = vec![arguments[0], device.name()];
        all.extend(&arguments[1..]);
        run(command(&all).env("XDG_STATE_HOME", &state))
    };
    on_device(&["convert", "--dry-run"]).ended_with(0);
    assert!(!state.exists(), "a dry run made a folder");
    let nothing = on_device(&["revert"]);
    nothing.ended_with(3);
    assert!(
        nothing.err.contains("nothing was saved for this disk"),
        "{}",
        nothing.err
    );

    let converted = on_device(&["convert"]);
    converted.ended_with(0);
    let kept: Vec<_> = std::fs::read_dir(state.join("comeback"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(kept.len(), 1);
    assert!(converted.out.contains(kept[0].to_str().unwrap()), "{}", converted.out);
    on_device(&["inspect"]).ended_with(0);
    let again = on_device(&["convert"]);
    again.ended_with(0);
    assert!(again.out.contains("nothing to do"), "{}", again.out);
    on_device(&["revert"]).ended_with(0);
    assert_eq!(std::fs::read_dir(state.join("comeback")).unwrap().count(), 0);
    drop(device);
    assert_eq!(disk.hash(), before);
}
