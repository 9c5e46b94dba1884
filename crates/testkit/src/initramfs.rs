//! Synthetic initramfs: real cpio archives of empty modules, with the files by which their generator is known.
//!
//! Format: `Documentation/driver-api/early-userspace/buffer-format.rst` of Linux ("newc").

use std::collections::BTreeMap;
use std::io;

use serde::Deserialize;

use crate::compress::{Compression, compress};

/// The program that made an initramfs; each leaves traces of its own in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Generator {
    /// Debian's and Ubuntu's.
    InitramfsTools,
    /// Red Hat Enterprise Linux 6 and later, Amazon Linux.
    Dracut,
    /// Red Hat Enterprise Linux 5 and earlier: a `nash` script and modules in `/lib`.
    Mkinitrd,
    /// SUSE's program of the same name: shell scripts in `/boot`.
    MkinitrdSuse,
}

impl Generator {
    /// Files (path without leading slash, content) that the generator puts into every initramfs.
    fn marks(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Generator::InitramfsTools => &[
                ("conf/arch.conf", "DPKG_ARCH=amd64\n"),
                ("conf/conf.d/.keep", ""),
                ("conf/initramfs.conf", "MODULES=most\nBUSYBOX=y\nBOOT=local\n"),
                ("conf/modules", ""),
                ("init", "#!/bin/sh\n\necho \"Loading, please wait...\"\n"),
                ("scripts/functions", ""),
                (
                    "scripts/local",
                    "# Local filesystem mounting\t\t\t-*- shell-script -*-\n",
                ),
            ],
            Generator::Dracut => &[
                ("dracut-004-356.el6", ""),
                ("init", "#!/bin/sh\n#\n# Licensed under the GPLv2\n"),
                ("lib/dracut-lib.sh", "#!/bin/sh\n"),
                ("lib/udev/rules.d/99-root.rules", ""),
                ("pre-udev/30block-genrules.sh", "#!/bin/sh\n"),
            ],
            Generator::Mkinitrd => &[
                ("bin/insmod", ""),
                ("bin/nash", ""),
                (
                    "init",
                    "#!/bin/nash\n\nmount -t proc /proc /proc\nsetquiet\necho Mounting proc filesystem\n",
                ),
            ],
            Generator::MkinitrdSuse => &[
                ("boot/11-block.sh", "#!/bin/bash\n"),
                ("config/mount.sh", ""),
                ("etc/modprobe.conf", ""),
                ("init", "#!/bin/bash\n\nexport PATH=/sbin:/usr/sbin:/bin:/usr/bin\n"),
                ("run_all.sh", ""),
            ],
        }
    }
}

/// What is to be made.
#[derive(Debug, Clone)]
pub struct Initramfs<'a> {
    /// The program that would have made it.
    pub generator: Generator,
    /// Compression of the archive (of its last part, when there is an early one).
    pub compression: Compression,
    /// Paths of modules, without leading slash.
    pub modules: &'a [String],
    /// Further files: path without leading slash, and content.
    pub extra_files: &'a BTreeMap<String, String>,
    /// Whether an uncompressed archive with processor microcode comes first.
    pub microcode: bool,
}

impl Initramfs<'_> {
    /// The initramfs as it lies in `/boot`.
    ///
    /// # Errors
    /// Whatever the compressor reports.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut files: BTreeMap<&str, &[u8]> = BTreeMap::new();
        for (path, content) in self.generator.marks() {
            files.insert(path, content.as_bytes());
        }
        for module in self.modules {
            files.insert(module.trim_start_matches('/'), b"");
        }
        for (path, content) in self.extra_files {
            files.insert(path.trim_start_matches('/'), content.as_bytes());
        }
        let mut bytes = Vec::new();
        if self.microcode {
            let early = BTreeMap::from([
                ("early_cpio", &b"1\n"[..]),
                ("kernel/x86/microcode/GenuineIntel.bin", &[0; 2048][..]),
            ]);
            bytes = cpio(&early);
        }
        bytes.extend_from_slice(&compress(&cpio(&files), self.compression)?);
        Ok(bytes)
    }
}

