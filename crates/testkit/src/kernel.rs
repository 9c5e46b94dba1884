//! Synthetic kernels: every byte that a boot loader or an inspection looks at, and nothing that runs.
//!
//! Formats: `Documentation/arch/x86/boot.rst` of Linux (setup header), `xen/include/public/elfnote.h` (notes).

use std::io;

use serde::Deserialize;

use crate::compress::{Compression, compress};

/// The processor a kernel is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Arch {
    /// 64 bits.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 32 bits.
    #[serde(rename = "i386")]
    I386,
}

/// The container a kernel comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// What every kernel for a PC is: real-mode setup, then a compressed ELF file.
    Bzimage,
    /// A compressed ELF file alone. Classic Xen kernels (`kernel-xen`, `-ec2`) come so: no BIOS can start them.
    Elf,
}

/// What is to be made.
#[derive(Debug, Clone)]
pub struct Kernel<'a> {
    /// What `uname -r` prints.
    pub release: &'a str,
    /// What follows the release in the version string: builder and build date.
    pub banner: &'a str,
    /// The processor.
    pub arch: Arch,
    /// The container.
    pub format: Format,
    /// Boot protocol as in the header, `0x020a` for 2.10. Has no meaning for [`Format::Elf`].
    pub protocol: u16,
    /// Compression of the ELF file.
    pub compression: Compression,
    /// Whether the ELF file carries the notes without which Xen's PV loader refuses it.
    pub xen_notes: bool,
}

/// Sectors of real-mode setup after the boot sector.
const SETUP_SECTORS: usize = 3;
/// Where the version string lies in the file.
const VERSION_STRING: usize = 0x300;

