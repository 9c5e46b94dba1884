//! What buys time, in a lab without machines: it does what it says, nothing before its snapshots, and it is taken back.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use comeback_cloud::ids::InstanceId;
use comeback_cloud::model::{AutoRecovery, InstanceState, RebootMigration};
use comeback_cloud::policy::{Needs, document};
use comeback_cloud::{Call, ErrorKind, Filter, Observer, Outcome, Region};
use comeback_lab::{Fault, FaultKind};
use comeback_migrate::action::Patience;
use comeback_migrate::policy;
use comeback_migrate::stopgap::kernel::{self, Done, Plan, Start};
use comeback_migrate::stopgap::{Records, StopgapError, Watched, hold, postpone};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;
use world::{Killer, PATIENCE, World, differences, impatient, sweep};

const WITHIN: Duration = Duration::from_secs(2);

/// What is on record, in a folder of its own.
fn records() -> (TempDir, Records) {
    let folder = tempfile::tempdir().unwrap();
    let records = Records::new(folder.path());
    (folder, records)
}

async fn bump(region: &Region, records: &Records, plan: &Plan, patience: &Patience) -> Result<Done, StopgapError> {
    kernel::carry_out(region, records, plan, patience, WITHIN, &|_| {}).await
}

/// The state but for what a stop and start, a snapshot and the boot that follows change for good.
fn state(world: &World) -> Value {
    let mut state = world.state();
    forget(&mut state);
    state
}

fn forget(state: &mut Value) {
    match state {
        Value::Object(object) => {
            for passing in [
                "snapshots",
                "powered",
                "launched",
                "host",
                "state_since",
                "transition",
                "serial",
            ] {
                object.remove(passing);
            }
            object.values_mut().for_each(forget);
        }
        Value::Array(array) => array.iter_mut().for_each(forget),
        _ => {}
    }
}

async fn dead_shop(world: &World) -> InstanceId {
    let shop = world.id("shop").await;
    world.lab.fire(shop.as_str()).unwrap();
    shop
}

#[tokio::test]
async fn an_event_is_put_off_as_late_as_allowed() {
    let world = World::new("tokyo");
    let region = world.region(None).await;
    let shop = world.id("shop").await;
    let status = async || region.statuses(std::slice::from_ref(&shop)).await.unwrap().remove(0);
    let plan = postpone::plan(&status().await, None, None, Timestamp::now())
        .unwrap()
        .remove(0);
    postpone::carry_out(&region, &shop, &plan).await.unwrap();
    let now = status().await;
    let event = now.due_events().next().unwrap();
    assert_eq!((event.not_before, Some(plan.to)), (event.deadline, event.deadline));
    let again = postpone::plan(&now, None, None, Timestamp::now()).unwrap_err();
    assert!(again.to_string().contains("last time"), "{again}");
    // EC2 has the last word.
    let later = postpone::Postponement {
        to: plan.deadline + SignedDuration::from_mins(1),
        ..plan
    };
    let error = postpone::carry_out(&region, &shop, &later).await.unwrap_err();
    let StopgapError::Cloud(error) = error else {
        panic!("{error}")
    };
    assert_eq!(error.kind, ErrorKind::InvalidParameter);
}

#[tokio::test]
async fn an_instance_is_held_and_let_go_as_it_was() {
    let world = World::new("tokyo");
    let region = world.region(None).await;
    let (_folder, records) = records();
    let shop = world.id("shop").await;
    // Something of its own, that no default would bring back.
    region
        .set_maintenance_options(&shop, None, Some(&RebootMigration::Disabled))
        .await
        .unwrap();
    let before = world.state();
    let unknown = hold::plan_release(&region, &records, &shop).await.unwrap_err();
    assert!(unknown.to_string().contains("not on record"), "{unknown}");

    let change = hold::plan(&region, &shop).await.unwrap();
    assert!(!change.is_done());
    hold::hold(&region, &records, &change).await.unwrap();
    let held = region.instance(&shop).await.unwrap().maintenance_options;
    assert_eq!(held.auto_recovery, AutoRecovery::Disabled);
    assert_eq!(held.reboot_migration, Some(RebootMigration::Disabled));
    // Twice is as good as once: the second does not take the first for what there was.
    let again = hold::plan(&region, &shop).await.unwrap();
    assert!(again.is_done());
    hold::hold(&region, &records, &again).await.unwrap();

    let back = hold::plan_release(&region, &records, &shop).await.unwrap();
    hold::release(&region, &records, &back).await.unwrap();
    assert_eq!(differences(&before, &world.state()), [""; 0]);
    assert!(
        hold::plan_release(&region, &records, &shop).await.is_err(),
        "it is forgotten"
    );
}

