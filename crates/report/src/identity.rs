//! What makes a finding of one audit the same as that of another.

use std::collections::BTreeMap;

use comeback_audit::model::{Finding, Subject};

/// An account and region.
pub(crate) type Place<'a> = (&'a str, &'a str);

/// Where an instance is.
pub(crate) fn place(subject: &Subject) -> Place<'_> {
    (subject.account.as_str(), subject.region.as_str())
}

/// One finding, in all audits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) instance: &'a str,
    pub(crate) rule: &'a str,
    /// Which of what the rule sees of an instance: an event has a name of its own.
    pub(crate) about: Option<&'a str>,
    /// The how manieth of these, from 0, as some old events have no name.
    pub(crate) number: usize,
}

/// Gives findings their identities, in the order of an audit.
#[derive(Debug, Default)]
pub(crate) struct Identities<'a>(BTreeMap<Identity<'a>, usize>);

impl<'a> Identities<'a> {
    /// That of the next finding.
    pub(crate) fn of(&mut self, place: Place<'a>, instance: &'a str, finding: &'a Finding) -> Identity<'a> {
        let mut identity = Identity {
            place,
            instance,
            rule: &finding.rule,
            about: finding.about(),
            number: 0,
        };
        let count = self.0.entry(identity).or_default();
        identity.number = *count;
        *count += 1;
        identity
    }
}