impl Kernel<'_> {
    /// The kernel's bytes.
    ///
    /// # Errors
    /// Whatever the compressor reports.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let elf = self.elf();
        let payload = compress(&elf, self.compression)?;
        match self.format {
            Format::Elf => Ok(payload),
            Format::Bzimage => Ok(self.bzimage(&elf, payload)),
        }
    }

    fn bzimage(&self, elf: &[u8], mut payload: Vec<u8>) -> Vec<u8> {
        if !matches!(self.compression, Compression::Gzip | Compression::None) {
            // gzip ends with the uncompressed size; the kernel's build appends it to the other formats.
            payload.extend_from_slice(&(elf.len() as u32).to_le_bytes());
        }
        let protected_start = (SETUP_SECTORS + 1) * 512;
        // The decompressor would be here. 0xf4 is `hlt`: should anything ever start this kernel, it stops.
        let stub = [0xf4; 512];
        let syssize = (stub.len() + payload.len()).div_ceil(16);
        let mut image = vec![0; protected_start];
        image.extend_from_slice(&stub);
        image.extend_from_slice(&payload);
        image.resize(protected_start + syssize * 16, 0);

        let mut put = |offset: usize, bytes: &[u8]| image[offset..offset + bytes.len()].copy_from_slice(bytes);
        put(0x1f1, &[SETUP_SECTORS as u8]);
        put(0x1f4, &(syssize as u32).to_le_bytes());
        put(0x1fe, &[0x55, 0xaa]);
        // The jump over the header tells how long the header is.
        put(0x200, &[0xeb, (self.header_end() - 0x202) as u8]);
        put(0x202, b"HdrS");
        put(0x206, &self.protocol.to_le_bytes());
        put(0x20e, &((VERSION_STRING - 0x200) as u16).to_le_bytes());
        put(0x211, &[0x01]);
        put(0x214, &0x10_0000_u32.to_le_bytes());
        if self.protocol >= 0x0203 {
            let initrd_addr_max = if self.protocol >= 0x0208 {
                0x7fff_ffff
            } else {
                0x37ff_ffff_u32
            };
            put(0x22c, &initrd_addr_max.to_le_bytes());
        }
        if self.protocol >= 0x0205 {
            put(0x230, &0x0100_0000_u32.to_le_bytes());
            put(0x234, &[1]);
        }
        if self.protocol >= 0x0206 {
            put(0x238, &2047_u32.to_le_bytes());
        }
        if self.protocol >= 0x0208 {
            put(0x248, &(stub.len() as u32).to_le_bytes());
            put(0x24c, &(payload.len() as u32).to_le_bytes());
        }
        if self.protocol >= 0x020a {
            put(0x258, &0x0100_0000_u64.to_le_bytes());
            put(0x260, &0x0100_0000_u32.to_le_bytes());
        }
        if self.protocol >= 0x020c && self.arch == Arch::X86_64 {
            // XLF_KERNEL_64 and XLF_CAN_BE_LOADED_ABOVE_4G.
            put(0x236, &0x0003_u16.to_le_bytes());
        }
        let mut version = format!("{} {}", self.release, self.banner).into_bytes();
        version.truncate(protected_start - VERSION_STRING - 1);
        version.push(0);
        put(VERSION_STRING, &version);
        image
    }

    /// The first offset after the setup header of this protocol version.
    fn header_end(&self) -> usize {
        match self.protocol {
            ..0x0205 => 0x230,
            0x0205 => 0x235,
            0x0206 => 0x23c,
            0x0207 => 0x248,
            0x0208 => 0x250,
            0x0209 => 0x258,
            0x020a => 0x264,
            _ => 0x268,
        }
    }

    /// An ELF file with one loadable segment that holds the kernel's banner, and one with notes.
    fn elf(&self) -> Vec<u8> {
        let text = format!("Linux version {} {}\n\0", self.release, self.banner).into_bytes();
        let notes = if self.xen_notes { self.notes() } else { Vec::new() };
        let segments: u16 = if notes.is_empty() { 1 } else { 2 };
        let wide = self.arch == Arch::X86_64;
        let (header, program_header) = if wide { (64_u64, 56_u64) } else { (52, 32) };
        let text_at = header + program_header * u64::from(segments);
        let notes_at = (text_at + text.len() as u64).next_multiple_of(4);
        let physical = 0x0100_0000_u64;
        let virtual_base = self.virtual_base();

        let mut elf = Writer {
            bytes: Vec::new(),
            wide,
        };
        elf.raw(&[0x7f, b'E', b'L', b'F', if wide { 2 } else { 1 }, 1, 1, 0]);
        elf.raw(&[0; 8]);
        elf.half(2);
        elf.half(if wide { 62 } else { 3 });
        elf.word(1);
        elf.address(if wide { physical } else { virtual_base + physical });
        elf.address(header);
        elf.address(0);
        elf.word(0);
        elf.half(header as u16);
        elf.half(program_header as u16);
        elf.half(segments);
        elf.half(0);
        elf.half(0);
        elf.half(0);
        let load = (text_at, virtual_base + physical, physical, text.len() as u64);
        elf.program_header(1, 5, load, 4096);
        if !notes.is_empty() {
            let offset = notes_at - text_at;
            let note = (
                notes_at,
                virtual_base + physical + offset,
                physical + offset,
                notes.len() as u64,
            );
            elf.program_header(4, 4, note, 4);
        }
        elf.raw(&text);
        elf.bytes.resize(notes_at as usize, 0);
        elf.raw(&notes);
        elf.bytes
    }

    fn virtual_base(&self) -> u64 {
        match self.arch {
            Arch::X86_64 => 0xffff_ffff_8000_0000,
            Arch::I386 => 0xc000_0000,
        }
    }

    fn notes(&self) -> Vec<u8> {
        let base = self.virtual_base();
        let address = |value: u64| match self.arch {
            Arch::X86_64 => value.to_le_bytes().to_vec(),
            Arch::I386 => (value as u32).to_le_bytes().to_vec(),
        };
        let mut notes = Vec::new();
        let mut note = |kind: u32, content: &[u8]| {
            notes.extend_from_slice(&4_u32.to_le_bytes());
            notes.extend_from_slice(&(content.len() as u32).to_le_bytes());
            notes.extend_from_slice(&kind.to_le_bytes());
            notes.extend_from_slice(b"Xen\0");
            notes.extend_from_slice(content);
            notes.resize(notes.len().next_multiple_of(4), 0);
        };
        note(6, b"linux\0");
        note(7, b"2.6\0");
        note(5, b"xen-3.0\0");
        note(3, &address(base));
        note(1, &address(base + 0x0100_0200));
        note(2, &address(base + 0x0100_1000));
        note(10, b"!writable_page_tables|pae_pgdir_above_4gb\0");
        note(9, b"yes\0");
        note(8, b"generic\0");
        notes
    }
}

