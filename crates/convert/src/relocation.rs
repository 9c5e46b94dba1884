//! The `partitioned` layout: the same file systems on a new disk with a GPT.
//!
//! The new disk is first made of pieces: its table in memory, its partitions straight from the source. On this view it is
//! converted and inspected like any other disk, and only then copied, used blocks only.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use comeback_disk::ext::{Access, Ext, ExtError};
use comeback_disk::io::{ReadAt, Window, WriteAt};
use comeback_disk::table::{self, NewPartition, TableError};
use comeback_disk::view::View;
use comeback_guest::system::{Disk, System};
use uuid::Uuid;

/// Partitions start at multiples of this, in bytes.
pub(crate) const ALIGNMENT: u64 = 1 << 20;
/// EBS volumes are whole GiB.
pub(crate) const GIB: u64 = 1 << 30;
/// The BIOS-boot partition fills what is left before the first MiB; its number is the one that Amazon Linux gives it.
const BIOS_BOOT_NUMBER: u32 = 128;
/// Behind the MBR, the GPT header and 128 entries of 128 bytes: sector 34.
const BIOS_BOOT_START: u64 = 34 * 512;

/// Why a disk cannot be laid out anew.
#[derive(Debug, thiserror::Error)]
pub enum RelocationError {
    /// There would be nothing to gain.
    #[error("the disk has a GPT already; use the in-place layout")]
    AlreadyGpt,
    /// The used blocks cannot be told.
    #[error("{place}: {source}")]
    Ext {
        /// `partition 1`.
        place: String,
        /// What libext2fs said.
        source: ExtError,
    },
    /// The new disk is too small.
    #[error("the new disk has {available} bytes, and {needed} are needed")]
    TooSmall {
        /// Bytes needed.
        needed: u64,
        /// Bytes there.
        available: u64,
    },
    /// Data can only move up where nothing else is on the disk.
    #[error(
        "the disk has partitions already, and only a file system that has the disk for itself can be moved in place; use the \
         in-place layout, or --output FILE"
    )]
    NotBare,
    /// There is nowhere to move to.
    #[error(
        "the data need {needed} bytes to move up and make room for a GPT, and the disk has {available}: {} bytes too few. Grow \
         it first (an EBS volume: aws ec2 modify-volume --size {}; a raw image: truncate -s {needed}), or use --output FILE",
        needed - available,
        needed.div_ceil(GIB)
    )]
    NoRoom {
        /// Bytes needed.
        needed: u64,
        /// Bytes there.
        available: u64,
    },
    /// The table could not be written.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The source could not be read, or the new disk not be written.
    #[error("copying to the new disk: {0}")]
    Io(#[from] io::Error),
}

/// A part of the new disk.
#[derive(Debug, Clone)]
struct Part {
    number: u32,
    from: u64,
    to: u64,
    size: u64,
    /// Byte ranges within the part that hold something; none where it has to be looked for.
    used: Option<Vec<Range<u64>>>,
}

/// A new disk made of pieces of another.
#[derive(Debug)]
pub struct Relocation {
    view: Arc<View>,
    parts: Vec<Part>,
}

/// The new disk before its table is written: pieces of the source, zeros elsewhere.
#[derive(Debug)]
struct Mosaic {
    source: Arc<View>,
    parts: Vec<Part>,
    size: u64,
}

impl ReadAt for Mosaic {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset
            .checked_add(buf.len() as u64)
            .filter(|&end| end <= self.size)
            .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "read past the end of the new disk"))?;
        buf.fill(0);
        for part in &self.parts {
            let (from, to) = (offset.max(part.to), end.min(part.to + part.size));
            if from < to {
                let target = &mut buf[(from - offset) as usize..(to - offset) as usize];
                self.source.read_at(part.from + (from - part.to), target)?;
            }
        }
        Ok(())
    }
}

