//! What carries out an instance.

use std::net::Ipv4Addr;
use std::path::PathBuf;

pub mod instant;
pub mod qemu;

/// What carries out an instance: virtual machines, or (instant) nothing but its state.
pub trait Backend: Send + Sync + std::fmt::Debug {
    /// Starts a machine. Returns as soon as it is under way; how far it gets is told by [`Backend::condition`].
    fn start(&self, machine: &Machine) -> Result<(), BackendError>;
    /// Asks the guest to shut down (ACPI power button); `force` takes the power away at once.
    fn stop(&self, instance: &str, force: bool) -> Result<(), BackendError>;
    /// Power cycle in place: the boot chain runs again, as `start` would do it. Same disks.
    fn reboot(&self, machine: &Machine) -> Result<(), BackendError>;
    /// How it is doing now. Off also when it was never started, or when the guest powered itself off.
    fn condition(&self, instance: &str) -> Condition;
    /// Console bytes of the last boot (at most 64 KiB are shown by the API).
    fn console(&self, instance: &str) -> Vec<u8>;
    /// PNG of the screen, where there is one.
    fn screenshot(&self, instance: &str) -> Result<Vec<u8>, BackendError>;
    /// Plugs a volume into a running machine.
    fn attach(&self, instance: &str, disk: &Disk) -> Result<(), BackendError>;
    /// Takes a volume out of a running machine again.
    fn detach(&self, instance: &str, volume: &str) -> Result<(), BackendError>;
    /// Which loopback addresses lead to this machine's ports from now on (replaces the earlier list).
    fn addresses(&self, instance: &str, addresses: &[Ipv4Addr]) -> Result<(), BackendError>;
    /// Holds the machine's processors still (or lets them go on), so that a copy of its disks is of one moment.
    fn freeze(&self, _instance: &str, _frozen: bool) -> Result<(), BackendError> {
        Ok(())
    }
}

/// A machine to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// `i-…`
    pub instance: String,
    /// What starts it.
    pub platform: Platform,
    /// Memory, in MiB.
    pub memory_mib: u32,
    /// The disk that it starts from.
    pub root: Option<Disk>,
    /// The other disks.
    pub disks: Vec<Disk>,
    /// As the API was given it, decoded.
    pub user_data: Option<Vec<u8>>,
    /// The name that DHCP or cloud-init gives it.
    pub hostname: String,
    /// OpenSSH public keys.
    pub ssh_keys: Vec<String>,
    /// Loopback addresses that lead to its ports.
    pub addresses: Vec<Ipv4Addr>,
    /// TCP ports to forward, 22 first.
    pub ports: Vec<u16>,
    /// `0a:…`
    pub mac: String,
    /// A PV instance that has been running since before its disk changed: its kernel starts whatever PV-GRUB would say.
    pub first_boot_unchecked: bool,
}

/// A volume as a machine's disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// `vol-…`
    pub volume: String,
    /// Raw sparse file.
    pub path: PathBuf,
    /// As the API names it: `/dev/sda1`, `/dev/sdf`, `xvdf`.
    pub device: String,
}

/// What starts a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// PV, its kernel image is PV-GRUB.
    PvGrub {
        /// Such as (1, 3).
        version: (u8, u8),
        /// Whether it looks on the first partition (`hd00`) or on the whole disk (`hd0`).
        hd00: bool,
        /// 32 or 64.
        bits: u8,
    },
    /// PV, its kernel image is another.
    OtherKernel,
    /// HVM on Xen.
    XenHvm,
    /// HVM on Nitro.
    Nitro,
}

/// How a machine is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It has no power.
    Off,
    /// Firmware, boot loader or kernel is under way.
    Booting,
    /// A login prompt or cloud-init's end was seen.
    Up,
    /// Running, and known not to come up.
    Dead {
        /// The console line that shows it.
        line: String,
    },
}

/// A machine could not be handled.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct BackendError {
    /// What was being done, as "starting i-…".
    pub what: String,
    /// Why it failed and what to do.
    pub reason: String,
}

impl BackendError {
    /// `what` is a gerund with its object, `reason` what went wrong.
    pub fn new(what: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self {
            what: what.into(),
            reason: reason.to_string(),
        }
    }
}
