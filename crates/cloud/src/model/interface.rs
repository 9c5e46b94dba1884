//! Network interfaces.

use super::{AttachState, GroupName, Tags, text_enum};
use crate::ids::{AllocationId, AssociationId, AttachmentId, InstanceId, InterfaceId, SubnetId, VpcId};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr};

text_enum!(
    /// Whether an interface is free.
    InterfaceState {
        /// Free.
        Available = "available",
        /// Tied to something for others.
        Associated = "associated",
        /// On its way to an instance.
        Attaching = "attaching",
        /// At an instance.
        InUse = "in-use",
        /// Being taken off.
        Detaching = "detaching",
        /// Being made.
        Pending = "pending",
    }
);

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name.
    pub id: InterfaceId,
    /// Whether it is free.
    pub state: InterfaceState,
    /// Where it is attached.
    pub attachment: Option<InterfaceAttachment>,
    /// Its subnet.
    pub subnet: Option<SubnetId>,
    /// Its VPC.
    pub vpc: Option<VpcId>,
    /// Its availability zone.
    pub zone: String,
    /// Its private addresses, the primary one first.
    pub addresses: Vec<InterfaceAddress>,
    /// Its IPv6 addresses.
    pub ipv6: Vec<Ipv6Addr>,
    /// Its security groups.
    pub groups: Vec<GroupName>,
    /// Its hardware address.
    pub mac: Option<String>,
    /// Whether packets that are not for it are dropped.
    pub source_dest_check: bool,
    /// What it is for.
    pub description: String,
    /// What it is: `interface`, `nat_gateway`, …
    pub kind: Option<String>,
    /// Whether a service of AWS holds it.
    pub requester_managed: bool,
    /// Tags.
    pub tags: Tags,
}

/// Where a network interface is attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceAttachment {
    /// Its name.
    pub id: AttachmentId,
    /// To which instance; nothing when a service of AWS holds it.
    pub instance: Option<InstanceId>,
    /// Its place in the instance.
    pub device_index: u32,
    /// How far it is.
    pub state: AttachState,
    /// Whether the interface is deleted with the instance.
    pub delete_on_termination: bool,
}

/// A private address of a network interface, and the Elastic IP in front of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceAddress {
    /// The private address.
    pub private: Ipv4Addr,
    /// Whether it is the primary one.
    pub primary: bool,
    /// The public address in front of it.
    pub public: Option<Ipv4Addr>,
    /// The Elastic IP in front of it; nothing for a lent address.
    pub allocation: Option<AllocationId>,
    /// What ties the two together.
    pub association: Option<AssociationId>,
}
