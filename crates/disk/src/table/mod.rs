//! Partition tables: reading MBR (with logical partitions) and GPT, writing the GPT of the `partitioned` layout.
//!
//! Decoding is left to `mbrman` and `gptman`; what they do not check about hostile bytes (counts, sizes, loops) is
//! checked here first. Numbers, PARTUUIDs and the choice between the schemes follow the Linux kernel
//! (`block/partitions/msdos.c`, `efi.c`).

use std::fmt;
use std::io;

use serde::Serialize;
use uuid::Uuid;

use crate::io::ReadAt;
use crate::probe::{self, Content};

mod cursor;
mod gpt;
mod mbr;

pub use gpt::{NewPartition, write_gpt};

/// Bytes per sector. Disks of EC2 and images have 512; a GPT made for 4096 is an error.
pub const SECTOR: u64 = 512;

/// Partition type of a Linux file system.
pub const LINUX: Uuid = Uuid::from_u128(0x0fc63daf_8483_4772_8e79_3d69d8477de4);

/// Partition type of a BIOS boot partition, where GRUB 2 keeps its core image on a GPT disk.
pub const BIOS_BOOT: Uuid = Uuid::from_u128(0x21686148_6449_6e6f_744e_656564454649);

/// How a disk is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Not at all: a bare file system, or nothing.
    None,
    /// Master boot record, with logical partitions if there are any.
    Mbr,
    /// GUID partition table.
    Gpt,
}

/// What a partition claims to be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The type byte of an MBR entry.
    Code(u8),
    /// The type GUID of a GPT entry.
    Guid(Uuid),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Code(code) => write!(f, "0x{code:02x}"),
            Kind::Guid(guid) => guid.fmt(f),
        }
    }
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Partition {
    /// The number that Linux gives it, from 1; logical partitions start at 5.
    pub number: u32,
    /// First byte on the disk.
    pub start: u64,
    /// Length in bytes.
    pub size: u64,
    /// What it claims to be for.
    pub kind: Kind,
    /// Its name; only GPT has names.
    pub name: String,
    /// PARTUUID as Linux writes it: `1234abcd-01` on MBR, a lower-case GUID on GPT.
    pub uuid: String,
    /// The active flag (MBR) or the "legacy BIOS bootable" attribute (GPT).
    pub bootable: bool,
}

impl Partition {
    /// The first byte after it.
    pub fn end(&self) -> u64 {
        self.start + self.size
    }
}

/// What is odd about a table that can be read all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Note {
    /// The first copy of the GPT is damaged.
    #[error("the primary GPT is damaged ({0}); the backup at the end of the disk was used")]
    PrimaryGptDamaged(String),
    /// The second copy of the GPT is damaged or not at the end of the disk.
    #[error("the backup GPT is damaged or missing ({0}); the primary was used")]
    BackupGptDamaged(String),
    /// There is a GPT that Linux and GRUB ignore.
    #[error("there is a GPT, but no protective MBR, so it is ignored as Linux and GRUB ignore it")]
    GptWithoutProtectiveMbr,
    /// Sector 0 looks like a partition table, but its entries are nonsense.
    #[error("sector 0 ends in 55AA, but what is there is no partition table: {0}")]
    NotATable(String),
    /// The chain of extended boot records ends in something else.
    #[error("the chain of logical partitions is broken at sector {sector}: {reason}")]
    BrokenChain {
        /// Where, in sectors of 512 bytes.
        sector: u64,
        /// What is wrong there.
        reason: String,
    },
}

/// What divides a disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    /// How the disk is divided.
    pub scheme: Scheme,
    /// The disk's own identifier: eight hexadecimal digits on MBR, a GUID on GPT.
    pub id: Option<String>,
    /// In the order of their numbers. The extended partition itself, a mere container, is left out.
    pub partitions: Vec<Partition>,
    /// Bytes per sector.
    pub sector_size: u64,
    /// What is odd.
    pub notes: Vec<Note>,
}

impl Table {
    /// Bytes between the first sector and the first partition: room for a GRUB 2 core image on an MBR disk. None
    /// where that gap does not exist or must not be used: without a table, and on GPT.
    pub fn core_gap(&self) -> Option<u64> {
        if self.scheme != Scheme::Mbr {
            return None;
        }
        let first = self.partitions.iter().map(|partition| partition.start).min()?;
        Some(first.saturating_sub(SECTOR))
    }

    /// The partition with this number.
    pub fn partition(&self, number: u32) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.number == number)
    }
}

