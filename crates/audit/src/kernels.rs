//! Which PV-GRUB is behind a kernel image.
//!
//! Every region has its own ids for the same image. What the image's name says (`pv-grub-hd0_1.03-x86_64.gz`) is the truth
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/UserProvidedKernels.html>); where the image is gone or was not read,
//! there is a table of those that were seen, each row with how sure it is. Nothing can be told from an id's digits.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use comeback_cloud::ids::{KernelId, RegionName};

/// `region,aki,name,version,device,arch,confidence,…`
const TABLE: &str = include_str!("../data/pvgrub-akis.csv");

/// A version of PV-GRUB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 1 so far.
    pub major: u8,
    /// 1 to 5 so far, written with two digits.
    pub minor: u8,
}

impl Version {
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

/// Reads an image's name: `pv-grub-hd0_1.05-i386.gz`, `pv-grub-hd00-V1.01-x86_64.gz`. Version, device and processor.
fn parse_name(name: &str) -> Option<(Version, &str, &str)> {
    let rest = name.strip_prefix("pv-grub-")?.strip_suffix(".gz")?;
    let device = if rest.starts_with("hd00") { "hd00" } else { "hd0" };
    let rest = rest.strip_prefix(device)?;
    let rest = rest.strip_prefix("_").or_else(|| rest.strip_prefix("-V"))?;
    let (version, arch) = rest.split_once('-')?;
    matches!(arch, "i386" | "x86_64").then_some((Version::parse(version)?, device, arch))
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
    let agrees = parse_name(name)? == (version, device, arch);
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

/// What a kernel image is: by the name of its image where that was read, else by the table.
pub fn identify(region: &RegionName, kernel: &KernelId, image: Option<&str>) -> Kernel {
    if let Some(name) = image {
        let known = parse_name(name).map(|(version, _, _)| Kernel::PvGrub {
            version,
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
        let version = |name| parse_name(name).map(|(version, device, arch)| format!("{version} {device} {arch}"));
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
}
