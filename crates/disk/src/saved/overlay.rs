//! Writes a qcow2 overlay: an image that holds some clusters of a disk and takes all others from its backing file.
//!
//! `imago` can make overlays, too, but writes the first-level table in full. For a disk of 1 TiB that is 4 MiB with
//! clusters small enough for scattered ranges of a few bytes, and with larger clusters the data grow as much. Here
//! tables are left as holes where they are zero, so that a patch of a few hundred KiB takes little more than itself.
//!
//! The layout is that of QEMU's `docs/interop/qcow2.txt`, version 3: header, refcount table, refcount blocks,
//! first-level table, second-level tables, data. Every cluster of the file is used exactly once.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Length of the header of version 3 without extensions, in bytes.
const HEADER: usize = 104;

/// The entry is the only reference to its cluster.
const COPIED: u64 = 1 << 63;

/// The cluster reads as zero, whatever the backing file has.
const ZERO: u64 = 1;

/// The first-level table may be this long, in bytes. QEMU and `imago` keep it in memory.
const MAX_L1: u64 = 4 << 20;

/// What is below an overlay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backing<'a> {
    /// Path as it is written into the header; at most 1023 bytes.
    pub path: &'a str,
    /// QEMU's name of the format.
    pub format: &'a str,
}

/// Bytes per cluster for a disk of `size` bytes: 4 KiB up to 1 TiB.
pub(super) fn cluster_size(size: u64) -> u64 {
    let mut bits = 12;
    while size.div_ceil(1 << (2 * bits - 3)) * 8 > MAX_L1 {
        bits += 1;
    }
    1 << bits
}

/// Where everything lies, in clusters from the start of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    cluster: u64,
    reftable: u64,
    refblocks: u64,
    l1: u64,
    l2: u64,
    data: u64,
    end: u64,
    l1_entries: u64,
}

impl Layout {
    fn new(size: u64, l2_tables: u64, data: u64) -> Self {
        let cluster = cluster_size(size);
        let l1_entries = size.div_ceil(cluster * (cluster / 8)).max(1);
        let l1_clusters = (l1_entries * 8).div_ceil(cluster);
        let (mut reftables, mut refblocks) = (1, 1);
        loop {
            let end = 1 + reftables + refblocks + l1_clusters + l2_tables + data;
            // Counts have 16 bits; they count themselves, too.
            let needed = end.div_ceil(cluster / 2);
            if needed <= refblocks && (needed * 8).div_ceil(cluster) <= reftables {
                let l1 = 1 + reftables + refblocks;
                return Layout {
                    cluster,
                    reftable: 1,
                    refblocks: 1 + reftables,
                    l1,
                    l2: l1 + l1_clusters,
                    data: l1 + l1_clusters + l2_tables,
                    end,
                    l1_entries,
                };
            }
            refblocks = needed.max(refblocks);
            reftables = (refblocks * 8).div_ceil(cluster).max(reftables);
        }
    }

    fn at(&self, cluster: u64) -> u64 {
        cluster * self.cluster
    }
}

