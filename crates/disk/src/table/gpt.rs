//! GUID partition tables (UEFI specification, chapter 5).

use std::io::{Seek, SeekFrom};

use gptman::{GPT, GPTHeader, GPTPartitionEntry};
use uuid::Uuid;

use super::cursor::Cursor;
use super::{Kind, Note, Partition, SECTOR, Scheme, Table, TableError};
use crate::io::{ReadAt, WriteAt};

const MAGIC: &[u8] = b"EFI PART";

/// The size that every known tool gives an entry, in bytes; the specification allows more, `gptman` does not.
const ENTRY: u32 = 128;

/// All known tools make 128 entries; Linux makes no more than 256 partitions.
const MAX_ENTRIES: u32 = 1024;

/// Attribute bit 2: legacy BIOS bootable.
const BIOS_BOOTABLE: u64 = 1 << 2;

/// Whether a GPT header lies where it would for this sector size (bytes).
pub(super) fn has_primary_header(disk: &dyn ReadAt, sector: u64) -> Result<bool, TableError> {
    let mut magic = [0; 8];
    if disk.size() < sector + SECTOR {
        return Ok(false);
    }
    disk.read_at(sector, &mut magic)?;
    Ok(magic == MAGIC)
}

/// Fills in what the GPT says: the primary, or the backup when the primary is damaged.
pub(super) fn read_into(disk: &dyn ReadAt, table: &mut Table) -> Result<(), TableError> {
    let last = (disk.size() / SECTOR).saturating_sub(1);
    let (header, entries) = match (copy(disk, 1), copy(disk, last)) {
        (Ok(primary), Ok(_)) => primary,
        (Ok(primary), Err(reason)) => {
            table.notes.push(Note::BackupGptDamaged(reason));
            primary
        }
        (Err(reason), Ok(backup)) => {
            table.notes.push(Note::PrimaryGptDamaged(reason));
            backup
        }
        (Err(_), Err(_)) if has_primary_header(disk, 4096)? => return Err(TableError::SectorSize),
        (Err(primary), Err(backup)) => return Err(TableError::GptDamaged { primary, backup }),
    };
    table.scheme = Scheme::Gpt;
    table.id = Some(Uuid::from_bytes_le(header.disk_guid).to_string());
    for (number, entry) in (1..).zip(&entries).filter(|(_, entry)| entry.is_used()) {
        table.partitions.push(partition(number, entry)?);
    }
    Ok(())
}

/// Reads one copy with its header at `sector`, or says what is wrong with it.
fn copy(disk: &dyn ReadAt, sector: u64) -> Result<(GPTHeader, Vec<GPTPartitionEntry>), String> {
    let mut cursor = Cursor::new(disk);
    cursor
        .seek(SeekFrom::Start(sector * SECTOR))
        .map_err(|err| err.to_string())?;
    let header = GPTHeader::read_from(&mut cursor).map_err(|err| err.to_string())?;
    if header.primary_lba != sector {
        return Err(format!("its header says that it is at sector {}", header.primary_lba));
    }
    let (count, size) = (header.number_of_partition_entries, header.size_of_partition_entry);
    if size != ENTRY {
        return Err(format!("entries of {size} bytes, only {ENTRY} are supported"));
    }
    if count > MAX_ENTRIES {
        return Err(format!("{count} entries, at most {MAX_ENTRIES} are supported"));
    }
    let end = header.partition_entry_lba.checked_mul(SECTOR);
    let end = end.and_then(|start| start.checked_add(u64::from(count) * u64::from(size)));
    if end.is_none_or(|end| end > disk.size()) {
        return Err(format!(
            "its entries, from sector {} on, lie after the end",
            header.partition_entry_lba
        ));
    }
    let entries = header
        .read_partitions(&mut cursor, SECTOR)
        .map_err(|err| err.to_string())?;
    Ok((header, entries))
}

