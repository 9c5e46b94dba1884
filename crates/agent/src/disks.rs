//! `comeback-agent disks`: the block devices, as `/sys` has them and as their own bytes do.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use comeback_disk::ext::Superblock;
use comeback_disk::image::{self, Access, Image};
use comeback_disk::probe;
use comeback_disk::table::{self, Scheme};
use comeback_protocol::{Content, Disk, Event, VolumeId};

use crate::xen;

pub(crate) fn run() -> Result<Event> {
    let mut disks = scan(Path::new("/"))?;
    for disk in &mut disks {
        complete(disk);
    }
    Ok(Event::Disks { disks })
}

/// Every block device that holds bytes, sorted by path; neither their content nor who uses them is looked at.
/// `root` is `/`, or another folder in tests.
///
/// # Errors
/// `/sys/block` cannot be read: it is not mounted, as in a chroot.
pub(crate) fn scan(root: &Path) -> Result<Vec<Disk>> {
    let folder = root.join("sys/block");
    let entries = fs::read_dir(&folder)
        .with_context(|| format!("listing block devices in {} (is /sys mounted?)", folder.display()))?;
    let mut disks = Vec::new();
    for entry in entries {
        let whole = entry.with_context(|| format!("listing {}", folder.display()))?.path();
        let Some(disk) = describe(&whole) else {
            continue;
        };
        for part in fs::read_dir(&whole).into_iter().flatten().flatten() {
            let part = part.path();
            if !part.join("partition").exists() {
                continue;
            }
            disks.extend(describe_part(&part, &disk));
        }
        disks.push(disk);
    }
    disks.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(disks)
}

/// Adds who uses it and what its bytes are.
pub(crate) fn complete(disk: &mut Disk) {
    disk.users = image::users_of_device(&disk.path);
    disk.content = content(&disk.path, disk.is_whole());
}

fn describe(device: &Path) -> Option<Disk> {
    let (path, size) = node(device)?;
    // SCSI and IDE have it as a page of "vital product data": four bytes of header, then the text (SPC-4, 7.8.15).
    let page = |name: &str| -> Option<String> {
        let bytes = fs::read(device.join(name)).ok()?;
        tidy(&String::from_utf8_lossy(bytes.get(4..)?))
    };
    let serial = text(device, "device/serial")
        .or_else(|| text(device, "serial"))
        .or_else(|| page("device/vpd_pg80"));
    // xenbus: "device/vbd/51792".
    let number = text(device, "device/nodename").and_then(|name| name.rsplit('/').next()?.parse().ok());
    Some(Disk {
        path,
        size,
        partition_of: None,
        model: text(device, "device/model"),
        volume: serial.as_deref().and_then(|serial| VolumeId::parse(serial).ok()),
        serial,
        attached_as: number.and_then(xen::letters),
        read_only: text(device, "ro").as_deref() == Some("1"),
        users: Vec::new(),
        content: not_looked_at(),
    })
}

fn describe_part(device: &Path, whole: &Disk) -> Option<Disk> {
    let (path, size) = node(device)?;
    Some(Disk {
        path,
        size,
        partition_of: Some(whole.path.clone()),
        model: None,
        serial: None,
        volume: None,
        attached_as: None,
        read_only: text(device, "ro").as_deref() == Some("1"),
        users: Vec::new(),
        content: not_looked_at(),
    })
}

fn not_looked_at() -> Content {
    Content::Unreadable {
        reason: "not looked at".to_owned(),
    }
}

/// Path and size in bytes; none if there are no bytes, as in a drive without a disc.
fn node(device: &Path) -> Option<(PathBuf, u64)> {
    // The kernel counts in sectors of 512 bytes, whatever the disk's own are.
    let sectors: u64 = text(device, "size")?.parse().ok()?;
    let name = device.file_name()?.to_str()?;
    // The kernel writes `!` for a slash.
    let path = Path::new("/dev").join(name.replace('!', "/"));
    (sectors > 0).then_some((path, sectors.checked_mul(512)?))
}

