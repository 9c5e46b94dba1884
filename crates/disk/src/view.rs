//! The copy-on-write view: writes stay in memory, reads see them, the disk below is never touched.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::io::{ReadAt, WriteAt, check_bounds};
use crate::patch::{Patch, Range};

/// Bytes per copied block. The smallest unit that file systems on PV guests allocate is 1 KiB, most use 4 KiB.
const BLOCK: u64 = 4096;

/// Two changed runs closer than this (bytes) are reported as one range: a patch of few ranges is easier to read,
/// and no medium writes less than a sector anyway.
const JOIN: usize = 512;

/// A writable view of something that is only read.
#[derive(Debug)]
pub struct View {
    base: Arc<dyn ReadAt>,
    blocks: RwLock<BTreeMap<u64, Box<[u8]>>>,
}

impl View {
    /// A view in which nothing differs from `base` yet.
    pub fn new(base: Arc<dyn ReadAt>) -> Self {
        View {
            base,
            blocks: RwLock::new(BTreeMap::new()),
        }
    }

    /// What is below.
    pub fn base(&self) -> &Arc<dyn ReadAt> {
        &self.base
    }

    /// Whether any byte from `offset` to `offset + len` lies in a block that was written to.
    pub fn is_dirty(&self, offset: u64, len: u64) -> bool {
        if len == 0 {
            return false;
        }
        let last = offset.saturating_add(len - 1) / BLOCK;
        self.blocks_read().range(offset / BLOCK..=last).next().is_some()
    }

    /// What differs from the base now.
    ///
    /// # Errors
    /// Whatever reading the base reports.
    pub fn patch(&self) -> io::Result<Patch> {
        let mut ranges: Vec<Range> = Vec::new();
        let mut old = vec![0; BLOCK as usize];
        for (&index, new) in self.blocks_read().iter() {
            let start = index * BLOCK;
            let old = &mut old[..new.len()];
            self.base.read_at(start, old)?;
            for (from, to) in differing_runs(old, new) {
                let offset = start + from as u64;
                match ranges.last_mut() {
                    Some(last) if last.end() == offset => {
                        last.old.extend_from_slice(&old[from..to]);
                        last.new.extend_from_slice(&new[from..to]);
                    }
                    _ => ranges.push(Range {
                        offset,
                        old: old[from..to].to_vec(),
                        new: new[from..to].to_vec(),
                    }),
                }
            }
        }
        Ok(Patch {
            disk_size: self.base.size(),
            ranges,
        })
    }

