//! The journal: what was promised to the disk before the machine stopped is done now, as the kernel would at mount.
//!
//! libext2fs does not export its replay (it lives in e2fsck), so this is our own, in plain Rust. Source of the format:
//! Linux `Documentation/filesystems/ext4/journal.rst`; of what is done with it: `fs/jbd2/recovery.c` (three passes: find
//! the end of the log, collect what was revoked, replay the rest).
//!
//! Nothing is written before the whole log was read and found good. Orphaned inodes (deleted or truncated while open)
//! are left to the guest's kernel, which cleans them up at its next mount: see [`Superblock::orphans_pending`].

mod log;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use self::log::{Checksums, FEATURE_ASYNC_COMMIT, Log, Tag, be32, be64, commit_time, crc32_be, crc32c, io_error};
use super::error::ExtError;
use super::superblock::{self, INCOMPAT_RECOVER, RO_COMPAT_METADATA_CSUM, Superblock};
use super::{Access, Ext};
use crate::io::WriteAt;

/// First four bytes of every block of the journal that is no data.
const MAGIC: u32 = 0xC03B_3998;
const DESCRIPTOR: u32 = 1;
const COMMIT: u32 = 2;
const REVOKE: u32 = 5;

/// What a replay did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Replay {
    /// Transactions that were complete.
    pub transactions: u64,
    /// Blocks that were written to their places.
    pub blocks: u64,
    /// There are orphans, which the guest's kernel will clean up.
    pub orphans_pending: bool,
}

/// Replays the journal when the superblock says that it needs it, and marks it empty. Does nothing otherwise.
///
/// # Errors
/// See [`ExtError`]; in particular `FastCommits`, `Journal` and `ExternalJournal`, before which nothing was written.
pub fn replay(io: &Arc<dyn WriteAt>) -> Result<Replay, ExtError> {
    let superblock = Superblock::read(io)?.ok_or(ExtError::NotExt)?;
    if !superblock.needs_recovery {
        return Ok(Replay::default());
    }
    let ext = Ext::open(Arc::clone(io), Access::Read, 0)?;
    let mut log = Log::new(Arc::clone(io), &superblock, ext.handle().map(superblock.journal_inode)?)?;
    drop(ext);

    let mut done = Replay::default();
    let mut next_sequence = log.superblock().sequence;
    if log.superblock().start != 0 {
        let end = scan(&mut log)?;
        if log.has_fast_commit(end)? {
            return Err(ExtError::FastCommits);
        }
        let revoked = revoked(&mut log, end)?;
        let writes = collect(&mut log, end, &revoked, superblock.blocks)?;
        done.transactions = u64::from(end.wrapping_sub(next_sequence));
        done.blocks = writes.len() as u64;
        let mut block = vec![0; superblock.block_size as usize];
        for (number, (at, escaped)) in writes {
            log.read(at, &mut block)?;
            if escaped {
                block[..4].copy_from_slice(&MAGIC.to_be_bytes());
            }
            let offset = number * u64::from(superblock.block_size);
            io.write_at(offset, &block)
                .map_err(|source| io_error(format!("replaying the journal: writing block {number}"), source))?;
        }
        next_sequence = end;
    }
    flush(io)?;
    let errors = log.mark_empty(next_sequence.wrapping_add(1))?;
    flush(io)?;
    finish(io, errors)?;
    done.orphans_pending = Superblock::read(io)?.is_some_and(|superblock| superblock.orphans_pending);
    Ok(done)
}

fn flush(io: &Arc<dyn WriteAt>) -> Result<(), ExtError> {
    io.flush()
        .map_err(|source| io_error("flushing after the journal's replay".to_owned(), source))
}

