//! The ELF file inside a kernel image, read as a stream as far as its Xen notes
//! (`xen/include/public/elfnote.h` of Xen; `arch/x86/xen/xen-head.S` of Linux).

use std::io::{self, BufReader, Read};

use serde::Serialize;

use super::{Format, ImageError, KernelImage, Payload, header};
use crate::compression::Compression;

/// The most that a kernel is unpacked to in search of its notes.
const MAX_UNPACKED: u64 = 256 << 20;
/// The most program headers that are believed.
const MAX_HEADERS: usize = 64;
/// The most bytes of notes that are looked at.
const MAX_NOTES: u64 = 64 << 10;

const PT_NOTE: u32 = 4;
const NOTE_ENTRY: u32 = 1;
const NOTE_XEN_VERSION: u32 = 5;
const NOTE_GUEST_OS: u32 = 6;
const NOTE_LOADER: u32 = 8;
const NOTE_FEATURES: u32 = 10;
const NOTE_PHYS32_ENTRY: u32 = 18;

/// What a kernel tells Xen of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct XenNotes {
    /// Whether there are any notes for Xen.
    pub present: bool,
    /// Whether there is an entry point for paravirtual guests: what decides that the kernel boots as one.
    pub pv_entry: bool,
    /// Whether there is an entry point for PVH guests.
    pub pvh_entry: bool,
    /// `xen-3.0`
    pub xen_version: Option<String>,
    /// `linux`
    pub guest_os: Option<String>,
    /// `generic`
    pub loader: Option<String>,
    /// `!writable_page_tables|pae_pgdir_above_4gb|…`
    pub features: Option<String>,
}

/// Unpacks the kernel as far as its notes. `reader` gives the file from its first byte, `image` is what
/// [`KernelImage::read`] said of it. `None` when the ELF file has no note segment: then nothing is known, as old
/// classic Xen kernels tell Xen of themselves in another way.
///
/// This takes as long as unpacking a kernel takes (30 to 60 MB), but no memory beyond the decoder's.
///
/// # Errors
/// When there is no payload, it cannot be unpacked, or it is not an ELF file.
pub fn read_notes(reader: impl Read, image: &KernelImage) -> Result<Option<XenNotes>, ImageError> {
    let payload = match (image.format, image.payload) {
        (_, Some(payload)) => payload,
        (Format::Elf, None) => Payload {
            offset: 0,
            length: image.size,
        },
        _ => return Err(ImageError::NoPayload),
    };
    if image.compression == Compression::Unknown {
        return Err(ImageError::NoPayload);
    }
    let mut reader = reader;
    header::skip(&mut reader, payload.offset)?;
    let input = BufReader::with_capacity(256 << 10, reader.take(payload.length));
    let mut elf = image.compression.decoder(input)?.take(MAX_UNPACKED);
    notes(&mut elf)
}

/// The fields of an ELF header that lead to its notes.
struct Layout {
    wide: bool,
    headers: u64,
    entry_size: usize,
    count: usize,
}

fn notes(elf: &mut impl Read) -> Result<Option<XenNotes>, ImageError> {
    let (layout, mut at) = layout(elf)?;
    if layout.headers < at {
        return Err(ImageError::Elf("its program headers are inside its header"));
    }
    at += pass(elf, layout.headers - at)?;
    let mut table = vec![0; layout.entry_size * layout.count];
    elf.read_exact(&mut table)?;
    at += table.len() as u64;

    let mut places: Vec<(u64, u64)> = table
        .chunks_exact(layout.entry_size)
        .filter_map(|entry| note_segment(entry, layout.wide))
        .collect();
    places.sort_unstable();
    if places.is_empty() {
        return Ok(None);
    }
    let mut found = XenNotes::default();
    for (offset, length) in places {
        if offset < at {
            continue;
        }
        at += pass(elf, offset - at)?;
        let mut content = Vec::new();
        let wanted = length.min(MAX_NOTES);
        elf.take(wanted).read_to_end(&mut content)?;
        if (content.len() as u64) < wanted {
            return Err(ImageError::Elf("it ends before its notes"));
        }
        at += content.len() as u64;
        parse(&content, &mut found);
        if found.present {
            break;
        }
    }
    Ok(Some(found))
}

