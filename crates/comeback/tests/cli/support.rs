//! Disks to run the program on, and what it said.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, OnceLock};

use comeback_testkit::golden::{self, GoldenGuest};
use comeback_testkit::image;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A guest that converts for Nitro: an unpartitioned ext4 with `menu.lst` and an initramfs with all drivers.
pub const GUEST: &str = "amazon-linux-2018.03";

/// Where the superblock of an unpartitioned disk starts, in bytes.
const SUPERBLOCK: u64 = 1024;

/// A disk of its own for one test, in a folder of its own.
#[derive(Debug)]
pub struct Disk {
    folder: TempDir,
    pub path: PathBuf,
}

/// What the program said.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Disk {
    /// An unchanged golden guest.
    pub fn golden(name: &str) -> Disk {
        static MADE: OnceLock<(TempDir, Mutex<()>)> = OnceLock::new();
        let (cache, lock) = MADE.get_or_init(|| (tempfile::tempdir().unwrap(), Mutex::new(())));
        let original = cache.path().join(format!("{name}.img"));
        {
            let _guard = lock.lock().unwrap();
            if !original.exists() {
                let made = Disk::edited(name, |_| ());
                program(
                    "cp",
                    &[OsStr::new("--sparse=always"), made.path.as_ref(), original.as_ref()],
                );
            }
        }
        let disk = Disk::at("disk.img");
        program(
            "cp",
            &[OsStr::new("--sparse=always"), original.as_ref(), disk.path.as_ref()],
        );
        disk
    }

    /// The guest that most tests use.
    pub fn usual() -> Disk {
        Disk::golden(GUEST)
    }

    /// A golden guest whose files were changed by `edit`, which is given the folder that they are in.
    pub fn edited(name: &str, edit: impl FnOnce(&Path)) -> Disk {
        let disk = Disk::at("disk.img");
        let guest: GoldenGuest = golden::load(&golden::repository_folder().join(name)).unwrap();
        let root = disk.folder.path().join("disk");
        guest.materialise(&root).unwrap();
        edit(&root);
        assert_eq!(image::build_ext(&root, &guest.description).unwrap(), disk.path);
        fs::remove_dir_all(root).unwrap();
        disk
    }

    /// A name in an empty folder.
    pub fn at(name: &str) -> Disk {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join(name);
        Disk { folder, path }
    }

    /// A disk of these bytes and zeros up to `size`.
    pub fn of(size: u64, parts: &[(u64, &[u8])]) -> Disk {
        let disk = Disk::at("disk.img");
        File::create(&disk.path).unwrap().set_len(size).unwrap();
        for (offset, bytes) in parts {
            disk.write(*offset, bytes);
        }
        disk
    }

    /// The same disk as qcow2, in a folder of its own.
    pub fn to_qcow2(&self) -> Disk {
        let disk = Disk::at("disk.qcow2");
        let [from, to] = [&self.path, &disk.path].map(|path| path.as_os_str());
        program(
            "qemu-img",
            &["convert", "-O", "qcow2"]
                .map(OsStr::new)
                .into_iter()
                .chain([from, to])
                .collect::<Vec<_>>(),
        );
        disk
    }

    /// A path beside the disk.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.path.with_file_name(name)
    }

    /// Where the saved bytes go by default.
    pub fn saved(&self) -> PathBuf {
        let name = self.path.file_name().unwrap().to_str().unwrap();
        self.beside(&format!("{name}.comeback"))
    }

    pub fn name(&self) -> &str {
        self.path.to_str().unwrap()
    }

    pub fn hash(&self) -> String {
        hash(&self.path)
    }

    pub fn write(&self, offset: u64, bytes: &[u8]) {
        let file = File::options().write(true).open(&self.path).unwrap();
        file.write_all_at(bytes, offset).unwrap();
    }

    pub fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        File::open(&self.path)
            .unwrap()
            .read_exact_at(&mut bytes, offset)
            .unwrap();
        bytes
    }

    /// Sets bits of a 32-bit field of the superblock.
    pub fn set_superblock_bits(&self, field: u64, bits: u32) {
        let bytes = self.read(SUPERBLOCK + field, 4);
        let value = u32::from_le_bytes(bytes.try_into().unwrap()) | bits;
        self.write(SUPERBLOCK + field, &value.to_le_bytes());
    }

    /// Changes the file system as a running guest would: without leaving a trace in the image's name or size.
    pub fn debugfs(&self, commands: &str) {
        let script = self.beside("debugfs.txt");
        fs::write(&script, commands).unwrap();
        let out = Command::new("debugfs")
            .args(["-w", "-f"])
            .args([&script, &self.path])
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "debugfs: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        fs::remove_file(script).unwrap();
    }

    /// Runs `comeback COMMAND DISK ARGUMENTS…`.
    pub fn run(&self, command: &str, arguments: &[&str]) -> Run {
        let mut all = vec![command, self.name()];
        all.extend(arguments);
        comeback(&all)
    }

    /// The same, which must end with `code`.
    #[track_caller]
    pub fn runs(&self, code: i32, command: &str, arguments: &[&str]) -> Run {
        let run = self.run(command, arguments);
        run.ended_with(code);
        run
    }

    /// The command must end with `code` and say all of `words`, and nothing may have been written, neither to the disk
    /// nor beside it.
    #[track_caller]
    pub fn refused(&self, code: i32, command: &str, arguments: &[&str], words: &[&str]) -> Run {
        let before = (self.hash(), self.names());
        let run = self.runs(code, command, arguments);
        for word in words {
            assert!(run.err.contains(word), "{word:?} is not in:\n{}", run.err);
        }
        let disk = self.path.file_name().unwrap().to_str().unwrap();
        assert!(run.err.contains(disk), "the disk is not named in:\n{}", run.err);
        assert_eq!(
            (self.hash(), self.names()),
            before,
            "something was written, and said was:\n{}",
            run.err
        );
        run
    }

    /// The names in the disk's folder.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path.parent().unwrap()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Run {
    #[track_caller]
    pub fn ended_with(&self, code: i32) {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in:\n{}", self.out))
    }
}

