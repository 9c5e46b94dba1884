//! One region of one account: its instances, then their status.

use std::collections::BTreeMap;
use std::sync::Arc;

use comeback_cloud::ids::{InstanceId, RegionName};
use comeback_cloud::model::{CheckState, EventStage, InstanceState, Status};
use comeback_cloud::{CloudError, Region};

use super::{Account, Read, Shared, refused, tell};
use crate::facts::{Facts, Machine};
use crate::model::{Coverage, Entry};
use crate::progress::Event;

pub(super) async fn read(shared: Arc<Shared>, account: Account, name: RegionName) -> Read {
    // Its client is made when it is its turn, and dropped after: hundreds of them would take more memory than what they read.
    let (machines, mut statuses, failure) = shared.in_turn(all(&shared, &account, &name)).await;
    let count = u64::try_from(machines.len()).unwrap_or(u64::MAX);
    tell(
        &shared,
        Event::Region {
            account: account.place.account.clone(),
            region: name.clone(),
            instances: count,
            whole: failure.is_none(),
        },
    );
    let facts = machines
        .into_iter()
        .map(|machine| facts(&shared, &account, &name, machine, &mut statuses));
    Read {
        facts: facts.collect(),
        session: Some(account.session.clone()),
        entry: Entry {
            client: account.place.client.clone(),
            account: Some(account.place.account.clone()),
            via: account.via.clone(),
            region: Some(name),
            coverage: failure.map_or(Coverage::Read, |error| refused(&error, Some(&account.session))),
            instances: count,
            gaps: Vec::new(),
        },
    }
}

/// Instances and their status, as far as they could be read.
async fn all(
    shared: &Shared,
    account: &Account,
    name: &RegionName,
) -> (Vec<Machine>, BTreeMap<InstanceId, Status>, Option<CloudError>) {
    let region = account.session.region(name);
    let (machines, mut failure) = instances(shared, &region).await;
    let mut statuses = BTreeMap::new();
    // Nothing is asked of an empty region: there is no status to be had.
    if !machines.is_empty() {
        match region.statuses_where(&[]).await {
            Ok(all) => statuses.extend(all.into_iter().map(|status| (status.instance.clone(), status))),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    (machines, statuses, failure)
}

/// All instances that are there, or those that could be read before something failed.
async fn instances(shared: &Shared, region: &Region) -> (Vec<Machine>, Option<CloudError>) {
    let mut machines = Vec::new();
    let mut pages = region.instance_pages(&[]);
    // A page at a time: what is not needed of it is dropped before the next one comes.
    while let Some(page) = pages.next().await {
        match page {
            Ok(page) => {
                let there = page.into_iter().filter(|instance| {
                    !matches!(instance.state, InstanceState::Terminated | InstanceState::ShuttingDown)
                });
                machines.extend(there.map(|instance| Machine::new(instance, &shared.wants_tag)));
            }
            Err(error) => return (machines, Some(error)),
        }
    }
    (machines, None)
}

fn facts(
    shared: &Shared,
    account: &Account,
    region: &RegionName,
    machine: Machine,
    statuses: &mut BTreeMap<InstanceId, Status>,
) -> Facts {
    // What is well and has nothing ahead has nothing to tell either.
    let tells = |status: &Status| {
        let impaired = [&status.guest, &status.system]
            .iter()
            .any(|check| check.state == CheckState::Impaired);
        impaired || status.events.iter().any(|event| event.stage == EventStage::Due)
    };
    Facts {
        place: Arc::clone(&account.place),
        region: region.clone(),
        status: statuses.remove(&machine.id).filter(tells),
        kernel: None,
        kind: None,
        successor: None,
        hourly: None,
        now: shared.now,
        machine,
    }
}
