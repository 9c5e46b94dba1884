//! Images: of machines, and the kernels and RAM disks of paravirtual instances.

use super::{Architecture, ProductCode, RootDeviceType, Tags, Virtualization, text_enum};
use crate::ids::{KernelId, RamdiskId, SnapshotId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

text_enum!(
    /// Whether an image can be launched.
    ImageState {
        /// Being made.
        Pending = "pending",
        /// Ready.
        Available = "available",
        /// Failed.
        Failed = "failed",
        /// Failed for a passing reason.
        Error = "error",
        /// Deregistered.
        Deregistered = "deregistered",
        /// Switched off.
        Disabled = "disabled",
    }
);

text_enum!(
    /// What an image is of.
    ImageType {
        /// A machine.
        Machine = "machine",
        /// A kernel.
        Kernel = "kernel",
        /// A RAM disk.
        Ramdisk = "ramdisk",
    }
);

/// An image. Its name is text, as it is an `ami-…`, an `aki-…` or an `ari-…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// `ami-…`, `aki-…` or `ari-…`.
    pub id: String,
    /// What it is of.
    pub kind: ImageType,
    /// Its name, such as `pv-grub-hd0_1.05-x86_64.gz`.
    pub name: Option<String>,
    /// What it is, in its owner's words.
    pub description: Option<String>,
    /// Whether it can be launched.
    pub state: ImageState,
    /// The account that owns it.
    pub owner: Option<String>,
    /// `amazon`, `aws-marketplace` or nothing.
    pub owner_alias: Option<String>,
    /// The processor it is for.
    pub architecture: Architecture,
    /// How its instances are carried; kernels often leave it out.
    pub virtualization: Option<Virtualization>,
    /// Kernel image of its paravirtual instances.
    pub kernel: Option<KernelId>,
    /// RAM disk image of its paravirtual instances.
    pub ramdisk: Option<RamdiskId>,
    /// Device name of the root.
    pub root_device_name: Option<String>,
    /// Where the root is kept.
    pub root_device_type: Option<RootDeviceType>,
    /// What its instances start with.
    pub devices: Vec<ImageDevice>,
    /// Whether its instances have the elastic network adapter.
    pub ena_support: bool,
    /// `simple` when its instances have the older enhanced networking.
    pub sriov: Option<String>,
    /// How the firmware starts.
    pub boot_mode: Option<String>,
    /// Marketplace products in it.
    pub product_codes: Vec<ProductCode>,
    /// What is billed, such as `Linux/UNIX`.
    pub platform_details: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Tags.
    pub tags: Tags,
}

/// A device that instances of an image start with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageDevice {
    /// Device name.
    pub device: String,
    /// `ephemeral0` and so on, for disks of the host.
    pub virtual_name: Option<String>,
    /// The snapshot that the volume is made from.
    pub snapshot: Option<SnapshotId>,
    /// Size in GiB.
    pub size_gib: Option<u32>,
    /// Type of the volume.
    pub kind: Option<String>,
    /// Whether the volume is deleted with the instance.
    pub delete_on_termination: Option<bool>,
    /// Whether the volume is encrypted.
    pub encrypted: Option<bool>,
}
