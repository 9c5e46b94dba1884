//! What starts a machine: firmware, a kernel that PV-GRUB has read, or nothing.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use comeback_disk::image::{Access, Format, Image, OpenOptions};
use comeback_disk::io::ReadAt;

use super::super::{Machine, Platform};
use super::names;
use crate::pvgrub::{Boot, Instance, Outcome, PvGrub, Stuck};

/// What is started.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chain {
    /// The firmware, which starts the boot code of the root disk.
    Firmware,
    /// A kernel, with what its loader has printed.
    Kernel {
        /// Whether there is a ramdisk beside the kernel.
        initrd: bool,
        /// The command line for the stand-in machine.
        append: String,
        /// What is on the console already.
        said: String,
    },
    /// Nothing.
    Stuck(Stuck),
}

/// Follows the boot chain of a machine. A kernel and its ramdisk are written to `folder`.
///
/// # Errors
/// When the root disk cannot be read or `folder` not be written to, or there is no root disk.
pub(super) fn follow(machine: &Machine, folder: &Path) -> io::Result<Chain> {
    let root = machine
        .root
        .as_ref()
        .ok_or_else(|| io::Error::other("the instance has no root volume attached"))?;
    let (release, unchecked) = match machine.platform {
        Platform::XenHvm | Platform::Nitro => return Ok(Chain::Firmware),
        Platform::PvGrub { version, hd00, bits } => (PvGrub { version, hd00, bits }, machine.first_boot_unchecked),
        // A kernel image that is not on the disk, and that nobody has: the disk's own default stands in for it.
        Platform::OtherKernel => {
            let newest = PvGrub {
                version: (1, 5),
                hd00: false,
                bits: 64,
            };
            (newest, true)
        }
    };
    let options = OpenOptions {
        access: Access::Read,
        format: Some(Format::Raw),
    };
    let disk: Arc<dyn ReadAt> = Arc::new(Image::open_with(&root.path, options).map_err(io::Error::other)?);
    let instance = Instance {
        device: &root.device,
        memory_mib: machine.memory_mib,
    };
    let outcome = if unchecked {
        release.boot_unchecked(disk, instance)?
    } else {
        release.boot(disk, instance)?
    };
    let Boot {
        kernel,
        initrd,
        cmdline,
        console,
    } = match outcome {
        Outcome::Boots(boot) => boot,
        Outcome::Stuck(stuck) => return Ok(Chain::Stuck(stuck)),
    };
    fs::write(folder.join("kernel"), kernel)?;
    let disks = disks(machine);
    let has_initrd = initrd.is_some();
    if let Some(mut initrd) = initrd {
        initrd.extend(names::addition(initrd.len(), &disks));
        fs::write(folder.join("initrd"), initrd)?;
    }
    Ok(Chain::Kernel {
        initrd: has_initrd,
        append: names::command_line(&cmdline, &disks),
        said: console,
    })
}

/// The names that the guest knows its disks by, in the order in which the stand-in machine has them.
fn disks(machine: &Machine) -> Vec<&str> {
    let all = machine.root.iter().chain(&machine.disks);
    all.map(|disk| disk.device.trim_start_matches("/dev/")).collect()
}
