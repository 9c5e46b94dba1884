//! The least policies that `comeback iam-policy` prints: the lab enforces them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use std::collections::BTreeSet;

use comeback_cloud::policy::{Needs, document};
use comeback_lab::{Fault, FaultKind};
use comeback_migrate::engine::OnFailure;
use comeback_migrate::finalize::Keep;
use comeback_migrate::plan::Volumes;
use comeback_migrate::run::State;
use comeback_migrate::{policy, readdress};
use world::{World, actions_of, run_id, wishes};

/// What a migration of this instance has no reason to call, although another may have.
const NOT_HERE: &[&str] = &[
    // An interface that is deleted with its instance.
    "ModifyNetworkInterfaceAttribute",
    // Secondary addresses of the primary interface.
    "AssignPrivateIpAddresses",
];

fn restrict(world: &World, calls: &[&'static comeback_cloud::Action]) {
    let needs = Needs {
        instance_profile: true,
        encrypted_volumes: true,
        assumed_roles: Vec::new(),
    };
    let text = document(calls.iter().copied(), &needs);
    let policy = serde_json::from_str(&text).unwrap();
    let key = world.lab.keys().remove(0).access_key;
    assert!(world.lab.set_policy(&key, Some(policy)));
}

/// A migration there and back with these calls only, on the source's own volumes and on copies. What is left is deleted in
/// between, with the calls that that needs.
async fn everything(world: &World, allowed: &[&'static comeback_cloud::Action]) -> Result<(), String> {
    for (name, volumes) in [
        ("archive", Volumes::Original),
        ("archive", Volumes::Copy),
        // Its key is tried.
        ("locked", Volumes::Original),
        // Its Auto Scaling group is asked.
        ("set-aside", Volumes::Original),
    ] {
        restrict(world, allowed);
        let mut wishes = wishes();
        wishes.volumes = volumes;
        let plan = world.plan(name, &wishes).await;
        let run = run_id();
        let mut engine = world.begin(&plan, &run, None).await;
        let state = engine.forward(&actions_of(&plan), OnFailure::Stop).await.unwrap();
        if state != State::Complete {
            return Err(world.reporter.failures().join("\n"));
        }
        if engine.back(&actions_of(&plan)).await.unwrap() != State::RolledBack {
            return Err(world.reporter.failures().join("\n"));
        }
        let all = [policy::migrate(), policy::finalize()].concat();
        restrict(world, &all);
        world.finalized(&plan, &run).await;
    }
    Ok(())
}

#[tokio::test]
async fn the_policy_of_a_migration_is_enough_and_no_more() {
    let world = World::new("estate");
    everything(&world, &policy::migrate()).await.unwrap();

    let called: BTreeSet<String> = world
        .lab
        .calls()
        .into_keys()
        .map(|action| action.rsplit(':').next().unwrap_or_default().to_owned())
        .collect();
    let idle: Vec<&str> = policy::migrate()
        .into_iter()
        .map(|call| call.name.rsplit(':').next().unwrap_or_default())
        .filter(|name| !called.contains(*name) && !NOT_HERE.contains(name))
        .collect();
    assert_eq!(idle, [""; 0], "allowed and never called");
}

/// Each permission that is taken away is missed, and named.
#[tokio::test]
async fn nothing_can_be_left_out() {
    for missing in policy::migrate() {
        let short = missing.name.rsplit(':').next().unwrap_or_default();
        if !missing.changes || NOT_HERE.contains(&short) {
            continue;
        }
        let world = World::new("estate");
        let rest: Vec<_> = policy::migrate()
            .into_iter()
            .filter(|call| call.name != missing.name)
            .collect();
        let said = match everything(&world, &rest).await {
            Ok(()) => panic!("{} is not missed", missing.name),
            Err(said) => said,
        };
        assert!(said.contains(short), "{}: {said}", missing.name);
    }
}

/// A private address is kept with these calls only; a first attempt fails at the termination and is taken back.
async fn keeping(world: &World, allowed: &[&'static comeback_cloud::Action]) -> Result<BTreeSet<String>, String> {
    let plan = world.plan("archive", &wishes()).await;
    let run = run_id();
    let mut engine = world.begin(&plan, &run, None).await;
    let state = engine.forward(&actions_of(&plan), OnFailure::Stop).await.unwrap();
    assert_eq!(state, State::Complete, "{:?}", world.reporter.failures());
    let counts = || {
        world
            .lab
            .calls()
            .into_iter()
            .map(|(action, calls)| (action, calls.total))
    };
    let before: BTreeSet<(String, u64)> = counts().collect();

    restrict(world, allowed);
    let mut way = readdress::way(&plan, Keep::default());
    let denied = FaultKind::Refuse {
        code: "UnauthorizedOperation".to_owned(),
        message: "not yet".to_owned(),
    };
    world.lab.faults().set(Fault::new(denied).action("TerminateInstances"));
    let failed = |error: String| format!("{error}\n{}", world.reporter.failures().join("\n"));
    let state = engine
        .readdress(&way)
        .await
        .map_err(|error| failed(error.to_string()))?;
    if state != State::Complete || world.reporter.failures().len() != 1 {
        return Err(failed(format!("it is {state}")));
    }
    world.lab.faults().clear(None);
    way = readdress::way(&plan, Keep::default());
    let state = engine
        .readdress(&way)
        .await
        .map_err(|error| failed(error.to_string()))?;
    if !engine.is_readdressed() {
        return Err(failed(format!("it is {state}")));
    }
    let decision = engine
        .decide(Keep::default())
        .await
        .map_err(|error| failed(error.to_string()))?;
    let state = engine
        .finalize(&decision)
        .await
        .map_err(|error| failed(error.to_string()))?;
    if state != State::Finalized {
        return Err(failed(format!("it is {state}")));
    }
    let called = counts().filter(|count| !before.contains(count));
    Ok(called
        .map(|(action, _)| action.rsplit(':').next().unwrap_or_default().to_owned())
        .collect())
}

#[tokio::test]
async fn the_policy_of_keeping_an_address_is_enough_and_no_more() {
    let world = World::new("estate");
    let called = keeping(&world, &policy::keep_private_ip()).await.unwrap();
    let idle: Vec<&str> = policy::keep_private_ip()
        .into_iter()
        .map(|call| call.name.rsplit(':').next().unwrap_or_default())
        // Tags are given by the calls that make things, which need that permission.
        .filter(|name| !called.contains(*name) && !["AssignPrivateIpAddresses", "CreateTags"].contains(name))
        .collect();
    assert_eq!(idle, [""; 0], "allowed and never called");
}

#[tokio::test]
async fn nothing_of_keeping_an_address_can_be_left_out() {
    for missing in policy::keep_private_ip() {
        let short = missing.name.rsplit(':').next().unwrap_or_default();
        if !missing.changes || short == "AssignPrivateIpAddresses" {
            continue;
        }
        let world = World::new("estate");
        let rest: Vec<_> = policy::keep_private_ip()
            .into_iter()
            .filter(|call| call.name != missing.name)
            .collect();
        let said = match keeping(&world, &rest).await {
            Ok(_) => panic!("{} is not missed", missing.name),
            Err(said) => said,
        };
        assert!(said.contains(short), "{}: {said}", missing.name);
    }
}
