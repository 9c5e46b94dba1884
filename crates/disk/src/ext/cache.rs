//! A few blocks of metadata, kept so that each is read once.
//!
//! libext2fs reads the inode table and the folders anew for every path that is looked up: a guest's inspection asks for the
//! same few blocks thousands of times. Large reads, which are those of file contents, are passed on.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::io::{ReadAt, WriteAt};

/// Bytes that are kept or forgotten together.
const UNIT: u64 = 4096;
/// How many of them are kept: 4 MiB. When there is no more room, all are forgotten.
const UNITS: usize = 1024;

/// A medium of which small reads are remembered. Whatever is written through it is seen by later reads; whatever is
/// written to the medium by others is not.
#[derive(Debug)]
pub(super) struct Cache {
    medium: Arc<dyn WriteAt>,
    units: Mutex<HashMap<u64, Box<[u8]>>>,
}

impl Cache {
    pub(super) fn new(medium: Arc<dyn WriteAt>) -> Self {
        Cache {
            medium,
            units: Mutex::new(HashMap::new()),
        }
    }

    fn units(&self) -> MutexGuard<'_, HashMap<u64, Box<[u8]>>> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadAt for Cache {
    fn size(&self) -> u64 {
        self.medium.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let unit = offset / UNIT;
        let from = offset % UNIT;
        let end = from + buf.len() as u64;
        // The last bytes of a medium may be less than a unit.
        let whole = (unit + 1).checked_mul(UNIT).is_some_and(|end| end <= self.size());
        if end > UNIT || !whole {
            return self.medium.read_at(offset, buf);
        }
        // Held while reading, so that no write comes between reading a unit and keeping it.
        let mut units = self.units();
        if let Some(part) = units
            .get(&unit)
            .and_then(|known| known.get(from as usize..end as usize))
        {
            buf.copy_from_slice(part);
            return Ok(());
        }
        let mut fresh = vec![0; UNIT as usize].into_boxed_slice();
        if self.medium.read_at(unit * UNIT, &mut fresh).is_err() {
            // Only what was asked for has to be readable.
            return self.medium.read_at(offset, buf);
        }
        if let Some(part) = fresh.get(from as usize..end as usize) {
            buf.copy_from_slice(part);
        }
        if units.len() >= UNITS {
            units.clear();
        }
        units.insert(unit, fresh);
        Ok(())
    }
}

impl WriteAt for Cache {
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut units = self.units();
        // Forgotten first, and whether or not the write succeeds: a write that fails may have been done in part.
        if let Some(last) = (data.len() as u64).checked_sub(1) {
            let touched = offset / UNIT..=offset.saturating_add(last) / UNIT;
            units.retain(|unit, _| !touched.contains(unit));
        }
        self.medium.write_at(offset, data)
    }

    fn flush(&self) -> io::Result<()> {
        self.medium.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;
    use crate::io::Memory;

    #[derive(Debug)]
    struct Counted {
        memory: Memory,
        reads: AtomicU64,
    }

    impl ReadAt for Counted {
        fn size(&self) -> u64 {
            self.memory.size()
        }

        fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
            self.reads.fetch_add(1, Relaxed);
            self.memory.read_at(offset, buf)
        }
    }

    impl WriteAt for Counted {
        fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.memory.write_at(offset, data)
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn cached(size: usize) -> (Arc<Counted>, Cache) {
        let medium = Arc::new(Counted {
            memory: Memory::new((0..size).map(|at| (at / 256) as u8).collect()),
            reads: AtomicU64::new(0),
        });
        (Arc::clone(&medium), Cache::new(medium))
    }

    fn read(cache: &Cache, offset: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        cache.read_at(offset, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn blocks_are_read_once_and_writes_are_seen() {
        let (medium, cache) = cached(3 * 4096);
        for _ in 0..5 {
            assert_eq!(read(&cache, 4096, 4096), medium.memory.to_vec()[4096..8192]);
            assert_eq!(read(&cache, 5120, 1024), medium.memory.to_vec()[5120..6144]);
        }
        assert_eq!(medium.reads.load(Relaxed), 1);
        // Over the end of one unit and the beginning of the next.
        cache.write_at(4000, &[9; 200]).unwrap();
        assert_eq!(read(&cache, 4096, 105), [[9; 104].as_slice(), &[16]].concat());
        assert_eq!(read(&cache, 0, 4096)[3999..], [[15].as_slice(), &[9; 96]].concat());
        assert_eq!(medium.reads.load(Relaxed), 3);
    }

    #[test]
    fn the_last_bytes_and_what_lies_beyond() {
        let (_, cache) = cached(4096 + 1024);
        assert_eq!(read(&cache, 4096, 1024).len(), 1024);
        assert!(cache.read_at(4096, &mut [0; 1025]).is_err());
        assert!(cache.read_at(u64::MAX, &mut [0; 1]).is_err());
        assert!(cache.write_at(u64::MAX, &[0; 2]).is_err());
    }

    #[test]
    fn room_is_bounded() {
        let (medium, cache) = cached((UNITS + 8) * 4096);
        for unit in 0..UNITS as u64 + 8 {
            read(&cache, unit * UNIT, 16);
            assert!(cache.units().len() <= UNITS);
        }
        assert_eq!(medium.reads.load(Relaxed), UNITS as u64 + 8);
    }
}
