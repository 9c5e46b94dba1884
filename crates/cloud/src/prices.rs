//! What things cost on the price list. Enough to tell what a change costs or saves; a bill has discounts, taxes and
//! traffic on top.
//!
//! The prices are copies, each with its source, and only what was read there is in the tables: of everything else the
//! price is unknown, which is not the same as free. The price of an instance is that of Linux on demand on shared
//! hardware.

use crate::ids::RegionName;
use serde::Serialize;
use std::{collections::BTreeMap, sync::LazyLock};

/// Hours of a month, as the AWS calculators count them.
const HOURS_PER_MONTH: f64 = 730.0;
/// Cents of a dollar, and so on: prices are kept in millionths, so that they can be compared and added exactly.
const MICROS: f64 = 1_000_000.0;

const INSTANCE_TABLE: &str = include_str!("prices/instances.csv");
const INSTANCE_SOURCE: &str =
    "github.com/skypilot-org/skypilot-catalog, catalogs/v8/aws/vms.csv at commit e385a0d (after August 2025)";
const STORAGE_SOURCE: &str = "qiita.com/tsukamoto/items/bd6b7cbf164e71beeba2, prices of 2021-06-01";

/// A price of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Price {
    /// Millionths of the currency's unit.
    pub micros: u64,
    /// The currency's code.
    pub currency: &'static str,
    /// Where the price was read, and of when it is.
    pub source: &'static str,
}

impl Price {
    /// The price in the currency's unit.
    pub fn amount(self) -> f64 {
        self.micros as f64 / MICROS
    }

    fn dollars(amount: f64, source: &'static str) -> Price {
        Price {
            micros: (amount * MICROS).round() as u64,
            currency: "USD",
            source,
        }
    }
}

/// The table by type, each with its prices by region. Read once: an audit asks for thousands.
static INSTANCES: LazyLock<BTreeMap<&str, BTreeMap<&str, f64>>> = LazyLock::new(|| {
    let mut lines = INSTANCE_TABLE.lines().filter(|line| !line.starts_with('#'));
    let regions: Vec<&str> = lines.next().unwrap_or_default().split(',').skip(1).collect();
    let row = |line: &'static str| {
        let (name, amounts) = line.split_once(',')?;
        let prices = regions.iter().zip(amounts.split(','));
        let known = prices.filter_map(|(region, amount)| Some((*region, amount.parse().ok()?)));
        Some((name, known.collect()))
    };
    lines.filter_map(row).collect()
});

/// What an instance of a type costs in an hour.
pub fn hourly(instance_type: &str, region: &RegionName) -> Option<Price> {
    let amount = INSTANCES.get(instance_type)?.get(region.as_str())?;
    Some(Price::dollars(*amount, INSTANCE_SOURCE))
}

/// Types whose price is known in some region.
pub fn types() -> impl Iterator<Item = &'static str> {
    INSTANCES.keys().copied()
}

/// What an instance of a type costs in a month of 730 hours.
pub fn monthly(instance_type: &str, region: &RegionName) -> Option<Price> {
    let hourly = hourly(instance_type, region)?;
    Some(Price {
        micros: (hourly.micros as f64 * HOURS_PER_MONTH).round() as u64,
        ..hourly
    })
}

/// What a GiB of a volume type (`gp2`, `gp3`) costs in a month, without what is paid for speed beyond the type's own.
pub fn volume_gib_month(volume_type: &str, region: &RegionName) -> Option<Price> {
    let amount = match (region.as_str(), volume_type) {
        ("ap-northeast-1", "gp2") => 0.12,
        ("ap-northeast-1", "gp3") => 0.096,
        _ => return None,
    };
    Some(Price::dollars(amount, STORAGE_SOURCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(name: &str) -> RegionName {
        name.parse().expect("region")
    }

    #[test]
    fn the_incident_s_types_have_their_prices() {
        let tokyo = region("ap-northeast-1");
        assert_eq!(hourly("m3.medium", &tokyo).map(|price| price.micros), Some(96_000));
        assert_eq!(monthly("m3.medium", &tokyo).map(|price| price.micros), Some(70_080_000));
        assert_eq!(monthly("t3.medium", &tokyo).map(|price| price.amount()), Some(39.712));
        assert_eq!(volume_gib_month("gp3", &tokyo).map(|price| price.micros), Some(96_000));
    }

    #[test]
    fn what_was_not_read_is_unknown() {
        assert_eq!(hourly("m1.small", &region("eu-central-1")), None, "never offered there");
        assert_eq!(hourly("m3.medium", &region("sa-east-1")), None);
        assert_eq!(hourly("m99.huge", &region("ap-northeast-1")), None);
        assert_eq!(volume_gib_month("standard", &region("ap-northeast-1")), None);
    }

    #[test]
    fn every_line_of_the_table_can_be_read() {
        let mut lines = INSTANCE_TABLE.lines().filter(|line| !line.starts_with('#'));
        let columns = lines.next().expect("a head").split(',').count();
        for line in lines {
            let mut fields = line.split(',');
            let name = fields.next().expect("a type");
            let prices: Vec<&str> = fields.collect();
            assert_eq!(prices.len() + 1, columns, "{line}");
            assert!(
                name.contains('.') && prices.iter().any(|price| !price.is_empty()),
                "{line}"
            );
            for price in prices.iter().filter(|price| !price.is_empty()) {
                let amount: f64 = price.parse().expect(line);
                assert!((0.001..10.0).contains(&amount), "{line}");
            }
        }
    }
}
