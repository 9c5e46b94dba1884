//! How Linux is told of a disk: `UUID=…`, `LABEL=…`, `/dev/sda1`, `proc`.
//!
//! Source: util-linux `fstab(5)`, Linux `Documentation/admin-guide/devices.txt`.

use std::fmt;

use serde::Serialize;

/// What the first field of fstab, `root=` or `resume=` names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spec {
    /// `UUID=…` or `/dev/disk/by-uuid/…`
    Uuid(String),
    /// `LABEL=…` or `/dev/disk/by-label/…`
    Label(String),
    /// `PARTUUID=…` or `/dev/disk/by-partuuid/…`
    PartUuid(String),
    /// `PARTLABEL=…` or `/dev/disk/by-partlabel/…`
    PartLabel(String),
    /// A disk or partition by the name that the kernel gives it.
    Disk(DiskName),
    /// `/dev/mapper/…`, `/dev/dm-0`, `/dev/md0`, `/dev/VG/LV`, other `/dev/disk/by-…`: any other path below `/dev`.
    Device(String),
    /// `server:/path` or `//server/share`
    Network(String),
    /// A path of the guest outside `/dev`: a swap file or a bind mount.
    Path(String),
    /// `proc`, `tmpfs`, `none`, …
    Pseudo(String),
}

impl Spec {
    /// Tells what `text` names. Every text is something: what nothing else fits is `Pseudo`.
    pub fn parse(text: &str) -> Self {
        let tag = |value: &str| {
            let unquoted = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
            unquoted.unwrap_or(value).to_owned()
        };
        type Make = fn(String) -> Spec;
        let tags: [(&str, &str, Make); 4] = [
            ("UUID=", "/dev/disk/by-uuid/", Spec::Uuid),
            ("LABEL=", "/dev/disk/by-label/", Spec::Label),
            ("PARTUUID=", "/dev/disk/by-partuuid/", Spec::PartUuid),
            ("PARTLABEL=", "/dev/disk/by-partlabel/", Spec::PartLabel),
        ];
        for (prefix, link, make) in tags {
            if let Some(value) = text.strip_prefix(prefix) {
                return make(tag(value));
            }
            if let Some(value) = text.strip_prefix(link) {
                return make(unescape_link(value));
            }
        }
        if let Some(name) = text.strip_prefix("/dev/") {
            return match DiskName::parse(name) {
                Some(disk) => Spec::Disk(disk),
                None => Spec::Device(text.to_owned()),
            };
        }
        if text.starts_with("//") || text.contains(":/") {
            return Spec::Network(text.to_owned());
        }
        if text.starts_with('/') {
            return Spec::Path(text.to_owned());
        }
        Spec::Pseudo(text.to_owned())
    }

    /// The disk, when it is named by the kernel's own name.
    pub fn disk(&self) -> Option<DiskName> {
        match self {
            Spec::Disk(name) => Some(*name),
            _ => None,
        }
    }
}

/// udev writes bytes that a link name must not hold as `\x2f`.
fn unescape_link(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match rest {
            [b'\\', b'x', high, low, tail @ ..] => {
                let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
                digit(*high).zip(digit(*low)).map(|(h, l)| (h << 4 | l, tail))
            }
            _ => None,
        };
        let (byte, tail) = escaped.unwrap_or((*first, tail));
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Which driver names a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// SCSI and all that poses as it; also classic Xen guests
    Sd,
    /// xen-blkfront
    Xvd,
    /// IDE before libata; also classic Xen guests
    Hd,
    /// virtio-blk
    Vd,
    /// NVMe
    Nvme,
}

/// The name of a disk or partition, taken apart. Its text form is without `/dev/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct DiskName {
    /// Its driver.
    pub family: Family,
    /// The disk, from 0: `a` is 0, `aa` is 26; of NVMe the controller, whose first name space it is.
    pub disk: u32,
    /// The partition, from 1, or `None` for the whole disk.
    pub partition: Option<u32>,
}

impl DiskName {
    /// Parses a name without `/dev/`.
    pub fn parse(name: &str) -> Option<Self> {
        if let Some(rest) = name.strip_prefix("nvme") {
            let (disk, rest) = rest.split_once('n')?;
            let (name_space, partition) = match rest.split_once('p') {
                Some((name_space, partition)) => (name_space, Some(number(partition)?)),
                None => (rest, None),
            };
            return (number(name_space)? == 1 && partition != Some(0)).then_some(DiskName {
                family: Family::Nvme,
                disk: number(disk)?,
                partition,
            });
        }
        let families = [
            ("xvd", Family::Xvd),
            ("sd", Family::Sd),
            ("hd", Family::Hd),
            ("vd", Family::Vd),
        ];
        let (family, rest) = families
            .into_iter()
            .find_map(|(prefix, family)| Some((family, name.strip_prefix(prefix)?)))?;
        let digits_at = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
        let (letters, digits) = rest.split_at(digits_at);
        // Linux never uses more than three letters.
        if letters.is_empty() || letters.len() > 3 {
            return None;
        }
        let disk = letters.bytes().fold(0, |n, b| n * 26 + u32::from(b - b'a') + 1) - 1;
        let partition = match digits {
            "" => None,
            digits => Some(number(digits).filter(|n| *n > 0)?),
        };
        Some(DiskName {
            family,
            disk,
            partition,
        })
    }
}