/// Why a partition table could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The disk could not be read or written.
    #[error("accessing the partition table: {0}")]
    Io(#[from] io::Error),
    /// A partition ends after the disk.
    #[error("truncated image: partition {number} ends at byte {end}, the image has {size} bytes; copy the disk again")]
    Truncated {
        /// Number of the partition.
        number: u32,
        /// The first byte after it.
        end: u64,
        /// Size of the disk in bytes.
        size: u64,
    },
    /// The first and the last sector of a partition make no sense.
    #[error("partition {number} reaches from sector {from} to {to}; repair the table with gdisk first")]
    Bounds {
        /// Number of the partition.
        number: u32,
        /// Its first sector.
        from: u64,
        /// Its last sector.
        to: u64,
    },
    /// Two partitions share bytes.
    #[error("partitions {first} and {second} overlap; repair the table with sfdisk or gdisk first")]
    Overlap {
        /// Number of the one that starts first.
        first: u32,
        /// Number of the other.
        second: u32,
    },
    /// The protective MBR announces a GPT, but neither copy can be read.
    #[error(
        "the protective MBR announces a GPT, but neither the primary ({primary}) nor the backup ({backup}) can be \
         read; repair it with gdisk first"
    )]
    GptDamaged {
        /// What is wrong with the first copy.
        primary: String,
        /// What is wrong with the second copy.
        backup: String,
    },
    /// The GPT was made for sectors of 4096 bytes.
    #[error("the GPT was made for sectors of 4096 bytes; only disks with 512-byte sectors are supported")]
    SectorSize,
    /// A table that was asked for cannot be made.
    #[error("making a GPT: {0}")]
    Invalid(String),
}

/// Reads the partition table of `disk`. Reads a few sectors at its start and end, and the chain of logical
/// partitions.
///
/// A bare ext file system wins over a table without entries: boot code in front of a bare file system ends in 55AA
/// just as a partition table does.
///
/// # Errors
/// [`TableError`]: unreadable disk, a partition past the end or overlapping another, a GPT of which no copy is good.
pub fn read(disk: &dyn ReadAt) -> Result<Table, TableError> {
    let mut table = Table {
        scheme: Scheme::None,
        id: None,
        partitions: Vec::new(),
        sector_size: SECTOR,
        notes: Vec::new(),
    };
    if !is_signed(disk)? {
        if gpt::has_primary_header(disk, SECTOR)? {
            table.notes.push(Note::GptWithoutProtectiveMbr);
        }
        return Ok(table);
    }
    let header = match mbr::header(disk)? {
        Ok(header) => header,
        Err(reason) => {
            table.notes.push(Note::NotATable(reason));
            return Ok(table);
        }
    };
    if header.is_protective() {
        gpt::read_into(disk, &mut table)?;
        check(&table.partitions, disk.size())?;
        return Ok(table);
    }
    mbr::read_into(disk, &header, &mut table)?;
    let checked = check(&table.partitions, disk.size());
    let is_bare = match probe::identify(disk)? {
        Content::Unknown | Content::Empty => false,
        // The boot record of these file systems also ends in 55AA, its entries are code and text.
        Content::Fat | Content::Ntfs => true,
        // Boot code in front of a bare file system: no entries, or, where the code goes on, what makes none.
        _ => table.partitions.is_empty() || checked.is_err(),
    };
    if is_bare {
        if let Err(err) = checked {
            table.notes.push(Note::NotATable(err.to_string()));
        }
        table.scheme = Scheme::None;
        table.id = None;
        table.partitions.clear();
        return Ok(table);
    }
    checked?;
    Ok(table)
}

/// Whether the first sector ends in 55AA. A disk smaller than that does not.
fn is_signed(disk: &dyn ReadAt) -> io::Result<bool> {
    let mut signature = [0; 2];
    if disk.size() >= SECTOR {
        disk.read_at(SECTOR - 2, &mut signature)?;
    }
    Ok(signature == [0x55, 0xaa])
}

/// Checks that all partitions lie on the disk and do not overlap.
fn check(partitions: &[Partition], size: u64) -> Result<(), TableError> {
    if let Some(last) = partitions.iter().find(|partition| partition.end() > size) {
        return Err(TableError::Truncated {
            number: last.number,
            end: last.end(),
            size,
        });
    }
    let mut ordered: Vec<&Partition> = partitions.iter().collect();
    ordered.sort_by_key(|partition| partition.start);
    for pair in ordered.windows(2) {
        if let [first, second] = pair
            && first.end() > second.start
        {
            return Err(TableError::Overlap {
                first: first.number,
                second: second.number,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
