//! What was there before a stop-gap, one small file for each instance: `stopgaps/INSTANCE.json`.
//!
//! A file is replaced as a whole and is on stable storage before what it remembers is changed.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use comeback_cloud::ids::{AccountId, InstanceId, KernelId, RegionName, SnapshotId};
use comeback_cloud::model::{AutoRecovery, RebootMigration};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::run::RunId;

/// Counts up when the fields change their meaning.
const VERSION: u32 = 1;

/// The records of this user.
#[derive(Debug, Clone)]
pub struct Records {
    folder: PathBuf,
}

/// Why a record cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file.
    #[error("{doing} {path}: {source}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What is in it.
    #[error("reading {path}: {what}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Another process works on the instance.
    #[error("another process changes {instance}: wait for it, or end it")]
    Busy {
        /// The instance.
        instance: InstanceId,
    },
}

impl RecordError {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::File { .. } => "make room or give access, then try again".to_owned(),
            Self::Content { path, .. } => format!(
                "take the program that wrote it; or, if what it remembers is of no use any more, remove {}",
                path.display()
            ),
            Self::Busy { .. } => "try again when it has ended".to_owned(),
        }
    }
}

/// What is remembered of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Record {
    version: u32,
    instance: InstanceId,
    account: Option<AccountId>,
    region: RegionName,
    /// What it was set to before `hold`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) held: Option<Held>,
    /// What its kernel image was before `bump-kernel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kernel: Option<Bumped>,
}

/// What it was set to before it was held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Held {
    pub(crate) at: Timestamp,
    pub(crate) auto_recovery: AutoRecovery,
    /// EC2 does not always tell; then it is its default.
    pub(crate) reboot_migration: Option<RebootMigration>,
}

/// What its kernel image was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Bumped {
    /// When it was begun.
    pub(crate) at: Timestamp,
    /// The first kernel image, before any bump.
    pub(crate) from: KernelId,
    /// The change that is under way, or was the last: its name, by which its snapshots are known.
    pub(crate) run: RunId,
    /// The kernel image that it sets.
    pub(crate) to: KernelId,
    /// Whether the instance is to run at its end.
    pub(crate) start: bool,
    /// Whether all of it was done.
    pub(crate) done: bool,
    /// Snapshots that were taken, of all changes.
    #[serde(default)]
    pub(crate) snapshots: Vec<SnapshotId>,
}

/// The record of an instance, and this process's alone until it is dropped.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) record: Record,
    path: PathBuf,
    _lock: File,
}

impl Records {
    /// Those in a folder, `$XDG_STATE_HOME/comeback` as a rule.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.join("stopgaps"),
        }
    }

    /// Takes the record of an instance for this process; an empty one if there is none.
    ///
    /// # Errors
    /// [`RecordError`].
    pub(crate) fn take(
        &self,
        region: &RegionName,
        account: Option<&AccountId>,
        instance: &InstanceId,
    ) -> Result<Kept, RecordError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(&self.folder)
            .map_err(|source| failed("creating", &self.folder, source))?;
        let path = self.folder.join(format!("{instance}.json"));
        let lock_path = self.folder.join(format!("{instance}.lock"));
        let mut options = fs::OpenOptions::new();
        let lock = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(|source| failed("opening", &lock_path, source))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(RecordError::Busy {
                    instance: instance.clone(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed("locking", &lock_path, source)),
        }
        let empty = Record {
            version: VERSION,
            instance: instance.clone(),
            account: account.cloned(),
            region: region.clone(),
            held: None,
            kernel: None,
        };
        let record = read(&path)?.unwrap_or_else(|| empty.clone());
        let (is, wanted) = (
            (&record.version, &record.region, &record.account),
            (&empty.version, &empty.region, &empty.account),
        );
        if is != wanted || record.instance != empty.instance {
            return Err(RecordError::Content {
                path,
                what: format!(
                    "it is version {} of {} in {}, expected {VERSION} of {instance} in {region}",
                    record.version, record.instance, record.region
                ),
            });
        }
        Ok(Kept {
            record,
            path,
            _lock: lock,
        })
    }
}

fn read(path: &Path) -> Result<Option<Record>, RecordError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed("reading", path, source)),
    };
    let record = serde_json::from_slice(&text).map_err(|error| RecordError::Content {
        path: path.to_owned(),
        what: error.to_string(),
    })?;
    Ok(Some(record))
}

impl Kept {
    /// Writes it down. One that remembers nothing is removed.
    ///
    /// # Errors
    /// [`RecordError::File`].
    pub(crate) fn write(&self) -> Result<(), RecordError> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        if self.record.held.is_none() && self.record.kernel.is_none() {
            return match fs::remove_file(&self.path) {
                Ok(()) => Ok(()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(source) => Err(failed("removing", &self.path, source)),
            };
        }
        let new = self.path.with_extension("new");
        let text = serde_json::to_vec_pretty(&self.record).map_err(|error| RecordError::Content {
            path: self.path.clone(),
            what: error.to_string(),
        })?;
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&new, &self.path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|source| failed("writing", &self.path, source))
    }
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> RecordError {
    RecordError::File {
        doing,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn take(records: &Records, region: &str) -> Result<Kept, RecordError> {
        let account = "111122223333".parse().unwrap();
        records.take(&region.parse().unwrap(), Some(&account), &"i-00000001".parse().unwrap())
    }

    #[test]
    fn what_was_there_is_remembered_until_it_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::new(folder.path());
        let mut kept = take(&records, "us-east-1").unwrap();
        assert!(matches!(take(&records, "us-east-1"), Err(RecordError::Busy { .. })));
        let held = Held {
            at: Timestamp::UNIX_EPOCH,
            auto_recovery: AutoRecovery::Default,
            reboot_migration: None,
        };
        kept.record.held = Some(held.clone());
        kept.write().unwrap();
        drop(kept);

        let mut kept = take(&records, "us-east-1").unwrap();
        assert_eq!(kept.record.held, Some(held));
        kept.record.held = None;
        kept.write().unwrap();
        kept.write().unwrap();
        drop(kept);
        assert!(
            !folder.path().join("stopgaps/i-00000001.json").exists(),
            "nothing is left to remember"
        );
    }

    #[test]
    fn what_is_not_understood_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::new(folder.path());
        let mut kept = take(&records, "us-east-1").unwrap();
        kept.record.held = Some(Held {
            at: Timestamp::UNIX_EPOCH,
            auto_recovery: AutoRecovery::Disabled,
            reboot_migration: None,
        });
        kept.write().unwrap();
        drop(kept);
        assert!(
            take(&records, "us-west-2")
                .unwrap_err()
                .to_string()
                .contains("us-east-1")
        );
        let path = folder.path().join("stopgaps/i-00000001.json");
        let text = fs::read_to_string(&path).unwrap();
        for other in [
            text.replacen("\"version\": 1", "\"version\": 2", 1),
            text.replacen("\"held\"", "\"hold\"", 1),
            text[..text.len() / 2].to_owned(),
        ] {
            fs::write(&path, &other).unwrap();
            let error = take(&records, "us-east-1").unwrap_err();
            assert!(error.help().contains("i-00000001.json"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), other);
        }
    }
}