/// Tells the superblock that there is nothing left to recover. `errors`: the journal had noted that the kernel saw some.
fn finish(io: &Arc<dyn WriteAt>, errors: bool) -> Result<(), ExtError> {
    let mut raw = [0; superblock::LEN];
    // The replay may have brought a newer superblock than the one that was read first.
    io.read_at(superblock::OFFSET, &mut raw)
        .map_err(|source| io_error("reading the superblock".to_owned(), source))?;
    let word = |raw: &[u8], at: usize| u32::from_le_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]]);
    let incompat = word(&raw, 0x60) & !INCOMPAT_RECOVER;
    raw[0x60..0x64].copy_from_slice(&incompat.to_le_bytes());
    if errors {
        raw[0x3a] |= 2;
    }
    if word(&raw, 0x64) & RO_COMPAT_METADATA_CSUM != 0 {
        let sum = crc32c(!0, &raw[..0x3fc]);
        raw[0x3fc..].copy_from_slice(&sum.to_le_bytes());
    }
    io.write_at(superblock::OFFSET, &raw)
        .map_err(|source| io_error("writing the superblock".to_owned(), source))?;
    flush(io)
}

/// What a block of the log is, judged by its header.
fn header(block: &[u8], sequence: u32) -> Option<u32> {
    (be32(block, 0) == MAGIC && be32(block, 8) == sequence).then(|| be32(block, 4))
}

fn corrupt(reason: String) -> ExtError {
    ExtError::Journal { reason }
}

/// Guards against a log that never comes to an end: a transaction is no longer than the log.
struct Budget {
    left: u64,
    whole: u64,
}

impl Budget {
    fn new(log: &Log) -> Self {
        let whole = u64::from(log.len());
        Budget { left: whole, whole }
    }

    fn spend(&mut self, blocks: u64) -> Result<(), ExtError> {
        self.left = self
            .left
            .checked_sub(blocks)
            .ok_or_else(|| corrupt("a transaction is longer than the log".to_owned()))?;
        Ok(())
    }

    fn renew(&mut self) {
        self.left = self.whole;
    }
}

/// The first pass: the number of the first transaction that is not complete.
fn scan(log: &mut Log) -> Result<u32, ExtError> {
    let superblock = log.superblock().clone();
    let mut sequence = superblock.sequence;
    let mut at = superblock.start;
    let mut block = vec![0; superblock.block_size as usize];
    let mut data = vec![0; superblock.block_size as usize];
    let mut budget = Budget::new(log);
    let mut end = None;
    // A checksum did not fit: the commit block will tell whether the block is bad, or older than this journal.
    let mut doubt = false;
    let mut last_commit = 0;
    let mut sum = !0;
    loop {
        log.read(at, &mut block)?;
        let Some(kind) = header(&block, sequence) else { break };
        at = log.after(at, 1);
        budget.spend(1)?;
        match kind {
            DESCRIPTOR => {
                doubt |= !log.tail_fits(&block);
                let tags = log.tags(&block).count() as u32;
                budget.spend(u64::from(tags))?;
                if superblock.checksums == Checksums::V1 && !doubt && end.is_none() {
                    sum = crc32_be(sum, &block);
                    for i in 0..tags {
                        log.read(log.after(at, i), &mut data)?;
                        sum = crc32_be(sum, &data);
                    }
                }
                at = log.after(at, tags);
            }
            COMMIT => {
                let time = commit_time(&block);
                if doubt {
                    if time >= last_commit {
                        return Err(corrupt(format!("transaction {sequence} has a bad checksum")));
                    }
                    break;
                }
                let fits = if superblock.checksums == Checksums::V1 {
                    if let Some(failed) = end {
                        return Err(corrupt(format!("transaction {failed} has a bad checksum")));
                    }
                    let found = (block[12], block[13], be32(&block, 16));
                    let fits = found == (1, 4, sum) || found == (0, 0, 0);
                    sum = !0;
                    fits
                } else {
                    log.commit_fits(&block)
                };
                if !fits {
                    if time < last_commit {
                        break;
                    }
                    if superblock.incompat & FEATURE_ASYNC_COMMIT == 0 {
                        return Err(corrupt(format!(
                            "the commit of transaction {sequence} has a bad checksum"
                        )));
                    }
                    end.get_or_insert(sequence);
                }
                last_commit = time;
                sequence = sequence.wrapping_add(1);
                budget.renew();
            }
            REVOKE => doubt |= !log.tail_fits(&block),
            _ => break,
        }
    }
    Ok(end.unwrap_or(sequence))
}

