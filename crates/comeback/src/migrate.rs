//! `comeback migrate`, `resume`, `rollback` and `finalize`: all that changes anything in an account.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use comeback_cloud::Region;
use comeback_migrate::actions;
use comeback_migrate::engine::OnFailure;
use comeback_migrate::finalize::{self, Keep};
use comeback_migrate::plan::Plan;
use comeback_migrate::readdress as keep_private_ip;
use comeback_migrate::run::{RunId, State};
use comeback_migrate::store::Store;

use crate::ask::{agreed, nothing_done};
use crate::cli::{
    CarryArguments, FinalizeArguments, MigrateArguments, OnFailureArgument, ResumeArguments, RollbackArguments,
};
use crate::exit::{Exit, Expected};
use crate::narrator::Narrator;
use crate::undertaking::{Undertaking, known_as, unless_interrupted};
use crate::{account, narrator, output, plan, plan_text, readdress, runs};

fn on_failure(argument: OnFailureArgument) -> OnFailure {
    match argument {
        OnFailureArgument::Rollback => OnFailure::RollBack,
        OnFailureArgument::Stop => OnFailure::Stop,
    }
}

/// How runs go on, or back.
fn on_or_back(runs: &[RunId]) -> String {
    let names: Vec<&str> = runs.iter().map(RunId::as_str).collect();
    format!(
        "Go on with `comeback resume {0}`, or back with `comeback rollback {0}`",
        names.join(" ")
    )
}

/// A plan that was saved is carried out as it is: a wish beside it would be lost without a word.
fn refuse_wishes(file: &Path, options: &[String]) -> Result<()> {
    if options.is_empty() {
        return Ok(());
    }
    Err(Expected::Usage(format!(
        "{} has no say beside {}, which holds plans that were made already; make them again with it: \
         comeback plan INSTANCE {0} … -o FILE",
        options.join(" "),
        file.display()
    ))
    .into())
}

pub(crate) fn migrate(arguments: &MigrateArguments) -> Result<Exit> {
    let store = runs::store(&arguments.state)?;
    account::wait(async {
        let region = account::region(&arguments.account).await?;
        let file = match arguments.instances.as_slice() {
            [one] if Path::new(one).is_file() => Some(Path::new(one)),
            _ => None,
        };
        let plans = match file {
            Some(file) => {
                refuse_wishes(file, &arguments.wishes.options)?;
                let plans = plan::load(file)?;
                plan::refuse_stale(&region, &plans).await?;
                plans
            }
            None => {
                let ids = account::instances(&region, &arguments.instances).await?;
                let made = plan::make(&region, &ids, &plan::wishes(&arguments.wishes.values)).await?;
                made.tell_refused();
                if !made.refused.is_empty() {
                    return Ok(Exit::Blocked);
                }
                made.plans
            }
        };
        // What the steps will miss is better missed now than when the source is stopped.
        comeback_migrate::ssh::check_payload()?;
        // Who saved a plan has read it, unless there is a question that is to be answered with it before the eyes.
        let was_read = file.is_some() && arguments.carry.yes;
        for plan in &plans {
            output::say(&if was_read {
                plan_text::line(plan)
            } else {
                format!("{}\n", plan_text::plan(plan))
            });
        }
        let question = format!(
            "Migrate {}?",
            plans
                .iter()
                .map(|plan| plan.instance().as_str())
                .collect::<Vec<_>>()
                .join(", ")
        );
        if !agreed(arguments.carry.yes, &question)? {
            return nothing_done();
        }
        if !arguments.carry.yes {
            // A question can wait for hours, and what was agreed to must still be so.
            plan::refuse_stale(&region, &plans).await?;
        }
        narrator::begin(arguments.carry.json)?;
        let on_failure = on_failure(arguments.on_failure);
        carry_out(&store, &region, plans, &arguments.carry, on_failure, None).await
    })
}

/// Begins a run for each plan and carries them out, all at once. `shutdown` is how long a guest may take to shut down before its
/// power is taken away, where that is not as usual.
pub(crate) async fn carry_out(
    store: &Store,
    region: &Region,
    plans: Vec<Plan>,
    carry: &CarryArguments,
    on_failure: OnFailure,
    shutdown: Option<Duration>,
) -> Result<Exit> {
    let narrator = Narrator::new(carry.json, &plans.iter().map(known_as).collect::<Vec<_>>());
    let mut undertakings = Vec::new();
    for plan in plans {
        undertakings.push(Undertaking::begin(store, region, plan, carry, &narrator, shutdown).await?);
    }
    let names: Vec<RunId> = undertakings
        .iter()
        .map(|one| one.engine.context().run.clone())
        .collect();
    let mut work = tokio::task::JoinSet::new();
    for mut one in undertakings {
        let actions = actions::all(&one.plan);
        one.teller.begins(&actions, one.engine.record());
        work.spawn(async move { one.engine.forward(&actions, on_failure).await });
    }
    let all = async {
        let mut ended = Vec::new();
        // One that cannot go on does not end the others.
        while let Some(result) = work.join_next().await {
            let result = result.context("a run panicked; it can be resumed");
            ended.push(result.and_then(|state| Ok(state?)));
        }
        Ok(ended)
    };
    let ended = unless_interrupted(all, &narrator, &on_or_back(&names)).await?;
    let mut states = Vec::new();
    let mut failed = false;
    for result in ended {
        match result {
            Ok(state) => states.push(state),
            Err(error) => {
                output::error(&error);
                failed = true;
            }
        }
    }
    if !carry.json {
        for name in &names {
            output::print(&runs::summary(store, name)?)?;
        }
    }
    Ok(if failed { Exit::Failed } else { worst(&states) })
}

