//! What a rehearsal says.

use std::{path::PathBuf, time::Duration};

use serde::{Serialize, Serializer};

use comeback_console::{Finding, Reached, Verdict};

use crate::{Platform, ProbeOutput};

/// What carried out the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accelerator {
    /// The processor's hardware virtualization.
    Kvm,
    /// QEMU's own emulation, ten times slower and more.
    Tcg,
}

/// The result of a rehearsal.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The answer.
    pub verdict: Verdict,
    /// The machine that was stood in for.
    pub platform: Platform,
    /// The sign that decides or best explains the verdict.
    pub signature: Option<Finding>,
    /// Other signs that were seen, oldest first.
    pub findings: Vec<Finding>,
    /// The line that proves the success, for [`Verdict::Boots`].
    pub evidence: Option<String>,
    /// When each stage was first seen.
    pub timeline: Vec<Reached>,
    /// How long the machine ran; serialized in seconds.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub elapsed: Duration,
    /// What carried out the guest's instructions.
    pub accelerator: Accelerator,
    /// Version of QEMU, such as `7.2.22`.
    pub qemu: String,
    /// The serial console as it came, at most [`Outcome::CONSOLE_LIMIT`] bytes: from a longer one the middle is left out.
    #[serde(skip)]
    pub console: Vec<u8>,
    /// Where the console was saved.
    pub console_file: Option<PathBuf>,
    /// Whether the middle of the console was left out.
    pub console_truncated: bool,
    /// The text that was last read from the screen, if it was in text mode and anything was read.
    pub screen: Vec<String>,
    /// Where the picture was saved, if it could be.
    pub screenshot: Option<PathBuf>,
    /// What the probe's commands printed.
    pub probe: Vec<ProbeOutput>,
}

impl Outcome {
    /// The most bytes of console that are kept.
    pub const CONSOLE_LIMIT: usize = 16 << 20;
}

/// Progress of a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The machine runs.
    Started {
        /// What carries out the guest's instructions.
        accelerator: Accelerator,
        /// Version of QEMU.
        qemu: String,
    },
    /// A stage was reached.
    Stage(Reached),
    /// A sign was seen that may decide the verdict or explain it.
    Sign {
        /// Time since the machine was started.
        at: Duration,
        /// The sign.
        finding: Finding,
    },
    /// The guest does something that takes long; the rehearsal waits until then at least.
    Waiting {
        /// The sign that says so.
        finding: Finding,
        /// The new end, counted from the start of the machine.
        until: Duration,
    },
    /// Bytes of the serial console, as they came.
    Console(Vec<u8>),
    /// Something that is worth telling, such as that KVM failed and emulation is used.
    Note(String),
    /// A probe's command is about to run.
    Probe(String),
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    // Milliseconds are as fine as the clock of a polled console gets.
    serializer.serialize_f64(duration.as_millis() as f64 / 1000.0)
}
