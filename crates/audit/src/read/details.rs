//! What kernel images and types are: the same for all accounts of a region, so asked for once.
//!
//! A kernel image of one's own that another account may not see is asked for with the credentials of the first account that
//! uses one of the region's images; if that does not see it, it counts as gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use comeback_cloud::ids::{KernelId, RegionName};
use comeback_cloud::model::{Architecture, InstanceType, RootDeviceType, Virtualization};
use comeback_cloud::{CloudError, Filter, Session, market, prices};

use super::{Read, Shared, denied, tell, why};
use crate::facts::{Facts, Machine, is_xen_family};
use crate::model::{Gap, Money, Successor};
use crate::progress::Event;
use comeback_cloud::kernels;

/// Most values of one filter.
const PER_CALL: usize = 200;

/// What is known of a region.
#[derive(Default)]
struct Known {
    images: BTreeMap<KernelId, String>,
    types: BTreeMap<String, Arc<InstanceType>>,
}

/// Adds kernels, types, successors and prices to what was read.
pub(super) async fn add(shared: &Arc<Shared>, all: &mut [Read]) {
    let mut places: BTreeMap<RegionName, Vec<usize>> = BTreeMap::new();
    for (index, read) in all.iter().enumerate() {
        if let Some(region) = read.entry.region.clone().filter(|_| !read.facts.is_empty()) {
            places.entry(region).or_default().push(index);
        }
    }
    let mut tasks = tokio::task::JoinSet::new();
    for (region, indices) in &places {
        let facts = || indices.iter().flat_map(|index| all[*index].facts.iter());
        let kernels: BTreeSet<KernelId> = facts().filter_map(|facts| facts.machine.kernel.clone()).collect();
        let old = facts()
            .map(|facts| &facts.machine)
            .filter(|machine| is_xen_family(&machine.instance_type));
        let types: BTreeSet<String> = old.map(|machine| machine.instance_type.clone()).collect();
        if kernels.is_empty() && types.is_empty() {
            continue;
        }
        // Whoever has read the region can ask there; one after another, in case one may not.
        let sessions: Vec<Session> = indices.iter().filter_map(|index| all[*index].session.clone()).collect();
        let (shared, region) = (Arc::clone(shared), region.clone());
        tasks.spawn(async move {
            tell(&shared, Event::Details { region: region.clone() });
            let (images, no_images) = images(&shared, &region, &sessions, kernels).await;
            let (types, no_types) = kinds(&shared, &region, &sessions, types).await;
            (region, Known { images, types }, [no_images, no_types])
        });
    }
    let mut found: BTreeMap<RegionName, Known> = BTreeMap::new();
    while let Some(Ok((region, known, failures))) = tasks.join_next().await {
        for error in failures.into_iter().flatten() {
            let gap = gap(&error);
            for index in places.get(&region).into_iter().flatten() {
                let read = &mut all[*index];
                let is_missed =
                    |facts: &Facts| facts.machine.kernel.is_some() || is_xen_family(&facts.machine.instance_type);
                if read.facts.iter().any(is_missed) {
                    read.entry.gaps.push(gap.clone());
                }
            }
        }
        found.insert(region, known);
    }
    let nothing = Known::default();
    for read in all.iter_mut() {
        for facts in &mut read.facts {
            fill(facts, found.get(&facts.region).unwrap_or(&nothing));
        }
    }
}

fn gap(error: &CloudError) -> Gap {
    Gap {
        action: error.action.name.trim_start_matches("ec2:").to_owned(),
        why: why(error),
        detail: error.to_string(),
        denied: denied(error, None),
    }
}

/// Names of kernel images. Those that are gone are left out.
async fn images(
    shared: &Shared,
    region: &RegionName,
    sessions: &[Session],
    kernels: BTreeSet<KernelId>,
) -> (BTreeMap<KernelId, String>, Option<CloudError>) {
    let ids: Vec<String> = kernels.iter().map(ToString::to_string).collect();
    let mut failure = None;
    for session in sessions {
        let region = session.region(region);
        // By a filter: asked for by their names, one that is gone would fail them all.
        let asked = async {
            let mut found = BTreeMap::new();
            for ids in ids.chunks(PER_CALL) {
                let filter = Filter::new("image-id", ids.iter().cloned());
                let images = region.images_where(None, &[filter]).await?;
                found.extend(
                    images
                        .into_iter()
                        .map(|image| (KernelId::from_api(image.id), image.name.unwrap_or_default())),
                );
            }
            Ok::<_, CloudError>(found)
        };
        match shared.in_turn(asked).await {
            Ok(found) => return (found, None),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    (BTreeMap::new(), failure.filter(|_| !ids.is_empty()))
}

/// The types that are used, and those that could take their place: the ones with a price.
async fn kinds(
    shared: &Shared,
    region: &RegionName,
    sessions: &[Session],
    used: BTreeSet<String>,
) -> (BTreeMap<String, Arc<InstanceType>>, Option<CloudError>) {
    let mut failure = None;
    if used.is_empty() {
        return (BTreeMap::new(), None);
    }
    let priced = prices::types().map(str::to_owned);
    let names: Vec<String> = used
        .into_iter()
        .chain(priced)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    for session in sessions {
        match shared.in_turn(session.region(region).instance_types(&names)).await {
            Ok(types) => {
                let types = types.into_iter().map(|kind| (kind.name.clone(), Arc::new(kind)));
                return (types.collect(), None);
            }
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    (BTreeMap::new(), failure)
}

fn fill(facts: &mut Facts, known: &Known) {
    let region = &facts.region;
    let kernel = facts.machine.kernel.as_ref();
    facts.kernel = kernel.map(|id| kernels::identify(region, id, known.images.get(id).map(String::as_str)));
    facts.kind = known.types.get(&facts.machine.instance_type).cloned();
    facts.hourly = prices::hourly(&facts.machine.instance_type, region).map(Money::from);
    let needs_one = |kind: &&Arc<InstanceType>| facts.machine.is_paravirtual() || !kind.current_generation;
    facts.successor = facts.kind.as_ref().filter(needs_one).and_then(|kind| {
        let candidates = known
            .types
            .values()
            .map(Arc::as_ref)
            .filter(|other| takes(&facts.machine, kind, other));
        let best = market::as_large(kind, candidates, region).into_iter().next()?;
        Some(successor(kind, best, region))
    });
}

/// Whether a type takes an instance as it is.
fn takes(machine: &Machine, now: &InstanceType, other: &InstanceType) -> bool {
    // As long as nobody has looked at its disk, a paravirtual instance becomes one on Xen, as in a migration; so does one that
    // has no network on Nitro.
    let nitro_is_fine = !machine.is_paravirtual() && machine.ena && machine.architecture != Architecture::I386;
    other.name != now.name
        && other.virtualization.contains(&Virtualization::Hvm)
        && other.architectures.contains(&machine.architecture)
        && (other.root_device_types.is_empty() || other.root_device_types.contains(&RootDeviceType::Ebs))
        && !other.bare_metal
        && (nitro_is_fine || !other.is_nitro())
        && (machine.is_paravirtual() || other.current_generation)
        && machine.interfaces <= other.max_interfaces
}

fn successor(now: &InstanceType, best: &InstanceType, region: &RegionName) -> Successor {
    let monthly = |kind: &InstanceType| prices::monthly(&kind.name, region).map(Money::from);
    Successor {
        instance_type: best.name.clone(),
        monthly_difference: monthly(now).zip(monthly(best)).map(|(was, is)| Money {
            micros: is.micros.saturating_sub(was.micros),
            currency: is.currency,
        }),
    }
}
