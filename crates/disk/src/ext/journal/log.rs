//! The log itself: the journal's superblock, its ring of blocks, tags and checksums. Everything is big endian.

use std::io;
use std::sync::Arc;

use crate::ext::error::ExtError;
use crate::ext::superblock::Superblock;
use crate::ext::sys::Run;
use crate::io::WriteAt;

use super::MAGIC;

const FEATURE_COMPAT_CHECKSUM: u32 = 0x1;
const FEATURE_64BIT: u32 = 0x2;
/// Commit blocks may reach the disk before what they commit.
pub(super) const FEATURE_ASYNC_COMMIT: u32 = 0x4;
const FEATURE_CSUM_V2: u32 = 0x8;
const FEATURE_CSUM_V3: u32 = 0x10;
const FEATURE_FAST_COMMIT: u32 = 0x20;
const KNOWN_INCOMPAT: u32 = 0x3f;

/// Bytes of the journal's superblock.
const SUPERBLOCK: usize = 1024;
/// Smallest journal, in blocks (`JBD2_MIN_JOURNAL_BLOCKS`).
const MIN_BLOCKS: u32 = 1024;

/// How the log is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checksums {
    None,
    /// One CRC-32 per transaction, in its commit block.
    V1,
    /// CRC-32C per block, 16 bits of it for data.
    V2,
    /// CRC-32C per block.
    V3,
}

/// What the journal's superblock says.
#[derive(Debug, Clone)]
pub(super) struct JournalSuperblock {
    pub(super) block_size: u32,
    /// First block of the ring.
    pub(super) first: u32,
    /// Block after the last of the ring.
    pub(super) last: u32,
    /// Number of the oldest transaction that is not on the disk.
    pub(super) sequence: u32,
    /// Where it starts; 0: nothing is in the log.
    pub(super) start: u32,
    pub(super) incompat: u32,
    pub(super) checksums: Checksums,
    seed: u32,
}

impl JournalSuperblock {
    pub(super) fn parse(raw: &[u8], block_size: u32, blocks: u64) -> Result<Self, ExtError> {
        let bad = |reason: String| ExtError::Journal { reason };
        if be32(raw, 0) != MAGIC {
            return Err(bad("its superblock has no magic number".to_owned()));
        }
        let (compat, incompat) = match be32(raw, 4) {
            3 => (0, 0),
            4 => (be32(raw, 0x24), be32(raw, 0x28)),
            kind => return Err(bad(format!("its superblock is a block of type {kind}"))),
        };
        let version_2 = be32(raw, 4) == 4;
        if incompat & !KNOWN_INCOMPAT != 0 {
            return Err(bad(format!("unknown features {:#x}", incompat & !KNOWN_INCOMPAT)));
        }
        if version_2 && be32(raw, 0x40) > 1 {
            return Err(bad("several file systems share it".to_owned()));
        }
        let checksums = match (
            compat & FEATURE_COMPAT_CHECKSUM != 0,
            incompat & FEATURE_CSUM_V2 != 0,
            incompat & FEATURE_CSUM_V3 != 0,
        ) {
            (false, false, false) => Checksums::None,
            (true, false, false) => Checksums::V1,
            (false, true, false) => Checksums::V2,
            (false, false, true) => Checksums::V3,
            _ => return Err(bad("its superblock names several kinds of checksums".to_owned())),
        };
        let checked = matches!(checksums, Checksums::V2 | Checksums::V3);
        if checked && (raw[0x50] != 4 || superblock_sum(raw) != be32(raw, 0xfc)) {
            return Err(bad("its superblock has a bad checksum".to_owned()));
        }
        if be32(raw, 0x0c) != block_size {
            return Err(bad(format!(
                "blocks of {} bytes, the file system has {block_size}",
                be32(raw, 0x0c)
            )));
        }
        let length = be32(raw, 0x10);
        if u64::from(length) > blocks {
            return Err(bad(format!("{length} blocks, its inode has {blocks}")));
        }
        let fast = match incompat & FEATURE_FAST_COMMIT {
            0 => 0,
            _ => match be32(raw, 0x54) {
                0 => 256,
                blocks => blocks,
            },
        };
        let last = length.checked_sub(fast).filter(|&last| fast == 0 || last >= MIN_BLOCKS);
        let last = last.ok_or_else(|| bad(format!("{fast} of {length} blocks are for fast commits")))?;
        let (first, start) = (be32(raw, 0x14), be32(raw, 0x1c));
        if first == 0 || first >= last || (start != 0 && !(first..last).contains(&start)) {
            return Err(bad(format!(
                "its log starts at {start} in a ring from {first} to {last}"
            )));
        }
        Ok(JournalSuperblock {
            block_size,
            first,
            last,
            sequence: be32(raw, 0x18),
            start,
            incompat,
            checksums,
            seed: crc32c(!0, &raw[0x30..0x40]),
        })
    }

