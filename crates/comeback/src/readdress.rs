//! `comeback finalize --keep-private-ip`

use std::fmt::Write as _;

use anyhow::Result;
use comeback_migrate::engine::RunError;
use comeback_migrate::finalize::{self, Deletion, Keep};
use comeback_migrate::plan::Plan;
use comeback_migrate::readdress;
use comeback_migrate::run::State;
use comeback_migrate::store::Store;

use crate::cli::CarryArguments;
use crate::exit::{Exit, Expected};
use crate::narrator::Narrator;
use crate::output::{self, printable};
use crate::undertaking::{Undertaking, unless_interrupted};
use crate::{ask, runs};

/// Brings a run's target to its source's primary private address, and deletes what is no longer needed then.
pub(crate) async fn finalize(
    one: &mut Undertaking,
    narrator: &Narrator,
    store: &Store,
    carry: &CarryArguments,
    wished: Keep,
) -> Result<Exit> {
    let run = one.engine.context().run.clone();
    let keep = one.engine.agreed_to_keep(wished);
    if wished.snapshots && !keep.snapshots {
        return Err(Expected::Usage(format!(
            "--keep-snapshots comes too late: when run {run} began with this, it was agreed to delete them"
        ))
        .into());
    }
    let state = one.engine.state();
    if matches!(state, State::Complete | State::Readdressing) {
        if state == State::Complete {
            let reasons = readdress::refusals(one.engine.context()).await?;
            if !reasons.is_empty() {
                return Err(RunError::Refused { run, reasons }.into());
            }
        }
        let deletions = finalize::list(one.engine.context(), State::Readdressing, keep).await?;
        output::say(&outlook(&one.plan, &deletions, state));
        if !ask::agreed(
            carry.yes,
            "Go on? From the source's termination on there is no way back to it.",
        )? {
            return ask::nothing_done();
        }
    }
    let work = async {
        let way = readdress::way(&one.plan, keep);
        one.teller.begins(&readdress::actions(&one.plan), one.engine.record());
        let state = one.engine.readdress(&way).await?;
        if !one.engine.is_readdressed() {
            return Ok(state);
        }
        let decision = one.engine.decide(keep).await?;
        one.teller.begins(&finalize::actions(&decision), one.engine.record());
        Ok(one.engine.finalize(&decision).await?)
    };
    let advice = format!("`comeback finalize {run} --keep-private-ip` goes on");
    let state = unless_interrupted(work, narrator, &advice).await?;
    if !carry.json {
        output::print(&runs::summary(store, &run)?)?;
    }
    Ok(match state {
        State::Finalized => Exit::Done,
        // What failed was taken back.
        State::Complete => Exit::Blocked,
        _ => Exit::Failed,
    })
}

/// What will be done, and what that means.
fn outlook(plan: &Plan, deletions: &[Deletion], state: State) -> String {
    let source = &plan.source.instance;
    let address = source
        .private_ip
        .map_or_else(|| "private address".to_owned(), |address| address.to_string());
    let mut text = format!("{address} of {} is kept by terminating it:\n", source.id);
    for line in [
        "The target stops: a second outage begins, of minutes: the length of the first as a rule, and that of the snapshots.",
        "Snapshots of all volumes are made, and an image of them that starts as the source did. Both stay.",
        "The source is terminated. Until then what fails is taken back; from then on the way back is the image.",
        "An instance like the target starts with the source's network interface, gets the volumes, and is proven.",
        "What leads to the target moves to it, and this is deleted:",
    ] {
        let _ = writeln!(text, "  - {line}");
    }
    for deletion in deletions {
        let _ = writeln!(text, "      {}: {}", deletion.what, printable(&deletion.why));
    }
    let _ = writeln!(text, "      and the root that the new instance comes with");
    if plan.moving_addresses().next().is_none() {
        let _ = writeln!(
            text,
            "  ! Without an Elastic IP it will have no public address: none is lent to an interface that is there already."
        );
    }
    if state == State::Readdressing {
        let _ = writeln!(text, "This was begun before, and goes on where it ended.");
    }
    text
}
