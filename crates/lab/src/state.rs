//! The state on disk: one JSON file, replaced as a whole, so that a killed lab finds the last one or the one before it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::LabError;
use crate::accounts::Saved;
use crate::engine::Region;
use crate::fault::Fault;

/// The format's version.
const VERSION: u32 = 1;

/// Everything that is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) version: u32,
    pub(crate) scenario: String,
    /// Whether its instances are machines: the two kinds cannot be exchanged.
    pub(crate) instant: bool,
    pub(crate) rates: Option<f64>,
    pub(crate) accounts: Saved,
    pub(crate) regions: Vec<Region>,
    pub(crate) faults: Vec<Fault>,
}

impl State {
    pub(crate) fn new(scenario: &str, instant: bool) -> Self {
        Self {
            version: VERSION,
            scenario: scenario.to_owned(),
            instant,
            rates: None,
            accounts: Saved::default(),
            regions: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// What a folder has, if it has any.
    pub(crate) fn load(folder: &Path) -> Result<Option<Self>, LabError> {
        let path = file(folder);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("reading", &path, error)),
        };
        let state: Self = serde_json::from_slice(&text)
            .map_err(|error| failed("reading", &path, format!("{error}; `comeback lab reset` begins anew")))?;
        if state.version != VERSION {
            let reason = format!(
                "it is of version {}, this lab has {VERSION}; `comeback lab reset` begins anew",
                state.version
            );
            return Err(failed("reading", &path, reason));
        }
        Ok(Some(state))
    }

    /// Replaces what the folder has. What is there afterwards is the old state or the new one, whole.
    pub(crate) fn save(&self, folder: &Path) -> Result<(), LabError> {
        let path = file(folder);
        let new = folder.join("state.json.new");
        let text = serde_json::to_vec(self).map_err(|error| failed("writing", &new, error))?;
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(folder)?;
            let mut file = File::create(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|error| failed("writing", &path, error))
    }
}

/// The file in a state folder.
pub(crate) fn file(folder: &Path) -> PathBuf {
    folder.join("state.json")
}

fn failed(what: &'static str, path: &Path, reason: impl std::fmt::Display) -> LabError {
    LabError::State {
        what,
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_file_is_never_the_state() {
        let folder = tempfile::tempdir().unwrap();
        assert!(State::load(folder.path()).unwrap().is_none());
        State::new("tokyo", true).save(folder.path()).unwrap();
        // What a lab leaves that is killed while it writes.
        fs::write(folder.path().join("state.json.new"), "{\"version\":1,\"scen").unwrap();
        assert_eq!(State::load(folder.path()).unwrap().unwrap().scenario, "tokyo");
        State::new("estate", true).save(folder.path()).unwrap();
        assert_eq!(State::load(folder.path()).unwrap().unwrap().scenario, "estate");
    }

    #[test]
    fn what_is_no_state_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(file(folder.path()), "{}").unwrap();
        let error = State::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("lab reset") && error.contains("state.json"), "{error}");
    }
}
