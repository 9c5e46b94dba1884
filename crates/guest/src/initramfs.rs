//! What is in an initramfs: which modules, who made it, and whether it can find a root file system by UUID or label.
//!
//! An image is a sequence of cpio archives (newc, with or without check sums), each plain or compressed, with zeros
//! between them (Documentation/driver-api/early-userspace/buffer-format.rst of Linux). It is read as a stream: file
//! contents are skipped, but for a few small ones.

mod cpio;
mod source;
mod summary;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use serde::Serialize;

use crate::compression::Compression;
use crate::tri::Tri;

/// The most bytes that an initramfs may unpack to.
pub const MAX_UNPACKED: u64 = 2 << 30;
/// The most files that it may hold.
pub const MAX_FILES: u64 = 200_000;
/// The longest path in it, in bytes.
pub const MAX_PATH: usize = 4096;
/// The most segments that it may consist of.
pub const MAX_SEGMENTS: usize = 1024;
/// The largest file whose content is kept, in bytes.
pub const MAX_KEPT: u64 = 64 << 10;

/// The program that made an initramfs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Generator {
    /// Debian's and Ubuntu's `update-initramfs`.
    InitramfsTools,
    /// dracut: Fedora, RHEL 6 and later, Amazon Linux, SLES 12 and later.
    Dracut,
    /// The mkinitrd of RHEL 5 and older, whose shell is nash.
    Nash,
    /// SUSE's mkinitrd (SLES 11 and older).
    SuseMkinitrd,
    /// mkinitcpio (Arch).
    Mkinitcpio,
    /// Something else.
    Unknown,
}

impl Generator {
    /// The name of the program.
    pub fn name(self) -> &'static str {
        match self {
            Generator::InitramfsTools => "initramfs-tools",
            Generator::Dracut => "dracut",
            Generator::Nash => "mkinitrd (nash)",
            Generator::SuseMkinitrd => "mkinitrd (SUSE)",
            Generator::Mkinitcpio => "mkinitcpio",
            Generator::Unknown => "unknown generator",
        }
    }
}

/// What `/init` (or `/linuxrc`) is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Init {
    /// A script.
    Script {
        /// What stands after `#!`.
        interpreter: String,
    },
    /// A program.
    Program,
    /// A symbolic link, as systemd's is.
    Link {
        /// Where it leads.
        target: String,
    },
    /// Something that was not recognised.
    Other,
}

/// A kernel module in the initramfs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InitramfsModule {
    /// Name without folder and suffixes, `-` written as `_`: `xen_blkfront`.
    pub name: String,
    /// Path in the initramfs.
    pub path: String,
    /// The kernel release whose folder it is in; none in the flat `/lib` of nash.
    pub release: Option<String>,
}

/// What an initramfs holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Initramfs {
    /// The compression of each segment, in order; [`Compression::None`] for a plain cpio archive.
    pub segments: Vec<Compression>,
    /// How many files there are in all of them.
    pub files: u64,
    /// How many bytes they unpack to.
    pub unpacked: u64,
    /// Who made it.
    pub generator: Generator,
    /// What `/init` is, if there is one.
    pub init: Option<Init>,
    /// Kernel modules.
    pub modules: Vec<InitramfsModule>,
    /// The names that its own `modules.builtin` lists, by path: `-` written as `_`.
    pub builtin: BTreeMap<String, BTreeSet<String>>,
    /// The kernel releases that have a folder in `lib/modules`.
    pub releases: BTreeSet<String>,
    /// Whether it has udev.
    pub udev: bool,
    /// Whether dracut made it for one host only (no drivers but those of the machine it was made on).
    pub host_only: Option<bool>,
    /// Whether it can find a root file system by its UUID.
    pub finds_uuid: Tri,
    /// Whether it can find a root file system by its label.
    pub finds_label: Tri,
    /// Small files that say how it boots, by path: `conf/param.conf`, `etc/cmdline.d/*`, `etc/fstab`, …
    pub settings: BTreeMap<String, String>,
}

/// Why an initramfs could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum InitramfsError {
    /// Reading or unpacking failed.
    #[error("initramfs, segment {segment} ({compression}): {source}", compression = compression.name())]
    Unpack {
        /// Which segment, from 1.
        segment: usize,
        /// Its compression.
        compression: Compression,
        /// What went wrong.
        source: io::Error,
    },
    /// Not an initramfs but a file system image, which older kernels could boot.
    #[error("initramfs: it is a {kind} image, not a cpio archive; its content cannot be listed")]
    FileSystemImage {
        /// Name of the file system.
        kind: &'static str,
    },
    /// No known magic.
    #[error("initramfs, segment {segment}: neither a cpio archive nor a known compression (starts with {start:02x?})")]
    UnknownFormat {
        /// Which segment, from 1.
        segment: usize,
        /// The first bytes.
        start: Vec<u8>,
    },
    /// A header in a cpio archive makes no sense.
    #[error("initramfs, segment {segment}: damaged cpio archive at its byte {offset}: {reason}")]
    Cpio {
        /// Which segment, from 1.
        segment: usize,
        /// Offset within the unpacked segment.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// One of the limits of this module.
    #[error("initramfs: {what} exceeds the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// Nothing but zeros, or nothing at all.
    #[error("initramfs: empty")]
    Empty,
}

impl Initramfs {
    /// Reads an initramfs from its first to its last byte.
    ///
    /// # Errors
    /// See [`InitramfsError`]. Garbage after a whole cpio archive is not an error: the kernel only warns of it.
    pub fn read(reader: impl Read) -> Result<Initramfs, InitramfsError> {
        cpio::read(reader)
    }

    /// The module of that name (`-` written as `_`) for a kernel release.
    pub fn module(&self, name: &str, release: Option<&str>) -> Option<&InitramfsModule> {
        self.modules.iter().find(|module| {
            module.name == name
                && match (&module.release, release) {
                    (Some(has), Some(wanted)) => has == wanted,
                    _ => true,
                }
        })
    }
}

#[cfg(test)]
mod tests;
