//! A lab without machines, and the program that is led to it.

#![allow(dead_code, reason = "no test uses all of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// A lab and a folder for runs; the lab ends with it.
pub struct World {
    pub folder: tempfile::TempDir,
    exports: Vec<(String, String)>,
}

/// What the program said.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl World {
    pub fn new(scenario: &str) -> Self {
        let mut world = Self {
            folder: tempfile::tempdir().unwrap(),
            exports: Vec::new(),
        };
        let up = world.say(&["lab", "up", "--instant", "--scenario", scenario]);
        assert_eq!(up.code, Some(0), "{}", up.err);
        let exports = up
            .out
            .lines()
            .filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        world.exports = exports
            .map(|(name, value)| (name.to_owned(), value.trim_matches(['\'', '"']).to_owned()))
            .collect();
        // All that a host is sent has to be there before a run begins; no host is sent it here.
        std::fs::write(world.path("agent"), "an agent").unwrap();
        std::fs::create_dir(world.path("boot")).unwrap();
        for name in ["boot.img", "core.img"] {
            std::fs::write(world.path("boot").join(name), [0; 512]).unwrap();
        }
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_comeback"));
        self.lead(command.args(arguments));
        command
    }

    /// Leads a command to this lab, and to a state of its own.
    fn lead(&self, command: &mut Command) {
        command
            .envs(self.exports.iter().cloned())
            .env("XDG_STATE_HOME", self.folder.path())
            .env("COMEBACK_AGENT", self.path("agent"))
            .env("COMEBACK_BOOT_ASSETS", self.path("boot"))
            .env_remove("COMEBACK_STATE")
            .env_remove("COMEBACK_WEBHOOK")
            .stdin(Stdio::null());
    }

    /// Runs it on a pseudo terminal, and gives how it ended and all that was ever drawn there.
    pub fn on_terminal(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let words: Vec<_> = arguments.iter().map(|word| format!("'{word}'")).collect();
        let line = format!(
            "stty rows 40 cols 120; exec '{}' {}",
            env!("CARGO_BIN_EXE_comeback"),
            words.join(" ")
        );
        let mut command = Command::new("script");
        self.lead(command.args(["-q", "-e", "-c", &line, "/dev/null"]));
        let said = said(command.env("TERM", "xterm"));
        (said.code, said.out)
    }

    pub fn say(&self, arguments: &[&str]) -> Said {
        said(&mut self.command(arguments))
    }

    #[track_caller]
    pub fn ends(&self, code: i32, arguments: &[&str]) -> Said {
        let said = self.say(arguments);
        assert_eq!(said.code, Some(code), "{arguments:?}: {}{}", said.out, said.err);
        said
    }

    /// What the lab set for AWS clients.
    pub fn export(&self, name: &str) -> &str {
        let (_, value) = self.exports.iter().find(|(export, _)| export == name).unwrap();
        value
    }

    /// The lab's access keys, one for each account: `account`, `access_key`, `secret_key`.
    pub fn keys(&self) -> Vec<Value> {
        let endpoint = self.export("AWS_ENDPOINT_URL");
        let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
        let mut answer = agent.get(format!("{}/lab/keys", endpoint)).call().unwrap();
        let keys: Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
        keys.as_array().unwrap().clone()
    }

    pub fn runs(&self) -> Vec<Value> {
        let runs: Value = serde_json::from_str(&self.ends(0, &["runs", "--json"]).out).unwrap();
        runs.as_array().unwrap().clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.say(&["lab", "down"]);
    }
}

pub fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[track_caller]
pub fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in:\n{text}");
    }
}
