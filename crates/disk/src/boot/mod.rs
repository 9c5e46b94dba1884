//! Boot code: how a PC's BIOS gets from sector 0 of a disk to GRUB 2, wherever GRUB's core image lies.
//!
//! ```text
//! sector 0 (boot.img)  ── one sector number ──▶  first sector of the core image (diskboot.img)
//!                                                  └─ block list ──▶ the rest of the core image
//! ```
//!
//! The core image is the same for every guest, but for what is filled in here at installation: the block list in its first
//! sector, the number of the partition that holds it, and a trailer by which it is recognised and checked later.
//!
//! Source: GRUB 2.06, `util/setup.c` (what `grub-bios-setup` fills in), `include/grub/i386/pc/boot.h`,
//! `include/grub/offsets.h`, `grub-core/boot/i386/pc/{boot,diskboot,startup_raw}.S`.

pub mod assets;
mod core;
mod sector;

pub use self::core::{CORE_SEGMENT, InstalledCore, Run, install_core, installed_size, runs_of};
pub use self::sector::{BootSector, SECTOR};

use std::io;

use crate::io::ReadAt;

/// Why boot code could not be installed or is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The assets are not GRUB's, or of a release with another layout.
    #[error("boot asset {name}: {problem}; run `cargo xtask boot-assets` to build it again")]
    BadAsset {
        /// `boot.img` or `core.img`.
        name: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The core image lies in more pieces than its first sector can list.
    #[error("the core image lies in {pieces} pieces, its first sector can list {limit}; free some contiguous space")]
    TooManyPieces {
        /// Number of contiguous runs.
        pieces: usize,
        /// The most that fit.
        limit: usize,
    },
    /// A piece does not start or end on a sector.
    #[error("a piece of the core image at byte {offset} is not aligned to {SECTOR} bytes")]
    Misaligned {
        /// Offset from the start of the disk.
        offset: u64,
    },
    /// The space given is too small.
    #[error("the core image needs {needed} bytes, the space for it has {available}")]
    TooSmall {
        /// Bytes needed.
        needed: u64,
        /// Bytes there.
        available: u64,
    },
    /// The disk could not be read.
    #[error("reading boot code: {0}")]
    Io(#[from] io::Error),
}

/// What the boot sector of a disk leads to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum BootCode {
    /// No boot signature, or nothing before it: a BIOS does not start this disk.
    Missing,
    /// Installed by comeback; `problem` says why it would not run, if it would not.
    Comeback {
        /// Partition (from 1) that GRUB looks for its files in; none for an unpartitioned disk.
        partition: Option<u8>,
        /// Why the chain is broken.
        problem: Option<String>,
    },
    /// GRUB 2 as a distribution installs it; `problem` says what is wrong with its chain as far as it can be followed.
    Grub2 {
        /// Why the chain is broken.
        problem: Option<String>,
    },
    /// GRUB legacy (0.97).
    GrubLegacy,
    /// SYSLINUX or EXTLINUX.
    Syslinux,
    /// Boot code that is none of these.
    Unknown,
}

/// Follows the chain from sector 0.
///
/// # Errors
/// When the disk cannot be read.
pub fn read(disk: &dyn ReadAt) -> io::Result<BootCode> {
    if disk.size() < SECTOR {
        return Ok(BootCode::Missing);
    }
    let mut bytes = [0; SECTOR as usize];
    disk.read_at(0, &mut bytes)?;
    let sector = BootSector(bytes);
    if !sector.is_signed() || !sector.has_code() {
        return Ok(BootCode::Missing);
    }
    if sector.is_grub2() {
        return Ok(match InstalledCore::follow(disk, sector.core_sector()) {
            Ok(core) if core.is_ours() => BootCode::Comeback {
                partition: core.partition(),
                problem: core.problem(),
            },
            Ok(core) => BootCode::Grub2 {
                problem: core.looks_like_grub().err(),
            },
            Err(problem) => BootCode::Grub2 { problem: Some(problem) },
        });
    }
    Ok(if sector.contains(b"GRUB ") {
        BootCode::GrubLegacy
    } else if sector.contains(b"SYSLINUX") || sector.contains(b"EXTLINUX") || sector.contains(b"ldlinux") {
        BootCode::Syslinux
    } else {
        BootCode::Unknown
    })
}

#[cfg(test)]
mod tests {
    use super::assets::Assets;
    use super::*;
    use crate::io::{Memory, WriteAt};

    fn assets() -> Assets {
        let mut boot = vec![0x90; 512];
        boot[0x80..0x85].copy_from_slice(b"GRUB ");
        boot[510..].copy_from_slice(&[0x55, 0xaa]);
        let mut core: Vec<u8> = (0..5000u32).map(|i| (i % 253) as u8).collect();
        core[..512].fill(0);
        core[0x1f4..0x200].copy_from_slice(&[2, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0x20, 0x08]);
        core[0x218..0x21c].copy_from_slice(&[0xff, 0xff, 0xff, 0]);
        Assets::from_parts(boot, core).unwrap()
    }

