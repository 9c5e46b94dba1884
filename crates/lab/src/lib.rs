//! An EC2 endpoint on one machine.
//!
//! It serves the EC2 Query protocol with the state rules and error codes of the real one, and what of STS, SSM, ELBv2 and Organizations a migration
//! and an audit use. Volumes are sparse files, instances are virtual machines, or, with [`Builder::instant`], state alone.
//!
//! The way of a request: [`server`] reads it off the wire; [`service`] checks its signature, its rate, the faults that are set and the
//! key's policy, lets happen what is due in its region ([`engine::settle`]), and calls the function of its action ([`ec2`], [`sts`],
//! [`ssm`], [`elbv2`]); these change the plain data in [`engine`], which [`state`] saves. Machines are behind the trait
//! [`backend::Backend`].
//!
//! Shares no code with the client side of the project: each is the other's check.

mod accounts;
mod autoscaling;
pub mod backend;
mod caller;
pub mod client;
mod clock;
mod control;
mod ec2;
mod elbv2;
mod engine;
mod fault;
mod files;
mod normal;
mod organizations;
mod pattern;
mod permission;
mod policy;
pub mod pvgrub;
mod reply;
mod scenario;
pub mod seed;
mod server;
mod service;
mod ssm;
mod state;
mod sts;
#[cfg(test)]
mod tests;
mod throttle;
mod wire;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use clock::Clock;
pub use control::{Status, StatusInstance};
pub use engine::Timings;
pub use fault::{Fault, FaultKind, Faults};
pub use policy::{Effect, OPERATORS, Policy, Statement, Values};
pub use scenario::{Scenario, ScenarioError};
pub use server::Serving;
pub use service::Calls;

use backend::Backend;
use backend::instant::Instant;
use service::Service;

/// A lab. Copies of it are the same lab.
#[derive(Debug, Clone)]
pub struct Lab {
    service: Arc<Service>,
}

/// Keys for an AWS client.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// The account that they are of.
    pub account: String,
    /// Access key id.
    pub access_key: String,
    /// Secret access key.
    pub secret_key: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Keys({} of {})", self.access_key, self.account)
    }
}

/// A lab cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Its scenario is at fault.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A file in the state folder.
    #[error("{what} {path}: {reason}", path = path.display())]
    State {
        /// What was being done, as a gerund.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The state is of a lab with machines, and nothing was given that runs them.
    #[error("the lab in {folder} has machines: start it without --instant, or `comeback lab reset` begins anew", folder = .0.display())]
    NeedsMachines(PathBuf),
    /// The address cannot be used.
    #[error("listening on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The background threads cannot be started.
    #[error("starting the lab's threads: {0}")]
    Threads(std::io::Error),
}

/// Says how a lab is to be.
#[derive(Debug, Default)]
pub struct Builder {
    scenario: Option<Scenario>,
    instant: bool,
    clock: Option<Clock>,
    seed: Option<u64>,
    timings: Option<Timings>,
    rates: Option<f64>,
    state: Option<PathBuf>,
    guests: Option<PathBuf>,
    backend: Option<Arc<dyn Backend>>,
}

impl Builder {
    /// What there is at the start. Not used if the state folder has a lab already. Default: `tokyo`.
    #[must_use]
    pub fn scenario(mut self, scenario: Scenario) -> Self {
        self.scenario = Some(scenario);
        self
    }

    /// No machines, and everything is done by the next request.
    #[must_use]
    pub fn instant(mut self) -> Self {
        self.instant = true;
        self
    }

    /// What carries out the instances; needs [`Self::state`].
    #[must_use]
    pub fn backend(mut self, backend: Arc<dyn Backend>) -> Self {
        self.backend = Some(backend);
        self
    }

    /// The lab's idea of time.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Makes ids and the luck of faults the same each time.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How long things take.
    #[must_use]
    pub fn timings(mut self, timings: Timings) -> Self {
        self.timings = Some(timings);
        self
    }

    /// What part of EC2's documented request rates is granted, such as 1.0.
    #[must_use]
    pub fn rates(mut self, factor: f64) -> Self {
        self.rates = Some(factor);
        self
    }

    /// The folder in which it keeps its state. Without one nothing is kept.
    #[must_use]
    pub fn state(mut self, folder: impl Into<PathBuf>) -> Self {
        self.state = Some(folder.into());
        self
    }

