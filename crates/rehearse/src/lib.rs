//! Boots a disk in a virtual machine and judges its console.
//!
//! A rehearsal answers one question, "would this disk boot?", without touching the disk and without giving the guest a
//! network. What happens, in order:
//!
//! 1. [`Rehearsal::run`] starts QEMU on the disk. The disk is opened read-only, and what the guest writes goes into an
//!    unlinked temporary file. The machine has no network card, no shared folder and no way to start a program.
//! 2. Three streams come out of the machine: the first serial port, SeaBIOS's debug log, and (where neither says
//!    anything) the text that is on the VGA screen, because GRUB's rescue prompt and the messages of a boot sector are
//!    seen nowhere else.
//! 3. A [`Judge`](comeback_console::judge::Judge) reads them line by line. It knows the signs of each [`Stage`] and, in one table
//!    ([`signatures`](comeback_console::signatures)), the failures that are known from the field. It stops the machine as soon as the answer is clear.
//! 4. The [`Outcome`] is a verdict with the console line that decides it. A timeout without a known sign is
//!    [`Verdict::Unknown`], never a guess.
//!
//! # What the stand-in machine is not
//! `xen-hvm` is an i440FX with an IDE disk: the guest sees `sda` where EC2 shows `xvda`, and xen-blkfront has nothing to
//! drive. A guest that names its root `/dev/xvda1` therefore gets the verdict unknown, not "does not boot". `nitro` is an
//! i440FX with an NVMe disk. Only the root disk is there; a data volume that the guest insists on is missing.

mod error;
mod machine;
mod outcome;
mod probe;
pub mod qmp;
mod run;
mod screen;
mod streams;
mod transcript;

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

pub use crate::{
    error::RehearseError,
    machine::{die_with_parent, kvm_usable},
    outcome::{Accelerator, Event, Outcome},
    probe::{LoginProbe, ProbeOutput},
};
pub use comeback_console::{Finding, Reached, Stage, Verdict};
use serde::Serialize;

/// The machine that a disk is booted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    /// Stands in for the Xen based HVM instance types: the root disk is on the first IDE channel.
    XenHvm,
    /// Stands in for the Nitro instance types: the root disk is an NVMe drive.
    Nitro,
}

impl Platform {
    /// What a console of its stand-in is worth.
    pub fn origin(self) -> comeback_console::Origin {
        match self {
            Platform::XenHvm => comeback_console::Origin::StandIn,
            Platform::Nitro => comeback_console::Origin::Real,
        }
    }
}

/// How the bytes of the disk are stored. It is never guessed: a guest could write a header that makes QEMU open any
/// file of the machine as a backing file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskFormat {
    /// The bytes themselves, in a file or a block device.
    Raw,
    /// A qcow2 image. Its backing file, if it has one, is opened too; the caller decides whether that is wanted.
    Qcow2,
}

/// One boot of one disk.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// Image file or block device.
    pub disk: PathBuf,
    /// Format of `disk`.
    pub format: DiskFormat,
    /// Which machine to stand in for.
    pub platform: Platform,
    /// How long to wait for a verdict. A guest that says it is checking its file system gets more, up to four times this.
    pub timeout: Duration,
    /// Where to save a PNG picture of the screen at the end (needs QEMU 7.1).
    pub screenshot: Option<PathBuf>,
    /// Where to save the serial console as it came, escape sequences included.
    pub console: Option<PathBuf>,
    /// Memory of the guest in MiB.
    pub memory_mib: u32,
    /// Lets the guest write to the disk. Only for tests of what a guest does to its own boot chain.
    pub keep_writes: bool,
    /// What to type at the login prompt, for tests that look at the guest from inside.
    pub probe: Option<LoginProbe>,
    /// Where what the guest writes is kept while it runs; `$TMPDIR` or `/var/tmp` when not given.
    pub scratch: Option<PathBuf>,
    /// Ends the rehearsal with [`RehearseError::Cancelled`] soon after it is set.
    pub cancel: Option<Arc<AtomicBool>>,
}

impl Rehearsal {
    /// The default wait for a verdict. Guests that look for a metadata service wait two minutes and more before login.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(420);

    /// A rehearsal with 1024 MiB of memory that changes nothing and saves nothing.
    pub fn new(disk: impl Into<PathBuf>, format: DiskFormat, platform: Platform) -> Self {
        Self {
            disk: disk.into(),
            format,
            platform,
            timeout: Self::DEFAULT_TIMEOUT,
            screenshot: None,
            console: None,
            memory_mib: 1024,
            keep_writes: false,
            probe: None,
            scratch: None,
            cancel: None,
        }
    }

    /// Boots the disk, reports progress to `on_event` and returns the verdict.
    ///
    /// The virtual machine has ended when this returns, and is killed when the calling process or thread dies.
    ///
    /// # Errors
    /// [`RehearseError`] when no verdict could be reached for reasons that are not the guest's: QEMU is missing or fails,
    /// the disk cannot be read, the scratch folder is full, or the rehearsal was cancelled.
    pub fn run(&self, on_event: impl FnMut(Event)) -> Result<Outcome, RehearseError> {
        run::run(self, on_event)
    }
}
