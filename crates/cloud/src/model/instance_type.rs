//! Instance types.

use super::{Architecture, Virtualization, text_enum};
use serde::{Deserialize, Serialize};

text_enum!(
    /// What carries the guests of a type.
    Hypervisor {
        /// Xen: disks are seen as `xvd…`, the network as Xen's.
        Xen = "xen",
        /// Nitro: disks are NVMe, the network is ENA.
        Nitro = "nitro",
    }
);

text_enum!(
    /// Whether a type has a feature.
    Support {
        /// It has not.
        Unsupported = "unsupported",
        /// A guest may use it.
        Supported = "supported",
        /// A guest must use it.
        Required = "required",
    }
);

/// An instance type, as `DescribeInstanceTypes` tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceType {
    /// Such as `t3.medium`.
    pub name: String,
    /// How guests may be carried.
    pub virtualization: Vec<Virtualization>,
    /// Processors whose code it runs.
    pub architectures: Vec<Architecture>,
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// What carries the guests; nothing for bare metal.
    pub hypervisor: Option<Hypervisor>,
    /// The elastic network adapter.
    pub ena: Support,
    /// NVMe.
    pub nvme: Support,
    /// Whether AWS calls it current.
    pub current_generation: bool,
    /// Whether its speed depends on credits.
    pub burstable: bool,
    /// Disks of the host, in GB as AWS counts them; 0 for none.
    pub instance_store_gb: u64,
    /// Most network interfaces at once.
    pub max_interfaces: u32,
    /// Most private addresses of one interface.
    pub addresses_per_interface: u32,
    /// Whether there is no hypervisor at all.
    pub bare_metal: bool,
    /// `ebs`, `instance-store`: where the root may be.
    pub root_device_types: Vec<super::RootDeviceType>,
    /// `on-demand`, `spot`, …
    pub usage_classes: Vec<String>,
    /// How the firmware may start.
    pub boot_modes: Vec<String>,
    /// Whether automatic recovery works for it.
    pub auto_recovery: bool,
}

impl InstanceType {
    /// Whether an HVM guest can run on it.
    pub fn runs_hvm(&self) -> bool {
        self.virtualization.contains(&Virtualization::Hvm)
    }

    /// Whether guests see NVMe disks and the ENA network.
    pub fn is_nitro(&self) -> bool {
        self.hypervisor == Some(Hypervisor::Nitro) || (self.hypervisor.is_none() && self.nvme == Support::Required)
    }
}
