//! Tests over whole file systems: what e2fsprogs makes, we read; what we write, e2fsprogs finds no fault with.

use std::fs;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use super::testing::{Disk, NOW, VARIANTS, folder, image, pattern, run};
use super::{Access, Ext, ExtError, Extent, Kind, NewFile, Superblock};
use crate::io::{Memory, ReadAt, WriteAt};
use crate::tree::{self, FileTree, TreeError};
use crate::view::View;

fn each(mut test: impl FnMut(&str, &std::path::Path, Arc<Disk>)) {
    let folder = folder();
    for (name, arguments) in VARIANTS {
        test(name, &folder.path().join("tree"), image(folder.path(), arguments, 32));
    }
}

impl Ext {
    fn handle_map(&self, path: &str) -> Vec<super::sys::Run> {
        let inode = self.metadata(path).unwrap().inode as u32;
        self.handle().map(inode).unwrap()
    }
}

fn new_file(mode: u32) -> NewFile {
    NewFile {
        mode,
        uid: 70_000,
        gid: 8,
        time: 4_000_000_000,
        ..NewFile::default()
    }
}

#[test]
fn what_mke2fs_puts_in_comes_out() {
    each(|name, tree, disk| {
        let before = disk.bytes();
        let ext = disk.ext(Access::Read);
        for file in ["boot/vmlinuz", "boot/grub/menu.lst", "etc/fstab", "etc/empty", "sparse"] {
            let expected = fs::read(tree.join(file)).unwrap();
            let mut seen = ext.read(&format!("/{file}"), 1 << 20).unwrap();
            if name.contains("inline") && file == "sparse" {
                // mke2fs 1.47.0 loses the hole at the end of a file when inline data is on.
                seen.resize(expected.len(), 0);
            }
            let differ = seen.iter().zip(&expected).position(|(a, b)| a != b);
            assert!(
                seen.len() == expected.len() && differ.is_none(),
                "{name}: {file} differs at {differ:?}"
            );
        }
        let modules = ext.read_dir("/lib/modules").unwrap();
        assert_eq!(modules.len(), 400, "{name}");
        for module in modules {
            let path = format!("lib/modules/{module}");
            assert!(
                ext.read(&format!("/{path}"), 1 << 20).unwrap() == fs::read(tree.join(path)).unwrap(),
                "{name}"
            );
        }
        assert_eq!(
            ext.read_dir("/etc/").unwrap(),
            ["dangling", "empty", "fstab", "grub.conf", "round", "slow", "up"]
        );
        assert_eq!(
            ext.canonical("/etc/grub.conf").unwrap(),
            "/boot/grub/menu.lst",
            "{name}"
        );
        assert_eq!(ext.canonical("/etc/up").unwrap(), "/etc/fstab");
        assert_eq!(ext.canonical("/../..").unwrap(), "/");
        assert_eq!(ext.metadata("/etc/slow").unwrap().size, 31 * 40, "{name}");
        assert_eq!(ext.read_link("/etc/slow").unwrap().len(), 150);
        assert_eq!(ext.symlink_metadata("/etc/up").unwrap().kind, tree::Kind::Symlink);
        assert!(matches!(
            ext.metadata("/etc/round"),
            Err(TreeError::TooManyLinks { .. })
        ));
        assert!(ext.metadata("/etc/dangling").unwrap_err().is_not_found());
        assert!(ext.metadata("/etc/fstab/x").is_err());
        assert!(matches!(ext.open("/etc").map(drop), Err(TreeError::WrongKind { .. })));
        assert!(matches!(
            ext.read("/boot/vmlinuz", 1000),
            Err(TreeError::TooLarge { size: 700_001, .. })
        ));
        ext.close().unwrap();
        assert!(
            disk.bytes() == before && disk.writes.load(SeqCst) == 0,
            "{name}: reading wrote"
        );
    });
}

#[test]
fn opening_for_writing_alone_writes_nothing() {
    each(|name, _, disk| {
        let ext = disk.ext(Access::Write);
        ext.metadata("/etc/fstab").unwrap();
        ext.close().unwrap();
        assert_eq!(disk.writes.load(SeqCst), 0, "{name}");
    });
}

