//! What the tests of this module share: file systems made by mke2fs, judged by e2fsck and debugfs.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use super::{Access, Ext};
use crate::io::{ReadAt, WriteAt, check_bounds};

/// 2026-01-02, the time at which everything happens.
pub(super) const NOW: i64 = 1_767_312_000;

/// The file systems that everything is tested on: name and arguments of mke2fs.
pub(super) const VARIANTS: &[(&str, &[&str])] = &[
    ("ext2 1k", &["-t", "ext2", "-b", "1024"]),
    ("ext2 4k", &["-t", "ext2", "-b", "4096"]),
    ("ext3 1k", &["-t", "ext3", "-b", "1024", "-I", "128"]),
    ("ext3 4k", &["-t", "ext3", "-b", "4096", "-I", "128"]),
    (
        "ext4 of 2012, 1k",
        &["-t", "ext4", "-b", "1024", "-O", "^64bit,^metadata_csum,uninit_bg"],
    ),
    (
        "ext4 of 2012, 4k",
        &["-t", "ext4", "-b", "4096", "-O", "^64bit,^metadata_csum,uninit_bg"],
    ),
    ("ext4 1k", &["-t", "ext4", "-b", "1024"]),
    ("ext4 4k", &["-t", "ext4", "-b", "4096"]),
    (
        "ext4 small groups",
        &["-t", "ext4", "-b", "1024", "-g", "1024", "-G", "4"],
    ),
    (
        "ext4 no flex_bg",
        &["-t", "ext4", "-b", "1024", "-g", "2048", "-O", "^flex_bg"],
    ),
    (
        "ext4 meta_bg",
        &["-t", "ext4", "-b", "1024", "-g", "1024", "-O", "meta_bg,^resize_inode"],
    ),
    (
        "ext4 bigalloc",
        &["-t", "ext4", "-b", "1024", "-O", "bigalloc", "-C", "16384"],
    ),
    (
        "ext4 bigalloc 4k",
        &["-t", "ext4", "-b", "4096", "-O", "bigalloc", "-C", "16384"],
    ),
    (
        "ext4 inline data",
        &["-t", "ext4", "-b", "4096", "-I", "256", "-O", "inline_data"],
    ),
    (
        "ext4 csum seed",
        &["-t", "ext4", "-b", "4096", "-O", "metadata_csum_seed"],
    ),
];

/// An image in a temporary file, that counts and fails on request.
#[derive(Debug)]
pub(super) struct Disk {
    file: File,
    path: PathBuf,
    size: u64,
    pub(super) bytes_read: AtomicU64,
    pub(super) bytes_written: AtomicU64,
    pub(super) writes: AtomicU64,
    /// The number of the write that fails; `u64::MAX`: none.
    pub(super) fail_at: AtomicU64,
}

impl Disk {
    pub(super) fn open(path: &Path) -> Arc<Disk> {
        let file = File::options().read(true).write(true).open(path).unwrap();
        Arc::new(Disk {
            size: file.metadata().unwrap().len(),
            file,
            path: path.to_owned(),
            bytes_read: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            fail_at: AtomicU64::new(u64::MAX),
        })
    }

    pub(super) fn ext(self: &Arc<Self>, access: Access) -> Ext {
        Ext::open(self.clone(), access, NOW).unwrap()
    }

    /// Runs `e2fsck -fn`, which must find nothing.
    pub(super) fn check(&self, when: &str) {
        let out = Command::new("e2fsck").arg("-fn").arg(&self.path).output().unwrap();
        assert!(out.status.success(), "e2fsck {when}: {}", text(&out));
    }

    /// The output of a command of debugfs.
    pub(super) fn debugfs(&self, command: &str) -> String {
        let out = Command::new("debugfs")
            .args(["-R", command])
            .arg(&self.path)
            .output()
            .unwrap();
        assert!(out.status.success(), "debugfs {command}: {}", text(&out));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// A file's content as debugfs sees it.
    pub(super) fn dump(&self, path: &str) -> Vec<u8> {
        let out = Command::new("debugfs")
            .args(["-R", &format!("cat {path}")])
            .arg(&self.path)
            .output()
            .unwrap();
        out.stdout
    }

    /// Runs a command of debugfs that changes something.
    pub(super) fn debugfs_write(&self, command: &str) {
        let out = Command::new("debugfs")
            .args(["-w", "-R", command])
            .arg(&self.path)
            .output()
            .unwrap();
        assert!(out.status.success(), "debugfs -w {command}: {}", text(&out));
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }
}

impl ReadAt for Disk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        check_bounds(offset, buf.len(), self.size)?;
        self.bytes_read.fetch_add(buf.len() as u64, SeqCst);
        self.file.read_exact_at(buf, offset)
    }
}

