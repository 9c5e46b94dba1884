//! A backend without machines: everything comes up at once, for runs of thousands.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

use super::{Backend, BackendError, Condition, Disk, Machine, Platform};

/// Instances that are state alone.
#[derive(Debug, Default)]
pub struct Instant {
    /// The consoles of those that have power.
    running: Mutex<BTreeMap<String, String>>,
}

impl Instant {
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, String>) -> T) -> T {
        act(&mut self.running.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn running(&self, what: &str, instance: &str) -> Result<(), BackendError> {
        if self.with(|running| running.contains_key(instance)) {
            return Ok(());
        }
        Err(BackendError::new(format!("{what} {instance}"), "it has no power"))
    }
}

impl Backend for Instant {
    fn start(&self, machine: &Machine) -> Result<(), BackendError> {
        let starter = match machine.platform {
            Platform::PvGrub {
                version: (major, minor),
                ..
            } => {
                format!("Xen Minimal OS!\nPV-GRUB {major}.{minor:02} (no machine was started)\n")
            }
            Platform::OtherKernel => "kernel image without PV-GRUB (no machine was started)\n".to_owned(),
            Platform::XenHvm | Platform::Nitro => "SeaBIOS (no machine was started)\n".to_owned(),
        };
        let console = format!("{starter}\n{} login: ", machine.hostname);
        self.with(|running| running.insert(machine.instance.clone(), console));
        Ok(())
    }

    fn stop(&self, instance: &str, _force: bool) -> Result<(), BackendError> {
        self.with(|running| running.remove(instance));
        Ok(())
    }

    fn reboot(&self, machine: &Machine) -> Result<(), BackendError> {
        self.start(machine)
    }

    fn condition(&self, instance: &str) -> Condition {
        if self.with(|running| running.contains_key(instance)) {
            Condition::Up
        } else {
            Condition::Off
        }
    }

    fn console(&self, instance: &str) -> Vec<u8> {
        self.with(|running| running.get(instance).cloned())
            .unwrap_or_default()
            .into_bytes()
    }

    fn screenshot(&self, instance: &str) -> Result<Vec<u8>, BackendError> {
        Err(BackendError::new(
            format!("taking a picture of {instance}"),
            "there is no machine, the lab was started with --instant",
        ))
    }

    fn attach(&self, instance: &str, _disk: &Disk) -> Result<(), BackendError> {
        self.running("attaching a volume to", instance)
    }

    fn detach(&self, instance: &str, _volume: &str) -> Result<(), BackendError> {
        self.running("detaching a volume from", instance)
    }

    fn addresses(&self, _instance: &str, _addresses: &[Ipv4Addr]) -> Result<(), BackendError> {
        Ok(())
    }
}
