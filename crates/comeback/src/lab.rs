//! `comeback lab`: an EC2 endpoint on this machine, in the background.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use comeback_audit::facts::quoted;
use comeback_lab::backend::Backend;
use comeback_lab::backend::qemu::{Qemu, Settings};
use comeback_lab::client::Client;
use comeback_lab::{Fault, Lab, Scenario, Status};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cli::{LabArguments, LabCommand, LabEvent, LabFault, LabUp};
use crate::exit::Exit;
use crate::{keep, output};

/// How long a lab may take to come up: the disks of its scenario are copied first.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a lab in the background writes into its state folder, and holds locked as long as it runs.
#[derive(Debug, Serialize, Deserialize)]
struct Running {
    pid: u32,
    port: u16,
    ssh_port: u16,
    region: String,
}

pub(crate) fn run(arguments: &LabArguments) -> Result<Exit> {
    let folder = folder(arguments)?;
    match &arguments.command {
        LabCommand::Up(up) => self::up(&folder, up),
        LabCommand::Serve(up) => serve(&folder, up),
        LabCommand::Status { json } => status(&folder, *json),
        LabCommand::Console { instance } => {
            let console = client(&folder)?.bytes("/lab/console", &json!({ "name": instance }))?;
            let text = String::from_utf8_lossy(&console);
            let text = output::without_escapes(&text);
            let lines: Vec<String> = text.lines().map(output::printable).collect();
            output::print(&(lines.join("\n") + "\n"))?;
            Ok(Exit::Done)
        }
        LabCommand::Event {
            command: LabEvent::Fire { name },
        } => {
            let fired = client(&folder)?.post("/lab/fire", &json!({ "name": name }))?;
            let instance = fired.get("instance").and_then(Value::as_str).unwrap_or_default();
            output::print(&format!("Done to {instance} what its event says.\n"))?;
            Ok(Exit::Done)
        }
        LabCommand::Fault { command } => fault(&folder, command),
        LabCommand::Policy { key, document, clear } => policy(&folder, key, document.as_deref(), *clear),
        LabCommand::Down => down(&folder),
        LabCommand::Reset => reset(&folder),
    }
}

/// The state folder.
fn folder(arguments: &LabArguments) -> Result<PathBuf> {
    if let Some(folder) = &arguments.state {
        return Ok(folder.clone());
    }
    Ok(keep::state_folder("the lab", "--state")?.join("lab"))
}

/// The lab that runs in a folder, if one does.
fn running(folder: &Path) -> Result<Option<Running>> {
    let path = folder.join("lab.json");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("opening {}", path.display())),
    };
    match file.try_lock_shared() {
        // Nobody holds it: the lab that wrote it is gone.
        Ok(()) => Ok(None),
        Err(fs::TryLockError::WouldBlock) => {
            let text = io::read_to_string(file).with_context(|| format!("reading {}", path.display()))?;
            // It is empty for a moment, while the lab comes up.
            Ok(serde_json::from_str(&text).ok())
        }
        Err(fs::TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", path.display())),
    }
}

fn client(folder: &Path) -> Result<Client> {
    match running(folder)? {
        Some(running) => Ok(Client::new(running.port)),
        None => bail!("no lab runs in {}: `comeback lab up` starts one", folder.display()),
    }
}

