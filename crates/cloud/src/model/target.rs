//! Target groups of load balancers.

use super::text_enum;
use crate::ids::{TargetGroupArn, VpcId};
use serde::{Deserialize, Serialize};

text_enum!(
    /// What a target group's targets are.
    TargetType {
        /// Instances, by their names.
        Instance = "instance",
        /// Addresses.
        Ip = "ip",
        /// A function.
        Lambda = "lambda",
        /// Another load balancer.
        Alb = "alb",
    }
);

text_enum!(
    /// How a target does.
    TargetState {
        /// Just registered.
        Initial = "initial",
        /// Passes its checks.
        Healthy = "healthy",
        /// Fails its checks.
        Unhealthy = "unhealthy",
        /// Fails its checks while it is let go.
        UnhealthyDraining = "unhealthy.draining",
        /// No load balancer uses it.
        Unused = "unused",
        /// Being let go.
        Draining = "draining",
        /// Cannot be checked.
        Unavailable = "unavailable",
    }
);

/// A target group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetGroup {
    /// Its ARN.
    pub arn: TargetGroupArn,
    /// Its name.
    pub name: String,
    /// What its targets are.
    pub target_type: TargetType,
    /// Port of its targets when none is given.
    pub port: Option<i32>,
    /// Its VPC.
    pub vpc: Option<VpcId>,
}

/// A target: an instance or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    /// Name of the instance, or address.
    pub id: String,
    /// Its port; nothing means the group's.
    pub port: Option<i32>,
    /// Availability zone, for addresses outside of the VPC.
    pub zone: Option<String>,
}

/// How a target of a group does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetHealth {
    /// The group.
    pub group: TargetGroup,
    /// The target.
    pub target: Target,
    /// How it does.
    pub state: TargetState,
    /// Why, as AWS says it.
    pub reason: Option<String>,
}
