//! The audit and two scanners that others wrote, in turns on the same estate: how long each takes, and how often it asks.
//!
//! `cargo xtask bench audit` runs it and writes its table into docs/performance.md. By hand it takes the program from
//! `COMEBACK_PROGRAM`, Pythons with Prowler and with Cloud Custodian from `COMEBACK_PROWLER` and `COMEBACK_CUSTODIAN` (`cargo xtask
//! python prowler`, `cargo xtask python custodian`), and the file for the table from `COMEBACK_TABLE`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod large;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use comeback_audit::model::Audit;
use large::{ACCOUNTS, INSTANCES, REGIONS, World, account};

/// Paravirtual instances in the estate, all of them in Tokyo.
const PARAVIRTUAL: u64 = 100;

/// The instances that the estate's trigger is about.
const POLICY: &str =
    "policies:\n  - name: kernel\n    resource: aws.ec2\n    filters:\n      - KernelId: aki-44992845\n";

/// What one scanner did.
struct Run {
    name: String,
    command: String,
    /// From the start to the end, once for each time that it ran.
    took: Vec<Duration>,
    /// On a processor, without what the lab took.
    processor: Duration,
    calls: u64,
    errors: u64,
    throttled: u64,
    /// The action that was called most, and how often.
    most: (String, u64),
    /// Paravirtual instances that it found.
    found: u64,
}

fn program(variable: &str) -> PathBuf {
    let named = std::env::var_os(variable);
    PathBuf::from(
        named.unwrap_or_else(|| panic!("{variable} has to name a program; `cargo xtask bench audit` sets it")),
    )
}

/// What is beside a Python in its folder.
fn beside(python: &Path, name: &str) -> PathBuf {
    python.with_file_name(name)
}

/// The version of a package of a Python.
fn version(python: &Path, package: &str) -> String {
    let script = format!("import importlib.metadata as m; print(m.version('{package}'))");
    let output = Command::new(python).args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{package} is not in {}", python.display());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Processor time of all children so far that were waited for, and of theirs: `cutime` and `cstime` of proc_pid_stat(5), in
/// hundredths of a second.
fn children() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name of the program is in brackets, and can have anything in it.
    let (_, rest) = text.rsplit_once(')').unwrap();
    let ticks: u64 = rest
        .split_whitespace()
        .skip(13)
        .take(2)
        .map(|field| field.parse::<u64>().unwrap())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// Runs commands one after another, which have to end with one of `codes`, and counts what the lab saw.
fn measure(name: String, shown: &str, world: &World, commands: Vec<Command>, codes: &[i32], log: &Path) -> Run {
    let (begun, before) = (Instant::now(), children());
    for mut command in commands {
        let file = std::fs::File::options().append(true).create(true).open(log).unwrap();
        command.stdin(Stdio::null()).stderr(file);
        let status = command.status().unwrap();
        assert!(
            status.code().is_some_and(|code| codes.contains(&code)),
            "{command:?}: {status}\n{}",
            std::fs::read_to_string(log).unwrap()
        );
    }
    let took = begun.elapsed();
    let calls = world.lab.calls();
    let most = calls.iter().max_by_key(|(_, calls)| calls.total).unwrap();
    Run {
        name,
        command: shown.to_owned(),
        took: vec![took],
        processor: children() - before,
        calls: calls.values().map(|calls| calls.total).sum(),
        errors: calls.values().map(|calls| calls.errors).sum(),
        throttled: calls.values().map(|calls| calls.throttled).sum(),
        most: (most.0.clone(), most.1.total),
        found: 0,
    }
}

fn comeback(folder: &Path) -> Run {
    let world = World::new(ACCOUNTS, REGIONS.len());
    let out = folder.join("audit.json");
    let mut command = world.command(program("COMEBACK_PROGRAM"));
    command
        .args(["audit", "--organization-role", "audit", "--format", "json", "--output"])
        .arg(&out)
        .stdout(Stdio::null());
    let shown = "comeback audit --organization-role audit --format json --output FILE";
    let name = format!("comeback {}", env!("CARGO_PKG_VERSION"));
    let run = measure(name, shown, &world, vec![command], &[1], &folder.join("audit.log"));
    let audit: Audit = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    let is_old = |finding: &comeback_audit::model::Finding| finding.rule == "pv-grub-1.03";
    let found = audit.instances.iter().filter(|one| one.findings.iter().any(is_old));
    Run {
        found: u64::try_from(found.count()).unwrap(),
        ..run
    }
}

fn prowler(folder: &Path) -> Run {
    let python = program("COMEBACK_PROWLER");
    let world = World::new(ACCOUNTS, REGIONS.len());
    let out = folder.join("prowler");
    let one = |number: u64| {
        let mut command = world.command(beside(&python, "prowler"));
        command
            .args(["aws", "--checks", "ec2_instance_paravirtual_type", "--role"])
            .arg(format!("arn:aws:iam::{}:role/audit", account(number)))
            .args(["--output-formats", "csv", "--no-banner", "--no-color"])
            .args(["--log-level", "CRITICAL", "--output-directory"])
            .arg(&out)
            .stdout(Stdio::null());
        command
    };
    let shown = "for each account: prowler aws --checks ec2_instance_paravirtual_type --role ARN --output-formats csv --no-banner --no-color --log-level CRITICAL --output-directory FOLDER";
    let name = format!("Prowler {}", version(&python, "prowler"));
    // It ends with 3 where a check has failed.
    let commands = (1..=ACCOUNTS).map(one).collect();
    let run = measure(name, shown, &world, commands, &[0, 3], &folder.join("prowler.log"));
    let mut found = 0;
    for entry in std::fs::read_dir(&out).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "csv") {
            let text = std::fs::read_to_string(&path).unwrap();
            found += text.lines().filter(|line| line.contains(";FAIL;")).count();
        }
    }
    Run {
        found: u64::try_from(found).unwrap(),
        ..run
    }
}

