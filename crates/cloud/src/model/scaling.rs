//! Auto Scaling groups, as far as they concern one instance.

use super::text_enum;
use crate::ids::InstanceId;
use serde::{Deserialize, Serialize};

text_enum!(
    /// Where a member is in its life in the group
    /// (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html>).
    ScalingState {
        /// Serves; replaced as soon as it does not.
        InService = "InService",
        /// On its way to standby.
        EnteringStandby = "EnteringStandby",
        /// Set aside by a person: its health is not looked at, and it is not replaced.
        Standby = "Standby",
        /// On its way out of the group.
        Detaching = "Detaching",
        /// No longer in the group.
        Detached = "Detached",
        /// Being ended.
        Terminating = "Terminating",
    }
);

/// A member of an Auto Scaling group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScalingMember {
    /// The instance.
    pub instance: InstanceId,
    /// The group's name.
    pub group: String,
    /// Where it is in its life there.
    pub state: ScalingState,
}