    pub(super) fn is_wide(&self) -> bool {
        self.incompat & FEATURE_64BIT != 0
    }

    pub(super) fn has_tails(&self) -> bool {
        matches!(self.checksums, Checksums::V2 | Checksums::V3)
    }
}

pub(super) fn superblock_sum(raw: &[u8]) -> u32 {
    let sum = crc32c(!0, &raw[..0xfc]);
    let sum = crc32c(sum, &[0; 4]);
    crc32c(sum, &raw[0x100..SUPERBLOCK])
}

/// One block that a descriptor describes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tag {
    /// Where it belongs.
    pub(super) block: u64,
    /// Its first four bytes were the magic number.
    pub(super) escaped: bool,
    checksum: u32,
}

/// The ring of blocks.
#[derive(Debug)]
pub(super) struct Log {
    io: Arc<dyn WriteAt>,
    runs: Vec<Run>,
    superblock: JournalSuperblock,
}

impl Log {
    pub(super) fn new(io: Arc<dyn WriteAt>, fs: &Superblock, runs: Vec<Run>) -> Result<Log, ExtError> {
        let blocks = runs.last().map_or(0, |run| run.logical + run.len);
        let mut log = Log {
            io,
            runs,
            superblock: JournalSuperblock {
                block_size: fs.block_size,
                first: 0,
                last: 0,
                sequence: 0,
                start: 0,
                incompat: 0,
                checksums: Checksums::None,
                seed: 0,
            },
        };
        let mut block = vec![0; fs.block_size as usize];
        log.read(0, &mut block)?;
        log.superblock = JournalSuperblock::parse(&block, fs.block_size, blocks)?;
        Ok(log)
    }

    pub(super) fn superblock(&self) -> &JournalSuperblock {
        &self.superblock
    }

    /// Blocks in the ring.
    pub(super) fn len(&self) -> u32 {
        self.superblock.last - self.superblock.first
    }

    /// The block `count` after `at` in the ring.
    pub(super) fn after(&self, at: u32, count: u32) -> u32 {
        let from_first = u64::from(at - self.superblock.first) + u64::from(count);
        self.superblock.first + (from_first % u64::from(self.len())) as u32
    }

    pub(super) fn offset(&self, at: u32) -> Result<u64, ExtError> {
        let at = u64::from(at);
        self.runs
            .iter()
            .find(|run| (run.logical..run.logical + run.len).contains(&at) && !run.unwritten)
            .map(|run| (run.physical + (at - run.logical)) * u64::from(self.superblock.block_size))
            .ok_or_else(|| ExtError::Journal {
                reason: format!("block {at} of the log is not on the disk"),
            })
    }

    pub(super) fn read(&self, at: u32, block: &mut [u8]) -> Result<(), ExtError> {
        self.io
            .read_at(self.offset(at)?, block)
            .map_err(|source| io_error(format!("reading block {at} of the journal"), source))
    }

    /// Says that nothing is in the log; `sequence` is for the next transaction. True when the journal had noted that the
    /// kernel saw errors.
    pub(super) fn mark_empty(&mut self, sequence: u32) -> Result<bool, ExtError> {
        let offset = self.offset(0)?;
        let mut raw = [0; SUPERBLOCK];
        self.io
            .read_at(offset, &mut raw)
            .map_err(|source| io_error("reading the journal's superblock".to_owned(), source))?;
        let errors = be32(&raw, 0x20) != 0;
        raw[0x18..0x1c].copy_from_slice(&sequence.to_be_bytes());
        raw[0x1c..0x24].fill(0);
        if self.superblock.has_tails() {
            let sum = superblock_sum(&raw);
            raw[0xfc..0x100].copy_from_slice(&sum.to_be_bytes());
        }
        self.io
            .write_at(offset, &raw)
            .map_err(|source| io_error("writing the journal's superblock".to_owned(), source))?;
        Ok(errors)
    }

