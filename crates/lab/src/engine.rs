//! The state of an account in a region, one concept per file, and how it changes as time goes by.
//!
//! Everything here is plain data that is saved as JSON. What a request does to it is in [`crate::ec2`]; what time does to it
//! (`pending` becomes `running`, `detaching` becomes `available`) is in [`settle`].

pub(crate) mod address;
pub(crate) mod aki;
pub(crate) mod catalogue;
pub(crate) mod event;
pub(crate) mod image;
pub(crate) mod instance;
pub(crate) mod interface;
pub(crate) mod machine;
pub(crate) mod network;
pub(crate) mod region;
pub(crate) mod settle;
pub(crate) mod target_group;
pub(crate) mod volume;

pub(crate) use region::Region;

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::backend::Backend;
use crate::clock::Clock;
use crate::fault::Faults;
use crate::files::Files;

/// How long things take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timings {
    /// `pending` to `running`, in milliseconds.
    pub start: u32,
    /// The least time of `stopping` and `shutting-down`, in milliseconds; a machine may take longer.
    pub stop: u32,
    /// `attaching` and `detaching`, in milliseconds.
    pub attach: u32,
    /// `creating` of a volume, in milliseconds.
    pub volume: u32,
    /// `pending` of a snapshot, in milliseconds.
    pub snapshot: u32,
    /// After that many milliseconds without a sign of life, a machine that still boots fails its instance status check.
    pub grace: u32,
}

impl Timings {
    /// Everything is done by the next request.
    pub const INSTANT: Self = Self {
        start: 0,
        stop: 0,
        attach: 0,
        volume: 0,
        snapshot: 0,
        grace: 0,
    };
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            start: 2_000,
            stop: 2_000,
            attach: 1_000,
            volume: 1_000,
            snapshot: 3_000,
            grace: 600_000,
        }
    }
}

/// What the state lives in.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) timings: Timings,
    pub(crate) backend: std::sync::Arc<dyn Backend>,
    /// Whether the backend has no machines.
    pub(crate) instant: bool,
    pub(crate) files: Files,
    pub(crate) faults: Faults,
    pub(crate) random: Mutex<fastrand::Rng>,
}

impl World {
    /// A new id, such as `vol-0123456789abcdef0`.
    pub(crate) fn id(&self, kind: &str) -> String {
        let number = crate::lock(&self.random).u64(..);
        format!("{kind}-0{number:016x}")
    }

    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    /// The time that lies `milliseconds` ahead.
    pub(crate) fn after(&self, milliseconds: u32) -> jiff::Timestamp {
        let now = self.now();
        now.checked_add(jiff::SignedDuration::from_millis(milliseconds.into()))
            .unwrap_or(now)
    }
}