/// A decimal number as the kernel writes it: no sign, no leading zero.
fn number(digits: &str) -> Option<u32> {
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    plain.then(|| digits.parse().ok()).flatten()
}

impl fmt::Display for DiskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.family {
            Family::Sd => "sd",
            Family::Xvd => "xvd",
            Family::Hd => "hd",
            Family::Vd => "vd",
            Family::Nvme => {
                write!(f, "nvme{}n1", self.disk)?;
                return self.partition.map_or(Ok(()), |p| write!(f, "p{p}"));
            }
        };
        let mut letters = Vec::new();
        let mut rest = u64::from(self.disk) + 1;
        while rest > 0 {
            rest -= 1;
            letters.push(b'a' + (rest % 26) as u8);
            rest /= 26;
        }
        letters.reverse();
        write!(f, "{prefix}{}", String::from_utf8_lossy(&letters))?;
        self.partition.map_or(Ok(()), |p| write!(f, "{p}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn disk(family: Family, disk: u32, partition: Option<u32>) -> Spec {
        Spec::Disk(DiskName {
            family,
            disk,
            partition,
        })
    }

    #[test]
    fn every_way_to_name_a_file_system() {
        let table = [
            ("UUID=1234-abcd", Spec::Uuid("1234-abcd".into())),
            ("UUID=\"1234\"", Spec::Uuid("1234".into())),
            ("LABEL=/", Spec::Label("/".into())),
            ("LABEL=cloudimg-rootfs", Spec::Label("cloudimg-rootfs".into())),
            ("PARTUUID=0a-01", Spec::PartUuid("0a-01".into())),
            ("PARTLABEL=root", Spec::PartLabel("root".into())),
            ("/dev/disk/by-uuid/1234", Spec::Uuid("1234".into())),
            ("/dev/disk/by-label/my\\x20disk\\x2f", Spec::Label("my disk/".into())),
            ("/dev/disk/by-id/scsi-1", Spec::Device("/dev/disk/by-id/scsi-1".into())),
            ("/dev/sda", disk(Family::Sd, 0, None)),
            ("/dev/sda1", disk(Family::Sd, 0, Some(1))),
            ("/dev/sdaa15", disk(Family::Sd, 26, Some(15))),
            ("/dev/xvda1", disk(Family::Xvd, 0, Some(1))),
            ("/dev/xvde", disk(Family::Xvd, 4, None)),
            ("/dev/hda1", disk(Family::Hd, 0, Some(1))),
            ("/dev/vda1", disk(Family::Vd, 0, Some(1))),
            ("/dev/nvme0n1p1", disk(Family::Nvme, 0, Some(1))),
            ("/dev/nvme1n1", disk(Family::Nvme, 1, None)),
            ("/dev/nvme0n2", Spec::Device("/dev/nvme0n2".into())),
            ("/dev/sda0", Spec::Device("/dev/sda0".into())),
            ("/dev/sdabcd", Spec::Device("/dev/sdabcd".into())),
            ("/dev/sda99999999999", Spec::Device("/dev/sda99999999999".into())),
            ("/dev/mapper/vg-root", Spec::Device("/dev/mapper/vg-root".into())),
            (
                "/dev/VolGroup00/LogVol00",
                Spec::Device("/dev/VolGroup00/LogVol00".into()),
            ),
            ("/dev/md0", Spec::Device("/dev/md0".into())),
            ("fs-1.efs:/", Spec::Network("fs-1.efs:/".into())),
            ("//server/share", Spec::Network("//server/share".into())),
            ("/swapfile", Spec::Path("/swapfile".into())),
            ("proc", Spec::Pseudo("proc".into())),
            ("", Spec::Pseudo(String::new())),
        ];
        for (text, expected) in table {
            assert_eq!(Spec::parse(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn names_survive_writing_and_reading(disk in 0u32..18_000, partition in proptest::option::of(1u32..64), n in 0usize..5) {
            let family = [Family::Sd, Family::Xvd, Family::Hd, Family::Vd, Family::Nvme][n];
            let name = DiskName { family, disk, partition };
            prop_assert_eq!(DiskName::parse(&name.to_string()), Some(name));
        }

        #[test]
        fn any_text_is_something(text in ".*") {
            if let Spec::Disk(name) = Spec::parse(&text) {
                prop_assert_eq!(format!("/dev/{name}"), text);
            }
        }
    }
}
