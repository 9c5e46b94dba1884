//! Every fault of the lab at every call of a run. It ends finished, rolled back, or stuck with instructions; nothing is lost, and
//! nothing is left over that is not deleted by `finalize`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use comeback_lab::{Fault, FaultKind};
use comeback_migrate::engine::OnFailure;
use comeback_migrate::progress::Event;
use comeback_migrate::run::State;
use serde_json::Value;
use world::{PATIENCE, World, actions_of, differences, run_id, sweep, wishes};

const SCENARIO: &str = "estate";
const INSTANCE: &str = "archive";

struct Undisturbed {
    before: Value,
    migrated: Value,
    /// Requests of a whole run.
    requests: u64,
    /// Actions of EC2 that change something, as a run calls them.
    changing: Vec<String>,
}

fn requests(world: &World) -> u64 {
    world.lab.calls().values().map(|calls| calls.total).sum()
}

async fn undisturbed() -> Undisturbed {
    let world = World::new(SCENARIO);
    let before = world.state();
    let plan = world.plan(INSTANCE, &wishes()).await;
    let (run, first) = (run_id(), requests(&world));
    let mut engine = world.begin(&plan, &run, None).await;
    engine.forward(&actions_of(&plan), OnFailure::Stop).await.unwrap();
    let requests = requests(&world) - first;
    let changing = world
        .lab
        .calls()
        .into_keys()
        .filter(|action| !action.contains("Describe") && !action.contains("Get"))
        .collect();
    Undisturbed {
        before,
        migrated: world.finalized(&plan, &run).await,
        requests,
        changing,
    }
}

/// A run in a world with a fault. Gives how it ended.
async fn run_with(fault: Fault, expected: &Undisturbed) -> Result<State, String> {
    let name = format!("{:?} of {} after {}", fault.kind, fault.action, fault.skip);
    tokio::time::timeout(PATIENCE, try_with(fault, expected))
        .await
        .unwrap_or_else(|_| Err("it does not end".to_owned()))
        .map_err(|error| format!("{name}: {error}"))
}

async fn try_with(fault: Fault, expected: &Undisturbed) -> Result<State, String> {
    let world = World::new(SCENARIO);
    let plan = world.plan(INSTANCE, &wishes()).await;
    let run = run_id();
    let mut engine = world.begin(&plan, &run, None).await;
    world.lab.faults().set(fault);
    let ended = engine.forward(&actions_of(&plan), OnFailure::RollBack).await;
    let ended = ended.map_err(|error| error.to_string())?;
    // Whatever was wrong is over, and somebody takes care of what is left.
    world.lab.faults().clear(None);
    let was = match ended {
        State::Complete => &expected.migrated,
        State::RolledBack => &expected.before,
        State::Stuck => {
            for event in world.reporter.events() {
                if let Event::Failed { help, error, .. } = event
                    && help.is_empty()
                {
                    return Err(format!("nobody is told what to do about: {error}"));
                }
            }
            let mut engine = world.take_up(&plan, &run).await;
            let state = engine
                .back(&actions_of(&plan))
                .await
                .map_err(|error| error.to_string())?;
            if state != State::RolledBack {
                return Err(format!("it stays {state}: {:?}", world.reporter.failures()));
            }
            &expected.before
        }
        other => return Err(format!("it ended as {other}")),
    };
    let differ = differences(was, &world.finalized(&plan, &run).await);
    if differ.is_empty() {
        Ok(ended)
    } else {
        Err(format!("{ended}\n{}", differ.join("\n")))
    }
}

/// What passes by itself is passed over: no run fails for it, wherever it strikes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "carries out hundreds of runs: cargo xtask test"]
async fn what_passes_is_passed_over() {
    let expected = undisturbed().await;
    assert!(
        expected.requests > 60,
        "{} requests are too few to be a run",
        expected.requests
    );
    let kinds = [
        FaultKind::Throttle,
        FaultKind::Internal,
        FaultKind::Unavailable,
        FaultKind::Dropped,
        FaultKind::Lost,
    ];
    for kind in kinds {
        sweep(usize::try_from(expected.requests).unwrap(), |nth| {
            let fault = Fault::new(kind.clone()).skip(u64::try_from(nth).unwrap()).count(1);
            let expected = &expected;
            async move {
                match run_with(fault, expected).await? {
                    State::Complete => Ok(()),
                    other => Err(format!("it gave up: {other}")),
                }
            }
        })
        .await;
    }
}

/// What does not pass ends the way forward, and the account is as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "carries out hundreds of runs: cargo xtask test"]
async fn what_stays_is_taken_back() {
    let expected = undisturbed().await;
    let mut faults: Vec<Fault> = expected
        .changing
        .iter()
        .map(|action| {
            let denied = FaultKind::Refuse {
                code: "UnauthorizedOperation".to_owned(),
                message: "You are not authorized to perform this operation.".to_owned(),
            };
            let action = action.rsplit(':').next().unwrap_or(action);
            Fault::new(denied).action(action)
        })
        .collect();
    assert!(faults.len() > 8, "{:?}", expected.changing);
    faults.push(Fault::new(FaultKind::Capacity));
    faults.push(Fault::new(FaultKind::Impaired));
    faults.push(Fault::new(FaultKind::SnapshotError));
    for nth in 0..8 {
        for kind in [
            FaultKind::StuckAttaching,
            FaultKind::StuckDetaching,
            FaultKind::BusyDevice,
        ] {
            faults.push(Fault::new(kind).skip(nth).count(1));
        }
    }
    let (faults, expected) = (&faults, &expected);
    sweep(faults.len(), |nth| async move {
        run_with(faults[nth].clone(), expected).await.map(drop)
    })
    .await;
}

/// Describes that are behind the changes, all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "carries out hundreds of runs: cargo xtask test"]
async fn describes_that_lag_are_waited_out() {
    let expected = undisturbed().await;
    for milliseconds in [2, 20, 60] {
        let fault = Fault::new(FaultKind::Lag { milliseconds });
        let ended = run_with(fault, &expected).await.unwrap();
        assert_eq!(ended, State::Complete, "{milliseconds} ms");
    }
}
