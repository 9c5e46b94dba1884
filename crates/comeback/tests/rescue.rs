//! Diagnosis, rescue and what buys time on the command line, in a lab without machines. No host answers there, so that a rescue by
//! the nine steps does not get past step 3.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use serde_json::Value;
use world::{World, has};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn instance(world: &World, name: &str) -> Value {
    let status = json(&world.ends(0, &["lab", "status", "--json"]).out);
    let all = status["instances"].as_array().unwrap().clone();
    all.into_iter().find(|one| one["name"] == name).unwrap()
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_what_to_do() {
    let world = World::new("tokyo");
    let well = world.ends(0, &["diagnose", "shop"]).out;
    has(
        &well,
        &[
            "(shop): paravirtual, m3.medium in ap-northeast-1, PV-GRUB 1.03 (aki-44992845); running",
            "Nothing is wrong",
            "event     system-reboot, not before",
            "do not reboot or stop it",
            "What to do: nothing",
        ],
    );
    world.ends(0, &["lab", "event", "fire", "shop"]);
    let dead = world.ends(1, &["diagnose", "shop"]).out;
    has(
        &dead,
        &[
            "Wrong: PV-GRUB cannot unpack the kernel",
            "[pv-kernel-compression]",
            "seen      console: ERROR Invalid kernel: xc_dom_probe_bzimage_kernel: unknown compression format",
            "seen      DescribeInstanceStatus InstanceStatus: impaired since",
            "down      since",
            "USD of instance hours",
            "waiting   is no use",
            "What to do: migrate it to HVM in nine steps, dead as it is",
            "type      comeback rescue i-",
        ],
    );
    let told = json(&world.ends(1, &["diagnose", "shop", "--json"]).out);
    assert_eq!(told["problem"]["id"], "pv-kernel-compression");
    assert_eq!(
        (&told["health"], &told["advice"]["way"]),
        (&"wrong".into(), &"nine-steps".into())
    );
    assert_eq!(told["version"], 1);
    // Stopped HVM instances are told, too.
    has(
        &world.ends(1, &["diagnose", "build"]).out,
        &["it is stopped", "aws ec2 start-instances"],
    );
}

#[test]
fn wrong_usage_is_told_from_failure() {
    let world = World::new("tokyo");
    world.ends(64, &["diagnose"]);
    world.ends(64, &["diagnose", "shop", "--format", "raw"]);
    world.ends(64, &["postpone", "shop", "--to", "tomorrow"]);
    world.ends(64, &["rescue", "shop", "--way", "prayer"]);
    has(&world.ends(1, &["diagnose", "nobody"]).err, &["no instance", "nobody"]);
    has(
        &world.ends(3, &["diagnose", "shop", "--disk", "/nowhere.img"]).err,
        &["/nowhere.img"],
    );
    // Nobody is there to be asked.
    for command in ["postpone", "hold", "bump-kernel"] {
        has(&world.ends(64, &[command, "shop"]).err, &["take --yes"]);
    }
    let before = instance(&world, "shop");
    assert_eq!(before["state"], "running", "nothing was done: {before}");
}

#[test]
fn events_are_put_off_and_instances_held() {
    let world = World::new("tokyo");
    let said = world.ends(0, &["postpone", "shop", "--yes"]);
    has(&said.err, &["system-reboot", "at the latest", "mends nothing"]);
    has(&said.out, &["is put off to"]);
    has(
        &world.ends(1, &["postpone", "shop", "--yes"]).err,
        &["last time that AWS allows", "comeback plan"],
    );
    has(
        &world.ends(1, &["postpone", "build", "--yes"]).err,
        &["nothing is scheduled"],
    );

    has(
        &world.ends(1, &["hold", "shop", "--release", "--yes"]).err,
        &["not on record"],
    );
    has(
        &world.ends(0, &["hold", "shop", "--yes"]).out,
        &["is held", "--release"],
    );
    let diagnosis = world.ends(0, &["diagnose", "shop"]).out;
    assert!(!diagnosis.contains("comeback hold"), "{diagnosis}");
    has(&world.ends(0, &["hold", "shop", "--yes"]).err, &["held already"]);
    has(
        &world.ends(0, &["hold", "shop", "--release", "--yes"]).out,
        &["as it was"],
    );
    has(&world.ends(0, &["diagnose", "shop"]).out, &["comeback hold"]);
}

#[test]
#[ignore = "waits for half a minute: cargo xtask test"]
fn a_dead_instance_gets_a_newer_pv_grub_and_the_old_one_back() {
    let world = World::new("tokyo");
    world.ends(0, &["lab", "event", "fire", "shop"]);
    let said = world.ends(0, &["bump-kernel", "shop", "--yes"]);
    has(
        &said.err,
        &[
            "aki-44992845 (PV-GRUB 1.03) -> aki-7077ab11 (PV-GRUB 1.05)",
            "1. snapshots of vol-",
            "risk: the stop and start are themselves",
            "risk: it stays paravirtual",
            "--undo",
        ],
    );
    has(&said.out, &["is up with aki-7077ab11", "Snapshots are kept: snap-"]);
    has(
        &world.ends(1, &["bump-kernel", "shop", "--yes"]).err,
        &["no newer one", "comeback plan"],
    );
    has(
        &world.ends(0, &["diagnose", "shop"]).out,
        &["PV-GRUB 1.05 (aki-7077ab11)"],
    );
    let back = world.ends(1, &["bump-kernel", "shop", "--undo", "--yes"]);
    has(
        &back.out,
        &["does not come up with aki-44992845", "unknown compression format"],
    );
    has(
        &world.ends(1, &["bump-kernel", "shop", "--undo", "--yes"]).err,
        &["on record"],
    );
}

#[test]
#[ignore = "waits for half a minute: cargo xtask test"]
fn a_rescue_takes_the_way_that_is_asked_for() {
    let world = World::new("tokyo");
    let nothing = world.ends(0, &["rescue", "shop", "--yes"]);
    has(&nothing.out, &["Nothing is wrong"]);
    world.ends(0, &["lab", "event", "fire", "shop"]);
    has(
        &world.ends(1, &["rescue", "shop", "--way", "wait", "--yes"]).out,
        &["waiting   is no use"],
    );
    has(
        &world.ends(64, &["rescue", "shop"]).err,
        &["9 start the target", "There is nobody to ask here"],
    );
    assert_eq!(world.runs(), [Value::Null; 0], "nothing was begun");
    let up = world.ends(0, &["rescue", "shop", "--way", "kernel", "--yes", "--json"]);
    let events: Vec<Value> = up.out.lines().map(json).collect();
    let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["version", "diagnosis", "kernel"]);
    assert_eq!(
        (&events[2]["up"], &events[2]["kernel"]),
        (&true.into(), &"aki-7077ab11".into())
    );
    has(&world.ends(0, &["rescue", "shop", "--yes"]).out, &["Nothing is wrong"]);
    // HVM is not ours to start.
    has(
        &world.ends(1, &["rescue", "build", "--yes"]).err,
        &["not done by itself"],
    );
}

