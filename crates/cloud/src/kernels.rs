//! Which PV-GRUB is behind a kernel image.
//!
//! Every region has its own ids for the same image. What the image's name says (`pv-grub-hd0_1.03-x86_64.gz`) is the truth
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/UserProvidedKernels.html>); where the image is gone or was not read,
//! there is a table of those that were seen, each row with how sure it is. Nothing can be told from an id's digits.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::ids::{KernelId, RegionName};
use crate::model::Image;

/// `region,aki,name,version,device,arch,confidence,…`
const TABLE: &str = include_str!("kernels/pvgrub-akis.csv");

/// A version of PV-GRUB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 1 so far.
    pub major: u8,
    /// 1 to 5 so far, written with two digits.
    pub minor: u8,
}

impl Version {
    /// The first one that looks for menu.lst on the whole disk and in partitions, whichever device it is for.
    pub const LOOKS_EVERYWHERE: Self = Self { major: 1, minor: 4 };
    /// The last one that reads menu.lst in one place only and cannot unpack an xz-compressed kernel.
    pub const LAST_OLD: Self = Self { major: 1, minor: 3 };

    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
        })
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.major, self.minor)
    }
}

/// How it is known what a kernel image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Its image was read.
    Image,
    /// The built-in table has it, that sure: `official`, `observed`, `documented` or `secondary`.
    Table(&'static str),
}

/// What a kernel image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kernel {
    /// PV-GRUB, which loads a kernel from the disk.
    PvGrub {
        /// Which.
        version: Version,
        /// The image's name.
        name: String,
        /// How it is known.
        known: Known,
    },
    /// A kernel that is not on the disk, or another boot loader.
    Other {
        /// The image's name, if it has one.
        name: Option<String>,
    },
    /// The image is gone or was not read, and the table does not have it.
    Unknown,
}

/// What a PV-GRUB image's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PvGrub<'a> {
    /// Its version.
    pub version: Version,
    /// `hd0`, whose root file system fills the disk, or `hd00`, where it is in the first partition.
    pub device: &'a str,
    /// `i386` or `x86_64`: that of the kernels it loads.
    pub arch: &'a str,
}

impl<'a> PvGrub<'a> {
    /// Reads an image's name: `pv-grub-hd0_1.05-i386.gz`, `pv-grub-hd00-V1.01-x86_64.gz`.
    pub fn parse(name: &'a str) -> Option<Self> {
        let rest = name.strip_prefix("pv-grub-")?.strip_suffix(".gz")?;
        let device = if rest.starts_with("hd00") { "hd00" } else { "hd0" };
        let rest = rest.strip_prefix(device)?;
        let rest = rest.strip_prefix("_").or_else(|| rest.strip_prefix("-V"))?;
        let (version, arch) = rest.split_once('-')?;
        let version = Version::parse(version)?;
        matches!(arch, "i386" | "x86_64").then_some(Self { version, device, arch })
    }

    /// Whether a guest that this one starts is looked for in the same places by another. From 1.04 on all places are tried, and
    /// after it there are no images for `hd00` any more.
    fn finds_what_this_finds(&self, other: &PvGrub<'_>) -> bool {
        self.arch == other.arch && (self.device == other.device || other.version >= Version::LOOKS_EVERYWHERE)
    }
}

/// The newest PV-GRUB among images that starts what another one starts: of the same architecture, and for the same place of the root.
/// Nothing if none of them is newer.
pub fn successor<'a>(of: PvGrub<'_>, images: &'a [Image]) -> Option<(&'a Image, PvGrub<'a>)> {
    images
        .iter()
        .filter_map(|image| Some((image, PvGrub::parse(image.name.as_deref()?)?)))
        .filter(|(_, found)| found.version > of.version && of.finds_what_this_finds(found))
        .max_by_key(|(_, found)| (found.version, found.device == of.device))
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
struct Row {
    name: &'static str,
    version: Version,
    confidence: &'static str,
}

fn row(line: &'static str) -> Option<((&'static str, &'static str), Row)> {
    // What follows the confidence are words for people, with commas in them.
    let fields: Vec<&str> = line.splitn(8, ',').collect();
    let &[region, aki, name, version, device, arch, confidence, _] = fields.as_slice() else {
        return None;
    };
    let version = Version::parse(version)?;
    let agrees = PvGrub::parse(name)? == PvGrub { version, device, arch };
    let sure = matches!(confidence, "official" | "observed" | "documented" | "secondary");
    let row = Row {
        name,
        version,
        confidence,
    };
    (agrees && sure && aki.starts_with("aki-")).then_some(((region, aki), row))
}

fn table() -> &'static BTreeMap<(&'static str, &'static str), Row> {
    static ROWS: OnceLock<BTreeMap<(&'static str, &'static str), Row>> = OnceLock::new();
    ROWS.get_or_init(|| TABLE.lines().skip(1).filter_map(row).collect())
}

/// A newer PV-GRUB than that of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Successor {
    /// Its image.
    pub kernel: KernelId,
    /// The image's name.
    pub name: String,
    /// Its version.
    pub version: Version,
}

