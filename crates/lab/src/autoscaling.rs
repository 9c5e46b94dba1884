//! Members of Auto Scaling groups (API version 2011-01-01, Query protocol).
//!
//! The lab has no groups of its own: an instance is a member if it has the tag by which EC2 shows that, and stays in the state that
//! its scenario gives it.

use crate::engine::Region;
use crate::engine::instance::State;
use crate::sts::unknown_action;
use crate::wire::{ApiError, Params, Xml};

/// Its XML namespace.
pub(crate) const NAMESPACE: &str = "http://autoscaling.amazonaws.com/doc/2011-01-01/";

/// The tag of a member, which names the group.
const GROUP: &str = "aws:autoscaling:groupName";

/// Most instances that can be asked for at once.
const MOST: usize = 50;

/// Carries out an action; there is none that changes anything.
pub(crate) fn call(region: &Region, action: &str, params: &Params) -> Result<Xml, ApiError> {
    match action {
        "DescribeAutoScalingInstances" => describe(region, params),
        other => Err(unknown_action(other)),
    }
}

fn describe(region: &Region, params: &Params) -> Result<Xml, ApiError> {
    let ids = params.list("InstanceIds.member");
    if ids.len() > MOST {
        return Err(ApiError::new(
            "ValidationError",
            format!(
                "The number of instance ids is {}, and at most {MOST} are allowed",
                ids.len()
            ),
        ));
    }
    // One that is no member is left out without a word.
    let found = region.instances.iter().filter_map(|(id, instance)| {
        let asked = ids.is_empty() || ids.contains(&id.as_str());
        let there = !matches!(instance.state, State::ShuttingDown | State::Terminated);
        let group = region.tags_of(id).find(|(key, _)| *key == GROUP)?.1;
        (asked && there).then_some((id, instance, group))
    });
    let mut xml = Xml::new();
    xml.list_of("AutoScalingInstances", "member", found, |xml, (id, instance, group)| {
        xml.text("InstanceId", id)
            .text("InstanceType", &instance.kind)
            .text("AutoScalingGroupName", group)
            .text("AvailabilityZone", &instance.zone)
            .text(
                "LifecycleState",
                instance.scaling_state.as_deref().unwrap_or("InService"),
            )
            .text("HealthStatus", "HEALTHY")
            .text("ProtectedFromScaleIn", false);
    });
    Ok(xml)
}
