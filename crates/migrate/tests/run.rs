//! Runs from end to end, in a lab without machines.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use comeback_cloud::Filter;
use comeback_cloud::model::{InstanceState, Virtualization};
use comeback_lab::{Fault, FaultKind};
use comeback_migrate::engine::{Engine, OnFailure};
use comeback_migrate::plan::Volumes;
use comeback_migrate::run::State;
use world::{World, actions_of, differences, run_id, wishes};

#[tokio::test]
async fn the_target_has_all_that_the_source_had() {
    let world = World::new("estate");
    let plan = world.plan("archive", &wishes()).await;
    let run = run_id();
    let mut engine = world.begin(&plan, &run, None).await;
    let state = engine.forward(&actions_of(&plan), OnFailure::Stop).await.unwrap();
    assert_eq!(state, State::Complete, "{:?}", world.reporter.failures());

    let region = world.region(None).await;
    let source = region.instance(plan.instance()).await.unwrap();
    assert_eq!(source.state, InstanceState::Stopped);
    assert!(source.block_devices.is_empty(), "{:?}", source.block_devices);
    let ours = [Filter::new("tag:comeback:run", [run.as_str()])];
    let target = region.instances_where(&ours).await.unwrap().remove(0);
    assert_eq!(target.state, InstanceState::Running);
    assert_eq!(target.virtualization, Virtualization::Hvm);
    assert_eq!(target.name(), Some("archive"));
    assert_eq!(target.tag("Owner"), Some("records"));
    assert_eq!(target.iam_profile, plan.source.instance.iam_profile);
    assert_eq!(target.subnet, plan.source.instance.subnet);
    assert_eq!(target.security_groups, plan.source.instance.security_groups);
    let root = plan.root().unwrap();
    assert_eq!(target.root().unwrap().volume, root.volume);
    assert_eq!(target.block_devices.len(), 3, "{:?}", target.block_devices);
    for device in plan.data() {
        let there = target.device_of(&device.volume).unwrap();
        assert_eq!(there.device, device.becomes);
        assert_eq!(there.delete_on_termination, device.delete_on_termination);
    }
    assert_eq!(target.interfaces.len(), 2);
    assert_eq!(target.interfaces[1].id, plan.source.instance.interfaces[1].id);
    let addresses = region.addresses_where(&[]).await.unwrap();
    assert_eq!(addresses.len(), 2);
    assert!(
        addresses
            .iter()
            .all(|address| address.instance.as_ref() == Some(&target.id))
    );
    let attributes = region.attributes(&target.id).await.unwrap();
    assert_eq!(attributes, plan.source.attributes);
    let groups = region.target_groups().await.unwrap();
    let health = region.target_health(&groups[0]).await.unwrap();
    let targets: Vec<_> = health
        .iter()
        .filter(|health| health.state.as_str() != "unused")
        .map(|health| health.target.id.as_str())
        .collect();
    assert_eq!(targets, [target.id.as_str()]);
}