/// Makes the overlay at `path`, for a disk of `size` bytes. `clusters` maps the number of each cluster that differs
/// to its content, of [`cluster_size`] bytes. Returns the number of bytes written.
///
/// The file is synced. It must not exist yet.
pub(super) fn write(
    path: &Path,
    size: u64,
    backing: Backing<'_>,
    clusters: &BTreeMap<u64, Vec<u8>>,
) -> io::Result<u64> {
    let per_table = cluster_size(size) / 8;
    let is_zero = |content: &[u8]| content.iter().all(|&byte| byte == 0);
    let mut tables: Vec<u64> = clusters.keys().map(|number| number / per_table).collect();
    tables.dedup();
    let stored = clusters.values().filter(|content| !is_zero(content)).count() as u64;
    let layout = Layout::new(size, tables.len() as u64, stored);

    let file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.set_len(layout.at(layout.end))?;
    let mut out = Sink {
        file: &file,
        written: 0,
    };
    out.put(0, &header(size, backing, &layout))?;
    for block in 0..layout.l1 - layout.refblocks {
        out.put_entry(
            layout.at(layout.reftable) + block * 8,
            layout.at(layout.refblocks + block),
        )?;
    }
    out.put(layout.at(layout.refblocks), &[0, 1].repeat(layout.end as usize))?;
    for (table, place) in tables.iter().zip(layout.l2..) {
        out.put_entry(layout.at(layout.l1) + table * 8, layout.at(place) | COPIED)?;
    }
    let mut next = layout.data;
    let mut places = tables.iter().zip(layout.l2..).peekable();
    for (&number, content) in clusters {
        while places.next_if(|&(&table, _)| table < number / per_table).is_some() {}
        let Some(&(_, place)) = places.peek() else {
            return Err(io::Error::other("the overlay has no table for a cluster"));
        };
        let entry = if is_zero(content) {
            ZERO
        } else {
            out.put(layout.at(next), content)?;
            next += 1;
            layout.at(next - 1) | COPIED
        };
        out.put_entry(layout.at(place) + number % per_table * 8, entry)?;
    }
    file.sync_all()?;
    Ok(out.written)
}

fn header(size: u64, backing: Backing<'_>, layout: &Layout) -> Vec<u8> {
    // Extensions: type and length of 32 bits each, content padded to 8 bytes; type 0 ends the list.
    let mut extensions = 0xe279_2aca_u32.to_be_bytes().to_vec();
    extensions.extend((backing.format.len() as u32).to_be_bytes());
    extensions.extend(backing.format.as_bytes());
    extensions.resize(extensions.len().next_multiple_of(8) + 8, 0);

    let mut header = Vec::with_capacity(HEADER);
    header.extend(b"QFI\xfb");
    header.extend(3_u32.to_be_bytes());
    header.extend((HEADER as u64 + extensions.len() as u64).to_be_bytes());
    header.extend((backing.path.len() as u32).to_be_bytes());
    header.extend(layout.cluster.ilog2().to_be_bytes());
    header.extend(size.to_be_bytes());
    header.extend(0_u32.to_be_bytes());
    header.extend((layout.l1_entries as u32).to_be_bytes());
    header.extend(layout.at(layout.l1).to_be_bytes());
    header.extend(layout.at(layout.reftable).to_be_bytes());
    header.extend(((layout.refblocks - layout.reftable) as u32).to_be_bytes());
    // No snapshots; no incompatible, compatible or autoclear features.
    header.extend([0; 4 + 8 + 3 * 8]);
    header.extend(4_u32.to_be_bytes());
    header.extend((HEADER as u32).to_be_bytes());
    header.extend(extensions);
    header.extend(backing.path.as_bytes());
    header
}

/// A file, and how much was written to it.
struct Sink<'a> {
    file: &'a File,
    written: u64,
}

impl Sink<'_> {
    fn put(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.file.write_all_at(bytes, offset)
    }

    fn put_entry(&mut self, offset: u64, entry: u64) -> io::Result<()> {
        self.put(offset, &entry.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_grow_with_the_disk() {
        let tib = 1 << 40;
        assert_eq!(
            [1, tib, tib + 1, 4 * tib, 64 * tib].map(cluster_size),
            [4096, 4096, 8192, 8192, 32768]
        );
    }

    #[test]
    fn a_layout_counts_its_own_clusters() {
        for (size, tables, data) in [
            (512, 1, 1),
            (1 << 40, 40, 500),
            (1 << 30, 512, 300_000),
            (1 << 40, 1, 5_000_000),
        ] {
            let layout = Layout::new(size, tables, data);
            assert!(
                (layout.l1 - layout.refblocks) * layout.cluster / 2 >= layout.end,
                "{layout:?}"
            );
            assert!(
                (layout.refblocks - layout.reftable) * layout.cluster / 8 >= layout.l1 - layout.refblocks,
                "{layout:?}"
            );
            assert_eq!(layout.end - layout.data, data);
        }
    }
}