#[test]
#[ignore = "waits for a minute: cargo xtask test"]
fn a_rescue_by_the_nine_steps_is_a_run_like_any_other() {
    let world = World::new("tokyo");
    world.ends(0, &["lab", "event", "fire", "shop"]);
    let said = world.ends(1, &["rescue", "shop", "--yes", "--host-within", "1"]);
    has(
        &said.err,
        &[
            "0 snapshot all volumes",
            "1 stop the source",
            "3 create and start the HVM host",
        ],
    );
    has(&said.out, &["rolled-back"]);
    let run = world.runs().remove(0);
    assert_eq!(run["state"], "rolled-back");
    world.ends(0, &["finalize", run["run"].as_str().unwrap(), "--yes"]);
}

#[test]
fn each_command_has_its_policy() {
    let world = World::new("tokyo");
    for (command, has_it, has_not) in [
        ("diagnose", "ec2:GetConsoleOutput", "ec2:StopInstances"),
        ("postpone", "ec2:ModifyInstanceEventStartTime", "ec2:StopInstances"),
        ("hold", "ec2:ModifyInstanceMaintenanceOptions", "ec2:CreateTags"),
        ("bump-kernel", "ec2:ModifyInstanceAttribute", "ec2:RunInstances"),
        ("rescue", "ec2:RunInstances", "ec2:TerminateInstances"),
    ] {
        let policy = world.ends(0, &["iam-policy", command]).out;
        assert!(
            policy.contains(has_it) && !policy.contains(has_not),
            "{command}: {policy}"
        );
    }
}
