//! The report in the reader's language, before it has a form: every text is there and harmless. The faces lay it out.

use std::collections::BTreeSet;

use comeback_audit::model::{Act, Audit, Coverage, Deadline, Effect, Entry, Finding, Gap, Level, Subject, Unread};
use comeback_audit::rules;
use comeback_cloud::model::Virtualization;
use jiff::Timestamp;

use crate::catalogue::Texts;
use crate::findings;
use crate::harmless::{harmless, shortened};
use crate::options::Options;
use crate::view::{PlanView, Report, RunView};
use crate::when;

const DAY: i64 = 86_400;

/// Longest error of a call that is shown, in characters. AWS puts an encoded message of kilobytes behind some.
const LONGEST_DETAIL: usize = 600;

/// Longest command that is shown, in characters; ARNs of roles can have a thousand.
const LONGEST_COMMAND: usize = 4096;

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

/// An instance.
#[derive(Debug)]
pub struct Row {
    /// Its rank, from 1.
    pub rank: usize,
    /// Its level's word for machines.
    pub key: &'static str,
    /// Its level.
    pub risk: String,
    /// Whose it is.
    pub client: String,
    /// Its account.
    pub account: String,
    /// Its region.
    pub region: String,
    /// Its name in EC2.
    pub id: String,
    /// Its tag `Name`, or that there is none.
    pub name: String,
    /// Its type.
    pub instance_type: String,
    /// Facts, each with what it is.
    pub facts: Vec<(String, String)>,
    /// What happens to it and when.
    pub deadline: Option<DeadlineRow>,
    /// What to do.
    pub act: String,
    /// By when.
    pub by: Option<Moment>,
    /// What to type.
    pub command: Option<String>,
    /// What was seen.
    pub findings: Vec<FindingRow>,
}

