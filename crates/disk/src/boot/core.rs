//! The core image on a disk: its block list, its partition, its trailer.

use std::ops::Range;

use sha2::{Digest, Sha256};

use super::BootError;
use super::assets::Assets;
use super::sector::SECTOR;
use crate::io::ReadAt;

/// Real-mode segment at which the second sector of the core image is loaded (`GRUB_BOOT_MACHINE_KERNEL_SEG` + one sector).
pub const CORE_SEGMENT: u16 = 0x820;

/// The block list ends with the first sector and grows downwards, 12 bytes an entry: 64-bit sector, 16-bit count, 16-bit
/// segment (`struct grub_pc_bios_boot_blocklist`).
const LIST_ENTRY: usize = 12;
/// The list may not reach into diskboot.img's code and messages, which end before this byte in every release since 1.98.
const LIST_START: usize = 0x180;
/// The number of the partition (from 0, 0xff for none) that GRUB's root device is made of: the third byte of
/// `GRUB_DECOMPRESSOR_I386_PC_BOOT_DEVICE` in the second sector.
const DOS_PART: usize = SECTOR as usize + 0x18 + 2;

/// What marks a core image as installed by comeback; behind it stand the checksum and the length.
const TRAILER_MAGIC: &[u8; 16] = b"comeback core 1\n";

/// No GRUB core image is larger: it has to fit below 640 KiB.
const LARGEST_CORE: u64 = 0x78000;

/// A contiguous run of sectors, numbered from the start of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// First sector.
    pub start: u64,
    /// Number of sectors.
    pub sectors: u64,
}

/// Turns byte ranges (from the start of the disk) into runs of sectors, neighbours joined.
///
/// # Errors
/// [`BootError::Misaligned`].
pub fn runs_of(ranges: &[Range<u64>]) -> Result<Vec<Run>, BootError> {
    let mut runs: Vec<Run> = Vec::new();
    for range in ranges {
        if let Some(&offset) = [range.start, range.end].iter().find(|&&offset| offset % SECTOR != 0) {
            return Err(BootError::Misaligned { offset });
        }
        let (start, sectors) = (range.start / SECTOR, (range.end - range.start) / SECTOR);
        match runs.last_mut() {
            Some(last) if last.start + last.sectors == start => last.sectors += sectors,
            _ => runs.push(Run { start, sectors }),
        }
    }
    Ok(runs)
}

/// Size in bytes of the core image as it is installed: whole sectors, the last of them the trailer.
pub fn installed_size(assets: &Assets) -> u64 {
    (assets.core().len() as u64).div_ceil(SECTOR) * SECTOR + SECTOR
}

/// The core image as it has to be written to `runs`: padded, with its block list, partition and trailer.
///
/// `partition` is the number (from 1) of the partition that holds `/boot/comeback`; none on an unpartitioned disk.
///
/// # Errors
/// [`BootError::TooSmall`] and [`BootError::TooManyPieces`].
pub fn install_core(assets: &Assets, runs: &[Run], partition: Option<u8>) -> Result<Vec<u8>, BootError> {
    let needed = installed_size(assets);
    let available = runs.iter().map(|run| run.sectors * SECTOR).sum();
    if available < needed {
        return Err(BootError::TooSmall { needed, available });
    }
    let mut image = assets.core().to_vec();
    image.resize(needed as usize, 0);
    let trailer = image.len() - SECTOR as usize;
    let digest = normalised_digest(&image[..trailer]);
    image[trailer..trailer + 16].copy_from_slice(TRAILER_MAGIC);
    image[trailer + 16..trailer + 48].copy_from_slice(&digest);

    // The first sector is loaded by the boot sector; the list covers what follows it.
    let mut rest = needed / SECTOR - 1;
    let mut segment = u64::from(CORE_SEGMENT);
    let mut at = SECTOR as usize - LIST_ENTRY;
    image[LIST_START..SECTOR as usize]
        .iter_mut()
        .skip(at - LIST_START)
        .for_each(|byte| *byte = 0);
    let mut skip = 1;
    for run in runs {
        let skipped = skip.min(run.sectors);
        skip -= skipped;
        let count = (run.sectors - skipped).min(rest);
        if count == 0 {
            continue;
        }
        // A list ends with an entry of length zero, for which there must be room, too.
        if at < LIST_START + LIST_ENTRY {
            return Err(BootError::TooManyPieces {
                pieces: runs.len(),
                limit: (SECTOR as usize - LIST_START) / LIST_ENTRY - 1,
            });
        }
        image[at..at + 8].copy_from_slice(&(run.start + skipped).to_le_bytes());
        image[at + 8..at + 10].copy_from_slice(&(count as u16).to_le_bytes());
        image[at + 10..at + 12].copy_from_slice(&(segment as u16).to_le_bytes());
        segment += count * SECTOR / 16;
        rest -= count;
        at -= LIST_ENTRY;
    }
    image[at..at + LIST_ENTRY].fill(0);
    image[DOS_PART] = partition.map_or(0xff, |number| number.saturating_sub(1));
    Ok(image)
}

