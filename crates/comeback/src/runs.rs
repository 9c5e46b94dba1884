//! `comeback status` and `comeback runs`: what the journal knows.

use std::fmt::Write as _;

use anyhow::Result;
use comeback_migrate::actions;
use comeback_migrate::journal::{Head, Kind, Progress, Record, Row};
use comeback_migrate::plan::Plan;
use comeback_migrate::readdress::{self, Registered};
use comeback_migrate::run::{RunId, State};
use comeback_migrate::store::Store;
use serde_json::json;

use crate::cli::{RunsArguments, StateArguments, StatusArguments};
use crate::exit::Exit;
use crate::keep;
use crate::output::{self, printable};

/// The runs of this user.
pub(crate) fn store(arguments: &StateArguments) -> Result<Store> {
    let folder = match &arguments.state {
        Some(folder) => folder.clone(),
        None => keep::state_folder("the journal", "--state")?,
    };
    Ok(Store::open(&folder)?)
}

/// `comeback runs`
pub(crate) fn list(arguments: &RunsArguments) -> Result<Exit> {
    let store = store(&arguments.state)?;
    let mut rows = Vec::new();
    for head in store.journal().runs()? {
        let state = shown(&store, &head.id)?;
        rows.push((head, state));
    }
    if arguments.json {
        let all: Vec<_> = rows
            .iter()
            .map(|(head, state)| {
                json!({
                    "run": head.id, "created": head.created, "account": head.account, "region": head.region,
                    "instance": head.instance, "state": state,
                })
            })
            .collect();
        output::json(&all)?;
        return Ok(Exit::Done);
    }
    if rows.is_empty() {
        output::say(&format!("There are no runs in {}.\n", store.journal().path().display()));
    }
    let mut text = String::new();
    for (head, state) in rows {
        let _ = writeln!(
            text,
            "{:<15} {}  {:<14} {:<20} {state}",
            head.id,
            output::minute(head.created),
            head.region,
            head.instance
        );
    }
    output::print(&text)?;
    Ok(Exit::Done)
}

/// The state in words; a run that nobody carries out is interrupted.
fn shown(store: &Store, run: &RunId) -> Result<String> {
    let record = store.journal().record(run)?;
    let state = record.state;
    Ok(match (state.goes_on(), store.is_held(run)) {
        (true, false) if is_stuck(&record) => format!("{state}, stuck"),
        (true, false) => format!("{state}, interrupted"),
        (true, true) => format!("{state} now"),
        (false, _) => state.to_string(),
    })
}

/// Whether something failed where nothing can be taken back by itself.
fn is_stuck(record: &Record) -> bool {
    let failed = |progress: &Progress| matches!(progress, Progress::Failed(_) | Progress::UndoFailed(_));
    record.state == State::Readdressing && record.actions.values().any(failed)
}

/// `comeback status`
pub(crate) fn status(arguments: &StatusArguments) -> Result<Exit> {
    let store = store(&arguments.state)?;
    let head = match &arguments.run {
        Some(name) => store.journal().find(name)?,
        None => match store.journal().runs()?.pop() {
            Some(head) => head,
            None => {
                output::say(&format!("There are no runs in {}.\n", store.journal().path().display()));
                return Ok(Exit::Done);
            }
        },
    };
    if arguments.json {
        let rows: Vec<_> = store
            .journal()
            .rows(&head.id)?
            .into_iter()
            .map(|row| json!({ "at": row.at, "kind": row.entry.kind, "action": row.entry.action, "data": row.entry.data }))
            .collect();
        output::json(&json!({
            "run": head.id, "created": head.created, "account": head.account, "region": head.region,
            "instance": head.instance, "state": shown(&store, &head.id)?, "rows": rows,
        }))?;
        return Ok(Exit::Done);
    }
    let mut text = steps(&store, &head)?;
    text.push_str(&summary(&store, &head.id)?);
    output::print(&text)?;
    Ok(Exit::Done)
}

/// Each action, and how far it got.
fn steps(store: &Store, head: &Head) -> Result<String> {
    let journal = store.journal();
    let (record, rows) = (journal.record(&head.id)?, journal.rows(&head.id)?);
    let plan: Plan = serde_json::from_value(journal.plan(&head.id)?)?;
    let mut text = format!(
        "Run {} of {} in {} ({}), begun {}\n",
        head.id,
        head.instance,
        head.region,
        head.account,
        head.created.strftime("%Y-%m-%d %H:%M:%S UTC")
    );
    let mut step = None;
    let mut all = actions::all(&plan);
    let readdress = readdress::actions(&plan);
    if readdress.iter().any(|action| record.progress(&action.id()).is_some()) {
        all.extend(readdress);
    }
    for action in all {
        if step.replace(action.step()) != Some(action.step()) {
            let _ = writeln!(text, "  {}", action.step());
        }
        let id = action.id();
        let state = match record.progress(&id) {
            None => "not begun".to_owned(),
            Some(Progress::Intended) => "begun".to_owned(),
            Some(Progress::Done(_)) => format!("done{}", took(&rows, &id, Kind::Intent, Kind::Done)),
            Some(Progress::Failed(why)) => format!("failed: {why}"),
            Some(Progress::Undoing) => "being taken back".to_owned(),
            Some(Progress::Undone) => format!("taken back{}", took(&rows, &id, Kind::UndoIntent, Kind::Undone)),
            Some(Progress::UndoFailed(why)) => format!("CANNOT be taken back: {why}"),
        };
        let _ = writeln!(text, "      {:<60} {}", printable(&action.title()), printable(&state));
    }
    text.push('\n');
    Ok(text)
}

