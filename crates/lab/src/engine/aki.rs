//! Amazon's kernel images: PV-GRUB in its versions, under another id in each region.

use std::sync::OnceLock;

/// A kernel image of PV-GRUB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Aki {
    pub(crate) region: &'static str,
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) version: (u8, u8),
    /// Whether it looks on the first partition.
    pub(crate) hd00: bool,
    pub(crate) arch: &'static str,
}

impl Aki {
    pub(crate) fn bits(&self) -> u8 {
        if self.arch == "i386" { 32 } else { 64 }
    }

    /// As `DescribeImages` describes it.
    pub(crate) fn description(&self) -> String {
        let (major, minor) = self.version;
        format!("PV-GRUB release {major}.{minor:02}, {}-bit", self.bits())
    }

    /// Where the image is kept.
    pub(crate) fn location(&self) -> String {
        format!("ec2-public-images-{}/{}.manifest.xml", self.region, self.name)
    }

    fn parse(line: &'static str) -> Option<Self> {
        let mut fields = line.split(',');
        let mut next = || fields.next();
        let (region, id, name) = (next()?, next()?, next()?);
        let (major, minor) = next()?.split_once('.')?;
        let (device, arch) = (next()?, next()?);
        Some(Self {
            region,
            id,
            name,
            version: (major.parse().ok()?, minor.parse().ok()?),
            hd00: device == "hd00",
            arch,
        })
    }
}

/// All of them, in all regions.
pub(crate) fn all() -> &'static [Aki] {
    static ALL: OnceLock<Vec<Aki>> = OnceLock::new();
    ALL.get_or_init(|| {
        include_str!("../../data/akis.csv")
            .lines()
            .filter_map(Aki::parse)
            .collect()
    })
}

/// One by its id.
pub(crate) fn find(region: &str, id: &str) -> Option<&'static Aki> {
    all().iter().find(|aki| aki.region == region && aki.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_read_to_its_last_line() {
        let lines = include_str!("../../data/akis.csv")
            .lines()
            .filter(|line| !line.starts_with('#') && !line.starts_with("region,"));
        assert_eq!(all().len(), lines.count());
        let mut ids: Vec<(&str, &str)> = all().iter().map(|aki| (aki.region, aki.id)).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all().len());
    }

    #[test]
    fn kernels_of_tokyo() {
        let old = find("ap-northeast-1", "aki-44992845").unwrap();
        assert_eq!((old.version, old.hd00, old.bits()), ((1, 3), false, 64));
        let new = find("ap-northeast-1", "aki-176bf516").unwrap();
        assert_eq!((new.version, new.hd00, new.bits()), ((1, 4), false, 64));
        assert_eq!(new.description(), "PV-GRUB release 1.04, 64-bit");
        // Ids are of one region.
        assert_eq!(find("us-east-1", "aki-44992845"), None);
    }
}
