//! Where a disk might have to boot.

use std::fmt;

use serde::Serialize;

/// A platform that a verdict is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Platform {
    /// PV on PV-GRUB 1.03 or earlier: `(hd0)` for an unpartitioned disk, `(hd0,0)` on an `hd00` image; no GPT, no xz.
    #[serde(rename = "pv-grub-1.03")]
    PvGrub103,
    /// PV on PV-GRUB 1.04 and 1.05, which look in several places and read GPT and xz.
    #[serde(rename = "pv-grub-1.05")]
    PvGrub105,
    /// HVM on Xen: emulated IDE for the BIOS, `xvd` disks and `eth` networks for the kernel.
    #[serde(rename = "xen-hvm")]
    XenHvm,
    /// HVM on Nitro: NVMe disks, ENA networks, 64 bits.
    #[serde(rename = "nitro")]
    Nitro,
}

impl Platform {
    /// All of them, from where guests come to where they go.
    pub const ALL: [Platform; 4] = [
        Platform::PvGrub103,
        Platform::PvGrub105,
        Platform::XenHvm,
        Platform::Nitro,
    ];
    /// Those that start with a BIOS and a boot sector.
    pub const HVM: [Platform; 2] = [Platform::XenHvm, Platform::Nitro];
    /// Those that start with PV-GRUB.
    pub const PV: [Platform; 2] = [Platform::PvGrub103, Platform::PvGrub105];

    /// Whether it starts with a BIOS.
    pub fn is_hvm(self) -> bool {
        Platform::HVM.contains(&self)
    }

    /// The name by which it is known everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Platform::PvGrub103 => "pv-grub-1.03",
            Platform::PvGrub105 => "pv-grub-1.05",
            Platform::XenHvm => "xen-hvm",
            Platform::Nitro => "nitro",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
