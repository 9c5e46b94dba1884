//! `cargo xtask test`: everything that has to hold, in the order of what it costs.

use std::env;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::ValueEnum as _;

use crate::packages::{self, Group};
use crate::run::Beside;
use crate::steps::Step;
use crate::{agent, assets, cache, guests, python, run, xen};

/// Where cargo-deny is kept: it takes minutes to build, and only a fresh machine pays.
const DENY: &str = "cargo-deny";

/// Every step selects the whole workspace, as another selection of packages can have other features of their dependencies, for
/// which these are built again.
pub(crate) fn command(quick: bool) -> Result<()> {
    let started = Instant::now();
    // Asked for now: a build that replaces this program while it runs makes the answer useless.
    let xtask = env::current_exe().context("finding this program")?;
    step(started, "packages");
    packages::install(Group::ALL)?;
    step(started, "boot assets");
    let boot = assets::ready()?;
    step(started, "agent");
    let agent = agent::ready()?;

    step(started, "cargo fmt --check");
    run::loudly(
        Command::new(cargo())
            .current_dir(cache::workspace())
            .args(["fmt", "--check"]),
    )?;
    step(started, "cargo clippy");
    run::loudly(cache::cargo("clippy")?.args(["--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    if !quick {
        step(started, "cargo check of the fuzz targets");
        run::loudly(
            cache::cargo("check")?
                .args(["--locked", "--manifest-path", "fuzz/Cargo.toml"])
                // Nothing is linked, so libFuzzer need not be compiled.
                .env("CUSTOM_LIBFUZZER_PATH", "unused/libFuzzer.a"),
        )?;
        step(started, "cargo deny check");
        deny()?;
    }
    step(started, "cargo test");
    let mut tests = cache::cargo("test")?;
    tests
        .arg("--workspace")
        .env("COMEBACK_BOOT_ASSETS", &boot)
        .env("COMEBACK_AGENT", &agent);
    if quick {
        // A tenth of the damaged disks, and no examples in the documentation: each is compiled anew.
        tests.args(["--lib", "--bins", "--tests"]).env("COMEBACK_QUICK", "1");
    }
    run::loudly(&mut tests)?;
    if quick {
        eprintln!("\nThe boots and the hundreds of runs were left out: `cargo xtask test` runs them.");
        return Ok(());
    }

    step(
        started,
        "migrations that are killed everywhere, and struck by every fault",
    );
    run::loudly(cache::cargo("test")?.args([
        "--workspace",
        "--test",
        "killed",
        "--test",
        "faults",
        "--test",
        "keep_private_ip",
        "--",
        "--ignored",
        "--nocapture",
    ]))?;

    // It waits for EC2's rates most of the time, and so do the next ones for other things.
    let many = Beside::start(
        cache::cargo("test")?.args(["--workspace", "--test", "many", "--", "--ignored", "--nocapture"]),
        &cache::target()?.join("many.log"),
    )?;
    run::give_way()?;
    step(started, "runs on the command line whose host does not answer");
    run::loudly(cache::cargo("test")?.args(["--workspace", "--test", "migrate", "--", "--ignored"]))?;

    step(started, "the lab, by boto3 and the AWS command line");
    run::loudly(
        cache::cargo("test")?
            .args(["--workspace", "--test", "conformance", "--", "--ignored"])
            .env("COMEBACK_PYTHON", python::ready(python::Set::Clients)?),
    )?;

    for part in Step::value_variants() {
        step(started, part.title());
        part.run()?;
    }
    step(
        started,
        "five hundred migrations at once, begun before: as many minutes as EC2's rates need",
    );
    many.end()?;

    step(started, "guests");
    let recipes = guests::recipes(&[])?;
    let disks = guests::ready(&recipes)?;
    let named: Vec<String> = recipes
        .iter()
        .zip(&disks)
        .map(|(recipe, disk)| format!("{}={}", recipe.name, disk.display()))
        .collect();
    step(started, "a conversion over SSH");
    run::loudly(
        cache::cargo("test")?
            .args(["--workspace", "--test", "ssh", "--", "--ignored"])
            .env("COMEBACK_AGENT", &agent)
            .env("COMEBACK_GUESTS", named.join("\n")),
    )?;
    step(started, "Xen's dom0");
    xen::ready()?;
    let boots = |arguments: &[&str]| -> Result<()> {
        run::loudly(
            cache::cargo("test")?
                .args(["--workspace", "--test", "boots", "--", "--ignored"])
                .args(arguments)
                .env("COMEBACK_BOOT_ASSETS", &boot)
                .env("COMEBACK_GUESTS", named.join("\n"))
                .env("COMEBACK_XTASK", &xtask),
        )
    };
    step(started, "boots under QEMU: one to two minutes each, two at a time");
    boots(&["--test-threads", "2", "--skip", "under_xen"])?;
    step(started, "the lab's machines: two minutes each");
    run::loudly(
        cache::cargo("test")?
            .args(["--workspace", "--test", "machines"])
            .args(["--", "--ignored", "--test-threads", "1"])
            .env("COMEBACK_GUESTS", named.join("\n"))
            .env("COMEBACK_SSH_KEY", guests::key()?),
    )?;
    step(
        started,
        "the incident, from the reboot that kills to the way back: five minutes",
    );
    run::loudly(
        cache::cargo("test")?
            .args(["--workspace", "--test", "incident"])
            .args(["--", "--ignored", "--nocapture"])
            .env("COMEBACK_AGENT", &agent)
            .env("COMEBACK_BOOT_ASSETS", &boot)
            .env("COMEBACK_GUESTS", named.join("\n"))
            .env("COMEBACK_SSH_KEY", guests::key()?),
    )?;
    // Xen's own time limits are tight for emulation: nothing runs beside it.
    step(started, "boots under a real Xen: three to five minutes each");
    boots(&["--test-threads", "1", "under_xen"])?;
    step(started, "done");
    Ok(())
}

fn step(started: Instant, name: &str) {
    let seconds = started.elapsed().as_secs();
    eprintln!("\n== {:02}:{:02}  {name}", seconds / 60, seconds % 60);
}

fn cargo() -> std::ffi::OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Licences, sources and duplicates of all dependencies. Advisories need a database from the network and are left to
/// whoever has one.
fn deny() -> Result<()> {
    let tools = cache::folder("tools")?;
    let installed = tools.join("bin").join(DENY);
    let program = if Command::new(DENY)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        DENY.into()
    } else {
        if !installed.exists() {
            eprintln!("building {DENY}, once for this machine");
            run::loudly(
                Command::new(cargo())
                    .args(["install", "--locked", "--quiet", DENY, "--root"])
                    .arg(&tools),
            )?;
        }
        if !installed.exists() {
            bail!("{} is not there although it was just built", installed.display());
        }
        installed.into_os_string()
    };
    run::loudly(
        Command::new(program)
            .current_dir(cache::workspace())
            .args(["check", "licenses", "bans", "sources"]),
    )
}
