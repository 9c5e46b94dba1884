//! Which instance type takes the place of another.

use crate::ids::RegionName;
use crate::model::InstanceType;
use crate::prices;

/// Up to this much memory, in MiB, an instance is small: what it does, it does in bursts as a rule.
const SMALL_MIB: u64 = 4 << 10;

/// Those of the types that are as large as `now`, the cheapest first. What costs nothing known comes after what has a price.
///
/// A burstable type takes the place of a burstable or small one only: a busy server is throttled there as soon as its
/// credits are gone.
pub fn as_large<'a>(
    now: &InstanceType,
    types: impl IntoIterator<Item = &'a InstanceType>,
    region: &RegionName,
) -> Vec<&'a InstanceType> {
    let may_burst = now.burstable || now.memory_mib <= SMALL_MIB;
    let mut fitting: Vec<_> = types
        .into_iter()
        .filter(|kind| kind.memory_mib >= now.memory_mib && kind.vcpus >= now.vcpus)
        .filter(|kind| may_burst || !kind.burstable)
        .collect();
    fitting.sort_by_cached_key(|kind| {
        (
            prices::hourly(&kind.name, region).map_or(u64::MAX, |price| price.micros),
            !kind.current_generation,
            kind.memory_mib,
            kind.vcpus,
            kind.name.clone(),
        )
    });
    fitting
}