fn took(rows: &[Row], action: &str, from: Kind, to: Kind) -> String {
    let last = |kind| {
        rows.iter()
            .rev()
            .find(|row| row.entry.kind == kind && row.entry.action.as_deref() == Some(action))
            .map(|row| row.at)
    };
    match (last(from), last(to)) {
        (Some(from), Some(to)) => format!(", {:.1} s", to.duration_since(from).as_secs_f64()),
        _ => String::new(),
    }
}

/// How long the instance was away, in seconds: from the order to stop to the last proof that it is back.
pub(crate) fn downtime(store: &Store, run: &RunId) -> Result<Option<u64>> {
    let rows = store.journal().rows(run)?;
    Ok(away(&rows, "stop/source", ""))
}

/// How long it was away from one action to the proof, whose actions' names begin with `prefix`.
fn away(rows: &[Row], from: &str, prefix: &str) -> Option<u64> {
    let at = |action: &str, kind: Kind| {
        rows.iter()
            .find(|row| row.entry.kind == kind && row.entry.action.as_deref() == Some(action))
            .map(|row| row.at)
    };
    let verified = ["verify/command", "verify/ports", "verify/checks"]
        .iter()
        .find_map(|action| at(&format!("{prefix}{action}"), Kind::Done));
    let stopped = at(from, Kind::Intent);
    stopped
        .zip(verified)
        .and_then(|(stopped, back)| u64::try_from(back.duration_since(stopped).as_secs()).ok())
}

/// What a run came to, and what can be done next.
pub(crate) fn summary(store: &Store, run: &RunId) -> Result<String> {
    let journal = store.journal();
    let (record, rows) = (journal.record(run)?, journal.rows(run)?);
    let mut text = format!("Run {run} is {}.\n", shown(store, run)?);
    if let Some(seconds) = downtime(store, run)? {
        let _ = writeln!(
            text,
            "  Downtime: {seconds} s, from the order to stop to the last proof."
        );
    }
    if let Some(seconds) = away(&rows, "readdress/stop-target", "readdress/") {
        let _ = writeln!(text, "  Second outage, for the private address: {seconds} s.");
    }
    let launched = |action: &str| {
        let output = record.outputs.get(action)?;
        output["instance"].as_str().map(printable)
    };
    if let Some(host) = launched("host/launch") {
        let _ = writeln!(text, "  Host, and target: {host}");
    }
    if let Some(last) = launched("readdress/launch") {
        let _ = writeln!(text, "  Final instance, with the source's private address: {last}");
    }
    text.push_str(&way_back(store, run, &record)?);
    if let Some(converted) = record.outputs.get("convert/root") {
        let _ = writeln!(
            text,
            "  Conversion: {} bytes changed; saved in {}",
            converted["patch-bytes"],
            store.folder(run).join("saved").display()
        );
    }
    for (action, progress) in &record.actions {
        let (Progress::Failed(why) | Progress::UndoFailed(why)) = progress else {
            continue;
        };
        let _ = writeln!(text, "  {}: {}", printable(action), printable(why));
        if let Some(advice) = record.advice.get(action) {
            let _ = writeln!(text, "      {}", printable(&advice.help));
            for command in &advice.by_hand {
                let _ = writeln!(text, "      By hand: {}", printable(command));
            }
        }
    }
    // Taken back since, it is still why the run turned back.
    for row in rows.iter().filter(|row| row.entry.kind == Kind::Failed) {
        let action = row.entry.action.as_deref().unwrap_or_default();
        if record.progress(action) == Some(&Progress::Undone) {
            let why = row.entry.data.as_str().unwrap_or_default();
            let _ = writeln!(text, "  It turned back at {}: {}", printable(action), printable(why));
            if let Some(advice) = record.advice.get(action) {
                let _ = writeln!(text, "      {}", printable(&advice.help));
            }
        }
    }
    let next = match record.state {
        State::Running if store.is_held(run) => String::new(),
        State::Running | State::Failed => {
            format!("comeback resume {run}, or comeback rollback {run}")
        }
        State::Complete => format!(
            "comeback finalize {run} when you are sure (--keep-private-ip keeps the source's private address); until then \
             comeback rollback {run} --start takes it back"
        ),
        State::RollingBack if store.is_held(run) => String::new(),
        State::RollingBack => format!("comeback rollback {run} goes on"),
        State::RolledBack => format!("comeback finalize {run} deletes the host and the snapshots"),
        State::Stuck => format!("do by hand what is named above, then comeback rollback {run} again"),
        State::Readdressing if store.is_held(run) => String::new(),
        State::Readdressing if record.progress("readdress/terminate-source").is_none() => {
            format!(
                "comeback finalize {run} --keep-private-ip goes on; comeback rollback {run} takes all of the run back"
            )
        }
        State::Readdressing => format!("comeback finalize {run} --keep-private-ip goes on"),
        State::Finalizing => format!("comeback finalize {run} goes on"),
        State::Finalized => String::new(),
    };
    if !next.is_empty() {
        let _ = writeln!(text, "  Next: {next}");
    }
    Ok(text)
}

/// What stays of a source that was terminated for its private address, and how it is launched.
fn way_back(store: &Store, run: &RunId, record: &Record) -> Result<String> {
    let Some(Progress::Done(registered)) = record.progress(Registered::ID) else {
        return Ok(String::new());
    };
    let Ok(registered) = serde_json::from_value::<Registered>(registered.clone()) else {
        return Ok(String::new());
    };
    let plan: Plan = serde_json::from_value(store.journal().plan(run)?)?;
    Ok(format!(
        "  The source as it was, paravirtual, is image {}: {}\n",
        printable(registered.image.as_str()),
        printable(&readdress::way_back(&plan, &registered.image))
    ))
}
