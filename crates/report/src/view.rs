//! What a report shows: an audit, and plans and runs in short.

use std::borrow::Cow;

use comeback_audit::model::{Audit, Money};
use jiff::Timestamp;

use crate::options::Options;

/// What is shown.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// The audit.
    pub audit: &'a Audit,
    /// Plans for instances of it.
    pub plans: &'a [PlanView],
    /// Migrations of instances of it, finished ones too.
    pub runs: &'a [RunView],
}

impl<'a> Report<'a> {
    /// Only an audit.
    pub fn of(audit: &'a Audit) -> Self {
        Self {
            audit,
            plans: &[],
            runs: &[],
        }
    }

    /// The audit as far as this reader may see it.
    pub fn audit_for(&self, options: &Options) -> Cow<'a, Audit> {
        match &options.client {
            None => Cow::Borrowed(self.audit),
            Some(client) => Cow::Owned(for_client(self.audit, client)),
        }
    }
}

/// Only what is one client's. The calls stay those of the whole audit: they are not counted by client.
pub fn for_client(audit: &Audit, client: &str) -> Audit {
    let is = |whose: &Option<String>| whose.as_deref() == Some(client);
    let mut theirs = Audit {
        instances: Vec::new(),
        silenced: Vec::new(),
        ledger: comeback_audit::model::Ledger {
            entries: Vec::new(),
            calls: audit.ledger.calls.clone(),
        },
        program: audit.program.clone(),
        ..*audit
    };
    theirs
        .instances
        .extend(audit.instances.iter().filter(|subject| is(&subject.client)).cloned());
    theirs
        .silenced
        .extend(audit.silenced.iter().filter(|silenced| is(&silenced.client)).cloned());
    let entries = audit.ledger.entries.iter().filter(|entry| is(&entry.client));
    theirs.ledger.entries.extend(entries.cloned());
    theirs
}

/// The clients of an audit, each once, in order.
pub fn clients(audit: &Audit) -> Vec<String> {
    let clients: std::collections::BTreeSet<_> = audit
        .ledger
        .entries
        .iter()
        .filter_map(|entry| entry.client.clone())
        .collect();
    clients.into_iter().collect()
}

/// A plan in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanView {
    /// Whose instance it is.
    pub client: Option<String>,
    /// The instance.
    pub instance: String,
    /// Its tag `Name`.
    pub name: Option<String>,
    /// Its type.
    pub from: String,
    /// The type that it becomes.
    pub to: String,
    /// What it costs more in a month, or, negative, less.
    pub monthly_difference: Option<Money>,
    /// How long it is away as a rule, in seconds.
    pub downtime_usual_s: u64,
    /// How long it is away at most before the migration turns back, in seconds.
    pub downtime_longest_s: u64,
    /// What the migration itself costs at most.
    pub cost: Option<Money>,
    /// What has to be known before agreeing.
    pub findings: Vec<String>,
}

/// A migration in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunView {
    /// Whose instance it is.
    pub client: Option<String>,
    /// The run's name.
    pub id: String,
    /// The instance that it migrates.
    pub instance: String,
    /// How far it is.
    pub state: RunState,
    /// When it was started.
    pub started: Timestamp,
    /// How long the instance was away, in seconds, where it is known by now.
    pub downtime_s: Option<u64>,
}

/// How far a migration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Under way.
    Going,
    /// It waits for somebody to decide.
    Waiting,
    /// It failed, and was not taken back yet.
    Failed,
    /// The target runs; it can still be taken back.
    Done,
    /// The source is as it was.
    RolledBack,
    /// Done for good.
    Finalized,
}

impl RunState {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Going,
        Self::Waiting,
        Self::Failed,
        Self::Done,
        Self::RolledBack,
        Self::Finalized,
    ];

    /// The message that names it.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Going => "run-going",
            Self::Waiting => "run-waiting",
            Self::Failed => "run-failed",
            Self::Done => "run-done",
            Self::RolledBack => "run-rolled-back",
            Self::Finalized => "run-finalized",
        }
    }
}
