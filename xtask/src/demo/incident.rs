//! `cargo xtask demo`: the incident. An audit finds a paravirtual instance in Tokyo, which does not survive its reboot; the nine
//! steps bring it back as HVM, with its data, its address and its tags. A second one goes there and back, and runs as PV again.
//! Reports for a client show how it was before and after.
//!
//! Everything is done by the commands that a person would type, on `comeback lab`, whose instances are virtual machines.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::stage::{Stage, say};
use crate::{cache, guests, packages, program, run};

/// The recipes of the machines that it needs: the guest, and the host that converts it.
const GUESTS: [&str; 2] = ["tokyo", "lab-host"];
/// SSH to all instances: 22 may be this machine's own.
const SSH_PORT: u16 = 2222;
/// How long a machine may take to boot under emulation.
const BOOT: Duration = Duration::from_secs(400);
/// What the guest's own checksums say, asked by SSH.
const DATA: &str = "cd /srv/data && sha256sum -c SHA256SUMS";

/// The rule that finds an instance whose loader is as old as the incident's.
const OLD_PV_GRUB: &str = "pv-grub-1.03";

pub(crate) fn command() -> Result<()> {
    say("Packages that are needed and not there are installed from Debian");
    packages::install(packages::Group::ALL)?;
    say("Building comeback (a quarter of an hour on a fresh machine, seconds later)");
    let program = program::ready_with_agent(false)?;
    say("Making the machines of the incident (minutes on a fresh machine, nothing later)");
    let recipes = guests::recipes(&GUESTS.map(str::to_owned))?;
    let disks = guests::ready(&recipes)?;
    let names: Vec<&str> = recipes.iter().map(|recipe| recipe.name.as_str()).collect();
    let demo = Incident::new(&program, names.into_iter().zip(disks))?;
    demo.show()
}

struct Incident {
    stage: Stage,
    started: Instant,
}

