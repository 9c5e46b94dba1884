//! The replay against e2fsck's: the same dirty journals, then all bytes compared.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use super::super::testing::{Disk, NOW, image, pattern};
use super::super::{Access, Ext, ExtError};
use super::*;
use crate::io::{Memory, ReadAt};

/// Runs a script of debugfs.
fn debugfs(disk: &Path, script: &str) {
    let file = disk.with_extension("script");
    fs::write(&file, script).unwrap();
    let out = Command::new("debugfs")
        .args(["-w", "-f"])
        .arg(&file)
        .arg(disk)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.success() && stderr.lines().count() == 1,
        "{script}: {stderr}"
    );
}

/// The bytes without what e2fsck writes by its own clock: s_wtime, s_kbytes_written, checksum of the superblock.
fn comparable(mut bytes: Vec<u8>) -> Vec<u8> {
    for range in [0x30..0x34, 0x178..0x180, 0x274..0x275, 0x3fc..0x400] {
        bytes[1024 + range.start..1024 + range.end].fill(0);
    }
    bytes
}

/// What e2fsck makes of a dirty image.
fn e2fsck(path: &Path, bytes: &[u8]) -> Vec<u8> {
    let copy = path.with_extension("copy");
    fs::write(&copy, bytes).unwrap();
    let out = Command::new("e2fsck")
        .args(["-y", "-E", "journal_only"])
        .arg(&copy)
        .output()
        .unwrap();
    assert!(matches!(out.status.code(), Some(0 | 1)), "{out:?}");
    fs::read(&copy).unwrap()
}

/// Replays on both sides and compares.
fn compare(what: &str, path: &Path, dirty: Vec<u8>) -> (Replay, Vec<u8>) {
    let theirs = e2fsck(path, &dirty);
    let ours = Arc::new(Memory::new(dirty));
    let io: Arc<dyn WriteAt> = ours.clone();
    let done = replay(&io).unwrap_or_else(|error| panic!("{what}: {error}"));
    let (ours, theirs) = (comparable(ours.to_vec()), comparable(theirs));
    let differ = || {
        (0..ours.len())
            .filter(|&i| ours[i] != theirs[i])
            .take(20)
            .collect::<Vec<_>>()
    };
    assert!(ours == theirs, "{what}: bytes {:?} differ, {done:?}", differ());
    assert_eq!(
        replay(&io).unwrap(),
        Replay::default(),
        "{what}: a second replay does something"
    );
    (done, ours)
}

/// An image with a journal of several transactions: revoked blocks, blocks written twice, an escaped block.
fn dirty(folder: &Path, arguments: &[&str], open: &str) -> (Arc<Disk>, Vec<u64>) {
    let disk = image(folder, arguments, 32);
    let block = {
        let ext = disk.ext(Access::Read);
        u64::from(ext.superblock().block_size)
    };
    let blocks: Vec<u64> = disk
        .ext(Access::Read)
        .extents("/boot/vmlinuz")
        .unwrap()
        .iter()
        .flat_map(|e| (e.physical / block..(e.physical + e.len) / block).collect::<Vec<_>>())
        .collect();
    let data = folder.join("data");
    let mut content = pattern(150 * block as usize, 99);
    content[2 * block as usize..][..4].copy_from_slice(&MAGIC.to_be_bytes());
    fs::write(&data, &content).unwrap();
    let second = folder.join("second");
    fs::write(&second, pattern(150 * block as usize, 100)).unwrap();
    let list = |range: std::ops::Range<usize>| blocks[range].iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let (data, second) = (data.display(), second.display());
    // The kernel's v1 checksums leave revoke blocks out, those of debugfs do not.
    let revoke = |list: &[u64]| match open {
        "jo -c -v 1" => String::new(),
        _ => format!(
            "jw -r {}\n",
            list.iter().map(u64::to_string).collect::<Vec<_>>().join(",")
        ),
    };
    let script = format!(
        "{open}\njw -b {} {data}\n{}jw -b {} {second}\njw -b {} {data}\n{}jc\n",
        list(0..120),
        revoke(&blocks[5..7]),
        list(6..8),
        list(130..140),
        revoke(&blocks[139..140]),
    );
    debugfs(disk.path(), &script);
    (disk, blocks)
}

