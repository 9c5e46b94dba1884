//! A run is killed before and after every call, every write to the journal and everything that is asked of the host. Then it
//! is resumed, or rolled back: the account ends as it does without a kill, or as it was before.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use comeback_migrate::engine::OnFailure;
use comeback_migrate::run::State;
use serde_json::Value;
use world::{
    Killer, World, actions_of, back_until_killed, differences, finalize_until_killed, forward_until_killed, run_id,
    sweep, wishes,
};

const SCENARIO: &str = "estate";
const INSTANCE: &str = "archive";

/// What an undisturbed run comes to, and how many points it has.
struct Undisturbed {
    before: Value,
    migrated: Value,
    points: usize,
    points_back: usize,
    points_finalizing: usize,
}

async fn undisturbed() -> Undisturbed {
    let world = World::new(SCENARIO);
    let before = world.state();
    let plan = world.plan(INSTANCE, &wishes()).await;
    let (run, killer) = (run_id(), Killer::counting());
    let state = forward_until_killed(&world, &plan, &run, &killer).await;
    assert_eq!(state, Some(State::Complete), "{:?}", world.reporter.failures());
    let deleting = Killer::counting();
    let state = finalize_until_killed(&world, &plan, &run, &deleting).await;
    assert_eq!(state, Some(State::Finalized), "{:?}", world.reporter.failures());
    let migrated = world.state();

    let world = World::new(SCENARIO);
    let plan = world.plan(INSTANCE, &wishes()).await;
    let (run, back) = (run_id(), Killer::counting());
    forward_until_killed(&world, &plan, &run, &Killer::counting()).await;
    assert_eq!(
        back_until_killed(&world, &plan, &run, &back).await,
        Some(State::RolledBack)
    );
    Undisturbed {
        before,
        migrated,
        points: killer.points(),
        points_back: back.points(),
        points_finalizing: deleting.points(),
    }
}

#[derive(Debug, Clone, Copy)]
enum Then {
    Resume,
    RollBack,
}

/// Killed on the way forward.
async fn killed_forward(point: usize, then: Then, expected: &Undisturbed) -> Result<(), String> {
    let world = World::new(SCENARIO);
    let plan = world.plan(INSTANCE, &wishes()).await;
    let (run, killer) = (run_id(), Killer::at(point));
    if let Some(state) = forward_until_killed(&world, &plan, &run, &killer).await {
        return Err(format!("it was not killed, and is {state}"));
    }
    if !world.is_known(&run) {
        // Killed before it began: nothing was done.
        let differ = differences(&expected.before, &world.state());
        return if differ.is_empty() {
            Ok(())
        } else {
            Err(differ.join("\n"))
        };
    }
    let mut engine = world.take_up(&plan, &run).await;
    let (state, wanted) = match then {
        Then::Resume => (
            engine.forward(&actions_of(&plan), OnFailure::Stop).await,
            State::Complete,
        ),
        Then::RollBack => (engine.back(&actions_of(&plan)).await, State::RolledBack),
    };
    let state = state.map_err(|error| error.to_string())?;
    if state != wanted {
        return Err(format!("it is {state}: {:?}", world.reporter.failures()));
    }
    let is = world.finalized(&plan, &run).await;
    let was = match then {
        Then::Resume => &expected.migrated,
        Then::RollBack => &expected.before,
    };
    let differ = differences(was, &is);
    if differ.is_empty() {
        Ok(())
    } else {
        Err(differ.join("\n"))
    }
}

/// Killed on the way back, which then goes on.
async fn killed_back(point: usize, expected: &Undisturbed) -> Result<(), String> {
    let world = World::new(SCENARIO);
    let plan = world.plan(INSTANCE, &wishes()).await;
    let run = run_id();
    forward_until_killed(&world, &plan, &run, &Killer::counting()).await;
    let killer = Killer::at(point);
    if let Some(state) = back_until_killed(&world, &plan, &run, &killer).await {
        return Err(format!("it was not killed, and is {state}"));
    }
    let mut engine = world.take_up(&plan, &run).await;
    let state = engine
        .back(&actions_of(&plan))
        .await
        .map_err(|error| error.to_string())?;
    if state != State::RolledBack {
        return Err(format!("it is {state}: {:?}", world.reporter.failures()));
    }
    let differ = differences(&expected.before, &world.finalized(&plan, &run).await);
    if differ.is_empty() {
        Ok(())
    } else {
        Err(differ.join("\n"))
    }
}

/// Killed while it deletes, which then goes on with what was decided.
async fn killed_finalizing(point: usize, expected: &Undisturbed) -> Result<(), String> {
    let world = World::new(SCENARIO);
    let plan = world.plan(INSTANCE, &wishes()).await;
    let run = run_id();
    forward_until_killed(&world, &plan, &run, &Killer::counting()).await;
    let killer = Killer::at(point);
    if let Some(state) = finalize_until_killed(&world, &plan, &run, &killer).await {
        return Err(format!("it was not killed, and is {state}"));
    }
    let differ = differences(&expected.migrated, &world.finalized(&plan, &run).await);
    if differ.is_empty() {
        Ok(())
    } else {
        Err(differ.join("\n"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "carries out hundreds of runs: cargo xtask test"]
async fn killed_everywhere_and_resumed_or_rolled_back() {
    let expected = undisturbed().await;
    assert!(
        expected.points > 200,
        "{} points are too few to be all",
        expected.points
    );
    eprintln!(
        "{} points forward, {} back, {} finalizing",
        expected.points, expected.points_back, expected.points_finalizing
    );
    sweep(expected.points, |point| {
        let then = if point % 2 == 0 { Then::Resume } else { Then::RollBack };
        killed_forward(point, then, &expected)
    })
    .await;
    sweep(expected.points_back, |point| killed_back(point, &expected)).await;
    sweep(expected.points_finalizing, |point| killed_finalizing(point, &expected)).await;
}
