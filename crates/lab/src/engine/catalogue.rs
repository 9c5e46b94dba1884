//! Instance types and where they are offered.

use std::sync::OnceLock;

use super::aki;
use super::instance::Virtualization;

/// An instance type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InstanceType {
    pub(crate) name: &'static str,
    pub(crate) vcpus: u32,
    pub(crate) cores: u32,
    pub(crate) memory_mib: u32,
    pub(crate) nitro: bool,
    pub(crate) hvm: bool,
    pub(crate) pv: bool,
    pub(crate) architectures: Vec<&'static str>,
    pub(crate) current: bool,
    /// `unsupported`, `supported` or `required`
    pub(crate) ena: &'static str,
    /// As for `ena`; required means that volumes are NVMe disks too.
    pub(crate) nvme: &'static str,
    pub(crate) burstable: bool,
    /// Count and GB of its instance-store disks.
    pub(crate) store: (u32, u32),
    pub(crate) interfaces: u32,
    pub(crate) addresses: u32,
    pub(crate) network: &'static str,
}

impl InstanceType {
    pub(crate) fn supports(&self, virtualization: Virtualization) -> bool {
        match virtualization {
            Virtualization::Hvm => self.hvm,
            Virtualization::Paravirtual => self.pv,
        }
    }

    /// Whether it is offered in a zone: PV types in the regions that have PV-GRUB, and not in the region's last zone, as AWS does
    /// not put old hosts into new data centres; `hs1` only in the first zone.
    pub(crate) fn is_offered(&self, region: &str, zones: &[String], zone: &str) -> bool {
        if !self.pv {
            return true;
        }
        let position = zones.iter().position(|each| each == zone).unwrap_or(0);
        let allowed = if self.name.starts_with("hs1") {
            1
        } else {
            zones.len().saturating_sub(1).max(1)
        };
        position < allowed && aki::all().iter().any(|aki| aki.region == region)
    }

    fn parse(line: &'static str) -> Option<Self> {
        let fields: Vec<&'static str> = line.split(',').collect();
        let &[
            name,
            vcpus,
            cores,
            memory,
            hypervisor,
            virtualization,
            arch,
            generation,
            ena,
            nvme,
            burst,
            store,
            interfaces,
            addresses,
            network,
        ] = fields.as_slice()
        else {
            return None;
        };
        let (count, size) = store.split_once('x')?;
        let support = |word| match word {
            "must" => "required",
            "yes" => "supported",
            _ => "unsupported",
        };
        Some(Self {
            name,
            vcpus: vcpus.parse().ok()?,
            cores: cores.parse().ok()?,
            memory_mib: memory.parse().ok()?,
            nitro: hypervisor == "nitro",
            hvm: virtualization != "pv",
            pv: virtualization != "hvm",
            architectures: if arch == "both" {
                vec!["i386", "x86_64"]
            } else {
                vec![arch]
            },
            current: generation == "current",
            ena: support(ena),
            nvme: support(nvme),
            burstable: burst == "yes",
            store: (count.parse().ok()?, size.parse().ok()?),
            interfaces: interfaces.parse().ok()?,
            addresses: addresses.parse().ok()?,
            network,
        })
    }
}

/// All of them.
pub(crate) fn all() -> &'static [InstanceType] {
    static ALL: OnceLock<Vec<InstanceType>> = OnceLock::new();
    ALL.get_or_init(|| {
        include_str!("../../data/instance-types.csv")
            .lines()
            .filter_map(InstanceType::parse)
            .collect()
    })
}

/// One by its name.
pub(crate) fn find(name: &str) -> Option<&'static InstanceType> {
    all().iter().find(|kind| kind.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_read_to_its_last_line() {
        let lines = include_str!("../../data/instance-types.csv")
            .lines()
            .filter(|line| !line.starts_with('#') && !line.starts_with("type,"));
        assert_eq!(all().len(), lines.count());
    }

    #[test]
    fn families_are_what_they_are() {
        for kind in all() {
            let family = kind.name.split('.').next().unwrap();
            let old = ["t1", "m1", "m2", "m3", "c1", "c3", "hs1"].contains(&family);
            assert_eq!(kind.pv, old, "{}", kind.name);
            assert!(kind.hvm, "{}", kind.name);
            assert_eq!(kind.nitro, kind.ena == "required", "{}", kind.name);
            // A 32-bit system has no Nitro type to go to.
            assert!(!(kind.nitro && kind.architectures.contains(&"i386")), "{}", kind.name);
        }
    }

    #[test]
    fn old_types_are_not_everywhere() {
        let zones = ["ap-northeast-1a", "ap-northeast-1c", "ap-northeast-1d"].map(str::to_owned);
        let old = find("m3.medium").unwrap();
        assert!(old.is_offered("ap-northeast-1", &zones, "ap-northeast-1c"));
        assert!(!old.is_offered("ap-northeast-1", &zones, "ap-northeast-1d"));
        let zones = ["eu-north-1a", "eu-north-1b"].map(str::to_owned);
        assert!(!old.is_offered("eu-north-1", &zones, "eu-north-1a"));
        assert!(
            find("t3.micro")
                .unwrap()
                .is_offered("eu-north-1", &zones, "eu-north-1b")
        );
    }
}