const JOURNALS: &[(&str, &[&str], &str)] = &[
    ("ext3 1k", &["-t", "ext3", "-b", "1024", "-I", "128"], "jo"),
    ("ext3 4k", &["-t", "ext3", "-b", "4096"], "jo"),
    (
        "ext4 4k, 64bit",
        &["-t", "ext4", "-b", "4096", "-O", "64bit,^metadata_csum"],
        "jo",
    ),
    (
        "ext4 1k, v1",
        &["-t", "ext4", "-b", "1024", "-O", "^64bit,^metadata_csum"],
        "jo -c -v 1",
    ),
    (
        "ext4 1k, v2",
        &["-t", "ext4", "-b", "1024", "-O", "^64bit"],
        "jo -c -v 2",
    ),
    (
        "ext4 4k, 64bit, v2",
        &["-t", "ext4", "-b", "4096", "-O", "64bit"],
        "jo -c -v 2",
    ),
    (
        "ext4 1k, v3",
        &["-t", "ext4", "-b", "1024", "-O", "^64bit"],
        "jo -c -v 3",
    ),
    (
        "ext4 4k, 64bit, v3",
        &["-t", "ext4", "-b", "4096", "-O", "64bit"],
        "jo -c -v 3",
    ),
];

fn each(mut test: impl FnMut(&str, &Disk, &[u64], Log, &Path)) {
    let folder = crate::ext::testing::folder();
    for (name, arguments, open) in JOURNALS {
        let (disk, blocks) = dirty(folder.path(), arguments, open);
        let superblock = Superblock::read(&disk).unwrap().unwrap();
        assert!(superblock.needs_recovery, "{name}");
        let io: Arc<dyn WriteAt> = disk.clone();
        let runs = disk.ext(Access::Read).handle().map(superblock.journal_inode).unwrap();
        test(
            name,
            &disk,
            &blocks,
            Log::new(io, &superblock, runs).unwrap(),
            folder.path(),
        );
    }
}

#[test]
fn the_same_bytes_as_e2fsck() {
    each(|name, disk, blocks, _, _| {
        let writing = Ext::open(Arc::new(Memory::new(disk.bytes())), Access::Write, NOW);
        assert!(matches!(writing, Err(ExtError::NeedsRecovery)), "{name}");
        let (done, after) = compare(name, disk.path(), disk.bytes());
        let v1 = name.ends_with("v1");
        assert_eq!(
            (done.transactions, done.orphans_pending),
            (if v1 { 3 } else { 5 }, false),
            "{name}"
        );
        // 120 blocks of the first transaction without 5, with 6 and 7 again; 10 of the fourth without the last.
        assert_eq!(done.blocks, if v1 { 120 + 10 } else { 119 + 9 }, "{name}");
        let size = u64::from(Superblock::read(disk).unwrap().unwrap().block_size);
        let at = |i: usize| &after[(blocks[i] * size) as usize..((blocks[i] + 1) * size) as usize];
        let block =
            |seed, i: u64| pattern(150 * size as usize, seed)[(i * size) as usize..((i + 1) * size) as usize].to_vec();
        assert!(
            at(0) == block(99, 0) && at(6) == block(100, 0) && at(7) == block(100, 1),
            "{name}"
        );
        assert_eq!(at(2)[..4], MAGIC.to_be_bytes(), "{name}");
        assert!(at(2)[4..] == block(99, 2)[4..], "{name}");
        assert_eq!(at(5) == block(99, 5), v1, "{name}: a revoked block was replayed");
    });
}

