//! Instances, as `DescribeInstances` tells of them.

use super::{Tags, text_enum};
use crate::ids::{
    AccountId, AttachmentId, GroupId, ImageId, InstanceId, InterfaceId, KernelId, RamdiskId, SubnetId, VolumeId, VpcId,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr};

text_enum!(
    /// Where an instance is in its life.
    InstanceState {
        /// Being started; becomes running.
        Pending = "pending",
        /// Started. It says nothing about whether the guest has booted.
        Running = "running",
        /// Being shut down; becomes stopped.
        Stopping = "stopping",
        /// Off, with its volumes.
        Stopped = "stopped",
        /// Being terminated.
        ShuttingDown = "shutting-down",
        /// Gone; still listed for about an hour.
        Terminated = "terminated",
    }
);

text_enum!(
    /// How the guest is carried. It cannot be changed for an instance.
    Virtualization {
        /// The kernel runs on Xen's interface and is loaded from a kernel image.
        Paravirtual = "paravirtual",
        /// A whole machine with firmware and a boot sector.
        Hvm = "hvm",
    }
);

text_enum!(
    /// The processor that an instance or image is for.
    Architecture {
        /// 32-bit x86.
        I386 = "i386",
        /// 64-bit x86.
        X86_64 = "x86_64",
        /// 64-bit ARM.
        Arm64 = "arm64",
    }
);

text_enum!(
    /// Where the root device is kept.
    RootDeviceType {
        /// On a volume: it survives a stop.
        Ebs = "ebs",
        /// On the host's own disks: the instance cannot be stopped, only terminated.
        InstanceStore = "instance-store",
    }
);

text_enum!(
    /// How far the attachment of a volume or interface is.
    AttachState {
        /// On its way.
        Attaching = "attaching",
        /// There.
        Attached = "attached",
        /// Being taken off.
        Detaching = "detaching",
        /// Off.
        Detached = "detached",
        /// Waits for the guest to let go.
        Busy = "busy",
    }
);

text_enum!(
    /// Who pays how for the instance, which decides whether it can be stopped and started at will.
    Lifecycle {
        /// On demand or reserved.
        Normal = "normal",
        /// Spot.
        Spot = "spot",
        /// A scheduled reservation.
        Scheduled = "scheduled",
        /// A capacity block.
        CapacityBlock = "capacity-block",
    }
);

text_enum!(
    /// Whether the host is shared with others.
    Tenancy {
        /// Shared hardware.
        Default = "default",
        /// Hardware of this account only.
        Dedicated = "dedicated",
        /// A host that the account holds.
        Host = "host",
    }
);

text_enum!(
    /// Detailed monitoring (one minute instead of five).
    Monitoring {
        /// Off.
        Disabled = "disabled",
        /// Being switched off.
        Disabling = "disabling",
        /// On.
        Enabled = "enabled",
        /// Being switched on.
        Pending = "pending",
    }
);

text_enum!(
    /// Whether the instance is moved to another host when its own fails.
    AutoRecovery {
        /// It is not.
        Disabled = "disabled",
        /// It is, where the type allows it.
        Default = "default",
    }
);

text_enum!(
    /// Whether a reboot that the user asks for moves the instance to another host while a `system-reboot` event is due.
    RebootMigration {
        /// It does not.
        Disabled = "disabled",
        /// It does, where the type allows it.
        Default = "default",
    }
);

text_enum!(
    /// Something that is on or off.
    Switch {
        /// On.
        Enabled = "enabled",
        /// Off.
        Disabled = "disabled",
    }
);

