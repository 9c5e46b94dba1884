//! What is asked for when something is made.

use crate::{
    ids::{GroupId, ImageId, InterfaceId, KernelId, RamdiskId, SnapshotId, SubnetId},
    model::{
        Architecture, MaintenanceOptions, MetadataOptions, Placement, ShutdownBehavior, Switch, Tags, TokenUse,
        UserData, Virtualization,
    },
};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// An instance to launch. With the same token and content it is launched once, however often it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRequest {
    /// Client token, at most 64 characters.
    pub token: String,
    /// The image it starts from.
    pub image: ImageId,
    /// Its type.
    pub instance_type: String,
    /// Tags of the instance.
    pub tags: Tags,
    /// Tags of the volumes that are made with it.
    pub volume_tags: Tags,
    /// Tags of the interfaces that are made with it.
    pub interface_tags: Tags,
    /// What differs from the image's devices.
    pub devices: Vec<NewDevice>,
    /// Its network.
    pub network: NetworkUse,
    /// What the guest finds as user data.
    pub user_data: Option<UserData>,
    /// Instance profile, as a name or an ARN.
    pub profile: Option<String>,
    /// Key pair.
    pub key_name: Option<String>,
    /// Where it is placed; nothing leaves all to EC2.
    pub placement: Option<Placement>,
    /// Availability zone; that of the subnet if there is one.
    pub zone: Option<String>,
    /// Detailed monitoring.
    pub monitoring: bool,
    /// The metadata service.
    pub metadata_options: Option<MetadataOptions>,
    /// What AWS may do with it by itself. Reboot migration cannot be set at launch and is left out.
    pub maintenance_options: Option<MaintenanceOptions>,
    /// What a shutdown from inside does.
    pub shutdown_behavior: ShutdownBehavior,
    /// Whether termination is refused.
    pub termination_protected: bool,
    /// Whether stopping is refused.
    pub stop_protected: bool,
    /// Whether it is optimised for EBS; nothing leaves it to the type.
    pub ebs_optimized: Option<bool>,
    /// Credits of burstable types.
    pub credits: Option<Credits>,
    /// Kernel image, for paravirtual instances only.
    pub kernel: Option<KernelId>,
    /// RAM disk image, for paravirtual instances only.
    pub ramdisk: Option<RamdiskId>,
}

impl RunRequest {
    /// A request that leaves all but the needed to EC2.
    pub fn new(
        token: impl Into<String>,
        image: ImageId,
        instance_type: impl Into<String>,
        network: NetworkUse,
    ) -> RunRequest {
        RunRequest {
            token: token.into(),
            image,
            instance_type: instance_type.into(),
            tags: Tags::new(),
            volume_tags: Tags::new(),
            interface_tags: Tags::new(),
            devices: Vec::new(),
            network,
            user_data: None,
            profile: None,
            key_name: None,
            placement: None,
            zone: None,
            monitoring: false,
            metadata_options: None,
            maintenance_options: None,
            shutdown_behavior: ShutdownBehavior::Stop,
            termination_protected: false,
            stop_protected: false,
            ebs_optimized: None,
            credits: None,
            kernel: None,
            ramdisk: None,
        }
    }
}

/// The network of a new instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkUse {
    /// A new interface in a subnet.
    Subnet {
        /// The subnet.
        subnet: SubnetId,
        /// Security groups; none means the VPC's default group.
        groups: Vec<GroupId>,
        /// Private address; nothing lets EC2 choose.
        private_ip: Option<Ipv4Addr>,
        /// Whether it gets a public address until its first stop; nothing leaves it to the subnet.
        public_ip: Option<bool>,
    },
    /// Interfaces in detail, the one at index 0 first. They bring their own groups and addresses.
    Interfaces(Vec<InterfaceUse>),
}

/// An interface of a new instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterfaceUse {
    /// One that is there already.
    Existing {
        /// The interface.
        id: InterfaceId,
        /// Its place in the instance.
        device_index: u32,
    },
    /// A new one.
    New(NewInterface),
}

/// A new interface of a new instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewInterface {
    /// Its place in the instance.
    pub device_index: u32,
    /// Its subnet.
    pub subnet: SubnetId,
    /// Its security groups.
    pub groups: Vec<GroupId>,
    /// Its primary private address; nothing lets EC2 choose.
    pub private_ip: Option<Ipv4Addr>,
    /// How many further private addresses it gets.
    pub further_addresses: u32,
    /// Whether it gets a public address until the first stop; nothing leaves it to the subnet.
    pub public_ip: Option<bool>,
    /// Whether it is deleted with the instance.
    pub delete_on_termination: bool,
    /// What it is for.
    pub description: Option<String>,
}

