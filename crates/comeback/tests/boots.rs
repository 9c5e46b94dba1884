//! Whole boots: every recipe in `guests/`, converted in both layouts (one of them moved on its own disk), reaches a login on both HVM platforms with its data
//! intact, and two of them boot as PV under a real Xen before and after.
//!
//! These take minutes, so they are ignored by a plain `cargo test`; `cargo xtask test` builds the guests and runs them.
//! It names the guests in `COMEBACK_GUESTS`, one `name=path` a line, and itself in `COMEBACK_XTASK`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use comeback_disk::ext::Access as ExtAccess;
use comeback_disk::image::{Access, Image};
use comeback_disk::io::ReadAt;
use comeback_disk::tree::{FileTree, Kind};
use comeback_disk::view::View;
use comeback_guest::system::System;
use comeback_rehearse::{DiskFormat, LoginProbe, Platform, Rehearsal, Verdict};
use sha2::{Digest, Sha256};

fn guest(name: &str) -> PathBuf {
    let guests = std::env::var("COMEBACK_GUESTS").expect("run by `cargo xtask test`, which sets COMEBACK_GUESTS");
    let line = guests
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    PathBuf::from(line.unwrap_or_else(|| panic!("no guest {name} in COMEBACK_GUESTS")))
}

/// A copy of a guest in a folder of its own; holes stay holes.
struct Copy {
    folder: tempfile::TempDir,
    disk: PathBuf,
}

