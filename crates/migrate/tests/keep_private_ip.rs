//! The source's primary private address is kept: by its interface, which outlives it and starts the final instance.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use comeback_cloud::model::{GroupName, Image, Instance, InstanceState, InterfaceState, Virtualization};
use comeback_cloud::{Filter, Region};
use comeback_lab::{Fault, FaultKind};
use comeback_migrate::action::Patience;
use comeback_migrate::engine::{Engine, OnFailure, RunError, Watch};
use comeback_migrate::finalize::Keep;
use comeback_migrate::journal::Progress;
use comeback_migrate::plan::{Plan, Reach, Volumes};
use comeback_migrate::readdress;
use comeback_migrate::run::{RunId, State};
use serde_json::Value;
use world::{Killer, PATIENCE, World, actions_of, differences, run_id, sweep, until_killed, wishes};

const SCENARIO: &str = "estate";
const INSTANCE: &str = "archive";

/// A run that is complete.
async fn complete(world: &World, volumes: Volumes) -> (Plan, RunId) {
    let mut wishes = wishes();
    wishes.volumes = volumes;
    let plan = world.plan(INSTANCE, &wishes).await;
    let run = run_id();
    let mut engine = world.begin(&plan, &run, None).await;
    let state = engine.forward(&actions_of(&plan), OnFailure::Stop).await.unwrap();
    assert_eq!(state, State::Complete, "{:?}", world.reporter.failures());
    (plan, run)
}

/// All of it, from wherever it is.
async fn kept(engine: &mut Engine, plan: &Plan, keep: Keep) -> Result<State, RunError> {
    let state = engine.readdress(&readdress::way(plan, keep)).await?;
    if !engine.is_readdressed() {
        return Ok(state);
    }
    let decision = engine.decide(keep).await?;
    engine.finalize(&decision).await
}

async fn kept_until_killed(world: &World, plan: &Plan, run: &RunId, killer: &Arc<Killer>) -> Option<State> {
    let work = async {
        let context = world.context(plan, run, Some(killer)).await;
        let watch = Arc::clone(killer) as Arc<dyn Watch>;
        let mut engine = Engine::take_up(world.journal(), context, Some(watch)).unwrap();
        kept(&mut engine, plan, Keep::default()).await
    };
    until_killed(work, killer).await
}