#[tokio::test]
async fn a_dead_instance_comes_up_with_a_newer_pv_grub_and_goes_back() {
    let world = World::new("tokyo");
    let calls = Arc::new(Calls::default());
    let region = world.region(Some(calls.clone())).await;
    let (_folder, records) = records();
    let shop = dead_shop(&world).await;
    let before = state(&world);
    let plan = kernel::plan(&region, &records, &shop, Start::AsItWas).await.unwrap();
    assert_eq!(plan.from.1, "PV-GRUB 1.03");
    assert_eq!(
        (plan.to.0.as_str(), plan.to.1.as_str()),
        ("aki-7077ab11", "PV-GRUB 1.05")
    );
    assert!(plan.start && !plan.resumed && plan.risks.len() >= 3);
    let done = bump(&region, &records, &plan, &impatient()).await.unwrap();
    assert_eq!((done.snapshots.len(), done.watched), (1, Some(Watched::Up)));
    assert!(calls.place("CreateSnapshots") < calls.place("StopInstances"));
    let now = region.instance(&shop).await.unwrap();
    assert_eq!(now.kernel.unwrap().as_str(), "aki-7077ab11");
    assert_eq!(now.tags.get("comeback:lease"), None);
    let newest = kernel::plan(&region, &records, &shop, Start::AsItWas)
        .await
        .unwrap_err();
    assert!(newest.to_string().contains("no newer one"), "{newest}");

    let undo = kernel::plan_undo(&region, &records, &shop).await.unwrap();
    assert_eq!((undo.to.0.as_str(), undo.undo), ("aki-44992845", true));
    let done = bump(&region, &records, &undo, &impatient()).await.unwrap();
    assert!(
        matches!(done.watched, Some(Watched::Failed(_))),
        "it is as dead as it was"
    );
    assert_eq!(differences(&before, &state(&world)), [""; 0]);
    let nothing = kernel::plan_undo(&region, &records, &shop).await.unwrap_err();
    assert!(nothing.to_string().contains("on record"), "{nothing}");
}

#[tokio::test]
async fn one_that_does_not_come_up_is_told_and_one_that_is_stopped_stays_so() {
    let world = World::new("estate");
    let region = world.region(None).await;
    let (_folder, records) = records();
    let archive = world.id("archive").await;
    // It runs, and no PV-GRUB starts it again.
    let plan = kernel::plan(&region, &records, &archive, Start::AsItWas).await.unwrap();
    let done = bump(&region, &records, &plan, &impatient()).await.unwrap();
    let Some(Watched::Failed(finding)) = done.watched else {
        panic!("{done:?}")
    };
    assert_eq!(finding.id, "pv-kernel-compression");

    // Nothing on its console is against it, and yet it does not answer.
    let world = World::new("tokyo");
    let region = world.region(None).await;
    let shop = dead_shop(&world).await;
    world.lab.faults().set(Fault::new(FaultKind::Impaired));
    let plan = kernel::plan(&region, &records, &shop, Start::AsItWas).await.unwrap();
    let within = Duration::from_millis(100);
    let done = kernel::carry_out(&region, &records, &plan, &impatient(), within, &|_| {}).await;
    assert_eq!(done.unwrap().watched, Some(Watched::Late));

    let world = World::new("tokyo");
    let region = world.region(None).await;
    let (_folder, records) = self::records();
    let shop = dead_shop(&world).await;
    region.stop(&shop, true).await.unwrap();
    let stopped = |instance: &comeback_cloud::model::Instance| (instance.state == InstanceState::Stopped).then_some(());
    region.instance_when(&shop, PATIENCE, stopped).await.unwrap();
    let plan = kernel::plan(&region, &records, &shop, Start::AsItWas).await.unwrap();
    let done = bump(&region, &records, &plan, &impatient()).await.unwrap();
    assert_eq!(done.watched, None);
    assert_eq!(region.instance(&shop).await.unwrap().state, InstanceState::Stopped);
}