/// Walks over the complete transactions: each descriptor and revoke block, its transaction, and where it is.
fn walk(
    log: &mut Log,
    end: u32,
    mut visit: impl FnMut(&mut Log, u32, u32, &[u8], u32) -> Result<(), ExtError>,
) -> Result<(), ExtError> {
    let superblock = log.superblock();
    let (mut sequence, mut at) = (superblock.sequence, superblock.start);
    let mut block = vec![0; superblock.block_size as usize];
    let mut budget = Budget::new(log);
    while sequence != end {
        log.read(at, &mut block)?;
        let kind = header(&block, sequence)
            .ok_or_else(|| corrupt(format!("transaction {sequence} was there, and is not any more")))?;
        at = log.after(at, 1);
        budget.spend(1)?;
        match kind {
            DESCRIPTOR => {
                visit(log, sequence, kind, &block, at)?;
                let tags = log.tags(&block).count() as u32;
                budget.spend(u64::from(tags))?;
                at = log.after(at, tags);
            }
            COMMIT => {
                sequence = sequence.wrapping_add(1);
                budget.renew();
            }
            _ => visit(log, sequence, kind, &block, at)?,
        }
    }
    Ok(())
}

/// Whether transaction `a` is later than `b`, in numbers that wrap around.
fn later(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

/// The second pass: up to which transaction each revoked block must not be replayed.
fn revoked(log: &mut Log, end: u32) -> Result<HashMap<u64, u32>, ExtError> {
    let mut revoked = HashMap::new();
    walk(log, end, |log, sequence, kind, block, _| {
        if kind != REVOKE {
            return Ok(());
        }
        let used = be32(block, 12) as usize;
        if used > log.payload() {
            return Err(corrupt(format!(
                "a revoke block of transaction {sequence} holds {used} bytes"
            )));
        }
        let width = if log.superblock().is_wide() { 8 } else { 4 };
        for entry in block[16.min(used)..used].chunks_exact(width) {
            let number = if width == 8 {
                be64(entry, 0)
            } else {
                u64::from(be32(entry, 0))
            };
            let last = revoked.entry(number).or_insert(sequence);
            if later(sequence, *last) {
                *last = sequence;
            }
        }
        Ok(())
    })?;
    Ok(revoked)
}

/// The third pass: for each block that is to be written, where its content is in the log, and whether its first bytes
/// were escaped. The last transaction wins.
fn collect(
    log: &mut Log,
    end: u32,
    revoked: &HashMap<u64, u32>,
    blocks: u64,
) -> Result<BTreeMap<u64, (u32, bool)>, ExtError> {
    let mut writes = BTreeMap::new();
    let mut data = vec![0; log.superblock().block_size as usize];
    walk(log, end, |log, sequence, kind, block, first| {
        if kind != DESCRIPTOR {
            return Ok(());
        }
        let tags: Vec<Tag> = log.tags(block).collect();
        for (i, tag) in tags.into_iter().enumerate() {
            let at = log.after(first, i as u32);
            if revoked.get(&tag.block).is_some_and(|&last| !later(sequence, last)) {
                continue;
            }
            if tag.block >= blocks {
                return Err(corrupt(format!(
                    "transaction {sequence} has block {}, the file system has {blocks}",
                    tag.block
                )));
            }
            log.read(at, &mut data)?;
            if !log.data_fits(&tag, sequence, &data) {
                return Err(corrupt(format!(
                    "block {} in transaction {sequence} has a bad checksum",
                    tag.block
                )));
            }
            writes.insert(tag.block, (at, tag.escaped));
        }
        Ok(())
    })?;
    Ok(writes)
}

#[cfg(test)]
mod tests;
