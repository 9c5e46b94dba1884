//! The boot sector and setup header of a bzImage.

use std::io::{self, BufRead, BufReader, Read};

use super::{Architecture, Format, ImageError, KernelImage, Payload};
use crate::compression::{Compression, MAGIC_LENGTH};

/// How much is read at first: boot sector, setup code (at most 64 sectors) and what follows it.
const HEAD: usize = 64 << 10;

/// How far a payload of unknown place is searched for: it follows a few KiB of code.
const SEARCH: usize = 512 << 10;

/// How far into a file a payload may begin.
const MAX_OFFSET: u64 = 64 << 20;

/// The longest version string that is believed.
const MAX_VERSION: usize = 512;

pub(super) fn read(mut reader: impl Read, size: u64) -> Result<KernelImage, ImageError> {
    let mut head = Vec::with_capacity(HEAD);
    reader.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    if head.starts_with(b"\x7fELF") {
        let mut image = KernelImage::new(Format::Elf, size, Compression::None);
        image.architecture = elf_architecture(&head);
        return Ok(image);
    }
    if head.starts_with(b"\x1f\x8b") {
        let start = unpacked_start(Compression::Gzip, io::Cursor::new(&head));
        if start.starts_with(b"\x7fELF") {
            let mut image = KernelImage::new(Format::ElfGz, size, Compression::Gzip);
            image.architecture = elf_architecture(&start);
            image.payload = Some(Payload {
                offset: 0,
                length: size,
            });
            return Ok(image);
        }
        return Ok(KernelImage::new(Format::Unknown, size, Compression::Gzip));
    }
    if u16_at(&head, 0x1fe) != Some(0xaa55) || head.get(0x202..0x206) != Some(b"HdrS".as_slice()) {
        return Ok(KernelImage::new(Format::Unknown, size, Compression::Unknown));
    }
    setup_header(head, reader, size)
}

fn setup_header(head: Vec<u8>, mut reader: impl Read, size: u64) -> Result<KernelImage, ImageError> {
    let protocol = u16_at(&head, 0x206).unwrap_or_default();
    let high = byte_at(&head, 0x211) & 1 != 0;
    let mut image = KernelImage::new(
        if high { Format::BzImage } else { Format::ZImage },
        size,
        Compression::Unknown,
    );
    image.protocol = Some(((protocol >> 8) as u8, protocol as u8));
    image.version = version(&head);
    image.release = image
        .version
        .as_deref()
        .and_then(|version| version.split_whitespace().next())
        .map(str::to_owned);
    if protocol >= 0x205 {
        image.relocatable = Some(byte_at(&head, 0x234) != 0);
    }
    if protocol >= 0x20c {
        let long_mode = u16_at(&head, 0x236).unwrap_or_default() & 1 != 0;
        image.architecture = Some(if long_mode {
            Architecture::X86_64
        } else {
            Architecture::X86
        });
    }

    let setup_sectors = match byte_at(&head, 0x1f1) {
        0 => 4,
        n => u64::from(n),
    };
    let code = (setup_sectors + 1) * 512;
    let stated = if protocol >= 0x208 {
        let length = u64::from(u32_at(&head, 0x24c).unwrap_or_default());
        let offset = code + u64::from(u32_at(&head, 0x248).unwrap_or_default());
        (length != 0).then_some(Payload { offset, length })
    } else {
        None
    };
    let (payload, input) = match stated {
        Some(payload) => {
            if payload.offset > MAX_OFFSET || payload.offset >= size {
                return Ok(image);
            }
            (payload, stream_at(head, reader, payload.offset)?)
        }
        None => {
            let mut area = head;
            reader.by_ref().take((SEARCH - HEAD) as u64).read_to_end(&mut area)?;
            let Some(offset) = search(&area, code as usize) else {
                return Ok(image);
            };
            let offset = offset as u64;
            let payload = Payload {
                offset,
                length: size.saturating_sub(offset),
            };
            (payload, stream_at(area, reader, offset)?)
        }
    };
    let mut input = BufReader::new(input);
    let mut magic = Vec::with_capacity(MAGIC_LENGTH);
    input.by_ref().take(MAGIC_LENGTH as u64).read_to_end(&mut magic)?;
    image.payload = Some(payload);
    image.compression = match Compression::of(&magic) {
        Some(compression) => compression,
        None if magic.starts_with(b"\x7fELF") => Compression::None,
        None => Compression::Unknown,
    };
    if image.architecture.is_none() {
        let start = unpacked_start(image.compression, io::Cursor::new(magic).chain(input));
        image.architecture = elf_architecture(&start);
    }
    Ok(image)
}