fn layout(elf: &mut impl Read) -> Result<(Layout, u64), ImageError> {
    let mut header = [0_u8; 64];
    let (ident, rest) = header.split_at_mut(16);
    elf.read_exact(ident)?;
    if !ident.starts_with(b"\x7fELF") {
        return Err(ImageError::Elf("no ELF magic"));
    }
    let wide = match ident.get(4) {
        Some(1) => false,
        Some(2) => true,
        _ => return Err(ImageError::Elf("neither 32 nor 64 bits")),
    };
    let length: u64 = if wide { 64 } else { 52 };
    let rest = rest
        .get_mut(..length as usize - 16)
        .ok_or(ImageError::Elf("short header"))?;
    elf.read_exact(rest)?;
    let (headers, entry_size, count) = if wide {
        (u64_at(&header, 32), u16_at(&header, 54), u16_at(&header, 56))
    } else {
        (u64::from(u32_at(&header, 28)), u16_at(&header, 42), u16_at(&header, 44))
    };
    let (entry_size, count) = (usize::from(entry_size), usize::from(count));
    if entry_size < if wide { 56 } else { 32 } || entry_size > 256 || count == 0 || count > MAX_HEADERS {
        return Err(ImageError::Elf("its program headers make no sense"));
    }
    let layout = Layout {
        wide,
        headers,
        entry_size,
        count,
    };
    Ok((layout, length))
}

/// Offset and length of a note segment.
fn note_segment(entry: &[u8], wide: bool) -> Option<(u64, u64)> {
    if u32_at(entry, 0) != PT_NOTE {
        return None;
    }
    Some(if wide {
        (u64_at(entry, 8), u64_at(entry, 32))
    } else {
        (u64::from(u32_at(entry, 4)), u64::from(u32_at(entry, 16)))
    })
}

/// Notes are: length of the name, length of the value, type; then name and value, each padded to four bytes.
fn parse(mut notes: &[u8], found: &mut XenNotes) {
    while notes.len() >= 12 {
        let (name_length, length, kind) = (u32_at(notes, 0), u32_at(notes, 4), u32_at(notes, 8));
        let name_end = 12_u64 + u64::from(name_length);
        let start = name_end.next_multiple_of(4);
        let end = start + u64::from(length);
        let (Some(name), Some(value)) = (slice(notes, 12, name_end), slice(notes, start, end)) else {
            return;
        };
        if name.strip_suffix(b"\0").unwrap_or(name) == b"Xen" {
            found.present = true;
            let text = || {
                let value = value.split(|&byte| byte == 0).next().unwrap_or_default();
                Some(String::from_utf8_lossy(value).into_owned())
            };
            match kind {
                NOTE_ENTRY => found.pv_entry = true,
                NOTE_PHYS32_ENTRY => found.pvh_entry = true,
                NOTE_XEN_VERSION => found.xen_version = text(),
                NOTE_GUEST_OS => found.guest_os = text(),
                NOTE_LOADER => found.loader = text(),
                NOTE_FEATURES => found.features = text(),
                _ => {}
            }
        }
        notes = usize::try_from(end.next_multiple_of(4))
            .ok()
            .and_then(|next| notes.get(next..))
            .unwrap_or_default();
    }
}

fn slice(bytes: &[u8], from: u64, to: u64) -> Option<&[u8]> {
    bytes.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?)
}

/// Reads and forgets exactly `count` bytes.
fn pass(elf: &mut impl Read, count: u64) -> Result<u64, ImageError> {
    // The default buffer of `io::copy` is small for tens of megabytes.
    let mut limited = BufReader::with_capacity(256 << 10, elf.take(count));
    let passed = io::copy(&mut limited, &mut io::sink())?;
    if passed < count {
        return Err(ImageError::Elf("it ends before its notes"));
    }
    Ok(passed)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    field(bytes, at).map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    field(bytes, at).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    field(bytes, at).map_or(0, u64::from_le_bytes)
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}
