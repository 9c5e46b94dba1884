//! What lies on a range of bytes: a file system, a container, or nothing, told by its magic number.
//!
//! Offsets and magic numbers are those of libblkid (util-linux, `libblkid/src/superblocks/`), so that the answer
//! agrees with `blkid` on the same bytes.

use std::fmt;
use std::io;

use serde::Serialize;

use crate::io::ReadAt;

/// What a byte range holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case", tag = "content")]
pub enum Content {
    /// ext2, ext3 or ext4.
    Ext,
    /// XFS.
    Xfs,
    /// Btrfs.
    Btrfs,
    /// IBM's JFS.
    Jfs,
    /// ReiserFS 3 or Reiser4.
    Reiserfs,
    /// A physical volume of LVM2.
    Lvm2Member,
    /// A LUKS container.
    Luks {
        /// 1 or 2.
        version: u16,
    },
    /// A member of a Linux software RAID.
    LinuxRaid,
    /// Swap space.
    Swap,
    /// NTFS.
    Ntfs,
    /// FAT12, FAT16, FAT32 or exFAT.
    Fat,
    /// SquashFS.
    Squashfs,
    /// ISO 9660, a CD image.
    Iso9660,
    /// A device of a ZFS pool.
    Zfs,
    /// F2FS.
    F2fs,
    /// A disk whose data this program is moving, see [`crate::moved`].
    HalfMoved,
    /// The core image of GRUB 2, as it lies in a BIOS boot partition.
    GrubCore,
    /// The first MiB (or all, if the range is shorter) is zero.
    Empty,
    /// None of the above.
    Unknown,
}

