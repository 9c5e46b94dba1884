//! What a rehearsal says: stages, findings and the verdict.

use std::{fmt, path::PathBuf, time::Duration};

use serde::{Serialize, Serializer};

use crate::{Platform, ProbeOutput};

/// How far a boot has come. A later stage is greater than an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// SeaBIOS looks for something to boot.
    Firmware,
    /// The first sector of the disk runs.
    BootLoader,
    /// Linux runs.
    Kernel,
    /// The first user process runs, in the initramfs or on the root file system.
    Init,
    /// Somebody could log in.
    Login,
}

impl Stage {
    /// The name as it is serialized.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Firmware => "firmware",
            Stage::BootLoader => "boot-loader",
            Stage::Kernel => "kernel",
            Stage::Init => "init",
            Stage::Login => "login",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The answer of a rehearsal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// A login prompt was seen, or init said that the boot is finished.
    Boots,
    /// A known failure was seen.
    DoesNotBoot,
    /// The time was over, or what was seen is an effect of the stand-in machine.
    Unknown,
}

/// What carried out the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accelerator {
    /// The processor's hardware virtualization.
    Kvm,
    /// QEMU's own emulation, ten times slower and more.
    Tcg,
}

/// One thing that the console shows, with the line that shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable name, in kebab case.
    pub id: &'static str,
    /// One sentence for a person.
    pub title: &'static str,
    /// The line of the console, without escape sequences; empty when silence is the sign.
    pub line: String,
    /// The stage that the sign belongs to.
    pub stage: Stage,
    /// What to do about it.
    pub remedy: &'static str,
}

/// A stage and when it was first seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// The stage.
    pub stage: Stage,
    /// Time since the machine was started; serialized in seconds.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub at: Duration,
    /// The line that showed it; empty for the start of the machine.
    pub line: String,
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
