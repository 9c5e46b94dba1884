//! Disks that hold something else than can be converted: other file systems, odd tables, damage.

use std::fs::File;

use crate::support::{Disk, GUEST};

const MIB: u64 = 1 << 20;

/// Neither `inspect` nor `convert` works, both say why, and nothing is written.
#[track_caller]
fn refused(disk: &Disk, code: i32, words: &[&str]) {
    disk.refused(code, "inspect", &[], words);
    disk.refused(code, "convert", &["--dry-run"], words);
    disk.refused(code, "convert", &[], words);
    let output = disk.beside("new.img");
    disk.refused(
        code,
        "convert",
        &["--layout", "partitioned", "--output", output.to_str().unwrap()],
        words,
    );
}

#[test]
fn luks() {
    let disk = Disk::of(4 * MIB, &[(0, b"LUKS\xba\xbe\0\x01")]);
    refused(&disk, 1, &["LUKS 1 encrypted volume", "cryptsetup", "decrypted"]);
}

#[test]
fn lvm() {
    let disk = Disk::of(4 * MIB, &[(512, b"LABELONE"), (512 + 24, b"LVM2 001")]);
    refused(&disk, 1, &["LVM physical volume", "vgchange -ay"]);
}

#[test]
fn xfs_on_the_bare_disk() {
    let disk = Disk::of(4 * MIB, &[(0, b"XFSB")]);
    refused(&disk, 1, &["XFS", "no room for boot code", "ext4"]);
}

#[test]
fn btrfs_on_the_bare_disk() {
    let disk = Disk::of(4 * MIB, &[(0x1_0040, b"_BHRfS_M")]);
    refused(&disk, 1, &["Btrfs", "ext4"]);
}

#[test]
fn nothing_but_zeros() {
    refused(
        &Disk::of(4 * MIB, &[]),
        1,
        &["no root file system", "nothing (all zero)", "root volume"],
    );
}

#[test]
fn noise() {
    let disk = Disk::of(4 * MIB, &[(0, &crate::support::noise(MIB as usize, 3))]);
    refused(&disk, 1, &["no root file system", "unknown content"]);
}

#[test]
fn a_file_system_without_a_system() {
    let disk = Disk::edited(GUEST, |root| {
        std::fs::remove_dir_all(root.join("etc")).unwrap();
    });
    refused(&disk, 1, &["no root file system", "/etc/fstab"]);
}

#[test]
fn a_truncated_image() {
    let disk = Disk::usual();
    File::options()
        .write(true)
        .open(&disk.path)
        .unwrap()
        .set_len(32 * MIB)
        .unwrap();
    refused(&disk, 3, &["truncated", "67108864", "33554432", "copy the disk again"]);
}

#[test]
fn a_truncated_image_with_partitions() {
    let disk = Disk::golden("sector-63");
    File::options()
        .write(true)
        .open(&disk.path)
        .unwrap()
        .set_len(32 * MIB)
        .unwrap();
    refused(&disk, 3, &["truncated", "partition 1", "copy the disk again"]);
}

