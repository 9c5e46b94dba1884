//! `comeback report`, and how an audit is written wherever it is.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, IsTerminal as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use comeback_audit::model::{Audit, Money, SCHEMA};
use comeback_migrate::plan::Plan;
use comeback_migrate::run::State;
use comeback_migrate::store::Store;
use comeback_report::faces::json;
use comeback_report::view::clients;
use comeback_report::{Format, Options, PlanView, Report, RunState, RunView, render};

use crate::cli::report::{ReaderArguments, ReportArguments, ReportOptions};
use crate::exit::{Exit, Expected};
use crate::{input, keep, plan, runs};

/// The most bytes that a saved audit may have.
const MOST: u64 = 1 << 30;

pub(crate) fn run(arguments: &ReportArguments) -> Result<Exit> {
    let audit = load(&arguments.audit)?;
    let plans = prepare(&arguments.report)?;
    write(&audit, &plans, &arguments.report)?;
    Ok(Exit::Done)
}

/// A saved audit.
pub(crate) fn load(path: &Path) -> Result<Audit> {
    let text = input::read(path, MOST, "an audit")?;
    let refuse = |why: String| Expected::Refused(format!("{}: {why}", path.display()));
    let what = "expected what `comeback audit --format json` writes";
    let any: serde_json::Value = serde_json::from_slice(&text).map_err(|error| refuse(format!("{error}; {what}")))?;
    match any["schema"].as_u64() {
        Some(schema) if schema == u64::from(SCHEMA) => {}
        Some(schema) => return Err(refuse(format!("its schema is {schema}, and this program knows {SCHEMA}")).into()),
        None => return Err(refuse(format!("it has no `schema`; {what}")).into()),
    }
    serde_json::from_value(any).map_err(|error| refuse(format!("{error}; {what}")).into())
}

/// Who reads it.
pub(crate) fn options(reader: &ReaderArguments) -> Options {
    let mut options = Options::new(reader.lang);
    if let Some(zone) = &reader.zone {
        options.zone = zone.clone();
    }
    options.client.clone_from(&reader.client);
    options
}

/// Loads the plans that go beside an audit, and says what would stand against the report: before the audit is made.
pub(crate) fn prepare(arguments: &ReportOptions) -> Result<Vec<Plan>> {
    if let Some(path) = &arguments.output
        && let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
        && !folder.is_dir()
    {
        let why = format!(
            "{} is to be written, but its folder is not there: create it first",
            path.display()
        );
        return Err(Expected::Usage(why).into());
    }
    let mut plans = Vec::new();
    for path in &arguments.plans {
        plans.extend(plan::load(path)?);
    }
    Ok(plans)
}

/// Writes an audit as it was asked for.
pub(crate) fn write(audit: &Audit, plans: &[Plan], arguments: &ReportOptions) -> Result<()> {
    let mut options = options(&arguments.reader);
    if let Some(client) = &options.client {
        check_client(audit, client)?;
    }
    let to_terminal = arguments.output.is_none() && io::stdout().is_terminal();
    if to_terminal {
        options.width = console::Term::stdout().size().1.into();
        options.colour = std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    }
    let plans = plan_views(plans, audit);
    let runs = run_views(arguments.state.as_deref(), audit)?;
    let report = Report {
        audit,
        plans: &plans,
        runs: &runs,
    };
    let Some(path) = &arguments.output else {
        // The error is passed on as it is, as a pipe that nobody reads any more is none of ours.
        return put(&report, arguments.format, &options, io::stdout().lock());
    };
    let writing = || format!("writing {}", path.display());
    let file = fs::File::create(path).with_context(writing)?;
    put(&report, arguments.format, &options, file).with_context(writing)
}

fn put(report: &Report<'_>, format: Format, options: &Options, mut out: impl io::Write) -> Result<()> {
    match format {
        // The one that can be as large as the audit.
        Format::Json => json::write(report, options, BufWriter::new(out))?,
        _ => {
            out.write_all(&render(format, report, options)?)?;
            out.flush()?;
        }
    }
    Ok(())
}

fn check_client(audit: &Audit, client: &str) -> Result<()> {
    let known = clients(audit);
    if known.iter().any(|name| name == client) {
        return Ok(());
    }
    let names = if known.is_empty() {
        "it names none: give `client` in the file of accounts".to_owned()
    } else {
        format!("it has {}", known.join(", "))
    };
    Err(Expected::Usage(format!("the audit has no client {client}; {names}")).into())
}

/// Plans of the audit's instances.
fn plan_views(plans: &[Plan], audit: &Audit) -> Vec<PlanView> {
    let owners: BTreeMap<&str, Option<&String>> = audit
        .instances
        .iter()
        .map(|subject| (subject.id.as_str(), subject.client.as_ref()))
        .collect();
    let views = plans.iter().filter_map(|plan| {
        let client = owners.get(plan.instance().as_str())?;
        Some(plan_view(plan, client.cloned()))
    });
    views.collect()
}

fn money(amount: f64) -> Money {
    Money {
        // Far below what a float holds exactly.
        micros: (amount * 1_000_000.0).round() as i64,
        currency: "USD".to_owned(),
    }
}

fn plan_view(plan: &Plan, client: Option<String>) -> PlanView {
    let cost = &plan.cost;
    PlanView {
        client,
        instance: plan.instance().to_string(),
        name: plan.source.instance.name().map(str::to_owned),
        from: plan.source.instance.instance_type.clone(),
        to: plan.target.instance_type.clone(),
        monthly_difference: cost
            .target_monthly
            .zip(cost.source_monthly)
            .map(|(then, now)| money(then - now)),
        downtime_usual_s: plan.downtime_s.usual,
        downtime_longest_s: plan.downtime_s.longest,
        cost: cost.migration.map(money),
        findings: plan.notices.iter().map(|notice| notice.text.clone()).collect(),
    }
}

/// Runs of accounts and regions that the audit is about.
fn run_views(state: Option<&Path>, audit: &Audit) -> Result<Vec<RunView>> {
    let folder = match state {
        Some(folder) => folder.to_owned(),
        None => keep::state_folder("the journal", "--state")?,
    };
    // A report makes no journal where there is none.
    if !Store::is_in(&folder) {
        return Ok(Vec::new());
    }
    let store = Store::open(&folder)?;
    let mut views = Vec::new();
    for head in store.journal().runs()? {
        let entry = audit.ledger.entries.iter().find(|entry| {
            entry
                .account
                .as_ref()
                .is_some_and(|account| account.as_str() == head.account)
                && entry
                    .region
                    .as_ref()
                    .is_some_and(|region| region.as_str() == head.region)
        });
        let Some(entry) = entry else { continue };
        let record = store.journal().record(&head.id)?;
        views.push(RunView {
            client: entry.client.clone(),
            id: head.id.to_string(),
            instance: head.instance.to_string(),
            state: run_state(record.state, store.is_held(&head.id)),
            started: head.created,
            downtime_s: runs::downtime(&store, &head.id)?,
        });
    }
    Ok(views)
}

fn run_state(state: State, held: bool) -> RunState {
    match state {
        state if state.goes_on() && held => RunState::Going,
        State::Running | State::RollingBack | State::Readdressing | State::Finalizing | State::Stuck => {
            RunState::Waiting
        }
        State::Failed => RunState::Failed,
        State::Complete => RunState::Done,
        State::RolledBack => RunState::RolledBack,
        State::Finalized => RunState::Finalized,
    }
}
