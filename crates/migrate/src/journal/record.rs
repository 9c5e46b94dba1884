//! What the rows of a run add up to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Entry, Kind, Row};
use crate::finalize::Decision;
use crate::run::State;

/// How far an action got.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// It was about to be carried out: it may or may not have been. Only the account knows.
    Intended,
    /// It was carried out, and gave this.
    Done(Value),
    /// It failed for good; part of it may have been carried out.
    Failed(String),
    /// It was about to be undone.
    Undoing,
    /// It was undone.
    Undone,
    /// It could not be undone.
    UndoFailed(String),
}

/// A run, as its rows tell it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The state that it was left in.
    pub state: State,
    /// The actions that have rows.
    pub actions: BTreeMap<String, Progress>,
    /// What every action gave that was ever done, undone or not: what a rollback and [finalize](crate::finalize) go by.
    pub outputs: BTreeMap<String, Value>,
    /// What `finalize` was told to delete, once it has begun.
    pub decision: Option<Decision>,
    /// What to do about each action that failed, as it was told then.
    pub advice: BTreeMap<String, Advice>,
}

/// What a person does about an action that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Advice {
    /// In words.
    pub help: String,
    /// What a person types, where something could not be taken back.
    pub by_hand: Vec<String>,
}

impl Record {
    /// Adds up rows; on failure the number of the row and what is wrong with it.
    pub(super) fn of(rows: &[Row]) -> Result<Self, (i64, String)> {
        let mut record = Self {
            state: State::Running,
            actions: BTreeMap::new(),
            outputs: BTreeMap::new(),
            decision: None,
            advice: BTreeMap::new(),
        };
        for row in rows {
            record.add(&row.entry).map_err(|what| (row.seq, what))?;
        }
        Ok(record)
    }

    /// Adds one row; on failure what is wrong with it.
    pub(crate) fn add(&mut self, entry: &Entry) -> Result<(), String> {
        let text = || entry.data.as_str().unwrap_or_default().to_owned();
        let progress = match entry.kind {
            Kind::Intent => Progress::Intended,
            Kind::Done => Progress::Done(entry.data.clone()),
            Kind::Failed => Progress::Failed(text()),
            Kind::UndoIntent => Progress::Undoing,
            Kind::Undone => Progress::Undone,
            Kind::UndoFailed => Progress::UndoFailed(text()),
            Kind::State => {
                self.state = State::parse(&text()).ok_or_else(|| format!("an unknown state, {}", text()))?;
                return Ok(());
            }
            Kind::Decision => {
                self.decision = Some(serde_json::from_value(entry.data.clone()).map_err(|error| error.to_string())?);
                return Ok(());
            }
            Kind::Note => {
                // Other notes are for people alone.
                if let (Some(action), Ok(advice)) = (&entry.action, serde_json::from_value(entry.data.clone())) {
                    self.advice.insert(action.clone(), advice);
                }
                return Ok(());
            }
        };
        let Some(action) = &entry.action else {
            return Err("it is about an action and names none".to_owned());
        };
        if let Progress::Done(output) = &progress {
            self.outputs.insert(action.clone(), output.clone());
        }
        self.actions.insert(action.clone(), progress);
        Ok(())
    }

    /// How far an action got, if it has any row.
    pub fn progress(&self, action: &str) -> Option<&Progress> {
        self.actions.get(action)
    }
}
