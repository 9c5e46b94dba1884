//! What is known of an instance when it is judged. Only what a rule looks at is kept: an audit holds thousands of these.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use comeback_cloud::ids::{AccountId, InstanceId, KernelId, RamdiskId, RegionName};
use comeback_cloud::model::{
    AddressOwner, Architecture, AutoRecovery, CheckState, Event, EventCode, Hypervisor, Instance, InstanceState,
    InstanceType, RebootMigration, RootDeviceType, Status, Virtualization,
};
use jiff::{SignedDuration, Timestamp};

use crate::model::{Deadline, Effect, Evidence, Money, Successor};
use comeback_cloud::kernels::{Kernel, Version};

/// Families of types that were there before Nitro
/// (<https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-types.html#instance-hypervisor-type>). Only what stands on
/// these is worth a question about its type.
const XEN_FAMILIES: &[&str] = &[
    "c1", "c3", "c4", "cc1", "cc2", "cg1", "cr1", "d2", "f1", "g2", "g3", "g3s", "h1", "hi1", "hs1", "i2", "i3", "m1",
    "m2", "m3", "m4", "p2", "p3", "r3", "r4", "t1", "t2", "x1", "x1e",
];

/// The least time ahead to which AWS lets an event be moved
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/reschedule-event.html>).
const LEAST_NOTICE: SignedDuration = SignedDuration::from_mins(60);
/// An event that begins within this time is not moved any more (the same page).
const TOO_LATE: SignedDuration = SignedDuration::from_mins(5);

/// Whether a type may be one of those before Nitro, by its name.
pub fn is_xen_family(instance_type: &str) -> bool {
    let family = instance_type.split('.').next().unwrap_or_default();
    XEN_FAMILIES.contains(&family)
}

/// Where an account is and how it was entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Whose account it is.
    pub client: Option<String>,
    /// The account.
    pub account: AccountId,
    /// Tags of the account in the accounts file.
    pub tags: BTreeMap<String, String>,
    /// What a command needs beside the region to get there, such as `--profile client-a`.
    pub way: String,
}

/// An instance, as far as rules look at it.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// Its name in EC2.
    pub id: InstanceId,
    /// Its availability zone.
    pub zone: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its type.
    pub instance_type: String,
    /// Where it is in its life.
    pub state: InstanceState,
    /// How its guest is carried.
    pub virtualization: Virtualization,
    /// The processor it was made for.
    pub architecture: Architecture,
    /// Its kernel image.
    pub kernel: Option<KernelId>,
    /// Its RAM disk image.
    pub ramdisk: Option<RamdiskId>,
    /// Where its root is.
    pub root: RootDeviceType,
    /// When it was last started.
    pub launched: Option<Timestamp>,
    /// Whether it is moved when its host fails.
    pub auto_recovery: AutoRecovery,
    /// Whether a reboot moves it while a `system-reboot` is due.
    pub reboot_migration: Option<RebootMigration>,
    /// Whether the elastic network adapter is switched on.
    pub ena: bool,
    /// Public addresses that it has until it stops.
    pub lent_addresses: Vec<Ipv4Addr>,
    /// How many network interfaces it has.
    pub interfaces: u32,
}

/// Most bytes of a tag that are kept. AWS allows 256 characters.
const LONGEST_TAG: usize = 1024;

impl Machine {
    /// Takes what rules look at. Of the tags, `Name` and those for which `wanted` holds.
    pub fn new(from: Instance, wanted: impl Fn(&str) -> bool) -> Self {
        let lent = from
            .interfaces
            .iter()
            .flat_map(|interface| &interface.addresses)
            .filter(|address| address.owner == Some(AddressOwner::Amazon))
            .filter_map(|address| address.public);
        let tags = from.tags.iter().filter(|(key, _)| *key == "Name" || wanted(key));
        Self {
            lent_addresses: lent.collect(),
            tags: tags.map(|(key, value)| (key.clone(), shortened(value))).collect(),
            interfaces: u32::try_from(from.interfaces.len()).unwrap_or(u32::MAX),
            id: from.id,
            zone: from.zone,
            instance_type: from.instance_type,
            state: from.state,
            virtualization: from.virtualization,
            architecture: from.architecture,
            kernel: from.kernel,
            ramdisk: from.ramdisk,
            root: from.root_device_type,
            launched: from.launch_time,
            auto_recovery: from.maintenance_options.auto_recovery,
            reboot_migration: from.maintenance_options.reboot_migration,
            ena: from.ena_support,
        }
    }

    /// Whether its guest runs on Xen's interface.
    pub fn is_paravirtual(&self) -> bool {
        self.virtualization == Virtualization::Paravirtual
    }

    /// Whether its root is on its host's own disks.
    pub fn is_on_instance_store(&self) -> bool {
        self.root == RootDeviceType::InstanceStore
    }

    /// What it is called.
    pub fn name(&self) -> Option<&str> {
        self.tags
            .get("Name")
            .map(String::as_str)
            .filter(|name| !name.is_empty())
    }
}

fn shortened(text: &str) -> String {
    let end = text
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take_while(|end| *end <= LONGEST_TAG)
        .last();
    text[..end.unwrap_or(0)].to_owned()
}

