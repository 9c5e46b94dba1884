//! The master boot record and its chain of extended boot records.

use std::collections::HashSet;
use std::io;

use mbrman::{MBRHeader, MBRPartitionEntry};

use super::{Kind, Note, Partition, SECTOR, Scheme, Table};
use crate::io::ReadAt;

/// Linux makes at most this many partitions of a disk (`DISK_MAX_PARTS`).
const MAX_PARTITIONS: usize = 256;

/// A decoded boot record: of the disk or of a logical partition.
#[derive(Debug)]
pub(super) struct Header(MBRHeader);

impl Header {
    /// Whether this record only protects a GPT from tools that know no GPT.
    pub(super) fn is_protective(&self) -> bool {
        self.0.iter().any(|(_, entry)| entry.sys == 0xee)
    }

    fn used(&self) -> impl Iterator<Item = (usize, &MBRPartitionEntry)> {
        self.0.iter().filter(|(_, entry)| entry.sys != 0 && entry.sectors != 0)
    }
}

fn is_extended(entry: &MBRPartitionEntry) -> bool {
    matches!(entry.sys, 0x05 | 0x0f | 0x85)
}

/// Decodes the first sector. The inner error says why it is no partition table.
pub(super) fn header(disk: &dyn ReadAt) -> io::Result<Result<Header, String>> {
    decode(disk, 0)
}

fn decode(disk: &dyn ReadAt, sector: u64) -> io::Result<Result<Header, String>> {
    let mut bytes = [0; SECTOR as usize];
    match sector.checked_mul(SECTOR) {
        Some(offset) if offset < disk.size() && disk.size() - offset >= SECTOR => disk.read_at(offset, &mut bytes)?,
        _ => return Ok(Err("it lies after the end of the disk".to_owned())),
    }
    let header = MBRHeader::read_from(&mut io::Cursor::new(bytes)).map(Header);
    Ok(header.map_err(|err| err.to_string()))
}

/// Fills in what `header` and the chain behind it say.
pub(super) fn read_into(disk: &dyn ReadAt, header: &Header, table: &mut Table) -> io::Result<()> {
    let signature = u32::from_le_bytes(header.0.disk_signature);
    table.scheme = Scheme::Mbr;
    table.id = Some(format!("{signature:08x}"));
    for (number, entry) in header.used() {
        if !is_extended(entry) {
            let start = u64::from(entry.starting_lba);
            table.partitions.push(partition(number as u32, start, entry, signature));
        }
    }
    // Linux follows one chain: that of the first extended partition.
    let extended = header.used().find(|(_, entry)| is_extended(entry));
    if let Some((_, extended)) = extended {
        read_chain(disk, u64::from(extended.starting_lba), signature, table)?;
    }
    Ok(())
}

/// Each record of the chain holds one logical partition (its start counts from the record) and the place of the
/// next record (counts from the start of the extended partition).
fn read_chain(disk: &dyn ReadAt, start: u64, signature: u32, table: &mut Table) -> io::Result<()> {
    let mut seen = HashSet::new();
    let mut number = 5;
    let mut at = start;
    loop {
        let broken = |reason: String| Note::BrokenChain { sector: at, reason };
        if !seen.insert(at) {
            table.notes.push(broken("it leads back here".to_owned()));
            return Ok(());
        }
        if seen.len() > MAX_PARTITIONS {
            table.notes.push(broken(format!("more than {MAX_PARTITIONS} records")));
            return Ok(());
        }
        let record = match decode(disk, at)? {
            Ok(record) => record,
            // An extended partition in which nothing was made yet has no record at all.
            Err(_) if at == start && is_zero(disk, at)? => return Ok(()),
            Err(reason) => {
                table.notes.push(broken(reason));
                return Ok(());
            }
        };
        for (_, entry) in record.used().filter(|(_, entry)| !is_extended(entry)) {
            let first = at + u64::from(entry.starting_lba);
            table.partitions.push(partition(number, first, entry, signature));
            number += 1;
        }
        match record.used().find(|(_, entry)| is_extended(entry)) {
            Some((_, next)) => at = start + u64::from(next.starting_lba),
            None => return Ok(()),
        }
    }
}

fn is_zero(disk: &dyn ReadAt, sector: u64) -> io::Result<bool> {
    let mut bytes = [0; SECTOR as usize];
    let offset = sector * SECTOR;
    if offset.checked_add(SECTOR).is_none_or(|end| end > disk.size()) {
        return Ok(false);
    }
    disk.read_at(offset, &mut bytes)?;
    Ok(bytes == [0; SECTOR as usize])
}

fn partition(number: u32, start: u64, entry: &MBRPartitionEntry, signature: u32) -> Partition {
    Partition {
        number,
        start: start * SECTOR,
        size: u64::from(entry.sectors) * SECTOR,
        kind: Kind::Code(entry.sys),
        name: String::new(),
        uuid: format!("{signature:08x}-{number:02x}"),
        bootable: entry.boot == mbrman::BOOT_ACTIVE,
    }
}
