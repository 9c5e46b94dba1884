//! Plans and runs on the command line, in a lab without machines. No host answers there, so no run gets past step 3.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use comeback_testkit::{golden, image};
use serde_json::Value;
use world::{Said, World, has, said, text};

#[test]
fn a_plan_is_shown_saved_and_goes_stale() {
    let world = World::new("estate");
    let file = world.path("archive.plan");
    let plan = world.ends(0, &["plan", "archive", "-o", text(&file)]);
    has(
        &plan.out,
        &[
            "(archive), 111122223333 in ap-northeast-1",
            "~ virtualization   paravirtual -> hvm",
            "- kernel image     aki-44992845",
            ": /dev/sda1 -> /dev/xvda",
            ": /dev/sdg1 -> /dev/sdg",
            "9 start the target",
            "RunInstances",
            "USD",
            "ssh-is-open-to: the host gets the source's security groups",
            "reservation-stays: whether m3.medium is reserved",
            "(and the name ip-127-16-0-10.ap-northeast-1.compute.internal) stays with the source",
        ],
    );
    let last = plan
        .out
        .lines()
        .rev()
        .find(|line| line.starts_with("  warning"))
        .unwrap();
    assert!(
        plan.out.rfind("  info").unwrap() < plan.out.find(last).unwrap(),
        "warnings come last"
    );
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let saved = std::fs::read_to_string(&file).unwrap();
    let other = world.path("other.plan");
    let refused = |changed: &str, word: &str| {
        std::fs::write(&other, changed).unwrap();
        has(&world.ends(1, &["migrate", text(&other), "--yes"]).err, &[word]);
    };
    refused(&saved[..saved.len() / 2], "only a part");
    refused(&saved.replacen("\"version\": 1", "\"version\": 7", 1), "version 7");
    refused(&saved.replace("111122223333", "444455556666"), "account 444455556666");
    refused(
        &saved.replace("\"m3.medium\"", "\"m3.large\""),
        "instance.instance_type: was m3.large, is m3.medium",
    );
    // Also when it is what would have been taken anyway: the plan may say otherwise.
    for wish in [["--type", "m3.large"], ["--on", "original"], ["--verify-port", "443"]] {
        let said = world.ends(64, &["migrate", text(&file), wish[0], wish[1], "--yes"]);
        has(&said.err, &[wish[0], "comeback plan"]);
    }
    assert_eq!(world.runs(), [Value::Null; 0], "nothing was begun");
}

#[test]
fn what_cannot_be_migrated_is_refused_with_what_to_do() {
    let world = World::new("estate");
    let said = world.ends(1, &["plan", "archive", "on-instance-store"]);
    has(&said.err, &["instance-store-root", "instead: copy its root"]);
    has(
        &world.ends(1, &["migrate", "archive", "bid", "--yes"]).err,
        &["not-on-demand"],
    );
    has(&world.ends(1, &["plan", "nobody"]).err, &["no instance", "nobody"]);
    has(&world.ends(1, &["plan", "arch*"]).err, &["arch*"]);
    has(&world.ends(64, &["migrate", "archive"]).err, &["--yes"]);
    has(
        &world.ends(64, &["plan", "archive", "--rate-share", "2"]).err,
        &["at most 1"],
    );
    has(
        &world.ends(64, &["plan", "archive", "--region", "Mars!"]).err,
        &["--region"],
    );
    has(
        &world.ends(64, &["plan", "archive", "--host-image", "x"]).err,
        &["--host-image"],
    );
    has(&world.ends(3, &["status", "20170101"]).err, &["comeback runs"]);
    let mut without = world.command(&["migrate", "archive", "--yes"]);
    let without = said_without_agent(&mut without, &world);
    has(&without.err, &["cargo xtask agent"]);
    assert_eq!(without.code, Some(3));
    assert_eq!(world.runs(), [Value::Null; 0], "nothing was begun");
}

#[test]
#[ignore = "waits for half a minute: cargo xtask test"]
fn a_saved_plan_is_shown_again_only_where_a_question_is_asked() {
    let world = World::new("estate");
    let file = world.path("archive.plan");
    world.ends(0, &["plan", "archive", "-o", text(&file)]);
    let asked = world.ends(64, &["migrate", text(&file)]);
    has(&asked.err, &["Plan for i-", "To know before agreeing"]);
    let said = world.ends(1, &["migrate", text(&file), "--yes", "--host-within", "1"]);
    has(&said.err, &["(archive): m3.medium -> t2.medium (xen-hvm), 3 volumes"]);
    assert!(!said.err.contains("To know before agreeing"), "{}", said.err);
}

/// The disk of a golden guest.
fn disk(world: &World, guest: &str) -> std::path::PathBuf {
    let guest = golden::load(&golden::repository_folder().join(guest)).unwrap();
    let folder = world.path("guest");
    guest.materialise(&folder).unwrap();
    let made = image::build_ext(&folder, &guest.description).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    made
}