/// A scheduled event.
#[derive(Debug)]
pub struct DeadlineRow {
    /// What it does.
    pub effect: String,
    /// When it begins, where that is known.
    pub begins: Option<Moment>,
    /// How much is left.
    pub left: String,
    /// To when it can be moved.
    pub movable: String,
    /// Where on the bar it begins, in thousandths.
    pub bar: Option<u32>,
    /// Where on the bar the last time is to which it can be moved, in thousandths.
    pub bar_movable: Option<u32>,
    /// The bar, for those who do not see it.
    pub bar_text: String,
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

/// A plan.
#[derive(Debug)]
pub struct PlanRow {
    /// The instance.
    pub instance: String,
    /// Its name.
    pub name: String,
    /// The type it has.
    pub from: String,
    /// The type it gets.
    pub to: String,
    /// The difference in a month.
    pub difference: String,
    /// How long it is away.
    pub downtime: String,
    /// What the migration costs.
    pub cost: String,
    /// What has to be known.
    pub notices: Vec<String>,
}

/// A migration.
#[derive(Debug)]
pub struct RunRow {
    /// Its name.
    pub id: String,
    /// The instance.
    pub instance: String,
    /// How far it is.
    pub state: String,
    /// When it was started.
    pub started: Moment,
    /// How long the instance was away.
    pub downtime: String,
}

/// The report in the reader's language.
pub fn page(report: &Report<'_>, options: &Options) -> Page {
    let texts = Texts::new(options);
    let audit = report.audit_for(options);
    let audit = audit.as_ref();
    let horizon = horizon(audit);
    let theirs = |client: &Option<String>| options.client.is_none() || options.client == *client;
    let rows: Vec<Row> = audit
        .instances
        .iter()
        .enumerate()
        .map(|(index, subject)| row(&texts, audit, index + 1, subject, horizon))
        .collect();
    let ledger: Vec<LedgerRow> = audit
        .ledger
        .entries
        .iter()
        .map(|entry| ledger_row(&texts, entry))
        .collect();
    let unread = ledger
        .iter()
        .filter(|row| row.is_unread || !row.details.is_empty())
        .cloned()
        .collect();
    let plans = report.plans.iter().filter(|plan| theirs(&plan.client));
    let runs = report.runs.iter().filter(|run| theirs(&run.client));
    let silenced = audit.silenced.iter().map(|silenced| SilencedRow {
        client: whose(&silenced.client),
        account: harmless(silenced.account.as_str()),
        region: harmless(silenced.region.as_str()),
        instance: harmless(silenced.instance.as_str()),
        name: name(&texts, silenced.name.as_deref()),
        finding: finding_row(&texts, &silenced.finding),
        reason: harmless(&silenced.reason),
        until: texts.with("silenced-until", &[("when", when::date(&texts, silenced.until).into())]),
        until_machine: silenced.until.to_string(),
    });
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
        coverage: coverage(&texts, audit),
        unread,
        summary: summary(&texts, audit),
        levels: Level::ALL
            .into_iter()
            .map(|level| LevelCount {
                key: level.as_str(),
                name: texts.text(level_message(level)),
                says: texts.text(level_says(level)),
                count: audit.instances.iter().filter(|subject| subject.risk == level).count(),
            })
            .collect(),
        meanings: meanings(&texts, audit),
        silenced: silenced.collect(),
        plans: plans.map(|plan| plan_row(&texts, plan)).collect(),
        runs: runs.map(|run| run_row(&texts, run)).collect(),
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

fn coverage(texts: &Texts, audit: &Audit) -> String {
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

fn ledger_row(texts: &Texts, entry: &Entry) -> LedgerRow {
    let mut details = Vec::new();
    let mut is_unread = false;
    let state = match &entry.coverage {
        Coverage::Read => texts.text("coverage-read"),
        Coverage::NotEnabled => texts.text("coverage-not-enabled"),
        Coverage::Unread { why, detail } => {
            is_unread = true;
            details.push(shortened(detail, LONGEST_DETAIL));
            texts.with("coverage-unread", &[("why", texts.text(unread_message(*why)).into())])
        }
    };
    for Gap { action, why, detail } in &entry.gaps {
        let gap = texts.with(
            "coverage-gap",
            &[
                ("action", harmless(action).into()),
                ("why", texts.text(unread_message(*why)).into()),
            ],
        );
        details.push(format!("{gap} ({})", shortened(detail, LONGEST_DETAIL)));
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

/// An instance's name and id, or its id alone.
pub(crate) fn label(subject: &Subject) -> String {
    match subject.name.as_deref().filter(|name| !name.trim().is_empty()) {
        Some(name) => format!("{} ({})", shortened(name, 60), harmless(subject.id.as_str())),
        None => harmless(subject.id.as_str()),
    }
}

/// Where the bars end: the last event, but no nearer than two weeks, so that what is near looks near.
fn horizon(audit: &Audit) -> Timestamp {
    let shortest = audit.started.as_second().saturating_add(14 * DAY);
    let last = audit
        .instances
        .iter()
        .filter_map(|subject| subject.deadline.as_ref())
        .flat_map(|deadline| [deadline.not_before, deadline.movable_until])
        .flatten()
        .map(|time| time.as_second())
        .max()
        .unwrap_or(shortest);
    Timestamp::from_second(last.max(shortest)).unwrap_or(audit.started)
}

fn row(texts: &Texts, audit: &Audit, rank: usize, subject: &Subject, horizon: Timestamp) -> Row {
    Row {
        rank,
        key: subject.risk.as_str(),
        risk: texts.text(level_message(subject.risk)),
        client: whose(&subject.client),
        account: harmless(subject.account.as_str()),
        region: harmless(subject.region.as_str()),
        id: harmless(subject.id.as_str()),
        name: name(texts, subject.name.as_deref()),
        instance_type: harmless(&subject.instance_type),
        facts: facts(texts, subject),
        deadline: subject
            .deadline
            .as_ref()
            .map(|deadline| deadline_row(texts, audit.started, deadline, horizon)),
        act: texts.text(act_message(subject.advice.act)),
        by: subject.advice.by.map(|time| moment(texts, time)),
        command: subject.advice.command.as_deref().map(typed),
        findings: subject
            .findings
            .iter()
            .map(|finding| finding_row(texts, finding))
            .collect(),
    }
}

fn facts(texts: &Texts, subject: &Subject) -> Vec<(String, String)> {
    let mut facts = vec![
        (texts.text("account"), harmless(subject.account.as_str())),
        (texts.text("region"), harmless(subject.region.as_str())),
        (texts.text("zone"), harmless(&subject.zone)),
        (texts.text("type"), harmless(&subject.instance_type)),
        (texts.text("state"), harmless(subject.state.as_str())),
        (
            texts.text("virtualization"),
            match &subject.virtualization {
                Virtualization::Paravirtual => texts.text("virtualization-paravirtual"),
                Virtualization::Hvm => texts.text("virtualization-hvm"),
                Virtualization::Other(other) => harmless(other),
            },
        ),
    ];
    if let Some(client) = &subject.client {
        facts.insert(0, (texts.text("client"), harmless(client)));
    }
    if let Some(kernel) = &subject.kernel {
        facts.push((texts.text("kernel"), harmless(kernel.as_str())));
    }
    facts.push((texts.text("root"), harmless(subject.root.as_str())));
    if let Some(launched) = subject.launched {
        facts.push((texts.text("launched"), when::both(texts, launched)));
    }
    if let Some(hourly) = &subject.hourly {
        facts.push((texts.text("hourly"), texts.money(hourly)));
    }
    if let Some(successor) = &subject.successor {
        let kind = harmless(&successor.instance_type);
        let becomes = match &successor.monthly_difference {
            None => kind,
            Some(money) => {
                let id = if money.micros < 0 {
                    "becomes-costs-less"
                } else {
                    "becomes-costs-more"
                };
                let mut amount = money.clone();
                amount.micros = amount.micros.saturating_abs();
                texts.with(id, &[("type", kind.into()), ("amount", texts.money(&amount).into())])
            }
        };
        facts.push((texts.text("becomes"), becomes));
    }
    facts
}

fn deadline_row(texts: &Texts, started: Timestamp, deadline: &Deadline, horizon: Timestamp) -> DeadlineRow {
    let span = (horizon.as_second() - started.as_second()).max(1);
    let on_bar = |time: Timestamp| {
        let offset = (time.as_second() - started.as_second()).clamp(0, span);
        u32::try_from(offset * 1000 / span).unwrap_or(1000)
    };
    let left = match deadline.not_before {
        None => texts.text("no-date"),
        Some(time) if time <= started => texts.text("overdue"),
        Some(time) => texts.with("in-days", &[("length", length_until(texts, started, time).into())]),
    };
    let bar_text = deadline.not_before.map(|time| {
        texts.with(
            "deadline-bar",
            &[
                ("horizon", when::both(texts, horizon).into()),
                ("length", length_until(texts, started, time).into()),
            ],
        )
    });
    DeadlineRow {
        effect: texts.text(effect_message(deadline.effect)),
        begins: deadline.not_before.map(|time| moment(texts, time)),
        left,
        movable: match deadline.movable_until {
            Some(time) => texts.with("movable-until", &[("when", when::both(texts, time).into())]),
            None => texts.text("not-movable"),
        },
        bar: deadline.not_before.map(on_bar),
        bar_movable: deadline.movable_until.map(on_bar),
        bar_text: bar_text.unwrap_or_default(),
    }
}

fn length_until(texts: &Texts, from: Timestamp, to: Timestamp) -> String {
    when::length(texts, to.as_second() - from.as_second())
}

pub(crate) fn finding_row(texts: &Texts, finding: &Finding) -> FindingRow {
    let message = findings::message(&finding.rule);
    let values = texts.values(&finding.values);
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

/// An address, if it is one in the web: no other kind becomes something to click on.
fn link(link: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '`' | '(' | ')' | '|' | '\\');
    (link.starts_with("https://") && link.chars().all(plain)).then(|| link.to_owned())
}

fn meanings(texts: &Texts, audit: &Audit) -> Vec<Meaning> {
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

fn plan_row(texts: &Texts, plan: &PlanView) -> PlanRow {
    let money = |money: &Option<_>| {
        money
            .as_ref()
            .map_or_else(|| texts.text("unknown"), |money| texts.money(money))
    };
    let length = |seconds: u64| when::length(texts, i64::try_from(seconds).unwrap_or(i64::MAX));
    PlanRow {
        instance: harmless(&plan.instance),
        name: name(texts, plan.name.as_deref()),
        from: harmless(&plan.from),
        to: harmless(&plan.to),
        difference: money(&plan.monthly_difference),
        downtime: texts.with(
            "plan-downtime-range",
            &[
                ("usual", length(plan.downtime_usual_s).into()),
                ("longest", length(plan.downtime_longest_s).into()),
            ],
        ),
        cost: money(&plan.cost),
        notices: plan
            .findings
            .iter()
            .map(|text| shortened(text, LONGEST_DETAIL))
            .collect(),
    }
}

fn run_row(texts: &Texts, run: &RunView) -> RunRow {
    RunRow {
        id: harmless(&run.id),
        instance: harmless(&run.instance),
        state: texts.text(run.state.message()),
        started: moment(texts, run.started),
        downtime: run.downtime_s.map_or_else(
            || texts.text("unknown"),
            |seconds| when::length(texts, i64::try_from(seconds).unwrap_or(i64::MAX)),
        ),
    }
}

/// The message that names a level.
pub(crate) fn level_message(level: Level) -> &'static str {
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

fn act_message(act: Act) -> &'static str {
    match act {
        Act::Rescue => "act-rescue",
        Act::Diagnose => "act-diagnose",
        Act::Migrate => "act-migrate",
        Act::SaveData => "act-save-data",
        Act::Postpone => "act-postpone",
        Act::Hold => "act-hold",
        Act::Prepare => "act-prepare",
        Act::ChangeType => "act-change-type",
        Act::Know => "act-know",
    }
}

fn effect_message(effect: Effect) -> &'static str {
    match effect {
        Effect::RebootInPlace => "word-effect-reboot-in-place",
        Effect::RebootNewHost => "word-effect-reboot-new-host",
        Effect::Stop => "word-effect-stop",
        Effect::LossOfRoot => "word-effect-loss-of-root",
        Effect::Interruption => "word-effect-interruption",
        Effect::Unknown => "word-effect-unknown",
    }
}

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

/// A command, whole: half a command is worse than none.
fn typed(command: &str) -> String {
    shortened(command, LONGEST_COMMAND)
}
