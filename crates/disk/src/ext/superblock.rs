//! The superblock: 1024 bytes at offset 1024, little endian.
//!
//! Source of the format: Linux `Documentation/filesystems/ext4/super.rst`, `fs/ext4/ext4.h` (`struct ext4_super_block`),
//! and e2fsprogs `lib/e2p/feature.c` for the names of the features.

use uuid::Uuid;

use super::error::ExtError;
use crate::io::ReadAt;

/// Where the superblock starts, in bytes.
pub(super) const OFFSET: u64 = 1024;
/// Length of the superblock in bytes.
pub(super) const LEN: usize = 1024;

/// `s_feature_compat`: has_journal.
pub(super) const COMPAT_HAS_JOURNAL: u32 = 0x4;
/// `s_feature_incompat`: needs_recovery.
pub(super) const INCOMPAT_RECOVER: u32 = 0x4;
/// `s_feature_incompat`: journal_dev.
pub(super) const INCOMPAT_JOURNAL_DEV: u32 = 0x8;
const INCOMPAT_META_BG: u32 = 0x10;
/// `s_feature_incompat`: 64bit.
pub(super) const INCOMPAT_64BIT: u32 = 0x80;
/// `s_feature_ro_compat`: bigalloc.
pub(super) const RO_COMPAT_BIGALLOC: u32 = 0x200;
/// `s_feature_ro_compat`: metadata_csum.
pub(super) const RO_COMPAT_METADATA_CSUM: u32 = 0x400;

const COMPAT: &[(u32, &str)] = &[
    (0x1, "dir_prealloc"),
    (0x2, "imagic_inodes"),
    (0x4, "has_journal"),
    (0x8, "ext_attr"),
    (0x10, "resize_inode"),
    (0x20, "dir_index"),
    (0x40, "lazy_bg"),
    (0x80, "snapshot_bitmap"),
    (0x200, "sparse_super2"),
    (0x400, "fast_commit"),
    (0x800, "stable_inodes"),
    (0x1000, "orphan_file"),
];

const INCOMPAT: &[(u32, &str)] = &[
    (0x1, "compression"),
    (0x2, "filetype"),
    (0x4, "needs_recovery"),
    (0x8, "journal_dev"),
    (0x10, "meta_bg"),
    (0x40, "extent"),
    (0x80, "64bit"),
    (0x100, "mmp"),
    (0x200, "flex_bg"),
    (0x400, "ea_inode"),
    (0x1000, "dirdata"),
    (0x2000, "metadata_csum_seed"),
    (0x4000, "large_dir"),
    (0x8000, "inline_data"),
    (0x10000, "encrypt"),
    (0x20000, "casefold"),
];

const RO_COMPAT: &[(u32, &str)] = &[
    (0x1, "sparse_super"),
    (0x2, "large_file"),
    (0x4, "btree_dir"),
    (0x8, "huge_file"),
    (0x10, "uninit_bg"),
    (0x20, "dir_nlink"),
    (0x40, "extra_isize"),
    (0x80, "snapshot"),
    (0x100, "quota"),
    (0x200, "bigalloc"),
    (0x400, "metadata_csum"),
    (0x800, "replica"),
    (0x1000, "read-only"),
    (0x2000, "project"),
    (0x4000, "shared_blocks"),
    (0x8000, "verity"),
    (0x10000, "orphan_present"),
];

/// The generation of the format, judged by the features that the file system has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// No journal.
    Ext2,
    /// A journal, and nothing that the ext3 driver does not know.
    Ext3,
    /// Features that only the ext4 driver knows.
    Ext4,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kind::Ext2 => "ext2",
            Kind::Ext3 => "ext3",
            Kind::Ext4 => "ext4",
        })
    }
}

/// The three feature words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Features {
    /// `s_feature_compat`: a driver that does not know one of these may read and write.
    pub compat: u32,
    /// `s_feature_incompat`: a driver that does not know one of these may not even read.
    pub incompat: u32,
    /// `s_feature_ro_compat`: a driver that does not know one of these may only read.
    pub ro_compat: u32,
}