/// Starts a lab in the background, and prints what an AWS client needs as shell commands.
fn up(folder: &Path, arguments: &LabUp) -> Result<Exit> {
    if let Some(running) = running(folder)? {
        eprintln!("A lab runs in {} already (process {}).", folder.display(), running.pid);
        if arguments.scenario.is_some() {
            eprintln!("It keeps its scenario; `comeback lab reset` makes room for another.");
        }
        return exports(&running);
    }
    // What is wrong with the scenario is said here, not in a log.
    let scenario = arguments.scenario.as_deref().map(Scenario::load).transpose()?;
    if comeback_lab::has_state(folder) {
        if arguments.scenario.is_some() {
            bail!(
                "{} has a lab's state already: `comeback lab reset` removes it, `comeback lab up` without --scenario goes on with it",
                folder.display()
            );
        }
        eprintln!("Going on with what is in {}.", folder.display());
    } else {
        let scenario = scenario.map_or_else(|| Scenario::load("tokyo"), Ok)?;
        eprintln!("{}: {}.", scenario.name, scenario.description);
    }
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let log_path = folder.join("lab.log");
    let mut log = File::options()
        .create(true)
        .append(true)
        .open(&log_path)
        .with_context(|| format!("opening {}", log_path.display()))?;
    let said_before = log
        .seek(SeekFrom::End(0))
        .with_context(|| format!("reading {}", log_path.display()))?;
    let mut command = Command::new(std::env::current_exe().context("finding this program")?);
    command.arg("lab").arg("--state").arg(folder).arg("serve");
    command.args(arguments.to_arguments());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.try_clone().context("handing over the log")?)
        // Of its own, so that Ctrl-C here does not end it.
        .process_group(0);
    let mut child = command.spawn().context("starting the lab")?;
    let started = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(50));
        if let Some(running) = running(folder)?.filter(|running| running.pid == child.id())
            && Client::new(running.port).get("/lab/status").is_ok()
        {
            eprintln!(
                "The lab runs (process {}, log {}). `comeback lab status` shows it, `comeback lab down` ends it.",
                running.pid,
                log_path.display()
            );
            return exports(&running);
        }
        if let Some(status) = child.try_wait().context("waiting for the lab")? {
            let mut said = String::new();
            let mut log = File::open(&log_path).with_context(|| format!("opening {}", log_path.display()))?;
            log.seek(SeekFrom::Start(said_before))
                .and_then(|_| log.read_to_string(&mut said))
                .with_context(|| format!("reading {}", log_path.display()))?;
            bail!("the lab did not start ({status}): {}", said.trim());
        }
        if started.elapsed() > PATIENCE {
            bail!(
                "the lab did not answer within {} s; its log is {}",
                PATIENCE.as_secs(),
                log_path.display()
            );
        }
    }
}

/// Prints the variables that lead an AWS client to the lab.
fn exports(running: &Running) -> Result<Exit> {
    let keys = Client::new(running.port).get("/lab/keys")?;
    let first = keys.get(0).cloned().unwrap_or_default();
    let text = |name: &str| first.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let variables = [
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", running.port)),
        ("AWS_ACCESS_KEY_ID", text("access_key")),
        ("AWS_SECRET_ACCESS_KEY", text("secret_key")),
        ("AWS_REGION", running.region.clone()),
        ("AWS_DEFAULT_REGION", running.region.clone()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ];
    let mut lines = String::new();
    for (name, value) in variables {
        lines.push_str(&format!("export {name}={}\n", quoted(&value)));
    }
    // Not AWS's, but comeback's own: where its instances are reached by SSH.
    lines.push_str(&format!("export COMEBACK_SSH_PORT={}\n", running.ssh_port));
    // A token or a profile of a real account would win over the keys, or fail.
    lines.push_str("unset AWS_SESSION_TOKEN AWS_PROFILE\n");
    output::print(&lines)?;
    Ok(Exit::Done)
}

/// Is the lab. `up` starts this in the background.
fn serve(folder: &Path, arguments: &LabUp) -> Result<Exit> {
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let path = folder.join("lab.json");
    let file = File::options()
        .create(true)
        .read(true)
        .write(true)
        .truncate(false)
        .open(&path)
        .with_context(|| format!("opening {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => bail!("another lab runs in {}", folder.display()),
        Err(fs::TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("locking {}", path.display()));
        }
    }
    // The port that it had last time, if it is free, so that shells that were led to it find it again.
    let last: Option<Running> = serde_json::from_reader(&file).ok();
    file.set_len(0).with_context(|| format!("writing {}", path.display()))?;
    let mut builder = Lab::builder().state(folder);
    if let Some(scenario) = &arguments.scenario {
        builder = builder.scenario(Scenario::load(scenario)?);
    }
    if let Some(rates) = arguments.rates {
        builder = builder.rates(rates);
    }
    builder = if arguments.instant {
        builder.instant()
    } else {
        builder.backend(machines(folder, arguments)?)
    };
    let lab = builder.build()?;
    let last = last.filter(|_| arguments.port == 0).map(|last| lab.serve(last.port));
    let serving = match last {
        Some(Ok(serving)) => serving,
        _ => lab.serve(arguments.port)?,
    };
    let running = Running {
        pid: std::process::id(),
        port: serving.address().port(),
        ssh_port: arguments.ssh_port,
        region: arguments.region.clone(),
    };
    let text = serde_json::to_string(&running).context("describing the lab")?;
    file.write_all_at(text.as_bytes(), 0)
        .with_context(|| format!("writing {}", path.display()))?;
    serving.wait();
    // In this order: nobody may see a machine without power and take it for one that was shut down.
    drop(serving);
    lab.power_off();
    Ok(Exit::Done)
}

/// The backend with virtual machines.
fn machines(folder: &Path, arguments: &LabUp) -> Result<Arc<dyn Backend>> {
    let settings = Settings {
        ssh_port: arguments.ssh_port,
        ..Settings::new(folder.join("machines"))
    };
    Ok(Arc::new(Qemu::new(settings)?))
}

fn status(folder: &Path, json: bool) -> Result<Exit> {
    let value = client(folder)?.get("/lab/status")?;
    if json {
        output::print(&format!("{value:#}\n"))?;
        return Ok(Exit::Done);
    }
    let status: Status = serde_json::from_value(value).context("reading what the lab says")?;
    let kind = if status.instant {
        "without machines"
    } else {
        "with machines"
    };
    let mut text = format!(
        "Scenario {}, {kind}; it is {}.\n\n",
        status.scenario,
        output::minute(status.now)
    );
    let head = [
        "INSTANCE", "NAME", "WHERE", "TYPE", "STATE", "ADDRESS", "EVENT", "MACHINE",
    ]
    .map(str::to_owned);
    let rows = status.instances.iter().map(|instance| {
        [
            instance.id.clone(),
            instance.name.clone(),
            format!("{}/{}", instance.account, instance.region),
            format!(
                "{} {}",
                instance.kind,
                if instance.virtualization == "hvm" { "HVM" } else { "PV" }
            ),
            instance.state.clone(),
            instance.address.clone(),
            instance.event.clone(),
            instance.condition.clone(),
        ]
        .map(|cell| output::printable(&cell))
    });
    text.push_str(&table(std::iter::once(head).chain(rows).collect()));
    text.push_str(&format!("\n{} volumes, {} snapshots", status.volumes, status.snapshots));
    text.push_str(&match status.faults.len() {
        0 => ".\n".to_owned(),
        count => format!("; faults set: {count}.\n"),
    });
    output::print(&text)?;
    Ok(Exit::Done)
}

/// Columns as wide as what is in them.
fn table(rows: Vec<[String; 8]>) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..8).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        let line: Vec<String> = cells.collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn fault(folder: &Path, command: &LabFault) -> Result<Exit> {
    let client = client(folder)?;
    match command {
        LabFault::Set(set) => {
            let answer = client.post("/lab/faults", &set.to_json())?;
            output::print(&format!("{}\n", answer.get("id").unwrap_or(&Value::Null)))?;
        }
        LabFault::List => {
            let faults: Vec<Fault> =
                serde_json::from_value(client.get("/lab/faults")?).context("reading what the lab says")?;
            for fault in faults {
                let line = serde_json::to_string(&fault).context("describing a fault")?;
                output::print(&(line + "\n"))?;
            }
        }
        LabFault::Clear { id } => {
            let answer = client.post("/lab/faults/clear", &json!({ "id": id }))?;
            output::print(&format!("Cleared {}.\n", answer.get("cleared").unwrap_or(&Value::Null)))?;
        }
    }
    Ok(Exit::Done)
}

