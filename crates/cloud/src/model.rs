//! What is in an account, as plain values: they can be saved, compared and shown, and know nothing of how they were read.
//!
//! Texts of AWS with a closed list of values are enums with an `Other`, so that a value that is new to this program is
//! kept and shown instead of lost.

pub mod account;
pub mod address;
pub mod attributes;
pub mod identity;
pub mod image;
pub mod instance;
pub mod instance_type;
pub mod interface;
pub mod network;
pub mod scaling;
pub mod snapshot;
pub mod status;
pub mod target;
mod text;
pub mod volume;

use std::collections::BTreeMap;

pub(crate) use text::text_enum;

/// Tags: key to value.
pub type Tags = BTreeMap<String, String>;

pub use account::{AccountStatus, KnownRegion, OrganizationAccount};
pub use address::Address;
pub use attributes::{Attributes, ShutdownBehavior, UserData};
pub use identity::Identity;
pub use image::{Image, ImageDevice, ImageState, ImageType};
pub use instance::{
    AddressOwner, Architecture, AttachState, AutoRecovery, BlockDevice, GroupName, Instance, InstanceAddress,
    InstanceInterface, InstanceState, Lifecycle, MaintenanceOptions, MetadataOptions, Monitoring, Placement,
    ProductCode, RebootMigration, RootDeviceType, Switch, Tenancy, TokenUse, Virtualization,
};
pub use instance_type::{Hypervisor, InstanceType, Support};
pub use interface::{Interface, InterfaceAddress, InterfaceAttachment, InterfaceState};
pub use network::{IngressRule, SecurityGroup, Subnet};
pub use scaling::{ScalingMember, ScalingState};
pub use snapshot::{Snapshot, SnapshotState};
pub use status::{Check, CheckState, Event, EventCode, EventStage, Status};
pub use target::{Target, TargetGroup, TargetHealth, TargetState, TargetType};
pub use volume::{Volume, VolumeAttachment, VolumeState};