/// A device of a new instance or image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewDevice {
    /// A volume.
    Volume {
        /// Device name.
        device: String,
        /// The snapshot it is made from.
        snapshot: Option<SnapshotId>,
        /// Size in GiB.
        size_gib: Option<u32>,
        /// Type.
        kind: Option<String>,
        /// Whether it is deleted with the instance.
        delete_on_termination: bool,
        /// Whether it is encrypted; nothing leaves it to the snapshot and the account.
        encrypted: Option<bool>,
        /// Key it is encrypted with.
        kms_key: Option<String>,
    },
    /// A disk of the host, `ephemeral0` and so on.
    Ephemeral {
        /// Device name.
        device: String,
        /// Which disk.
        virtual_name: String,
    },
    /// Leaves out what the image has under this name.
    None {
        /// Device name.
        device: String,
    },
}

/// How a burstable instance pays for speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credits {
    /// It slows down when they are used up.
    Standard,
    /// It goes on, for money.
    Unlimited,
}

impl Credits {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Credits::Standard => "standard",
            Credits::Unlimited => "unlimited",
        }
    }
}

/// A volume to make. With the same token and content it is made once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeRequest {
    /// Client token, at most 64 characters.
    pub token: String,
    /// Availability zone.
    pub zone: String,
    /// The snapshot it is made from.
    pub snapshot: Option<SnapshotId>,
    /// Size in GiB; at least that of the snapshot, which is taken when nothing is given.
    pub size_gib: Option<u32>,
    /// `gp2`, `gp3`, `standard`, …
    pub kind: String,
    /// Provisioned operations per second.
    pub iops: Option<u32>,
    /// Provisioned throughput in MiB/s.
    pub throughput: Option<u32>,
    /// Whether it is encrypted; nothing leaves it to the snapshot and the account.
    pub encrypted: Option<bool>,
    /// Key it is encrypted with.
    pub kms_key: Option<String>,
    /// Tags.
    pub tags: Tags,
}

/// An image to make of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRequest {
    /// Its name. An account has each name once a region, which is what makes this safe to repeat: a second attempt fails with
    /// [`ErrorKind::AlreadyExists`](crate::ErrorKind::AlreadyExists).
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The processor it is for. EC2 would assume i386.
    pub architecture: Architecture,
    /// How its instances are carried. EC2 would assume paravirtual.
    pub virtualization: Virtualization,
    /// Kernel image, for paravirtual ones only.
    pub kernel: Option<KernelId>,
    /// RAM disk image, for paravirtual ones only.
    pub ramdisk: Option<RamdiskId>,
    /// Device name of the root.
    pub root_device_name: String,
    /// Its devices, the root among them.
    pub devices: Vec<NewDevice>,
    /// Whether its instances have the elastic network adapter.
    pub ena_support: bool,
    /// Whether its instances have the older enhanced networking.
    pub sriov: bool,
    /// `legacy-bios`, `uefi` or `uefi-preferred`.
    pub boot_mode: Option<String>,
    /// Tags.
    pub tags: Tags,
}

/// Where an Elastic IP goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressUse {
    /// The interface.
    pub interface: InterfaceId,
    /// The private address of the interface; nothing means its primary one.
    pub private: Option<Ipv4Addr>,
    /// Whether it may be taken away from where it is.
    pub reassociate: bool,
}

/// What of a metadata service is to change; nothing leaves a setting as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataChange {
    /// Whether session tokens are needed.
    pub tokens: Option<TokenUse>,
    /// Whether it answers at all.
    pub endpoint: Option<Switch>,
    /// How many hops an answer may travel.
    pub hop_limit: Option<i32>,
    /// Whether it answers on IPv6.
    pub ipv6: Option<Switch>,
    /// Whether it shows the instance's tags.
    pub tags: Option<Switch>,
}

impl From<MetadataOptions> for MetadataChange {
    fn from(options: MetadataOptions) -> MetadataChange {
        MetadataChange {
            tokens: Some(options.tokens),
            endpoint: Some(options.endpoint),
            hop_limit: Some(options.hop_limit),
            ipv6: Some(options.ipv6),
            tags: Some(options.tags),
        }
    }
}
