//! `comeback postpone`, `hold` and `bump-kernel`: what buys time. Each shows what it will do, and asks.

use std::time::Duration;

use anyhow::{Result, bail};
use comeback_cloud::{InstanceId, Region};
use comeback_migrate::action::Patience;
use comeback_migrate::stopgap::kernel::{self, Done, Start};
use comeback_migrate::stopgap::{Records, StopgapError, Watched, hold as holds, postpone as postpones};
use jiff::Timestamp;

use crate::ask::{agreed, nothing_done};
use crate::cli::StateArguments;
use crate::cli::rescue::{BumpKernelArguments, HoldArguments, PostponeArguments};
use crate::exit::{Exit, Expected};
use crate::output::{minute, printable};
use crate::{account, keep, output};

/// What is on record.
pub(crate) fn records(arguments: &StateArguments) -> Result<Records> {
    let folder = match &arguments.state {
        Some(folder) => folder.clone(),
        None => keep::state_folder("the record of what there was", "--state")?,
    };
    Ok(Records::new(&folder))
}

/// An error with what to do about it, and the kind that the exit code is taken from.
pub(crate) fn explained(error: StopgapError) -> anyhow::Error {
    let help = error.help();
    let said = format!("{error}; {help}");
    anyhow::Error::new(error).context(said)
}

pub(crate) fn postpone(arguments: &PostponeArguments) -> Result<Exit> {
    account::wait(async {
        let region = account::region(&arguments.account).await?;
        let id = account::instance(&region, &arguments.instance).await?;
        let statuses = region
            .statuses(std::slice::from_ref(&id))
            .await
            .map_err(account::explained)?;
        let Some(status) = statuses.first() else {
            return Err(Expected::Refused(format!("{id}: EC2 has no status of it")).into());
        };
        let plans =
            postpones::plan(status, arguments.event.as_ref(), arguments.to, Timestamp::now()).map_err(explained)?;
        for plan in &plans {
            let from = plan.from.map_or_else(|| "an unknown time".to_owned(), minute);
            output::say(&format!(
                "{id}: {} ({}) from {from} to {}; AWS allows {} at the latest\n",
                plan.code,
                plan.event,
                minute(plan.to),
                minute(plan.deadline)
            ));
        }
        output::say("This buys time and mends nothing: the event comes.\n");
        if !agreed(
            arguments.change.yes,
            &format!("Put {} off?", output::count(plans.len(), "event")),
        )? {
            return nothing_done();
        }
        for plan in &plans {
            postpones::carry_out(&region, &id, plan).await.map_err(explained)?;
            output::print(&format!("{} of {id} is put off to {}\n", plan.event, minute(plan.to)))?;
        }
        Ok(Exit::Done)
    })
}

pub(crate) fn hold(arguments: &HoldArguments) -> Result<Exit> {
    let records = records(&arguments.state)?;
    account::wait(async {
        let region = account::region(&arguments.account).await?;
        let id = account::instance(&region, &arguments.instance).await?;
        let change = if arguments.release {
            holds::plan_release(&region, &records, &id).await
        } else {
            holds::plan(&region, &id).await
        };
        let change = change.map_err(explained)?;
        let unknown = || "unknown".to_owned();
        let migration = change
            .reboot_migration
            .0
            .as_ref()
            .map_or_else(unknown, ToString::to_string);
        output::say(&format!(
            "{id}\n  automatic recovery  {} -> {}\n  reboot migration    {migration} -> {}\n",
            change.auto_recovery.0, change.auto_recovery.1, change.reboot_migration.1
        ));
        if change.is_done() && !arguments.release {
            output::say("It is held already; nothing was done.\n");
            return Ok(Exit::Done);
        }
        if !arguments.release {
            output::say(
                "While it is held, a failure of its host is not recovered from, and what AWS has scheduled it still does.\n",
            );
        }
        let question = if arguments.release { "Let it go?" } else { "Hold it?" };
        if !agreed(arguments.change.yes, question)? {
            return nothing_done();
        }
        if arguments.release {
            holds::release(&region, &records, &change).await.map_err(explained)?;
            output::print(&format!("{id} is as it was before it was held\n"))?;
        } else {
            holds::hold(&region, &records, &change).await.map_err(explained)?;
            output::print(&format!(
                "{id} is held; `comeback hold {} --release` puts back what there was\n",
                named(&region, &id)
            ))?;
        }
        Ok(Exit::Done)
    })
}