impl Copy {
    fn of(name: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("comeback-boots-")
            .tempdir_in("/var/tmp")
            .unwrap();
        let disk = folder.path().join(format!("{name}.img"));
        let copied = Command::new("cp")
            .args(["--sparse=always", "--reflink=auto"])
            .args([&guest(name), &disk])
            .status()
            .unwrap();
        assert!(copied.success());
        Copy { folder, disk }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn comeback<const N: usize>(arguments: [&str; N]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_comeback"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[track_caller]
fn assert_exit(output: &Output, code: i32) {
    assert_eq!(
        output.status.code(),
        Some(code),
        "\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[track_caller]
fn json(output: &Output) -> serde_json::Value {
    assert_exit(output, 0);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn digest(path: &Path) -> String {
    let mut digest = Sha256::new();
    std::io::copy(&mut std::fs::File::open(path).unwrap(), &mut digest).unwrap();
    format!("{:x}", digest.finalize())
}

/// `e2fsck -fn` of every ext file system on a disk.
#[track_caller]
fn assert_clean(disk: &Path) {
    let view = view(disk);
    let system = System::open(view, ExtAccess::Read, 0).unwrap();
    let facts = system.disk().clone();
    drop(system);
    for place in std::iter::once(&facts.root).chain(&facts.boot) {
        let checked = Command::new("e2fsck")
            .arg("-fn")
            .arg(format!("{}?offset={}", text(disk), place.start))
            .output()
            .unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }
}

fn view(disk: &Path) -> Arc<View> {
    Arc::new(View::new(
        Arc::new(Image::open(disk, Access::Read).unwrap()) as Arc<dyn ReadAt>
    ))
}

/// Everything that is in a guest's files: kind, mode, owner, times, content.
fn files(disk: &Path) -> BTreeMap<String, String> {
    let system = System::open(view(disk), ExtAccess::Read, 0).unwrap();
    let mut files = BTreeMap::new();
    let mut pending = vec!["/".to_owned()];
    while let Some(folder) = pending.pop() {
        for name in system.read_dir(&folder).unwrap() {
            let path = format!("{}/{name}", folder.trim_end_matches('/'));
            let metadata = system.symlink_metadata(&path).unwrap();
            let what = match metadata.kind {
                Kind::Directory => {
                    pending.push(path.clone());
                    // A folder's size and time change with what is in it.
                    format!("folder {:o} {}:{}", metadata.mode, metadata.uid, metadata.gid)
                }
                Kind::File => {
                    let mut digest = Sha256::new();
                    std::io::copy(&mut system.open(&path).unwrap(), &mut digest).unwrap();
                    format!(
                        "file {:o} {}:{} {} {:x}",
                        metadata.mode,
                        metadata.uid,
                        metadata.gid,
                        metadata.mtime,
                        digest.finalize()
                    )
                }
                Kind::Symlink => format!("link {}", system.read_link(&path).unwrap()),
                Kind::Other => format!("other {:o}", metadata.mode),
            };
            files.insert(path, what);
        }
    }
    files
}

/// The set of paths that differ is exactly the plan's.
#[track_caller]
fn assert_changed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>, plan: &serde_json::Value) {
    let mut changed: Vec<&String> = before
        .keys()
        .chain(after.keys())
        .filter(|path| before.get(*path) != after.get(*path))
        .filter(|path| !after.get(*path).is_some_and(|what| what.starts_with("folder")))
        .collect();
    changed.sort();
    changed.dedup();
    let mut planned: Vec<&str> = plan["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["path"].as_str().unwrap())
        .collect();
    planned.sort_unstable();
    assert_eq!(changed, planned);
}

/// Boots a copy-on-write view, logs in, and has the guest check its own data.
#[track_caller]
fn assert_boots(disk: &Path, platform: Platform) {
    let said = boot(
        disk,
        platform,
        false,
        &["cd /srv/data && sha256sum --quiet -c SHA256SUMS && echo data is intact"],
    );
    assert!(said[0].contains("data is intact"), "{said:?}");
}

/// Boots a disk, logs in and runs commands; gives back what each of them said.
#[track_caller]
fn boot(disk: &Path, platform: Platform, keep_writes: bool, commands: &[&str]) -> Vec<String> {
    let format = if disk.extension().is_some_and(|extension| extension == "qcow2") {
        DiskFormat::Qcow2
    } else {
        DiskFormat::Raw
    };
    let mut rehearsal = Rehearsal::new(disk, format, platform);
    rehearsal.timeout = Duration::from_secs(300);
    rehearsal.probe = Some(LoginProbe {
        user: "root".to_owned(),
        password: Some("comeback".to_owned()),
        commands: commands.iter().map(|&command| command.to_owned()).collect(),
        patience: Duration::from_secs(400),
    });
    rehearsal.keep_writes = keep_writes;
    let outcome = rehearsal.run(|_| ()).unwrap();
    let console = String::from_utf8_lossy(&outcome.console);
    let tail: String = console
        .lines()
        .rev()
        .take(40)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect::<Vec<_>>()
        .join("\n");
    assert_eq!(outcome.verdict, Verdict::Boots, "{:?}\n{tail}", outcome.signature);
    let said: Vec<String> = outcome.probe.into_iter().map(|output| output.output).collect();
    assert_eq!(said.len(), commands.len(), "{said:?}\n{tail}");
    said
}

/// In place: refused before, boots after, twice is once, and back to the last bit.
fn in_place(name: &str) {
    let copy = Copy::of(name);
    let disk = &copy.disk;
    let (original, before) = (digest(disk), files(disk));
    assert_exit(&comeback(["inspect", text(disk)]), 1);

    let dry = json(&comeback(["convert", text(disk), "--dry-run", "--json"]));
    assert_eq!(digest(disk), original, "a dry run wrote to the disk");
    let report = json(&comeback(["convert", text(disk), "--json"]));
    assert_eq!(dry["plan"], report["plan"]);
    assert_eq!(report["plan"]["target"], "nitro");
    assert_clean(disk);
    assert_changed(&before, &files(disk), &report["plan"]);
    for platform in ["xen-hvm", "nitro"] {
        assert_exit(&comeback(["inspect", text(disk), "--as", platform]), 0);
    }

    assert_boots(disk, Platform::Nitro);
    assert_boots(disk, Platform::XenHvm);

    let converted = digest(disk);
    let again = json(&comeback(["convert", text(disk), "--json"]));
    assert_eq!(again["applied"], false);
    assert_eq!(digest(disk), converted, "converting a converted disk changed it");
    assert_exit(&comeback(["revert", text(disk)]), 0);
    assert_eq!(digest(disk), original, "the disk is not what it was");
}

/// On a new disk with a GPT; the source is only read.
fn partitioned(name: &str) {
    let copy = Copy::of(name);
    let original = digest(&copy.disk);
    let new = copy.path("new.img");
    let report = json(&comeback([
        "convert",
        text(&copy.disk),
        "--layout",
        "partitioned",
        "--output",
        text(&new),
        "--json",
    ]));
    assert_eq!(report["applied"], true);
    assert_eq!(
        std::fs::metadata(&new).unwrap().len() % (1 << 30),
        0,
        "EBS volumes are whole GiB"
    );
    assert_eq!(digest(&copy.disk), original, "the source was written to");
    assert_clean(&new);
    assert_boots(&new, Platform::Nitro);
    assert_boots(&new, Platform::XenHvm);
}

/// With a GPT on the disk itself, which was grown: everything moves, boots, and goes back to the last bit.
fn moved(name: &str) {
    let copy = Copy::of(name);
    let disk = &copy.disk;
    let file = std::fs::File::options().write(true).open(disk).unwrap();
    file.set_len(file.metadata().unwrap().len() + (1 << 30)).unwrap();
    let (original, before) = (digest(disk), files(disk));
    let report = json(&comeback(["convert", text(disk), "--layout", "partitioned", "--json"]));
    assert_eq!(report["applied"], true);
    assert_clean(disk);
    assert_changed(&before, &files(disk), &report["plan"]);
    assert_boots(disk, Platform::Nitro);
    assert_boots(disk, Platform::XenHvm);
    assert_exit(&comeback(["revert", text(disk)]), 0);
    assert_eq!(digest(disk), original, "the disk is not what it was");
}

/// What the guest does to its own boot chain later must not break it: a kernel's installation (its hooks build the initramfs
/// and write the menu anew), update-grub, and grub-install, which has no business on such a disk.
fn own_updates(name: &str) {
    let copy = Copy::of(name);
    let disk = &copy.disk;
    assert_exit(&comeback(["convert", text(disk)]), 0);
    let commands = [
        "run-parts --arg=$(uname -r) --arg=/boot/vmlinuz-$(uname -r) /etc/kernel/postinst.d 2>&1 | tail -n 5; echo hooks have run",
        "update-grub -y 2>&1 | tail -n 3; echo the menu is written",
        "grub-install --no-floppy /dev/sda 2>&1 | tail -n 3; echo grub-install: done",
        "rm -f /boot/comeback/core.img 2>&1; echo tried to remove GRUB",
        // What the emulator is killed over must be on the disk: sync, and remount read-only.
        "sync; echo s > /proc/sysrq-trigger; echo u > /proc/sysrq-trigger; sleep 5; echo all is written",
    ];
    let said = boot(disk, Platform::XenHvm, true, &commands);
    println!("{}", said.join("\n"));
    assert!(
        said[3].contains("Operation not permitted"),
        "the core image is not pinned: {}",
        said[3]
    );

    // The entries that the guest wrote anew are as good as those that were converted.
    for platform in ["xen-hvm", "nitro"] {
        assert_exit(&comeback(["inspect", text(disk), "--as", platform]), 0);
    }
    assert_boots(disk, Platform::XenHvm);
    assert_boots(disk, Platform::Nitro);
    let used = digest(disk);
    assert_exit(&comeback(["revert", text(disk)]), 1);
    assert_eq!(digest(disk), used, "a disk that was used since was reverted");
}

/// Under a real Xen, through the rig of `cargo xtask xen`.
#[track_caller]
fn assert_boots_under_xen(disk: &Path) {
    let xtask = std::env::var_os("COMEBACK_XTASK").expect("run by `cargo xtask test`, which sets COMEBACK_XTASK");
    let booted = Command::new(xtask)
        .arg("xen")
        .arg(disk)
        .args(["--as", "pv"])
        .output()
        .unwrap();
    assert!(
        booted.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&booted.stdout),
        String::from_utf8_lossy(&booted.stderr)
    );
}

/// The way back: what boots as PV before the conversion does so after it, without being reverted.
fn xen(name: &str) {
    let copy = Copy::of(name);
    assert_boots_under_xen(&copy.disk);
    xen_converted(&copy);
}

/// For a guest that waits for its old instance's disks until it is converted: Xen's guest has none of them.
fn xen_converted(copy: &Copy) {
    assert_exit(&comeback(["convert", text(&copy.disk)]), 0);
    assert_boots_under_xen(&copy.disk);
}

macro_rules! boots {
    ($($test:ident: $check:expr;)*) => {
        $(
            #[test]
            #[ignore = "boots guests for minutes: cargo xtask test"]
            fn $test() {
                $check;
            }
        )*
    };
}

boots! {
    bookworm_plain_in_place: in_place("bookworm-plain");
    bookworm_plain_partitioned: partitioned("bookworm-plain");
    bullseye_ext3_in_place: in_place("bullseye-ext3");
    bullseye_ext3_partitioned: partitioned("bullseye-ext3");
    trixie_symlink_in_place: in_place("trixie-symlink");
    trixie_symlink_partitioned: partitioned("trixie-symlink");
    bookworm_mbr_in_place: in_place("bookworm-mbr");
    bookworm_mbr_partitioned: partitioned("bookworm-mbr");
    bullseye_mbr63_in_place: in_place("bullseye-mbr63");
    bullseye_mbr63_partitioned: partitioned("bullseye-mbr63");
    bookworm_boot_in_place: in_place("bookworm-boot");
    bookworm_boot_partitioned: partitioned("bookworm-boot");
    bullseye_ext3_moved: moved("bullseye-ext3");
    tokyo_in_place: in_place("tokyo");
    bullseye_ext3_after_its_own_updates: own_updates("bullseye-ext3");
    bookworm_plain_under_xen: xen("bookworm-plain");
    bookworm_boot_under_xen: xen("bookworm-boot");
    bullseye_ext3_under_xen: xen_converted(&Copy::of("bullseye-ext3"));
}

/// An initramfs without the target's drivers is refused, with the kernel, the driver and the remedy named.
#[test]
#[ignore = "needs a built guest: cargo xtask test"]
fn bookworm_nodrivers_is_refused() {
    let copy = Copy::of("bookworm-nodrivers");
    let original = digest(&copy.disk);
    let refused = comeback(["convert", text(&copy.disk), "--target", "nitro"]);
    assert_exit(&refused, 1);
    let said = String::from_utf8_lossy(&refused.stderr);
    for word in ["disk-driver-missing", "nvme", "update-initramfs"] {
        assert!(said.contains(word), "{word} is not in: {said}");
    }
    assert_eq!(digest(&copy.disk), original);
}