impl Drop for Incident {
    fn drop(&mut self) {
        // Its machines must not outlive the demo, however it ends.
        let _ = self
            .stage
            .shell("comeback lab reset")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

impl Incident {
    fn new(program: &Path, disks: impl Iterator<Item = (impl AsRef<Path>, impl AsRef<Path>)>) -> Result<Self> {
        let mut stage = Stage::new(program)?;
        let guests = stage.path("guests");
        fs::create_dir(&guests).with_context(|| format!("creating {}", guests.display()))?;
        for (name, disk) in disks {
            let link = guests.join(name).with_extension("img");
            std::os::unix::fs::symlink(disk, &link).with_context(|| format!("creating {}", link.display()))?;
        }
        stage.set("COMEBACK_GUESTS_DIR", guests);
        // Its own runs and its own lab, apart from those of the person who looks on.
        stage.set("XDG_STATE_HOME", stage.path("state"));
        // So that what is typed is what one would type: port and key are in the configuration.
        let configuration = format!(
            "Host *\n Port {SSH_PORT}\n User root\n IdentityFile {}\n IdentitiesOnly yes\n BatchMode yes\n ConnectTimeout 5\n LogLevel ERROR\n StrictHostKeyChecking no\n UserKnownHostsFile /dev/null\n",
            guests::key()?.display()
        );
        let path = stage.path("ssh_config");
        fs::write(&path, configuration).with_context(|| format!("writing {}", path.display()))?;
        Ok(Self {
            stage,
            started: Instant::now(),
        })
    }

    fn show(mut self) -> Result<()> {
        say("1. An EC2 on this machine, with a paravirtual instance in Tokyo whose kernel image is aki-44992845");
        self.up()?;
        for name in ["shop", "shop-2"] {
            self.until(name, "up")?;
        }
        self.stage.run("comeback lab status", 0)?;
        let shop = self.instance("shop")?;
        let (address, id) = (text(&shop, "address")?, text(&shop, "id")?);
        say("Its data, by its own checksums");
        self.ssh(&address, DATA)?;

        say("2. An audit of the account finds it, and says by when something has to be done");
        self.audit("before.json", 1)?;
        let found = self.found("before.json", &id)?;
        ensure!(
            found
                .first()
                .is_some_and(|(rule, level)| rule == OLD_PV_GRUB && level == "critical"),
            "the audit did not find that shop will not survive its reboot: {found:?}"
        );

        say("3. Nobody did. AWS reboots it, as it said it would, and it does not come back");
        let died = Instant::now();
        self.stage.run("comeback lab event fire shop", 0)?;
        self.until("shop", "dead")?;
        self.stage.run("comeback lab console shop | tail -n 14", 0)?;
        self.stage.run(&format!("ssh -F ssh_config {address} true"), 255)?;
        say("4. What is wrong, and what would bring it back");
        self.stage.run("comeback diagnose shop", 1)?;

        say("5. The rescue: one command. Here it is the nine steps, from the dead instance");
        let check = format!("ssh -F ssh_config $COMEBACK_ADDRESS \"{DATA}\"");
        self.stage.run(
            &format!("comeback rescue shop --yes --verify-port 8080 --verify-command '{check}'"),
            0,
        )?;
        self.answers(&address)?;
        let outage = died.elapsed();
        say("It is back, at its old address, with its data, on current hardware");
        self.ssh(&address, DATA)?;
        self.stage
            .run(&format!("curl -s http://{address}:8080/ | head -n 3"), 0)?;
        self.stage.run("comeback lab status", 0)?;
        let run = self.run_of(&id)?;
        self.stage.run(&format!("comeback finalize {run} --yes"), 0)?;
        self.ssh(&address, DATA)?;
        let downtime = self.downtime(&run)?;
        let shop = self.instance("shop")?;
        ensure!(text(&shop, "virtualization")? == "hvm", "shop is not HVM: {shop}");

        say(
            "6. And back: shop-2 goes the same way, and is taken back. Its disk is not reverted, and boots as PV all the same",
        );
        let second = self.instance("shop-2")?;
        let (address, id) = (text(&second, "address")?, text(&second, "id")?);
        self.stage.run(&format!("comeback migrate {id} --yes"), 0)?;
        let run = self.run_of(&id)?;
        let turned = Instant::now();
        self.stage.run(&format!("comeback rollback {run} --start --yes"), 0)?;
        self.until(&id, "up")?;
        self.answers(&address)?;
        let back = turned.elapsed();
        self.ssh(&address, DATA)?;
        self.stage.run("comeback lab status", 0)?;
        let now = self.instance(&id)?;
        ensure!(
            text(&now, "virtualization")? == "paravirtual" && text(&now, "address")? == address,
            "the source is not what it was: {now}"
        );

        say("7. The account is audited again, and the client is sent what has become of it");
        self.audit("after.json", 1)?;
        ensure!(
            self.found("after.json", &text(&shop, "id")?)?
                .iter()
                .all(|(_, level)| level == "low"),
            "shop is still at risk"
        );
        self.stage
            .run("comeback notify after.json --since before.json --dry-run", 0)?;
        let reports = self.reports()?;

        say("What happened");
        println!(
            "shop    died at AWS's reboot and was back as HVM {} s later, by nine steps of which none",
            outage.as_secs()
        );
        println!("        needed its guest to run; {downtime} s of these were the migration. All checksums are equal.");
        println!(
            "shop-2  went to HVM and back to PV in {} s, with all that it had.",
            back.as_secs()
        );
        println!("reports as a client gets them, to be opened in a browser:");
        for report in reports {
            println!("        {}", report.display());
        }
        println!(
            "Nothing of AWS was needed. All of it took {} s.",
            self.started.elapsed().as_secs()
        );
        Ok(())
    }

    /// Starts the lab, and leads all further commands to it.
    fn up(&mut self) -> Result<()> {
        println!("$ eval \"$(comeback lab up --ssh-port {SSH_PORT})\"");
        let mut command = self.stage.shell(&format!("comeback lab up --ssh-port {SSH_PORT}"));
        let exports = run::text(command.stderr(Stdio::inherit()))?;
        for line in exports.lines() {
            if let Some((name, value)) = line.strip_prefix("export ").and_then(|line| line.split_once('=')) {
                self.stage.set(name, value.trim_matches('\''));
            } else if let Some(names) = line.strip_prefix("unset ") {
                // Set to nothing they are as good as not there.
                for name in names.split_whitespace() {
                    self.stage.set(name, "");
                }
            }
        }
        println!();
        Ok(())
    }

    /// Audits the account into a file, and shows what is in it.
    fn audit(&self, file: &str, expected: i32) -> Result<()> {
        self.stage
            .run(&format!("comeback audit --format json --output {file}"), expected)?;
        self.stage.run(&format!("comeback report {file}"), 0)
    }

    /// What an audit found on an instance, the worst first: rules and levels.
    fn found(&self, file: &str, instance: &str) -> Result<Vec<(String, String)>> {
        let path = self.stage.path(file);
        let said = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let audit: Value = serde_json::from_str(&said).with_context(|| format!("reading {}", path.display()))?;
        let instances = audit["instances"].as_array().context("the audit has no instances")?;
        let its = instances.iter().find(|one| one["id"] == instance);
        // One without findings is not listed.
        let findings = its.and_then(|one| one["findings"].as_array());
        findings
            .into_iter()
            .flatten()
            .map(|finding| Ok((text(finding, "rule")?, text(finding, "level")?)))
            .collect()
    }

    /// Writes the reports of both audits as a client gets them, where they outlast the demo.
    fn reports(&self) -> Result<Vec<PathBuf>> {
        let folder = cache::folder("demo")?;
        let mut reports = Vec::new();
        for audit in ["before", "after"] {
            for lang in ["en", "ja"] {
                let name = format!("{audit}.{lang}.html");
                self.stage.run(
                    &format!(
                        "comeback report {audit}.json --format html --lang {lang} --zone Asia/Tokyo --output {name}"
                    ),
                    0,
                )?;
                let report = folder.join(&name);
                fs::copy(self.stage.path(&name), &report).with_context(|| format!("writing {}", report.display()))?;
                reports.push(report);
            }
        }
        Ok(reports)
    }

    /// All instances that are there, by id.
    fn instances(&self) -> Result<BTreeMap<String, Value>> {
        let said = run::text(&mut self.stage.shell("comeback lab status --json"))?;
        let status: Value = serde_json::from_str(&said).context("reading the state of the lab")?;
        let instances = status["instances"].as_array().context("the lab names no instances")?;
        instances
            .iter()
            .map(|instance| Ok((text(instance, "id")?, instance.clone())))
            .collect()
    }

    /// One instance, by its id or name. A name is the source's until it has moved.
    fn instance(&self, name: &str) -> Result<Value> {
        let mut found = self.instances()?.into_values().filter(|instance| {
            instance["id"] == name
                || (instance["name"] == name
                    && instance["state"] != "terminated"
                    && instance["state"] != "shutting-down")
        });
        found.next().with_context(|| format!("the lab has no instance {name}"))
    }

    /// Waits until an instance is `up` or `dead`.
    fn until(&self, name: &str, condition: &str) -> Result<()> {
        let until = Instant::now() + BOOT;
        loop {
            let instance = self.instance(name)?;
            let now = text(&instance, "condition")?;
            if now == condition || now.starts_with(&format!("{condition}:")) {
                return Ok(());
            }
            ensure!(
                Instant::now() < until,
                "{name} was to be {condition} within {} s, and is {now}",
                BOOT.as_secs()
            );
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// Waits until somebody answers by SSH.
    fn answers(&self, address: &str) -> Result<()> {
        let until = Instant::now() + BOOT;
        let line = format!("ssh -F ssh_config {address} true 2>/dev/null");
        while !self.stage.shell(&line).status().context("starting ssh")?.success() {
            if Instant::now() > until {
                bail!("{address} does not answer by SSH");
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        Ok(())
    }

    fn ssh(&self, address: &str, command: &str) -> Result<()> {
        self.stage.run(&format!("ssh -F ssh_config {address} '{command}'"), 0)
    }

    /// The one run of an instance.
    fn run_of(&self, instance: &str) -> Result<String> {
        let said = run::text(&mut self.stage.shell("comeback runs --json"))?;
        let runs: Value = serde_json::from_str(&said).context("reading the list of runs")?;
        let runs = runs.as_array().context("the list of runs is none")?;
        let its: Vec<&Value> = runs.iter().filter(|run| run["instance"] == instance).collect();
        match its.as_slice() {
            [one] => text(one, "run"),
            _ => bail!("{instance} has {} runs instead of one", its.len()),
        }
    }

    /// Seconds from the order to stop to the last proof, as the journal has them.
    fn downtime(&self, run: &str) -> Result<String> {
        let said = run::text(&mut self.stage.shell(&format!("comeback status {run}")))?;
        let line = said.lines().find_map(|line| line.trim().strip_prefix("Downtime: "));
        let seconds = line.and_then(|line| line.split_once(" s,"));
        Ok(seconds.context("the run has no downtime")?.0.to_owned())
    }
}

/// A text in a value.
fn text(value: &Value, name: &str) -> Result<String> {
    let text = value[name].as_str();
    Ok(text.with_context(|| format!("{value} has no {name}"))?.to_owned())
}
