//! Members of Auto Scaling groups.

use super::said;
use crate::{ids::InstanceId, model::ScalingMember};
use aws_sdk_autoscaling::types as scaling;

/// Nothing without the instance, its group and its state.
pub(crate) fn scaling_member(from: scaling::AutoScalingInstanceDetails) -> Option<ScalingMember> {
    Some(ScalingMember {
        instance: said(from.instance_id).map(InstanceId::from_api)?,
        group: said(from.auto_scaling_group_name)?,
        state: said(from.lifecycle_state)?.as_str().into(),
    })
}
