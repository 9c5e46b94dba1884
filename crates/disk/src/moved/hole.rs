//! The hole: how it travels, and how it is found again.

use super::log::{Batch, Direction, Hash, MAX_BATCH, hash};
use super::{MoveError, Moved, Watch, flush, read, stamp, write};
use crate::io::{ReadAt, WriteAt};
use crate::saved::Span;

impl Moved {
    /// Reads these places; the start of the disk as it was.
    fn places(&self, disk: &dyn ReadAt, first: u64, count: u64) -> Result<Vec<u8>, MoveError> {
        let cells = self.cells();
        let mut bytes = read(disk, cells.at(first), count * cells.len)?;
        if first == 0 && count > 0 {
            bytes[..self.replaced.head.len()].copy_from_slice(&self.replaced.head);
        }
        Ok(bytes)
    }

    fn hashes(&self, places: &[u8]) -> Vec<Hash> {
        places.chunks_exact(self.cells().len as usize).map(hash).collect()
    }

    /// The place that holds nothing that counts; of several that might, the one that saves most steps.
    fn find_hole(&self, disk: &dyn ReadAt, direction: Direction) -> Result<u64, MoveError> {
        let Some(batch) = self.log.last() else {
            return Ok(self.cells().count);
        };
        let places = batch.hashes.len() as u64 + 1;
        let found = self.hashes(&self.places(disk, batch.first, places)?);
        // Cells below the hole are in their places, those above one further.
        let below = batch
            .hashes
            .iter()
            .zip(&found)
            .take_while(|(cell, place)| cell == place)
            .count();
        let pairs = batch.hashes.iter().rev().zip(found.iter().rev());
        let above = pairs.take_while(|(cell, place)| cell == place).count();
        let (lowest, highest) = ((batch.hashes.len() - above) as u64, below as u64);
        if lowest > highest {
            let cells = self.cells();
            return Err(self.written_to(Span {
                offset: cells.at(batch.first),
                len: places * cells.len,
            }));
        }
        Ok(batch.first + if direction == Direction::Up { lowest } else { highest })
    }

    /// Reads the next cells on the way of the hole and records that they move; tells which these are.
    pub(super) fn send_off(
        &mut self,
        disk: &dyn ReadAt,
        direction: Direction,
        hole: u64,
    ) -> Result<(Batch, Vec<u8>), MoveError> {
        let (first, end) = match direction {
            Direction::Up => (hole.saturating_sub(MAX_BATCH), hole),
            Direction::Down => (hole, (hole + MAX_BATCH).min(self.cells().count)),
        };
        let places = match direction {
            Direction::Up => first,
            Direction::Down => first + 1,
        };
        let bytes = self.places(disk, places, end - first)?;
        let batch = Batch {
            direction,
            first,
            hashes: self.hashes(&bytes),
        };
        self.log.add(batch.clone())?;
        Ok((batch, bytes))
    }

    /// Moves the hole to the other end.
    pub(super) fn travel(
        &mut self,
        disk: &dyn WriteAt,
        direction: Direction,
        watch: Watch<'_>,
    ) -> Result<(), MoveError> {
        // What a process that was killed wrote may be seen before it is on stable storage.
        flush(disk)?;
        let cells = self.cells();
        let total = cells.count * cells.len;
        let mut hole = self.find_hole(disk, direction)?;
        // What the hole holds by accident, if known.
        let mut held = None;
        let goal = match direction {
            Direction::Up => 0,
            Direction::Down => cells.count,
        };
        while hole != goal {
            let (batch, bytes) = self.send_off(disk, direction, hole)?;
            for step in 0..batch.hashes.len() {
                let index = match direction {
                    Direction::Up => batch.hashes.len() - 1 - step,
                    Direction::Down => step,
                };
                let hash = batch.hashes[index];
                if held != Some(hash) {
                    let bytes = &bytes[index * cells.len as usize..][..cells.len as usize];
                    // The stamp stays until all are back.
                    let skip = if hole == 0 { stamp::LEN } else { 0 };
                    write(disk, cells.at(hole) + skip, &bytes[skip as usize..])?;
                    flush(disk)?;
                }
                held = Some(hash);
                hole = match direction {
                    Direction::Up => hole - 1,
                    Direction::Down => hole + 1,
                };
                let done = hole.abs_diff(cells.count - goal) * cells.len;
                if watch(done, total).is_break() && hole != goal {
                    return Err(MoveError::Stopped { done, total });
                }
            }
        }
        Ok(())
    }
}
