//! What a run tells while it goes on.

use std::fmt;

use serde::Serialize;

use crate::run::{RunId, State};
use crate::step::Step;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The run began, or was taken up.
    Run {
        /// Which.
        run: RunId,
        /// In this state.
        state: State,
    },
    /// An action begins.
    Begins {
        /// Its step.
        step: Step,
        /// Its name in the journal.
        action: String,
        /// What it does.
        title: String,
        /// Whether it is taken back.
        undo: bool,
    },
    /// It goes on.
    Goes {
        /// Its name in the journal.
        action: String,
        /// How.
        what: String,
    },
    /// It failed in a way that may pass, and is tried again.
    Again {
        /// Its name in the journal.
        action: String,
        /// What happened.
        error: String,
    },
    /// It is done.
    Ends {
        /// Its step.
        step: Step,
        /// Its name in the journal.
        action: String,
        /// Whether it was taken back.
        undo: bool,
        /// How long it took, in milliseconds.
        ms: u64,
    },
    /// It failed for good.
    Failed {
        /// Its step.
        step: Step,
        /// Its name in the journal.
        action: String,
        /// What happened.
        error: String,
        /// What to do about it.
        help: String,
        /// What a person types, where something could not be taken back.
        by_hand: Vec<String>,
    },
    /// A person may want to know this.
    Note {
        /// What.
        text: String,
    },
}

/// Who is told.
pub trait Reporter: Send + Sync + fmt::Debug {
    /// Something happened.
    fn tell(&self, event: Event);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn tell(&self, _event: Event) {}
}