/// What is there of the instance's name: the source's successor, and nothing else.
async fn survivor(region: &Region) -> Instance {
    let named = [
        Filter::new("tag:Name", [INSTANCE]),
        Filter::new("instance-state-name", ["pending", "running", "stopping", "stopped"]),
    ];
    let mut found = region.instances_where(&named).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

async fn images(region: &Region) -> Vec<Image> {
    region.images_where(Some("self"), &[]).await.unwrap()
}

/// Everything that a kept run has to come to.
async fn check(world: &World, plan: &Plan) {
    let region = world.region(None).await;
    let last = survivor(&region).await;
    let source = &plan.source.instance;
    assert_eq!(last.state, InstanceState::Running);
    assert_eq!(last.virtualization, Virtualization::Hvm);
    assert_eq!(last.private_ip, source.private_ip, "what all of this is about");
    assert_eq!(last.interfaces[0].id, source.interfaces[0].id);
    assert_eq!(
        last.interfaces[0].delete_on_termination,
        source.interfaces[0].delete_on_termination
    );
    assert_eq!(last.interfaces.len(), 2);
    assert_eq!(last.interfaces[1].id, source.interfaces[1].id);
    assert_eq!(last.public_ip, source.public_ip, "its Elastic IP");
    let sorted = |groups: &[GroupName]| groups.iter().map(|group| group.id.clone()).collect::<BTreeSet<_>>();
    assert_eq!(sorted(&last.security_groups), sorted(&source.security_groups));
    assert_eq!(last.iam_profile, source.iam_profile);
    assert_eq!(last.instance_type, plan.target.instance_type);
    assert_eq!(last.tag("Owner"), Some("records"));
    assert_eq!(last.tag("comeback:run"), None, "the run is over");
    assert_eq!(
        region.attributes(&last.id).await.unwrap(),
        plan.source.attributes,
        "user data and protections"
    );
    assert_eq!(last.block_devices.len(), 3, "{:?}", last.block_devices);
    for device in &plan.target.devices {
        let name = if Some(device) == plan.root() {
            last.root_device_name.clone().unwrap()
        } else {
            device.becomes.clone()
        };
        let there = last.block_devices.iter().find(|there| there.device == name).unwrap();
        assert_eq!(there.delete_on_termination, device.delete_on_termination);
        if plan.volumes == Volumes::Original {
            assert_eq!(there.volume, device.volume);
        }
    }
    for address in region.addresses_where(&[]).await.unwrap() {
        assert_eq!(address.instance.as_ref(), Some(&last.id), "{}", address.public);
    }
    let groups = region.target_groups().await.unwrap();
    let targets = region.target_health(&groups[0]).await.unwrap();
    let targets: Vec<_> = targets.iter().map(|health| health.target.id.as_str()).collect();
    assert_eq!(targets, [last.id.as_str()]);

    // The way back: it starts as the source did.
    let images = images(&region).await;
    assert_eq!(images.len(), 1);
    let image = &images[0];
    assert_eq!(image.virtualization, Some(Virtualization::Paravirtual));
    assert_eq!(image.kernel, source.kernel);
    assert_eq!(image.architecture, source.architecture);
    assert_eq!(image.root_device_name, source.root_device_name);
    let mut was: Vec<_> = source
        .block_devices
        .iter()
        .map(|device| (device.device.as_str(), Some(device.delete_on_termination)))
        .collect();
    was.sort_unstable();
    let mut of_image: Vec<_> = image
        .devices
        .iter()
        .filter(|device| device.snapshot.is_some())
        .map(|device| (device.device.as_str(), device.delete_on_termination))
        .collect();
    of_image.sort_unstable();
    assert_eq!(of_image, was);
    let ours: Vec<_> = image
        .devices
        .iter()
        .filter_map(|device| device.snapshot.clone())
        .collect();
    let left = region
        .snapshots_where(&[Filter::new("tag:comeback:run", ["*"])])
        .await
        .unwrap();
    let mut left: Vec<_> = left.into_iter().map(|snapshot| snapshot.id).collect();
    left.sort_unstable();
    let mut ours_sorted = ours;
    ours_sorted.sort_unstable();
    assert_eq!(left, ours_sorted, "snapshots that no image needs");

    // Nothing else is left over.
    let volumes = region.volumes_where(&[]).await.unwrap();
    let loose: Vec<_> = volumes.iter().filter(|volume| volume.attachments.is_empty()).collect();
    assert!(loose.is_empty(), "{loose:?}");
    let tagged = [Filter::new("tag:comeback:run", ["*"])];
    assert!(region.volumes_where(&tagged).await.unwrap().is_empty());
    let interfaces = region.interfaces_where(&[]).await.unwrap();
    let loose: Vec<_> = interfaces
        .iter()
        .filter(|interface| interface.state == InterfaceState::Available)
        .collect();
    assert!(loose.is_empty(), "{loose:?}");
}

#[tokio::test]
async fn the_address_is_kept_and_all_else() {
    for volumes in [Volumes::Original, Volumes::Copy] {
        let world = World::new(SCENARIO);
        let (plan, run) = complete(&world, volumes).await;
        let mut engine = world.take_up(&plan, &run).await;
        let state = kept(&mut engine, &plan, Keep::default()).await.unwrap();
        assert_eq!(state, State::Finalized, "{:?}", world.reporter.failures());
        check(&world, &plan).await;
    }
}

#[tokio::test]
async fn snapshots_are_kept_where_that_was_agreed_to_when_it_began() {
    let world = World::new(SCENARIO);
    let (plan, run) = complete(&world, Volumes::Original).await;
    let mut engine = world.take_up(&plan, &run).await;
    let keep = Keep {
        snapshots: true,
        source: false,
    };
    engine.readdress(&readdress::way(&plan, keep)).await.unwrap();
    // Another process goes on, which was not told.
    let mut engine = world.take_up(&plan, &run).await;
    let state = kept(&mut engine, &plan, Keep::default()).await.unwrap();
    assert_eq!(state, State::Finalized);
    let region = world.region(None).await;
    let all = region
        .snapshots_where(&[Filter::new(
            "volume-id",
            plan.source.volumes.iter().map(|volume| volume.id.to_string()),
        )])
        .await
        .unwrap();
    assert_eq!(all.len(), 2 * plan.source.volumes.len());
}

/// The state of the account without the run's name, which the image and its snapshots bear.
fn nameless(world: &World, run: &RunId) -> Value {
    let text = world.state().to_string().replace(run.as_str(), "RUN");
    serde_json::from_str(&text).unwrap()
}

/// Twice is as good as once.
#[tokio::test]
async fn every_action_twice() {
    let once = World::new(SCENARIO);
    let (plan, run) = complete(&once, Volumes::Original).await;
    let mut engine = once.take_up(&plan, &run).await;
    kept(&mut engine, &plan, Keep::default()).await.unwrap();
    let expected = nameless(&once, &run);

    let twice = World::new(SCENARIO);
    let (plan, run) = complete(&twice, Volumes::Original).await;
    let mut engine = twice.take_up(&plan, &run).await;
    engine.stutter();
    let state = kept(&mut engine, &plan, Keep::default()).await.unwrap();
    assert_eq!(state, State::Finalized, "{:?}", twice.reporter.failures());
    check(&twice, &plan).await;
    let differ = differences(&expected, &nameless(&twice, &run));
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

fn denied(action: &str) -> Fault {
    let kind = FaultKind::Refuse {
        code: "UnauthorizedOperation".to_owned(),
        message: "You are not authorized to perform this operation.".to_owned(),
    };
    Fault::new(kind).action(action)
}

/// What fails before the point of no return leaves the run complete, and the target running.
#[tokio::test]
async fn what_fails_before_the_termination_is_taken_back() {
    for refused in [
        "CreateSnapshots",
        "RegisterImage",
        "DetachVolume",
        "ModifyNetworkInterfaceAttribute",
        "TerminateInstances",
    ] {
        let world = World::new(SCENARIO);
        let (plan, run) = complete(&world, Volumes::Original).await;
        let before = world.state();
        let mut engine = world.take_up(&plan, &run).await;
        engine.stutter();
        world.lab.faults().set(denied(refused));
        let state = kept(&mut engine, &plan, Keep::default()).await.unwrap();
        assert_eq!(state, State::Complete, "{refused}: {:?}", world.reporter.failures());
        world.lab.faults().clear(None);
        let differ = differences(&before, &world.state());
        assert!(differ.is_empty(), "{refused}: {}", differ.join("\n"));
        // It can be tried again, and rolled back.
        let mut engine = world.take_up(&plan, &run).await;
        let state = kept(&mut engine, &plan, Keep::default()).await.unwrap();
        assert_eq!(state, State::Finalized, "{refused}: {:?}", world.reporter.failures());
        check(&world, &plan).await;
    }
}

/// After the termination nothing is taken back: it says what stays, and goes on when it can.
#[tokio::test]
async fn what_fails_after_the_termination_goes_on_later() {
    for fault in [
        Fault::new(FaultKind::Capacity).action("RunInstances"),
        Fault::new(FaultKind::Impaired),
        denied("AttachVolume"),
        denied("AssociateAddress"),
        denied("RegisterTargets"),
    ] {
        let world = World::new(SCENARIO);
        let (plan, run) = complete(&world, Volumes::Original).await;
        let mut engine = world.take_up(&plan, &run).await;
        world.lab.faults().set(fault.clone());
        let state = kept(&mut engine, &plan, Keep::default()).await.unwrap();
        assert_eq!(state, State::Readdressing, "{fault:?}");
        assert!(!world.reporter.failures().is_empty(), "{fault:?}");
        let image = images(&world.region(None).await).await.remove(0).id;
        let told = world.reporter.events().into_iter().any(|event| {
            matches!(event, comeback_migrate::progress::Event::Failed { by_hand, .. }
                if by_hand.iter().any(|command| command.contains("run-instances") && command.contains(&image)))
        });
        assert!(told, "{fault:?}: nobody is told of the image");
        let misled = world.reporter.events().into_iter().any(|event| {
            matches!(event, comeback_migrate::progress::Event::Failed { help, .. }
                if help.contains("comeback resume") || help.contains("roll"))
        });
        assert!(!misled, "{fault:?}: {:?}", world.reporter.events());
        world.lab.faults().clear(None);
        let mut engine = world.take_up(&plan, &run).await;
        let state = kept(&mut engine, &plan, Keep::default()).await.unwrap();
        assert_eq!(state, State::Finalized, "{fault:?}: {:?}", world.reporter.failures());
        check(&world, &plan).await;
    }
}

/// Half-way only this goes on.
#[tokio::test]
async fn everything_else_is_refused_half_way() {
    let world = World::new(SCENARIO);
    let (plan, run) = complete(&world, Volumes::Original).await;
    let mut engine = world.take_up(&plan, &run).await;
    world
        .lab
        .faults()
        .set(Fault::new(FaultKind::Capacity).action("RunInstances"));
    kept(&mut engine, &plan, Keep::default()).await.unwrap();
    let actions = actions_of(&plan);
    for refused in [
        engine.forward(&actions, OnFailure::Stop).await.unwrap_err(),
        engine.back(&actions).await.unwrap_err(),
        engine.decide(Keep::default()).await.unwrap_err(),
    ] {
        let said = refused.to_string();
        assert!(said.contains("readdressing"), "{said}");
        assert!(said.contains("--keep-private-ip` goes on"), "{said}");
    }
}

/// Ends where the image is registered, and the volumes are still at the target.
async fn interrupted(world: &World, plan: &Plan, run: &RunId, taking_back: &[&str]) {
    let mut engine = world.take_up(plan, run).await;
    for action in [&["DetachVolume"], taking_back].concat() {
        world.lab.faults().set(denied(action));
    }
    let state = kept(&mut engine, plan, Keep::default()).await.unwrap();
    assert_eq!(state, State::Readdressing);
    world.lab.faults().clear(None);
}

/// What was started by hand after an interruption has written since: the image has to be of what it is at last.
#[tokio::test]
async fn a_target_that_was_started_meanwhile_is_preserved_anew() {
    for taking_back in [
        &["StartInstances"][..],
        &["StartInstances", "DeleteSnapshot"],
        &["StartInstances", "DeleteSnapshot", "DeregisterImage"],
    ] {
        for is_stopped_again in [false, true] {
            let world = World::new(SCENARIO);
            let (plan, run) = complete(&world, Volumes::Original).await;
            interrupted(&world, &plan, &run, taking_back).await;
            let region = world.region(None).await;
            let target = survivor_of(&region, &run).await;
            assert_eq!(target.state, InstanceState::Stopped);
            // Times are told in seconds.
            tokio::time::sleep(Duration::from_millis(1100)).await;
            region.start(&target.id).await.unwrap();
            if is_stopped_again {
                region.stop(&target.id, false).await.unwrap();
            }
            let mut engine = world.take_up(&plan, &run).await;
            let state = kept(&mut engine, &plan, Keep::default()).await.unwrap();
            assert_eq!(state, State::Finalized, "{:?}", world.reporter.failures());
            check(&world, &plan).await;
            is_of_the_last_moment(&region, &target).await;
        }
    }
}

/// The same, where the program was killed: nothing was being taken back.
#[tokio::test]
async fn a_target_that_was_started_after_a_kill_is_preserved_anew() {
    for is_stopped_again in [false, true] {
        // Somewhere between the image and the first volume that comes off.
        let mut found = None;
        for point in (30..).step_by(2) {
            let world = World::new(SCENARIO);
            let (plan, run) = complete(&world, Volumes::Original).await;
            kept_until_killed(&world, &plan, &run, &Killer::at(point)).await;
            let record = world.journal().record(&run).unwrap();
            if matches!(record.progress(readdress::Registered::ID), Some(Progress::Done(_))) {
                found = Some((world, plan, run));
                break;
            }
        }
        let (world, plan, run) = found.unwrap();
        let region = world.region(None).await;
        let target = survivor_of(&region, &run).await;
        assert_eq!(target.block_devices.len(), 3, "nothing came off yet");
        tokio::time::sleep(Duration::from_millis(1100)).await;
        region.start(&target.id).await.unwrap();
        if is_stopped_again {
            region.stop(&target.id, false).await.unwrap();
        }
        let mut engine = world.take_up(&plan, &run).await;
        let state = kept(&mut engine, &plan, Keep::default()).await.unwrap();
        assert_eq!(state, State::Complete, "all is taken back");
        let failures = world.reporter.failures();
        assert!(
            failures
                .iter()
                .any(|failure| failure.contains("was started after its snapshots")),
            "{failures:?}"
        );
        let mut engine = world.take_up(&plan, &run).await;
        let state = kept(&mut engine, &plan, Keep::default()).await.unwrap();
        assert_eq!(state, State::Finalized, "{:?}", world.reporter.failures());
        check(&world, &plan).await;
        is_of_the_last_moment(&region, &target).await;
    }
}

/// The snapshots of the image are younger than the target's last start.
async fn is_of_the_last_moment(region: &Region, target: &Instance) {
    let ours = [Filter::new("tag:comeback:action", ["readdress/snapshots"])];
    let snapshots = region.snapshots_where(&ours).await.unwrap();
    assert_eq!(snapshots.len(), 3);
    // What the target said was before it was started again, more than a second ago.
    let before = target.launch_time.unwrap() + Duration::from_secs(1);
    assert!(snapshots.iter().all(|snapshot| snapshot.started.unwrap() >= before));
}

async fn survivor_of(region: &Region, run: &RunId) -> Instance {
    let ours = [Filter::new("tag:comeback:run", [run.as_str()])];
    region.instances_where(&ours).await.unwrap().remove(0)
}

async fn refused(world: &World, plan: &Plan, run: &RunId) -> String {
    let before = world.state();
    let mut engine = world.take_up(plan, run).await;
    let error = engine
        .readdress(&readdress::way(plan, Keep::default()))
        .await
        .unwrap_err()
        .to_string();
    assert!(differences(&before, &world.state()).is_empty(), "{error}");
    error
}

#[tokio::test]
async fn it_is_refused_where_it_would_lose_something() {
    let world = World::new(SCENARIO);
    // Without an Elastic IP nobody could reach it by a public address.
    let mut wishes = wishes();
    wishes.verify.reach = Reach::Public;
    let plan = world.plan("locked", &wishes).await;
    let run = run_id();
    let mut engine = world.begin(&plan, &run, None).await;
    let said = engine
        .readdress(&readdress::way(&plan, Keep::default()))
        .await
        .unwrap_err()
        .to_string();
    assert!(said.contains("it is not over"), "{said}");
    engine.forward(&actions_of(&plan), OnFailure::Stop).await.unwrap();
    assert_eq!(engine.state(), State::Complete, "{:?}", world.reporter.failures());
    let said = refused(&world, &plan, &run).await;
    assert!(
        said.contains("no-public-address") && said.contains("--reach private"),
        "{said}"
    );

    // A volume that came to the target would be left behind.
    let (plan, run) = complete(&world, Volumes::Original).await;
    let region = world.region(None).await;
    let target = survivor_of(&region, &run).await;
    let made = region
        .create_volume(&comeback_cloud::VolumeRequest {
            token: "more".to_owned(),
            zone: target.zone.clone(),
            snapshot: None,
            size_gib: Some(1),
            kind: "gp2".to_owned(),
            iops: None,
            throughput: None,
            encrypted: None,
            kms_key: None,
            tags: comeback_cloud::model::Tags::default(),
        })
        .await
        .unwrap();
    region.attach_volume(&made.id, &target.id, "/dev/sdp").await.unwrap();
    let said = refused(&world, &plan, &run).await;
    assert!(
        said.contains("target-changed") && said.contains(made.id.as_str()),
        "{said}"
    );
    region.detach_volume(&made.id, &target.id, false).await.unwrap();

    // What was finalized has no source any more; what was rolled back needs none of this.
    world.finalized(&plan, &run).await;
    let said = refused(&world, &plan, &run).await;
    assert!(said.contains("is deleted, and its private address with it"), "{said}");
}

/// How many kinds of faults pass by themselves.
const KINDS: usize = 5;

fn requests(world: &World) -> u64 {
    world.lab.calls().values().map(|calls| calls.total).sum()
}

/// What passes by itself is passed over, at every request: nothing is lost for an answer that is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "carries out hundreds of runs: cargo xtask test"]
async fn what_passes_by_itself_is_passed_over() {
    let world = World::new(SCENARIO);
    let (plan, run) = complete(&world, Volumes::Original).await;
    let first = requests(&world);
    let mut engine = world.take_up(&plan, &run).await;
    kept(&mut engine, &plan, Keep::default()).await.unwrap();
    let count = usize::try_from(requests(&world) - first).unwrap();
    let expected = nameless(&world, &run);
    let kinds: [FaultKind; KINDS] = [
        FaultKind::Throttle,
        FaultKind::Internal,
        FaultKind::Dropped,
        FaultKind::Lost,
        // Instances change within milliseconds here; no describe is later than the change before the last.
        FaultKind::Lag { milliseconds: 5 },
    ];
    eprintln!("{count} requests");
    sweep(count * kinds.len(), |case| {
        let (kind, expected) = (kinds[case % kinds.len()].clone(), &expected);
        async move {
            let world = World::new(SCENARIO);
            let (plan, run) = complete(&world, Volumes::Original).await;
            let skip = u64::try_from(case / KINDS).unwrap();
            world.lab.faults().set(Fault::new(kind.clone()).skip(skip).count(1));
            let mut context = world.context(&plan, &run, None).await;
            // Nothing is waited for in vain here: a busy machine must not let the patience run out.
            context.patience = Patience {
                change: PATIENCE,
                snapshot: PATIENCE,
                consistency: PATIENCE / 4,
                transient: PATIENCE / 4,
                ..context.patience
            };
            let mut engine = Engine::take_up(world.journal(), context, None).unwrap();
            let state = kept(&mut engine, &plan, Keep::default()).await;
            world.lab.faults().clear(None);
            let mut differ = differences(expected, &nameless(&world, &run));
            if let (FaultKind::Lag { .. }, Ok(State::Finalized)) = (&kind, &state) {
                // Snapshots that were not to be seen yet are taken once more. The image is of one set, and the other is deleted.
                check(&world, &plan).await;
                differ.retain(|place| !place.contains("/snapshots/") && !place.contains("/images/"));
            }
            match state {
                Ok(State::Finalized) if differ.is_empty() => Ok(()),
                Ok(State::Finalized) => Err(format!("{kind:?}: {}", differ.join("\n"))),
                other => Err(format!("{kind:?}: {other:?} {:?}", world.reporter.failures())),
            }
        }
    })
    .await;
}

/// Describes that are behind the changes, all the time.
#[tokio::test]
async fn describes_that_lag_are_waited_out() {
    for milliseconds in [2, 20, 60] {
        let world = World::new(SCENARIO);
        let (plan, run) = complete(&world, Volumes::Original).await;
        world.lab.faults().set(Fault::new(FaultKind::Lag { milliseconds }));
        let mut engine = world.take_up(&plan, &run).await;
        let state = kept(&mut engine, &plan, Keep::default()).await.unwrap();
        assert_eq!(
            state,
            State::Finalized,
            "{milliseconds} ms: {:?}",
            world.reporter.failures()
        );
        world.lab.faults().clear(None);
        check(&world, &plan).await;
    }
}

/// What an undisturbed one comes to, and how many points it has.
async fn undisturbed() -> (Value, usize) {
    let world = World::new(SCENARIO);
    let (plan, run) = complete(&world, Volumes::Original).await;
    let killer = Killer::counting();
    let state = kept_until_killed(&world, &plan, &run, &killer).await;
    assert_eq!(state, Some(State::Finalized), "{:?}", world.reporter.failures());
    check(&world, &plan).await;
    (nameless(&world, &run), killer.points())
}

async fn killed_at(point: usize, expected: &Value) -> Result<(), String> {
    let world = World::new(SCENARIO);
    let (plan, run) = complete(&world, Volumes::Original).await;
    let killer = Killer::at(point);
    if let Some(state) = kept_until_killed(&world, &plan, &run, &killer).await {
        return Err(format!("it was not killed, and is {state}"));
    }
    let mut engine = world.take_up(&plan, &run).await;
    let state = kept(&mut engine, &plan, Keep::default())
        .await
        .map_err(|error| error.to_string())?;
    if state != State::Finalized {
        return Err(format!("it is {state}: {:?}", world.reporter.failures()));
    }
    let differ = differences(expected, &nameless(&world, &run));
    if differ.is_empty() {
        Ok(())
    } else {
        Err(differ.join("\n"))
    }
}

/// As [`killed_at`], where the termination is refused, so that all is taken back. Whoever goes on may do it then.
async fn killed_back(point: usize, expected: &Value) -> Result<(), String> {
    let world = World::new(SCENARIO);
    let (plan, run) = complete(&world, Volumes::Original).await;
    world.lab.faults().set(denied("TerminateInstances"));
    let killer = Killer::at(point);
    if let Some(state) = kept_until_killed(&world, &plan, &run, &killer).await {
        return Err(format!("it was not killed, and is {state}"));
    }
    world.lab.faults().clear(None);
    let mut engine = world.take_up(&plan, &run).await;
    let state = kept(&mut engine, &plan, Keep::default())
        .await
        .map_err(|error| error.to_string())?;
    if state != State::Finalized {
        return Err(format!("it is {state}: {:?}", world.reporter.failures()));
    }
    // Things that were made twice have other names.
    check(&world, &plan).await;
    let differ = differences(expected, &nameless(&world, &run));
    let other: Vec<_> = differ
        .into_iter()
        .filter(|place| !place.contains("/snapshots/") && !place.contains("/images/"))
        .collect();
    if other.is_empty() {
        Ok(())
    } else {
        Err(other.join("\n"))
    }
}

/// As [`killed_at`], and then taken back where the source is still there: the account is as it was before, and the run can be
/// rolled back. Where it is not, that is refused. Gives whether it was taken back.
async fn killed_and_withdrawn(point: usize) -> Result<bool, String> {
    let world = World::new(SCENARIO);
    let (plan, run) = complete(&world, Volumes::Original).await;
    let before = world.state();
    kept_until_killed(&world, &plan, &run, &Killer::at(point)).await;
    let mut engine = world.take_up(&plan, &run).await;
    if engine.state() != State::Readdressing {
        return Ok(false);
    }
    let killed = world.state();
    match engine.withdraw(&readdress::way(&plan, Keep::default())).await {
        Ok(State::Complete) => {
            let differ = differences(&before, &world.state());
            if !differ.is_empty() {
                return Err(differ.join("\n"));
            }
            match engine.back(&actions_of(&plan)).await {
                Ok(State::RolledBack) => Ok(true),
                other => Err(format!("{other:?}: {:?}", world.reporter.failures())),
            }
        }
        Ok(state) => Err(format!("it is {state}: {:?}", world.reporter.failures())),
        Err(error) if error.to_string().contains("the source is terminated") => {
            let differ = differences(&killed, &world.state());
            if differ.is_empty() {
                Ok(false)
            } else {
                Err(differ.join("\n"))
            }
        }
        Err(error) => Err(error.to_string()),
    }
}

/// How many points there are where the termination is refused.
async fn points_back() -> usize {
    let world = World::new(SCENARIO);
    let (plan, run) = complete(&world, Volumes::Original).await;
    world.lab.faults().set(denied("TerminateInstances"));
    let killer = Killer::counting();
    let state = kept_until_killed(&world, &plan, &run, &killer).await;
    assert_eq!(state, Some(State::Complete), "{:?}", world.reporter.failures());
    killer.points()
}

/// Killed before and after every call and every write to the journal, from the target's stop to the last deletion.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "carries out hundreds of runs: cargo xtask test"]
async fn killed_everywhere_and_gone_on_with() {
    let (expected, points) = undisturbed().await;
    assert!(points > 150, "{points} points are too few to be all");
    let back = points_back().await;
    eprintln!("{points} points, {back} where it is taken back");
    sweep(points, |point| killed_at(point, &expected)).await;
    sweep(back, |point| killed_back(point, &expected)).await;
    let withdrawn = AtomicUsize::new(0);
    sweep(points, |point| {
        let withdrawn = &withdrawn;
        async move {
            let was = killed_and_withdrawn(point).await?;
            withdrawn.fetch_add(usize::from(was), Ordering::Relaxed);
            Ok(())
        }
    })
    .await;
    let withdrawn = withdrawn.into_inner();
    eprintln!("{withdrawn} withdrawn");
    assert!(
        withdrawn > 50,
        "{withdrawn} points are too few to be all before the termination"
    );
}
