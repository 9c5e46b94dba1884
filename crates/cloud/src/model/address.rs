//! Elastic IP addresses.

use super::Tags;
use crate::ids::{AllocationId, AssociationId, InstanceId, InterfaceId};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// An Elastic IP address of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Its name.
    pub allocation: Option<AllocationId>,
    /// The address itself.
    pub public: Ipv4Addr,
    /// What ties it to an interface, when something does.
    pub association: Option<AssociationId>,
    /// The instance behind it.
    pub instance: Option<InstanceId>,
    /// The interface behind it.
    pub interface: Option<InterfaceId>,
    /// The private address behind it.
    pub private: Option<Ipv4Addr>,
    /// Tags.
    pub tags: Tags,
}
