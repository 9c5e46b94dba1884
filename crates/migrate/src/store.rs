//! Where runs are kept: the journal, and a folder for each run.
//!
//! ```text
//! journal.db            all runs
//! runs/RUN/lock         held by the process that carries the run out
//! runs/RUN/…            keys, what the converter saved
//! ```

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::journal::{Journal, JournalError};
use crate::run::RunId;

/// The file of the journal.
const JOURNAL: &str = "journal.db";

/// The user's runs.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
    journal: Journal,
}

/// Why a run cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file of the run.
    #[error("{doing} {path}: {source}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process has it.
    #[error("run {run} is being carried out by another process: wait for it, or end it")]
    Busy {
        /// The run.
        run: RunId,
    },
}

/// A run that is this process's alone until this is dropped, or the process dies.
#[derive(Debug)]
pub struct Held {
    /// Its folder.
    pub folder: PathBuf,
    _lock: File,
}

impl Store {
    /// Whether a folder has runs; it is not made if it is not there.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(JOURNAL).is_file()
    }

    /// Opens the runs in a folder, `$XDG_STATE_HOME/comeback` as a rule, and makes it if it is not there.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        Ok(Self {
            folder: folder.to_owned(),
            journal: Journal::open(&folder.join(JOURNAL))?,
        })
    }

    /// The journal of all runs.
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The folder of a run, whether it is there or not.
    pub fn folder(&self, run: &RunId) -> PathBuf {
        self.folder.join("runs").join(run.as_str())
    }

    /// Takes a run for this process.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when another has it.
    pub fn hold(&self, run: &RunId) -> Result<Held, StoreError> {
        let folder = self.folder(run);
        let failed = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::File { doing, path, source }
        };
        // There are keys in it.
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&folder).map_err(failed("creating", &folder))?;
        let path = folder.join("lock");
        let mut options = fs::OpenOptions::new();
        let lock = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(failed("opening", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Held { folder, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Busy { run: run.clone() }),
            Err(TryLockError::Error(error)) => Err(failed("locking", &path)(error)),
        }
    }

    /// Whether a process carries the run out now.
    pub fn is_held(&self, run: &RunId) -> bool {
        let path = self.folder(run).join("lock");
        File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_run_has_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let run = RunId::new(jiff::civil::date(2018, 1, 4));
        assert!(!store.is_held(&run));
        let held = store.hold(&run).unwrap();
        assert!(store.is_held(&run));
        let error = store.hold(&run).unwrap_err().to_string();
        assert!(
            error.contains(run.as_str()) && error.contains("another process"),
            "{error}"
        );
        drop(held);
        assert!(!store.is_held(&run));
        store.hold(&run).unwrap();
    }
}
