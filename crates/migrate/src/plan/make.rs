//! Making plans.

use comeback_cloud::Region;
use comeback_cloud::ids::{AccountId, InstanceId};
use jiff::Timestamp;

use super::host::{self, Candidate};
use super::outlook::Outlook;
use super::refuse::{self, Refusal};
use super::target::{self, Market};
use super::{Cost, Downtime, Plan, PlanError, Source, VERSION, Wishes, cost, devices, gather, notices};

/// Makes a plan for each instance. What they have in common is asked for once.
///
/// # Errors
/// What concerns all of them; what concerns one is in its place.
pub async fn make(
    region: &Region,
    ids: &[InstanceId],
    wishes: &Wishes,
) -> Result<Vec<Result<Plan, PlanError>>, PlanError> {
    let account = region.account().cloned().ok_or(PlanError::NoAccount)?;
    let sources = gather::gather(region, ids).await?;
    let hosts = host::candidates(region, wishes).await?;
    let types = region.instance_types_where(&[]).await?;
    let mut offers = std::collections::BTreeMap::new();
    for source in sources.iter().flatten() {
        let zone = &source.instance.zone;
        if !offers.contains_key(zone) {
            offers.insert(zone.clone(), region.offerings(zone).await?);
        }
    }
    let common = Common {
        region,
        account,
        hosts,
        outlook: Outlook::look(region, sources.iter().flatten()).await?,
        wishes,
        now: Timestamp::now(),
    };
    let mut plans = Vec::new();
    for (id, source) in ids.iter().zip(sources) {
        let Some(source) = source else {
            plans.push(Err(PlanError::NoInstance(id.clone())));
            continue;
        };
        let offered = &offers[&source.instance.zone];
        let market = Market {
            types: &types,
            offered,
            region: region.name(),
        };
        plans.push(plan(&common, source, market));
    }
    Ok(plans)
}

/// What all plans that are made together have in common.
struct Common<'a> {
    region: &'a Region,
    account: AccountId,
    hosts: Vec<Candidate>,
    outlook: Outlook,
    wishes: &'a Wishes,
    now: Timestamp,
}

fn plan(common: &Common<'_>, source: Source, market: Market<'_>) -> Result<Plan, PlanError> {
    let Common {
        region,
        account,
        hosts,
        outlook,
        wishes,
        now,
    } = common;
    let mut reasons = refuse::reasons(&source, *now);
    let wanted = match &wishes.disk {
        Some(disk) => disk.narrow(&wishes.target),
        None => wishes.target.clone(),
    };
    let mut chosen = target::choose(&source.instance, &wanted, market);
    if let Some(disk) = &wishes.disk {
        reasons.extend(disk.against(chosen.as_ref().ok().map(|target| target.platform)));
        if let Ok(target) = &mut chosen {
            target.why.push(disk.why(target.platform));
        }
    }
    let store_gb = market
        .kind(&source.instance.instance_type)
        .map_or(0, |kind| kind.instance_store_gb);
    let host = match chosen
        .as_ref()
        .ok()
        .and_then(|target| market.kind(&target.instance_type))
    {
        Some(kind) => host::choose(hosts, kind),
        None => Err(Vec::new()),
    };
    let assigned = host
        .as_ref()
        .ok()
        .and_then(|host| devices::assign(&source, &host.root_device));
    match (chosen, host, assigned) {
        (Ok(mut target), Ok(host), Some(devices)) if reasons.is_empty() => {
            target.devices = devices;
            let mut plan = Plan {
                version: VERSION,
                made: *now,
                account: account.clone(),
                region: region.name().clone(),
                source,
                target,
                host: host.clone(),
                volumes: wishes.volumes,
                verify: wishes.verify.clone(),
                notices: Vec::new(),
                cost: Cost::default(),
                downtime_s: Downtime { usual: 0, longest: 0 },
                disk: wishes.disk.clone(),
            };
            plan.cost = cost::of(&plan);
            plan.downtime_s = cost::downtime(&plan);
            plan.notices = notices::of(&plan, store_gb, outlook);
            Ok(plan)
        }
        (chosen, host, assigned) => {
            reasons.extend(chosen.err());
            let has_host = host.is_ok();
            reasons.extend(host.err().into_iter().flatten());
            if has_host && assigned.is_none() && source.instance.root().is_some() {
                reasons.push(Refusal::new(
                    "too-many-volumes",
                    "it has more volumes than there are device names for HVM instances",
                    "detach some, and attach them after the migration",
                ));
            }
            Err(PlanError::Refused {
                instance: source.instance.id,
                reasons,
            })
        }
    }
}