#[tokio::test]
async fn what_stands_against_it_is_told() {
    let world = World::new("estate");
    let region = world.region(None).await;
    let (_folder, records) = records();
    for (name, word) in [
        ("on-instance-store", "own disk"),
        ("bid", "spot"),
        ("scaled", "Auto Scaling"),
        ("with-ramdisk", "ari-"),
    ] {
        let named = [Filter::new("tag:Name", [name])];
        let Some(instance) = region.instances_where(&named).await.unwrap().pop() else {
            panic!("the scenario has no {name}");
        };
        let error = kernel::plan(&region, &records, &instance.id, Start::AsItWas)
            .await
            .unwrap_err();
        assert!(matches!(error, StopgapError::Refused { .. }), "{name}: {error}");
        let said = format!("{error} {}", error.help());
        assert!(said.contains(word), "{name}: {said}");
    }
    let archive = world.id("archive").await;
    region
        .create_tags(
            &[archive.as_str()],
            &[(
                "comeback:lease".to_owned(),
                "20180104-other/2999-01-01T00:00:00Z".to_owned(),
            )]
            .into(),
        )
        .await
        .unwrap();
    let held = kernel::plan(&region, &records, &archive, Start::AsItWas)
        .await
        .unwrap_err();
    assert!(held.to_string().contains("20180104-other"), "{held}");
    let tokyo = World::new("tokyo");
    let region = tokyo.region(None).await;
    let hvm = tokyo.id("build").await;
    let error = kernel::plan(&region, &records, &hvm, Start::AsItWas).await.unwrap_err();
    assert!(error.to_string().contains("hvm"), "{error}");
}

#[tokio::test]
async fn what_fails_on_the_way_is_taken_up() {
    for (fault, stopped) in [(FaultKind::SnapshotError, false), (FaultKind::Capacity, true)] {
        let world = World::new("tokyo");
        let region = world.region(None).await;
        let (_folder, records) = records();
        let shop = dead_shop(&world).await;
        world.lab.faults().set(Fault::new(fault));
        let plan = kernel::plan(&region, &records, &shop, Start::AsItWas).await.unwrap();
        let error = bump(&region, &records, &plan, &impatient()).await.unwrap_err();
        assert!(error.help().contains("same command again"), "{error}: {}", error.help());
        let now = region.instance(&shop).await.unwrap();
        assert_eq!(now.state == InstanceState::Stopped, stopped, "{error}");
        assert_eq!(now.tags.get("comeback:lease"), None, "it is free for a migration");
        world.lab.faults().clear(None);
        let plan = kernel::plan(&region, &records, &shop, Start::AsItWas).await.unwrap();
        assert!(plan.resumed && plan.start, "{plan:?}");
        let done = bump(&region, &records, &plan, &impatient()).await.unwrap();
        assert_eq!(done.watched, Some(Watched::Up));
    }
}

/// Killed before and after every call, and begun again: it ends as it does undisturbed, with one set of snapshots.
#[tokio::test]
async fn killed_anywhere_it_is_taken_up() {
    let counting = Killer::counting();
    let (undisturbed, snapshots) = killed(&counting).await.unwrap();
    assert!(counting.points() > 20, "{}", counting.points());
    assert_eq!(snapshots, 1);
    sweep(counting.points(), async |point| {
        let (state, snapshots) = killed(&Killer::at(point)).await?;
        let differ = differences(&undisturbed, &state);
        if !differ.is_empty() || snapshots != 1 {
            return Err(format!("{snapshots} snapshots, {}", differ.join(", ")));
        }
        Ok(())
    })
    .await;
}

