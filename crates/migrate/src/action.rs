//! What a run is made of: actions, each with its undo.
//!
//! Both have to hold, or a run that was killed could not be taken up:
//!
//! - **Twice is as good as once.** An action looks at the account first and does only what is missing. It may have been
//!   carried out in part, in full, or not at all, by a process that did not live to write it down.
//! - **An undo restores what the plan says was there**, whatever the action did. It looks first, too.
//!
//! What an action gives (the host's name, say) goes into the journal, from where later actions read it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use comeback_cloud::{CloudError, ErrorKind, Region};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::hosts::{HostError, Hosts};
use crate::plan::Plan;
use crate::progress::{Reporter, Silent};
use crate::run::RunId;
use crate::step::Step;

/// Tag on everything that a run creates: the run.
pub const TAG_RUN: &str = "comeback:run";
/// Tag on everything that a run creates: the action that did.
pub const TAG_ACTION: &str = "comeback:action";

/// One thing that a run does.
#[async_trait]
pub trait Action: Send + Sync {
    /// Its name in the journal, the same for the same plan: `detach/vol-0123`.
    fn id(&self) -> String;

    /// The step that it belongs to.
    fn step(&self) -> Step;

    /// What it does, for people: `detach vol-0123 from /dev/sda1`.
    fn title(&self) -> String;

    /// The calls that it and its undo may make.
    fn calls(&self) -> Vec<&'static comeback_cloud::calls::Action>;

    /// Carries it out, as far as it is not. What it gives is kept in the journal.
    async fn apply(&self, context: &Context) -> Result<Value, ActionError>;

    /// Takes it back, as far as it was carried out. Where nothing is taken back, the action says why.
    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        let _ = context;
        Ok(())
    }

    /// What a person types to take it back, if [`undo`](Self::undo) cannot.
    fn by_hand(&self, context: &Context) -> Vec<String> {
        let _ = context;
        Vec::new()
    }
}

/// The instance that the source's disks are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Seat {
    /// The run's host.
    #[default]
    Host,
    /// The one that has the source's primary interface, and takes over from the host.
    Final,
}

/// What an action has to work with.
#[derive(Debug, Clone)]
pub struct Context {
    /// The run.
    pub run: RunId,
    /// Its plan.
    pub plan: Plan,
    /// The account and region.
    pub region: Region,
    /// The way to hosts.
    pub hosts: Arc<dyn Hosts>,
    /// Folder of the run: keys, the patch and its undo, the console.
    pub folder: PathBuf,
    /// How long to wait for what.
    pub patience: Patience,
    /// Whether a rollback starts the source when it has everything back.
    pub start_source: bool,
    /// Who is told.
    pub reporter: Arc<dyn Reporter>,
    pub(crate) outputs: Outputs,
    pub(crate) seat: Seat,
}

/// How long to wait for what.
#[derive(Debug, Clone)]
pub struct Patience {
    /// A guest shuts down, before its power is taken away.
    pub shutdown: Duration,
    /// An instance, volume or interface changes its state.
    pub change: Duration,
    /// Snapshots complete. The first one of a volume is a full copy.
    pub snapshot: Duration,
    /// A host that runs answers by SSH.
    pub host: Duration,
    /// Something that fails for reasons that pass by themselves is tried again for this long.
    pub transient: Duration,
    /// AWS has no room for an instance: tried again for this long.
    pub capacity: Duration,
    /// Answers that contradict what was just done are taken for old for this long.
    pub consistency: Duration,
    /// First pause between two tries; it doubles up to ten times that.
    pub pause: Duration,
    /// Whoever holds a lease and does not renew it has lost it.
    pub lease: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        Self {
            shutdown: minutes(5),
            change: minutes(10),
            snapshot: minutes(12 * 60),
            host: minutes(10),
            transient: minutes(15),
            capacity: minutes(10),
            consistency: minutes(1),
            pause: Duration::from_secs(2),
            lease: minutes(24 * 60),
        }
    }
}

/// What actions gave. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outputs(Arc<Mutex<BTreeMap<String, Value>>>);

impl Outputs {
    pub(crate) fn insert(&self, action: String, output: Value) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(action, output);
    }

    fn get(&self, action: &str) -> Option<Value> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(action)
            .cloned()
    }
}

impl Context {
    /// A context without anything done.
    pub fn new(run: RunId, plan: Plan, region: Region, hosts: Arc<dyn Hosts>, folder: PathBuf) -> Self {
        Self {
            run,
            plan,
            region,
            hosts,
            folder,
            patience: Patience::default(),
            start_source: false,
            reporter: Arc::new(Silent),
            outputs: Outputs::default(),
            seat: Seat::default(),
        }
    }