/// What a kernel image is: by the name of its image where that was read, else by the table.
pub fn identify(region: &RegionName, kernel: &KernelId, image: Option<&str>) -> Kernel {
    if let Some(name) = image {
        let known = PvGrub::parse(name).map(|found| Kernel::PvGrub {
            version: found.version,
            name: name.to_owned(),
            known: Known::Image,
        });
        return known.unwrap_or_else(|| Kernel::Other {
            name: Some(name.to_owned()),
        });
    }
    match table().get(&(region.as_str(), kernel.as_str())) {
        Some(row) => Kernel::PvGrub {
            version: row.version,
            name: row.name.to_owned(),
            known: Known::Table(row.confidence),
        },
        None => Kernel::Unknown,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn at(region: &str, kernel: &str, image: Option<&str>) -> Kernel {
        identify(&region.parse().unwrap(), &KernelId::from_api(kernel), image)
    }

    #[test]
    fn every_row_of_the_table_is_read_and_none_is_there_twice() {
        let lines: Vec<&str> = TABLE.lines().collect();
        assert_eq!(lines[0], "region,aki,name,version,device,arch,confidence,source,note");
        for line in &lines[1..] {
            assert!(row(line).is_some(), "{line}");
        }
        assert_eq!(table().len(), lines.len() - 1, "a region has an id twice");
        let mut ids: Vec<_> = table().keys().map(|(_, aki)| aki).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), lines.len() - 1, "an id is in two regions");
    }

    #[test]
    fn names_of_all_forms_are_read() {
        let version =
            |name| PvGrub::parse(name).map(|found| format!("{} {} {}", found.version, found.device, found.arch));
        assert_eq!(version("pv-grub-hd0_1.03-x86_64.gz").unwrap(), "1.03 hd0 x86_64");
        assert_eq!(version("pv-grub-hd00_1.04-i386.gz").unwrap(), "1.04 hd00 i386");
        assert_eq!(version("pv-grub-hd00-V1.01-i386.gz").unwrap(), "1.01 hd00 i386");
        for other in [
            "pv-grub-hd0_1.x-i386.gz",
            "pv-grub-hd0_1.03-arm.gz",
            "g2_aki_x86_64",
            "",
            "pv-grub-",
            "pv-grub-hd0_",
        ] {
            assert_eq!(version(other), None, "{other}");
        }
    }

    #[test]
    fn the_image_speaks_before_the_table() {
        let by_table = at("ap-northeast-1", "aki-44992845", None);
        assert_eq!(
            by_table,
            Kernel::PvGrub {
                version: Version::LAST_OLD,
                name: "pv-grub-hd0_1.03-x86_64.gz".to_owned(),
                known: Known::Table("observed"),
            }
        );
        let by_image = at("ap-northeast-1", "aki-44992845", Some("pv-grub-hd0_1.05-x86_64.gz"));
        assert!(matches!(
            by_image,
            Kernel::PvGrub {
                version: Version { minor: 5, .. },
                known: Known::Image,
                ..
            }
        ));
        // Ids are of one region.
        assert_eq!(at("us-east-1", "aki-44992845", None), Kernel::Unknown);
        let own = at("us-east-1", "aki-00000001", Some("our-kernel"));
        assert_eq!(
            own,
            Kernel::Other {
                name: Some("our-kernel".to_owned())
            }
        );
    }

    fn image(id: &str, name: &str) -> Image {
        Image {
            id: id.to_owned(),
            kind: crate::model::ImageType::Kernel,
            name: Some(name.to_owned()),
            description: None,
            state: crate::model::ImageState::Available,
            owner: None,
            owner_alias: Some("amazon".to_owned()),
            architecture: crate::model::Architecture::X86_64,
            virtualization: None,
            kernel: None,
            ramdisk: None,
            root_device_name: None,
            root_device_type: None,
            devices: Vec::new(),
            ena_support: false,
            sriov: None,
            boot_mode: None,
            product_codes: Vec::new(),
            platform_details: None,
            created: None,
            tags: crate::model::Tags::new(),
        }
    }

    #[test]
    fn the_newest_that_starts_the_same_guests_follows() {
        let images = [
            image("aki-1", "pv-grub-hd0_1.04-x86_64.gz"),
            image("aki-2", "pv-grub-hd0_1.05-x86_64.gz"),
            image("aki-3", "pv-grub-hd0_1.05-i386.gz"),
            image("aki-4", "pv-grub-hd00_1.04-x86_64.gz"),
            image("aki-5", "pv-grub-hd00_1.04-i386.gz"),
            image("aki-6", "pv-grub-hd00_1.03-i386.gz"),
            image("aki-7", "our-kernel"),
        ];
        let next = |name: &str| successor(PvGrub::parse(name).unwrap(), &images).map(|(image, _)| image.id.as_str());
        assert_eq!(next("pv-grub-hd0_1.03-x86_64.gz"), Some("aki-2"));
        assert_eq!(next("pv-grub-hd0_1.05-x86_64.gz"), None, "there is nothing newer");
        assert_eq!(
            next("pv-grub-hd0_1.03-i386.gz"),
            Some("aki-3"),
            "of its own architecture"
        );
        assert_eq!(
            next("pv-grub-hd00_1.03-x86_64.gz"),
            Some("aki-2"),
            "1.05 looks into partitions too"
        );
        let old = &images[3..6];
        let of = PvGrub::parse("pv-grub-hd00_1.03-x86_64.gz").unwrap();
        assert_eq!(successor(of, old).unwrap().0.id, "aki-4", "no other architecture");
        assert_eq!(successor(of, &images[5..]), None, "no version below");
        let hd0 = PvGrub::parse("pv-grub-hd0_1.02-i386.gz").unwrap();
        assert_eq!(
            successor(hd0, &images[5..6]),
            None,
            "1.03 for a partition does not look at the whole disk"
        );
    }
}