/// Moves the log so that it runs over the end of the ring.
#[test]
fn a_log_that_wraps_around() {
    each(|name, disk, _, log, _| {
        let bytes = disk.bytes();
        let size = u64::from(log.superblock().block_size);
        let mut turned = bytes.clone();
        let place = |at: u32| log.offset(at).unwrap() as usize;
        let shift = log.len() - 50;
        for i in log.superblock().first..log.superblock().last {
            let (from, to) = (place(i), place(log.after(i, shift)));
            turned[to..to + size as usize].copy_from_slice(&bytes[from..from + size as usize]);
        }
        let raw = place(0);
        let start = log.after(log.superblock().start, shift);
        turned[raw + 0x1c..raw + 0x20].copy_from_slice(&start.to_be_bytes());
        if log.superblock().has_tails() {
            let sum = log::superblock_sum(&turned[raw..]);
            turned[raw + 0xfc..raw + 0x100].copy_from_slice(&sum.to_be_bytes());
        }
        let expected = if name.ends_with("v1") { 130 } else { 128 };
        assert_eq!(compare(name, disk.path(), turned).0.blocks, expected, "{name}");
    });
}

#[test]
fn numbers_that_wrap_around() {
    each(|name, disk, _, log, _| {
        if log.superblock().checksums != Checksums::None {
            return;
        }
        let mut bytes = disk.bytes();
        let first = log.superblock().sequence;
        for i in 1..log.superblock().last {
            let at = log.offset(i).unwrap() as usize;
            if be32(&bytes, at) == MAGIC && be32(&bytes, at + 8).wrapping_sub(first) < 10 {
                let sequence = be32(&bytes, at + 8).wrapping_sub(first).wrapping_add(u32::MAX - 1);
                bytes[at + 8..at + 12].copy_from_slice(&sequence.to_be_bytes());
            }
        }
        let at = log.offset(0).unwrap() as usize;
        bytes[at + 0x18..at + 0x1c].copy_from_slice(&(u32::MAX - 1).to_be_bytes());
        assert_eq!(compare(name, disk.path(), bytes).0.blocks, 128, "{name}");
    });
}

/// The last commit block is lost: its transaction never happened.
#[test]
fn an_incomplete_transaction_is_left_out() {
    each(|name, disk, _, mut log, _| {
        let mut bytes = disk.bytes();
        let end = scan(&mut log).unwrap();
        let size = log.superblock().block_size as usize;
        for i in 1..log.superblock().last {
            let at = log.offset(i).unwrap() as usize;
            if header(&bytes[at..at + size], end.wrapping_sub(2)) == Some(COMMIT) {
                bytes[at..at + size].fill(0);
            }
        }
        let (done, _) = compare(name, disk.path(), bytes);
        let expected = if name.ends_with("v1") { (1, 120) } else { (3, 119) };
        assert_eq!((done.transactions, done.blocks), expected, "{name}");
    });
}

/// Where there are checksums, no damage to the log goes unnoticed, and nothing is written.
#[test]
fn damage_is_found_by_checksums() {
    each(|name, disk, _, log, _| {
        if log.superblock().checksums == Checksums::None {
            return;
        }
        let bytes = disk.bytes();
        let v1 = log.superblock().checksums == Checksums::V1;
        // A descriptor, a data block, and the commit block of the first transaction.
        for at in [1, 60, if v1 { 20 } else { 100 }] {
            let mut damaged = bytes.clone();
            damaged[log.offset(at).unwrap() as usize + 40] ^= 1;
            let disk = Arc::new(Memory::new(damaged.clone()));
            let io: Arc<dyn WriteAt> = disk.clone();
            let result = replay(&io);
            assert!(
                matches!(result, Err(ExtError::Journal { .. })),
                "{name}: block {at}: {result:?}"
            );
            assert!(disk.to_vec() == damaged, "{name}: written to");
        }
    });
}