fn custodian(folder: &Path) -> Run {
    let python = program("COMEBACK_CUSTODIAN");
    let world = World::new(ACCOUNTS, REGIONS.len());
    let (config, policy, out) = (
        folder.join("accounts.yml"),
        folder.join("kernel.yml"),
        folder.join("custodian"),
    );
    let mut accounts = String::from("accounts:\n");
    for number in 1..=ACCOUNTS {
        let id = account(number);
        let regions = REGIONS.join(", ");
        writeln!(
            accounts,
            "  - {{name: client-{number}, account_id: \"{id}\", role: \"arn:aws:iam::{id}:role/audit\", regions: [{regions}]}}"
        )
        .unwrap();
    }
    std::fs::write(&config, accounts).unwrap();
    std::fs::write(&policy, POLICY).unwrap();
    let mut command = world.command(beside(&python, "c7n-org"));
    command
        .args(["run", "--cache-period", "0", "--config"])
        .arg(&config)
        .arg("--use")
        .arg(&policy)
        .arg("--output-dir")
        .arg(&out)
        .stdout(Stdio::null());
    let shown = "c7n-org run --cache-period 0 --config accounts.yml --use kernel.yml --output-dir FOLDER";
    let name = format!("Cloud Custodian {}", version(&python, "c7n"));
    let run = measure(name, shown, &world, vec![command], &[0], &folder.join("custodian.log"));
    let mut found = 0;
    let mut read = 0;
    for number in 1..=ACCOUNTS {
        for region in REGIONS {
            let path = out.join(format!("client-{number}/{region}/kernel/resources.json"));
            let Ok(bytes) = std::fs::read(&path) else { continue };
            let resources: Vec<serde_json::Value> = serde_json::from_slice(&bytes).unwrap();
            read += 1;
            found += resources.len();
        }
    }
    assert_eq!(read, usize::try_from(ACCOUNTS).unwrap() * REGIONS.len(), "regions");
    Run {
        found: u64::try_from(found).unwrap(),
        ..run
    }
}

impl Run {
    /// The median, and the least and the most if it ran more than once.
    fn time(&self) -> (Duration, String) {
        let mut all = self.took.clone();
        all.sort_unstable();
        let seconds = |at: usize| format!("{:.1}", all[at].as_secs_f64());
        let middle = all.len() / 2;
        let text = match all.len() {
            1 => seconds(0),
            count => format!("{} ({}–{})", seconds(middle), seconds(0), seconds(count - 1)),
        };
        (all[middle], text)
    }
}

fn table(runs: &[Run]) -> String {
    let mut text = String::from(
        "| scanner | time, s | times | processor, s | calls | times | for 1,000 instances | throttled, other errors | most called | found |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for run in runs {
        let (median, time) = run.time();
        writeln!(
            text,
            "| {} | {time} | {:.1} | {:.1} | {} | {:.1} | {:.0} | {}, {} | {} {} | {} of {PARAVIRTUAL} |",
            run.name,
            median.as_secs_f64() / runs[0].time().0.as_secs_f64(),
            run.processor.as_secs_f64(),
            run.calls,
            run.calls as f64 / runs[0].calls as f64,
            run.calls as f64 * 1000.0 / INSTANCES as f64,
            run.throttled,
            run.errors - run.throttled,
            run.most.1,
            run.most.0,
            run.found,
        )
        .unwrap();
    }
    text.push('\n');
    for run in runs {
        writeln!(text, "- {}: `{}`", run.name, run.command).unwrap();
    }
    text
}

#[test]
#[ignore = "takes COMEBACK_PROGRAM, COMEBACK_PROWLER and COMEBACK_CUSTODIAN, and measures for a quarter of an hour"]
fn the_audit_beside_prowler_and_cloud_custodian() {
    let folder = tempfile::tempdir().unwrap();
    // What else this machine does changes in a quarter of an hour, so the audit runs before, between and after the others.
    let first = comeback(folder.path());
    let custodian = custodian(folder.path());
    let second = comeback(folder.path());
    let prowler = prowler(folder.path());
    let third = comeback(folder.path());
    let took = [&first, &second, &third].into_iter().flat_map(|run| run.took.clone());
    let comeback = Run {
        took: took.collect(),
        ..first
    };
    let runs = [comeback, custodian, prowler];
    let text = table(&runs);
    println!("{text}");
    if let Some(path) = std::env::var_os("COMEBACK_TABLE") {
        std::fs::write(path, &text).unwrap();
    }
    for run in &runs {
        assert_eq!(run.found, PARAVIRTUAL, "{}", run.name);
    }
    assert!(
        runs.iter().skip(1).all(|run| runs[0].took < run.took),
        "it is not the fastest"
    );
}
