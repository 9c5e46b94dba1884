//! Findings, what they mean and how much they matter, in the reader's language.

use std::collections::BTreeSet;

use comeback_audit::model::{Audit, Finding, Level, Silenced};
use comeback_audit::rules;

use super::{name, whose};
use crate::catalogue::Texts;
use crate::findings;
use crate::harmless::{harmless, shortened};
use crate::{values, when};

/// Longest command that is shown, in characters; ARNs of roles can have a thousand.
const LONGEST_COMMAND: usize = 4096;

/// How many instances are of a level.
#[derive(Debug)]
pub struct LevelCount {
    /// The level's word for machines.
    pub key: &'static str,
    /// Its name.
    pub name: String,
    /// What it says of an instance.
    pub says: String,
    /// How many.
    pub count: usize,
}

/// A finding.
#[derive(Debug)]
pub struct FindingRow {
    /// The rule.
    pub rule: String,
    /// Its level's word for machines.
    pub key: &'static str,
    /// Its level.
    pub level: String,
    /// The rule's title.
    pub title: String,
    /// What was seen of this instance.
    pub text: String,
    /// What it means.
    pub meaning: String,
    /// What helps.
    pub remedy: String,
    /// Where it was seen.
    pub evidence: Vec<String>,
    /// What to type.
    pub command: Option<String>,
    /// More about it; only where it is an address in the web.
    pub link: Option<String>,
}

/// What a rule means.
#[derive(Debug)]
pub struct Meaning {
    /// The rule.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// What it means.
    pub meaning: String,
    /// What helps.
    pub remedy: String,
    /// More about it.
    pub link: Option<String>,
}

/// A finding that somebody did not want to see.
#[derive(Debug)]
pub struct SilencedRow {
    /// Whose instance.
    pub client: String,
    /// Its account.
    pub account: String,
    /// Its region.
    pub region: String,
    /// The instance.
    pub instance: String,
    /// Its tag `Name`.
    pub name: String,
    /// What was seen.
    pub finding: FindingRow,
    /// Why it is silenced.
    pub reason: String,
    /// Until when.
    pub until: String,
    /// Until when, as `2026-01-31`.
    pub until_machine: String,
}

/// How many instances there are of each level, the worst first.
pub(super) fn levels(texts: &Texts, audit: &Audit) -> Vec<LevelCount> {
    Level::ALL
        .into_iter()
        .map(|level| LevelCount {
            key: level.as_str(),
            name: texts.text(level_message(level)),
            says: texts.text(level_says(level)),
            count: audit.instances.iter().filter(|subject| subject.risk == level).count(),
        })
        .collect()
}

/// A finding.
pub(crate) fn finding_row(texts: &Texts, finding: &Finding) -> FindingRow {
    let message = findings::message(&finding.rule);
    let values = values::of(texts, &finding.values);
    let mut values: Vec<_> = values
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    values.push(("rule", harmless(&finding.rule).into()));
    FindingRow {
        rule: harmless(&finding.rule),
        key: finding.level.as_str(),
        level: texts.text(level_message(finding.level)),
        title: texts.text(&message),
        text: texts.with(&format!("{message}.finding"), &values),
        meaning: texts.text(&format!("{message}.meaning")),
        remedy: texts.text(&format!("{message}.remedy")),
        evidence: finding
            .evidence
            .iter()
            .map(|evidence| {
                texts.with(
                    "evidence-line",
                    &[
                        ("source", harmless(&evidence.source).into()),
                        ("field", harmless(&evidence.field).into()),
                        ("value", harmless(&evidence.value).into()),
                    ],
                )
            })
            .collect(),
        command: finding.command.as_deref().map(typed),
        link: link(&finding.link),
    }
}

/// A finding that nobody wanted to see.
pub(super) fn silenced_row(texts: &Texts, silenced: &Silenced) -> SilencedRow {
    SilencedRow {
        client: whose(&silenced.client),
        account: harmless(silenced.account.as_str()),
        region: harmless(silenced.region.as_str()),
        instance: harmless(silenced.instance.as_str()),
        name: name(texts, silenced.name.as_deref()),
        finding: finding_row(texts, &silenced.finding),
        reason: harmless(&silenced.reason),
        until: texts.with("silenced-until", &[("when", when::date(texts, silenced.until).into())]),
        until_machine: silenced.until.to_string(),
    }
}

/// An address, if it is one in the web: no other kind becomes something to click on.
fn link(link: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '`' | '(' | ')' | '|' | '\\');
    (link.starts_with("https://") && link.chars().all(plain)).then(|| link.to_owned())
}

/// What the findings that occur mean, each once, in the order of the rules.
pub(super) fn meanings(texts: &Texts, audit: &Audit) -> Vec<Meaning> {
    let all = audit.instances.iter().flat_map(|subject| &subject.findings);
    let all = all.chain(audit.silenced.iter().map(|silenced| &silenced.finding));
    let mut found: Vec<&Finding> = Vec::new();
    let mut seen = BTreeSet::new();
    for finding in all {
        if seen.insert(finding.rule.as_str()) {
            found.push(finding);
        }
    }
    let order = |rule: &str| {
        rules::all()
            .iter()
            .position(|known| known.id == rule)
            .unwrap_or(usize::MAX)
    };
    found.sort_by_key(|finding| order(&finding.rule));
    found
        .into_iter()
        .map(|finding| {
            let message = findings::message(&finding.rule);
            Meaning {
                rule: harmless(&finding.rule),
                title: texts.text(&message),
                meaning: texts.text(&format!("{message}.meaning")),
                remedy: texts.text(&format!("{message}.remedy")),
                link: link(&finding.link),
            }
        })
        .collect()
}

/// The message that names a level.
pub(super) fn level_message(level: Level) -> &'static str {
    match level {
        Level::Critical => "level-critical",
        Level::High => "level-high",
        Level::Medium => "level-medium",
        Level::Low => "level-low",
        Level::Info => "level-info",
    }
}

fn level_says(level: Level) -> &'static str {
    match level {
        Level::Critical => "level-critical-says",
        Level::High => "level-high-says",
        Level::Medium => "level-medium-says",
        Level::Low => "level-low-says",
        Level::Info => "level-info-says",
    }
}

/// A command, whole: half a command is worse than none.
pub(super) fn typed(command: &str) -> String {
    shortened(command, LONGEST_COMMAND)
}