/// `stat` of debugfs without the lines that tell of size and blocks.
fn stat(disk: &Disk, path: &str) -> String {
    disk.debugfs(&format!("stat {path}"))
        .lines()
        .take_while(|line| !line.starts_with("EXTENTS") && !line.starts_with("BLOCKS"))
        .filter(|line| !line.contains("Size:") && !line.contains("Blockcount:") && !line.contains("checksum"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn replaced_files_keep_everything_else() {
    each(|name, _, disk| {
        let set = |value: &str| disk.debugfs_write(&format!("set_inode_field /etc/fstab {value}"));
        set("mtime 20110203040506");
        set("atime 20120203040506");
        set("ctime 20130203040506");
        if !name.starts_with("ext3") {
            set("mtime_extra 0x1234560");
        }
        disk.debugfs_write("ea_set /etc/fstab security.selinux system_u:object_r:etc_t:s0");
        disk.debugfs_write("ln /etc/fstab /etc/fstab.hard");
        disk.debugfs_write("set_inode_field /etc/fstab links_count 2");
        disk.check("before");
        let before = stat(&disk, "/etc/fstab");
        let blocks_before = disk.ext(Access::Read).extents("/etc/fstab").unwrap();
        for size in [
            1240, 1239, 0, 1, 60, 61, 200, 1024, 4096, 4097, 16384, 100_000, 300_000, 5_000_000, 70_000, 3000, 0, 31,
        ] {
            let content = pattern(size, size as u32);
            let ext = disk.ext(Access::Write);
            let result = ext.write_file("/etc/fstab", &content, false);
            assert!(result.is_ok(), "{name}: {size}: {result:?}");
            assert!(ext.read("/etc/fstab", 1 << 23).unwrap() == content, "{name}: {size}");
            if (1239..=1240).contains(&size) {
                assert_eq!(ext.extents("/etc/fstab").unwrap(), blocks_before, "{name}");
            }
            ext.close().unwrap();
            disk.check(&format!("{name}: {size}"));
            assert!(disk.dump("/etc/fstab.hard") == content, "{name}: {size}");
            let after = stat(&disk, "/etc/fstab");
            if name.contains("inline") {
                // Data leaves the inode for a block, and its flags and attributes say so.
                let times = |stat: &str| {
                    stat.lines()
                        .filter(|l| l.contains("time:"))
                        .collect::<Vec<_>>()
                        .join("\n")
                };
                assert_eq!(times(&after), times(&before), "{name}: {size}");
            } else {
                assert_eq!(after, before, "{name}: {size}");
            }
            let xattrs = disk.ext(Access::Read).xattrs("/etc/fstab").unwrap();
            assert_eq!(
                xattrs,
                [("security.selinux".to_owned(), b"system_u:object_r:etc_t:s0".to_vec())],
                "{name}"
            );
        }
        let ext = disk.ext(Access::Write);
        let content = pattern(350_000, 5);
        ext.write_file("/sparse", &content, false).unwrap();
        ext.write_file("/etc/grub.conf", b"through a link", false).unwrap();
        ext.close().unwrap();
        disk.check(&format!("{name}: holes filled"));
        assert!(disk.dump("/sparse") == content, "{name}");
        let mut dumped = disk.dump("/boot/grub/menu.lst");
        if name.contains("inline") {
            // debugfs prints all of the room in the inode.
            dumped.retain(|&byte| byte != 0);
        }
        assert_eq!(dumped, b"through a link", "{name}");
    });
}

#[test]
fn new_files_directories_and_links() {
    each(|name, _, disk| {
        let ext = disk.ext(Access::Write);
        let step = |what: &str| {
            ext.flush().unwrap();
            disk.check(&format!("{name}: {what}"));
        };
        ext.create_dir("/boot/comeback", &new_file(0o2750)).unwrap();
        step("directory");
        let label = ("security.selinux".to_owned(), b"system_u:object_r:boot_t:s0\0".to_vec());
        for (i, size) in [0, 1, 70, 5000, 200_000, 1_000_000].into_iter().enumerate() {
            for contiguous in [false, true] {
                let path = format!("/boot/comeback/{i}-{contiguous}");
                let content = pattern(size, 3);
                let new = NewFile {
                    contiguous,
                    immutable: i == 4,
                    xattrs: vec![label.clone(), ("user.comeback".to_owned(), vec![7; 300])],
                    ..new_file(0o640)
                };
                ext.create_file(&path, &content, &new).unwrap();
                step(&path);
                assert!(disk.dump(&path) == content, "{name}: {path}");
                let extents = ext.extents(&path).unwrap();
                if contiguous && size > 0 {
                    assert_eq!(extents.len(), 1, "{name}: {extents:?}");
                }
                assert_eq!(extents.iter().map(|e| e.len).sum::<u64>(), {
                    let block = u64::from(ext.superblock().block_size);
                    (size as u64).div_ceil(block) * block
                });
                assert_eq!(ext.xattrs(&path).unwrap(), new.xattrs, "{name}: {path}");
                let metadata = ext.metadata(&path).unwrap();
                assert_eq!(
                    (metadata.mode, metadata.uid, metadata.gid, metadata.size),
                    (0o640, 70_000, 8, size as u64)
                );
                let stat = disk.debugfs(&format!("stat {path}"));
                assert!(stat.contains("User: 70000") && stat.contains("Mode:  0640"), "{stat}");
                if ext.superblock().inode_size > 128 {
                    assert_eq!(metadata.mtime, 4_000_000_000, "{name}");
                    assert!(stat.contains("mtime: 0xee6b2800:00000001"), "{name}: {stat}");
                }
                assert_eq!(ext.flags(&path).unwrap() & 0x10 != 0, i == 4);
            }
        }
        for (path, target) in [
            ("/etc/short", "fstab".to_owned()),
            ("/etc/long", "../etc/".repeat(60) + "fstab"),
        ] {
            ext.create_symlink(path, &target, &new_file(0)).unwrap();
            step(path);
            assert_eq!(ext.read_link(path).unwrap(), target, "{name}");
            assert_eq!(ext.canonical(path).unwrap(), "/etc/fstab", "{name}");
            assert_eq!(ext.symlink_metadata(path).unwrap().uid, 70_000);
        }
        // An index tree that is there grows, a directory without one grows too.
        for folder in ["/lib/modules", "/boot/comeback"] {
            for i in 0..150 {
                let path = format!("{folder}/yet-another-file-with-a-name-that-takes-room-{i}");
                ext.create_file(&path, path.as_bytes(), &new_file(0o644)).unwrap();
            }
            step(folder);
        }
        assert_eq!(ext.read_dir("/lib/modules").unwrap().len(), 550, "{name}");
        let path = "/lib/modules/yet-another-file-with-a-name-that-takes-room-77";
        assert_eq!(disk.dump(path), path.as_bytes(), "{name}");
        assert!(matches!(
            ext.create_file("/etc/fstab", b"", &new_file(0)),
            Err(ExtError::Exists { .. })
        ));
        assert!(matches!(
            ext.write_file("/boot/comeback/4-true", b"", false),
            Err(ExtError::Protected { flag: "immutable", .. })
        ));
        ext.write_file("/boot/comeback/4-true", b"forced", true).unwrap();
        ext.set_immutable("/boot/comeback/4-true", false).unwrap();
        ext.set_xattr("/etc/fstab", "security.selinux", b"x").unwrap();
        step("flags");
        ext.remove_file("/boot/comeback/4-true", false).unwrap();
        step("removed");
        ext.remove_file("/boot/comeback/5-false", false).unwrap();
        ext.remove_file("/etc/long", false).unwrap();
        ext.remove_file("/lib/modules/module-with-a-long-name-300.ko", false)
            .unwrap();
        step("more removed");
        assert!(!ext.exists("/boot/comeback/4-true") && !ext.exists("/etc/long") && ext.exists("/etc/fstab"));
        assert!(matches!(
            ext.remove_file("/etc", false),
            Err(ExtError::Tree(TreeError::WrongKind { .. }))
        ));
        assert_eq!(ext.metadata("/boot/comeback").unwrap().mtime, NOW);
    });
}

#[test]
fn used_ranges_are_what_e2fsprogs_counts() {
    each(|name, _, disk| {
        let ext = disk.ext(Access::Read);
        let superblock = ext.superblock();
        let used: u64 = ext.used_ranges().unwrap().iter().map(|r| r.end - r.start).sum();
        let unaccounted = u64::from(superblock.first_data_block);
        let expected = superblock.blocks - superblock.free_blocks;
        let block = u64::from(superblock.block_size);
        // Block 0 is in no bitmap when it is the boot block; e2fsck counts it as used nonetheless.
        assert!(
            used == expected * block || used == (expected + unaccounted) * block,
            "{name}: {used} of {}",
            expected * block
        );
        assert_eq!(ext.free_blocks(), superblock.free_blocks, "{name}");
        assert_eq!(ext.free_inodes(), u64::from(superblock.free_inodes), "{name}");
        // A copy of nothing but these ranges is the same file system.
        let bytes = disk.bytes();
        let mut copy = vec![0; bytes.len()];
        for range in ext.used_ranges().unwrap() {
            let range = range.start as usize..range.end as usize;
            copy[range.clone()].copy_from_slice(&bytes[range]);
        }
        let folder = folder();
        let path = folder.path().join("copy");
        fs::write(&path, copy).unwrap();
        Disk::open(&path).check(name);
    });
}

#[test]
fn the_superblock_is_read_as_dumpe2fs_prints_it() {
    each(|name, _, disk| {
        let superblock = Superblock::read(&disk).unwrap().unwrap();
        let printed = disk.debugfs("stats -h");
        let field = |key: &str| {
            let line = printed
                .lines()
                .find(|l| l.starts_with(key))
                .unwrap_or_else(|| panic!("{key} in {printed}"));
            line[key.len()..].trim().to_owned()
        };
        assert_eq!(field("Filesystem UUID:"), superblock.uuid.to_string(), "{name}");
        assert_eq!(field("Block count:"), superblock.blocks.to_string());
        assert_eq!(field("Free blocks:"), superblock.free_blocks.to_string());
        assert_eq!(field("Reserved block count:"), superblock.reserved_blocks.to_string());
        assert_eq!(field("Inode size:"), superblock.inode_size.to_string());
        let mut printed_features: Vec<_> = field("Filesystem features:")
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        let mut features = superblock.features.names();
        printed_features.sort();
        features.sort();
        assert_eq!(printed_features, features, "{name}");
        let kind = match &name[..4] {
            "ext2" => Kind::Ext2,
            "ext3" => Kind::Ext3,
            _ => Kind::Ext4,
        };
        assert_eq!(superblock.kind, kind, "{name}");
        assert!(superblock.state_clean && !superblock.needs_recovery && !superblock.state_has_errors);
        assert_eq!(superblock.size, 32 << 20);
    });
}

#[test]
fn every_failing_write_is_reported() {
    let folder = folder();
    for arguments in [
        &["-t", "ext3", "-b", "1024", "-I", "128"][..],
        &["-t", "ext4", "-b", "1024", "-g", "1024"],
    ] {
        let disk = image(folder.path(), arguments, 8);
        let before = disk.bytes();
        let change = || -> Result<(), ExtError> {
            let ext = Ext::open(disk.clone(), Access::Write, NOW)?;
            ext.write_file("/etc/fstab", &pattern(40_000, 1), false)?;
            ext.create_dir("/new", &new_file(0o755))?;
            ext.create_file(
                "/new/file",
                &pattern(20_000, 1),
                &NewFile {
                    contiguous: true,
                    ..new_file(0o644)
                },
            )?;
            ext.create_symlink("/new/link", &"x".repeat(80), &new_file(0))?;
            ext.set_xattr("/new/file", "user.long", &[1; 500])?;
            ext.remove_file("/boot/vmlinuz", false)?;
            ext.close()
        };
        change().unwrap();
        disk.check("with all writes");
        let writes = disk.writes.load(SeqCst);
        assert!(writes > 50, "{writes}");
        for n in 0..writes {
            fs::write(disk.path(), &before).unwrap();
            disk.writes.store(0, SeqCst);
            disk.fail_at.store(n, SeqCst);
            match change() {
                Err(ExtError::Io { source, .. }) => assert_eq!(source.to_string(), "the disk caught fire", "write {n}"),
                other => panic!("write {n} failed, and we say {other:?}"),
            }
        }
    }
}

#[test]
fn a_full_file_system_says_so() {
    let folder = folder();
    for (name, arguments) in VARIANTS.iter().filter(|(name, _)| !name.ends_with("1k")) {
        let disk = image(folder.path(), arguments, 32);
        let ext = disk.ext(Access::Write);
        let too_much = pattern(33 << 20, 1);
        let Err(ExtError::NoSpace { unit, needed, free, .. }) = ext.create_file("/big", &too_much, &new_file(0o644))
        else {
            panic!("{name}")
        };
        assert_eq!(
            (unit, needed),
            ("blocks", (33 << 20) / u64::from(ext.superblock().block_size))
        );
        assert!(free < needed, "{name}");
        drop(ext);
        // To the last block, whatever group it is in.
        let disk = image(folder.path(), arguments, 32);
        let ext = disk.ext(Access::Write);
        let half = (ext.free_blocks() / 2 * u64::from(ext.superblock().block_size)) as usize;
        let filled = ext.create_file("/half", &too_much[..half], &new_file(0o644));
        filled.unwrap();
        let mut files = 0;
        let error = loop {
            match ext.create_file(&format!("/fill-{files}"), &too_much[..100_000], &new_file(0o644)) {
                Ok(()) => files += 1,
                Err(error) => break error,
            }
        };
        assert!(
            matches!(error, ExtError::NoSpace { unit: "blocks", .. }),
            "{name}: {error}"
        );
        assert!(
            ext.free_blocks() * u64::from(ext.superblock().block_size) < 200_000,
            "{name}"
        );
        drop(ext);
    }
}

#[test]
fn nearly_all_blocks_can_be_used() {
    let folder = folder();
    for (name, arguments) in VARIANTS {
        let disk = image(folder.path(), arguments, 32);
        let ext = disk.ext(Access::Write);
        let mut files = 0;
        while ext.free_blocks() * u64::from(ext.superblock().block_size) > 1 << 20 {
            ext.create_file(&format!("/fill-{files}"), &pattern(500_000, files), &new_file(0o644))
                .unwrap();
            files += 1;
        }
        let last = files - 1;
        ext.close().unwrap();
        disk.check(name);
        assert!(disk.dump(&format!("/fill-{last}")) == pattern(500_000, last), "{name}");
    }
}

#[test]
fn no_inodes_left() {
    let folder = folder();
    for arguments in [
        &["-t", "ext3", "-N", "600"][..],
        &["-t", "ext4", "-N", "600", "-b", "1024", "-g", "4096"],
    ] {
        let disk = image(folder.path(), arguments, 32);
        let ext = disk.ext(Access::Write);
        for i in 0..ext.free_inodes() {
            ext.create_file(&format!("/etc/{i}"), b"", &new_file(0o644)).unwrap();
        }
        ext.flush().unwrap();
        disk.check("all inodes used");
        for result in [
            ext.create_file("/etc/one-more", b"", &new_file(0o644)),
            ext.create_dir("/etc/one-more", &new_file(0o644)),
            ext.create_symlink("/etc/one-more", "x", &new_file(0o644)),
        ] {
            assert!(
                matches!(
                    result,
                    Err(ExtError::NoSpace {
                        unit: "inodes",
                        needed: 1,
                        free: 0,
                        ..
                    })
                ),
                "{result:?}"
            );
        }
    }
}

#[test]
fn no_run_long_enough() {
    let folder = folder();
    let disk = image(folder.path(), &["-t", "ext4", "-b", "1024", "-g", "1024"], 32);
    let ext = disk.ext(Access::Write);
    let result = ext.create_file(
        "/run",
        &pattern(2 << 20, 1),
        &NewFile {
            contiguous: true,
            ..new_file(0o644)
        },
    );
    assert!(
        matches!(result, Err(ExtError::Fragmented { needed: 2048, .. })),
        "{result:?}"
    );
}

#[test]
fn unwritten_extents_read_as_zeros_and_become_written() {
    let folder = folder();
    let disk = image(folder.path(), &["-t", "ext4", "-b", "1024"], 32);
    disk.debugfs_write("fallocate /boot/grub/menu.lst 1 200");
    disk.debugfs_write("set_inode_field /boot/grub/menu.lst size 100000");
    let ext = disk.ext(Access::Write);
    let content = ext.read("/boot/grub/menu.lst", 1 << 20).unwrap();
    assert_eq!(content.len(), 100_000);
    assert!(content[1024..].iter().all(|&b| b == 0) && content.starts_with(b"default 0\n"));
    assert!(ext.extents("/boot/grub/menu.lst").unwrap().iter().any(|e| e.unwritten));
    let content = pattern(90_000, 3);
    ext.write_file("/boot/grub/menu.lst", &content, false).unwrap();
    ext.close().unwrap();
    disk.check("written");
    assert!(disk.dump("/boot/grub/menu.lst") == content);
}

#[test]
fn other_things_are_told_apart() {
    let open = |bytes: Vec<u8>, access| {
        Ext::open(Arc::new(Memory::new(bytes)), access, NOW)
            .unwrap_err()
            .to_string()
    };
    assert!(open(vec![0; 4096], Access::Read).starts_with("no ext2"));
    assert!(open(Vec::new(), Access::Read).starts_with("no ext2"));
    let folder = folder();
    let good = image(folder.path(), &["-t", "ext4", "-b", "1024", "-O", "^metadata_csum"], 8).bytes();
    assert_eq!(
        open(good[..7 << 20].to_vec(), Access::Read),
        "truncated: the file system has 8388608 bytes, what it is on has 7340032; copy the disk again"
    );
    let with = |at: usize, bits: u8| {
        let mut bytes = good.clone();
        bytes[1024 + at] |= bits;
        bytes
    };
    assert_eq!(
        open(with(0x63, 0x40), Access::Read),
        "libext2fs cannot read a file system with feature_incompat:0x40000000: either they are newer than the e2fsprogs that \
         comeback was built with, or the superblock is damaged; see what `dumpe2fs -h` says"
    );
    assert_eq!(
        open(with(0x64, 0x80), Access::Write),
        "libext2fs cannot write a file system with snapshot: either they are newer than the e2fsprogs that comeback was \
         built with, or the superblock is damaged; see what `dumpe2fs -h` says"
    );
    assert!(Ext::open(Arc::new(Memory::new(with(0x64, 0x80))), Access::Read, NOW).is_ok());
    assert!(open(with(0x60, 8), Access::Read).contains("external ext journal"));
    assert!(open(with(0x60, 4), Access::Write).contains("journal was not replayed"));
    let mut external = good.clone();
    external[1024 + 0xe0..1024 + 0xe4].fill(0);
    external[1024 + 0xd0..1024 + 0xe0].fill(0x11);
    assert!(open(external, Access::Write).contains("11111111-1111-1111-1111-111111111111"));
    let ext = Ext::open(Arc::new(Memory::new(good)), Access::Read, NOW).unwrap();
    assert!(matches!(
        ext.write_file("/etc/fstab", b"", false),
        Err(ExtError::ReadOnly)
    ));
}

/// The whole point of loading bitmaps by group: a disk of 1 TiB costs no more than a small one.
#[test]
fn a_tebibyte_costs_little() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    for kind in ["ext3", "ext4"] {
        let _ = fs::remove_file(&path);
        let lazy = "lazy_itable_init=1,lazy_journal_init=1";
        // An ext3 cannot be lazy: with the usual number of inodes their tables alone are 16 GiB of room for the test.
        run(
            "mke2fs",
            &[
                "-q",
                "-F",
                "-t",
                kind,
                "-T",
                "largefile4",
                "-E",
                lazy,
                path.to_str().unwrap(),
                "1T",
            ],
        );
        let disk = Disk::open(&path);
        disk.debugfs_write("write /etc/hostname menu.lst");
        let ext = disk.ext(Access::Write);
        let content = pattern(200 << 10, 1);
        ext.create_file(
            "/core.img",
            &content,
            &NewFile {
                contiguous: true,
                ..new_file(0o600)
            },
        )
        .unwrap();
        ext.write_file("/menu.lst", &pattern(9000, 1), false).unwrap();
        let extents = ext.extents("/core.img").unwrap();
        ext.close().unwrap();
        assert!(matches!(extents[..], [Extent { len: 204_800, .. }]), "{extents:?}");
        let (read, written) = (disk.bytes_read.load(SeqCst), disk.bytes_written.load(SeqCst));
        println!("{kind}: {read} bytes read, {written} written");
        assert!(read < 2 << 20, "{kind}: {read} bytes read");
        assert!(written < 512 << 10, "{kind}: {written} bytes written");
        assert!(disk.dump("/core.img") == content);
        if kind == "ext4" {
            disk.check("1 TiB");
        }
    }
}

/// Whatever is damaged: an answer, no panic, no hang, no memory without end; and libext2fs survives.
#[test]
fn random_damage() {
    let folder = folder();
    let mut outcomes = [0, 0, 0];
    for (_, arguments) in VARIANTS {
        let disk = image(folder.path(), arguments, 32);
        let good = Arc::new(Memory::new(disk.bytes()));
        let ext = disk.ext(Access::Read);
        let block = u64::from(ext.superblock().block_size);
        // Metadata lies in the first blocks of the groups, and in what the directories and files are made of.
        let mut places: Vec<u64> = ext
            .used_ranges()
            .unwrap()
            .iter()
            .flat_map(|r| [r.start, r.start + block])
            .collect();
        places.extend((1..40).map(|i| i * block));
        for path in ["/", "/etc", "/lib/modules", "/boot/grub"] {
            places.extend(ext.handle_map(path).iter().map(|run| run.physical * block));
        }
        drop(ext);
        for round in 0..40_u32 {
            // A view, so that no round copies the whole disk.
            let medium = Arc::new(View::new(good.clone()));
            let noise = pattern(400, round + 1000);
            for flip in noise.chunks_exact(10).take(1 + round as usize) {
                let word = |i: usize| usize::from(u16::from_le_bytes([flip[i], flip[i + 1]]));
                let place = places[word(0) % places.len()] as usize + word(2) % block as usize;
                let at = match flip[8] % 8 {
                    0 => 1024 + word(2) % 0x180,
                    _ => place,
                };
                medium.write_at(at as u64 % good.size(), &[flip[4]]).unwrap();
            }
            if round % 2 == 0 {
                // A checksum would end most rounds at the superblock.
                repair_checksum(&medium);
            }
            outcomes[0] += 1;
            let Ok(ext) = Ext::open(medium.clone(), Access::Write, NOW) else {
                continue;
            };
            outcomes[1] += 1;
            for path in ["/", "/etc", "/lib/modules", "/boot/grub", "/lost+found"] {
                for entry in ext.read_dir(path).unwrap_or_default() {
                    let _ = ext.read(&format!("{path}/{entry}"), 1 << 20);
                    let _ = ext.xattrs(&format!("{path}/{entry}"));
                }
            }
            let _ = ext.used_ranges();
            let content = pattern(30_000, round);
            let new = NewFile {
                contiguous: round % 4 < 2,
                xattrs: vec![("user.x".to_owned(), vec![1; 400])],
                ..new_file(0o644)
            };
            let results = [
                ext.write_file("/etc/fstab", &content, false),
                ext.create_dir("/etc/new", &new_file(0o755)),
                ext.create_file("/lib/modules/new-with-a-name-of-some-length", &content, &new),
                ext.create_symlink("/etc/new/link", "x", &new_file(0)),
                ext.remove_file("/boot/vmlinuz", false),
                ext.flush(),
            ];
            outcomes[2] += usize::from(results.iter().all(Result::is_ok));
        }
    }
    println!("{outcomes:?}");
    assert!(
        outcomes[1] > 100 && outcomes[2] > 30 && outcomes[2] < outcomes[0],
        "{outcomes:?}"
    );
}

/// Makes the superblock's checksum fit again.
fn repair_checksum(medium: &View) {
    let mut superblock = [0; 0x3fc];
    medium.read_at(1024, &mut superblock).unwrap();
    let sum = !::crc32c::crc32c(&superblock);
    medium.write_at(1024 + 0x3fc, &sum.to_le_bytes()).unwrap();
}

#[test]
fn streams_are_read_in_large_pieces() {
    let folder = folder();
    let disk = image(folder.path(), &["-t", "ext4"], 32);
    let ext = disk.ext(Access::Read);
    let mut stream = ext.open("/boot/vmlinuz").unwrap();
    let mut head = [0; 10];
    stream.read_exact(&mut head).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!([&head[..], &rest].concat(), pattern(700_001, 7));
}
