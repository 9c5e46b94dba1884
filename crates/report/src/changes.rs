//! What changed since the last audit.
//!
//! What is not seen any more is gone only if it was looked for: a finding whose account and region was not read this time is
//! neither gone nor new.

use std::collections::{BTreeMap, BTreeSet};

use comeback_audit::model::{Audit, Coverage, Entry, Finding, Subject, Value};
use jiff::Timestamp;

use crate::identity::{Identities, Identity, Place, place};

/// What changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes<'a> {
    /// Findings that were not there, the worst first.
    pub new: Vec<(&'a Subject, &'a Finding)>,
    /// Findings that are not there any more although they were looked for. One that is silenced now is not gone.
    pub gone: Vec<(&'a Subject, &'a Finding)>,
    /// Events that begin at another time.
    pub moved: Vec<Moved<'a>>,
    /// What was read, or not asked for, the last time, and could not be read now.
    pub unread: Vec<&'a Entry>,
    /// What could not be read the last time and was read now.
    pub read_again: Vec<&'a Entry>,
}

/// An event that begins at another time.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved<'a> {
    /// Whose event.
    pub subject: &'a Subject,
    /// The event, as it is seen now.
    pub finding: &'a Finding,
    /// When it was to begin, where that was known.
    pub was: Option<Timestamp>,
    /// When it begins now, where that is known.
    pub is: Option<Timestamp>,
}

impl Changes<'_> {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Changes::default()
    }
}

/// An account and region, or an account that could not be entered.
fn entry_key(entry: &Entry) -> (Option<&str>, &str, Option<&str>) {
    let account = entry.account.as_ref().map(|account| account.as_str());
    // The way does not matter where the account is known.
    let via = if account.is_none() { entry.via.as_str() } else { "" };
    (account, via, entry.region.as_ref().map(|region| region.as_str()))
}

fn is_unread(entry: &Entry) -> bool {
    matches!(entry.coverage, Coverage::Unread { .. }) || !entry.gaps.is_empty()
}

/// Whether an instance would have been seen with all of its findings.
fn was_looked_for(audit: &Audit, (account, region): Place<'_>) -> bool {
    let mut of_it = audit
        .ledger
        .entries
        .iter()
        .filter(|entry| entry.account.as_ref().is_some_and(|known| known.as_str() == account))
        .filter(|entry| entry.region.as_ref().is_none_or(|known| known.as_str() == region))
        .peekable();
    of_it.peek().is_some() && of_it.all(|entry| !is_unread(entry))
}

/// All findings with their identities, in the order of the audit.
fn findings(audit: &Audit) -> Vec<(Identity<'_>, &Subject, &Finding)> {
    let mut identities = Identities::default();
    let mut all = Vec::new();
    for subject in &audit.instances {
        for finding in &subject.findings {
            all.push((
                identities.of(place(subject), subject.id.as_str(), finding),
                subject,
                finding,
            ));
        }
    }
    all
}

/// Identities of what nobody wanted to see.
fn silenced(audit: &Audit) -> BTreeSet<Identity<'_>> {
    let mut identities = Identities::default();
    let all = audit.silenced.iter().map(|silenced| {
        let place = (silenced.account.as_str(), silenced.region.as_str());
        identities.of(place, silenced.instance.as_str(), &silenced.finding)
    });
    all.collect()
}

fn begins(finding: &Finding) -> Option<Timestamp> {
    match finding.values.get("not-before") {
        Some(Value::Time(time)) => Some(*time),
        _ => None,
    }
}

/// What is different in `new`.
pub fn changes<'a>(old: &'a Audit, new: &'a Audit) -> Changes<'a> {
    let (was, is) = (findings(old), findings(new));
    let before: BTreeMap<_, _> = was.iter().map(|(identity, _, finding)| (*identity, *finding)).collect();
    let after: BTreeSet<_> = is.iter().map(|(identity, _, _)| *identity).collect();
    let silenced = silenced(new);
    let mut changed = Changes::default();
    for (identity, subject, finding) in &is {
        match before.get(identity) {
            None => changed.new.push((*subject, *finding)),
            Some(earlier) if begins(earlier) != begins(finding) => changed.moved.push(Moved {
                subject,
                finding,
                was: begins(earlier),
                is: begins(finding),
            }),
            Some(_) => {}
        }
    }
    changed.new.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.level));
    let gone = was.iter().filter(|(identity, subject, _)| {
        !after.contains(identity) && !silenced.contains(identity) && was_looked_for(new, place(subject))
    });
    changed
        .gone
        .extend(gone.map(|(_, subject, finding)| (*subject, *finding)));
    let unread_of = |audit: &'a Audit| -> BTreeSet<_> {
        let entries = audit.ledger.entries.iter();
        entries.filter(|entry| is_unread(entry)).map(entry_key).collect()
    };
    let (unread_before, known_before) = (
        unread_of(old),
        old.ledger.entries.iter().map(entry_key).collect::<BTreeSet<_>>(),
    );
    let (unread, read): (Vec<&Entry>, Vec<&Entry>) = new.ledger.entries.iter().partition(|entry| is_unread(entry));
    let no_longer = unread
        .into_iter()
        .filter(|entry| !unread_before.contains(&entry_key(entry)));
    changed.unread.extend(no_longer);
    let again = read.into_iter().filter(|entry| {
        let (account, _, _) = entry_key(entry);
        let as_a_whole = (account, "", None);
        unread_before.contains(&entry_key(entry))
            || (!known_before.contains(&entry_key(entry)) && unread_before.contains(&as_a_whole))
    });
    changed.read_again.extend(again);
    changed
}
