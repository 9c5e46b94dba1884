//! The kernels of a guest: those in `/boot`, those that the boot menu names, and module folders that have no kernel.

mod find;
mod reader;
mod virtualization;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::drivers::{Driver, Evidence, Where};
use crate::initramfs::Initramfs;
use crate::kernel::image::{Architecture, KernelImage, XenNotes};
use crate::tri::Tri;

pub use find::find;
pub use reader::{KernelReader, NotesPolicy};

/// What reading a file gave.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading<T> {
    /// What is in it.
    Read(T),
    /// Why it could not be read.
    Failed(String),
}

impl<T> Reading<T> {
    /// What is in the file, if it could be read.
    pub fn ok(&self) -> Option<&T> {
        match self {
            Reading::Read(value) => Some(value),
            Reading::Failed(_) => None,
        }
    }
}

/// The initramfs of a kernel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InitramfsFile {
    /// Path within the guest, as it was named or found.
    pub path: String,
    /// Size in bytes, if the file is there.
    pub size: Option<u64>,
    /// Whether the boot menu names it; otherwise it was found by its name.
    pub from_menu: bool,
    /// What is in it.
    pub content: Reading<Initramfs>,
}

/// The image of a kernel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImageFile {
    /// Path within the guest, as the boot menu names it, or else as it was found.
    pub path: String,
    /// The path with all links resolved.
    pub canonical: String,
    /// All other paths that lead to it.
    pub aliases: Vec<String>,
    /// What it says of itself.
    pub content: Reading<KernelImage>,
    /// Its Xen notes, if they were asked for and could be read.
    pub notes: Option<XenNotes>,
}

/// One kernel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Kernel {
    /// Its image; none where only a folder in `/lib/modules` is left of it.
    pub image: Option<ImageFile>,
    /// `2.6.32-696.el6.x86_64`, from the image or else from the name of the file.
    pub release: Option<String>,
    /// The processor it is for.
    pub architecture: Option<Architecture>,
    /// Path of its configuration.
    pub config: Option<String>,
    /// Its initramfs, as the boot menu or its name says.
    pub initramfs: Option<InitramfsFile>,
    /// Path of its modules.
    pub modules: Option<String>,
    /// From where it gets which driver.
    pub drivers: BTreeMap<Driver, Where>,
    /// Whether it can run as a paravirtual guest.
    pub runs_pv: Tri,
    /// Whether it can run on a machine with (real or emulated) hardware, as HVM guests do.
    pub runs_hvm: Tri,
    /// What `architecture`, `runs_pv` and `runs_hvm` were decided by.
    pub reasons: Vec<Evidence>,
}

impl Kernel {
    /// Where the kernel has a driver from.
    pub fn driver(&self, driver: Driver) -> Where {
        self.drivers.get(&driver).cloned().unwrap_or_else(|| Where::Unknown {
            reason: "not looked for".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
