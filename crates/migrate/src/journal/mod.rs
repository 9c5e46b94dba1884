//! The journal: what a run intended, what it saw, and how far it got. A `SQLite` file in the user's state folder.
//!
//! Rows are only ever added, one per intent and one per observation, and each is on stable storage before the run goes on
//! (write-ahead log, full sync). What a run has done is what its rows say; nothing else is remembered. So a run that was
//! killed anywhere is taken up by reading its rows, and by asking the account about the one action that has an intent and
//! no end.
//!
//! All writes go through one thread, which puts whatever is waiting into one transaction: a hundred runs at a time share
//! the cost of a sync instead of queueing for it.

mod record;
mod writer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use serde::{Deserialize, Serialize};

pub use record::{Advice, Progress, Record};
use writer::Writer;

use crate::run::{RunId, State};

/// Counts up when the tables change.
const VERSION: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE runs (
        id TEXT PRIMARY KEY,
        created TEXT NOT NULL,
        account TEXT NOT NULL,
        region TEXT NOT NULL,
        instance TEXT NOT NULL,
        plan TEXT NOT NULL
    ) STRICT;
    CREATE TABLE entries (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        run TEXT NOT NULL REFERENCES runs (id),
        at TEXT NOT NULL,
        kind TEXT NOT NULL,
        action TEXT,
        data TEXT
    ) STRICT;
    CREATE INDEX entries_of_run ON entries (run, seq);
";

/// How long another process may hold the file before a write fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// What can go wrong with the journal. A run that cannot write its journal does nothing.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder cannot be made.
    #[error("creating the folder of the journal, {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file cannot be opened, read or written.
    #[error("{doing} the journal {path}: {source}")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What `SQLite` said.
        source: rusqlite::Error,
    },
    /// The file is of a later version of this program.
    #[error(
        "the journal {path} is of version {found}, and this program knows up to {VERSION}: use the program that wrote it"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// A row holds what this program does not understand.
    #[error("row {seq} of the journal {path}: {what}")]
    Row {
        /// The file.
        path: PathBuf,
        /// Number of the row.
        seq: i64,
        /// What is wrong with it.
        what: String,
    },
    /// The thread that writes has ended.
    #[error("the journal {path} is closed: an earlier write to it failed, see above")]
    Closed {
        /// The file.
        path: PathBuf,
    },
    /// No such run.
    #[error("the journal {path} has no run {run}; `comeback runs` lists them")]
    NoRun {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        run: String,
    },
    /// The name fits several runs.
    #[error("{run} begins the name of several runs: {}", .found.join(", "))]
    SeveralRuns {
        /// What was asked for.
        run: String,
        /// Those that it fits.
        found: Vec<String>,
    },
}

/// What a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An action is about to be carried out.
    Intent,
    /// It was, and gave this.
    Done,
    /// It failed for good, for this reason.
    Failed,
    /// It is about to be undone.
    UndoIntent,
    /// It was undone.
    Undone,
    /// It could not be undone: a person has to.
    UndoFailed,
    /// The run is in another state.
    State,
    /// What is to be deleted was decided.
    Decision,
    /// Something that a person may want to know later.
    Note,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Intent,
        Self::Done,
        Self::Failed,
        Self::UndoIntent,
        Self::Undone,
        Self::UndoFailed,
        Self::State,
        Self::Decision,
        Self::Note,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::UndoIntent => "undo-intent",
            Self::Undone => "undone",
            Self::UndoFailed => "undo-failed",
            Self::State => "state",
            Self::Decision => "decision",
            Self::Note => "note",
        }
    }
}

/// A row to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What it says.
    pub kind: Kind,
    /// Which action it is about.
    pub action: Option<String>,
    /// What goes with it.
    pub data: serde_json::Value,
}

impl Entry {
    /// A row about an action.
    pub fn about(kind: Kind, action: &str, data: serde_json::Value) -> Self {
        Self {
            kind,
            action: Some(action.to_owned()),
            data,
        }
    }

    /// The run is in this state now.
    pub fn state(state: State) -> Self {
        Self {
            kind: Kind::State,
            action: None,
            data: serde_json::Value::String(state.name().to_owned()),
        }
    }
}

/// A row as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its number; rows of a run are in the order in which they were written.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// What it says.
    pub entry: Entry,
}

/// A run as the journal has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// Its name.
    pub id: RunId,
    /// When it began.
    pub created: Timestamp,
    /// The account that the instance is in.
    pub account: String,
    /// The region that it is in.
    pub region: String,
    /// The instance that is migrated.
    pub instance: String,
}

/// The journal. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Journal {
    path: PathBuf,
    writer: Writer,
}