#[test]
fn fast_commits_are_refused() {
    let folder = crate::ext::testing::folder();
    let (disk, _) = dirty(
        folder.path(),
        &[
            "-t",
            "ext4",
            "-b",
            "1024",
            "-O",
            "fast_commit,^metadata_csum",
            "-J",
            "size=8",
        ],
        "jo",
    );
    let superblock = Superblock::read(&disk).unwrap().unwrap();
    let runs = disk.ext(Access::Read).handle().map(superblock.journal_inode).unwrap();
    let io: Arc<dyn WriteAt> = disk.clone();
    let mut log = Log::new(io.clone(), &superblock, runs).unwrap();
    let mut bytes = disk.bytes();
    let raw = log.offset(0).unwrap() as usize;
    // debugfs does not set the journal's own flag, the kernel does at mount.
    let incompat = be32(&bytes, raw + 0x28) | 0x20;
    bytes[raw + 0x28..raw + 0x2c].copy_from_slice(&incompat.to_be_bytes());
    let clean: Arc<dyn WriteAt> = Arc::new(Memory::new(bytes.clone()));
    assert_eq!(replay(&clean).unwrap().blocks, 128);
    let end = scan(&mut log).unwrap();
    let area = match be32(&bytes, raw + 0x54) {
        0 => 256,
        blocks => blocks,
    };
    let fast = log.offset(be32(&bytes, raw + 0x10) - area + 1).unwrap() as usize;
    bytes[fast..fast + 4].copy_from_slice(&[9, 0, 8, 0]);
    bytes[fast + 8..fast + 12].copy_from_slice(&end.to_le_bytes());
    let memory: Arc<dyn WriteAt> = Arc::new(Memory::new(bytes));
    assert!(matches!(replay(&memory), Err(ExtError::FastCommits)));
}

#[test]
fn failing_writes_are_reported_and_a_second_replay_completes() {
    let folder = crate::ext::testing::folder();
    let (_, arguments, open) = JOURNALS[6];
    let (disk, _) = dirty(folder.path(), arguments, open);
    let dirty = disk.bytes();
    let io: Arc<dyn WriteAt> = disk.clone();
    replay(&io).unwrap();
    let (after, writes) = (disk.bytes(), disk.writes.load(SeqCst));
    for n in (0..writes).step_by(7).chain([writes - 2, writes - 1]) {
        fs::File::options()
            .write(true)
            .open(disk.path())
            .unwrap()
            .write_all_at(&dirty, 0)
            .unwrap();
        disk.writes.store(0, SeqCst);
        disk.fail_at.store(n, SeqCst);
        assert!(matches!(replay(&io), Err(ExtError::Io { .. })), "write {n}");
        disk.fail_at.store(u64::MAX, SeqCst);
        replay(&io).unwrap();
        // Only the number of the next transaction may have moved on, when the journal was marked empty before.
        let now = disk.bytes();
        let differ = || now.iter().zip(&after).filter(|(a, b)| a != b).count();
        assert!(now == after || (n == writes - 1 && differ() <= 8), "write {n}");
    }
}

#[test]
fn garbage_neither_panics_nor_hangs() {
    let folder = crate::ext::testing::folder();
    let (_, arguments, open) = JOURNALS[0];
    let (disk, _) = dirty(folder.path(), arguments, open);
    let superblock = Superblock::read(&disk).unwrap().unwrap();
    let runs = disk.ext(Access::Read).handle().map(superblock.journal_inode).unwrap();
    let io: Arc<dyn WriteAt> = disk.clone();
    let log = Log::new(io, &superblock, runs).unwrap();
    let bytes = disk.bytes();
    let mut outcomes = [0, 0];
    for round in 0..300_u32 {
        let noise = pattern(64, round);
        let mut damaged = bytes.clone();
        for flip in noise.chunks_exact(8) {
            // Most of it into the first blocks of the log, where it counts.
            let at = log.offset(u32::from(flip[0] % 4) * u32::from(flip[1] % 70)).unwrap() as usize;
            let within = usize::from(u16::from_le_bytes([flip[2], flip[3]])) % if flip[4] < 128 { 64 } else { 1024 };
            damaged[at + within] ^= flip[5];
        }
        let memory: Arc<dyn WriteAt> = Arc::new(Memory::new(damaged));
        outcomes[usize::from(replay(&memory).is_ok())] += 1;
        assert_eq!(memory.size(), 32 << 20);
    }
    assert!(outcomes[0] > 10 && outcomes[1] > 10, "{outcomes:?}");
}