/// The exit code of the worst end.
fn worst(ended: &[State]) -> Exit {
    let of = |state: &State| match state {
        State::Complete | State::Finalized => Exit::Done,
        State::RolledBack => Exit::Blocked,
        _ => Exit::Failed,
    };
    ended
        .iter()
        .map(of)
        .max_by_key(|exit| *exit as u8)
        .unwrap_or(Exit::Done)
}

pub(crate) fn resume(arguments: &ResumeArguments) -> Result<Exit> {
    let store = runs::store(&arguments.state)?;
    account::wait(async {
        let (mut one, narrator) =
            Undertaking::take_up(&store, &arguments.run, &arguments.account, &arguments.carry, false).await?;
        let run = one.engine.context().run.clone();
        let work = async {
            let actions = actions::all(&one.plan);
            one.teller.begins(&actions, one.engine.record());
            Ok(one.engine.forward(&actions, on_failure(arguments.on_failure)).await?)
        };
        let state = unless_interrupted(work, &narrator, &on_or_back(std::slice::from_ref(&run))).await?;
        if !arguments.carry.json {
            output::print(&runs::summary(&store, &run)?)?;
        }
        Ok(worst(&[state]))
    })
}

pub(crate) fn rollback(arguments: &RollbackArguments) -> Result<Exit> {
    let store = runs::store(&arguments.state)?;
    account::wait(async {
        let (mut one, narrator) = Undertaking::take_up(
            &store,
            &arguments.run,
            &arguments.account,
            &arguments.carry,
            arguments.start,
        )
        .await?;
        let run = one.engine.context().run.clone();
        let way = keep_private_ip::way(&one.plan, Keep::default());
        let readdressing = one.engine.state() == State::Readdressing;
        if readdressing {
            one.engine.can_be_withdrawn().await?;
        }
        let question = format!(
            "Take run {run} back, so that {} has everything again?",
            one.plan.instance()
        );
        if !agreed(arguments.carry.yes, &question)? {
            return nothing_done();
        }
        let work = async {
            if readdressing {
                one.teller
                    .begins(&keep_private_ip::actions(&one.plan), one.engine.record());
                let state = one.engine.withdraw(&way).await?;
                if state != State::Complete {
                    return Ok(state);
                }
            }
            let actions = actions::all(&one.plan);
            one.teller.begins(&actions, one.engine.record());
            Ok(one.engine.back(&actions).await?)
        };
        let state = unless_interrupted(work, &narrator, &format!("`comeback rollback {run}` goes on")).await?;
        if !arguments.carry.json {
            output::print(&runs::summary(&store, &run)?)?;
        }
        Ok(if state == State::RolledBack {
            Exit::Done
        } else {
            Exit::Failed
        })
    })
}

pub(crate) fn finalize(arguments: &FinalizeArguments) -> Result<Exit> {
    let store = runs::store(&arguments.state)?;
    account::wait(async {
        let (mut one, narrator) =
            Undertaking::take_up(&store, &arguments.run, &arguments.account, &arguments.carry, false).await?;
        let run = one.engine.context().run.clone();
        let keep = Keep {
            snapshots: arguments.keep_snapshots,
            source: arguments.keep_source,
        };
        if arguments.keep_private_ip {
            return readdress::finalize(&mut one, &narrator, &store, &arguments.carry, keep).await;
        }
        let decision = one.engine.decide(keep).await?;
        output::say(&format!("Run {run} no longer needs:\n"));
        for deletion in &decision.deletions {
            output::say(&format!(
                "  - {}: {}\n",
                deletion.what,
                output::printable(&deletion.why)
            ));
        }
        if !agreed(
            arguments.carry.yes,
            "Delete all of this? There is no way back from there.",
        )? {
            return nothing_done();
        }
        let work = async {
            one.teller.begins(&finalize::actions(&decision), one.engine.record());
            Ok(one.engine.finalize(&decision).await?)
        };
        let state = unless_interrupted(work, &narrator, &format!("`comeback finalize {run}` goes on")).await?;
        if !arguments.carry.json {
            output::print(&runs::summary(&store, &run)?)?;
        }
        Ok(if state == State::Finalized {
            Exit::Done
        } else {
            Exit::Failed
        })
    })
}
