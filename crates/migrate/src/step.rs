//! The steps of a run, as people count them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A step. Nine of them are the way itself; before it the source is made safe, after it the target is proven and takes
/// over what leads to the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// 0: snapshots of all volumes; nobody moves the source meanwhile.
    Protect,
    /// 1: stop the source.
    Stop,
    /// 2: detach its volumes.
    Detach,
    /// 3: create and start the HVM host.
    Host,
    /// 4: attach the source's root to it as a secondary disk.
    Attach,
    /// 5: put on it what HVM needs.
    Convert,
    /// 6: stop the host.
    StopHost,
    /// 7: detach its own root.
    DetachHostRoot,
    /// 8: attach the converted disk as root, and the data volumes.
    Assemble,
    /// 9: start.
    Start,
    /// Prove it.
    Verify,
    /// Move addresses, interfaces and load balancers.
    Move,
    /// Give the target the source's primary private address. No part of a run, but of what comes after it.
    Readdress,
    /// Delete what is no longer needed. No part of a run, but of what comes after it.
    Finalize,
}

impl Step {
    /// Those of a run, in order.
    pub const ALL: [Self; 12] = [
        Self::Protect,
        Self::Stop,
        Self::Detach,
        Self::Host,
        Self::Attach,
        Self::Convert,
        Self::StopHost,
        Self::DetachHostRoot,
        Self::Assemble,
        Self::Start,
        Self::Verify,
        Self::Move,
    ];

    /// The number that people know it by, or a sign for those after the ninth.
    pub const fn number(self) -> &'static str {
        match self {
            Self::Protect => "0",
            Self::Stop => "1",
            Self::Detach => "2",
            Self::Host => "3",
            Self::Attach => "4",
            Self::Convert => "5",
            Self::StopHost => "6",
            Self::DetachHostRoot => "7",
            Self::Assemble => "8",
            Self::Start => "9",
            Self::Verify => "✓",
            Self::Move => "→",
            Self::Readdress => "@",
            Self::Finalize => "×",
        }
    }

    /// What it does.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Protect => "snapshot all volumes, keep recovery and migration away",
            Self::Stop => "stop the source",
            Self::Detach => "detach its volumes",
            Self::Host => "create and start the HVM host",
            Self::Attach => "attach the source's root to it",
            Self::Convert => "convert the root",
            Self::StopHost => "stop the host",
            Self::DetachHostRoot => "detach its own root",
            Self::Assemble => "attach the converted root and the data volumes",
            Self::Start => "start the target",
            Self::Verify => "verify that it is back",
            Self::Move => "move what leads to the source",
            Self::Readdress => "keep the primary private address",
            Self::Finalize => "delete what is no longer needed",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number(), self.title())
    }
}
