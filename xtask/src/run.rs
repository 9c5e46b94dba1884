//! Child processes whose standard error is part of the error when they fail.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// How many bytes of a failed program's output an error quotes, from its end.
const QUOTED: usize = 4000;
/// How many characters of a command line an error shows.
const SHOWN: usize = 400;

/// Runs a command to its end. Its output is held back, and quoted in the error if it fails.
pub(crate) fn quietly(command: &mut Command) -> Result<()> {
    captured(command).map(drop)
}

/// Runs a command to its end and gives back what it wrote to standard output.
pub(crate) fn text(command: &mut Command) -> Result<String> {
    let output = captured(command)?;
    String::from_utf8(output.stdout).with_context(|| format!("reading what {} printed", name(command)))
}

/// Runs a command that talks to the person in front of the screen.
pub(crate) fn loudly(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| starting(command))?;
    if !status.success() {
        bail!("{} failed ({status})", shown(command));
    }
    Ok(())
}

/// Lets what was started before go first where the processor is short: for commands that are started from now on.
pub(crate) fn give_way() -> Result<()> {
    quietly(
        Command::new("renice")
            .args(["-n", "10", "-p"])
            .arg(std::process::id().to_string()),
    )
}

/// A command that runs beside others. What it says is kept in a file until it ends.
#[derive(Debug)]
pub(crate) struct Beside {
    child: Child,
    shown: String,
    said: PathBuf,
}

impl Beside {
    /// Starts it; `said` is the file.
    pub(crate) fn start(command: &mut Command, said: &Path) -> Result<Self> {
        let file = File::create(said).with_context(|| format!("making {}", said.display()))?;
        let errors = file
            .try_clone()
            .with_context(|| format!("opening {}", said.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .with_context(|| starting(command))?;
        Ok(Self {
            child,
            shown: shown(command),
            said: said.to_owned(),
        })
    }

    /// Waits for its end, and prints what it said.
    pub(crate) fn end(mut self) -> Result<()> {
        let status = self
            .child
            .wait()
            .with_context(|| format!("waiting for {}", self.shown))?;
        let said = fs::read(&self.said).with_context(|| format!("reading {}", self.said.display()))?;
        eprint!("{}", String::from_utf8_lossy(&said));
        if !status.success() {
            bail!("{} failed ({status})", self.shown);
        }
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // Where something else has failed; after `end` there is nothing to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn captured(command: &mut Command) -> Result<Output> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| starting(command))?;
    if !output.status.success() {
        let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
        if said.trim().is_empty() {
            said = String::from_utf8_lossy(&output.stdout).into_owned();
        }
        bail!(
            "{} failed ({})\n{}",
            shown(command),
            output.status,
            tail(said.trim_end())
        );
    }
    Ok(output)
}

fn starting(command: &Command) -> String {
    format!(
        "starting {} (is its package installed? `cargo xtask setup` does it)",
        name(command)
    )
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// The command as one would type it, cut short where it is longer than anyone would.
fn shown(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect();
    let line = words.join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn tail(said: &str) -> &str {
    let start = said.len().saturating_sub(QUOTED);
    let start = (start..=said.len())
        .find(|&at| said.is_char_boundary(at))
        .unwrap_or(said.len());
    &said[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_quotes_standard_error() {
        let error = quietly(Command::new("sh").args(["-c", "echo why it failed >&2; exit 3"]))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("why it failed") && error.contains("exit status: 3"),
            "{error}"
        );
    }

    #[test]
    fn what_runs_beside_is_waited_for_and_heard() {
        let folder = std::env::temp_dir();
        let said = folder.join(format!("comeback-beside-{}", std::process::id()));
        let run = |script: &str| Beside::start(Command::new("sh").args(["-c", script]), &said);
        run("echo in time").unwrap().end().unwrap();
        assert_eq!(fs::read_to_string(&said).unwrap(), "in time\n");
        let error = run("exit 3").unwrap().end().unwrap_err().to_string();
        assert!(error.contains("exit status: 3"), "{error}");
        fs::remove_file(&said).unwrap();
    }

    #[test]
    fn tail_keeps_characters_whole() {
        let long = "ü".repeat(QUOTED);
        assert_eq!(tail(&long).len(), QUOTED);
        assert_eq!(tail("short"), "short");
    }
}