/// The program with boot assets that are none of GRUB's, but look like them, so that no GRUB is needed.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_comeback"));
    command
        .args(arguments)
        .env("COMEBACK_BOOT_ASSETS", assets())
        .stdin(Stdio::null());
    command
}

/// Runs the program.
pub fn comeback(arguments: &[&str]) -> Run {
    run(&mut command(arguments))
}

/// Runs it as it was prepared.
pub fn run(command: &mut Command) -> Run {
    let out: Output = command.output().unwrap();
    Run {
        code: out
            .status
            .code()
            .unwrap_or_else(|| panic!("ended by a signal: {out:?}")),
        out: String::from_utf8(out.stdout).unwrap(),
        err: String::from_utf8(out.stderr).unwrap(),
    }
}

fn assets() -> &'static Path {
    static MADE: OnceLock<TempDir> = OnceLock::new();
    let folder = MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut boot = vec![0x90; 512];
        boot[0x80..0x85].copy_from_slice(b"GRUB ");
        boot[510..].copy_from_slice(&[0x55, 0xaa]);
        let mut core = noise(30_000, 1);
        core[..512].fill(0);
        core[0x1f4..0x200].copy_from_slice(&[2, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0x20, 0x08]);
        core[0x218..0x21c].copy_from_slice(&[0xff, 0xff, 0xff, 0]);
        fs::write(folder.path().join("boot.img"), boot).unwrap();
        fs::write(folder.path().join("core.img"), core).unwrap();
        folder
    });
    folder.path()
}

/// Bytes without any order, the same for the same seed.
pub fn noise(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// A checksum of a file's length and content. Most of these disks is zero, which is quickly told.
pub fn hash(path: &Path) -> String {
    const BLOCK: usize = 64 << 10;
    let file = File::open(path).unwrap();
    let size = file.metadata().unwrap().len();
    let zeros = vec![0; BLOCK];
    let mut block = vec![0; BLOCK];
    let mut sha256 = Sha256::new();
    sha256.update(size.to_le_bytes());
    for offset in (0..size).step_by(BLOCK) {
        let len = (size - offset).min(BLOCK as u64) as usize;
        file.read_exact_at(&mut block[..len], offset).unwrap();
        if block[..len] != zeros[..len] {
            sha256.update(offset.to_le_bytes());
            sha256.update(&block[..len]);
        }
    }
    sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs a program that must succeed.
#[track_caller]
pub fn program(name: &str, arguments: &[impl AsRef<OsStr>]) -> String {
    let out = Command::new(name).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(
        out.status.success(),
        "{name}: {text}{}",
        String::from_utf8_lossy(&out.stderr)
    );
    text
}

/// `e2fsck` must find nothing to complain of, at this offset in bytes.
#[track_caller]
pub fn fsck(path: &Path, offset: u64) {
    let target = format!("{}?offset={offset}", path.display());
    program("e2fsck", &["-fn", &target]);
}

/// Says that a test could not be made here. Printed past the test's capture, as nobody looks for what was not tested.
pub fn skip(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