impl Relocation {
    /// Lays the disk of an opened system out anew, on a disk of `size` bytes, or else on the smallest of whole GiB.
    ///
    /// # Errors
    /// See [`RelocationError`].
    pub fn of(system: &System, size: Option<u64>, now: i64) -> Result<Self, RelocationError> {
        let source = system.view();
        let table = table::read(source.as_ref())?;
        if table.scheme == table::Scheme::Gpt {
            return Err(RelocationError::AlreadyGpt);
        }
        let disk: &Disk = system.disk();
        let mut pieces: Vec<(u32, u64, u64)> = table
            .partitions
            .iter()
            .map(|partition| (partition.number, partition.start, partition.size))
            .collect();
        if pieces.is_empty() {
            pieces.push((1, 0, disk.root.superblock.size));
        }
        let mut to = ALIGNMENT;
        let mut parts = Vec::new();
        for (number, from, size) in pieces {
            let window = Window::new(Arc::clone(source), from, size)?;
            let used = used_ranges(window, now).map_err(|source| RelocationError::Ext {
                place: format!("partition {number}"),
                source,
            })?;
            parts.push(Part {
                number,
                from,
                to,
                size,
                used,
            });
            to = (to + size).next_multiple_of(ALIGNMENT);
        }
        // The backup of the table takes 33 sectors at the end.
        let needed = to + ALIGNMENT;
        let size = size.unwrap_or(needed.next_multiple_of(GIB));
        if size < needed {
            let available = size;
            return Err(RelocationError::TooSmall { needed, available });
        }
        let view = Arc::new(View::new(Arc::new(Mosaic {
            source: Arc::clone(source),
            parts: parts.clone(),
            size,
        })));
        let partitions: Vec<_> = parts.iter().map(|part| (part.number, part.to, part.size)).collect();
        write_table(&view, &partitions)?;
        Ok(Relocation { view, parts })
    }

    /// The new disk, in memory but for what is still in the source.
    pub fn disk(&self) -> Arc<View> {
        Arc::clone(&self.view)
    }

    /// Copies everything that is in use to `output`, which must be as large; gives back how many bytes were written.
    /// Where `is_zero` says that `output` reads as zeros, zeros are not written, so that it stays sparse. `progress` is
    /// called with the number of bytes copied so far and in all.
    ///
    /// # Errors
    /// [`RelocationError::Io`].
    pub fn copy(
        &self,
        output: &dyn WriteAt,
        is_zero: bool,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<u64, RelocationError> {
        const CHUNK: u64 = 1 << 20;
        let size = self.view.size();
        let mut ranges = vec![0..ALIGNMENT, size - ALIGNMENT..size];
        for part in &self.parts {
            match &part.used {
                Some(used) => ranges.extend(used.iter().map(|range| part.to + range.start..part.to + range.end)),
                None => ranges.push(part.to..part.to + part.size),
            }
        }
        let total: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        let mut buf = vec![0; CHUNK as usize];
        let (mut done, mut written) = (0, 0);
        for range in ranges {
            let mut at = range.start;
            while at < range.end {
                let len = CHUNK.min(range.end - at);
                let chunk = &mut buf[..len as usize];
                self.view.read_at(at, chunk)?;
                if !is_zero || chunk.iter().any(|&byte| byte != 0) {
                    output.write_at(at, chunk)?;
                    written += len;
                }
                at += len;
                done += len;
                progress(done, total);
            }
        }
        Ok(written)
    }
}

/// Writes a GPT with these partitions (number, start and length in bytes) and one for GRUB's core image before them.
pub(crate) fn write_table(disk: &View, partitions: &[(u32, u64, u64)]) -> Result<(), TableError> {
    let mut new: Vec<NewPartition> = partitions
        .iter()
        .map(|&(number, start, size)| NewPartition {
            number,
            start,
            size,
            kind: table::LINUX,
            guid: Uuid::new_v4(),
            name: String::new(),
        })
        .collect();
    new.push(NewPartition {
        number: BIOS_BOOT_NUMBER,
        start: BIOS_BOOT_START,
        size: ALIGNMENT - BIOS_BOOT_START,
        kind: table::BIOS_BOOT,
        guid: Uuid::new_v4(),
        name: "BIOS boot".to_owned(),
    });
    table::write_gpt(disk, Uuid::new_v4(), &new)
}

fn used_ranges(window: Window<Arc<View>>, now: i64) -> Result<Option<Vec<Range<u64>>>, ExtError> {
    match Ext::open(Arc::new(window), Access::Read, now) {
        Ok(ext) => ext.used_ranges().map(Some),
        Err(ExtError::NotExt) => Ok(None),
        Err(error) => Err(error),
    }
}