text_enum!(
    /// Whether the metadata service insists on session tokens (IMDSv2).
    TokenUse {
        /// It answers without.
        Optional = "optional",
        /// It insists.
        Required = "required",
    }
);

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name.
    pub id: InstanceId,
    /// Where it is in its life.
    pub state: InstanceState,
    /// Its type, such as `m3.medium`.
    pub instance_type: String,
    /// How the guest is carried.
    pub virtualization: Virtualization,
    /// The processor it was made for.
    pub architecture: Architecture,
    /// What EC2 reports as hypervisor. It says `xen` for Nitro types too: see [`InstanceType`](super::InstanceType).
    pub hypervisor: Option<String>,
    /// Kernel image of a paravirtual instance.
    pub kernel: Option<KernelId>,
    /// RAM disk image of a paravirtual instance whose kernel is not on its disk.
    pub ramdisk: Option<RamdiskId>,
    /// The image it was launched from; it may be gone.
    pub image: Option<ImageId>,
    /// Device name of the root, such as `/dev/sda1`.
    pub root_device_name: Option<String>,
    /// Where the root is kept.
    pub root_device_type: RootDeviceType,
    /// Its volumes, in the order of the answer.
    pub block_devices: Vec<BlockDevice>,
    /// Its subnet.
    pub subnet: Option<SubnetId>,
    /// Its VPC.
    pub vpc: Option<VpcId>,
    /// Its availability zone, such as `ap-northeast-1a`.
    pub zone: String,
    /// Primary private address.
    pub private_ip: Option<Ipv4Addr>,
    /// Private host name.
    pub private_dns: Option<String>,
    /// Public address, Elastic or lent until the next stop.
    pub public_ip: Option<Ipv4Addr>,
    /// Public host name.
    pub public_dns: Option<String>,
    /// Name of the key pair it was launched with.
    pub key_name: Option<String>,
    /// Security groups of the primary interface.
    pub security_groups: Vec<GroupName>,
    /// Network interfaces in the order of their device index.
    pub interfaces: Vec<InstanceInterface>,
    /// ARN of the instance profile.
    pub iam_profile: Option<String>,
    /// Tags.
    pub tags: Tags,
    /// Detailed monitoring.
    pub monitoring: Monitoring,
    /// Where it is placed.
    pub placement: Placement,
    /// Spot, scheduled or normal.
    pub lifecycle: Lifecycle,
    /// Codes of marketplace products it carries.
    pub product_codes: Vec<ProductCode>,
    /// What is billed, such as `Linux/UNIX`.
    pub platform_details: Option<String>,
    /// Whether the guest is Windows.
    pub windows: bool,
    /// When it was last started.
    pub launch_time: Option<Timestamp>,
    /// Its metadata service.
    pub metadata_options: Option<MetadataOptions>,
    /// What AWS may do with it by itself.
    pub maintenance_options: MaintenanceOptions,
    /// Whether it is optimised for EBS.
    pub ebs_optimized: bool,
    /// Whether the elastic network adapter is switched on.
    pub ena_support: bool,
    /// `simple` when the older enhanced networking is switched on.
    pub sriov: Option<String>,
    /// Whether packets that are not for the instance are dropped.
    pub source_dest_check: Option<bool>,
    /// Whether hibernation is configured.
    pub hibernation: bool,
    /// Whether enclaves are switched on.
    pub enclave: bool,
    /// Why it is in its state, as code and message.
    pub state_reason: Option<String>,
    /// Why and when the state changed last, in the words of EC2, such as `User initiated (2026-01-04 10:00:00 GMT)`.
    pub state_transition_reason: Option<String>,
    /// How the firmware starts: `legacy-bios`, `uefi` or `uefi-preferred`; nothing means the type's own way.
    pub boot_mode: Option<String>,
    /// The token it was launched with.
    pub client_token: Option<String>,
}

