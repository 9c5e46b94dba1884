//! Ten thousand instances in twenty accounts and seventeen regions, at EC2's own request rates.
//!
//! The lab is in this process, the audit in a child, so that its memory is its own. It takes the program from
//! `COMEBACK_PROGRAM`: `COMEBACK_PROGRAM=target/release/comeback cargo test --test scale -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use comeback_audit::model::{Audit, Coverage};
use comeback_lab::{Fault, FaultKind, Lab, Scenario};

const ACCOUNTS: u64 = 20;
const REGIONS: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];
const INSTANCES: u64 = 10_000;
const LATENCY: u64 = 20;
/// Bytes.
const MOST_MEMORY: u64 = 150 << 20;

/// An estate: the first `holders` accounts have instances in the first `used` regions, one of five paravirtual in Tokyo.
fn scenario(holders: u64, used: usize) -> String {
    let mut text = String::from("name = \"scale\"\ndescription = \"ten thousand instances\"\n");
    let places = holders * u64::try_from(used).unwrap();
    let mut place = 0;
    for account in 1..=ACCOUNTS {
        let id = format!("{account:012}");
        writeln!(
            text,
            "[[accounts]]\nid = \"{id}\"\nname = \"client {account}\"\nroles = [\"audit\"]"
        )
        .unwrap();
        for region in REGIONS.iter().take(if account <= holders { used } else { 0 }) {
            // So many that all places together have exactly as many as there should be.
            let count = INSTANCES * (place + 1) / places - INSTANCES * place / places;
            place += 1;
            let paravirtual = if *region == "ap-northeast-1" { count / 5 } else { 0 };
            writeln!(text, "[[regions]]\naccount = \"{id}\"\nname = \"{region}\"").unwrap();
            for (name, kind, rest, count) in [
                ("old", "m3.medium", "kernel = \"aki-44992845\"\n", paravirtual),
                ("xen", "m4.large", "", (count - paravirtual) / 2),
                ("new", "m5.large", "", count - paravirtual - (count - paravirtual) / 2),
            ] {
                if count > 0 {
                    writeln!(
                        text,
                        "[[regions.instances]]\nname = \"{name}\"\ncount = {count}\ntype = \"{kind}\"\n{rest}launched = \"-30d\"\n\
                         elastic_ip = true\ntags = {{ Project = \"scale\", Owner = \"operations\" }}\n\
                         root = {{ device = \"/dev/sda1\", size = 8 }}"
                    )
                    .unwrap();
                }
            }
        }
    }
    text
}

/// The most memory that a process has had so far, in bytes.
fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

struct Run {
    audit: Audit,
    took: Duration,
    memory: u64,
    calls: u64,
}

fn run(holders: u64, used: usize) -> Run {
    let program = std::env::var_os("COMEBACK_PROGRAM").expect("COMEBACK_PROGRAM has to name the program");
    let scenario = Scenario::parse("scale", &scenario(holders, used)).unwrap();
    let lab = Lab::builder()
        .instant()
        .seed(7)
        .rates(1.0)
        .scenario(scenario)
        .build()
        .unwrap();
    lab.faults()
        .set(Fault::new(FaultKind::Latency { milliseconds: LATENCY }));
    let serving = lab.serve(0).unwrap();
    let keys = lab.keys().remove(0);
    let begun = Instant::now();
    let mut child = Command::new(program)
        .args(["audit", "--organization-role", "audit", "--format", "json"])
        .env("AWS_ENDPOINT_URL", serving.url())
        .env("AWS_ACCESS_KEY_ID", &keys.access_key)
        .env("AWS_SECRET_ACCESS_KEY", &keys.secret_key)
        .env("AWS_REGION", "ap-northeast-1")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        out.read_to_end(&mut text).unwrap();
        text
    });
    let mut memory = 0;
    let status = loop {
        memory = memory.max(peak(child.id()).unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let took = begun.elapsed();
    assert_eq!(status.code(), Some(1), "there are instances at risk, and all was read");
    let calls = lab.calls();
    let throttled: u64 = calls.values().map(|calls| calls.throttled).sum();
    assert_eq!(throttled, 0, "the budget keeps to the rates");
    Run {
        audit: serde_json::from_slice(&reader.join().unwrap()).unwrap(),
        took,
        memory,
        calls: calls.values().map(|calls| calls.total).sum(),
    }
}

fn check(holders: u64, used: usize) {
    let run = run(holders, used);
    let ledger = &run.audit.ledger;
    assert_eq!(ledger.instances(), INSTANCES);
    assert!(ledger.is_complete());
    let whole = |with: bool| {
        let entries = ledger
            .entries
            .iter()
            .filter(|entry| entry.coverage == Coverage::Read && (entry.instances > 0) == with);
        u64::try_from(entries.count()).unwrap()
    };
    let (filled, empty) = (whole(true), whole(false));
    assert_eq!(filled + empty, ACCOUNTS * 17);
    // Two for each thousand of a region, begun ones included, and four for each empty one. What is asked of accounts has to
    // fit into what is left of that, or, where no region is empty, into four for each that is not.
    let pages: u64 = ledger.entries.iter().map(|entry| entry.instances.div_ceil(1000)).sum();
    let allowed = if empty > 0 { 2 * pages + 4 * empty } else { 4 * filled };
    println!(
        "{used} regions of {holders} accounts: {INSTANCES} instances, {:.2} s, {:.1} MiB, {} calls of {allowed} allowed",
        run.took.as_secs_f64(),
        run.memory as f64 / f64::from(1 << 20),
        run.calls
    );
    for (name, count) in &ledger.calls {
        println!("  {count:5} {name}");
    }
    let told: u64 = ledger.calls.values().sum();
    assert_eq!(told, run.calls, "what it tells of its calls is what the lab has seen");
    assert!(run.calls <= allowed, "{} calls", run.calls);
    // The rates: a bucket of 50 for each action, account and region at half the share; none is called more often, so that
    // they forbid nothing, and the bound is the plain one.
    assert!(pages / (ACCOUNTS * 17) < 50);
    assert!(run.took < Duration::from_secs(10), "{:?}", run.took);
    assert!(run.memory < MOST_MEMORY, "{} bytes", run.memory);
}

#[test]
#[ignore = "takes a built program, and measures"]
fn ten_thousand_instances_everywhere() {
    check(ACCOUNTS, 17);
}

#[test]
#[ignore = "takes a built program, and measures"]
fn ten_thousand_instances_in_one_region_of_each_account() {
    check(ACCOUNTS, 1);
}

/// Whole pages at the same time are what takes most memory.
#[test]
#[ignore = "takes a built program, and measures"]
fn ten_thousand_instances_in_ten_full_pages() {
    check(10, 1);
}
