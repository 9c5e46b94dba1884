//! Instances as virtual machines of QEMU.
//!
//! ```text
//! start ─ chain: what starts this platform ─┬─ firmware, from the disk's own boot code       (HVM)
//!                                           ├─ a kernel that PV-GRUB read from the disk     (PV)
//!                                           └─ nothing: the console text that it ends with  (PV)
//!       ─ command: QEMU's arguments
//!       ─ process: the child, its control socket, its streams
//!       ─ life: a thread for each machine, from start to power off, through every reboot
//! ```
//!
//! What stands in for what: an i440FX with an IDE disk is Xen HVM (its other disks are virtio, as nothing here emulates
//! Xen's), one with NVMe disks is Nitro. A paravirtual kernel is started as an ordinary one, with a virtio disk for xen-blkfront's
//! and a serial line for `hvc0`, and told its disks' old names. The network card is
//! virtio, as ENA is not emulated. Guests reach nothing but their DHCP server; their ports are reached on the loopback
//! addresses that they are given.

mod chain;
mod command;
mod console;
mod forward;
mod life;
mod names;
mod process;

use std::collections::HashMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::{Backend, BackendError, Condition, Disk, Machine};
use life::Life;

/// How machines are run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder for what QEMU is given: kernels, seeds, sockets. Nothing in it outlives a machine's boot.
    pub folder: PathBuf,
    /// How long a guest may take to shut down before its power is cut.
    pub grace: Duration,
    /// How long a guest may take to come up before it counts as dead.
    pub patience: Duration,
    /// The port on loopback addresses that leads to a guest's port 22.
    pub ssh_port: u16,
    /// The most memory that a machine is given, in MiB, whatever its type has.
    pub most_memory_mib: u32,
}

impl Settings {
    /// SSH on port 22, a grace of two minutes, 512 MiB.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            grace: Duration::from_secs(120),
            patience: Duration::from_secs(900),
            ssh_port: 22,
            most_memory_mib: 512,
        }
    }
}

/// The backend. When it is dropped, its machines lose their power.
#[derive(Debug)]
pub struct Qemu {
    settings: Arc<Settings>,
    lives: Mutex<HashMap<String, Arc<Life>>>,
}

impl Qemu {
    /// A backend without machines.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(settings: Settings) -> Result<Self, BackendError> {
        fs::create_dir_all(&settings.folder)
            .map_err(|error| BackendError::new(format!("creating {}", settings.folder.display()), error))?;
        Ok(Self {
            settings: Arc::new(settings),
            lives: Mutex::default(),
        })
    }

    fn lives(&self) -> MutexGuard<'_, HashMap<String, Arc<Life>>> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn life(&self, instance: &str) -> Option<Arc<Life>> {
        self.lives().get(instance).cloned()
    }

    fn existing(&self, instance: &str, doing: &str) -> Result<Arc<Life>, BackendError> {
        self.life(instance)
            .ok_or_else(|| BackendError::new(format!("{doing} {instance}"), "it was never started"))
    }
}

impl Backend for Qemu {
    fn start(&self, machine: &Machine) -> Result<(), BackendError> {
        if let Some(life) = self.life(&machine.instance)
            && life.condition() != Condition::Off
        {
            return Err(BackendError::new(
                format!("starting {}", machine.instance),
                "it is running; stop it first",
            ));
        }
        let life = Life::start(machine.clone(), Arc::clone(&self.settings))?;
        self.lives().insert(machine.instance.clone(), life);
        Ok(())
    }

    fn stop(&self, instance: &str, force: bool) -> Result<(), BackendError> {
        if let Some(life) = self.life(instance) {
            life.stop(if force { Duration::ZERO } else { self.settings.grace });
        }
        Ok(())
    }

    fn reboot(&self, machine: &Machine) -> Result<(), BackendError> {
        match self.life(&machine.instance) {
            Some(life) if life.condition() != Condition::Off => {
                life.reboot(machine.clone(), self.settings.grace);
                Ok(())
            }
            _ => self.start(machine),
        }
    }

    fn condition(&self, instance: &str) -> Condition {
        self.life(instance).map_or(Condition::Off, |life| life.condition())
    }

    fn console(&self, instance: &str) -> Vec<u8> {
        self.life(instance).map_or_else(Vec::new, |life| life.console())
    }

    fn screenshot(&self, instance: &str) -> Result<Vec<u8>, BackendError> {
        let doing = || format!("picturing the screen of {instance}");
        let life = self.existing(instance, "picturing the screen of")?;
        let path = self.settings.folder.join(format!("{instance}.png"));
        life.execute("screendump", json!({ "filename": path, "format": "png" }))
            .map_err(|error| BackendError::new(doing(), error))?;
        let picture = fs::read(&path).map_err(|error| BackendError::new(doing(), error))?;
        // The next one would be written over it anyway.
        let _ = fs::remove_file(&path);
        Ok(picture)
    }

    fn attach(&self, instance: &str, disk: &Disk) -> Result<(), BackendError> {
        let life = self.existing(instance, "attaching a volume to")?;
        life.attach(disk)
            .map_err(|error| BackendError::new(format!("attaching {} to {instance}", disk.volume), error))
    }

    fn detach(&self, instance: &str, volume: &str) -> Result<(), BackendError> {
        let life = self.existing(instance, "detaching a volume from")?;
        life.detach(volume)
            .map_err(|error| BackendError::new(format!("detaching {volume} from {instance}"), error))
    }

    fn addresses(&self, instance: &str, addresses: &[Ipv4Addr]) -> Result<(), BackendError> {
        let life = self.existing(instance, "addressing")?;
        life.addresses(addresses)
            .map_err(|error| BackendError::new(format!("addressing {instance}"), error))
    }

    fn freeze(&self, instance: &str, frozen: bool) -> Result<(), BackendError> {
        let Some(life) = self.life(instance) else { return Ok(()) };
        life.freeze(frozen)
            .map_err(|error| BackendError::new(format!("freezing {instance}"), error))
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let lives: Vec<_> = self.lives().drain().map(|(_, life)| life).collect();
        for life in &lives {
            life.stop(Duration::ZERO);
        }
        for life in &lives {
            life.join();
        }
    }
}

#[cfg(test)]
mod tests;
