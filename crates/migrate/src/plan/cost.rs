//! What a migration costs, and how long the instance is away. Estimates, which say what they rest on.

use comeback_cloud::prices;

use super::{Cost, Downtime, Plan, Volumes};

/// Seconds that a step takes as a rule, by what AWS documents and what was seen: stopping a guest, detaching, a host's first
/// boot to SSH, the converter, stopping the host, swapping, the target's boot to its checks.
const USUAL: [u64; 7] = [60, 15, 90, 15, 45, 30, 240];
/// The same, when everything takes as long as it is allowed to.
const LONGEST: [u64; 7] = [900, 600, 1200, 900, 900, 600, 900];
/// Seconds for each further volume, to detach and attach.
const EACH_VOLUME: u64 = 10;
/// Seconds for each GiB of a snapshot that a copy waits for once the source is stopped. It is incremental, so little.
const EACH_GIB_AGAIN: u64 = 2;

/// What it costs.
pub fn of(plan: &Plan) -> Cost {
    let monthly = |name: &str| prices::monthly(name, &plan.region);
    let target = monthly(&plan.target.instance_type);
    // The host runs an hour at most before it is the target.
    let migration = prices::hourly(&plan.target.instance_type, &plan.region).map(prices::Price::amount);
    Cost {
        source_monthly: monthly(&plan.source.instance.instance_type).map(prices::Price::amount),
        target_monthly: target.map(prices::Price::amount),
        migration,
        prices: target.map_or_else(
            || "no list price is known for this type and region".to_owned(),
            |price| format!("{}, Linux on demand; {}", price.currency, price.source),
        ),
    }
}

/// How long the instance is away. Snapshots are taken before it stops and do not count, unless copies are made of them.
pub fn downtime(plan: &Plan) -> Downtime {
    let volumes = u64::try_from(plan.source.volumes.len()).unwrap_or(u64::MAX);
    let gib: u64 = plan
        .source
        .volumes
        .iter()
        .map(|volume| u64::from(volume.size_gib))
        .sum();
    let copying = match plan.volumes {
        Volumes::Original => 0,
        Volumes::Copy => gib.saturating_mul(EACH_GIB_AGAIN),
    };
    let each = volumes.saturating_sub(1).saturating_mul(EACH_VOLUME);
    let sum = |steps: [u64; 7]| steps.iter().sum::<u64>().saturating_add(each).saturating_add(copying);
    Downtime {
        usual: sum(USUAL),
        longest: sum(LONGEST),
    }
}