    /// The same, for the final instance in the host's place.
    pub(crate) fn of_final(&self) -> Self {
        Self {
            seat: Seat::Final,
            ..self.clone()
        }
    }

    /// What an earlier action gave, if it has given anything.
    ///
    /// # Errors
    /// When it is not what this program understands.
    pub(crate) fn earlier<T: DeserializeOwned>(&self, action: &str) -> Result<Option<T>, ActionError> {
        let Some(value) = self.outputs.get(action) else {
            return Ok(None);
        };
        serde_json::from_value(value).map(Some).map_err(|error| {
            ActionError::unexpected(
                format!("what the journal has of {action}: {error}"),
                "take the program that began the run",
            )
        })
    }

    /// What an earlier action must have given.
    ///
    /// # Errors
    /// When it has not.
    pub(crate) fn output<T: DeserializeOwned>(&self, action: &str) -> Result<T, ActionError> {
        self.earlier(action)?.ok_or_else(|| {
            ActionError::unexpected(
                format!("the journal has no {action}, which comes first"),
                "the journal is incomplete: restore it, or roll back by hand",
            )
        })
    }

    /// Tags of what an action creates.
    pub(crate) fn tags(&self, action: &str) -> BTreeMap<String, String> {
        BTreeMap::from([
            (TAG_RUN.to_owned(), self.run.to_string()),
            (TAG_ACTION.to_owned(), action.to_owned()),
        ])
    }

    /// The token of an action's call: the same whenever it is made, so that AWS carries it out once.
    pub(crate) fn token(&self, action: &str) -> String {
        // At most 64 ASCII characters (RunInstances, CreateVolume).
        let mut token = format!("comeback-{}-{}", self.run, action.replace('/', "-"));
        token.truncate(64);
        token
    }
}

/// What an action gives, as the journal keeps it.
///
/// # Errors
/// When it cannot be written down.
pub(crate) fn given<T: Serialize>(value: &T) -> Result<Value, ActionError> {
    serde_json::to_value(value)
        .map_err(|error| ActionError::unexpected(format!("writing down what was done: {error}"), "please report this"))
}

/// Why an action, or its undo, failed.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// A call failed.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The host did not do what it was asked.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The account is not as it has to be.
    #[error("{what}")]
    Unexpected {
        /// What was found, and what was expected.
        what: String,
        /// What to do about it.
        help: String,
    },
    /// The target does not prove itself.
    #[error("{what}")]
    NotProven {
        /// What was asked of it, and what it did.
        what: String,
        /// What to do about it.
        help: String,
    },
    /// A file of the run.
    #[error("{doing} {path}: {source}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// Whether, and for how long, an action that failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// It is no use.
    No,
    /// It passes by itself.
    Transient,
    /// The host does not answer, or not yet.
    Host,
    /// AWS has no room.
    Capacity,
    /// It may be an answer from before the last change.
    Stale,
}

impl ActionError {
    pub(crate) fn unexpected(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Unexpected {
            what: what.into(),
            help: help.into(),
        }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Cloud(error) => error.help(),
            Self::Host(error) => error.help(),
            Self::Unexpected { help, .. } | Self::NotProven { help, .. } => help.clone(),
            Self::File { .. } => "make room or give access, then `comeback resume`".to_owned(),
        }
    }

    pub(crate) fn retry(&self) -> Retry {
        match self {
            Self::Cloud(error) if error.is_transient() => Retry::Transient,
            Self::Cloud(error) => match error.kind {
                ErrorKind::Capacity => Retry::Capacity,
                ErrorKind::NotFound | ErrorKind::IncorrectState | ErrorKind::InUse => Retry::Stale,
                _ => Retry::No,
            },
            Self::Host(error) if error.is_transient() => Retry::Host,
            _ => Retry::No,
        }
    }
}

impl Patience {
    pub(crate) const fn of(&self, retry: Retry) -> Duration {
        match retry {
            Retry::No => Duration::ZERO,
            Retry::Transient => self.transient,
            Retry::Host => self.host,
            Retry::Capacity => self.capacity,
            Retry::Stale => self.consistency,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_waited_for_as_long_as_hosts_are() {
        let patience = Patience {
            host: Duration::from_secs(7),
            ..Patience::default()
        };
        let away = ActionError::Host(HostError::Away {
            door: "admin@127.0.0.1:22".to_owned(),
            what: "connection refused".to_owned(),
        });
        assert_eq!(patience.of(away.retry()), Duration::from_secs(7));
        let refused = ActionError::Host(HostError::Refused {
            what: "no kernel".to_owned(),
        });
        assert_eq!(patience.of(refused.retry()), Duration::ZERO);
    }
}
