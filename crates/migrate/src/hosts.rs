//! The way to the host: keys that are good for one run, and the converter that works there.
//!
//! A trait, so that runs can be tested without machines. The real one is [`ssh`](crate::ssh).

use std::fmt;
use std::net::Ipv4Addr;
use std::path::Path;

use async_trait::async_trait;
use comeback_cloud::ids::VolumeId;
use comeback_cloud::model::UserData;
use serde::{Deserialize, Serialize};

use crate::plan::Platform;

/// Makes keys and opens doors.
#[async_trait]
pub trait Hosts: Send + Sync + fmt::Debug {
    /// What the host is started with: it takes our key, and has the host key that we know it by. The keys are made if the
    /// run's folder has none, and are the same from then on.
    ///
    /// # Errors
    /// When they cannot be made or saved.
    fn user_data(&self, folder: &Path) -> Result<UserData, HostError>;

    /// Deletes the keys of a run that is over.
    ///
    /// # Errors
    /// When they are there and cannot be deleted.
    fn forget(&self, folder: &Path) -> Result<(), HostError>;

    /// Knocks until the host answers and has the converter.
    ///
    /// # Errors
    /// [`HostError`]; it is transient as long as the host may still be booting.
    async fn open(&self, door: &Door, folder: &Path) -> Result<Box<dyn Host>, HostError>;
}

/// Where a host is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Door {
    /// Its address.
    pub address: Ipv4Addr,
    /// Port of SSH.
    pub port: u16,
    /// Who logs in.
    pub user: String,
}

/// A host that answers, with the converter on it.
#[async_trait]
pub trait Host: Send + Sync {
    /// Its block devices, by path.
    ///
    /// # Errors
    /// [`HostError`].
    async fn disks(&self) -> Result<Vec<String>, HostError>;

    /// Finds the disk and converts it; a disk that is converted already is left as it is. What `convert` saved is brought
    /// back into `folder`.
    ///
    /// # Errors
    /// [`HostError::Refused`] when the disk cannot be converted for the target; else it did not work out.
    async fn convert(
        &self,
        job: &Job,
        folder: &Path,
        progress: &(dyn Fn(String) + Send + Sync),
    ) -> Result<Converted, HostError>;
}

/// What is to be converted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The volume.
    pub volume: VolumeId,
    /// Its size in bytes.
    pub size: u64,
    /// The name under which it was attached.
    pub device: String,
    /// The block devices that were there before.
    pub known: Vec<String>,
    /// What it is to boot on.
    pub target: Platform,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Converted {
    /// The block device that it was.
    pub device: String,
    /// Whether anything was written; not if it was converted before.
    pub written: bool,
    /// Bytes that the patch changes.
    pub patch_bytes: u64,
    /// Where it boots afterwards, by the inspection: platform and verdict.
    pub verdicts: Vec<(String, String)>,
}

/// Why the host did not do it.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// It does not answer, or not yet.
    #[error("{door}: {what}")]
    Away {
        /// Where it should be.
        door: String,
        /// What happened.
        what: String,
    },
    /// Somebody else answers, or it does not let us in.
    #[error("{door}: {what}")]
    Stranger {
        /// Where it should be.
        door: String,
        /// What happened.
        what: String,
    },
    /// The disk cannot be converted.
    #[error("the root cannot be converted: {what}")]
    Refused {
        /// What stands in the way.
        what: String,
    },
    /// The converter failed.
    #[error("the converter at {door}: {what}")]
    Failed {
        /// Where.
        door: String,
        /// What happened.
        what: String,
    },
    /// A file of the run.
    #[error("{doing} {path}: {what}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// Why not.
        what: String,
    },
}

impl HostError {
    /// Whether it may pass by itself.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Away { .. })
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Away { .. } => {
                "open the port of SSH in a security group of the source to where this program runs, or take --reach; \
                 then `comeback resume`"
            }
            Self::Stranger { .. } => {
                "somebody answers in the host's place, or its image takes no user data: look at its console, take another \
                 --host-image"
            }
            Self::Refused { .. } => "`comeback inspect` says more; another --target may do",
            Self::Failed { .. } => "`comeback resume` tries again; the disk can be taken up where it is",
            Self::File { .. } => "make room or give access, then `comeback resume`",
        }
        .to_owned()
    }
}
