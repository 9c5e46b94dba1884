//! Target groups of load balancers.

use serde::{Deserialize, Serialize};

/// A target group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TargetGroup {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) protocol: String,
    pub(crate) port: u16,
    pub(crate) vpc: String,
    /// `instance` or `ip`
    pub(crate) target_type: String,
    pub(crate) targets: Vec<Target>,
}

/// A registered target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    /// An instance or an address.
    pub(crate) id: String,
    pub(crate) port: u16,
}