pub(crate) fn bump_kernel(arguments: &BumpKernelArguments) -> Result<Exit> {
    let records = records(&arguments.state)?;
    account::wait(async {
        let region = account::region(&arguments.account).await?;
        let id = account::instance(&region, &arguments.instance).await?;
        let plan = if arguments.undo {
            kernel::plan_undo(&region, &records, &id).await
        } else {
            kernel::plan(&region, &records, &id, Start::AsItWas).await
        };
        let plan = plan.map_err(explained)?;
        output::say(&plan_text(&region, &plan));
        let question = match (plan.undo, plan.resumed) {
            (true, _) => "Put the old kernel image back?",
            (false, true) => "Go on with it?",
            (false, false) => "Do this?",
        };
        if !agreed(arguments.change.yes, question)? {
            return nothing_done();
        }
        let within = Duration::from_secs(arguments.within);
        let done = carry_out(&region, &records, &plan, Patience::default(), within).await?;
        tell(&region, &plan, &done)
    })
}

/// Carries a bump out, and tells what happens.
pub(crate) async fn carry_out(
    region: &Region,
    records: &Records,
    plan: &kernel::Plan,
    patience: Patience,
    within: Duration,
) -> Result<Done> {
    let begun = std::time::Instant::now();
    let tell = |what: &str| {
        output::say(&format!(
            "{:7.1} s  {}\n",
            begun.elapsed().as_secs_f64(),
            printable(what)
        ))
    };
    let work = kernel::carry_out(region, records, plan, &patience, within, &tell);
    tokio::select! {
        done = work => done.map_err(explained),
        _ = tokio::signal::ctrl_c() => bail!(
            "interrupted; nothing is lost. The same command goes on, `comeback bump-kernel {} --undo` goes back",
            named(region, &plan.instance)
        ),
    }
}

/// What a bump will do, for people.
pub(crate) fn plan_text(region: &Region, plan: &kernel::Plan) -> String {
    let id = &plan.instance;
    let mut text = format!(
        "{id}, {}\n  kernel image  {} ({}) -> {} ({})\n",
        plan.state, plan.from.0, plan.from.1, plan.to.0, plan.to.1
    );
    let volumes: Vec<String> = plan
        .volumes
        .iter()
        .map(|(volume, size)| format!("{volume} ({size} GiB)"))
        .collect();
    text.push_str(&format!(
        "  1. snapshots of {}, and wait until they are complete\n",
        volumes.join(", ")
    ));
    text.push_str("  2. stop it, by force if it does not shut down\n  3. set the kernel image\n");
    text.push_str(match plan.start {
        true => "  4. start it, and watch it come up\n",
        false => "  4. leave it stopped, as it is\n",
    });
    for risk in &plan.risks {
        text.push_str(&format!("  risk: {}\n", printable(risk)));
    }
    if !plan.undo {
        text.push_str(&format!("  back: comeback bump-kernel {} --undo\n", named(region, id)));
    }
    text
}

/// Tells how a bump ended.
pub(crate) fn tell(region: &Region, plan: &kernel::Plan, done: &Done) -> Result<Exit> {
    let id = &plan.instance;
    let named = named(region, id);
    let (text, exit) = match &done.watched {
        None => (
            format!("{id} has the kernel image {}, and is stopped as it was\n", plan.to.0),
            Exit::Done,
        ),
        Some(Watched::Up) => (format!("{id} is up with {} ({})\n", plan.to.0, plan.to.1), Exit::Done),
        Some(Watched::Failed(finding)) => (
            format!(
                "{id} does not come up with {}: {}: {}\n",
                plan.to.0, finding.title, finding.line
            ),
            Exit::Blocked,
        ),
        Some(Watched::Late) => (
            format!(
                "{id} has not come up with {} in time; `comeback diagnose {named}` looks again\n",
                plan.to.0
            ),
            Exit::Blocked,
        ),
    };
    output::print(&printable_lines(&text))?;
    if exit == Exit::Blocked && !plan.undo {
        output::print(&format!(
            "Next: `comeback rescue {named} --way migrate`, or back: `comeback bump-kernel {named} --undo`\n"
        ))?;
    }
    if !done.snapshots.is_empty() {
        let snapshots: Vec<&str> = done.snapshots.iter().map(|snapshot| snapshot.as_str()).collect();
        output::print(&format!("Snapshots are kept: {}\n", snapshots.join(", ")))?;
    }
    Ok(exit)
}

/// How a command names an instance, wherever it is typed.
fn named(region: &Region, id: &InstanceId) -> String {
    format!("{id} --region {}", region.name())
}

fn printable_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(printable).collect();
    format!("{}\n", lines.join("\n"))
}
