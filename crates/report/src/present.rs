//! The report in the reader's language, before it has a form: every text is there and harmless. The faces lay it out.

mod findings;
mod instances;
mod ledger;
mod work;

use comeback_audit::model::Audit;
use jiff::Timestamp;

use crate::catalogue::Texts;
use crate::harmless::harmless;
use crate::options::Options;
use crate::view::Report;
use crate::when;

pub(crate) use findings::finding_row;
pub use findings::{FindingRow, LevelCount, Meaning, SilencedRow};
pub(crate) use instances::label;
pub use instances::{DeadlineRow, Row};
pub use ledger::LedgerRow;
pub(crate) use ledger::{reason, unread_message};
pub use work::{PlanRow, RunRow};

/// Longest error of a call that is shown, in characters. AWS puts an encoded message of kilobytes behind some.
const LONGEST_DETAIL: usize = 600;

/// A whole report.
#[derive(Debug)]
pub struct Page {
    /// Texts that a face asks for itself: headings.
    pub texts: Texts,
    /// What the report is called, with the client's name.
    pub title: String,
    /// When the audit was made, and by what.
    pub made: String,
    /// Whether everything was read.
    pub complete: bool,
    /// What was read, in a sentence or two.
    pub coverage: String,
    /// What was not read, and parts that were left out.
    pub unread: Vec<LedgerRow>,
    /// All of the ledger.
    pub ledger: Vec<LedgerRow>,
    /// What was found, in a few sentences.
    pub summary: Vec<String>,
    /// How many instances there are of each level, the worst first.
    pub levels: Vec<LevelCount>,
    /// Instances with findings, the first to see to in front.
    pub rows: Vec<Row>,
    /// What the findings that occur mean, each once.
    pub meanings: Vec<Meaning>,
    /// Findings that nobody wanted to see.
    pub silenced: Vec<SilencedRow>,
    /// Plans.
    pub plans: Vec<PlanRow>,
    /// Migrations.
    pub runs: Vec<RunRow>,
    /// How many calls were made, in a sentence.
    pub calls: String,
    /// Calls by action.
    pub calls_by_action: Vec<(String, u64)>,
}

/// A moment for a reader and for a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// In the reader's zone with UTC beside it.
    pub text: String,
    /// As RFC 3339.
    pub machine: String,
}

/// The report in the reader's language.
pub fn page(report: &Report<'_>, options: &Options) -> Page {
    let texts = Texts::new(options);
    let audit = report.audit_for(options);
    let audit = audit.as_ref();
    let horizon = instances::horizon(audit);
    let theirs = |client: &Option<String>| options.client.is_none() || options.client == *client;
    let rows: Vec<Row> = audit
        .instances
        .iter()
        .enumerate()
        .map(|(index, subject)| instances::row(&texts, audit, index + 1, subject, horizon))
        .collect();
    let ledger: Vec<LedgerRow> = audit
        .ledger
        .entries
        .iter()
        .map(|entry| ledger::ledger_row(&texts, entry))
        .collect();
    let unread = ledger
        .iter()
        .filter(|row| row.is_unread || !row.details.is_empty())
        .cloned()
        .collect();
    let plans = report.plans.iter().filter(|plan| theirs(&plan.client));
    let runs = report.runs.iter().filter(|run| theirs(&run.client));
    let silenced = audit.silenced.iter();
    let count: u64 = audit.ledger.calls.values().sum();
    let mut calls = texts.with("calls", &[("count", number(count))]);
    if options.client.is_some() {
        calls.push(' ');
        calls.push_str(&texts.text("calls-all-clients"));
    }
    Page {
        title: match &options.client {
            Some(client) => texts.with("title-for", &[("client", harmless(client).into())]),
            None => texts.text("title"),
        },
        made: texts.with(
            "made",
            &[
                ("started", when::both(&texts, audit.started).into()),
                ("program", harmless(&audit.program).into()),
            ],
        ),
        complete: audit.ledger.is_complete() && !audit.ledger.entries.is_empty(),
        coverage: ledger::coverage(&texts, audit),
        unread,
        summary: summary(&texts, audit),
        levels: findings::levels(&texts, audit),
        meanings: findings::meanings(&texts, audit),
        silenced: silenced
            .map(|silenced| findings::silenced_row(&texts, silenced))
            .collect(),
        plans: plans.map(|plan| work::plan_row(&texts, plan)).collect(),
        runs: runs.map(|run| work::run_row(&texts, run)).collect(),
        calls,
        calls_by_action: audit
            .ledger
            .calls
            .iter()
            .map(|(action, count)| (harmless(action), *count))
            .collect(),
        ledger,
        rows,
        texts,
    }
}

fn summary(texts: &Texts, audit: &Audit) -> Vec<String> {
    let risk = audit.at_risk().count();
    let mut lines = Vec::new();
    if audit.instances.is_empty() {
        lines.push(texts.text("nothing-found"));
    } else {
        lines.push(texts.with(
            "summary-line",
            &[("total", size(audit.instances.len())), ("risk", size(risk))],
        ));
    }
    let dead = audit.instances.iter().filter(|subject| subject.is_dead()).count();
    if dead > 0 {
        lines.push(texts.with("summary-dead", &[("dead", size(dead))]));
    }
    let next = audit
        .instances
        .iter()
        .filter_map(|subject| Some((subject.deadline.as_ref()?.not_before?, subject)))
        .min_by_key(|(time, _)| *time);
    if let Some((time, subject)) = next {
        lines.push(texts.with(
            "summary-next",
            &[
                ("when", when::both(texts, time).into()),
                ("instance", label(subject).into()),
            ],
        ));
    }
    lines
}

fn number(number: u64) -> fluent_bundle::FluentValue<'static> {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

pub(crate) fn size(number: usize) -> fluent_bundle::FluentValue<'static> {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

fn whose(client: &Option<String>) -> String {
    client.as_deref().map(harmless).unwrap_or_default()
}

fn name(texts: &Texts, name: Option<&str>) -> String {
    name.filter(|name| !name.trim().is_empty())
        .map_or_else(|| texts.text("no-name"), harmless)
}

fn moment(texts: &Texts, time: Timestamp) -> Moment {
    Moment {
        text: when::both(texts, time),
        machine: time.to_string(),
    }
}
