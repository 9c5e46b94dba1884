//! A run: one migration, from its plan to its end.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Name of a run: the day on which it began, and five random characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// A new name.
    pub fn new(day: jiff::civil::Date) -> Self {
        // No letters that look like digits: people read these to each other at night.
        const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let random = uuid::Uuid::new_v4();
        let name: String = random.as_bytes()[..5]
            .iter()
            .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
            .collect();
        Self(format!("{}-{name}", day.strftime("%Y%m%d")))
    }

    pub(crate) const fn from_journal(name: String) -> Self {
        Self(name)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a run is about to do, or has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// On its way forward. Without a process that carries it out it is interrupted: `resume` or `rollback`.
    Running,
    /// An action failed and nothing was undone, as was asked for: `resume` or `rollback`.
    Failed,
    /// All is done and verified. Everything that a rollback needs is still there.
    Complete,
    /// On its way back.
    RollingBack,
    /// The source has everything back. What the run created is still there, stopped, until `finalize`.
    RolledBack,
    /// Something could not be undone: a person has to, and the run says how.
    Stuck,
    /// `finalize --keep-private-ip` brings the target to the source's primary private address. Once the source is terminated there
    /// is no way back to it.
    Readdressing,
    /// `finalize` is deleting: no way back from here.
    Finalizing,
    /// What is no longer needed was deleted.
    Finalized,
}

impl State {
    pub(crate) const ALL: [Self; 9] = [
        Self::Running,
        Self::Failed,
        Self::Complete,
        Self::RollingBack,
        Self::RolledBack,
        Self::Stuck,
        Self::Readdressing,
        Self::Finalizing,
        Self::Finalized,
    ];

    /// As the journal and people have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Failed => "failed",
            Self::Complete => "complete",
            Self::RollingBack => "rolling-back",
            Self::RolledBack => "rolled-back",
            Self::Stuck => "stuck",
            Self::Readdressing => "readdressing",
            Self::Finalizing => "finalizing",
            Self::Finalized => "finalized",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether a process is to carry it on: it is on its way somewhere.
    pub const fn goes_on(self) -> bool {
        matches!(
            self,
            Self::Running | Self::RollingBack | Self::Readdressing | Self::Finalizing
        )
    }

    /// Whether the instance belongs to the run: nobody else may begin one for it.
    pub const fn holds_instance(self) -> bool {
        !matches!(self, Self::RolledBack | Self::Finalized)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