    /// Bytes of a descriptor or revoke block before its checksum.
    pub(super) fn payload(&self) -> usize {
        self.superblock.block_size as usize - if self.superblock.has_tails() { 4 } else { 0 }
    }

    /// The tags of a descriptor block.
    pub(super) fn tags<'a>(&self, block: &'a [u8]) -> impl Iterator<Item = Tag> + use<'a> {
        let wide = self.superblock.is_wide();
        let checksums = self.superblock.checksums;
        let width = match (checksums, wide) {
            (Checksums::V3, _) => 16,
            (Checksums::V2, true) => 14,
            (Checksums::V2, false) => 10,
            (_, true) => 12,
            (_, false) => 8,
        };
        let limit = self.payload();
        let mut next = Some(12);
        std::iter::from_fn(move || {
            let at = next.filter(|at| at + width <= limit)?;
            let flags = be32(block, at + 4) & 0xffff;
            // The UUID is left out when it is the same as that of the tag before.
            let after = at + width + if flags & 2 == 0 { 16 } else { 0 };
            next = (flags & 8 == 0).then_some(after);
            Some(Tag {
                block: u64::from(be32(block, at)) | if wide { u64::from(be32(block, at + 8)) << 32 } else { 0 },
                escaped: flags & 1 != 0,
                checksum: match checksums {
                    Checksums::V3 => be32(block, at + 12),
                    Checksums::V2 => be32(block, at + 4) >> 16,
                    _ => 0,
                },
            })
        })
    }

    /// Whether the checksum at the end of a descriptor or revoke block fits.
    pub(super) fn tail_fits(&self, block: &[u8]) -> bool {
        if !self.superblock.has_tails() {
            return true;
        }
        let body = self.payload();
        crc32c(crc32c(self.superblock.seed, &block[..body]), &[0; 4]) == be32(block, body)
    }

    /// Whether the CRC-32C of a commit block fits.
    pub(super) fn commit_fits(&self, block: &[u8]) -> bool {
        if !self.superblock.has_tails() {
            return true;
        }
        let sum = crc32c(crc32c(self.superblock.seed, &block[..16]), &[0; 4]);
        crc32c(sum, &block[20..]) == be32(block, 16)
    }

    /// Whether a data block is what its tag says.
    pub(super) fn data_fits(&self, tag: &Tag, sequence: u32, data: &[u8]) -> bool {
        let sum = || crc32c(crc32c(self.superblock.seed, &sequence.to_be_bytes()), data);
        match self.superblock.checksums {
            Checksums::V3 => sum() == tag.checksum,
            Checksums::V2 => sum() & 0xffff == tag.checksum,
            _ => true,
        }
    }

    /// Whether the area of fast commits continues transaction `end`: it then starts with a head tag (9) that bears its
    /// number (`ext4_fc_replay_scan` of fs/ext4/fast_commit.c).
    pub(super) fn has_fast_commit(&self, end: u32) -> Result<bool, ExtError> {
        if self.superblock.incompat & FEATURE_FAST_COMMIT == 0 {
            return Ok(false);
        }
        let mut block = vec![0; self.superblock.block_size as usize];
        self.read(self.superblock.last + 1, &mut block)?;
        Ok(block[..2] == [9, 0] && block[8..12] == end.to_le_bytes())
    }
}

pub(super) fn io_error(what: String, source: io::Error) -> ExtError {
    ExtError::Io { what, source }
}

pub(super) fn be32(block: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
}

pub(super) fn be64(block: &[u8], at: usize) -> u64 {
    u64::from(be32(block, at)) << 32 | u64::from(be32(block, at + 4))
}

/// When a transaction was committed, seconds since 1970.
pub(super) fn commit_time(block: &[u8]) -> u64 {
    be64(block, 48)
}

/// CRC-32C as ext4 uses it: without the inversions before and after.
pub(super) fn crc32c(seed: u32, data: &[u8]) -> u32 {
    !::crc32c::crc32c_append(!seed, data)
}

/// CRC-32 with the most significant bit first, as `crc32_be` of the kernel.
pub(super) fn crc32_be(seed: u32, data: &[u8]) -> u32 {
    data.iter().fold(seed, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte) << 24, |sum, _| {
            if sum & 0x8000_0000 == 0 {
                sum << 1
            } else {
                (sum << 1) ^ 0x04c1_1db7
            }
        })
    })
}