/// An MBR with these entries: type, first sector, number of sectors.
fn mbr(entries: &[(u8, u32, u32)]) -> Vec<u8> {
    let mut sector = vec![0; 512];
    sector[440..444].copy_from_slice(&[1, 2, 3, 4]);
    for (entry, (kind, start, sectors)) in sector[446..510].chunks_exact_mut(16).zip(entries) {
        entry[4] = *kind;
        entry[8..12].copy_from_slice(&start.to_le_bytes());
        entry[12..].copy_from_slice(&sectors.to_le_bytes());
    }
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

#[test]
fn partitions_that_overlap() {
    let disk = Disk::of(4 * MIB, &[(0, &mbr(&[(0x83, 100, 4000), (0x83, 2000, 4000)]))]);
    refused(&disk, 3, &["partitions 1 and 2 overlap", "sfdisk"]);
}

#[test]
fn a_partition_past_the_end() {
    let disk = Disk::of(4 * MIB, &[(0, &mbr(&[(0x83, 100, 40_000)]))]);
    refused(
        &disk,
        3,
        &["truncated", "partition 1 ends at byte", "copy the disk again"],
    );
}

#[test]
fn a_gpt_of_which_no_copy_is_left() {
    let disk = Disk::of(4 * MIB, &[(0, &mbr(&[(0xee, 1, 8191)]))]);
    refused(&disk, 3, &["neither the primary", "nor the backup", "gdisk"]);
}

#[test]
fn two_systems_on_one_disk() {
    let one = Disk::usual();
    let len = 64 * MIB;
    let disk = Disk::of(
        129 * MIB,
        &[(0, &mbr(&[(0x83, 2048, 64 * 2048), (0x83, 65 * 2048, 64 * 2048)]))],
    );
    let bytes = one.read(0, len as usize);
    disk.write(MIB, &bytes);
    disk.write(65 * MIB, &bytes);
    refused(&disk, 1, &["several root file systems", "partitions 1, 2"]);
}

/// The superblock's field of incompatible features.
const INCOMPAT: u64 = 0x60;

#[test]
fn ext_features_that_nobody_knows() {
    let disk = Disk::usual();
    disk.set_superblock_bits(INCOMPAT, 0x4000_0000);
    refused(
        &disk,
        1,
        &[
            "libext2fs cannot read a file system with",
            "feature_incompat:0x40000000",
            "newer",
            "dumpe2fs -h",
        ],
    );
}

#[test]
fn ext_features_that_forbid_writing() {
    let disk = Disk::usual();
    disk.set_superblock_bits(0x64, 0x4000_0000);
    disk.runs(1, "inspect", &[]);
    for arguments in [&[][..], &["--dry-run"]] {
        disk.refused(
            1,
            "convert",
            arguments,
            &[
                "libext2fs cannot write a file system with",
                "feature_ro_compat:0x40000000",
            ],
        );
    }
}

#[test]
fn ext_features_that_grub_cannot_read() {
    for (name, bit) in [("casefold", 0x2_0000), ("inline_data", 0x8000), ("large_dir", 0x4000)] {
        let disk = Disk::usual();
        disk.set_superblock_bits(INCOMPAT, bit);
        let inspected = disk.runs(1, "inspect", &[]);
        assert!(inspected.out.contains("fs-features-grub"), "{name}: {}", inspected.out);
        assert!(inspected.out.contains(name), "{name}: {}", inspected.out);
        disk.refused(1, "convert", &[], &["GRUB 2 cannot read", name, "remedy:"]);
        disk.refused(1, "convert", &["--dry-run"], &["GRUB 2 cannot read", name]);
    }
}

#[test]
fn encryption_that_is_switched_on_but_not_for_boot_files() {
    let disk = Disk::usual();
    disk.set_superblock_bits(INCOMPAT, 0x1_0000);
    let before = disk.hash();
    disk.runs(0, "convert", &[]);
    disk.runs(0, "inspect", &["--as", "xen-hvm"]);
    let pv = disk.runs(1, "inspect", &["--as", "pv-grub-1.03"]);
    assert!(pv.out.contains("fs-features-pv-grub"), "{}", pv.out);
    disk.runs(0, "revert", &[]);
    assert_eq!(disk.hash(), before);
}

#[test]
fn a_file_system_with_errors() {
    let disk = Disk::usual();
    // s_state is the upper half of this field.
    disk.set_superblock_bits(0x38, 2 << 16);
    let inspected = disk.runs(1, "inspect", &[]);
    assert!(inspected.out.contains("fs-errors"), "{}", inspected.out);
    for arguments in [&[][..], &["--dry-run"], &["--target", "xen-hvm"]] {
        disk.refused(1, "convert", arguments, &["marked as having errors", "e2fsck -f"]);
    }
}

#[test]
fn no_free_blocks() {
    let disk = Disk::usual();
    let filler = disk.beside("filler");
    std::fs::write(&filler, crate::support::noise(64 * MIB as usize, 5)).unwrap();
    // It says that there is no space left, which is what is wanted.
    disk.debugfs(&format!("write {} /filler\n", filler.display()));
    std::fs::remove_file(filler).unwrap();
    let inspected = disk.runs(1, "inspect", &[]);
    assert!(inspected.out.contains("fs-full"), "{}", inspected.out);
    for arguments in [&[][..], &["--dry-run"]] {
        disk.refused(
            1,
            "convert",
            arguments,
            &["no space", "free blocks", "remove some files in the guest"],
        );
    }
}

#[test]
fn no_free_inodes() {
    let disk = Disk::edited(GUEST, |root| {
        fn count(folder: &std::path::Path) -> usize {
            let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
            entries
                .map(|entry| {
                    1 + if entry.file_type().unwrap().is_dir() {
                        count(&entry.path())
                    } else {
                        0
                    }
                })
                .sum()
        }
        // 4096 of them, less 10 that are reserved and that of lost+found.
        let folder = root.join("many");
        std::fs::create_dir(&folder).unwrap();
        for number in count(root)..4096 - 11 {
            std::fs::write(folder.join(number.to_string()), "").unwrap();
        }
    });
    for arguments in [&[][..], &["--dry-run"]] {
        disk.refused(
            1,
            "convert",
            arguments,
            &["no space", "free inodes", "remove some files in the guest"],
        );
    }
}
