//! One instance's machine, from start to power off.
//!
//! A thread lives as long as the machine has power: it starts QEMU (which is killed when that thread ends), watches it, and
//! starts it anew when the boot chain has to run again. Whatever others want is put down as a [`Wish`], which the thread
//! carries out; only disks, addresses and pictures go to QEMU's control socket directly.

use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use comeback_rehearse::kvm_usable;
use comeback_rehearse::qmp::Qmp;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::{BackendError, Condition, Disk, Machine, Platform};
use super::chain::{self, Chain};
use super::console::Boot;
use super::process::{PATIENCE, Process};
use super::{Settings, command, forward};
use crate::seed;

/// How often a machine is looked at.
const TICK: Duration = Duration::from_millis(200);
/// How often the power button is pressed: a guest that is still booting does not notice.
const PRESS: Duration = Duration::from_secs(5);
/// How long a guest may take to let go of a disk.
const RELEASE: Duration = Duration::from_secs(60);

/// What somebody wants of a running machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Run,
    /// Power off, at this time at the latest.
    Off(Instant),
    /// Power off, at this time at the latest, then on again.
    Again(Instant),
}

/// How a boot ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Off,
    Again,
}

#[derive(Debug)]
struct State {
    machine: Machine,
    boot: Boot,
    wish: Wish,
    off: bool,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    qmp: Mutex<Option<Qmp>>,
    settings: Arc<Settings>,
}

