//! What is done to a disk on another machine, whatever carries it there.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use comeback_protocol::{Converted, Disk, Event, Evidence, Inspected, Planned, Reverted, VolumeId};

use crate::error::RemoteError;

/// Told of events as they come: stages, bytes, the plan. The one that ends it is also given back as the result.
pub type OnEvent<'a> = &'a (dyn Fn(&Event) + Send + Sync);

/// The converter on another machine. Every call can be repeated: what was done already is not done twice, and what was cut off
/// is completed. A call that is given up half way leaves the other machine finishing what it began.
#[async_trait]
pub trait Converter: Send + Sync {
    /// Sends the agent and its boot code. What is there already is not sent again.
    async fn push(&self) -> Result<Pushed, RemoteError>;

    /// The block devices of the machine.
    async fn disks(&self) -> Result<Vec<Disk>, RemoteError>;

    /// Tells which device a volume is, and waits for it to appear.
    async fn find(&self, wanted: &Wanted) -> Result<Found, RemoteError>;

    /// What is on a disk and where it boots; read only.
    async fn inspect(&self, device: &Path) -> Result<Inspected, RemoteError>;

    /// Converts a disk in place. A conversion that was interrupted is completed as it was planned then.
    async fn convert(&self, conversion: &Conversion, progress: OnEvent<'_>) -> Result<ConvertedDisk, RemoteError>;

    /// Puts back the bytes that were saved in the folder `saved` over there. If that is gone, [`Converter::give_back`] first.
    async fn revert(
        &self,
        device: &Path,
        saved: &Path,
        force: bool,
        progress: OnEvent<'_>,
    ) -> Result<Reverted, RemoteError>;

    /// Copies the folder `saved` over there to the new folder `into` here, which is there in full or not at all.
    async fn bring_back(&self, saved: &Path, into: &Path) -> Result<(), RemoteError>;

    /// Copies the folder `from` here to the folder `saved` over there, as another machine may be the one that reverts.
    async fn give_back(&self, from: &Path, saved: &Path) -> Result<(), RemoteError>;
}

/// What [`Converter::push`] did, file by file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Sent.
    pub sent: Vec<String>,
    /// There already.
    pub kept: Vec<String>,
}

/// The volume that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its id.
    pub volume: VolumeId,
    /// Its size in bytes.
    pub size: u64,
    /// The devices that were there before it was attached, if that is known: paths of [`Converter::disks`].
    pub known: Option<Vec<PathBuf>>,
    /// The name that it was attached by, such as `/dev/sdf`.
    pub device: Option<String>,
    /// Seconds to wait for it to appear.
    pub timeout: u64,
}

/// The device of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The device.
    pub disk: Disk,
    /// How it was told from others.
    pub by: Evidence,
}

/// What to convert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    /// The device over there.
    pub device: PathBuf,
    /// The platform.
    pub target: Target,
    /// The folder over there for the saved bytes.
    pub saved: PathBuf,
    /// Make the plan and write nothing.
    pub dry_run: bool,
}

/// The platform to convert for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Nitro where the guest can, else Xen HVM.
    Auto,
    /// HVM on Xen.
    XenHvm,
    /// HVM on Nitro.
    Nitro,
}

impl Target {
    /// As the agent calls it.
    pub fn name(self) -> &'static str {
        match self {
            Target::Auto => "auto",
            Target::XenHvm => "xen-hvm",
            Target::Nitro => "nitro",
        }
    }
}

/// A disk that was converted.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvertedDisk {
    /// What was planned; none if a conversion was completed that had been planned earlier.
    pub planned: Option<Planned>,
    /// What was done.
    pub converted: Converted,
}
