//! Five hundred migrations at once in one process, against a lab with EC2's documented request rates. Takes minutes, as the
//! rates allow no less: `cargo xtask test` runs it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use comeback_cloud::{Filter, Polling};
use comeback_lab::Scenario;
use comeback_migrate::engine::{Engine, OnFailure};
use comeback_migrate::plan::make;
use comeback_migrate::run::State;
use world::{World, actions_of, run_id, wishes};

const INSTANCES: usize = 500;
/// The most memory of the process, the lab in it included, in KiB.
const MEMORY: u64 = 200 << 10;
/// How much longer than the rates allow it may take.
const SLACK: f64 = 1.3;

/// Bucket and refill per second of an action, as documented
/// (<https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>).
fn documented(action: &str) -> (f64, f64) {
    match action {
        "RunInstances" | "StartInstances" => (5.0, 2.0),
        "TerminateInstances" | "CreateSnapshots" | "CreateVolume" => (100.0, 5.0),
        "CreateTags" => (100.0, 10.0),
        _ if action.starts_with("Describe") || action.starts_with("Get") => (100.0, 20.0),
        _ => (50.0, 5.0),
    }
}

fn memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes the minutes that EC2's rates allow no less of: cargo xtask test"]
async fn five_hundred_at_once() {
    let world = World::with(|builder| builder.scenario(Scenario::load("fleet").unwrap()));
    let polling = Polling::default();
    let region = world.region_with(polling, None).await;
    let fleet = region
        .instances_where(&[Filter::new("tag:Project", ["fleet"])])
        .await
        .unwrap();
    let ids: Vec<_> = fleet.into_iter().map(|instance| instance.id).collect();
    assert_eq!(ids.len(), INSTANCES);
    let started = Instant::now();
    let plans = make::make(&region, &ids, &wishes()).await.unwrap();
    let planned = started.elapsed();
    let before: BTreeMap<_, _> = world.lab.calls();

    let started = Instant::now();
    let mut runs = Vec::new();
    // One for all, as the program has it.
    let journal = world.journal();
    for plan in plans {
        let plan = plan.unwrap();
        let (journal, run) = (journal.clone(), run_id());
        let mut context = world.context_in(&plan, &run, region.clone(), None);
        // As an operator has it, not as a test does.
        context.patience = comeback_migrate::action::Patience::default();
        runs.push(tokio::spawn(async move {
            let value = serde_json::to_value(&plan).unwrap();
            let mut engine = Engine::begin(journal, context, &value, None).await.unwrap();
            engine.forward(&actions_of(&plan), OnFailure::Stop).await.unwrap()
        }));
    }
    let mut failed = 0;
    for run in runs {
        failed += usize::from(run.await.unwrap() != State::Complete);
    }
    let took = started.elapsed();
    let failures = world.reporter.failures();
    assert_eq!(failed, 0, "{:?}", failures.iter().take(5).collect::<Vec<_>>());

    let calls = world.lab.calls();
    let made = |action: &str| calls[action].total - before.get(action).map_or(0, |calls| calls.total);
    let least = calls
        .keys()
        .map(|action| {
            let (bucket, refill) = documented(action.rsplit(':').next().unwrap_or(action));
            let seconds = (made(action) as f64 - bucket).max(0.0) / refill;
            (Duration::from_secs_f64(seconds), action.clone(), made(action))
        })
        .max()
        .unwrap();
    let throttled: u64 = calls.values().map(|calls| calls.throttled).sum();
    println!(
        "{INSTANCES} planned in {:.1} s, migrated in {:.1} s; the rates allow {:.1} s ({} × {}); {throttled} throttled; \
         {:.1} MiB",
        planned.as_secs_f64(),
        took.as_secs_f64(),
        least.0.as_secs_f64(),
        least.2,
        least.1,
        memory_kib() as f64 / 1024.0
    );
    assert!(memory_kib() < MEMORY, "{} KiB", memory_kib());
    assert!(
        took.as_secs_f64() <= least.0.as_secs_f64() * SLACK,
        "{took:?} instead of {:?}",
        least.0
    );
}