async fn killed(killer: &Arc<Killer>) -> Result<(Value, usize), String> {
    let world = World::new("tokyo");
    let (_folder, records) = records();
    let shop = dead_shop(&world).await;
    let work = async |region: &Region| {
        let plan = kernel::plan(region, &records, &shop, Start::AsItWas).await?;
        bump(region, &records, &plan, &impatient()).await
    };
    let begun = async {
        let region = world.region(Some(Arc::clone(killer) as Arc<dyn Observer>)).await;
        work(&region).await
    };
    let first = tokio::select! {
        done = begun => Some(done.map_err(|error| error.to_string())?),
        () = killer.killed() => None,
    };
    let undisturbed = world.region(None).await;
    if first.is_none() {
        // Whatever EC2 was told is under way by itself.
        let settled = |instance: &comeback_cloud::model::Instance| {
            matches!(instance.state, InstanceState::Running | InstanceState::Stopped).then_some(())
        };
        undisturbed
            .instance_when(&shop, PATIENCE, settled)
            .await
            .map_err(|error| error.to_string())?;
        match work(&undisturbed).await {
            Ok(_) => {}
            // It was killed when all was done but the watching.
            Err(StopgapError::Refused { what, .. }) if what.contains("no newer one") => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    let snapshots = undisturbed
        .snapshots_where(&[])
        .await
        .map_err(|error| error.to_string())?;
    Ok((state(&world), snapshots.len()))
}

#[tokio::test]
async fn the_policies_are_enough_and_no_more() {
    let all: [(&str, Vec<&'static comeback_cloud::Action>); 3] = [
        ("postpone", policy::postpone()),
        ("hold", policy::hold()),
        ("bump-kernel", policy::bump_kernel()),
    ];
    for (command, calls) in all {
        use_it(command, &calls).await.unwrap();
        for missing in &calls {
            if missing.name == MEMBERS {
                continue;
            }
            let rest: Vec<_> = calls.iter().copied().filter(|call| call.name != missing.name).collect();
            let said = match use_it(command, &rest).await {
                Ok(()) => panic!("{command}: {} is not missed", missing.name),
                Err(said) => said,
            };
            let short = missing.name.rsplit(':').next().unwrap();
            assert!(said.contains(short), "{command}: {}: {said}", missing.name);
        }
    }
}

/// Only asked of members of an Auto Scaling group, which most are not.
const MEMBERS: &str = "autoscaling:DescribeAutoScalingInstances";

#[tokio::test]
async fn a_member_of_a_group_is_asked_for_its_standby() {
    let world = World::new("estate");
    let region = world.region(None).await;
    let (_folder, records) = records();
    let member = world.id("set-aside").await;
    let plan = kernel::plan(&region, &records, &member, Start::AsItWas).await;
    assert_eq!(plan.unwrap().from.0.as_str(), "aki-176bf516");
    let rest = policy::bump_kernel().into_iter().filter(|call| call.name != MEMBERS);
    let text = document(rest, &Needs::default());
    let key = world.lab.keys().remove(0).access_key;
    assert!(world.lab.set_policy(&key, Some(serde_json::from_str(&text).unwrap())));
    let denied = kernel::plan(&region, &records, &member, Start::AsItWas).await;
    let said = denied.unwrap_err().to_string();
    assert!(said.contains("DescribeAutoScalingInstances"), "{said}");
}

/// Carries a command out, and back, with these calls only.
async fn use_it(command: &str, calls: &[&'static comeback_cloud::Action]) -> Result<(), String> {
    let world = World::new("tokyo");
    let region = world.region(None).await;
    let (_folder, records) = records();
    let shop = dead_or_alive(&world, command).await;
    let needs = Needs {
        encrypted_volumes: true,
        ..Needs::default()
    };
    let policy = serde_json::from_str(&document(calls.iter().copied(), &needs)).unwrap();
    let key = world.lab.keys().remove(0).access_key;
    assert!(world.lab.set_policy(&key, Some(policy)));
    let said = |error: StopgapError| error.to_string();
    match command {
        "postpone" => {
            region.instance(&shop).await.map_err(|error| error.to_string())?;
            let status = region.statuses(std::slice::from_ref(&shop)).await;
            let status = status.map_err(|error| error.to_string())?.remove(0);
            let plan = postpone::plan(&status, None, None, Timestamp::now())
                .map_err(said)?
                .remove(0);
            postpone::carry_out(&region, &shop, &plan).await.map_err(said)
        }
        "hold" => {
            let change = hold::plan(&region, &shop).await.map_err(said)?;
            hold::hold(&region, &records, &change).await.map_err(said)?;
            let back = hold::plan_release(&region, &records, &shop).await.map_err(said)?;
            hold::release(&region, &records, &back).await.map_err(said)
        }
        _ => {
            let plan = kernel::plan(&region, &records, &shop, Start::AsItWas)
                .await
                .map_err(said)?;
            bump(&region, &records, &plan, &impatient()).await.map_err(said)?;
            let undo = kernel::plan_undo(&region, &records, &shop).await.map_err(said)?;
            let within = Duration::from_millis(50);
            kernel::carry_out(&region, &records, &undo, &impatient(), within, &|_| {})
                .await
                .map(drop)
                .map_err(said)
        }
    }
}

async fn dead_or_alive(world: &World, command: &str) -> InstanceId {
    match command {
        "postpone" => world.id("shop").await,
        _ => dead_shop(world).await,
    }
}

/// The calls in their order.
#[derive(Debug, Default)]
struct Calls(Mutex<Vec<String>>);

impl Calls {
    fn place(&self, action: &str) -> usize {
        let calls = self.0.lock().unwrap();
        calls.iter().position(|call| call.ends_with(action)).unwrap()
    }
}

#[async_trait::async_trait]
impl Observer for Calls {
    async fn before(&self, call: &Call) {
        self.0.lock().unwrap().push(call.action.name.to_owned());
    }

    async fn after(&self, _call: &Call, _outcome: &Outcome) {}
}
