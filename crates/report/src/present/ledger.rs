//! What was read and what was not, in the reader's language.

use std::collections::BTreeSet;

use comeback_audit::model::{Audit, Coverage, Denied, Entry, Gap, Unread};
use comeback_cloud::calls::actions::ASSUME_ROLE;

use super::{LONGEST_DETAIL, number, size, whose};
use crate::catalogue::Texts;
use crate::harmless::{harmless, shortened};

/// One account and region.
#[derive(Debug, Clone)]
pub struct LedgerRow {
    /// Whose.
    pub client: String,
    /// The account, or how it was to be entered where it is not known.
    pub account: String,
    /// The region, or that it is all of them.
    pub region: String,
    /// What it was read through.
    pub via: String,
    /// What came of it.
    pub state: String,
    /// Whether nothing at all was read where something should have been.
    pub is_unread: bool,
    /// Instances that were read.
    pub instances: u64,
    /// The words of errors, and what was left out.
    pub details: Vec<String>,
}

/// What was read, in a sentence or two.
pub(super) fn coverage(texts: &Texts, audit: &Audit) -> String {
    let ledger = &audit.ledger;
    if ledger.entries.is_empty() {
        return texts.text("coverage-nothing");
    }
    let was_read = |entry: &&Entry| entry.coverage == Coverage::Read;
    let accounts: BTreeSet<_> = ledger
        .entries
        .iter()
        .filter(was_read)
        .map(|entry| (&entry.account, entry.account.is_none().then_some(&entry.via)))
        .collect();
    let values = [
        ("accounts", size(accounts.len())),
        ("regions", size(ledger.entries.iter().filter(was_read).count())),
        ("instances", number(ledger.instances())),
    ];
    if ledger.is_complete() {
        return texts.with("coverage-complete", &values);
    }
    let unread = ledger
        .entries
        .iter()
        .filter(|entry| matches!(entry.coverage, Coverage::Unread { .. }))
        .count();
    let gaps = ledger.entries.iter().map(|entry| entry.gaps.len()).sum();
    let mut all = vec![("unread", size(unread)), ("gaps", size(gaps))];
    all.extend(values);
    texts.with("coverage-incomplete", &all)
}

pub(super) fn ledger_row(texts: &Texts, entry: &Entry) -> LedgerRow {
    let mut details = Vec::new();
    let mut is_unread = false;
    let state = match &entry.coverage {
        Coverage::Read => texts.text("coverage-read"),
        Coverage::NotEnabled => texts.text("coverage-not-enabled"),
        Coverage::Unread { why, detail, denied } => {
            is_unread = true;
            details.push(reason(texts, detail, denied.as_ref()));
            texts.with("coverage-unread", &[("why", texts.text(unread_message(*why)).into())])
        }
    };
    for Gap {
        action,
        why,
        detail,
        denied,
    } in &entry.gaps
    {
        let gap = texts.with(
            "coverage-gap",
            &[
                ("action", harmless(action).into()),
                ("why", texts.text(unread_message(*why)).into()),
            ],
        );
        details.push(match denied {
            Some(denied) => texts.with(
                "coverage-because",
                &[("what", gap.into()), ("reason", refusal(texts, denied).into())],
            ),
            None => format!("{gap} ({})", shortened(detail, LONGEST_DETAIL)),
        });
    }
    let via = harmless(&entry.via);
    LedgerRow {
        client: whose(&entry.client),
        account: entry
            .account
            .as_ref()
            .map_or_else(|| via.clone(), |account| harmless(account.as_str())),
        region: entry.region.as_ref().map_or_else(
            || texts.text("coverage-all-regions"),
            |region| harmless(region.as_str()),
        ),
        via,
        state,
        is_unread,
        instances: entry.instances,
        details,
    }
}

/// The message that says why something was not read.
pub(crate) fn unread_message(why: Unread) -> &'static str {
    match why {
        Unread::Denied => "unread-denied",
        Unread::Credentials => "unread-credentials",
        Unread::Throttled => "unread-throttled",
        Unread::Disabled => "unread-disabled",
        Unread::Unreachable => "unread-unreachable",
        Unread::Failed => "unread-failed",
    }
}

/// Why something was not read: who was denied what, or else the words of the error.
pub(crate) fn reason(texts: &Texts, detail: &str, denied: Option<&Denied>) -> String {
    match denied {
        Some(denied) => refusal(texts, denied),
        None => shortened(detail, LONGEST_DETAIL),
    }
}

/// Who was denied what, and what to do about it.
fn refusal(texts: &Texts, denied: &Denied) -> String {
    let who = denied
        .who
        .as_deref()
        .map_or_else(|| texts.text("denied-somebody"), |who| shortened(who, LONGEST_DETAIL));
    let mut values = vec![
        ("who", who.into()),
        ("action", harmless(&denied.action).into()),
        ("code", harmless(&denied.code).into()),
    ];
    if let Some(resource) = &denied.resource {
        values.push(("resource", shortened(resource, LONGEST_DETAIL).into()));
    }
    let mut text = if denied.action == ASSUME_ROLE.name {
        texts.with("denied-role", &values)
    } else {
        texts.with("denied-action", &values)
    };
    if let Some(reason) = &denied.reason {
        let reason = shortened(reason, LONGEST_DETAIL);
        text = texts.with("denied-reason", &[("text", text.into()), ("reason", reason.into())]);
    }
    text
}