impl Features {
    /// Names of the compatible features, as `dumpe2fs` prints them; `feature_compat:0x…` for an unknown bit.
    pub fn compat_names(&self) -> Vec<String> {
        names(self.compat, COMPAT, "feature_compat")
    }

    /// Names of the incompatible features; `feature_incompat:0x…` for an unknown bit.
    pub fn incompat_names(&self) -> Vec<String> {
        names(self.incompat, INCOMPAT, "feature_incompat")
    }

    /// Names of the read-only compatible features; `feature_ro_compat:0x…` for an unknown bit.
    pub fn ro_compat_names(&self) -> Vec<String> {
        names(self.ro_compat, RO_COMPAT, "feature_ro_compat")
    }

    /// All names, in the order of `dumpe2fs`.
    pub fn names(&self) -> Vec<String> {
        [self.compat_names(), self.incompat_names(), self.ro_compat_names()].concat()
    }

    /// Whether the feature of this name is set.
    pub fn has(&self, name: &str) -> bool {
        [
            (self.compat, COMPAT),
            (self.incompat, INCOMPAT),
            (self.ro_compat, RO_COMPAT),
        ]
        .iter()
        .any(|(word, table)| table.iter().any(|&(bit, known)| known == name && word & bit != 0))
    }
}

fn names(word: u32, table: &[(u32, &str)], prefix: &str) -> Vec<String> {
    (0..32)
        .map(|shift| 1 << shift)
        .filter(|bit| word & bit != 0)
        .map(|bit| match table.iter().find(|&&(known, _)| known == bit) {
            Some((_, name)) => (*name).to_owned(),
            None => format!("{prefix}:{bit:#x}"),
        })
        .collect()
}

/// What the superblock says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Superblock {
    /// Bytes per block.
    pub block_size: u32,
    /// Bytes per allocation unit: a multiple of `block_size` with bigalloc, else the same.
    pub cluster_size: u32,
    /// Bytes per inode.
    pub inode_size: u16,
    /// Number of blocks.
    pub blocks: u64,
    /// Blocks that are free. Stale while a journal waits for its replay.
    pub free_blocks: u64,
    /// Of the free blocks, how many are for root only.
    pub reserved_blocks: u64,
    /// Number of inodes.
    pub inodes: u32,
    /// Inodes that are free. Stale while a journal waits for its replay.
    pub free_inodes: u32,
    /// Blocks per group.
    pub blocks_per_group: u32,
    /// Inodes per group.
    pub inodes_per_group: u32,
    /// The first block of group 0: 1 with blocks of 1 KiB, else 0.
    pub first_data_block: u32,
    /// Bytes per group descriptor.
    pub desc_size: u16,
    /// UUID of the file system.
    pub uuid: Uuid,
    /// Label, up to its first NUL byte.
    pub label: String,
    /// Where it was last mounted, up to the first NUL byte.
    pub last_mounted: String,
    /// The feature words.
    pub features: Features,
    /// ext2, ext3 or ext4, by features.
    pub kind: Kind,
    /// The journal holds changes that are not in the file system yet.
    pub needs_recovery: bool,
    /// `s_state`: it was unmounted cleanly.
    pub state_clean: bool,
    /// `s_state`: the kernel saw errors.
    pub state_has_errors: bool,
    /// There are orphans (deleted or truncated while open) that the kernel will clean up at the next mount.
    pub orphans_pending: bool,
    /// Mounts since the last check.
    pub mount_count: u16,
    /// A check is due after so many mounts; 0 or negative: never.
    pub max_mount_count: i16,
    /// When it was last checked, seconds since 1970.
    pub last_check: i64,
    /// A check is due so many seconds after the last; 0: never.
    pub check_interval: u32,
    /// When it was last mounted, seconds since 1970.
    pub last_mount: i64,
    /// When the superblock was last written, seconds since 1970.
    pub last_write: i64,
    /// How many errors the kernel counted.
    pub error_count: u32,
    /// When the kernel saw the first error; 0: none.
    pub first_error_time: i64,
    /// The operating system that made it: 0 is Linux, 1 is Hurd.
    pub creator_os: u32,
    /// Revision level: 0 is the original format, 1 has inodes of variable size.
    pub revision: u32,
    /// Minor revision level.
    pub minor_revision: u16,
    /// Inode of the journal; 0: none, or on another device.
    pub journal_inode: u32,
    /// UUID of the journal's device; nil: none.
    pub journal_uuid: Uuid,
    /// Size of the file system in bytes.
    pub size: u64,
}

