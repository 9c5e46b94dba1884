//! What changed since the last audit.
//!
//! What is not seen any more is gone only if it was looked for: a finding whose account and region was not read this time is
//! neither gone nor new.

use std::collections::{BTreeMap, BTreeSet};

use comeback_audit::model::{Audit, Coverage, Deadline, Entry, Finding, Subject, Value};

/// What changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes<'a> {
    /// Findings that were not there, the worst first.
    pub new: Vec<(&'a Subject, &'a Finding)>,
    /// Findings that are not there any more although they were looked for. One that is silenced now is not gone.
    pub gone: Vec<(&'a Subject, &'a Finding)>,
    /// Instances whose next event begins at another time, with what it was and what it is.
    pub moved: Vec<(&'a Subject, &'a Deadline, &'a Deadline)>,
    /// What was read, or not asked for, the last time, and could not be read now.
    pub unread: Vec<&'a Entry>,
    /// What could not be read the last time and was read now.
    pub read_again: Vec<&'a Entry>,
}

impl Changes<'_> {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Changes::default()
    }
}

type Place<'a> = (&'a str, &'a str);

/// A finding's identity: an instance has a rule's finding once, but for events, which have names of their own.
type Key<'a> = (Place<'a>, &'a str, &'a str, Option<&'a str>);

fn place(subject: &Subject) -> Place<'_> {
    (subject.account.as_str(), subject.region.as_str())
}

fn key<'a>(subject: &'a Subject, finding: &'a Finding) -> Key<'a> {
    let event = match finding.values.get("event") {
        Some(Value::Text(event)) => Some(event.as_str()),
        _ => None,
    };
    (place(subject), subject.id.as_str(), &finding.rule, event)
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

fn findings(audit: &Audit) -> impl Iterator<Item = (&Subject, &Finding)> {
    audit
        .instances
        .iter()
        .flat_map(|subject| subject.findings.iter().map(move |finding| (subject, finding)))
}

/// What is different in `new`.
pub fn changes<'a>(old: &'a Audit, new: &'a Audit) -> Changes<'a> {
    let keys = |audit: &'a Audit| -> BTreeSet<Key<'a>> {
        findings(audit)
            .map(|(subject, finding)| key(subject, finding))
            .collect()
    };
    let (before, after) = (keys(old), keys(new));
    let silenced: BTreeSet<_> = new
        .silenced
        .iter()
        .map(|silenced| {
            let place = (silenced.account.as_str(), silenced.region.as_str());
            (place, silenced.instance.as_str(), silenced.finding.rule.as_str())
        })
        .collect();
    let mut appeared: Vec<_> = findings(new)
        .filter(|(subject, finding)| !before.contains(&key(subject, finding)))
        .collect();
    appeared.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.level));
    let gone = findings(old)
        .filter(|(subject, finding)| !after.contains(&key(subject, finding)))
        .filter(|(subject, _)| was_looked_for(new, place(subject)))
        .filter(|(subject, finding)| !silenced.contains(&(place(subject), subject.id.as_str(), finding.rule.as_str())))
        .collect();
    let deadlines: BTreeMap<_, _> = old
        .instances
        .iter()
        .filter_map(|subject| Some(((place(subject), subject.id.as_str()), subject.deadline.as_ref()?)))
        .collect();
    let moved = new
        .instances
        .iter()
        .filter_map(|subject| {
            let now = subject.deadline.as_ref()?;
            let was = *deadlines.get(&(place(subject), subject.id.as_str()))?;
            (was.not_before != now.not_before).then_some((subject, was, now))
        })
        .collect();
    let unread_of = |audit: &'a Audit| -> BTreeSet<_> {
        let entries = audit.ledger.entries.iter();
        entries.filter(|entry| is_unread(entry)).map(entry_key).collect()
    };
    let (unread_before, known_before) = (
        unread_of(old),
        old.ledger.entries.iter().map(entry_key).collect::<BTreeSet<_>>(),
    );
    let (unread, read): (Vec<&Entry>, Vec<&Entry>) = new.ledger.entries.iter().partition(|entry| is_unread(entry));
    Changes {
        new: appeared,
        gone,
        moved,
        unread: unread
            .into_iter()
            .filter(|entry| !unread_before.contains(&entry_key(entry)))
            .collect(),
        read_again: read
            .into_iter()
            .filter(|entry| {
                let (account, _, _) = entry_key(entry);
                let as_a_whole = (account, "", None);
                unread_before.contains(&entry_key(entry))
                    || (!known_before.contains(&entry_key(entry)) && unread_before.contains(&as_a_whole))
            })
            .collect(),
    }
}
