//! The result.

use comeback_cloud::ids::{EventId, InstanceId, RegionName};
use comeback_cloud::model::{EventCode, InstanceState, Virtualization};
use comeback_console::{Finding, Stage};
use jiff::Timestamp;
use serde::Serialize;

/// Counts up when the fields change their meaning.
pub const VERSION: u32 = 1;

/// What is known of an instance's health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// [`VERSION`].
    pub version: u32,
    /// When it was looked at.
    pub at: Timestamp,
    /// The instance.
    pub instance: InstanceId,
    /// Its tag `Name`.
    pub name: Option<String>,
    /// Its region.
    pub region: RegionName,
    /// Where it is in its life.
    pub state: InstanceState,
    /// Its type.
    pub instance_type: String,
    /// How it is carried.
    pub virtualization: Virtualization,
    /// What loads the kernel of a paravirtual instance, for people: `PV-GRUB 1.03 (aki-44992845)`.
    pub loader: Option<String>,
    /// Whether anything is wrong.
    pub health: Health,
    /// What is wrong.
    pub problem: Option<Problem>,
    /// Whether waiting is right.
    pub waiting: Waiting,
    /// Since when it does not serve, and what that costs.
    pub outage: Option<Outage>,
    /// The way back.
    pub advice: Advice,
    /// How far the last boot on the console came; nothing where the console is empty.
    pub reached: Option<Stage>,
    /// What else the console shows, in the order in which it was seen.
    pub signs: Vec<Finding>,
    /// What looks bad on the console and is not.
    pub harmless: Vec<Finding>,
    /// What AWS is going to do to it.
    pub events: Vec<Due>,
    /// What could not be looked at, and what else has to be known.
    pub notes: Vec<String>,
}

/// Whether anything is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Nothing that can be seen from outside.
    Well,
    /// It is on its way up.
    Coming,
    /// Something is.
    Wrong,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Stable name, in kebab case; that of the console's sign where one shows it.
    pub id: &'static str,
    /// One sentence for a person.
    pub title: String,
    /// What shows it, the most telling first.
    pub evidence: Vec<Evidence>,
    /// What to do about the cause, where something is known.
    pub remedy: Option<String>,
}

/// Where something was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// `console`, `disk`, or the call and its field: `DescribeInstanceStatus InstanceStatus`.
    pub source: String,
    /// What stands there. It may be a guest's own text.
    pub text: String,
}

impl Evidence {
    pub(crate) fn new(source: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            text: text.into(),
        }
    }

    pub(crate) fn console(line: &str) -> Self {
        Self::new("console", line)
    }
}

/// Whether waiting is right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// Whether it may come up by itself.
    pub right: bool,
    /// Until when that may be hoped for.
    pub until: Option<Timestamp>,
    /// Why, in words.
    pub why: String,
}

/// Since when it does not serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outage {
    /// Since when, by EC2's own words.
    pub since: Timestamp,
    /// For how long, in seconds.
    pub seconds: i64,
    /// What the instance alone was billed for meanwhile; nothing where it is stopped or the price is not known.
    pub cost: Option<Cost>,
}

/// Instance hours that nobody had anything of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Millionths of the currency's unit.
    pub micros: u64,
    /// The currency's code.
    pub currency: &'static str,
    /// An hour of it, in the same.
    pub hourly_micros: u64,
    /// Where the price was read.
    pub source: &'static str,
}

/// How it comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// There is nothing to do.
    Nothing,
    /// It comes up by itself.
    Wait,
    /// A newer PV-GRUB starts it.
    BumpKernel,
    /// It is migrated to HVM in nine steps, dead as it is.
    NineSteps,
    /// It is started, on another host.
    Start,
    /// It is stopped and started, which takes it to another host.
    StopStart,
    /// It is rebooted, on its host.
    Reboot,
    /// Somebody has to look at its disk, and mend what is there.
    LookInside,
    /// What is wrong is not the instance.
    NotOurs,
}

impl Way {
    /// What it is, for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Wait => "wait",
            Self::BumpKernel => "give it a newer PV-GRUB, as a stop-gap",
            Self::NineSteps => "migrate it to HVM in nine steps, dead as it is",
            Self::Start => "start it",
            Self::StopStart => "stop and start it, which takes it to another host",
            Self::Reboot => "reboot it",
            Self::LookInside => "look at its disk from another machine",
            Self::NotOurs => "look outside of the instance",
        }
    }
}

/// The way back, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// The way.
    pub way: Way,
    /// Why this one.
    pub why: String,
    /// What to type.
    pub commands: Vec<String>,
    /// What may go wrong on it.
    pub risks: Vec<String>,
}

/// Something that AWS is going to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Due {
    /// Its name.
    pub event: Option<EventId>,
    /// What.
    pub code: EventCode,
    /// Not before.
    pub not_before: Option<Timestamp>,
    /// The last time to which it can be put off.
    pub deadline: Option<Timestamp>,
}
