//! Snapshots.

use super::{Tags, text_enum};
use crate::ids::{AccountId, SnapshotId, VolumeId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

text_enum!(
    /// How far a snapshot is. Only a completed one can be relied on.
    SnapshotState {
        /// Being written.
        Pending = "pending",
        /// Complete.
        Completed = "completed",
        /// Failed; nothing can be made from it.
        Error = "error",
        /// In the recycle bin.
        Recoverable = "recoverable",
        /// Coming back from the recycle bin.
        Recovering = "recovering",
    }
);

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its name.
    pub id: SnapshotId,
    /// How far it is.
    pub state: SnapshotState,
    /// Why it failed.
    pub state_message: Option<String>,
    /// The volume it was taken of. EC2 answers an arbitrary name when it is a copy.
    pub volume: Option<VolumeId>,
    /// Size of the volume in GiB.
    pub size_gib: u32,
    /// Progress in percent.
    pub progress: u8,
    /// When it was begun: the moment whose data it holds.
    pub started: Option<Timestamp>,
    /// Whose it is.
    pub owner: Option<AccountId>,
    /// What it is for.
    pub description: String,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// ARN of the key it is encrypted with.
    pub kms_key: Option<String>,
    /// Tags.
    pub tags: Tags,
}
