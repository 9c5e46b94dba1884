//! Whether a qcow2 image may be written to: its own tables must be counted as in use, each once.
//!
//! `imago` trusts the reference counts when it looks for free clusters. In a damaged image it would put new data over
//! the tables, or the header. QEMU checks each write for that; here the whole of the tables is checked once, before
//! the first write. It reads the two upper tables and the reference counts: 1/32768 of the disk's size or less.
//!
//! One kind of damage is repaired on the way. `imago` (0.2.6) writes the entry of a new second-level table at once, but
//! its reference count only with the next flush, so a writer that is killed in between leaves a table that is counted as
//! free. Such a table is complete, as it was written first; only its count is missing.

use std::io;

use super::storage::HostFile;

/// Bits 9 to 55 of a table's entry are an offset in the file.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;

/// Bit 62 of an entry of a second-level table: it describes a compressed cluster, in another way.
const COMPRESSED: u64 = 1 << 62;

/// A killed writer leaves at most as many tables uncounted as it made since its last flush.
const MAX_REPAIRS: usize = 4096;

/// Where the tables lie, from a header whose sizes were checked.
#[derive(Debug)]
pub(super) struct Layout {
    pub cluster_bits: u32,
    /// Binary logarithm of the width of a count in bits: 0 to 6.
    pub refcount_order: u32,
    pub l1_offset: u64,
    pub l1_entries: u64,
    pub reftable_offset: u64,
    pub reftable_clusters: u64,
}

/// The file is at least this long, in bytes, as far as the reference counts say: the first byte of the last cluster in use,
/// which itself may be short. None where nothing is counted, or where the counts cannot be found.
pub(super) fn end_of_use(file: &HostFile, layout: &Layout) -> io::Result<Option<u64>> {
    let cluster = 1_u64 << layout.cluster_bits;
    let size = file.medium().len()?;
    let reftable_bytes = layout.reftable_clusters * cluster;
    if layout.reftable_offset >= size {
        return Ok(layout.reftable_offset.checked_add(1));
    }
    let per_block = (cluster * 8) >> layout.refcount_order;
    let blocks = entries(file, layout.reftable_offset, reftable_bytes)?;
    for (index, entry) in blocks.iter().enumerate().rev().filter(|(_, entry)| **entry != 0) {
        let offset = entry & OFFSET;
        if offset >= size {
            return Ok(offset.checked_add(1));
        }
        let mut block = vec![0; cluster as usize];
        file.read_up_to(offset, &mut block)?;
        let last = (0..per_block)
            .rev()
            .find(|&count| !is_zero(&block, count, layout.refcount_order));
        if let Some(last) = last {
            let start = (index as u64 * per_block + last).checked_mul(cluster);
            return Ok(start.and_then(|start| start.checked_add(1)));
        }
    }
    Ok(None)
}

/// Checks the tables, and counts second-level tables that are counted as free. The inner error says what is wrong.
pub(super) fn check_and_repair(file: &HostFile, layout: &Layout) -> io::Result<Result<(), String>> {
    let cluster = 1_u64 << layout.cluster_bits;
    let size = file.medium().len()?;
    let fits = |offset: u64, len: u64| {
        offset.is_multiple_of(cluster)
            && offset
                .checked_add(len)
                .is_some_and(|end| end <= size.next_multiple_of(cluster))
    };
    let l1_bytes = layout.l1_entries * 8;
    let reftable_bytes = layout.reftable_clusters * cluster;
    if !fits(layout.l1_offset, l1_bytes) || !fits(layout.reftable_offset, reftable_bytes) {
        return Ok(Err("its tables lie outside of the file".to_owned()));
    }
    let refblocks = entries(file, layout.reftable_offset, reftable_bytes)?;
    let l2_tables = entries(file, layout.l1_offset, l1_bytes)?;

    let mut tables = vec![0];
    tables.extend((0..l1_bytes.div_ceil(cluster)).map(|n| layout.l1_offset / cluster + n));
    tables.extend((0..layout.reftable_clusters).map(|n| layout.reftable_offset / cluster + n));
    for entry in refblocks.iter().chain(&l2_tables).filter(|&&entry| entry != 0) {
        let offset = entry & OFFSET;
        // The topmost bit of an entry of the first-level table says that the count is exactly one.
        if entry & !OFFSET & !(1 << 63) != 0 || !fits(offset, cluster) {
            return Ok(Err(format!("a table's entry (0x{entry:x}) is not valid")));
        }
        tables.push(offset / cluster);
    }
    tables.sort_unstable();
    if tables.windows(2).any(|pair| pair.first() == pair.last()) {
        return Ok(Err("two tables lie at the same place".to_owned()));
    }

    let mut uncounted = Vec::new();
    let per_block = (cluster * 8) >> layout.refcount_order;
    let mut block = (u64::MAX, Vec::new());
    for table in tables {
        let index = table / per_block;
        let refblock = usize::try_from(index)
            .ok()
            .and_then(|index| refblocks.get(index))
            .map_or(0, |entry| entry & OFFSET);
        if block.0 != index && refblock != 0 {
            // The last cluster of a file may be short.
            let mut bytes = vec![0; cluster as usize];
            file.read_up_to(refblock, &mut bytes)?;
            block = (index, bytes);
        }
        let count = table % per_block;
        if refblock != 0 && !is_zero(&block.1, count, layout.refcount_order) {
            continue;
        }
        let is_l2 = l2_tables.iter().any(|entry| (entry & OFFSET) / cluster == table);
        if refblock == 0 || layout.refcount_order < 3 || !is_l2 || uncounted.len() == MAX_REPAIRS {
            return Ok(Err(format!("cluster {table}, a table, is counted as free")));
        }
        uncounted.push((table, refblock + (count << layout.refcount_order) / 8));
    }
    if uncounted.is_empty() {
        return Ok(Ok(()));
    }
    // Who took one of them for free, and put data there?
    for entry in l2_tables.iter().filter(|&&entry| entry != 0) {
        for data in entries(file, entry & OFFSET, cluster)? {
            if uncounted
                .iter()
                .any(|(table, _)| data & COMPRESSED == 0 && (data & OFFSET) / cluster == *table)
            {
                return Ok(Err("data lie in a cluster that is also a table".to_owned()));
            }
        }
    }
    let width = 1 << (layout.refcount_order - 3);
    let mut one = vec![0; width - 1];
    one.push(1);
    for (_, place) in uncounted {
        file.medium().write_all_at(&one, place)?;
    }
    file.medium().sync()?;
    Ok(Ok(()))
}

/// The big-endian entries of a table.
fn entries(file: &HostFile, offset: u64, len: u64) -> io::Result<Vec<u64>> {
    let mut bytes = vec![0; len as usize];
    file.read_up_to(offset, &mut bytes)?;
    Ok(bytes
        .as_chunks()
        .0
        .iter()
        .map(|entry| u64::from_be_bytes(*entry))
        .collect())
}

/// Whether the count with this index is 0.
fn is_zero(block: &[u8], index: u64, order: u32) -> bool {
    let bit = index << order;
    let at = (bit / 8) as usize;
    if order >= 3 {
        let width = 1 << (order - 3);
        return block.iter().skip(at).take(width).all(|&byte| byte == 0);
    }
    let mask = ((1_u16 << (1 << order)) - 1) as u8;
    block.get(at).is_none_or(|byte| byte >> (bit % 8) & mask == 0)
}
