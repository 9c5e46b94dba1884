use std::process::Command;

use super::*;
use crate::io::{Memory, WriteAt};

const MIB: u64 = 1 << 20;

/// A disk of `size` bytes with the table that sfdisk makes of `script`.
fn sfdisk(size: u64, script: &str) -> Memory {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(size).unwrap();
    let mut child = Command::new("sfdisk")
        .arg("--quiet")
        .arg(file.path())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("the package fdisk is needed for this test");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    Memory::new(std::fs::read(file.path()).unwrap())
}

/// What sfdisk says about the bytes.
fn sfdisk_dump(disk: &Memory) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), disk.to_vec()).unwrap();
    let verify = Command::new("sfdisk")
        .arg("--verify")
        .arg(file.path())
        .output()
        .unwrap();
    assert!(verify.status.success(), "{verify:?}");
    let verify = String::from_utf8(verify.stdout).unwrap();
    assert!(verify.contains("No errors detected"), "{verify}");
    let dump = Command::new("sfdisk").arg("--dump").arg(file.path()).output().unwrap();
    assert!(dump.stderr.is_empty(), "{dump:?}");
    String::from_utf8(dump.stdout).unwrap()
}

fn patched(disk: &Memory, at: usize, bytes: &[u8]) -> Memory {
    let mut all = disk.to_vec();
    all[at..at + bytes.len()].copy_from_slice(bytes);
    Memory::new(all)
}

fn ext_magic(disk: &Memory) -> Memory {
    patched(disk, 0x438, &[0x53, 0xef])
}

#[test]
fn mbr_with_logical_partitions() {
    let script = "label: dos\nlabel-id: 0x1234abcd\n63,2000,83,*\n4096,2048,82\n8192,20000,5\n10240,1000,83\n12288,1000,8e\n14336,1000,83\n";
    let table = read(&sfdisk(20 * MIB, script)).unwrap();
    assert_eq!(table.scheme, Scheme::Mbr);
    assert_eq!(table.id.as_deref(), Some("1234abcd"));
    let seen: Vec<_> = table
        .partitions
        .iter()
        .map(|p| (p.number, p.start / 512, p.size / 512, p.kind, &*p.uuid, p.bootable))
        .collect();
    assert_eq!(
        seen,
        [
            (1, 63, 2000, Kind::Code(0x83), "1234abcd-01", true),
            (2, 4096, 2048, Kind::Code(0x82), "1234abcd-02", false),
            (5, 10240, 1000, Kind::Code(0x83), "1234abcd-05", false),
            (6, 12288, 1000, Kind::Code(0x8e), "1234abcd-06", false),
            (7, 14336, 1000, Kind::Code(0x83), "1234abcd-07", false),
        ]
    );
    assert_eq!(table.core_gap(), Some(62 * 512));
    assert_eq!(table.notes, []);
    assert_eq!(table.partition(6).map(Partition::end), Some(13288 * 512));
}