fn text(device: &Path, name: &str) -> Option<String> {
    let bytes = fs::read(device.join(name)).ok()?;
    tidy(&String::from_utf8_lossy(&bytes))
}

/// Without what fills up fields of fixed length; none if nothing is left.
fn tidy(text: &str) -> Option<String> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

/// What the bytes of a device are.
fn content(path: &Path, is_whole: bool) -> Content {
    let read = || -> Result<Content> {
        let image = Image::open(path, Access::Read)?;
        if is_whole {
            let scheme = match table::read(&image)?.scheme {
                Scheme::None => None,
                Scheme::Mbr => Some("mbr"),
                Scheme::Gpt => Some("gpt"),
            };
            if let Some(scheme) = scheme {
                return Ok(Content::Table {
                    scheme: scheme.to_owned(),
                });
            }
        }
        let content = probe::identify(&image)?;
        if content == probe::Content::Ext
            && let Some(superblock) = Superblock::read(&image)?
        {
            return Ok(Content::Ext {
                uuid: superblock.uuid.to_string(),
                label: superblock.label,
            });
        }
        Ok(Content::Other {
            name: content.to_string(),
        })
    };
    read().unwrap_or_else(|error| Content::Unreadable {
        reason: format!("{error:#}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, bytes) in files {
            let path = root.path().join("sys/block").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        root
    }

    #[test]
    fn devices_of_each_platform() {
        let root = host(&[
            ("nvme1n1/size", b"8388608\n"),
            ("nvme1n1/ro", b"0\n"),
            ("nvme1n1/device/serial", b"vol0123456789abcdef0\n"),
            ("nvme1n1/device/model", b"Amazon Elastic Block Store              \n"),
            ("vdb/size", b"2048\n"),
            ("vdb/serial", b"vol0123456789abcdef1"),
            ("xvdf/size", b"2048\n"),
            ("xvdf/device/nodename", b"device/vbd/51792\n"),
            ("xvdf/xvdf1/partition", b"1\n"),
            ("xvdf/xvdf1/size", b"1024\n"),
            ("xvdf/xvdf1/ro", b"1\n"),
            ("sda/size", b"2048\n"),
            ("sda/device/model", b"QEMU HARDDISK   \n"),
            ("sda/device/vpd_pg80", b"\0\x80\0\x07QM00001"),
            ("sr0/size", b"0\n"),
            ("cciss!c0d0/size", b"8\n"),
        ]);
        let disks = scan(root.path()).unwrap();
        let paths: Vec<_> = disks.iter().map(|disk| disk.path.to_str().unwrap()).collect();
        assert_eq!(
            paths,
            [
                "/dev/cciss/c0d0",
                "/dev/nvme1n1",
                "/dev/sda",
                "/dev/vdb",
                "/dev/xvdf",
                "/dev/xvdf1"
            ]
        );
        let [_, nvme, ide, virtio, xen, part] = disks.as_slice() else {
            panic!("{disks:?}");
        };
        assert_eq!(nvme.size, 4 << 30);
        assert_eq!(nvme.model.as_deref(), Some("Amazon Elastic Block Store"));
        assert_eq!(nvme.volume.as_ref().unwrap().as_str(), "vol-0123456789abcdef0");
        assert_eq!(virtio.volume.as_ref().unwrap().as_str(), "vol-0123456789abcdef1");
        assert_eq!((ide.serial.as_deref(), &ide.volume), (Some("QM00001"), &None));
        assert_eq!((xen.attached_as.as_deref(), &xen.serial), (Some("f"), &None));
        assert_eq!(part.partition_of.as_deref(), Some(Path::new("/dev/xvdf")));
        assert!(part.read_only && !xen.read_only && !part.is_whole());
    }

    #[test]
    fn no_sys_is_an_error_that_says_so() {
        let root = tempfile::tempdir().unwrap();
        let error = format!("{:#}", scan(root.path()).unwrap_err());
        assert!(error.contains("is /sys mounted?"), "{error}");
    }
}