    /// Where guest images are found by name, as `NAME.img`. Default: [`guests_folder`].
    #[must_use]
    pub fn guests(mut self, folder: impl Into<PathBuf>) -> Self {
        self.guests = Some(folder.into());
        self
    }

    /// Sets it up: loads what the state folder has, or makes what the scenario says. Instances that were running are started.
    ///
    /// # Errors
    /// The scenario or the state is at fault, or a guest image is missing.
    pub fn build(self) -> Result<Lab, LabError> {
        let service = Service::set_up(self)?;
        Ok(Lab {
            service: Arc::new(service),
        })
    }
}

/// `$COMEBACK_GUESTS_DIR`, else `guests-by-name` in `${XDG_CACHE_HOME:-~/.cache}/comeback`.
pub fn guests_folder() -> PathBuf {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    variable("COMEBACK_GUESTS_DIR").unwrap_or_else(|| {
        let cache = variable("XDG_CACHE_HOME").or_else(|| Some(std::env::home_dir()?.join(".cache")));
        cache.unwrap_or_default().join("comeback/guests-by-name")
    })
}

impl Lab {
    /// Says how a lab is to be.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Serves on a port of 127.0.0.1, in threads of its own, until the returned handle is dropped. Port 0 is any that is free.
    ///
    /// # Errors
    /// The port is taken.
    pub fn serve(&self, port: u16) -> Result<Serving, LabError> {
        Serving::start(Arc::clone(&self.service), port)
    }

    /// Keys of the accounts, in the order of their ids. Sessions of roles are left out.
    pub fn keys(&self) -> Vec<Keys> {
        self.service.keys()
    }

    /// How often each action was called.
    pub fn calls(&self) -> std::collections::BTreeMap<String, Calls> {
        self.service.calls()
    }

    /// Parameters that were sent and that the lab does not know, as `Action Parameter`: what rests on them is not tested.
    pub fn ignored(&self) -> Vec<String> {
        self.service.ignored()
    }

    /// The faults, to be set and cleared.
    pub fn faults(&self) -> &Faults {
        &self.service.world.faults
    }

    /// Attaches a policy to an access key or a role (by its ARN); none lets it do everything. Says whether there is such a one.
    pub fn set_policy(&self, name: &str, policy: Option<Policy>) -> bool {
        self.service.set_policy(name, policy)
    }

    /// Does to an instance what its scheduled event says. `name` is an event's id, or the id or the tag `Name` of an instance.
    /// Says of which instance, or nothing if there is no such event.
    pub fn fire(&self, name: &str) -> Option<String> {
        self.service.fire(name)
    }

    /// What there is, for a person.
    pub fn status(&self) -> Status {
        self.service.status()
    }

    /// The console of an instance, by its id or its tag `Name`.
    pub fn console(&self, name: &str) -> Option<Vec<u8>> {
        self.service.console(name)
    }

    /// Everything there is, as JSON that two runs of the same kind have in common: ids and addresses are numbered in a fixed order,
    /// times, client tokens and what is gone are left out.
    pub fn snapshot_of_state(&self) -> serde_json::Value {
        self.service.normal_state()
    }

    /// Saves the state now, if there is a folder for it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self) -> Result<(), LabError> {
        self.service.save()
    }

    /// Takes the power away from all machines, which then are started again by the next lab in this folder.
    pub fn power_off(&self) {
        self.service.power_off();
    }
}

/// The mutex's content, also after a panic elsewhere: requests do not leave half a change behind that would matter more.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first `length` digits of a text's SHA-256.
pub(crate) fn digest(text: &str, length: usize) -> String {
    use sha2::{Digest, Sha256};
    let mut digits = wire::sigv4::hex(&Sha256::digest(text.as_bytes()));
    digits.truncate(length);
    digits
}

/// One line on standard error, which is the log of a lab in the background.
pub(crate) fn log(message: std::fmt::Arguments<'_>) {
    eprintln!("{} {message}", jiff::Timestamp::now().strftime("%H:%M:%S"));
}

/// The backend of a lab without machines.
pub(crate) fn instant_backend() -> Arc<dyn Backend> {
    Arc::new(Instant::default())
}

/// Whether a folder has a lab's state.
pub fn has_state(folder: &Path) -> bool {
    state::file(folder).exists()
}