    fn install(disk: &Memory, pieces: &[Run], partition: Option<u8>) {
        let assets = assets();
        let core = install_core(&assets, pieces, partition).unwrap();
        let mut at = 0;
        for run in pieces {
            let len = (run.sectors * SECTOR).min((core.len() - at) as u64) as usize;
            disk.write_at(run.start * SECTOR, &core[at..at + len]).unwrap();
            at += len;
        }
        let mut existing = [0; 512];
        disk.read_at(0, &mut existing).unwrap();
        let sector = BootSector::install(assets.boot(), &existing, pieces[0].start);
        disk.write_at(0, &sector.0).unwrap();
    }

    #[test]
    fn the_chain_is_followed_through_scattered_pieces() {
        let disk = Memory::new(vec![0; 1 << 20]);
        let pieces = [
            Run { start: 100, sectors: 4 },
            Run { start: 50, sectors: 3 },
            Run { start: 300, sectors: 9 },
        ];
        install(&disk, &pieces, Some(2));
        assert_eq!(
            read(&disk).unwrap(),
            BootCode::Comeback {
                partition: Some(2),
                problem: None
            }
        );
    }

    #[test]
    fn a_single_changed_byte_of_the_core_image_is_seen() {
        let disk = Memory::new(vec![0; 1 << 20]);
        install(&disk, &[Run { start: 10, sectors: 20 }], None);
        disk.write_at(12 * 512 + 7, &[0xee]).unwrap();
        let BootCode::Comeback {
            problem: Some(problem), ..
        } = read(&disk).unwrap()
        else {
            panic!("the damage was not seen: {:?}", read(&disk));
        };
        assert!(problem.contains("checksum"), "{problem}");
    }

    #[test]
    fn the_partition_table_survives_the_boot_sector() {
        let disk = Memory::new(vec![0; 1 << 20]);
        disk.write_at(0x1b8, &[7; 0x1fe - 0x1b8]).unwrap();
        install(&disk, &[Run { start: 10, sectors: 20 }], Some(1));
        let bytes = disk.to_vec();
        assert_eq!(&bytes[0x1b8..0x1fe], &[7; 0x1fe - 0x1b8]);
        assert_eq!(&bytes[0x1fe..0x200], &[0x55, 0xaa]);
    }

    #[test]
    fn empty_and_foreign_sectors_are_told_apart() {
        let disk = Memory::new(vec![0; 4096]);
        assert_eq!(read(&disk).unwrap(), BootCode::Missing);
        disk.write_at(510, &[0x55, 0xaa]).unwrap();
        assert_eq!(
            read(&disk).unwrap(),
            BootCode::Missing,
            "a partition table alone is no boot code"
        );
        disk.write_at(0, &[0xfa, 0xeb, 0x10]).unwrap();
        assert_eq!(read(&disk).unwrap(), BootCode::Unknown);
        disk.write_at(0x60, b"EXTLINUX").unwrap();
        assert_eq!(read(&disk).unwrap(), BootCode::Syslinux);
        assert_eq!(read(&Memory::new(vec![0; 100])).unwrap(), BootCode::Missing);
    }

    #[test]
    fn too_little_or_too_scattered_space_is_refused() {
        let small = install_core(&assets(), &[Run { start: 10, sectors: 3 }], None);
        assert!(matches!(small, Err(BootError::TooSmall { .. })), "{small:?}");
        let scattered: Vec<Run> = (0..200)
            .map(|i| Run {
                start: 10 + 2 * i,
                sectors: 1,
            })
            .collect();
        let mut core = vec![0; 200 * 512 - 1024];
        core[0x1f4..0x200].copy_from_slice(&[2, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0x20, 0x08]);
        core[0x218..0x21c].copy_from_slice(&[0xff, 0xff, 0xff, 0]);
        let mut boot = vec![0x90; 512];
        boot[0x80..0x85].copy_from_slice(b"GRUB ");
        boot[510..].copy_from_slice(&[0x55, 0xaa]);
        let assets = Assets::from_parts(boot, core).unwrap();
        let result = install_core(&assets, &scattered, None);
        assert!(matches!(result, Err(BootError::TooManyPieces { .. })), "{result:?}");
    }

    proptest::proptest! {
        #[test]
        fn any_sector_and_core_can_be_read(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..4096), grub in proptest::bool::ANY) {
            let mut bytes = bytes;
            if bytes.len() >= 512 {
                bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
                if grub {
                    bytes[0x80..0x85].copy_from_slice(b"GRUB ");
                    bytes[0x5c..0x64].copy_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
                }
            }
            read(&Memory::new(bytes)).unwrap();
        }
    }
}
