//! Volumes and snapshots.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::instance::ProductCode;

/// A volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Volume {
    pub(crate) id: String,
    /// GiB
    pub(crate) size: u32,
    /// `standard`, `gp2`, …
    pub(crate) kind: String,
    pub(crate) iops: Option<u32>,
    pub(crate) throughput: Option<u32>,
    pub(crate) encrypted: bool,
    pub(crate) key: Option<String>,
    pub(crate) zone: String,
    pub(crate) snapshot: Option<String>,
    pub(crate) created: Timestamp,
    pub(crate) state: VolumeState,
    pub(crate) due: Option<Timestamp>,
    pub(crate) attachment: Option<Attachment>,
    pub(crate) product_codes: Vec<ProductCode>,
}

impl Volume {
    /// As `DescribeVolumes` names it.
    pub(crate) fn status(&self) -> &'static str {
        match (self.state, &self.attachment) {
            (VolumeState::Creating, _) => "creating",
            (VolumeState::Error, _) => "error",
            (VolumeState::Ready, Some(_)) => "in-use",
            (VolumeState::Ready, None) => "available",
        }
    }

    /// The instance that it is attached to, or is about to be.
    pub(crate) fn instance(&self) -> Option<&str> {
        self.attachment.as_ref().map(|attachment| attachment.instance.as_str())
    }
}

/// Where a volume is in its life, apart from being attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum VolumeState {
    Creating,
    Ready,
    Error,
}

/// Where an attachment is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AttachState {
    Attaching,
    Attached,
    Detaching,
    /// The guest does not let go of it.
    Busy,
}

impl AttachState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Attaching => "attaching",
            Self::Attached => "attached",
            Self::Detaching => "detaching",
            Self::Busy => "busy",
        }
    }
}

/// A volume's place in an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Attachment {
    pub(crate) instance: String,
    pub(crate) device: String,
    pub(crate) state: AttachState,
    pub(crate) due: Option<Timestamp>,
    pub(crate) since: Timestamp,
    pub(crate) delete_on_termination: bool,
}

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) id: String,
    pub(crate) volume: String,
    /// GiB
    pub(crate) size: u32,
    pub(crate) description: String,
    pub(crate) encrypted: bool,
    pub(crate) key: Option<String>,
    pub(crate) started: Timestamp,
    pub(crate) due: Option<Timestamp>,
    /// Why it failed.
    pub(crate) error: Option<String>,
    /// Its bytes are those of the guest image of this name, not a file of its own.
    pub(crate) guest: Option<String>,
    /// Somebody else's, which cannot be deleted.
    pub(crate) owner_alias: Option<String>,
    pub(crate) product_codes: Vec<ProductCode>,
}

impl Snapshot {
    pub(crate) fn state(&self) -> &'static str {
        match (&self.error, self.due) {
            (Some(_), _) => "error",
            (None, Some(_)) => "pending",
            (None, None) => "completed",
        }
    }
}