/// A stream that begins at `offset` of a file of which `head` has been read already.
fn stream_at(head: Vec<u8>, mut rest: impl Read, offset: u64) -> io::Result<impl Read> {
    let length = head.len() as u64;
    let mut head = io::Cursor::new(head);
    head.set_position(offset.min(length));
    skip(&mut rest, offset.saturating_sub(length))?;
    Ok(head.chain(rest))
}

/// Reads and forgets `count` bytes, or what there is.
pub(super) fn skip(reader: &mut impl Read, count: u64) -> io::Result<u64> {
    io::copy(&mut reader.take(count), &mut io::sink())
}

/// Where the compressed kernel begins, for boot protocols before 2.08, which do not say: the first magic that unpacks
/// to something. 32-bit kernels of that time unpack to bare code, so an ELF header cannot be asked for.
fn search(area: &[u8], from: usize) -> Option<usize> {
    let area_from = area.get(from..)?;
    (0..area_from.len()).find_map(|at| {
        let rest = area_from.get(at..)?;
        let compression = match rest.first()? {
            // Kernels of that time are packed with gzip (no flags, or only those that gzip knows), bzip2 or lzma.
            0x1f if rest.get(1..3)? == b"\x8b\x08" && rest.get(3)? & 0xe0 == 0 => Compression::Gzip,
            b'B' if rest.get(1..3)? == b"Zh" && rest.get(4..10)? == b"1AY&SY" => Compression::Bzip2,
            0x5d if rest.get(1..3)? == b"\0\0" && rest.get(5..13)? == [0xff; 8] => Compression::Lzma,
            _ => return None,
        };
        // A bzip2 block may be longer than what was read of the file; its magic is long enough to be believed.
        let known = compression == Compression::Bzip2 || unpacked_start(compression, io::Cursor::new(rest)).len() >= 16;
        known.then_some(from + at)
    })
}

/// The first bytes of what a stream unpacks to; fewer where it is damaged.
fn unpacked_start(compression: Compression, input: impl BufRead) -> Vec<u8> {
    let mut start = Vec::with_capacity(64);
    if let Ok(decoder) = compression.decoder(input) {
        // What came before an error is what can be judged.
        let _ = decoder.take(64).read_to_end(&mut start);
    }
    start
}

/// The version string: its place is given relative to the setup header's sector.
fn version(head: &[u8]) -> Option<String> {
    let pointer = u16_at(head, 0x20e).filter(|&pointer| pointer != 0)?;
    let text = head.get(usize::from(pointer) + 0x200..)?;
    let text = text.get(..text.len().min(MAX_VERSION))?;
    let end = text.iter().position(|&byte| byte == 0)?;
    let text = String::from_utf8_lossy(text.get(..end)?).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn byte_at(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or_default()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The architecture in an ELF header.
fn elf_architecture(start: &[u8]) -> Option<Architecture> {
    if !start.starts_with(b"\x7fELF") {
        return None;
    }
    match (start.get(4)?, start.get(18..20)?) {
        (2, [62, 0]) => Some(Architecture::X86_64),
        (1, [3, 0]) => Some(Architecture::X86),
        _ => None,
    }
}
