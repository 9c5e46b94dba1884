//! Disks to run the agent on, and what it said.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use comeback_protocol::{Event, Failure, event, hello};
use comeback_testkit::golden;
use comeback_testkit::image;
use tempfile::TempDir;

/// A guest that converts for Nitro: an unpartitioned ext4 with `menu.lst` and an initramfs with all drivers.
pub const GUEST: &str = "amazon-linux-2018.03";

/// A disk of its own for one test, in a folder of its own.
#[derive(Debug)]
pub struct Disk {
    pub folder: TempDir,
    pub path: PathBuf,
}

impl Disk {
    pub fn golden(name: &str) -> Disk {
        let folder = tempfile::tempdir().unwrap();
        let guest = golden::load(&golden::repository_folder().join(name)).unwrap();
        let root = folder.path().join("disk");
        guest.materialise(&root).unwrap();
        let path = image::build_ext(&root, &guest.description).unwrap();
        fs::remove_dir_all(root).unwrap();
        Disk { folder, path }
    }

    /// Zeros.
    pub fn empty(size: u64) -> Disk {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk.img");
        File::create(&path).unwrap().set_len(size).unwrap();
        Disk { folder, path }
    }

    pub fn name(&self) -> &str {
        self.path.to_str().unwrap()
    }

    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }
}

/// A loop device on top of an image.
#[derive(Debug)]
pub struct Loop(pub PathBuf);

impl Loop {
    /// None where there are no loop devices for this user.
    pub fn attach(disk: &Disk) -> Option<Loop> {
        let out = Command::new("losetup")
            .args(["--find", "--show", disk.name()])
            .output()
            .ok()?;
        let name = String::from_utf8(out.stdout).ok()?;
        if !out.status.success() {
            skip("a block device: no loop devices for this user");
            return None;
        }
        Some(Loop(PathBuf::from(name.trim())))
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

/// What the agent said.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub events: Vec<Event>,
    pub err: String,
}

impl Run {
    #[track_caller]
    pub fn ended_with(self, code: i32) -> Run {
        assert_eq!(self.code, code, "{:?}\n{}", self.events, self.err);
        self
    }

    /// The event that ended it.
    #[track_caller]
    pub fn end(&self) -> &Event {
        let (last, others) = self.events.split_last().unwrap();
        assert!(
            last.is_last() && !others.iter().any(Event::is_last),
            "{:?}",
            self.events
        );
        last
    }

    #[track_caller]
    pub fn failure(&self) -> &Failure {
        match self.end() {
            Event::Failed(failure) => {
                assert!(self.err.contains(&failure.message), "{}", self.err);
                failure
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The agent that is sent to other machines where it was built, else the one that Cargo made.
pub fn program() -> PathBuf {
    sent().unwrap_or_else(|| env!("CARGO_BIN_EXE_comeback-agent").into())
}

/// The agent that is sent to other machines.
pub fn sent() -> Option<PathBuf> {
    std::env::var_os("COMEBACK_AGENT")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
}

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command
        .args(arguments)
        .env_clear()
        .env("COMEBACK_BOOT_ASSETS", assets())
        .stdin(Stdio::null());
    command
}

pub fn agent(arguments: &[&str]) -> Run {
    run(&mut command(arguments))
}

pub fn run(command: &mut Command) -> Run {
    let out = command.output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let mut lines = text.lines();
    hello(lines.next().unwrap()).unwrap();
    Run {
        code: out.status.code().unwrap(),
        events: lines.map(|line| event(line).unwrap()).collect(),
        err: String::from_utf8(out.stderr).unwrap(),
    }
}

/// Boot assets that are none of GRUB's, but look like them, so that no GRUB is needed.
pub fn assets() -> &'static Path {
    static MADE: OnceLock<TempDir> = OnceLock::new();
    let folder = MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut boot = vec![0x90; 512];
        boot[0x80..0x85].copy_from_slice(b"GRUB ");
        boot[510..].copy_from_slice(&[0x55, 0xaa]);
        let mut core: Vec<u8> = (0..30_000_u32)
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        core[..512].fill(0);
        core[0x1f4..0x200].copy_from_slice(&[2, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0x20, 0x08]);
        core[0x218..0x21c].copy_from_slice(&[0xff, 0xff, 0xff, 0]);
        fs::write(folder.path().join("boot.img"), boot).unwrap();
        fs::write(folder.path().join("core.img"), core).unwrap();
        folder
    });
    folder.path()
}

pub fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Runs a program; whether it succeeded.
pub fn succeeds(name: &str, arguments: &[&OsStr]) -> bool {
    let status = Command::new(name)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// Says that a test could not be made here. Printed past the test's capture, as nobody looks for what was not tested.
pub fn skip(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