/// A newc archive of files and the directories above them, padded to 512 bytes.
fn cpio(files: &BTreeMap<&str, &[u8]>) -> Vec<u8> {
    let mut entries: BTreeMap<&str, Option<&[u8]>> = BTreeMap::new();
    for (path, content) in files {
        for (at, _) in path.match_indices('/') {
            entries.insert(&path[..at], None);
        }
        entries.insert(path, Some(content));
    }
    let mut archive = Vec::new();
    for (inode, (path, content)) in (1..).zip(&entries) {
        let executable = path.ends_with(".sh") || path.starts_with("bin/") || *path == "init";
        let (mode, links) = match content {
            None => (0o040_755, 2),
            Some(_) if executable => (0o100_755, 1),
            Some(_) => (0o100_644, 1),
        };
        append(&mut archive, path, inode, mode, links, content.unwrap_or_default());
    }
    append(&mut archive, "TRAILER!!!", 0, 0, 1, b"");
    archive.resize(archive.len().next_multiple_of(512), 0);
    archive
}

fn append(archive: &mut Vec<u8>, path: &str, inode: u32, mode: u32, links: u32, content: &[u8]) {
    let name_size = path.len() as u32 + 1;
    let size = content.len() as u32;
    archive.extend_from_slice(b"070701");
    // inode, mode, uid, gid, links, mtime, size, device (4), name size, checksum
    for field in [inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0] {
        archive.extend_from_slice(format!("{field:08X}").as_bytes());
    }
    archive.extend_from_slice(path.as_bytes());
    archive.push(0);
    archive.resize(archive.len().next_multiple_of(4), 0);
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and modes in an archive, read back by the format's own rules.
    fn list(mut archive: &[u8]) -> Vec<(String, u32)> {
        let mut names = Vec::new();
        loop {
            assert_eq!(&archive[..6], b"070701");
            let field = |index: usize| {
                let text = std::str::from_utf8(&archive[6 + index * 8..14 + index * 8]).unwrap();
                u32::from_str_radix(text, 16).unwrap()
            };
            let (mode, size, name_size) = (field(1), field(6) as usize, field(11) as usize);
            let name = String::from_utf8(archive[110..110 + name_size - 1].to_vec()).unwrap();
            if name == "TRAILER!!!" {
                return names;
            }
            names.push((name, mode));
            archive = &archive[(110 + name_size).next_multiple_of(4) + size.next_multiple_of(4)..];
        }
    }

    #[test]
    fn the_archive_lists_directories_before_their_files() {
        let modules = ["lib/modules/4.4/kernel/drivers/block/xen-blkfront.ko".to_owned()];
        let bytes = Initramfs {
            generator: Generator::Mkinitrd,
            compression: Compression::None,
            modules: &modules,
            extra_files: &BTreeMap::new(),
            microcode: false,
        }
        .to_bytes()
        .unwrap();
        let names = list(&bytes);
        let at = |wanted: &str| names.iter().position(|(name, _)| name == wanted).unwrap();
        assert!(at("lib/modules/4.4/kernel") < at(&modules[0]));
        assert_eq!(names[at("init")].1, 0o100_755);
        assert_eq!(names[at("lib")].1, 0o040_755);
        assert_eq!(bytes.len() % 512, 0);
    }

    #[test]
    fn microcode_comes_first_and_uncompressed() {
        let bytes = Initramfs {
            generator: Generator::InitramfsTools,
            compression: Compression::Gzip,
            modules: &[],
            extra_files: &BTreeMap::new(),
            microcode: true,
        }
        .to_bytes()
        .unwrap();
        let early = list(&bytes);
        assert_eq!(early.last().unwrap().0, "kernel/x86/microcode/GenuineIntel.bin");
        let gzip = bytes
            .chunks(512)
            .find(|block| block.starts_with(&[0x1f, 0x8b]))
            .unwrap();
        assert_eq!(gzip[2], 8);
    }
}
