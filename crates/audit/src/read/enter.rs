//! From ways to accounts.

use std::collections::BTreeMap;
use std::sync::Arc;

use comeback_cloud::calls::actions::ASSUME_ROLE;
use comeback_cloud::model::{AccountStatus, OrganizationAccount};
use comeback_cloud::{CloudError, Options, Session};
use tokio::task::JoinSet;

use super::{Account, Shared, failed, lost, refused, tell, unread};
use crate::facts::Place;
use crate::model::{Coverage, Entry, Unread};
use crate::progress::Event;
use crate::scope::{Scope, Way};

/// Accounts that were entered, and what can be told of the others.
#[derive(Default)]
pub(super) struct Entered {
    pub(super) accounts: Vec<Account>,
    pub(super) entries: Vec<Entry>,
}

/// Sessions by profile, each made once.
type Bases = BTreeMap<Option<String>, Result<Session, CloudError>>;

/// Enters all accounts of the scope.
pub(super) async fn all(shared: &Arc<Shared>, scope: &Scope) -> Entered {
    let mut bases = Bases::new();
    for way in &scope.ways {
        if !bases.contains_key(&way.profile) {
            let options = Options {
                profile: way.profile.clone(),
                ..shared.options.clone()
            };
            bases.insert(way.profile.clone(), Session::load(options).await);
        }
    }
    let mut entered = Entered::default();
    let mut ways = Vec::new();
    for way in &scope.ways {
        match bases.get(&way.profile) {
            Some(Ok(base)) if way.organization_role.is_some() => {
                let (found, entries) = organization(shared, base, way).await;
                ways.extend(found.into_iter().map(|way| (way, base.clone())));
                entered.entries.extend(entries);
            }
            Some(Ok(base)) => ways.push((way.clone(), base.clone())),
            Some(Err(error)) => entered.entries.push(shut(shared, way, error)),
            None => {}
        }
    }
    tell(shared, Event::Begun { ways: ways.len() });
    let mut tasks = JoinSet::new();
    for (index, (way, base)) in ways.into_iter().enumerate() {
        let (shared, regions) = (Arc::clone(shared), scope.regions.clone());
        tasks.spawn(async move { (index, enter(&shared, &way, &base, regions).await) });
    }
    let mut done = Vec::new();
    while let Some(one) = tasks.join_next().await {
        match one {
            Ok(one) => done.push(one),
            Err(error) => entered.entries.push(lost(&error)),
        }
    }
    // Of two ways into the same account, the first one counts.
    done.sort_by_key(|(index, _)| *index);
    for (_, (account, entries)) in done {
        entered.accounts.extend(account);
        entered.entries.extend(entries);
    }
    entered
}

fn shut(shared: &Shared, way: &Way, error: &CloudError) -> Entry {
    tell(shared, Event::Shut { via: way.via() });
    let mut coverage = refused(error, None);
    if let Coverage::Unread {
        denied: Some(denied), ..
    } = &mut coverage
        && denied.action == ASSUME_ROLE.name
    {
        denied.resource = denied.resource.take().or_else(|| way.role.clone());
    }
    unread(way, way.account.clone(), coverage)
}

/// A way into each account of an organization, and entries for those that cannot be used.
async fn organization(shared: &Shared, base: &Session, way: &Way) -> (Vec<Way>, Vec<Entry>) {
    let accounts = match shared.in_turn(base.organization()).await {
        Ok(accounts) => accounts,
        // The account itself can be read all the same.
        Err(error) => {
            let own = Way {
                account: Some(base.identity().account.clone()),
                organization_role: None,
                ..way.clone()
            };
            return (vec![own], vec![shut(shared, way, &error)]);
        }
    };
    let (mut ways, mut entries) = (Vec::new(), Vec::new());
    for account in accounts {
        let one = member(base, way, &account);
        if account.status == AccountStatus::Active {
            ways.push(one);
        } else {
            let detail = format!("the organization says that it is {}", account.status);
            entries.push(unread(&one, Some(account.id), failed(Unread::Disabled, detail)));
        }
    }
    (ways, entries)
}

fn member(base: &Session, way: &Way, account: &OrganizationAccount) -> Way {
    let own = base.identity();
    // `arn:aws-cn:…`: roles are of the same partition.
    let partition = own.arn.split(':').nth(1).unwrap_or("aws");
    let name = way.organization_role.as_deref().unwrap_or_default();
    let role = (account.id != own.account).then(|| format!("arn:{partition}:iam::{}:role/{name}", account.id));
    Way {
        client: account.name.clone(),
        account: Some(account.id.clone()),
        role,
        organization_role: None,
        ..way.clone()
    }
}

/// Enters an account, and finds its regions.
async fn enter(
    shared: &Shared,
    way: &Way,
    base: &Session,
    regions: Vec<comeback_cloud::RegionName>,
) -> (Option<Account>, Vec<Entry>) {
    let session = match &way.role {
        Some(role) => {
            // The SDK makes this call by itself.
            shared.counter.add(ASSUME_ROLE.name, 1);
            match shared.in_turn(base.assume(role, way.external_id.as_deref())).await {
                Ok(session) => session,
                Err(error) => return (None, vec![shut(shared, way, &error)]),
            }
        }
        None => base.clone(),
    };
    let found = session.identity().account.clone();
    if let Some(expected) = way.account.as_ref().filter(|expected| **expected != found) {
        let detail = format!("the credentials are of account {found}, expected {expected}");
        return (
            None,
            vec![unread(way, Some(expected.clone()), failed(Unread::Failed, detail))],
        );
    }
    let place = Arc::new(Place {
        client: way.client.clone(),
        account: found.clone(),
        tags: way.tags.clone(),
        way: way.arguments(),
    });
    let mut entries = Vec::new();
    let named = if way.regions.is_empty() {
        regions
    } else {
        way.regions.clone()
    };
    let regions = if named.is_empty() {
        match shared.in_turn(session.known_regions()).await {
            Ok(known) => {
                let off = known.iter().filter(|region| !region.enabled);
                entries.extend(off.map(|region| Entry {
                    region: Some(region.name.clone()),
                    ..unread(way, Some(found.clone()), Coverage::NotEnabled)
                }));
                known
                    .into_iter()
                    .filter(|region| region.enabled)
                    .map(|region| region.name)
                    .collect()
            }
            Err(error) => {
                tell(shared, Event::Shut { via: way.via() });
                return (None, vec![unread(way, Some(found), refused(&error, Some(&session)))]);
            }
        }
    } else {
        named
    };
    tell(
        shared,
        Event::Entered {
            account: found,
            regions: regions.len(),
        },
    );
    let account = Account {
        session,
        place,
        via: way.via(),
        regions,
    };
    (Some(account), entries)
}