/// A core image as the chain from sector 0 finds it.
#[derive(Debug)]
pub struct InstalledCore {
    bytes: Vec<u8>,
}

impl InstalledCore {
    /// Reads the core image whose first sector is `first` by its own block list.
    ///
    /// # Errors
    /// A sentence that says where the chain breaks.
    pub fn follow(disk: &dyn ReadAt, first: u64) -> Result<Self, String> {
        let sectors = disk.size() / SECTOR;
        let read = |start: u64, count: u64, into: &mut Vec<u8>| -> Result<(), String> {
            if start == 0 || start.checked_add(count).is_none_or(|end| end > sectors) {
                return Err(format!(
                    "boot code names sectors {start} and {count} more, outside of the disk"
                ));
            }
            let at = into.len();
            into.resize(at + (count * SECTOR) as usize, 0);
            disk.read_at(start * SECTOR, &mut into[at..])
                .map_err(|error| format!("the core image at sector {start} cannot be read: {error}"))
        };
        let mut bytes = Vec::new();
        read(first, 1, &mut bytes)?;
        let mut at = SECTOR as usize - LIST_ENTRY;
        loop {
            let start = bytes[at..at + 8]
                .iter()
                .rev()
                .fold(0u64, |value, &byte| value << 8 | u64::from(byte));
            let count = u64::from(u16::from_le_bytes([bytes[at + 8], bytes[at + 9]]));
            if count == 0 {
                break;
            }
            if bytes.len() as u64 + count * SECTOR > LARGEST_CORE {
                return Err("the block list of the core image is longer than a core image can be".to_owned());
            }
            read(start, count, &mut bytes)?;
            if at < LIST_START + LIST_ENTRY {
                break;
            }
            at -= LIST_ENTRY;
        }
        if bytes.len() < 4 * SECTOR as usize {
            return Err("the block list of the core image is empty".to_owned());
        }
        Ok(InstalledCore { bytes })
    }

    fn trailer(&self) -> Option<(&[u8], &[u8])> {
        let at = self.bytes.len().checked_sub(SECTOR as usize)?;
        let (core, trailer) = self.bytes.split_at(at);
        trailer.strip_prefix(TRAILER_MAGIC).map(|rest| (core, &rest[..32]))
    }

    /// Whether comeback installed it.
    pub fn is_ours(&self) -> bool {
        self.trailer().is_some()
    }

    /// Why it would not run although it is ours.
    pub fn problem(&self) -> Option<String> {
        let (core, digest) = self.trailer()?;
        (normalised_digest(core)[..] != *digest)
            .then(|| "the checksum of the core image differs: its blocks were moved or overwritten".to_owned())
    }

    /// Partition (from 1) in which GRUB looks for its files.
    pub fn partition(&self) -> Option<u8> {
        match self.bytes.get(DOS_PART) {
            None | Some(0xff) => None,
            Some(number) => Some(number + 1),
        }
    }

    /// Whether a core image that is not ours looks like one at all: the second sector starts with a far jump to itself
    /// (`ljmp $0, $ABS(LOCAL(codestart))` of `startup_raw.S`).
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn looks_like_grub(&self) -> Result<(), String> {
        match self.bytes.get(SECTOR as usize) {
            Some(0xea) => Ok(()),
            _ => Err("what the boot sector leads to is not a GRUB core image".to_owned()),
        }
    }
}

/// The checksum of a padded core image with all that is filled in at installation blanked.
fn normalised_digest(core: &[u8]) -> [u8; 32] {
    let mut core = core.to_vec();
    if core.len() > DOS_PART {
        core[LIST_START..SECTOR as usize].fill(0);
        core[DOS_PART] = 0xff;
    }
    Sha256::digest(&core).into()
}
