//! Instances with what is seen of them, what happens to them and what to do, in the reader's language.

use comeback_audit::model::{Act, Audit, Deadline, Effect, Subject};
use comeback_cloud::model::{InstanceState, RootDeviceType, Virtualization};
use jiff::Timestamp;

use super::findings::{FindingRow, finding_row, level_message, typed};
use super::{Moment, moment, name, whose};
use crate::catalogue::Texts;
use crate::harmless::{harmless, shortened};
use crate::when;

const DAY: i64 = 86_400;

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

/// An instance's name and id, or its id alone.
pub(crate) fn label(subject: &Subject) -> String {
    match subject.name.as_deref().filter(|name| !name.trim().is_empty()) {
        Some(name) => format!("{} ({})", shortened(name, 60), harmless(subject.id.as_str())),
        None => harmless(subject.id.as_str()),
    }
}

/// Where the bars end: the last event, but no nearer than two weeks, so that what is near looks near.
pub(super) fn horizon(audit: &Audit) -> Timestamp {
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

/// An instance, whose bar ends at the horizon.
pub(super) fn row(texts: &Texts, audit: &Audit, rank: usize, subject: &Subject, horizon: Timestamp) -> Row {
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

fn state(texts: &Texts, state: &InstanceState) -> String {
    let id = match state {
        InstanceState::Pending => "state-pending",
        InstanceState::Running => "state-running",
        InstanceState::Stopping => "state-stopping",
        InstanceState::Stopped => "state-stopped",
        InstanceState::ShuttingDown => "state-shutting-down",
        InstanceState::Terminated => "state-terminated",
        InstanceState::Other(other) => return harmless(other),
    };
    texts.text(id)
}

fn root(texts: &Texts, root: &RootDeviceType) -> String {
    match root {
        RootDeviceType::Ebs => texts.text("root-ebs"),
        RootDeviceType::InstanceStore => texts.text("root-instance-store"),
        RootDeviceType::Other(other) => harmless(other),
    }
}

fn facts(texts: &Texts, subject: &Subject) -> Vec<(String, String)> {
    let mut facts = vec![
        (texts.text("account"), harmless(subject.account.as_str())),
        (texts.text("region"), harmless(subject.region.as_str())),
        (texts.text("zone"), harmless(&subject.zone)),
        (texts.text("type"), harmless(&subject.instance_type)),
        (texts.text("state"), state(texts, &subject.state)),
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
    facts.push((texts.text("root"), root(texts, &subject.root)));
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