    fn blocks_read(&self) -> RwLockReadGuard<'_, BTreeMap<u64, Box<[u8]>>> {
        self.blocks.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn blocks_write(&self) -> RwLockWriteGuard<'_, BTreeMap<u64, Box<[u8]>>> {
        self.blocks.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The runs `[from, to)` in which two slices of equal length differ, runs closer than [`JOIN`] joined.
fn differing_runs(old: &[u8], new: &[u8]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for at in (0..new.len()).filter(|&at| old[at] != new[at]) {
        match runs.last_mut() {
            Some((_, to)) if at - *to < JOIN => *to = at + 1,
            _ => runs.push((at, at + 1)),
        }
    }
    runs
}

impl ReadAt for View {
    fn size(&self) -> u64 {
        self.base.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        check_bounds(offset, buf.len(), self.size())?;
        if buf.is_empty() {
            return Ok(());
        }
        let end = offset + buf.len() as u64;
        let blocks = self.blocks_read();
        let mut dirty = blocks.range(offset / BLOCK..=(end - 1) / BLOCK).peekable();
        let mut at = offset;
        while at < end {
            let next_dirty = dirty.peek().map_or(end, |&(&index, _)| (index * BLOCK).clamp(at, end));
            if at < next_dirty {
                let target = &mut buf[(at - offset) as usize..(next_dirty - offset) as usize];
                self.base.read_at(at, target)?;
                at = next_dirty;
            }
            if let Some((&index, block)) = dirty.next() {
                let from = (at - index * BLOCK) as usize;
                let to = block.len().min((end - index * BLOCK) as usize);
                buf[(at - offset) as usize..][..to - from].copy_from_slice(&block[from..to]);
                at += (to - from) as u64;
            }
        }
        Ok(())
    }
}

impl WriteAt for View {
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        check_bounds(offset, data.len(), self.size())?;
        let mut blocks = self.blocks_write();
        let mut at = offset;
        let end = offset + data.len() as u64;
        while at < end {
            let index = at / BLOCK;
            let start = index * BLOCK;
            let len = BLOCK.min(self.base.size() - start);
            let from = (at - start) as usize;
            let to = len.min(end - start) as usize;
            let block = match blocks.entry(index) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    let mut block = vec![0; len as usize].into_boxed_slice();
                    if from > 0 || to < block.len() {
                        self.base.read_at(start, &mut block)?;
                    }
                    entry.insert(block)
                }
            };
            block[from..to].copy_from_slice(&data[(at - offset) as usize..][..to - from]);
            at = start + to as u64;
        }
        Ok(())
    }

    /// Does nothing: a view is as durable as the memory it is in.
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Memory;

    fn view(size: usize) -> View {
        View::new(Arc::new(Memory::new((0..size).map(|i| (i % 251) as u8).collect())))
    }

    #[test]
    fn reads_see_writes_and_the_base_does_not() {
        let view = view(20_000);
        view.write_at(4090, &[0xff; 20]).unwrap();
        let mut buf = [0; 40];
        view.read_at(4080, &mut buf).unwrap();
        assert_eq!(&buf[10..30], &[0xff; 20]);
        assert_eq!(buf[9], (4089 % 251) as u8);
        assert_eq!(buf[30], (4110 % 251) as u8);
        view.base().read_at(4080, &mut buf).unwrap();
        assert_eq!(buf[10], (4090 % 251) as u8);
    }

    #[test]
    fn the_patch_is_what_differs() {
        let view = view(20_001);
        view.write_at(4090, &[0xff; 20]).unwrap();
        view.write_at(20_000, &[0xee]).unwrap();
        let same: Vec<u8> = (8192..9000).map(|i| (i % 251) as u8).collect();
        view.write_at(8192, &same).unwrap();
        let patch = view.patch().unwrap();
        let seen: Vec<_> = patch.ranges.iter().map(|r| (r.offset, r.len())).collect();
        assert_eq!(seen, [(4090, 20), (20_000, 1)]);
        assert_eq!(patch.ranges[0].old[0], (4090 % 251) as u8);
        assert_eq!(patch.changed_bytes(), 21);
    }

    #[test]
    fn out_of_bounds_is_an_error() {
        let view = view(100);
        assert!(view.read_at(99, &mut [0; 2]).is_err());
        assert!(view.write_at(u64::MAX, &[0]).is_err());
        assert!(view.read_at(100, &mut []).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn behaves_like_an_array(writes in proptest::collection::vec((0u64..30_000, proptest::collection::vec(proptest::num::u8::ANY, 0..6000)), 0..12)) {
            let view = view(30_000);
            let mut model: Vec<u8> = (0..30_000).map(|i| (i % 251) as u8).collect();
            let before = model.clone();
            for (offset, data) in writes {
                let data = &data[..data.len().min(30_000 - offset as usize)];
                view.write_at(offset, data).unwrap();
                model[offset as usize..offset as usize + data.len()].copy_from_slice(data);
            }
            let mut seen = vec![0; 30_000];
            view.read_at(0, &mut seen).unwrap();
            proptest::prop_assert_eq!(&seen, &model);
            let mut patched = before;
            for range in view.patch().unwrap().ranges {
                let at = range.offset as usize;
                proptest::prop_assert_eq!(&patched[at..at + range.old.len()], &range.old[..]);
                patched[at..at + range.new.len()].copy_from_slice(&range.new);
            }
            proptest::prop_assert_eq!(&patched, &model);
        }
    }
}
