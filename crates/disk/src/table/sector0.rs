//! The first sector of a disk: whether the firmware would start it, and whose code that is.

use std::io;

use serde::Serialize;

use super::SECTOR;
use crate::io::ReadAt;

/// Bytes of code that fit in front of the disk signature and the partition entries.
pub(super) const CODE: usize = 440;

/// Whose boot code lies in the first sector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loader {
    /// GRUB 2's `boot.img`; a disk that was converted in place has it, too.
    Grub2,
    /// Stage 1 of GRUB 0.9x.
    GrubLegacy,
    /// SYSLINUX or EXTLINUX, or the MBR that comes with them.
    Syslinux,
    /// LILO.
    Lilo,
    /// Code of another kind.
    Unknown,
}

/// What lies in the first sector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sector0 {
    /// It ends in 55AA: a BIOS would start it.
    pub signature: bool,
    /// Whose code is in it; none if the first 440 bytes are zero.
    pub loader: Option<Loader>,
}

/// Reads the first sector; a disk smaller than that has neither signature nor code.
pub(super) fn read(disk: &dyn ReadAt) -> io::Result<Sector0> {
    let mut sector = [0; SECTOR as usize];
    if disk.size() >= SECTOR {
        disk.read_at(0, &mut sector)?;
    }
    Ok(parse(&sector))
}

fn parse(sector: &[u8; SECTOR as usize]) -> Sector0 {
    let code = &sector[..CODE];
    Sector0 {
        signature: sector[510..] == [0x55, 0xaa],
        loader: code.iter().any(|&byte| byte != 0).then(|| loader(code)),
    }
}

fn loader(code: &[u8]) -> Loader {
    let has = |text: &[u8]| code.windows(text.len()).any(|window| window == text);
    if has(b"GRUB \0Geom\0") {
        // Both write the same messages. Stage 1 has its version (3.2 in all releases since 0.90) at 0x3e and the
        // address of stage 2 at 0x42 (stage1/stage1.h); boot.img has code there.
        let is_stage1 = code[0x3e..].starts_with(&[3, 2]) && matches!(code[0x42..0x44], [0, 0x80] | [0, 0x20]);
        return if is_stage1 { Loader::GrubLegacy } else { Loader::Grub2 };
    }
    // The boot record of SYSLINUX on FAT and EXTLINUX has its name as the OEM string; mbr.bin and gptmbr.bin of the
    // same project have only messages.
    let names: [&[u8]; 4] = [b"SYSLINUX", b"EXTLINUX", b"Operating system load error.", b"Missing OS"];
    if names.into_iter().any(has) {
        return Loader::Syslinux;
    }
    if code[2..].starts_with(b"LILO") || code[6..].starts_with(b"LILO") {
        return Loader::Lilo;
    }
    Loader::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes at offsets.
    type Parts<'a> = &'a [(usize, &'a [u8])];

    fn sector(parts: Parts<'_>) -> Sector0 {
        let mut bytes = [0; 512];
        for (at, part) in parts {
            bytes[*at..*at + part.len()].copy_from_slice(part);
        }
        parse(&bytes)
    }

    #[test]
    fn tells_whose_code_it_is() {
        let grub: &[u8] = b"GRUB \0Geom\0Hard Disk\0Read\0 Error\0";
        let cases: &[(Parts<'_>, Option<Loader>)] = &[
            (&[], None),
            (&[(440, b"\x12\x34\x56\x78")], None),
            (&[(0, b"\xeb\x63\x90"), (0x180, grub)], Some(Loader::Grub2)),
            (
                &[(0, b"\xeb\x48\x90"), (0x3e, b"\x03\x02\xff\0\0\x80"), (0x17e, grub)],
                Some(Loader::GrubLegacy),
            ),
            (&[(0, b"\xeb\x58\x90EXTLINUX")], Some(Loader::Syslinux)),
            (
                &[(
                    0x160,
                    b"Missing operating system.\r\n\0Operating system load error.\r\n",
                )],
                Some(Loader::Syslinux),
            ),
            (&[(0, b"\xfa\xeb\x21\x01\xb4\x01LILO")], Some(Loader::Lilo)),
            (&[(0, b"\x33\xc0\x8e\xd0")], Some(Loader::Unknown)),
        ];
        for (parts, loader) in cases {
            assert_eq!(sector(parts).loader, *loader, "{parts:?}");
            assert!(!sector(parts).signature);
        }
        assert!(sector(&[(510, &[0x55, 0xaa])]).signature);
    }
}