#[test]
fn a_chain_that_leads_back_ends() {
    let script = "label: dos\nlabel-id: 0x1\n2048,20000,5\n4096,1000,83\n8192,1000,83\n";
    let disk = sfdisk(20 * MIB, script);
    // The second entry of the first record points at the second record; make that one point back to the first.
    let mut second = [0; 512];
    disk.read_at((8192 - 2048) * 512, &mut second).unwrap();
    assert_eq!(
        second[510..],
        [0x55, 0xaa],
        "sfdisk puts the record 2048 sectors before the partition"
    );
    let entry = [0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
    let disk = patched(&disk, (8192 - 2048) * 512 + 446 + 16, &entry);
    let table = read(&disk).unwrap();
    assert_eq!(table.partitions.len(), 2);
    assert!(
        matches!(table.notes[..], [Note::BrokenChain { sector: 2048, .. }]),
        "{:?}",
        table.notes
    );
}

#[test]
fn gpt_reads_as_sfdisk_wrote_it() {
    let script = "label: gpt\nlabel-id: 6A5E2B4C-0000-4000-8000-0123456789AB\nfirst-lba: 34\n\
        1: start=2048, size=8192, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=AAAAAAAA-0000-4000-8000-0123456789AB, name=\"root\", attrs=LegacyBIOSBootable\n\
        128: start=34, size=2014, type=21686148-6449-6E6F-744E-656564454649, uuid=BBBBBBBB-0000-4000-8000-0123456789AB\n";
    let disk = sfdisk(20 * MIB, script);
    let table = read(&disk).unwrap();
    assert_eq!(table.scheme, Scheme::Gpt);
    assert_eq!(table.id.as_deref(), Some("6a5e2b4c-0000-4000-8000-0123456789ab"));
    assert_eq!(table.core_gap(), None);
    assert_eq!(
        table.partitions,
        [
            Partition {
                number: 1,
                start: MIB,
                size: 4 * MIB,
                kind: Kind::Guid(LINUX),
                name: "root".to_owned(),
                uuid: "aaaaaaaa-0000-4000-8000-0123456789ab".to_owned(),
                bootable: true,
            },
            Partition {
                number: 128,
                start: 34 * 512,
                size: 2014 * 512,
                kind: Kind::Guid(BIOS_BOOT),
                name: String::new(),
                uuid: "bbbbbbbb-0000-4000-8000-0123456789ab".to_owned(),
                bootable: false,
            },
        ]
    );

    let damaged = read(&patched(&disk, 520, b"x")).unwrap();
    assert_eq!(damaged.partitions, table.partitions);
    assert!(
        matches!(damaged.notes[..], [Note::PrimaryGptDamaged(_)]),
        "{:?}",
        damaged.notes
    );

    let damaged = read(&patched(&disk, 20 * MIB as usize - 512, b"x")).unwrap();
    assert_eq!(damaged.partitions, table.partitions);
    assert!(
        matches!(damaged.notes[..], [Note::BackupGptDamaged(_)]),
        "{:?}",
        damaged.notes
    );

    let both = patched(&patched(&disk, 520, b"x"), 20 * MIB as usize - 500, b"xyz");
    assert!(matches!(read(&both), Err(TableError::GptDamaged { .. })));

    let unprotected = read(&patched(&disk, 446, &[0; 66])).unwrap();
    assert_eq!(
        (unprotected.scheme, &unprotected.notes[..]),
        (Scheme::None, &[Note::GptWithoutProtectiveMbr][..])
    );

    let mut cut = disk.to_vec();
    cut.truncate(3 * MIB as usize);
    let err = read(&Memory::new(cut)).unwrap_err();
    assert_eq!(
        err.to_string(),
        "truncated image: partition 1 ends at byte 5242880, the image has 3145728 bytes; copy the disk again"
    );
}

#[test]
fn what_is_no_table() {
    let blank = Memory::new(vec![0; MIB as usize]);
    let scheme = |disk: &Memory| read(disk).unwrap().scheme;
    assert_eq!(scheme(&Memory::new(Vec::new())), Scheme::None);
    assert_eq!(scheme(&blank), Scheme::None);
    assert_eq!(scheme(&ext_magic(&blank)), Scheme::None);
    // Boot code in front of a bare file system.
    let booted = patched(&patched(&ext_magic(&blank), 0, b"\xeb\x63\x90"), 510, &[0x55, 0xaa]);
    let table = read(&booted).unwrap();
    assert_eq!((table.scheme, table.id.as_deref()), (Scheme::None, None));
    // Boot code that goes on where the entries would be, as EXTLINUX writes it.
    let mut code = [0; 66];
    code[4..16].copy_from_slice(b"\x83CHScCHSccch");
    code[64..].copy_from_slice(&[0x55, 0xaa]);
    let table = read(&patched(&ext_magic(&blank), 446, &code)).unwrap();
    assert_eq!(
        (table.scheme, table.partitions.len(), table.notes.len()),
        (Scheme::None, 0, 1)
    );
    // An empty table on an empty disk is one.
    assert_eq!(scheme(&patched(&blank, 510, &[0x55, 0xaa])), Scheme::Mbr);
    // Text where the entries would be.
    let text = patched(&patched(&blank, 440, &[b'x'; 70]), 510, &[0x55, 0xaa]);
    assert!(matches!(read(&text).unwrap().notes[..], [Note::NotATable(_)]));
}

#[test]
fn a_table_with_entries_wins_over_a_left_over_file_system() {
    let disk = ext_magic(&sfdisk(4 * MIB, "label: dos\n2048,2048,83\n"));
    assert_eq!(read(&disk).unwrap().scheme, Scheme::Mbr);
}

#[test]
fn partitions_past_the_end_or_over_each_other() {
    let disk = sfdisk(4 * MIB, "label: dos\n2048,4096,83\n");
    let mut cut = disk.to_vec();
    cut.truncate(2 * MIB as usize);
    assert!(matches!(
        read(&Memory::new(cut)),
        Err(TableError::Truncated { number: 1, end, size }) if end == 3 * MIB && size == 2 * MIB
    ));
    // A copy of the first entry, one sector later.
    let mut entry = disk.to_vec()[446..462].to_vec();
    entry[8] += 1;
    assert!(matches!(
        read(&patched(&disk, 462, &entry)),
        Err(TableError::Overlap { first: 1, second: 2 })
    ));
}

#[test]
fn the_gpt_of_the_partitioned_layout() {
    let size = 64 * MIB;
    let disk = Memory::new(vec![0xcc; size as usize]);
    let guid = |n: u128| Uuid::from_u128(0x1111_2222_4333_8444_0000_0000_0000 + n);
    let partitions = [
        NewPartition {
            number: 1,
            start: MIB,
            size: 62 * MIB,
            kind: LINUX,
            guid: guid(1),
            name: "root".to_owned(),
        },
        NewPartition {
            number: 128,
            start: 34 * 512,
            size: 2014 * 512,
            kind: BIOS_BOOT,
            guid: guid(2),
            name: "BIOS boot".to_owned(),
        },
    ];
    write_gpt(&disk, guid(0), &partitions).unwrap();
    assert_eq!(disk.to_vec()[..446], [0xcc; 446], "boot code is not ours to write");
    assert_eq!(disk.to_vec()[34 * 512..][..512], [0xcc; 512]);

    let table = read(&disk).unwrap();
    assert_eq!(table.notes, []);
    assert_eq!(table.id, Some(guid(0).to_string()));
    for (seen, new) in table.partitions.iter().zip(&partitions) {
        assert_eq!((seen.number, seen.start, seen.size), (new.number, new.start, new.size));
        assert_eq!(
            (seen.kind, &seen.uuid, &seen.name),
            (Kind::Guid(new.kind), &new.guid.to_string(), &new.name)
        );
    }
    let dump = sfdisk_dump(&disk);
    for line in [
        "start=        2048, size=      126976, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4",
        "start=          34, size=        2014, type=21686148-6449-6E6F-744E-656564454649",
        "name=\"BIOS boot\"",
    ] {
        assert!(dump.contains(line), "{line} is not in\n{dump}");
    }
}

#[test]
fn a_gpt_that_cannot_be() {
    let disk = Memory::new(vec![0; 2 * MIB as usize]);
    let good = NewPartition {
        number: 1,
        start: MIB,
        size: 512,
        kind: LINUX,
        guid: Uuid::from_u128(1),
        name: String::new(),
    };
    let cases = [
        NewPartition {
            number: 0,
            ..good.clone()
        },
        NewPartition {
            number: 129,
            ..good.clone()
        },
        NewPartition {
            start: MIB + 1,
            ..good.clone()
        },
        NewPartition {
            start: 512,
            ..good.clone()
        },
        NewPartition {
            size: MIB,
            ..good.clone()
        },
        NewPartition {
            start: u64::MAX - 511,
            ..good.clone()
        },
        NewPartition {
            size: 0,
            ..good.clone()
        },
        NewPartition {
            name: "x".repeat(37),
            ..good.clone()
        },
    ];
    for case in cases {
        assert!(
            matches!(
                write_gpt(&disk, Uuid::nil(), std::slice::from_ref(&case)),
                Err(TableError::Invalid(_))
            ),
            "{case:?}"
        );
    }
    let twice = [
        good.clone(),
        NewPartition {
            number: 2,
            guid: Uuid::from_u128(2),
            ..good.clone()
        },
    ];
    assert!(matches!(
        write_gpt(&disk, Uuid::nil(), &twice),
        Err(TableError::Invalid(_))
    ));
    assert!(disk.to_vec().iter().all(|&byte| byte == 0), "nothing was written");
    write_gpt(&disk, Uuid::nil(), &[good]).unwrap();
}

#[test]
fn a_gpt_for_large_sectors_is_named() {
    let mut bytes = vec![0; MIB as usize];
    let mut cursor = std::io::Cursor::new(&mut bytes);
    gptman::GPT::write_protective_mbr_into(&mut cursor, 4096).unwrap();
    gptman::GPT::new_from(&mut cursor, 4096, [1; 16])
        .unwrap()
        .write_into(&mut cursor)
        .unwrap();
    assert!(matches!(read(&Memory::new(bytes)), Err(TableError::SectorSize)));
}

proptest::proptest! {
    /// Entries of any kind in the first sector and the next ones, which extended entries are likely to point to.
    #[test]
    fn any_bytes_get_an_answer(entries in proptest::collection::vec((0u8..2, 0usize..6, 0u32..40, 0u32..40), 4 * 16)) {
        let disk = Memory::new(vec![0; 32 * 512]);
        for (index, (boot, kind, start, len)) in entries.iter().enumerate() {
            let kind = [0u8, 5, 0x83, 0xee, 0x0f, 0x82][*kind];
            let at = (index / 4 * 512 + 446 + index % 4 * 16) as u64;
            let mut entry = [boot * 0x80, 0, 0, 0, kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            entry[8..12].copy_from_slice(&start.to_le_bytes());
            entry[12..].copy_from_slice(&len.to_le_bytes());
            disk.write_at(at, &entry).unwrap();
            disk.write_at(index as u64 / 4 * 512 + 510, &[0x55, 0xaa]).unwrap();
        }
        if let Ok(table) = read(&disk) {
            for partition in &table.partitions {
                proptest::prop_assert!(partition.end() <= 32 * 512);
            }
        }
    }

    /// A GPT whose fields are changed, with checksums that hold.
    #[test]
    fn any_gpt_header_gets_an_answer(at in 24usize..92, bytes in proptest::collection::vec(proptest::num::u8::ANY, 1..9), start: u64, end: u64) {
        let disk = Memory::new(vec![0; 128 * 512]);
        write_gpt(&disk, Uuid::nil(), &[]).unwrap();
        let mut header = [0; 92];
        disk.read_at(512, &mut header).unwrap();
        for (to, byte) in header[at..].iter_mut().zip(&bytes) {
            *to = *byte;
        }
        let mut entry = [0x11; 48];
        entry[32..40].copy_from_slice(&start.to_le_bytes());
        entry[40..].copy_from_slice(&end.to_le_bytes());
        disk.write_at(1024, &entry).unwrap();
        let mut entries = vec![0; 32 * 512];
        disk.read_at(1024, &mut entries).unwrap();
        header[88..].copy_from_slice(&crc32(&entries).to_le_bytes());
        header[16..20].copy_from_slice(&[0; 4]);
        let sum = crc32(&header);
        header[16..20].copy_from_slice(&sum.to_le_bytes());
        disk.write_at(512, &header).unwrap();
        if let Ok(table) = read(&disk) {
            for partition in &table.partitions {
                proptest::prop_assert!(partition.end() <= 128 * 512);
            }
        }
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}
