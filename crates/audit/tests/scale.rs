//! Ten thousand instances in twenty accounts and seventeen regions, at EC2's own request rates.
//!
//! The lab is in this process, the audit in a child, so that its memory is its own. It takes the program from
//! `COMEBACK_PROGRAM`: `COMEBACK_PROGRAM=target/release/comeback cargo test --test scale -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod large;

use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use comeback_audit::model::{Audit, Coverage};
use large::{ACCOUNTS, INSTANCES, World};

/// Bytes.
const MOST_MEMORY: u64 = 150 << 20;

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
    let world = World::new(holders, used);
    let begun = Instant::now();
    let mut child = world
        .command(program)
        .args(["audit", "--organization-role", "audit", "--format", "json"])
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
    let calls = world.lab.calls();
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