/// A machine that has been started.
#[derive(Debug)]
pub(super) struct Life {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Life {
    /// Starts a machine, and returns when its processor runs or its boot loader has given up.
    ///
    /// # Errors
    /// When it cannot be started: no QEMU, a disk that cannot be opened, a port that is taken.
    pub(super) fn start(machine: Machine, settings: Arc<Settings>) -> Result<Arc<Self>, BackendError> {
        let failed = |error: io::Error| BackendError::new(format!("starting {}", machine.instance), error);
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                boot: Boot::new(machine.platform, ""),
                machine: machine.clone(),
                wish: Wish::Run,
                off: false,
            }),
            changed: Condvar::new(),
            qmp: Mutex::new(None),
            settings,
        });
        let (sender, ready) = mpsc::sync_channel(1);
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name(machine.instance.clone())
            .spawn(move || {
                of_thread.live(&sender);
                of_thread.state().off = true;
            })
            .map_err(failed)?;
        match ready.recv() {
            Ok(Ok(())) => Ok(Arc::new(Self {
                shared,
                thread: Mutex::new(Some(thread)),
            })),
            Ok(Err(error)) => Err(failed(error)),
            Err(_) => Err(failed(io::ErrorKind::BrokenPipe.into())),
        }
    }

    pub(super) fn condition(&self) -> Condition {
        let state = self.shared.state();
        if state.off {
            Condition::Off
        } else {
            state.boot.condition()
        }
    }

    pub(super) fn console(&self) -> Vec<u8> {
        self.shared.state().boot.console()
    }

    /// Asks for power off, and cuts the power after `grace`.
    pub(super) fn stop(&self, grace: Duration) {
        self.wish(Wish::Off(Instant::now() + grace));
    }

    /// Asks for power off, cuts the power after `grace`, then starts `machine`.
    pub(super) fn reboot(&self, machine: Machine, grace: Duration) {
        self.shared.state().machine = machine;
        self.wish(Wish::Again(Instant::now() + grace));
    }

    fn wish(&self, wish: Wish) {
        self.shared.state().wish = wish;
        self.shared.changed.notify_all();
    }

    /// Waits for the end of a machine that was stopped.
    pub(super) fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic there was printed, and the machine has ended by it.
            let _ = thread.join();
        }
    }

    /// Has QEMU carry out a command.
    ///
    /// # Errors
    /// When it refuses, or there is none.
    pub(super) fn execute(&self, command: &str, arguments: Value) -> io::Result<Value> {
        match self.shared.qmp().as_mut() {
            Some(qmp) => qmp.execute(command, arguments, PATIENCE),
            None => Err(io::Error::other("the machine is off")),
        }
    }

    fn is_powered(&self) -> bool {
        self.shared.qmp().is_some()
    }

    /// Plugs a disk in; a machine without power has it at its next start.
    ///
    /// # Errors
    /// When QEMU refuses.
    pub(super) fn attach(&self, disk: &Disk) -> io::Result<()> {
        if self.is_powered() {
            let node = command::node(&disk.volume);
            let driver = command::driver(self.shared.state().machine.platform);
            self.execute("blockdev-add", command::block_node(disk))?;
            let device = json!({ "driver": driver, "id": format!("d-{node}"), "drive": node, "serial": node });
            if let Err(error) = self.execute("device_add", device) {
                // It was of no use alone.
                let _ = self.execute("blockdev-del", json!({ "node-name": node }));
                return Err(error);
            }
        }
        self.shared.state().machine.disks.push(disk.clone());
        Ok(())
    }

    /// Asks the guest to let a disk go, waits until it has, and takes it out.
    ///
    /// # Errors
    /// When the guest does not let go in a minute, or QEMU refuses.
    pub(super) fn detach(&self, volume: &str) -> io::Result<()> {
        if self.is_powered() {
            let node = command::node(volume);
            let device = format!("d-{node}");
            let until = Instant::now() + RELEASE;
            let mut asked = None;
            while self.has(&device)? {
                if Instant::now() > until {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        format!(
                            "the guest did not let go of it within {} s; unmount it there first",
                            RELEASE.as_secs()
                        ),
                    ));
                }
                // A guest that is still booting does not hear the first request, and QEMU refuses the next while one is open.
                if asked.is_none_or(|at: Instant| at.elapsed() > PRESS) {
                    let requested = self.execute("device_del", json!({ "id": device }));
                    if asked.is_none() {
                        requested?;
                    }
                    asked = Some(Instant::now());
                }
                thread::sleep(Duration::from_millis(100));
            }
            // A device that is gone from the guest's sight may hold on to its node for a moment.
            while let Err(error) = self.execute("blockdev-del", json!({ "node-name": node })) {
                if Instant::now() > until {
                    return Err(error);
                }
                thread::sleep(Duration::from_millis(100));
            }
        }
        self.shared.state().machine.disks.retain(|disk| disk.volume != volume);
        Ok(())
    }

    fn has(&self, device: &str) -> io::Result<bool> {
        let devices = self.execute("qom-list", json!({ "path": "/machine/peripheral" }))?;
        let devices = devices.as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(devices.iter().any(|entry| entry["name"].as_str() == Some(device)))
    }

    /// Replaces the addresses that lead to the machine.
    ///
    /// # Errors
    /// When a port cannot be had. What could be had is kept.
    pub(super) fn addresses(&self, addresses: &[Ipv4Addr]) -> io::Result<()> {
        let (before, ports) = {
            let state = self.shared.state();
            (state.machine.addresses.clone(), state.machine.ports.clone())
        };
        let ssh_port = self.shared.settings.ssh_port;
        let gone: Vec<_> = before.iter().copied().filter(|old| !addresses.contains(old)).collect();
        let new: Vec<_> = addresses.iter().copied().filter(|new| !before.contains(new)).collect();
        if self.is_powered() {
            forward::check(&new, &ports, ssh_port)?;
            for rule in forward::rules(&gone, &ports, ssh_port) {
                let line = format!("hostfwd_remove {} {}", command::NETWORK, forward::name(&rule));
                self.monitor(&line)?;
            }
            for rule in forward::rules(&new, &ports, ssh_port) {
                let said = self.monitor(&format!("hostfwd_add {} {rule}", command::NETWORK))?;
                if !said.trim().is_empty() {
                    return Err(io::Error::other(format!("QEMU refuses {rule}: {}", said.trim())));
                }
            }
        }
        self.shared.state().machine.addresses = addresses.to_vec();
        Ok(())
    }

    /// A command of QEMU's monitor for people; there is no other for these.
    fn monitor(&self, line: &str) -> io::Result<String> {
        let said = self.execute("human-monitor-command", json!({ "command-line": line }))?;
        Ok(said.as_str().unwrap_or_default().to_owned())
    }

    /// Holds the processors still, or lets them go on.
    ///
    /// # Errors
    /// When QEMU refuses.
    pub(super) fn freeze(&self, frozen: bool) -> io::Result<()> {
        if self.is_powered() {
            self.execute(if frozen { "stop" } else { "cont" }, json!({}))?;
        }
        Ok(())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn qmp(&self) -> MutexGuard<'_, Option<Qmp>> {
        self.qmp.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Boots until nobody wants another boot. The first one's start is reported.
    fn live(self: &Arc<Self>, ready: &SyncSender<io::Result<()>>) {
        let mut first = true;
        loop {
            let end = match self.power_on() {
                Ok(powered) => {
                    if first {
                        // Nobody is left to hear it when the caller has gone.
                        let _ = ready.send(Ok(()));
                    }
                    match powered {
                        Some((process, _folder)) => self.watch(process),
                        None => self.wait(),
                    }
                }
                Err(error) if first => {
                    let _ = ready.send(Err(error));
                    return;
                }
                Err(error) => {
                    self.state()
                        .boot
                        .dead(format!("the lab could not start it again: {error}"));
                    self.wait()
                }
            };
            // Whoever wanted it off while it was between two boots wants it still.
            if end == End::Off || matches!(self.state().wish, Wish::Off(_)) {
                return;
            }
            first = false;
        }
    }

    /// Follows the boot chain and starts QEMU. `None` when there is nothing to start.
    fn power_on(self: &Arc<Self>) -> io::Result<Option<(Process, TempDir)>> {
        let machine = {
            let mut state = self.state();
            if matches!(state.wish, Wish::Again(_)) {
                state.wish = Wish::Run;
            }
            state.boot = Boot::new(state.machine.platform, "");
            let machine = state.machine.clone();
            state.machine.first_boot_unchecked = false;
            machine
        };
        // Absolute, as QEMU's control socket and the kernel are named to another process.
        let folder = tempfile::Builder::new()
            .prefix(&format!("{}-", machine.instance))
            .tempdir_in(std::path::absolute(&self.settings.folder)?)?;
        let chain = chain::follow(&machine, folder.path())?;
        let said = match &chain {
            Chain::Stuck(stuck) => {
                let mut state = self.state();
                state.boot = Boot::new(machine.platform, &stuck.console);
                state.boot.dead(stuck.line.clone());
                return Ok(None);
            }
            Chain::Kernel { said, .. } => said.as_str(),
            Chain::Firmware => {
                std::fs::write(folder.path().join("seed"), seed::disk(&machine)?)?;
                ""
            }
        };
        self.state().boot = Boot::new(machine.platform, said);
        forward::check(&machine.addresses, &machine.ports, self.settings.ssh_port)?;
        let arguments = command::arguments(&machine, &chain, &self.settings, folder.path(), kvm_usable());
        let serial = Arc::downgrade(self);
        let (process, mut qmp) = Process::start(arguments, folder.path(), move |bytes| {
            if let Some(shared) = serial.upgrade() {
                shared.state().boot.serial(bytes);
            }
        })?;
        qmp.execute("cont", json!({}), PATIENCE)?;
        *self.qmp() = Some(qmp);
        Ok(Some((process, folder)))
    }

    /// Watches a machine until it has no power, and cuts it where the guest takes too long.
    fn watch(&self, mut process: Process) -> End {
        let is_hvm = matches!(self.state().machine.platform, Platform::XenHvm | Platform::Nitro);
        let mut restarts = 0;
        let mut pressed: Option<Instant> = None;
        let end = loop {
            if process.ended() {
                let words = format!("QEMU ended: {}", process.last_words());
                self.state().boot.dead(words);
                break self.wish_is_again().unwrap_or(End::Off);
            }
            let seen = process.reports.restarts.load(Ordering::Relaxed);
            if seen != restarts && !is_hvm {
                break End::Again;
            } else if seen != restarts {
                restarts = seen;
                let mut state = self.state();
                state.boot = Boot::new(state.machine.platform, "");
            }
            if process.reports.powered_off.load(Ordering::Relaxed) {
                break self.wish_is_again().unwrap_or(End::Off);
            }
            // The log is there as soon as QEMU runs; a read that fails is tried again.
            let firmware = process.firmware().unwrap_or_default();
            let wish = {
                let mut state = self.state();
                state.boot.firmware(&firmware);
                state.boot.tick(self.settings.patience);
                state.wish
            };
            if let Wish::Off(until) | Wish::Again(until) = wish {
                if Instant::now() >= until {
                    break self.wish_is_again().unwrap_or(End::Off);
                }
                if pressed.is_none_or(|at| at.elapsed() >= PRESS) {
                    pressed = Some(Instant::now());
                    if let Some(qmp) = self.qmp().as_mut() {
                        // A QEMU that does not answer is one that ends; the next look finds out.
                        let _ = qmp.execute("system_powerdown", json!({}), PATIENCE);
                    }
                }
            }
            let state = self.state();
            let waited = self.changed.wait_timeout(state, TICK);
            drop(waited);
        };
        if let Some(mut qmp) = self.qmp().take() {
            process.quit(&mut qmp);
        }
        end
    }

    /// Waits for somebody to want something of a machine that stands still.
    fn wait(&self) -> End {
        let state = self.state();
        let state = self.changed.wait_while(state, |state| state.wish == Wish::Run);
        let wish = state.unwrap_or_else(PoisonError::into_inner).wish;
        if matches!(wish, Wish::Again(_)) {
            End::Again
        } else {
            End::Off
        }
    }

    fn wish_is_again(&self) -> Option<End> {
        matches!(self.state().wish, Wish::Again(_)).then_some(End::Again)
    }
}
