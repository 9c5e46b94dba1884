//! Plans and runs, in the reader's language.

use super::{LONGEST_DETAIL, Moment, moment, name};
use crate::catalogue::Texts;
use crate::harmless::{harmless, shortened};
use crate::view::{PlanView, RunView};
use crate::when;

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

/// A plan in short.
pub(super) fn plan_row(texts: &Texts, plan: &PlanView) -> PlanRow {
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

/// A migration in short.
pub(super) fn run_row(texts: &Texts, run: &RunView) -> RunRow {
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