impl WriteAt for Disk {
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        check_bounds(offset, data.len(), self.size)?;
        if self.writes.fetch_add(1, SeqCst) == self.fail_at.load(SeqCst) {
            return Err(io::Error::other("the disk caught fire"));
        }
        self.bytes_written.fetch_add(data.len() as u64, SeqCst);
        self.file.write_all_at(data, offset)
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

fn text(out: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    )
}

/// Runs a program that must succeed.
pub(super) fn run(program: &str, args: &[&str]) -> String {
    let out = Command::new(program).args(args).output().unwrap();
    assert!(out.status.success(), "{program} {args:?}: {}", text(&out));
    text(&out)
}

/// Bytes that differ from block to block.
pub(super) fn pattern(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 8) as u8
        })
        .collect()
}

/// A temporary folder, in memory where there is one: e2fsprogs wait for the medium whenever they end.
pub(super) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// A folder as a small guest has it.
pub(super) fn guest(root: &Path) {
    let write = |path: &str, content: &[u8]| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    let link = |target: &str, path: &str| std::os::unix::fs::symlink(target, root.join(path)).unwrap();
    write(
        "boot/grub/menu.lst",
        b"default 0\ntimeout 3\n\ntitle Linux\n\troot (hd0)\n\tkernel /boot/vmlinuz\n",
    );
    write("boot/vmlinuz", &pattern(700_001, 7));
    write("etc/fstab", &b"/dev/xvda1 / ext3 defaults 0 1\n".repeat(40));
    write("etc/empty", b"");
    for i in 0..400 {
        write(
            &format!("lib/modules/module-with-a-long-name-{i:03}.ko"),
            &pattern(i * 7, i as u32),
        );
    }
    link("menu.lst", "boot/grub/grub.conf");
    link("/boot/grub/grub.conf", "etc/grub.conf");
    link("../../../../etc/../etc/fstab", "etc/up");
    link("round", "etc/round");
    link("nowhere", "etc/dangling");
    link(&format!("/{}etc/fstab", "etc/../".repeat(20)), "etc/slow");
    let sparse = File::create(root.join("sparse")).unwrap();
    sparse.write_all_at(b"start", 0).unwrap();
    sparse.write_all_at(b"end", 300_000).unwrap();
    sparse.set_len(400_000).unwrap();
}

/// A file system of `mib` MiB with [`guest`] in it, its directories indexed where it can. What mke2fs makes is made once
/// for all tests of a process.
pub(super) fn image(folder: &Path, arguments: &[&str], mib: u64) -> Arc<Disk> {
    let tree = folder.join("tree");
    if !tree.exists() {
        guest(&tree);
    }
    let path = folder.join("image");
    let _ = fs::remove_file(&path);
    let made = MADE.lock().unwrap().entry(key(arguments, mib)).or_default().clone();
    made.get_or_init(|| Blocks::read(&make(&path, &tree, arguments, mib)))
        .write(&path);
    Disk::open(&path)
}

/// The file systems that were made so far, by how. Each has a cell of its own, so that two tests that want different ones do
/// not wait for each other.
static MADE: LazyLock<Mutex<HashMap<String, Arc<OnceLock<Blocks>>>>> = LazyLock::new(Mutex::default);

fn key(arguments: &[&str], mib: u64) -> String {
    format!("{mib} {}", arguments.join(" "))
}

fn make(path: &Path, tree: &Path, arguments: &[&str], mib: u64) -> PathBuf {
    let name = path.to_str().unwrap();
    let size = format!("{mib}M");
    let tree = tree.to_str().unwrap();
    run(
        "mke2fs",
        &[&["-q", "-F", "-d", tree][..], arguments, &[name, &size]].concat(),
    );
    // Makes index trees of the larger directories; 1 means that it changed something.
    let out = Command::new("e2fsck").args(["-fyD", name]).output().unwrap();
    assert!(matches!(out.status.code(), Some(0 | 1)), "{}", text(&out));
    path.to_owned()
}

/// An image without the blocks that are nothing but zeros.
struct Blocks {
    size: u64,
    blocks: Vec<(u64, Vec<u8>)>,
}

impl Blocks {
    const LEN: usize = 4096;

    fn read(path: &Path) -> Blocks {
        let bytes = fs::read(path).unwrap();
        let blocks = bytes
            .chunks(Self::LEN)
            .enumerate()
            .filter(|(_, block)| **block != [0; Self::LEN][..block.len()]);
        Blocks {
            size: bytes.len() as u64,
            blocks: blocks
                .map(|(index, block)| ((index * Self::LEN) as u64, block.to_vec()))
                .collect(),
        }
    }

    fn write(&self, path: &Path) {
        let file = File::create(path).unwrap();
        file.set_len(self.size).unwrap();
        for (offset, block) in &self.blocks {
            file.write_all_at(block, *offset).unwrap();
        }
    }
}