#[test]
fn a_copy_of_the_disk_decides_where_it_goes_and_whether() {
    let world = World::new("tokyo");
    // What a host would be sent is no boot code here, and the disk is converted by this machine.
    let say = |disk: &Path, more: &[&str]| {
        let mut command = world.command(&["plan", "shop", "--disk", text(disk)]);
        command.args(more);
        match std::env::var_os("COMEBACK_BOOT_ASSETS") {
            Some(assets) => command.env("COMEBACK_BOOT_ASSETS", assets),
            None => command.env_remove("COMEBACK_BOOT_ASSETS"),
        };
        said(&mut command)
    };
    let good = disk(&world, "amazon-linux-2018.03");
    let plan = say(&good, &[]);
    assert_eq!(plan.code, Some(0), "{}", plan.err);
    has(
        &plan.out,
        &[
            "m3.medium -> t3.medium (nitro)",
            "boots on xen-hvm and nitro then",
            "nitro, as by its inspection",
        ],
    );
    let asked = say(&good, &["--target", "xen-hvm"]);
    has(&asked.out, &["m3.medium -> t2.medium (xen-hvm)"]);

    // Its initramfs has what its own machine needed, and no driver of Nitro's disks.
    let xen = disk(&world, "ubuntu-12.04");
    let plan = say(&xen, &[]);
    has(
        &plan.out,
        &["m3.medium -> t2.medium (xen-hvm)", "boots on xen-hvm then"],
    );
    let refused = say(&xen, &["--target", "nitro"]);
    assert_eq!(refused.code, Some(1), "{}", refused.out);
    has(&refused.err, &["disk-does-not-boot-there", "--target xen-hvm"]);

    let zeros = world.path("zeros.img");
    std::fs::write(&zeros, vec![0; 1 << 20]).unwrap();
    let broken = say(&zeros, &[]);
    assert_eq!(broken.code, Some(1), "{}", broken.out);
    has(&broken.err, &["disk-not-convertible", "instead: "]);
    let missing = say(&world.path("nowhere.img"), &[]);
    assert_eq!(missing.code, Some(3), "{}", missing.out);
    has(&missing.err, &["nowhere.img"]);
    has(
        &world.ends(64, &["plan", "shop", "shop-2", "--disk", text(&good)]).err,
        &["one instance"],
    );
}

fn said_without_agent(command: &mut Command, world: &World) -> Said {
    said(command.env("COMEBACK_AGENT", world.path("missing")))
}

#[test]
#[ignore = "waits for half a minute: cargo xtask test"]
fn a_run_whose_host_does_not_answer_is_taken_back_and_finalized() {
    let world = World::new("estate");
    let said = world.ends(1, &["migrate", "archive", "--yes", "--json", "--host-within", "1"]);
    let events: Vec<Value> = said
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events[0]["event"], "version");
    assert!(
        events
            .iter()
            .any(|event| event["event"] == "failed" && event["action"] == "host/answer")
    );
    let last = events.last().unwrap();
    assert_eq!((&last["event"], &last["state"]), (&"run".into(), &"rolled-back".into()));
    let run = last["run"].as_str().unwrap();

    let status = world.ends(0, &["status", run]).out;
    has(
        &status,
        &[
            "rolled-back",
            "turned back at host/answer",
            "open the port of SSH",
            "comeback finalize",
        ],
    );
    assert_eq!(world.runs()[0]["state"], "rolled-back");
    has(&world.ends(1, &["resume", run]).err, &["it is over"]);
    has(&world.ends(64, &["finalize", run]).err, &["--yes"]);
    has(
        &world.ends(0, &["finalize", run, "--yes"]).err,
        &["no longer needs:", "- snapshot snap-"],
    );
    has(&world.ends(1, &["rollback", run, "--yes"]).err, &["was deleted"]);
}

#[test]
#[ignore = "waits for half a minute: cargo xtask test"]
fn a_run_that_stopped_is_shown_and_taken_back_with_a_start() {
    let world = World::new("estate");
    let stop = [
        "migrate",
        "archive",
        "--yes",
        "--on-failure",
        "stop",
        "--host-within",
        "1",
    ];
    let said = world.ends(3, &stop);
    has(
        &said.out,
        &[
            "failed",
            "host/answer: ",
            "open the port of SSH",
            "comeback resume",
            "comeback rollback",
        ],
    );
    has(&said.err, &["3 create and start the HVM host", "  ! "]);
    let runs = world.runs();
    let run = runs[0]["run"].as_str().unwrap();
    has(&world.ends(1, &["finalize", run, "--yes"]).err, &["it is not over"]);
    // The host has the source's name as well, and does not count.
    has(&world.ends(1, &["plan", "archive"]).err, &["held", run]);
    let id = runs[0]["instance"].as_str().unwrap();
    has(&world.ends(1, &["plan", id]).err, &["held", run]);
    let back = world.ends(0, &["rollback", run, "--yes", "--start"]);
    has(&back.out, &["rolled-back"]);
    assert_eq!(back.err.matches("is rolling-back").count(), 1, "{}", back.err);
    world.ends(0, &["plan", id]);
}

#[test]
#[ignore = "waits for half a minute: cargo xtask test"]
fn on_a_terminal_steps_are_drawn_and_what_has_to_be_read_is_written() {
    let world = World::new("estate");
    let stop = [
        "migrate",
        "archive",
        "--yes",
        "--on-failure",
        "stop",
        "--host-within",
        "1",
    ];
    let (code, screen) = world.on_terminal(&stop);
    assert_eq!(code, Some(3), "{screen}");
    let runs = world.runs();
    let run = runs[0]["run"].as_str().unwrap();
    has(
        &screen,
        &[
            &format!("run {run} is running\r\n"),
            "1 stop the source ",
            "done ",
            "9 start the target",
            "! 3 create and start the HVM host: ",
            "open the port of SSH",
            &format!("run {run} is failed, after "),
            "comeback rollback",
        ],
    );
    let (code, screen) = world.on_terminal(&["rollback", run, "--yes"]);
    assert_eq!(code, Some(0), "{screen}");
    has(&screen, &["earlier", "undo", "taken back", "detach its volumes"]);
    let (code, screen) = world.on_terminal(&["finalize", run, "--yes"]);
    assert_eq!(code, Some(0), "{screen}");
    has(&screen, &["delete what is no longer needed", "is finalized, after "]);
}
