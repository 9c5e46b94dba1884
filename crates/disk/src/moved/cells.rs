//! A disk in cells, and the view of it as it will be when they have moved.

use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::stamp::{self, Stamp};
use crate::io::{ReadAt, check_bounds};

/// The data of a disk, in pieces as long as the way that they move. Cell `i` lies in place `i` before the move, and in
/// place `i + 1` afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cells {
    /// Length of a cell in bytes; the way that everything moves.
    pub len: u64,
    /// How many cells there are. One place more is taken at the end.
    pub count: u64,
}

impl Cells {
    /// The cells of the first `size` bytes of a disk; what is in the last one beyond that moves with it.
    pub fn covering(size: u64, len: u64) -> Self {
        Cells {
            len,
            count: size.div_ceil(len),
        }
    }

    /// Where a place starts, in bytes.
    pub(super) fn at(self, place: u64) -> u64 {
        place * self.len
    }

    /// The first byte behind the place that the last cell moves to. Only for cells that lie on a disk.
    pub fn end(self) -> u64 {
        self.at(self.count + 1)
    }

    /// Whether the cells make sense, and they and the place behind them lie on a disk of this size.
    pub(super) fn fit(self, disk_size: u64) -> bool {
        let end = self
            .count
            .checked_add(1)
            .and_then(|places| places.checked_mul(self.len));
        let aligned = self.len >= stamp::LEN && self.len.is_multiple_of(512);
        self.count > 0 && aligned && end.is_some_and(|end| end <= disk_size)
    }
}

/// A disk as it will be when its cells have moved: the stamp, what stays of the first cell behind it, the cells one place
/// further up, and the rest of the disk. Nothing is written anywhere.
#[derive(Debug)]
pub struct Shifted {
    base: Arc<dyn ReadAt>,
    cells: Cells,
    stamp: Stamp,
}

impl Shifted {
    /// The view of `base`, on which nothing has moved yet.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if the cells do not lie on the disk with one place to spare.
    pub fn new(base: Arc<dyn ReadAt>, cells: Cells, stamp: Stamp) -> io::Result<Self> {
        if !cells.fit(base.size()) {
            let text = "the data and the place that they move to do not lie on the disk";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        Ok(Shifted { base, cells, stamp })
    }

    /// What moves.
    pub fn cells(&self) -> Cells {
        self.cells
    }

    /// What the disk starts with meanwhile.
    pub(super) fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// The disk before the move.
    pub fn base(&self) -> &Arc<dyn ReadAt> {
        &self.base
    }
}

impl ReadAt for Shifted {
    fn size(&self) -> u64 {
        self.base.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        check_bounds(offset, buf.len(), self.size())?;
        let Cells { len, .. } = self.cells;
        let mut at = offset;
        let mut rest = buf;
        while !rest.is_empty() {
            // Where the bytes from `at` on come from, and up to where.
            let (from, to) = match at {
                at if at < stamp::LEN => (None, stamp::LEN),
                at if at < len => (Some(at), len),
                at if at < self.cells.end() => (Some(at - len), self.cells.end()),
                at => (Some(at), self.size()),
            };
            let (part, others) = rest.split_at_mut((to - at).min(rest.len() as u64) as usize);
            match from {
                None => part.copy_from_slice(&self.stamp.bytes()[at as usize..][..part.len()]),
                Some(from) => self.base.read_at(from, part)?,
            }
            at += part.len() as u64;
            rest = others;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Memory;

    #[test]
    fn shows_the_disk_as_it_will_be() {
        const LEN: usize = 8192;
        let old: Vec<u8> = (0..LEN * 6 + 512).map(|i| (i / 512) as u8).collect();
        let cells = Cells::covering(LEN as u64 * 3 + 1, LEN as u64);
        assert_eq!(cells.count, 4);
        let stamp = Stamp::new("/x".as_ref());
        let mut expected = old.clone();
        expected[..4096].copy_from_slice(stamp.bytes());
        expected[LEN..LEN * 5].copy_from_slice(&old[..LEN * 4]);
        let shifted = Shifted::new(Arc::new(Memory::new(old)), cells, stamp).unwrap();
        let mut seen = vec![0; expected.len()];
        shifted.read_at(0, &mut seen).unwrap();
        assert!(seen == expected);
        for (offset, len) in [
            (4000, 200),
            (LEN - 1, 2),
            (LEN * 5 - 1, 2),
            (100, 0),
            (LEN * 6, 512),
            (1, LEN * 6),
        ] {
            let mut seen = vec![0; len];
            shifted.read_at(offset as u64, &mut seen).unwrap();
            assert!(seen == expected[offset..offset + len], "{offset}+{len}");
        }
        assert!(shifted.read_at(expected.len() as u64, &mut [0]).is_err());
    }

    #[test]
    fn cells_have_to_fit() {
        let fit = |len, count, size| Cells { len, count }.fit(size);
        assert!(fit(4096, 2, 3 * 4096));
        assert!(!fit(4096, 2, 3 * 4096 - 512));
        assert!(!fit(4096, 0, 1 << 20) && !fit(512, 2, 1 << 20) && !fit(4097, 2, 1 << 20));
        assert!(!fit(4096, u64::MAX, 1 << 20) && !fit(1 << 20, 1 << 44, 1 << 20));
    }
}
