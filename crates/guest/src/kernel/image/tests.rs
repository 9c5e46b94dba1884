use super::*;
use crate::compression::tests::{ALL, compress};
use proptest::prelude::*;

const VERSION: &str = "2.6.32-696.el6.x86_64 (mockbuild@c1bm) #1 SMP Tue Mar 21 19:29:05 UTC 2017";

/// An ELF file of 64 bits with one note segment 5000 bytes into it.
fn elf(xen: bool, pv: bool) -> Vec<u8> {
    let mut notes = Vec::new();
    let mut note = |kind: u32, value: &[u8]| {
        notes.extend(4_u32.to_le_bytes());
        notes.extend((value.len() as u32).to_le_bytes());
        notes.extend(kind.to_le_bytes());
        notes.extend(if xen { b"Xen\0" } else { b"GNU\0" });
        notes.extend(value);
        notes.resize(notes.len().next_multiple_of(4), 0);
    };
    note(6, b"linux\0");
    note(5, b"xen-3.0\0");
    note(8, b"generic\0");
    if pv {
        note(1, &[0; 8]);
    }
    let mut out = vec![0; 5000];
    out[..6].copy_from_slice(b"\x7fELF\x02\x01");
    out[18] = 62;
    out[32] = 64;
    out[54] = 56;
    out[56] = 1;
    out[64] = 4;
    out[72..80].copy_from_slice(&5000_u64.to_le_bytes());
    out[96..104].copy_from_slice(&(notes.len() as u64).to_le_bytes());
    out.extend(notes);
    out.resize(20_000, 0x90);
    out
}

/// A bzImage with five setup sectors, some code, and the payload behind it.
fn bzimage(protocol: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 6 * 512];
    out[0x1f1] = 5;
    out[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    out[0x202..0x206].copy_from_slice(b"HdrS");
    out[0x206..0x208].copy_from_slice(&protocol.to_le_bytes());
    out[0x20e..0x210].copy_from_slice(&0x400_u16.to_le_bytes());
    out[0x211] = 1;
    out[0x600..0x600 + VERSION.len()].copy_from_slice(VERSION.as_bytes());
    if protocol >= 0x205 {
        out[0x234] = 1;
    }
    if protocol >= 0x20c {
        out[0x236] = 1;
    }
    if protocol >= 0x208 {
        out[0x248..0x24c].copy_from_slice(&700_u32.to_le_bytes());
        out[0x24c..0x250].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    }
    // Code in which a false magic stands.
    out.resize(6 * 512 + 700, 0xcc);
    out[3100..3103].copy_from_slice(b"\x1f\x8b\x08");
    out.extend(payload);
    out.extend([0xaa; 4000]);
    out
}

#[test]
fn bzimages_of_all_protocols_and_compressions() {
    for compression in ALL {
        for protocol in [0x204, 0x207, 0x208, 0x20a, 0x20c, 0x20f] {
            let old = protocol < 0x208;
            if old && !matches!(compression, Compression::Gzip | Compression::Bzip2 | Compression::Lzma) {
                continue;
            }
            let file = bzimage(protocol, &compress(compression, &elf(true, true)));
            let image = KernelImage::read(file.as_slice(), file.len() as u64).unwrap();
            let what = format!("{} {protocol:x}", compression.name());
            assert_eq!(image.format, Format::BzImage, "{what}");
            assert_eq!(image.protocol, Some((2, (protocol & 0xff) as u8)));
            assert_eq!(image.version.as_deref(), Some(VERSION));
            assert_eq!(image.release.as_deref(), Some("2.6.32-696.el6.x86_64"));
            assert_eq!(image.compression, compression, "{what}");
            assert_eq!(image.architecture, Some(Architecture::X86_64), "{what}");
            assert_eq!(image.payload.unwrap().offset, 6 * 512 + 700, "{what}");
            assert_eq!(image.relocatable, (protocol >= 0x205).then_some(true));
            let notes = read_notes(file.as_slice(), &image).unwrap().unwrap();
            assert!(notes.pv_entry && !notes.pvh_entry, "{what}");
            assert_eq!(notes.guest_os.as_deref(), Some("linux"));
            assert_eq!(notes.xen_version.as_deref(), Some("xen-3.0"));
        }
    }
}

#[test]
fn kernels_without_an_entry_for_xen() {
    for (file, format) in [
        (elf(true, false), Format::Elf),
        (compress(Compression::Gzip, &elf(false, true)), Format::ElfGz),
    ] {
        let image = KernelImage::read(file.as_slice(), file.len() as u64).unwrap();
        assert_eq!(image.format, format);
        assert_eq!(image.architecture, Some(Architecture::X86_64));
        let notes = read_notes(file.as_slice(), &image).unwrap().unwrap();
        assert!(!notes.pv_entry);
        assert_eq!(notes.present, format == Format::Elf);
    }
}

#[test]
fn what_is_no_kernel_is_said_to_be_none() {
    for content in [b"".as_slice(), b"hello", &[0x55; 70_000], b"\x1f\x8b\x08\0garbage"] {
        let image = KernelImage::read(content, content.len() as u64).unwrap();
        assert_eq!(image.format, Format::Unknown);
        assert!(read_notes(content, &image).is_err());
    }
}

proptest! {
    #[test]
    fn never_panics(
        which in 0..8_usize,
        protocol in prop_oneof![Just(0x204_u16), Just(0x20c), any::<u16>()],
        damage in proptest::collection::vec((0..4000_usize, any::<u8>()), 0..12),
        length in 0..30_000_usize,
    ) {
        let mut file = bzimage(protocol, &compress(ALL[which], &elf(true, true)));
        for (at, byte) in damage {
            if let Some(place) = file.get_mut(at) {
                *place = byte;
            }
        }
        file.truncate(length);
        if let Ok(image) = KernelImage::read(file.as_slice(), file.len() as u64) {
            let _ = read_notes(file.as_slice(), &image);
        }
    }
}
