//! What a kernel can drive, and from where it gets the driver.

mod locate;

use serde::Serialize;

pub(crate) use locate::version;
pub use locate::{InitramfsState, Sources, locate};

/// A driver that decides whether a guest finds its disk, its network or its console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// Xen's paravirtual disks: `xen-blkfront`, on classic kernels `xenblk` or `xen-vbd`.
    XenBlkfront,
    /// Xen's paravirtual network: `xen-netfront`, on classic kernels `xennet` or `xen-vnif`.
    XenNetfront,
    /// The PCI device by which an HVM guest finds Xen's paravirtual devices.
    XenPlatformPci,
    /// The emulated IDE disk of Xen HVM, through libata.
    AtaPiix,
    /// The emulated IDE disk of Xen HVM, through the older IDE layer (`piix` with `ide-disk`).
    IdePiix,
    /// AHCI disks.
    Ahci,
    /// SCSI disks, under which libata's disks appear.
    SdMod,
    /// NVMe disks (Nitro), with `nvme-core` where the kernel has it apart.
    Nvme,
    /// Amazon's network card (Nitro).
    Ena,
    /// The ext2 file system, by whatever driver.
    Ext2,
    /// The ext3 file system, by whatever driver.
    Ext3,
    /// The ext4 file system.
    Ext4,
    /// A console on a serial port.
    SerialConsole,
    /// Xen's paravirtual console, `hvc0`.
    XenConsole,
}

impl Driver {
    /// The name by which it is known, that of its module where it is one.
    pub fn name(self) -> &'static str {
        match self {
            Driver::XenBlkfront => "xen-blkfront",
            Driver::XenNetfront => "xen-netfront",
            Driver::XenPlatformPci => "xen-platform-pci",
            Driver::AtaPiix => "ata_piix",
            Driver::IdePiix => "piix",
            Driver::Ahci => "ahci",
            Driver::SdMod => "sd_mod",
            Driver::Nvme => "nvme",
            Driver::Ena => "ena",
            Driver::Ext2 => "ext2",
            Driver::Ext3 => "ext3",
            Driver::Ext4 => "ext4",
            Driver::SerialConsole => "8250 console",
            Driver::XenConsole => "hvc console",
        }
    }

    /// All of them.
    pub const ALL: [Driver; 14] = [
        Driver::XenBlkfront,
        Driver::XenNetfront,
        Driver::XenPlatformPci,
        Driver::AtaPiix,
        Driver::IdePiix,
        Driver::Ahci,
        Driver::SdMod,
        Driver::Nvme,
        Driver::Ena,
        Driver::Ext2,
        Driver::Ext3,
        Driver::Ext4,
        Driver::SerialConsole,
        Driver::XenConsole,
    ];
}

/// The file, and the line in it, that says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Path within the guest.
    pub path: String,
    /// Line number from 1, where the file has lines.
    pub line: Option<usize>,
    /// What stands there, or what was looked for and not found.
    pub text: String,
}

/// From where a kernel gets a driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "where", rename_all = "kebab-case")]
pub enum Where {
    /// It is part of the kernel.
    BuiltIn {
        /// What says so.
        evidence: Evidence,
    },
    /// It is a module in the initramfs: there before the root file system is.
    Initramfs {
        /// Path within the initramfs.
        path: String,
    },
    /// It is a module in the root file system only: too late for the root disk.
    ModulesOnly {
        /// Path within the guest.
        path: String,
    },
    /// The kernel has no such driver.
    Nowhere {
        /// What was looked at.
        evidence: Evidence,
    },
    /// Nothing decides it.
    Unknown {
        /// What is missing.
        reason: String,
    },
}

impl Where {
    /// In a word or two.
    pub fn short(&self) -> &'static str {
        match self {
            Where::BuiltIn { .. } => "built in",
            Where::Initramfs { .. } => "in initramfs",
            Where::ModulesOnly { .. } => "module only",
            Where::Nowhere { .. } => "missing",
            Where::Unknown { .. } => "unknown",
        }
    }

    /// Whether the kernel has the driver before the root file system is mounted; `None` when that is unknown.
    pub fn before_root(&self) -> Option<bool> {
        match self {
            Where::BuiltIn { .. } | Where::Initramfs { .. } => Some(true),
            Where::ModulesOnly { .. } | Where::Nowhere { .. } => Some(false),
            Where::Unknown { .. } => None,
        }
    }

    /// Whether the kernel has the driver at all; `None` when that is unknown.
    pub fn anywhere(&self) -> Option<bool> {
        match self {
            Where::BuiltIn { .. } | Where::Initramfs { .. } | Where::ModulesOnly { .. } => Some(true),
            Where::Nowhere { .. } => Some(false),
            Where::Unknown { .. } => None,
        }
    }
}
