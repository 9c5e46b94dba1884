//! Machine images (AMI).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::instance::{ProductCode, Virtualization};

/// A machine image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Image {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) owner: String,
    /// `amazon`, `aws-marketplace`, or nothing.
    pub(crate) owner_alias: Option<String>,
    pub(crate) public: bool,
    pub(crate) architecture: String,
    pub(crate) virtualization: Virtualization,
    pub(crate) kernel: Option<String>,
    pub(crate) ramdisk: Option<String>,
    pub(crate) root_device: String,
    /// `ebs` or `instance-store`
    pub(crate) root_type: String,
    pub(crate) mappings: Vec<ImageMapping>,
    pub(crate) ena: bool,
    pub(crate) sriov: Option<String>,
    pub(crate) boot_mode: Option<String>,
    pub(crate) created: Timestamp,
    pub(crate) product_codes: Vec<ProductCode>,
    /// The instance that it was made from.
    pub(crate) source: Option<String>,
}

/// A disk of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ImageMapping {
    pub(crate) device: String,
    pub(crate) snapshot: Option<String>,
    /// GiB
    pub(crate) size: u32,
    pub(crate) kind: String,
    pub(crate) delete_on_termination: bool,
    pub(crate) encrypted: bool,
    /// Of an instance-store disk.
    pub(crate) ephemeral: Option<String>,
}