fn partition(number: u32, entry: &GPTPartitionEntry) -> Result<Partition, TableError> {
    let sectors = entry
        .ending_lba
        .checked_sub(entry.starting_lba)
        .and_then(|last| last.checked_add(1));
    let bounds = sectors.and_then(|sectors| {
        let start = entry.starting_lba.checked_mul(SECTOR)?;
        let size = sectors.checked_mul(SECTOR)?;
        start.checked_add(size)?;
        Some((start, size))
    });
    let Some((start, size)) = bounds else {
        let (from, to) = (entry.starting_lba, entry.ending_lba);
        return Err(TableError::Invalid(format!(
            "partition {number} reaches from sector {from} to {to}"
        )));
    };
    Ok(Partition {
        number,
        start,
        size,
        kind: Kind::Guid(Uuid::from_bytes_le(entry.partition_type_guid)),
        name: entry.partition_name.as_str().to_owned(),
        uuid: Uuid::from_bytes_le(entry.unique_partition_guid).to_string(),
        bootable: entry.attribute_bits & BIOS_BOOTABLE != 0,
    })
}

/// One partition to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPartition {
    /// Its number, 1 to 128.
    pub number: u32,
    /// First byte; a multiple of 512.
    pub start: u64,
    /// Length in bytes; a multiple of 512.
    pub size: u64,
    /// Partition type, as [`super::LINUX`] or [`super::BIOS_BOOT`].
    pub kind: Uuid,
    /// The partition's own GUID (PARTUUID).
    pub guid: Uuid,
    /// At most 36 UTF-16 units.
    pub name: String,
}

/// Writes a GPT (both copies, 128 entries) and a protective MBR. The first 446 bytes of sector 0 stay as they are:
/// they belong to the boot code and the disk signature. Partitions may begin at sector 34; the last 33 sectors
/// hold the backup. Does not flush.
///
/// # Errors
/// [`TableError::Invalid`] for partitions that overlap, do not fit or are not aligned to sectors, for numbers out of
/// range and repeated GUIDs; [`TableError::Io`] when the disk reports an error. Nothing is written before all of
/// this was checked.
pub fn write_gpt(disk: &dyn WriteAt, disk_guid: Uuid, partitions: &[NewPartition]) -> Result<(), TableError> {
    let invalid = |reason: String| TableError::Invalid(reason);
    // Sector 0, two headers, two arrays of 32 sectors, and one sector to use.
    if disk.size() < 68 * SECTOR {
        return Err(invalid(format!(
            "a disk of {} bytes is too small for a GPT",
            disk.size()
        )));
    }
    let mut cursor = Cursor::new(disk);
    let mut gpt = GPT::new_from(&mut cursor, SECTOR, disk_guid.to_bytes_le()).map_err(into_error)?;
    for new in partitions {
        let number = new.number;
        if !(1..=gpt.header.number_of_partition_entries).contains(&number) || gpt[number].is_used() {
            return Err(invalid(format!(
                "partition number {number} is out of range or given twice"
            )));
        }
        if !new.start.is_multiple_of(SECTOR) || !new.size.is_multiple_of(SECTOR) || new.size == 0 {
            return Err(invalid(format!("partition {number} is not made of whole sectors")));
        }
        if new.start.checked_add(new.size).is_none_or(|end| end > disk.size()) {
            return Err(invalid(format!("partition {number} ends after the disk")));
        }
        if new.name.encode_utf16().count() > 36 {
            return Err(invalid(format!("the name of partition {number} is too long")));
        }
        gpt[number] = GPTPartitionEntry {
            partition_type_guid: new.kind.to_bytes_le(),
            unique_partition_guid: new.guid.to_bytes_le(),
            starting_lba: new.start / SECTOR,
            ending_lba: (new.start + new.size) / SECTOR - 1,
            attribute_bits: 0,
            partition_name: new.name.as_str().into(),
        };
    }
    gpt.write_into(&mut cursor).map_err(into_error)?;
    GPT::write_protective_mbr_into(&mut cursor, SECTOR).map_err(into_error)
}

fn into_error(err: gptman::Error) -> TableError {
    match err {
        gptman::Error::Io(err) => TableError::Io(err),
        other => TableError::Invalid(other.to_string()),
    }
}
