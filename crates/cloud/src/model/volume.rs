//! Volumes.

use super::{AttachState, Tags, text_enum};
use crate::ids::{InstanceId, SnapshotId, VolumeId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

text_enum!(
    /// Where a volume is in its life.
    VolumeState {
        /// Being made.
        Creating = "creating",
        /// Free to be attached.
        Available = "available",
        /// Attached to an instance.
        InUse = "in-use",
        /// Being deleted.
        Deleting = "deleting",
        /// Gone.
        Deleted = "deleted",
        /// Broken; it cannot be recovered.
        Error = "error",
    }
);

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its name.
    pub id: VolumeId,
    /// Where it is in its life.
    pub state: VolumeState,
    /// Size in GiB.
    pub size_gib: u32,
    /// `standard`, `gp2`, `gp3`, `io1`, …
    pub kind: String,
    /// Provisioned operations per second.
    pub iops: Option<u32>,
    /// Provisioned throughput in MiB/s.
    pub throughput: Option<u32>,
    /// Its availability zone.
    pub zone: String,
    /// The snapshot it was made from.
    pub snapshot: Option<SnapshotId>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// ARN of the key it is encrypted with.
    pub kms_key: Option<String>,
    /// Whether several instances may hold it at once.
    pub multi_attach: bool,
    /// Where it is attached.
    pub attachments: Vec<VolumeAttachment>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Tags.
    pub tags: Tags,
}

impl Volume {
    /// The attachment to an instance.
    pub fn attachment_to(&self, instance: &InstanceId) -> Option<&VolumeAttachment> {
        self.attachments
            .iter()
            .find(|attachment| attachment.instance.as_ref() == Some(instance))
    }
}

/// Where a volume is attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeAttachment {
    /// To which instance; nothing when a service of AWS holds it.
    pub instance: Option<InstanceId>,
    /// Under which name.
    pub device: Option<String>,
    /// How far it is.
    pub state: AttachState,
    /// Whether the volume is deleted with the instance.
    pub delete_on_termination: bool,
}
