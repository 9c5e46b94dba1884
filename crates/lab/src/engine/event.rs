//! Scheduled events: what AWS is going to do to an instance.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Code {
    /// A reboot on the same host.
    InstanceReboot,
    /// A reboot that moves the instance to another host.
    SystemReboot,
    /// Power or network of the host: a short interruption.
    SystemMaintenance,
    /// The host is worn out: the instance is stopped, or terminated if its root is on the host.
    InstanceRetirement,
    /// The instance is stopped.
    InstanceStop,
}

impl Code {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::InstanceReboot => "instance-reboot",
            Self::SystemReboot => "system-reboot",
            Self::SystemMaintenance => "system-maintenance",
            Self::InstanceRetirement => "instance-retirement",
            Self::InstanceStop => "instance-stop",
        }
    }

    /// The description that EC2 gives.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::InstanceReboot => "The instance is scheduled for a reboot",
            Self::SystemReboot => "The instance is scheduled for a reboot that moves it to another host",
            Self::SystemMaintenance => "The instance is scheduled for maintenance of its host",
            Self::InstanceRetirement => "The instance is running on degraded hardware",
            Self::InstanceStop => "The instance is scheduled to be stopped",
        }
    }
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) code: Code,
    pub(crate) description: String,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Option<Timestamp>,
    /// Until when it can be put off; none if it cannot.
    pub(crate) deadline: Option<Timestamp>,
}

impl Event {
    const COMPLETED: &'static str = "[Completed] ";
    const CANCELED: &'static str = "[Canceled] ";

    /// Whether it is still to come.
    pub(crate) fn is_open(&self) -> bool {
        !self.description.starts_with(Self::COMPLETED) && !self.description.starts_with(Self::CANCELED)
    }

    /// It stays in sight for a while, with a prefix.
    pub(crate) fn complete(&mut self) {
        if self.is_open() {
            self.description.insert_str(0, Self::COMPLETED);
        }
    }
}
