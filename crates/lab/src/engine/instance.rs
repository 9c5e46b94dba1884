//! Instances.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::Event;

/// Where an instance is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Pending,
    Running,
    ShuttingDown,
    Terminated,
    Stopping,
    Stopped,
}

impl State {
    /// The low byte of the API's code, and its name.
    pub(crate) fn code_and_name(self) -> (u16, &'static str) {
        match self {
            Self::Pending => (0, "pending"),
            Self::Running => (16, "running"),
            Self::ShuttingDown => (32, "shutting-down"),
            Self::Terminated => (48, "terminated"),
            Self::Stopping => (64, "stopping"),
            Self::Stopped => (80, "stopped"),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        self.code_and_name().1
    }

    /// Whether there is nothing to be done to it any more.
    pub(crate) fn is_gone(self) -> bool {
        matches!(self, Self::ShuttingDown | Self::Terminated)
    }
}

/// How an instance's system is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Virtualization {
    Paravirtual,
    Hvm,
}

impl Virtualization {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Paravirtual => "paravirtual",
            Self::Hvm => "hvm",
        }
    }
}

/// A reason, as `StateReason` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reason {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// An instance-store disk, or a device that is kept from being used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ephemeral {
    pub(crate) device: String,
    /// `ephemeral0`
    pub(crate) name: String,
}

/// A marketplace code, which is on volumes and images too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProductCode {
    pub(crate) id: String,
    /// `devpay` or `marketplace`
    pub(crate) kind: String,
}

/// What `MetadataOptions` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) tokens: String,
    pub(crate) hop_limit: u32,
    pub(crate) endpoint: String,
    pub(crate) ipv6: String,
    pub(crate) tags: String,
}

impl Default for Metadata {
    fn default() -> Self {
        Self {
            tokens: "optional".to_owned(),
            hop_limit: 1,
            endpoint: "enabled".to_owned(),
            ipv6: "disabled".to_owned(),
            tags: "disabled".to_owned(),
        }
    }
}

/// An instance. Its volumes know that they are attached to it, its interfaces likewise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) reservation: String,
    /// Place in its reservation.
    pub(crate) index: u32,
    pub(crate) client_token: Option<String>,
    pub(crate) image: String,
    pub(crate) kernel: Option<String>,
    pub(crate) ramdisk: Option<String>,
    pub(crate) kind: String,
    pub(crate) state: State,
    /// When the state is to change.
    pub(crate) due: Option<Timestamp>,
    pub(crate) launched: Timestamp,
    /// When its machine was last started.
    pub(crate) powered: Option<Timestamp>,
    /// When it ended, to be forgotten later.
    pub(crate) ended: Option<Timestamp>,
    pub(crate) reason: Option<Reason>,
    /// `StateTransitionReason`
    pub(crate) transition: String,
    pub(crate) zone: String,
    pub(crate) subnet: String,
    pub(crate) vpc: String,
    pub(crate) tenancy: String,
    pub(crate) placement_group: String,
    pub(crate) key_name: Option<String>,
    /// Base64, as it came.
    pub(crate) user_data: Option<String>,
    pub(crate) virtualization: Virtualization,
    pub(crate) architecture: String,
    pub(crate) root_device: String,
    /// `ebs` or `instance-store`
    pub(crate) root_type: String,
    pub(crate) ephemeral: Vec<Ephemeral>,
    pub(crate) monitoring: bool,
    pub(crate) profile: Option<String>,
    pub(crate) termination_protected: bool,
    pub(crate) stop_protected: bool,
    /// `stop` or `terminate`: what happens when the guest shuts down.
    pub(crate) on_shutdown: String,
    pub(crate) ebs_optimized: bool,
    pub(crate) ena: bool,
    pub(crate) sriov: Option<String>,
    pub(crate) source_dest_check: bool,
    pub(crate) product_codes: Vec<ProductCode>,
    /// `spot` or nothing.
    pub(crate) lifecycle: Option<String>,
    pub(crate) auto_recovery: String,
    pub(crate) reboot_migration: String,
    pub(crate) metadata: Metadata,
    pub(crate) credit: Option<String>,
    pub(crate) events: Vec<Event>,
    /// Whether it is given a public address at each start.
    pub(crate) wants_public: bool,
    pub(crate) public: Option<Ipv4Addr>,
    /// Which of the region's hosts it is on: a stop and start changes it, a reboot in place does not.
    pub(crate) host: u32,
    /// It has been running since before its disk changed: see [`crate::backend::Machine::first_boot_unchecked`].
    pub(crate) unchecked: bool,
    /// Without machines: the console line with which it fails the next time that its boot chain runs.
    pub(crate) doom: Option<String>,
    /// Kernel images with which it comes up all the same.
    #[serde(default)]
    pub(crate) spared_by: Vec<String>,
    /// How it stands in the Auto Scaling group that its tag names; nothing is `InService`.
    #[serde(default)]
    pub(crate) scaling_state: Option<String>,
}

impl Instance {
    pub(crate) fn private_dns(&self, address: Ipv4Addr, region: &str) -> String {
        let [a, b, c, d] = address.octets();
        let domain = if region == "us-east-1" {
            "ec2.internal".to_owned()
        } else {
            format!("{region}.compute.internal")
        };
        format!("ip-{a}-{b}-{c}-{d}.{domain}")
    }

    pub(crate) fn is_paravirtual(&self) -> bool {
        self.virtualization == Virtualization::Paravirtual
    }

    /// The failure that its next boot ends in, where there are no machines that could tell.
    pub(crate) fn doomed(&self) -> Option<&str> {
        let spared = self
            .kernel
            .as_ref()
            .is_some_and(|kernel| self.spared_by.contains(kernel));
        self.doom.as_deref().filter(|_| !self.unchecked && !spared)
    }
}
