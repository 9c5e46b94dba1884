//! Sector 0.

/// Bytes per sector, as a BIOS counts them.
pub const SECTOR: u64 = 512;

/// The BIOS parameter block that a FAT would keep here, left as it is (`GRUB_BOOT_MACHINE_BPB_START`, `…_END`).
const BPB: std::ops::Range<usize> = 0x3..0x5a;
/// Sector number of the core image, 64 bits (`GRUB_BOOT_MACHINE_KERNEL_SECTOR`).
const CORE_SECTOR: std::ops::Range<usize> = 0x5c..0x64;
/// Two bytes that skip a check of the drive number (`GRUB_BOOT_MACHINE_DRIVE_CHECK`).
const DRIVE_CHECK: std::ops::Range<usize> = 0x66..0x68;
/// Disk signature and partition table (`GRUB_BOOT_MACHINE_WINDOWS_NT_MAGIC`, `…_PART_END`).
const TABLE: std::ops::Range<usize> = 0x1b8..0x1fe;
/// `55 AA`.
const SIGNATURE: std::ops::Range<usize> = 0x1fe..0x200;

/// The 512 bytes of sector 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootSector(pub [u8; SECTOR as usize]);

impl BootSector {
    /// GRUB's boot sector `boot`, leading to a core image at `core_sector`; the partition table and the parameter block of
    /// `existing` are kept.
    pub fn install(boot: &[u8; SECTOR as usize], existing: &[u8; SECTOR as usize], core_sector: u64) -> Self {
        let mut sector = *boot;
        sector[BPB].copy_from_slice(&existing[BPB]);
        sector[TABLE].copy_from_slice(&existing[TABLE]);
        sector[CORE_SECTOR].copy_from_slice(&core_sector.to_le_bytes());
        // Some BIOSes pass a wrong drive number; grub-bios-setup replaces the jump over the correction with two NOPs for
        // hard disks, and so do we.
        sector[DRIVE_CHECK].copy_from_slice(&[0x90, 0x90]);
        sector[SIGNATURE].copy_from_slice(&[0x55, 0xaa]);
        BootSector(sector)
    }

    /// Whether a BIOS takes this sector for a boot sector.
    pub fn is_signed(&self) -> bool {
        self.0[SIGNATURE] == [0x55, 0xaa]
    }

    /// Whether there is any code before the partition table.
    pub fn has_code(&self) -> bool {
        self.0[..TABLE.start].iter().any(|&byte| byte != 0)
    }

    /// Whether this is GRUB 2's `boot.img`: its message, and not GRUB legacy's, whose stage 1 has `Geom` and `stage1_5`
    /// fields elsewhere and a version number 3.x at 0x3e.
    pub fn is_grub2(&self) -> bool {
        self.contains(b"GRUB ") && !(self.0[0x3e] == 3 && self.0[0x3f] <= 2)
    }

    /// Where the core image starts, if this is GRUB 2's `boot.img`: a sector number.
    pub fn core_sector(&self) -> u64 {
        self.0[CORE_SECTOR]
            .iter()
            .rev()
            .fold(0, |value, &byte| value << 8 | u64::from(byte))
    }

    /// Whether the code holds these bytes.
    pub fn contains(&self, needle: &[u8]) -> bool {
        self.0[..TABLE.start]
            .windows(needle.len())
            .any(|window| window == needle)
    }
}
