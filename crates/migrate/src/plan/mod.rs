//! The plan: what a migration would do, before anything happens. It can be saved, shown and compared, and is stale when
//! what it was made from has changed.
//!
//! A run follows its plan and nothing else: whatever a step needs to know of the source is in here, as it was when a person
//! agreed to it.

pub mod cost;
pub mod devices;
pub mod disk;
pub mod drift;
mod error;
pub mod gather;
mod host;
pub mod make;
pub mod notices;
mod outlook;
pub mod refuse;
pub mod target;
#[cfg(test)]
mod testing;
mod wishes;

use comeback_cloud::ids::{
    AccountId, AllocationId, ImageId, InstanceId, InterfaceId, RegionName, TargetGroupArn, VolumeId,
};
use comeback_cloud::model::{Address, Attributes, Instance, Interface, ScalingMember, Target as Registered, Volume};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use error::PlanError;
pub use wishes::Wishes;

/// Counts up when a plan of before can no longer be followed.
pub const VERSION: u32 = 1;

/// What a migration would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// [`VERSION`] of the program that made it.
    pub version: u32,
    /// When it was made.
    pub made: Timestamp,
    /// The account.
    pub account: AccountId,
    /// The region.
    pub region: RegionName,
    /// The instance that is at risk, as it was when the plan was made.
    pub source: Source,
    /// What it becomes.
    pub target: Target,
    /// The image that the host starts from.
    pub host: HostImage,
    /// Which volumes the target gets.
    pub volumes: Volumes,
    /// How the target is proven.
    pub verify: Verify,
    /// What a person has to know before agreeing: losses, surprises, and what was not looked at.
    pub notices: Vec<Notice>,
    /// What it costs.
    pub cost: Cost,
    /// How long the instance will be away, in seconds.
    pub downtime_s: Downtime,
    /// What is on its root, where somebody had a copy of it.
    #[serde(default)]
    pub disk: Option<disk::DiskSeen>,
}

/// The instance that is at risk, with all that belongs to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Source {
    /// The instance.
    pub instance: Instance,
    /// What `DescribeInstances` does not tell.
    pub attributes: Attributes,
    /// Its volumes, the root first, then by device name.
    pub volumes: Vec<Volume>,
    /// Its Elastic IP addresses.
    pub addresses: Vec<Address>,
    /// Its network interfaces, by device index.
    pub interfaces: Vec<Interface>,
    /// Where load balancers know it.
    pub registrations: Vec<Registration>,
    /// How it stands in its Auto Scaling group, if it is in one.
    #[serde(default)]
    pub scaling: Option<ScalingMember>,
}

/// A place in a target group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Registration {
    /// The group.
    pub group: TargetGroupArn,
    /// The target: the source, and its port.
    pub target: Registered,
}

/// What the source becomes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Target {
    /// Its type.
    pub instance_type: String,
    /// What runs it.
    pub platform: Platform,
    /// Why this type, a sentence each.
    pub why: Vec<String>,
    /// Where each volume goes, the root first.
    pub devices: Vec<Device>,
}

/// What runs a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    /// HVM on Xen.
    XenHvm,
    /// HVM on Nitro.
    Nitro,
}

impl Platform {
    /// As `comeback convert --target` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::XenHvm => "xen-hvm",
            Self::Nitro => "nitro",
        }
    }
}

/// A volume's way from the source to the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Device {
    /// The source's volume.
    pub volume: VolumeId,
    /// Its name at the source.
    pub was: String,
    /// Its name at the target.
    pub becomes: String,
    /// Whether it is deleted with its instance.
    pub delete_on_termination: bool,
}

/// The image that the host starts from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HostImage {
    /// The image.
    pub image: ImageId,
    /// What it calls itself.
    pub name: String,
    /// Its root's device name, which becomes the target's.
    pub root_device: String,
    /// How it starts, where it says so: `legacy-bios` or `uefi-preferred`.
    pub boot_mode: Option<String>,
    /// Who logs in: `ec2-user` on Amazon Linux, `admin` on Debian.
    pub user: String,
}

/// Which volumes the target gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Volumes {
    /// The source's own. The patch is small and saved, and the disk still boots as PV.
    Original,
    /// New ones, made from snapshots of the stopped source. Its own are left alone.
    Copy,
}

/// How the target is proven before anything that leads to the source is moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verify {
    /// Ports that have to answer: those that the source had open.
    pub ports: Vec<u16>,
    /// A command of the operator's, run by `sh -c` with the target's address and name in its environment.
    pub command: Option<String>,
    /// Seconds that the target may take for its checks, login and ports.
    pub within_s: u64,
    /// Whether the target is reached by its public address, or by its private one.
    pub reach: Reach,
    /// Port of SSH at the host.
    pub ssh_port: u16,
}

/// By which address the host and the target are reached from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// The public one.
    Public,
    /// The private one, through a VPN or from within the VPC.
    Private,
}

/// Something to know before agreeing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Notice {
    /// Stable name, such as `public-address-lost`.
    pub id: String,
    /// How much it matters.
    pub level: Level,
    /// What it is, in a sentence.
    pub text: String,
    /// What to do about it, if anything can be.
    pub remedy: Option<String>,
}

/// How much a notice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Good to know.
    Info,
    /// Something is lost or changes.
    Warning,
}

/// What it costs, in US dollars; unknown where the list of prices has nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cost {
    /// The source, a month.
    pub source_monthly: Option<f64>,
    /// The target, a month.
    pub target_monthly: Option<f64>,
    /// The migration itself: the host, an hour at most. Its disk and the snapshots until `finalize` come on top.
    pub migration: Option<f64>,
    /// Where the prices are from, and of when.
    pub prices: String,
}

/// How long the instance will be away, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Downtime {
    /// If all goes as usual.
    pub usual: u64,
    /// If everything takes as long as it is allowed to before the run turns back.
    pub longest: u64,
}

impl Plan {
    /// The source's name.
    pub fn instance(&self) -> &InstanceId {
        &self.source.instance.id
    }

    /// The root's way.
    pub fn root(&self) -> Option<&Device> {
        let root = self.source.instance.root()?;
        self.target.devices.iter().find(|device| device.volume == root.volume)
    }

    /// The ways of all other volumes.
    pub fn data(&self) -> impl Iterator<Item = &Device> {
        let root = self.source.instance.root().map(|device| &device.volume);
        self.target
            .devices
            .iter()
            .filter(move |device| Some(&device.volume) != root)
    }

    /// Elastic IP addresses in front of the source's primary interface, which move to the target's. Those in front of other
    /// interfaces move with these.
    pub fn moving_addresses(&self) -> impl Iterator<Item = (&AllocationId, &Address)> {
        let primary = self.source.instance.primary_interface().map(|interface| &interface.id);
        self.source
            .addresses
            .iter()
            .filter(move |address| address.interface.as_ref() == primary)
            .filter_map(|address| Some((address.allocation.as_ref()?, address)))
    }

    /// Interfaces that move: all but the primary one, which no instance can give away.
    pub fn moving_interfaces(&self) -> impl Iterator<Item = (&InterfaceId, u32)> {
        self.source
            .instance
            .interfaces
            .iter()
            .filter(|interface| interface.device_index > 0)
            .map(|interface| (&interface.id, interface.device_index))
    }
}
