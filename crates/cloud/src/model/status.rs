//! Status checks and scheduled events.

use super::{InstanceState, text_enum};
use crate::ids::{EventId, InstanceId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

text_enum!(
    /// What a status check says.
    CheckState {
        /// Passed.
        Ok = "ok",
        /// Failed.
        Impaired = "impaired",
        /// Still being looked at.
        Initializing = "initializing",
        /// Too little is known.
        InsufficientData = "insufficient-data",
        /// There is nothing to check, as for a stopped instance.
        NotApplicable = "not-applicable",
    }
);

text_enum!(
    /// What AWS is going to do.
    EventCode {
        /// The instance reboots on its host.
        InstanceReboot = "instance-reboot",
        /// The instance is rebooted onto another host.
        SystemReboot = "system-reboot",
        /// The host's network or power is worked on.
        SystemMaintenance = "system-maintenance",
        /// The instance is stopped, or terminated when its root is on the host.
        InstanceRetirement = "instance-retirement",
        /// The instance is stopped.
        InstanceStop = "instance-stop",
    }
);

/// How an instance does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The instance.
    pub instance: InstanceId,
    /// Where it is in its life.
    pub state: InstanceState,
    /// The check of the host: is its power and network there?
    pub system: Check,
    /// The check of the guest: does it answer?
    pub guest: Check,
    /// What is going to happen to it. Done and called off events stay in the list for up to a week.
    pub events: Vec<Event>,
}

impl Status {
    /// Whether both checks pass.
    pub fn is_ok(&self) -> bool {
        self.system.state == CheckState::Ok && self.guest.state == CheckState::Ok
    }

    /// Events that are still to come.
    pub fn due_events(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|event| event.stage == EventStage::Due)
    }
}

/// One status check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What it says.
    pub state: CheckState,
    /// Since when it fails.
    pub impaired_since: Option<Timestamp>,
}

/// Whether an event is still to come. EC2 tells it by a prefix of the description only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventStage {
    /// Still to come, or under way.
    Due,
    /// `[Completed]`.
    Completed,
    /// `[Canceled]`.
    Canceled,
}

/// A scheduled event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its name; EC2 leaves it out of some old ones.
    pub id: Option<EventId>,
    /// What happens.
    pub code: EventCode,
    /// EC2's words, without the prefix that tells the stage.
    pub description: String,
    /// Whether it is still to come.
    pub stage: EventStage,
    /// It does not begin before.
    pub not_before: Option<Timestamp>,
    /// It is over by then.
    pub not_after: Option<Timestamp>,
    /// The latest time to which it can be put off. Nothing means that it cannot be put off.
    pub deadline: Option<Timestamp>,
}

impl Event {
    /// Tells the stage and the rest of a description.
    pub(crate) fn stage_of(description: &str) -> (EventStage, &str) {
        let text = description.trim();
        for (prefix, stage) in [
            ("[Completed]", EventStage::Completed),
            ("[Canceled]", EventStage::Canceled),
            ("[Cancelled]", EventStage::Canceled),
        ] {
            if text
                .get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            {
                return (stage, text[prefix.len()..].trim_start());
            }
        }
        (EventStage::Due, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_tell_the_stage_of_an_event() {
        assert_eq!(
            Event::stage_of("[Completed] The instance is running on degraded hardware"),
            (EventStage::Completed, "The instance is running on degraded hardware")
        );
        assert_eq!(Event::stage_of("[Canceled]Maintenance").0, EventStage::Canceled);
        assert_eq!(Event::stage_of("Maintenance [Completed]").0, EventStage::Due);
        assert_eq!(
            Event::stage_of("保守作業のお知らせ"),
            (EventStage::Due, "保守作業のお知らせ")
        );
    }
}
