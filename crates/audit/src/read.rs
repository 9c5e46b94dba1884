//! Reads accounts: many at a time, with few calls.
//!
//! A region costs one call if it is empty, else two for each thousand instances. What is the same for all accounts of a region,
//! its kernel images and types, is asked for once for all of them afterwards. Whatever fails is an entry in the ledger, and the
//! rest goes on.

mod details;
mod enter;
mod region;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use comeback_cloud::ids::{AccountId, RegionName};
use comeback_cloud::{Call, CloudError, ErrorKind, Observer, Options, Outcome, Session};
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::facts::{Facts, Place};
use crate::model::{Coverage, Denied, Entry, Ledger, Unread};
use crate::progress::{Event, Progress};
use crate::scope::{Scope, Way};

/// How many regions are read at the same time, over all accounts. Each may hold a page of a thousand instances in memory, which
/// bounds what that takes.
const AT_ONCE: usize = 20;

/// How it is read.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// What every session has in common, such as the share of the rates. Profile, role and observer are those of the scope.
    pub options: Options,
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Harvest {
    pub(crate) ledger: Ledger,
    pub(crate) facts: Vec<Facts>,
}

/// Counts calls.
#[derive(Debug, Default)]
struct Counter {
    calls: Mutex<BTreeMap<&'static str, u64>>,
}

impl Counter {
    fn add(&self, name: &'static str, count: u64) {
        *self
            .calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(name)
            .or_default() += count;
    }
}

#[async_trait::async_trait]
impl Observer for Counter {
    async fn before(&self, _: &Call) {}

    async fn after(&self, call: &Call, _: &Outcome) {
        self.add(call.action.name, 1);
    }
}

/// What tasks share.
struct Shared {
    options: Options,
    counter: Arc<Counter>,
    turns: Semaphore,
    progress: Arc<dyn Progress>,
    wants_tag: Box<dyn Fn(&str) -> bool + Send + Sync>,
    now: Timestamp,
}

impl Shared {
    /// Does something when it is its turn.
    async fn in_turn<T>(&self, work: impl Future<Output = T>) -> T {
        // Nobody closes it.
        let _turn = self.turns.acquire().await;
        work.await
    }
}

/// An account that was entered.
#[derive(Debug, Clone)]
struct Account {
    session: Session,
    place: Arc<Place>,
    via: String,
    regions: Vec<RegionName>,
}

/// A region that was read, or was not.
struct Read {
    entry: Entry,
    session: Option<Session>,
    facts: Vec<Facts>,
}

/// Reads all that is in the scope.
pub(crate) async fn read(
    scope: &Scope,
    reading: &Reading,
    wants_tag: impl Fn(&str) -> bool + Send + Sync + 'static,
    progress: Arc<dyn Progress>,
    now: Timestamp,
) -> Harvest {
    let counter = Arc::new(Counter::default());
    let mut options = reading.options.clone();
    options.observer = Some(Arc::clone(&counter) as Arc<dyn Observer>);
    let shared = Arc::new(Shared {
        options,
        counter,
        turns: Semaphore::new(AT_ONCE),
        progress,
        wants_tag: Box::new(wants_tag),
        now,
    });
    let entered = enter::all(&shared, scope).await;
    let mut entries = entered.entries;
    let mut tasks = JoinSet::new();
    let mut seen = BTreeSet::new();
    for account in entered.accounts {
        for name in &account.regions {
            // Two profiles may lead to the same account.
            if seen.insert((account.place.account.clone(), name.clone())) {
                tasks.spawn(region::read(Arc::clone(&shared), account.clone(), name.clone()));
            }
        }
    }
    let mut read = Vec::new();
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(one) => read.push(one),
            // A task that panicked has nothing to tell where it was; the ledger must not look whole for that.
            Err(error) => entries.push(lost(&error)),
        }
    }
    // In an order that does not depend on who was first.
    read.sort_by_cached_key(|read| order(&read.entry));
    details::add(&shared, &mut read).await;
    let mut facts = Vec::new();
    for one in read {
        entries.push(one.entry);
        facts.extend(one.facts);
    }
    entries.sort_by_cached_key(order);
    let calls = std::mem::take(&mut *shared.counter.calls.lock().unwrap_or_else(PoisonError::into_inner));
    let calls = calls
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect();
    Harvest {
        ledger: Ledger { entries, calls },
        facts,
    }
}

fn order(entry: &Entry) -> (Option<String>, Option<AccountId>, String, Option<RegionName>) {
    (
        entry.client.clone(),
        entry.account.clone(),
        entry.via.clone(),
        entry.region.clone(),
    )
}

fn lost(error: &tokio::task::JoinError) -> Entry {
    let detail = format!("a task of this program ended early: {error}");
    unread(&Way::default(), None, failed(Unread::Failed, detail))
}

/// An account of which nothing is known but this.
fn unread(way: &Way, account: Option<AccountId>, coverage: Coverage) -> Entry {
    Entry {
        client: way.client.clone(),
        account,
        via: way.via(),
        region: None,
        coverage,
        instances: 0,
        gaps: Vec::new(),
    }
}

/// Not read, though AWS refused nothing.
fn failed(why: Unread, detail: String) -> Coverage {
    Coverage::Unread {
        why,
        detail,
        denied: None,
    }
}

/// Not read, as a call has brought nothing; `who` made it, where that is known.
fn refused(error: &CloudError, who: Option<&Session>) -> Coverage {
    Coverage::Unread {
        why: why(error),
        detail: error.to_string(),
        denied: denied(error, who),
    }
}

/// Who was denied what. EC2 does not always say whom it denied something.
fn denied(error: &CloudError, who: Option<&Session>) -> Option<Denied> {
    let mut denied = Denied::from(error.denial()?);
    denied.who = denied.who.or_else(|| Some(who?.identity().arn.clone()));
    Some(denied)
}

/// Why a call has brought nothing.
fn why(error: &CloudError) -> Unread {
    match &error.kind {
        ErrorKind::Denied { .. } => Unread::Denied,
        ErrorKind::Credentials => Unread::Credentials,
        ErrorKind::Throttled => Unread::Throttled,
        ErrorKind::Unreachable | ErrorKind::Network | ErrorKind::Timeout => Unread::Unreachable,
        _ => Unread::Failed,
    }
}

fn tell(shared: &Shared, event: Event) {
    shared.progress.tell(event);
}
