//! Where a demo is shown: a folder of its own, the program on the path, and every command printed before it is run.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A folder, and a shell in it.
pub(crate) struct Stage {
    folder: tempfile::TempDir,
    environment: BTreeMap<String, OsString>,
}

impl Stage {
    /// A new folder, with the program's own folder first on the path.
    pub(crate) fn new(program: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("comeback-demo-")
            .tempdir_in("/var/tmp")
            .context("creating a folder for the demo in /var/tmp")?;
        let mut path = OsString::from(program.parent().context("the program has no folder")?);
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        let environment = BTreeMap::from([("PATH".to_owned(), path)]);
        Ok(Self { folder, environment })
    }

    /// The folder that commands are run in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sets a variable for all commands that follow.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.environment.insert(name.to_owned(), value.into());
    }

    /// A command line of the shell, not yet run.
    pub(crate) fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .current_dir(self.folder.path())
            .envs(&self.environment)
            .stdin(Stdio::null());
        command
    }

    /// Shows a command line as one would type it, runs it, and checks how it ends.
    pub(crate) fn run(&self, line: &str, expected: i32) -> Result<()> {
        println!("$ {line}");
        // Both streams in one, in the order in which they are written, as on a terminal.
        let status = self
            .shell(&format!("{{ {line}\n}} 2>&1"))
            .status()
            .with_context(|| format!("running {line}"))?;
        if status.code() != Some(0) {
            println!("(exit code {})", status.code().unwrap_or(-1));
        }
        println!();
        if status.code() != Some(expected) {
            bail!("`{line}` was expected to end with exit code {expected}");
        }
        Ok(())
    }
}

/// A heading.
pub(crate) fn say(text: &str) {
    println!("\n### {text}\n");
}
