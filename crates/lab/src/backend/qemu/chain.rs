//! What starts a machine: firmware, a kernel that PV-GRUB has read, or nothing.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use comeback_disk::image::{Access, Format, Image, OpenOptions};
use comeback_disk::io::ReadAt;

use super::super::{Machine, Platform};
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
    if let Some(initrd) = &initrd {
        fs::write(folder.join("initrd"), initrd)?;
    }
    Ok(Chain::Kernel {
        initrd: initrd.is_some(),
        append: stand_in(&cmdline, &disks(machine)),
        said: console,
    })
}

/// The names that the guest knows its disks by, in the order in which the stand-in machine has them.
fn disks(machine: &Machine) -> Vec<&str> {
    let all = machine.root.iter().chain(&machine.disks);
    all.map(|disk| disk.device.trim_start_matches("/dev/")).collect()
}

/// The command line for a machine that has `vda`, `vdb`, … for the disks, and a serial line for Xen's console.
fn stand_in(cmdline: &str, disks: &[&str]) -> String {
    let mut words: Vec<String> = cmdline
        .split_whitespace()
        .map(|word| match word.split_once('=') {
            Some((key @ ("root" | "resume" | "rootdev"), device)) => match renamed(device, disks) {
                Some(name) => format!("{key}={name}"),
                None => word.to_owned(),
            },
            _ => word.to_owned(),
        })
        .collect();
    // The last console is the one that init talks to. Xen's network cards are called eth0 whatever udev would prefer.
    words.push("console=ttyS0,115200n8".to_owned());
    words.push("net.ifnames=0".to_owned());
    words.join(" ")
}

/// `/dev/xvda1` is all of the disk that is attached as `sda1`, and the first partition of the one attached as `sda`.
fn renamed(device: &str, disks: &[&str]) -> Option<String> {
    let wanted = letters(device.strip_prefix("/dev/")?)?;
    for (disk, letter) in disks.iter().zip('a'..='z') {
        let attached = letters(disk)?;
        if attached == wanted {
            return Some(format!("/dev/vd{letter}"));
        }
        if attached.0 == wanted.0 && attached.1.is_empty() {
            return Some(format!("/dev/vd{letter}{}", wanted.1));
        }
    }
    None
}

/// `sda1` and `xvda1` are (`a`, `1`).
fn letters(name: &str) -> Option<(&str, &str)> {
    let rest = ["xvd", "sd", "hd"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))?;
    let digits = rest.find(|letter: char| letter.is_ascii_digit()).unwrap_or(rest.len());
    Some(rest.split_at(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_the_stand_in_machine() {
        for (device, disks, expected) in [
            ("/dev/xvda1", &["sda1"][..], Some("/dev/vda")),
            ("/dev/sda1", &["sda1"], Some("/dev/vda")),
            ("/dev/xvda1", &["sda"], Some("/dev/vda1")),
            ("/dev/xvda1", &["xvda"], Some("/dev/vda1")),
            ("/dev/xvdf", &["sda1", "sdf"], Some("/dev/vdb")),
            ("/dev/xvdf2", &["sda1", "sdf"], Some("/dev/vdb2")),
            ("/dev/xvda2", &["sda1"], None),
            ("LABEL=cloudimg-rootfs", &["sda1"], None),
            ("UUID=0c2ab0b6", &["sda1"], None),
        ] {
            assert_eq!(renamed(device, disks).as_deref(), expected, "{device} of {disks:?}");
        }
    }

    #[test]
    fn the_command_line_gets_a_console_that_is_there() {
        assert_eq!(
            stand_in("root=/dev/xvda1 ro console=hvc0", &["sda1"]),
            "root=/dev/vda ro console=hvc0 console=ttyS0,115200n8 net.ifnames=0"
        );
    }
}