impl Journal {
    /// Opens the journal, and makes it if it is not there.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        if let Some(folder) = path.parent() {
            private_folder(folder)?;
        }
        let failed = |doing| move |source| sqlite_error(path, doing, source);
        let mut connection = Connection::open(path).map_err(failed("opening"))?;
        prepare(&mut connection, path)?;
        Ok(Self {
            path: path.to_owned(),
            writer: Writer::start(path, connection),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a run: its plan is on stable storage when this returns.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn begin(&self, head: &Head, plan: &serde_json::Value) -> Result<(), JournalError> {
        self.writer.begin(head.clone(), plan.to_string()).await
    }

    /// Adds a row, which is on stable storage when this returns.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn append(&self, run: &RunId, entry: Entry) -> Result<(), JournalError> {
        self.writer.append(run.clone(), entry).await
    }

    /// All runs, the oldest first.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn runs(&self) -> Result<Vec<Head>, JournalError> {
        let failed = |source| self.error("reading", source);
        let connection = self.read()?;
        let mut select = connection
            .prepare("SELECT id, created, account, region, instance FROM runs ORDER BY created, id")
            .map_err(failed)?;
        let rows = select
            .query_map([], |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get::<_, String>(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                ))
            })
            .map_err(failed)?;
        rows.map(|row| {
            let (id, created, account, region, instance) = row.map_err(failed)?;
            Ok(Head {
                created: self.timestamp(0, &created)?,
                id: RunId::from_journal(id),
                account,
                region,
                instance,
            })
        })
        .collect()
    }

    /// The run with this name, or whose name begins like this.
    ///
    /// # Errors
    /// [`JournalError::NoRun`], [`JournalError::SeveralRuns`].
    pub fn find(&self, name: &str) -> Result<Head, JournalError> {
        let mut found: Vec<Head> = self
            .runs()?
            .into_iter()
            .filter(|head| !name.is_empty() && head.id.as_str().starts_with(name))
            .collect();
        if let Some(exact) = found.iter().position(|head| head.id.as_str() == name) {
            return Ok(found.swap_remove(exact));
        }
        match found.len() {
            1 => Ok(found.swap_remove(0)),
            0 => Err(JournalError::NoRun {
                path: self.path.clone(),
                run: name.to_owned(),
            }),
            _ => Err(JournalError::SeveralRuns {
                run: name.to_owned(),
                found: found.into_iter().map(|head| head.id.to_string()).collect(),
            }),
        }
    }

    /// The plan that a run was begun with.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn plan(&self, run: &RunId) -> Result<serde_json::Value, JournalError> {
        let text: Option<String> = self
            .read()?
            .query_row("SELECT plan FROM runs WHERE id = ?1", [run.as_str()], |row| row.get(0))
            .optional()
            .map_err(|source| self.error("reading", source))?;
        let Some(text) = text else {
            return Err(JournalError::NoRun {
                path: self.path.clone(),
                run: run.to_string(),
            });
        };
        serde_json::from_str(&text).map_err(|error| self.bad_row(0, format!("the plan of {run}: {error}")))
    }

    /// All rows of a run, in order.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn rows(&self, run: &RunId) -> Result<Vec<Row>, JournalError> {
        let failed = |source| self.error("reading", source);
        let connection = self.read()?;
        let mut select = connection
            .prepare("SELECT seq, at, kind, action, data FROM entries WHERE run = ?1 ORDER BY seq")
            .map_err(failed)?;
        let rows = select
            .query_map(params![run.as_str()], |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, String>(2)?,
                    row.get::<_, Option<String>>(3)?,
                    row.get::<_, Option<String>>(4)?,
                ))
            })
            .map_err(failed)?;
        rows.map(|row| {
            let (seq, at, kind, action, data) = row.map_err(failed)?;
            let Some(kind) = Kind::ALL.into_iter().find(|known| known.name() == kind) else {
                return Err(self.bad_row(seq, format!("a kind that this program does not know: {kind}")));
            };
            let data = match data {
                None => serde_json::Value::Null,
                Some(text) => serde_json::from_str(&text).map_err(|error| self.bad_row(seq, error.to_string()))?,
            };
            Ok(Row {
                seq,
                at: self.timestamp(seq, &at)?,
                entry: Entry { kind, action, data },
            })
        })
        .collect()
    }

    /// What the rows of a run add up to.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn record(&self, run: &RunId) -> Result<Record, JournalError> {
        Record::of(&self.rows(run)?).map_err(|(seq, what)| self.bad_row(seq, what))
    }

    fn read(&self) -> Result<Connection, JournalError> {
        let connection = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .map_err(|source| self.error("opening", source))?;
        connection
            .busy_timeout(PATIENCE)
            .map_err(|source| self.error("opening", source))?;
        Ok(connection)
    }

    fn timestamp(&self, seq: i64, text: &str) -> Result<Timestamp, JournalError> {
        text.parse()
            .map_err(|error| self.bad_row(seq, format!("a time that is none, {text}: {error}")))
    }

    fn bad_row(&self, seq: i64, what: String) -> JournalError {
        JournalError::Row {
            path: self.path.clone(),
            seq,
            what,
        }
    }

    fn error(&self, doing: &'static str, source: rusqlite::Error) -> JournalError {
        sqlite_error(&self.path, doing, source)
    }
}

fn sqlite_error(path: &Path, doing: &'static str, source: rusqlite::Error) -> JournalError {
    JournalError::Sqlite {
        doing,
        path: path.to_owned(),
        source,
    }
}

/// Plans hold user data, which may hold secrets: the folder is the user's alone.
fn private_folder(folder: &Path) -> Result<(), JournalError> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| JournalError::Folder {
            path: folder.to_owned(),
            source,
        })
}

/// Full sync in the write-ahead log: a row that was acknowledged survives a power failure.
fn prepare(connection: &mut Connection, path: &Path) -> Result<(), JournalError> {
    let failed = |source| sqlite_error(path, "preparing", source);
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    // Two who open a new journal at the same time make its tables once.
    let transaction = connection
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .map_err(failed)?;
    let found: i64 = transaction
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(failed)?;
    match found {
        0 => {
            transaction.execute_batch(SCHEMA).map_err(failed)?;
            transaction
                .pragma_update(None, "user_version", VERSION)
                .map_err(failed)?;
        }
        VERSION => {}
        _ => {
            return Err(JournalError::Version {
                path: path.to_owned(),
                found,
            });
        }
    }
    transaction.commit().map_err(failed)
}

#[cfg(test)]
mod tests;
