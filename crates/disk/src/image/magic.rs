//! Image formats, told by their magic numbers.

use std::io;
use std::path::Path;

use crate::io::ReadAt;

/// What the first bytes of every qcow image are.
pub(super) const QCOW: &[u8] = b"QFI\xfb";

/// A format that has to be converted before it can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Other {
    /// What it is, for a message.
    pub kind: &'static str,
    conversion: Conversion,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conversion {
    /// By qemu-img, which knows the format by this name.
    QemuImg(&'static str),
    /// By this command, which writes to its standard output.
    Decompress(&'static str),
}

impl Other {
    /// The command that makes a usable image of `path`.
    pub fn remedy(&self, path: &Path) -> String {
        let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
        let path = path.display();
        match self.conversion {
            Conversion::QemuImg(format) => format!("qemu-img convert -f {format} -O qcow2 '{path}' '{stem}.qcow2'"),
            Conversion::Decompress(command) => format!("{command} '{path}' > '{stem}'"),
        }
    }
}

const fn qemu(kind: &'static str, format: &'static str) -> Other {
    let conversion = Conversion::QemuImg(format);
    Other { kind, conversion }
}

const fn compressed(kind: &'static str, command: &'static str) -> Other {
    let conversion = Conversion::Decompress(command);
    Other { kind, conversion }
}

const VHD: Other = qemu("a VHD image", "vpc");

/// Magic numbers at fixed offsets, as in QEMU's `block/*.c` and the formats' own specifications.
const MAGICS: &[(Other, usize, &[u8])] = &[
    (qemu("a VMDK image", "vmdk"), 0, b"KDMV"),
    (qemu("a VMDK image", "vmdk"), 0, b"COWD"),
    (qemu("a VMDK descriptor", "vmdk"), 0, b"# Disk DescriptorFile"),
    (VHD, 0, b"conectix"),
    (qemu("a VHDX image", "vhdx"), 0, b"vhdxfile"),
    (qemu("a VDI image", "vdi"), 0x40, &[0x7f, 0x10, 0xda, 0xbe]),
    (qemu("a QED image", "qed"), 0, b"QED\0"),
    (qemu("a Parallels image", "parallels"), 0, b"WithoutFreeSpace"),
    (qemu("a Parallels image", "parallels"), 0, b"WithouFreSpacExt"),
    (qemu("a qcow image of version 1", "qcow"), 0, b"QFI\xfb\0\0\0\x01"),
    (compressed("compressed with gzip", "gzip -dc"), 0, &[0x1f, 0x8b, 8]),
    (compressed("compressed with xz", "xz -dc"), 0, b"\xfd7zXZ\0"),
    (
        compressed("compressed with zstd", "zstd -dc"),
        0,
        &[0x28, 0xb5, 0x2f, 0xfd],
    ),
    (compressed("compressed with bzip2", "bzip2 -dc"), 0, b"BZh"),
    (
        compressed("compressed with lz4", "lz4 -dc"),
        0,
        &[0x04, 0x22, 0x4d, 0x18],
    ),
];

/// What `file` is, if it is a known format that cannot be opened as it is.
pub(super) fn other_format(file: &dyn ReadAt) -> io::Result<Option<Other>> {
    let mut head = vec![0; file.size().min(512) as usize];
    file.read_at(0, &mut head)?;
    let found = MAGICS
        .iter()
        .find(|(_, at, magic)| head.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    if let Some((other, ..)) = found {
        return Ok(Some(*other));
    }
    // A VHD of fixed size is the raw disk with a footer of one sector behind it.
    if file.size() >= 1024 {
        let mut footer = [0; 8];
        file.read_at(file.size() - 512, &mut footer)?;
        if footer == *b"conectix" {
            return Ok(Some(VHD));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Memory;

    #[test]
    fn names_each_format_and_its_remedy() {
        for (other, at, magic) in MAGICS {
            let mut bytes = vec![0; 2048];
            bytes[*at..at + magic.len()].copy_from_slice(magic);
            assert_eq!(other_format(&Memory::new(bytes)).unwrap(), Some(*other));
        }
        let mut fixed = vec![0; 2048];
        fixed[1536..1544].copy_from_slice(b"conectix");
        assert_eq!(other_format(&Memory::new(fixed)).unwrap(), Some(VHD));
        assert_eq!(other_format(&Memory::new(vec![0; 2048])).unwrap(), None);
        assert_eq!(other_format(&Memory::new(vec![])).unwrap(), None);
        assert_eq!(
            VHD.remedy(Path::new("/data/disk.vhd")),
            "qemu-img convert -f vpc -O qcow2 '/data/disk.vhd' 'disk.qcow2'"
        );
        assert_eq!(
            compressed("", "xz -dc").remedy(Path::new("disk.img.xz")),
            "xz -dc 'disk.img.xz' > 'disk.img'"
        );
    }
}