impl Superblock {
    /// Reads the superblock without anything else; `None` where there is no ext magic number.
    ///
    /// # Errors
    /// [`ExtError::Io`] when the medium fails; [`ExtError::Damaged`] when the magic number is there, but the sizes
    /// cannot be.
    pub fn read(io: &dyn ReadAt) -> Result<Option<Superblock>, ExtError> {
        if io.size() < OFFSET + LEN as u64 {
            return Ok(None);
        }
        let mut raw = [0; LEN];
        io.read_at(OFFSET, &mut raw).map_err(|source| ExtError::Io {
            what: "reading the superblock".to_owned(),
            source,
        })?;
        Superblock::parse(&raw)
    }

    /// Parses the 1024 bytes of a superblock; `None` where there is no ext magic number.
    ///
    /// # Errors
    /// [`ExtError::Damaged`] when the magic number is there, but the sizes cannot be.
    pub fn parse(raw: &[u8; LEN]) -> Result<Option<Superblock>, ExtError> {
        let le16 = |at: usize| u16::from_le_bytes([raw[at], raw[at + 1]]);
        let le32 = |at: usize| u32::from_le_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]]);
        let uuid = |at: usize| {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&raw[at..at + 16]);
            Uuid::from_bytes(bytes)
        };
        let text = |at: usize, len: usize| {
            let bytes = &raw[at..at + len];
            let end = bytes.iter().position(|&b| b == 0).unwrap_or(len);
            String::from_utf8_lossy(&bytes[..end]).into_owned()
        };
        // 34-bit times: the high byte of each is kept apart, see `EXT4_SB_TIME` in fs/ext4/super.c.
        let time = |low: usize, high: usize| i64::from(le32(low)) | i64::from(raw[high]) << 32;

        if le16(0x38) != 0xEF53 {
            return Ok(None);
        }
        let damaged = |reason: String| {
            Err(ExtError::Damaged {
                what: "superblock".to_owned(),
                reason,
            })
        };
        let (log_block, log_cluster) = (le32(0x18), le32(0x1c));
        if log_block > 6 {
            return damaged(format!(
                "block size 2^{} bytes, at most 2^16 are possible",
                10 + u64::from(log_block)
            ));
        }
        let features = Features {
            compat: le32(0x5c),
            incompat: le32(0x60),
            ro_compat: le32(0x64),
        };
        let bigalloc = features.ro_compat & RO_COMPAT_BIGALLOC != 0;
        if bigalloc && !(log_block..=20).contains(&log_cluster) {
            return damaged(format!(
                "cluster size 2^{} bytes with blocks of 2^{}",
                10 + u64::from(log_cluster),
                10 + log_block
            ));
        }
        let block_size = 1024 << log_block;
        let wide = features.incompat & INCOMPAT_64BIT != 0;
        let high = |at: usize| if wide { u64::from(le32(at)) << 32 } else { 0 };
        let blocks = u64::from(le32(0x04)) | high(0x150);
        let Some(size) = blocks.checked_mul(u64::from(block_size)) else {
            return damaged(format!("{blocks} blocks of {block_size} bytes"));
        };
        let revision = le32(0x4c);
        let inode_size = if revision == 0 { 128 } else { le16(0x58) };
        let journal_uuid = uuid(0xd0);
        Ok(Some(Superblock {
            block_size,
            cluster_size: if bigalloc { 1024 << log_cluster } else { block_size },
            inode_size,
            blocks,
            free_blocks: u64::from(le32(0x0c)) | high(0x158),
            reserved_blocks: u64::from(le32(0x08)) | high(0x154),
            inodes: le32(0x00),
            free_inodes: le32(0x10),
            blocks_per_group: le32(0x20),
            inodes_per_group: le32(0x28),
            first_data_block: le32(0x14),
            desc_size: if wide { le16(0xfe) } else { 32 },
            uuid: uuid(0x68),
            label: text(0x78, 16),
            last_mounted: text(0x88, 64),
            kind: kind(features),
            needs_recovery: features.incompat & INCOMPAT_RECOVER != 0,
            state_clean: le16(0x3a) & 1 != 0,
            state_has_errors: le16(0x3a) & 2 != 0,
            orphans_pending: le32(0xe8) != 0 || features.ro_compat & 0x10000 != 0,
            mount_count: le16(0x34),
            max_mount_count: le16(0x36).cast_signed(),
            last_check: time(0x40, 0x277),
            check_interval: le32(0x44),
            last_mount: time(0x2c, 0x275),
            last_write: time(0x30, 0x274),
            error_count: le32(0x194),
            first_error_time: time(0x198, 0x278),
            creator_os: le32(0x48),
            revision,
            minor_revision: le16(0x3e),
            journal_inode: le32(0xe0),
            journal_uuid,
            features,
            size,
        }))
    }

    /// Whether the journal lies on another device.
    pub fn has_external_journal(&self) -> bool {
        self.features.compat & COMPAT_HAS_JOURNAL != 0 && self.journal_inode == 0
    }

    /// Number of block groups.
    pub fn groups(&self) -> u64 {
        match self.blocks_per_group {
            0 => 0,
            per_group => self
                .blocks
                .saturating_sub(u64::from(self.first_data_block))
                .div_ceil(u64::from(per_group)),
        }
    }

    /// Whether the sizes can be those of a file system at all. libext2fs allocates by them before it doubts them.
    pub(super) fn check_geometry(&self) -> Result<(), String> {
        let bits = u64::from(self.block_size) * 8;
        let ratio = u64::from(self.cluster_size / self.block_size);
        if self.blocks_per_group == 0
            || !self.blocks_per_group.is_multiple_of(8)
            || u64::from(self.blocks_per_group) > bits * ratio
        {
            return Err(format!("{} blocks per group", self.blocks_per_group));
        }
        if self.inodes_per_group == 0 || u64::from(self.inodes_per_group) > bits {
            return Err(format!("{} inodes per group", self.inodes_per_group));
        }
        if !self.inode_size.is_power_of_two() || self.inode_size < 128 || u32::from(self.inode_size) > self.block_size {
            return Err(format!("{} bytes per inode", self.inode_size));
        }
        let wide = self.features.incompat & INCOMPAT_64BIT != 0;
        if wide && !(self.desc_size.is_power_of_two() && (64..=1024).contains(&self.desc_size)) {
            return Err(format!("{} bytes per group descriptor", self.desc_size));
        }
        if u64::from(self.first_data_block) != u64::from(self.block_size == 1024 && ratio == 1) {
            return Err(format!("the first data block is {}", self.first_data_block));
        }
        if self.blocks <= u64::from(self.first_data_block) {
            return Err(format!("{} blocks", self.blocks));
        }
        if u64::from(self.inodes) != self.groups().saturating_mul(u64::from(self.inodes_per_group)) {
            return Err(format!(
                "{} inodes in {} groups of {}",
                self.inodes,
                self.groups(),
                self.inodes_per_group
            ));
        }
        // A file system of 16 TiB with groups as mke2fs makes them has 8 MiB of descriptors.
        let table = self.groups().saturating_mul(u64::from(self.desc_size));
        if table > 32 << 20 {
            return Err(format!("{table} bytes of group descriptors, more than 32 MiB"));
        }
        Ok(())
    }
}

/// Which driver a file system needs: what ext3 and ext2 know is in `EXT3_FEATURE_*_SUPP` of fs/ext4/ext4.h.
fn kind(features: Features) -> Kind {
    const EXT3_INCOMPAT: u32 = 0x2 | INCOMPAT_RECOVER | INCOMPAT_META_BG;
    const EXT3_RO_COMPAT: u32 = 0x1 | 0x2 | 0x4;
    if features.incompat & !EXT3_INCOMPAT != 0 || features.ro_compat & !EXT3_RO_COMPAT != 0 {
        Kind::Ext4
    } else if features.compat & COMPAT_HAS_JOURNAL != 0 {
        Kind::Ext3
    } else {
        Kind::Ext2
    }
}