impl Content {
    /// The name a person knows it by.
    pub fn name(self) -> &'static str {
        match self {
            Content::Ext => "ext2/ext3/ext4 file system",
            Content::Xfs => "XFS file system",
            Content::Btrfs => "Btrfs file system",
            Content::Jfs => "JFS file system",
            Content::Reiserfs => "ReiserFS file system",
            Content::Lvm2Member => "LVM physical volume",
            Content::Luks { version: 1 } => "LUKS 1 encrypted volume",
            Content::Luks { .. } => "LUKS 2 encrypted volume",
            Content::LinuxRaid => "Linux software RAID member",
            Content::Swap => "swap space",
            Content::Ntfs => "NTFS file system",
            Content::Fat => "FAT file system",
            Content::Squashfs => "SquashFS file system",
            Content::Iso9660 => "ISO 9660 file system",
            Content::Zfs => "ZFS pool member",
            Content::F2fs => "F2FS file system",
            Content::HalfMoved => "data that were half moved when that was cut off",
            Content::GrubCore => "GRUB 2 core image",
            Content::Empty => "nothing (all zero)",
            Content::Unknown => "unknown content",
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// All magic numbers at fixed offsets lie within this many bytes.
const HEAD: u64 = 256 * 1024;

/// How much must be zero for [`Content::Empty`].
const EMPTY: u64 = 1024 * 1024;

/// Magic numbers at one fixed offset. Containers come before file systems: the first file system inside of them
/// may show through at the offset where it would lie on a bare disk.
const MAGICS: &[(Content, usize, &[u8])] = &[
    // Before all others: what follows it is moving through.
    (Content::HalfMoved, 0, crate::moved::MAGIC),
    // superblocks/linux_raid.c: version 1.1 at the start, 1.2 at 4 KiB.
    (Content::LinuxRaid, 0, &[0xfc, 0x4e, 0x2b, 0xa9]),
    (Content::LinuxRaid, 4096, &[0xfc, 0x4e, 0x2b, 0xa9]),
    // superblocks/ext.c: s_magic at 0x38 of the superblock at 1 KiB.
    (Content::Ext, 0x438, &[0x53, 0xef]),
    // superblocks/xfs.c
    (Content::Xfs, 0, b"XFSB"),
    // superblocks/btrfs.c
    (Content::Btrfs, 0x1_0040, b"_BHRfS_M"),
    // superblocks/jfs.c
    (Content::Jfs, 0x8000, b"JFS1"),
    // superblocks/reiserfs.c: format 3.5 at 8 KiB, 3.6 and later at 64 KiB, Reiser4 without the offset of 52.
    (Content::Reiserfs, 0x2034, b"ReIsErFs"),
    (Content::Reiserfs, 0x1_0034, b"ReIsErFs"),
    (Content::Reiserfs, 0x1_0034, b"ReIsEr2Fs"),
    (Content::Reiserfs, 0x1_0034, b"ReIsEr3Fs"),
    (Content::Reiserfs, 0x1_0000, b"ReIsEr4"),
    // superblocks/f2fs.c
    (Content::F2fs, 1024, &[0x10, 0x20, 0xf5, 0xf2]),
    // superblocks/squashfs.c: little-endian, and big-endian of version 3.
    (Content::Squashfs, 0, b"hsqs"),
    (Content::Squashfs, 0, b"sqsh"),
    // superblocks/iso9660.c
    (Content::Iso9660, 0x8001, b"CD001"),
    // superblocks/ntfs.c, exfat.c, vfat.c
    (Content::Ntfs, 3, b"NTFS    "),
    (Content::Fat, 3, b"EXFAT   "),
    (Content::Fat, 0x36, b"FAT12   "),
    (Content::Fat, 0x36, b"FAT16   "),
    (Content::Fat, 0x52, b"FAT32   "),
    // superblocks/swap.c: the last ten bytes of the first page, for page sizes of 4, 8, 16 and 64 KiB.
    (Content::Swap, 0xff6, b"SWAPSPACE2"),
    (Content::Swap, 0xff6, b"SWAP-SPACE"),
    (Content::Swap, 0x1ff6, b"SWAPSPACE2"),
    (Content::Swap, 0x3ff6, b"SWAPSPACE2"),
    (Content::Swap, 0xfff6, b"SWAPSPACE2"),
];

/// Tells what `range` holds. Reads at most 1 MiB, less if there is a magic number.
///
/// # Errors
/// Whatever reading reports. Bytes that make no sense are [`Content::Unknown`], not an error.
pub fn identify(range: &dyn ReadAt) -> io::Result<Content> {
    let size = range.size();
    let mut head = vec![0; size.min(HEAD) as usize];
    range.read_at(0, &mut head)?;

    if let Some(version) = luks_version(&head) {
        return Ok(Content::Luks { version });
    }
    if is_lvm2(&head) {
        return Ok(Content::Lvm2Member);
    }
    if is_raid_at_end(range)? {
        return Ok(Content::LinuxRaid);
    }
    let magic = |at: usize, bytes: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(bytes));
    if let Some(&(content, ..)) = MAGICS.iter().find(|&&(_, at, bytes)| magic(at, bytes)) {
        return Ok(content);
    }
    if is_zfs(&head) {
        return Ok(Content::Zfs);
    }
    if is_grub_core(&head) {
        return Ok(Content::GrubCore);
    }
    if head.iter().all(|&byte| byte == 0) {
        let mut rest = vec![0; (size.min(EMPTY) - head.len() as u64) as usize];
        range.read_at(head.len() as u64, &mut rest)?;
        if rest.iter().all(|&byte| byte == 0) {
            return Ok(Content::Empty);
        }
    }
    Ok(Content::Unknown)
}

/// `superblocks/luks.c`: magic, then the version as a big-endian 16-bit number.
fn luks_version(head: &[u8]) -> Option<u16> {
    match head.strip_prefix(b"LUKS\xba\xbe")? {
        [high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

/// `superblocks/lvm.c`: a label in one of the first four sectors.
fn is_lvm2(head: &[u8]) -> bool {
    head.chunks_exact(512)
        .take(4)
        .any(|sector| sector.starts_with(b"LABELONE") && sector[24..].starts_with(b"LVM2 001"))
}

/// `superblocks/linux_raid.c`: version 0.90 in the last whole 64 KiB but one, version 1.0 8 KiB before the end,
/// rounded down to 4 KiB.
fn is_raid_at_end(range: &dyn ReadAt) -> io::Result<bool> {
    let size = range.size();
    let mut places = Vec::new();
    if size >= 2 * 64 * 1024 {
        places.push((size & !(64 * 1024 - 1)) - 64 * 1024);
    }
    if size >= 16 * 1024 {
        places.push((size - 8 * 1024) & !(4 * 1024 - 1));
    }
    for place in places {
        let mut magic = [0; 4];
        range.read_at(place, &mut magic)?;
        if magic == [0xfc, 0x4e, 0x2b, 0xa9] {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `superblocks/zfs.c`: at least four uberblocks in the ring from 128 KiB to 256 KiB of the first label.
fn is_zfs(head: &[u8]) -> bool {
    const UBERBLOCK: u64 = 0x00ba_b10c;
    let Some(ring) = head.get(128 * 1024..) else {
        return false;
    };
    let found = ring
        .chunks_exact(1024)
        .filter(|block| block.starts_with(&UBERBLOCK.to_le_bytes()) || block.starts_with(&UBERBLOCK.to_be_bytes()));
    found.count() >= 4
}

/// GRUB's `boot/i386/pc/diskboot.S`: saves `dx` and `si`, loads the address of the text "loading".
fn is_grub_core(head: &[u8]) -> bool {
    let sector = &head[..head.len().min(512)];
    sector.starts_with(&[0x52, 0x56, 0xbe]) && sector.windows(8).any(|text| text == b"loading\0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Memory;

    /// Bytes at offsets.
    type Parts<'a> = &'a [(usize, &'a [u8])];

    fn with(size: usize, parts: Parts<'_>) -> Memory {
        let mut bytes = vec![0; size];
        for (at, part) in parts {
            bytes[*at..*at + part.len()].copy_from_slice(part);
        }
        Memory::new(bytes)
    }

    #[test]
    fn tells_each_magic() {
        for &(content, at, magic) in MAGICS {
            assert_eq!(
                identify(&with(2 << 20, &[(at, magic)])).unwrap(),
                content,
                "{content} at {at}"
            );
        }
        let cases: &[(Parts<'_>, Content)] = &[
            (&[(0, b"LUKS\xba\xbe\0\x01")], Content::Luks { version: 1 }),
            (&[(0, b"LUKS\xba\xbe\0\x02")], Content::Luks { version: 2 }),
            (&[(512, b"LABELONE"), (536, b"LVM2 001")], Content::Lvm2Member),
            (&[(512, b"LABELONE")], Content::Unknown),
            (&[((2 << 20) - 65536, &[0xfc, 0x4e, 0x2b, 0xa9])], Content::LinuxRaid),
            (
                &[((2 << 20) - 8192, &[0xfc, 0x4e, 0x2b, 0xa9]), (0x438, &[0x53, 0xef])],
                Content::LinuxRaid,
            ),
            (
                &[(0, &[0x52, 0x56, 0xbe, 0x1b, 0x81]), (0x1a0, b"loading\0")],
                Content::GrubCore,
            ),
            (&[(300 * 1024, b"x")], Content::Unknown),
            (&[((1 << 20) + 1, b"x")], Content::Empty),
        ];
        for (parts, content) in cases {
            assert_eq!(identify(&with(2 << 20, parts)).unwrap(), *content, "{parts:?}");
        }
        let uberblock: &[u8] = &0x00ba_b10c_u64.to_le_bytes();
        let ring: Vec<_> = (0..4).map(|i| (128 * 1024 + i * 1024, uberblock)).collect();
        assert_eq!(identify(&with(2 << 20, &ring)).unwrap(), Content::Zfs);
        assert_eq!(identify(&with(2 << 20, &ring[1..])).unwrap(), Content::Unknown);
    }

    #[test]
    fn ranges_too_short_for_anything() {
        assert_eq!(identify(&Memory::new(Vec::new())).unwrap(), Content::Empty);
        assert_eq!(identify(&Memory::new(b"XFS".to_vec())).unwrap(), Content::Unknown);
        assert_eq!(
            identify(&Memory::new(b"LUKS\xba\xbe".to_vec())).unwrap(),
            Content::Unknown
        );
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_get_an_answer(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..3000)) {
            let content = identify(&Memory::new(bytes)).unwrap();
            proptest::prop_assert!(!content.name().is_empty());
        }
    }
}