/// What is known of an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Where it is.
    pub place: Arc<Place>,
    /// Its region.
    pub region: RegionName,
    /// The instance itself.
    pub machine: Machine,
    /// Its checks and events; nothing if they were not read.
    pub status: Option<Status>,
    /// What its kernel image is; nothing if it has none.
    pub kernel: Option<Kernel>,
    /// Its type; nothing if it was not read.
    pub kind: Option<Arc<InstanceType>>,
    /// What it would become.
    pub successor: Option<Successor>,
    /// What an hour of it costs.
    pub hourly: Option<Money>,
    /// The time at which it is judged.
    pub now: Timestamp,
}

impl Facts {
    /// The version of its PV-GRUB, if that is what loads its kernel.
    pub fn pv_grub(&self) -> Option<Version> {
        match self.kernel.as_ref()? {
            Kernel::PvGrub { version, .. } => Some(*version),
            Kernel::Other { .. } | Kernel::Unknown => None,
        }
    }

    /// Whether it is paravirtual and nothing speaks for its next boot: an old PV-GRUB, or none.
    pub fn is_doubtful(&self) -> bool {
        self.machine.is_paravirtual() && self.pv_grub().is_none_or(|version| version <= Version::LAST_OLD)
    }

    /// Whether it runs and does not answer.
    pub fn is_dead(&self) -> bool {
        let impaired =
            |status: &Status| status.guest.state == CheckState::Impaired || status.system.state == CheckState::Impaired;
        self.machine.state == InstanceState::Running && self.status.as_ref().is_some_and(impaired)
    }

    /// Whether it stands on Xen.
    pub fn is_xen(&self) -> bool {
        match &self.kind {
            Some(kind) => kind.hypervisor == Some(Hypervisor::Xen),
            None => is_xen_family(&self.machine.instance_type),
        }
    }

    /// What is still to come, the first first.
    pub fn deadlines(&self) -> Vec<Deadline> {
        let events = self.status.iter().flat_map(Status::due_events);
        let mut deadlines: Vec<Deadline> = events.map(|event| self.deadline(event)).collect();
        // One without a time may come at once.
        deadlines.sort_by_key(|deadline| deadline.not_before);
        deadlines
    }

    fn deadline(&self, event: &Event) -> Deadline {
        let begins_soon = event
            .not_before
            .is_some_and(|at| at.duration_since(self.now) < TOO_LATE);
        let movable = event
            .deadline
            .filter(|at| at.duration_since(self.now) >= LEAST_NOTICE && !begins_soon);
        Deadline {
            event: event.id.clone(),
            code: event.code.clone(),
            effect: self.effect(&event.code),
            not_before: event.not_before,
            not_after: event.not_after,
            // To where it stands already it need not be moved.
            movable_until: movable.filter(|at| event.not_before.is_none_or(|begins| *at > begins)),
        }
    }

    /// What an event does to this instance
    /// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-instances-status-check_sched.html>).
    fn effect(&self, code: &EventCode) -> Effect {
        let moves = matches!(
            code,
            EventCode::SystemReboot | EventCode::InstanceRetirement | EventCode::InstanceStop
        );
        if moves && self.machine.is_on_instance_store() {
            return Effect::LossOfRoot;
        }
        match code {
            EventCode::InstanceReboot => Effect::RebootInPlace,
            EventCode::SystemReboot => Effect::RebootNewHost,
            EventCode::SystemMaintenance => Effect::Interruption,
            EventCode::InstanceRetirement | EventCode::InstanceStop => Effect::Stop,
            EventCode::Other(_) => Effect::Unknown,
        }
    }

    /// Something to be typed about it.
    pub fn command(&self, verb: &str) -> String {
        let way = if self.place.way.is_empty() {
            String::new()
        } else {
            format!(" {}", self.place.way)
        };
        format!("comeback {verb} {} --region {}{way}", self.machine.id, self.region)
    }
}

/// Something seen in an answer.
pub fn seen(source: &str, field: &str, value: impl ToString) -> Evidence {
    Evidence {
        source: source.to_owned(),
        field: field.to_owned(),
        value: value.to_string(),
    }
}

/// A word for a POSIX shell, quoted where it has to be. NUL, which no word can hold, is left out.
pub fn quoted(word: &str) -> String {
    let word: String = word.chars().filter(|c| *c != '\0').collect();
    // Nothing else is refused.
    shlex::try_quote(&word).map(Cow::into_owned).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::process::Command;

    use super::*;

    #[test]
    fn hostile_words_come_through_a_shell_as_they_are() {
        for word in [
            "",
            "audit",
            "our own",
            "it's \"ours\"",
            "$(id)`id`${HOME}",
            "a;b&c|d>e<f(g)",
            "!x \\ ^y ~ # * ? [z]",
            "-n",
            "a\nb\tc\rd\u{1b}[2J",
            "\u{202e}日本語",
            "arn:aws:iam::444455556666:role/audit",
        ] {
            let line = format!("printf '%s|' {} end", quoted(word));
            let output = Command::new("sh").args(["-c", &line]).output().unwrap();
            assert_eq!(
                String::from_utf8(output.stdout).unwrap(),
                format!("{word}|end|"),
                "{word:?}"
            );
        }
        assert_eq!(quoted("a\0b"), "ab");
        assert_eq!(
            quoted("arn:aws:iam::444455556666:role/audit"),
            "arn:aws:iam::444455556666:role/audit"
        );
    }
}
