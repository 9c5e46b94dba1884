//! What a console says: stages, findings and the verdict.

use std::{fmt, time::Duration};

use serde::{Serialize, Serializer};

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

/// Whether it boots.
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

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    // Milliseconds are as fine as the clock of a polled console gets.
    serializer.serialize_f64(duration.as_millis() as f64 / 1000.0)
}
