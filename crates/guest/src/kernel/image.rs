//! Kernel images of x86: bzImage, zImage, and the ELF files that Xen's older loaders start, plain or under gzip.
//!
//! The header is that of Documentation/arch/x86/boot.rst of Linux. [`KernelImage::read`] needs the first 64 KiB and a few
//! bytes of the payload; [`read_notes`] unpacks the payload as far as its Xen notes, which is slow (tenths of a second).

mod elf;
mod header;

use std::io::{self, Read};

use serde::Serialize;

use crate::compression::Compression;

pub use elf::{XenNotes, read_notes};

/// The container of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// A bzImage: loaded above 1 MiB. What GRUB boots.
    BzImage,
    /// A zImage: loaded below 1 MiB. None are in use.
    ZImage,
    /// A plain ELF file (`vmlinux`): Xen starts it, GRUB's `linux` does not.
    Elf,
    /// An ELF file under gzip, as classic Xen kernels were packaged: Xen starts it, GRUB's `linux` does not.
    ElfGz,
    /// None of these.
    Unknown,
}

/// The processor that a kernel is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// 64 bits.
    X86_64,
    /// 32 bits.
    X86,
}

impl Architecture {
    /// As `uname -m` says it.
    pub fn name(self) -> &'static str {
        match self {
            Architecture::X86 => "i386",
            Architecture::X86_64 => "x86_64",
        }
    }
}

/// Where the compressed kernel proper lies in a bzImage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Payload {
    /// First byte, from the start of the file.
    pub offset: u64,
    /// Length in bytes; for boot protocols before 2.08 what is left of the file.
    pub length: u64,
}

/// What the image of a kernel says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KernelImage {
    /// The container.
    pub format: Format,
    /// Size of the file in bytes.
    pub size: u64,
    /// Boot protocol, major and minor. Xen (and so PV-GRUB) takes a bzImage from 2.08 on.
    pub protocol: Option<(u8, u8)>,
    /// `2.6.32-696.el6.x86_64 (mockbuild@…) #1 SMP …`
    pub version: Option<String>,
    /// The first word of the version, which names the folder in `/lib/modules`.
    pub release: Option<String>,
    /// The processor it is for, where the image says so.
    pub architecture: Option<Architecture>,
    /// How the payload is compressed.
    pub compression: Compression,
    /// Whether the kernel can run at an address other than its preferred one (protocol 2.05 and later).
    pub relocatable: Option<bool>,
    /// The compressed kernel.
    pub payload: Option<Payload>,
}

/// Why the image of a kernel could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Reading failed, or the file ends too early.
    #[error("kernel image: {0}")]
    Io(#[from] io::Error),
    /// The payload is in a format that is not known.
    #[error("kernel image: no compressed kernel was found in it")]
    NoPayload,
    /// The payload is not an ELF file, or one that makes no sense.
    #[error("kernel image: its payload is not a whole ELF file: {0}")]
    Elf(&'static str),
}

impl KernelImage {
    /// Reads the header, and as much of the payload as tells its compression (and for boot protocols before 2.12 its
    /// architecture). `size` is the size of the file in bytes.
    ///
    /// A file that is no kernel is not an error; its format is [`Format::Unknown`].
    ///
    /// # Errors
    /// What the reader fails with.
    pub fn read(reader: impl Read, size: u64) -> Result<KernelImage, ImageError> {
        header::read(reader, size)
    }

    fn new(format: Format, size: u64, compression: Compression) -> KernelImage {
        KernelImage {
            format,
            size,
            protocol: None,
            version: None,
            release: None,
            architecture: None,
            compression,
            relocatable: None,
            payload: None,
        }
    }
}

#[cfg(test)]
mod tests;