fn policy(folder: &Path, key: &str, document: Option<&Path>, clear: bool) -> Result<Exit> {
    let document = match document {
        Some(path) if !clear => Some(fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?),
        _ => None,
    };
    client(folder)?.post("/lab/policy", &json!({ "key": key, "document": document }))?;
    let said = match document {
        Some(_) => format!("{key} may do what the policy allows, and nothing else.\n"),
        None => format!("{key} may do everything.\n"),
    };
    output::print(&said)?;
    Ok(Exit::Done)
}

fn down(folder: &Path) -> Result<Exit> {
    let Some(found) = running(folder)? else {
        eprintln!("No lab runs in {}.", folder.display());
        return Ok(Exit::Done);
    };
    Client::new(found.port).post("/lab/down", &Value::Null)?;
    let started = Instant::now();
    while running(folder)?.is_some() {
        if started.elapsed() > PATIENCE {
            bail!("the lab (process {}) does not end", found.pid);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    eprintln!(
        "The lab has ended. Its state stays in {}; `comeback lab reset` removes it.",
        folder.display()
    );
    Ok(Exit::Done)
}

fn reset(folder: &Path) -> Result<Exit> {
    down(folder)?;
    // Only what a lab has written: the folder may have been named by mistake.
    for name in ["state.json", "state.json.new", "lab.json", "lab.log"] {
        match fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("removing {}", folder.join(name).display()));
            }
            _ => {}
        }
    }
    for name in ["disks", "machines"] {
        match fs::remove_dir_all(folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("removing {}", folder.join(name).display()));
            }
            _ => {}
        }
    }
    eprintln!("Removed the state in {}.", folder.display());
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        for text in ["plain/word", "", "two words", "it's", "$HOME `x` \"y\"\n"] {
            let command = format!("printf %s {}", quoted(text));
            let output = Command::new("sh").args(["-c", &command]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }
}