impl Instance {
    /// The value of a tag.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.get(key).map(String::as_str)
    }

    /// What it is called: the tag `Name`.
    pub fn name(&self) -> Option<&str> {
        self.tag("Name").filter(|name| !name.is_empty())
    }

    /// The volume at the root's device name.
    pub fn root(&self) -> Option<&BlockDevice> {
        let root = self.root_device_name.as_deref()?;
        self.block_devices.iter().find(|device| device.device == root)
    }

    /// The attachment of a volume.
    pub fn device_of(&self, volume: &VolumeId) -> Option<&BlockDevice> {
        self.block_devices.iter().find(|device| device.volume == *volume)
    }

    /// The interface at device index 0, which cannot be taken off.
    pub fn primary_interface(&self) -> Option<&InstanceInterface> {
        self.interfaces.iter().find(|interface| interface.device_index == 0)
    }

    /// The Auto Scaling group it belongs to, which would replace it when it stops.
    pub fn auto_scaling_group(&self) -> Option<&str> {
        self.tag("aws:autoscaling:groupName")
    }
}

/// A volume of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockDevice {
    /// Name of the attachment, such as `/dev/sdf`.
    pub device: String,
    /// The volume.
    pub volume: VolumeId,
    /// Whether the volume is deleted with the instance.
    pub delete_on_termination: bool,
    /// How far the attachment is.
    pub state: AttachState,
}

/// A security group as it is named in an instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupName {
    /// The group.
    pub id: GroupId,
    /// Its name.
    pub name: String,
}

/// A network interface as it is shown in an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceInterface {
    /// The interface.
    pub id: InterfaceId,
    /// What ties it to the instance.
    pub attachment: Option<AttachmentId>,
    /// Its place in the instance; 0 is the primary one.
    pub device_index: u32,
    /// How far the attachment is.
    pub state: AttachState,
    /// Its private addresses, the primary one first.
    pub addresses: Vec<InstanceAddress>,
    /// Its IPv6 addresses.
    pub ipv6: Vec<Ipv6Addr>,
    /// Its security groups.
    pub groups: Vec<GroupName>,
    /// Whether it is deleted with the instance.
    pub delete_on_termination: bool,
    /// Its hardware address.
    pub mac: Option<String>,
    /// Whether packets that are not for it are dropped.
    pub source_dest_check: bool,
    /// What it is for, in its owner's words.
    pub description: Option<String>,
    /// Its subnet.
    pub subnet: Option<SubnetId>,
    /// `interface`, or what else it is (`efa`, `branch`, `trunk`).
    pub kind: Option<String>,
}

/// A private address of an interface, and the public one in front of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceAddress {
    /// The private address.
    pub private: Ipv4Addr,
    /// Whether it is the interface's primary address.
    pub primary: bool,
    /// The public address in front of it.
    pub public: Option<Ipv4Addr>,
    /// Whose the public address is.
    pub owner: Option<AddressOwner>,
}

/// Whose a public address is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressOwner {
    /// Lent by Amazon until the instance stops.
    Amazon,
    /// An Elastic IP of this account.
    Account(AccountId),
    /// Something else (`aws` services, carrier addresses), as it was answered.
    Other(String),
}

/// Where an instance is placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Whether the host is shared.
    pub tenancy: Tenancy,
    /// Placement group.
    pub group: Option<String>,
    /// Dedicated host.
    pub host: Option<String>,
    /// `host` when it returns to the same dedicated host.
    pub affinity: Option<String>,
    /// Partition of the placement group.
    pub partition: Option<i32>,
}

/// A product code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductCode {
    /// The code.
    pub code: String,
    /// `marketplace` or `devpay`.
    pub kind: String,
}

/// The metadata service of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataOptions {
    /// Whether session tokens are needed.
    pub tokens: TokenUse,
    /// Whether it answers at all.
    pub endpoint: Switch,
    /// How many hops an answer may travel.
    pub hop_limit: i32,
    /// Whether it answers on IPv6.
    pub ipv6: Switch,
    /// Whether it shows the instance's tags.
    pub tags: Switch,
}

/// What AWS may do with an instance by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceOptions {
    /// Move it when its host fails.
    pub auto_recovery: AutoRecovery,
    /// Move it when it is rebooted while a `system-reboot` is due. Nothing where EC2 did not say.
    pub reboot_migration: Option<RebootMigration>,
}