/// Writes the fields of an ELF file of either width.
struct Writer {
    bytes: Vec<u8>,
    wide: bool,
}

impl Writer {
    fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn half(&mut self, value: u16) {
        self.raw(&value.to_le_bytes());
    }

    fn word(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }

    fn address(&mut self, value: u64) {
        if self.wide {
            self.raw(&value.to_le_bytes());
        } else {
            self.word(value as u32);
        }
    }

    /// `place` is the offset in the file, the virtual and the physical address, and the size.
    fn program_header(&mut self, kind: u32, flags: u32, place: (u64, u64, u64, u64), align: u64) {
        let (offset, virtual_address, physical_address, size) = place;
        self.word(kind);
        if self.wide {
            self.word(flags);
        }
        for value in [offset, virtual_address, physical_address, size, size] {
            self.address(value);
        }
        if !self.wide {
            self.word(flags);
        }
        self.address(align);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn kernel(arch: Arch, protocol: u16, compression: Compression) -> Vec<u8> {
        Kernel {
            release: "2.6.32-504.el6.x86_64",
            banner: "(mockbuild@example) #1 SMP Wed Oct 15 04:27:16 UTC 2014",
            arch,
            format: Format::Bzimage,
            protocol,
            compression,
            xen_notes: true,
        }
        .to_bytes()
        .unwrap()
    }

    #[test]
    fn the_header_reads_back() {
        let image = kernel(Arch::X86_64, 0x020c, Compression::Gzip);
        let u16_at = |at: usize| u16::from_le_bytes([image[at], image[at + 1]]);
        let u32_at = |at: usize| u32::from_le_bytes(image[at..at + 4].try_into().unwrap()) as usize;
        assert_eq!(u16_at(0x1fe), 0xaa55);
        assert_eq!(&image[0x202..0x206], b"HdrS");
        assert_eq!(u16_at(0x206), 0x020c);
        assert_eq!(u16_at(0x236), 3);
        let version = &image[usize::from(u16_at(0x20e)) + 0x200..];
        assert!(version.starts_with(b"2.6.32-504.el6.x86_64 (mockbuild@example) #1 SMP"));
        let protected = (usize::from(image[0x1f1]) + 1) * 512;
        assert_eq!(image.len(), protected + u32_at(0x1f4) * 16);
        let start = protected + u32_at(0x248);
        let payload = &image[start..start + u32_at(0x24c)];
        let mut elf = Vec::new();
        flate2::read::GzDecoder::new(payload).read_to_end(&mut elf).unwrap();
        assert_eq!(&elf[..5], b"\x7fELF\x02");
        // The second program header is the notes' and points at the first of them.
        let header = &elf[64 + 56..64 + 112];
        assert_eq!(header[0], 4);
        let notes = u64::from_le_bytes(header[8..16].try_into().unwrap()) as usize;
        assert_eq!(&elf[notes + 12..notes + 22], b"Xen\0linux\0");
        assert_eq!(
            notes as u64 + u64::from_le_bytes(header[32..40].try_into().unwrap()),
            elf.len() as u64
        );
    }

    #[test]
    fn payloads_carry_the_magic_number_of_their_compression() {
        let cases: [(Compression, &[u8]); 6] = [
            (Compression::Gzip, &[0x1f, 0x8b, 8]),
            (Compression::Bzip2, b"BZh9"),
            (Compression::Lzma, &[0x5d, 0, 0]),
            (Compression::Xz, b"\xfd7zXZ\0"),
            (Compression::Lz4, &[0x02, 0x21, 0x4c, 0x18]),
            (Compression::Zstd, &[0x28, 0xb5, 0x2f, 0xfd]),
        ];
        for (compression, magic) in cases {
            let image = kernel(Arch::I386, 0x020a, compression);
            assert!(image[4 * 512 + 512..].starts_with(magic), "{compression:?}");
        }
    }

    #[test]
    fn old_protocols_end_before_the_payload_fields() {
        let image = kernel(Arch::X86_64, 0x0204, Compression::Gzip);
        assert_eq!(image[0x201], 0x2e);
        assert_eq!(image[0x248..0x250], [0; 8]);
    }
}