#[tokio::test]
async fn a_rollback_leaves_the_state_before() {
    let world = World::new("estate");
    let before = world.state();
    let plan = world.plan("archive", &wishes()).await;
    let run = run_id();
    let mut engine = world.begin(&plan, &run, None).await;
    engine.forward(&actions_of(&plan), OnFailure::Stop).await.unwrap();
    let back = engine.back(&actions_of(&plan)).await.unwrap();
    assert_eq!(back, State::RolledBack, "{:?}", world.reporter.failures());
    let after = world.finalized(&plan, &run).await;
    let differ = differences(&before, &after);
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[tokio::test]
async fn copies_leave_the_sources_volumes_alone() {
    let world = World::new("estate");
    let before = world.state();
    let mut wishes = wishes();
    wishes.volumes = Volumes::Copy;
    let plan = world.plan("archive", &wishes).await;
    let run = run_id();
    let mut engine = world.begin(&plan, &run, None).await;
    let state = engine.forward(&actions_of(&plan), OnFailure::Stop).await.unwrap();
    assert_eq!(state, State::Complete, "{:?}", world.reporter.failures());
    let region = world.region(None).await;
    let source = region.instance(plan.instance()).await.unwrap();
    assert_eq!(source.block_devices, plan.source.instance.block_devices);
    engine.back(&actions_of(&plan)).await.unwrap();
    let differ = differences(&before, &world.finalized(&plan, &run).await);
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// Twice is as good as once, forward and back.
#[tokio::test]
async fn every_action_and_undo_twice() {
    let once = World::new("estate");
    let plan = once.plan("archive", &wishes()).await;
    let run = run_id();
    let mut engine = once.begin(&plan, &run, None).await;
    engine.forward(&actions_of(&plan), OnFailure::Stop).await.unwrap();
    let migrated = once.finalized(&plan, &run).await;

    let twice = World::new("estate");
    let plan = twice.plan("archive", &wishes()).await;
    let mut engine = twice.begin(&plan, &run, None).await;
    engine.stutter();
    engine.forward(&actions_of(&plan), OnFailure::Stop).await.unwrap();
    assert_eq!(twice.reporter.failures(), [""; 0]);
    let differ = differences(&migrated, &twice.finalized(&plan, &run).await);
    assert!(differ.is_empty(), "{}", differ.join("\n"));

    let back = World::new("estate");
    let before = back.state();
    let plan = back.plan("archive", &wishes()).await;
    let mut engine = back.begin(&plan, &run, None).await;
    engine.forward(&actions_of(&plan), OnFailure::Stop).await.unwrap();
    engine.stutter();
    engine.back(&actions_of(&plan)).await.unwrap();
    let differ = differences(&before, &back.finalized(&plan, &run).await);
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// A key that may be used is tried, twice as well, and nothing is left of that.
#[tokio::test]
async fn an_encrypted_volume_is_migrated_and_taken_back() {
    let world = World::new("estate");
    let before = world.state();
    let plan = world.plan("locked", &wishes()).await;
    let run = run_id();
    let mut context = world.context(&plan, &run, None).await;
    // It was stopped before.
    context.start_source = false;
    let value = serde_json::to_value(&plan).unwrap();
    let mut engine = Engine::begin(world.journal(), context, &value, None).await.unwrap();
    engine.stutter();
    let state = engine.forward(&actions_of(&plan), OnFailure::Stop).await.unwrap();
    assert_eq!(state, State::Complete, "{:?}", world.reporter.failures());
    let tried = [Filter::new("tag:comeback:action", ["protect/keys"])];
    let left = world.region(None).await.volumes_where(&tried).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
    engine.back(&actions_of(&plan)).await.unwrap();
    let differ = differences(&before, &world.finalized(&plan, &run).await);
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// A key that may not be used shows while the source still runs.
#[tokio::test]
async fn a_key_that_may_not_be_used_ends_the_run_before_the_stop() {
    let world = World::new("estate");
    let before = world.state();
    let plan = world.plan("locked", &wishes()).await;
    let run = run_id();
    let mut engine = world.begin(&plan, &run, None).await;
    world.lab.faults().set(Fault::new(FaultKind::Kms));
    let state = engine.forward(&actions_of(&plan), OnFailure::RollBack).await.unwrap();
    assert_eq!(state, State::RolledBack, "{:?}", world.reporter.failures());
    let failures = world.reporter.failures();
    let key = plan.source.volumes[0].kms_key.as_deref().unwrap();
    assert!(
        failures.len() == 1 && failures[0].starts_with("protect/keys: ") && failures[0].contains(key),
        "{failures:?}"
    );
    assert_eq!(
        world
            .lab
            .calls()
            .keys()
            .filter(|call| call.contains("StopInstances"))
            .count(),
        0
    );
    let source = world.region(None).await.instance(plan.instance()).await.unwrap();
    assert_eq!(source.state, plan.source.instance.state);
    let differ = differences(&before, &world.finalized(&plan, &run).await);
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// Granted meanwhile, the key is tried anew: the volume that failed does not decide again.
#[tokio::test]
async fn a_key_that_was_granted_meanwhile_is_tried_anew() {
    let world = World::new("estate");
    let plan = world.plan("locked", &wishes()).await;
    let run = run_id();
    let mut engine = world.begin(&plan, &run, None).await;
    world.lab.faults().set(Fault::new(FaultKind::Kms));
    let state = engine.forward(&actions_of(&plan), OnFailure::Stop).await.unwrap();
    assert_eq!(state, State::Failed);
    world.lab.faults().clear(None);
    let state = engine.forward(&actions_of(&plan), OnFailure::Stop).await.unwrap();
    assert_eq!(state, State::Complete, "{:?}", world.reporter.failures());
}
