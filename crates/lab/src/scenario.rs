//! Scenarios: what there is when the lab is started for the first time. Files in TOML, some of them built in.

mod build;
mod times;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::engine::Timings;
use crate::engine::event::Code;
use crate::engine::instance::Virtualization;
use crate::fault::Fault;

pub(crate) use build::{build, new_region};

/// Built-in scenarios by name.
const BUILT_IN: &[(&str, &str)] = &[
    ("clients", include_str!("../../../lab/scenarios/clients.toml")),
    ("estate", include_str!("../../../lab/scenarios/estate.toml")),
    ("fleet", include_str!("../../../lab/scenarios/fleet.toml")),
    ("tokyo", include_str!("../../../lab/scenarios/tokyo.toml")),
];

/// A scenario could not be read, or not be set up.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// There is no such scenario.
    #[error("there is no scenario {0}; built in are {names}, and a path of a .toml file works too", names = Scenario::names().join(", "))]
    Unknown(String),
    /// The file cannot be read.
    #[error("reading {path}: {source}")]
    Read {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The text is not a scenario.
    #[error("reading the scenario {name}: {reason}")]
    Malformed {
        /// Which scenario.
        name: String,
        /// Why.
        reason: String,
    },
    /// Something that it names is not there.
    #[error("setting up the scenario: {0}")]
    SetUp(String),
}

/// What there is at the start.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// What it shows, for a person.
    pub description: String,
    #[serde(default)]
    pub(crate) timings: Option<Timings>,
    /// What part of EC2's request rates is granted; no limit if not given.
    #[serde(default)]
    pub(crate) rates: Option<f64>,
    #[serde(default)]
    pub(crate) faults: Vec<Fault>,
    pub(crate) accounts: Vec<AccountPlan>,
    #[serde(default)]
    pub(crate) regions: Vec<RegionPlan>,
}

/// An account, with one access key and roles.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountPlan {
    /// Twelve digits.
    pub(crate) id: String,
    /// What the organization calls it.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// It is in the organization's list, and no more.
    #[serde(default)]
    pub(crate) suspended: bool,
    /// Regions that it has not switched on.
    #[serde(default)]
    pub(crate) not_opted_in: Vec<String>,
    #[serde(default)]
    pub(crate) access_key: Option<String>,
    /// Names of roles that the other accounts may assume.
    #[serde(default)]
    pub(crate) roles: Vec<String>,
    /// A policy document that is attached to the key.
    #[serde(default)]
    pub(crate) policy: Option<String>,
}

/// What an account has in a region.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegionPlan {
    pub(crate) account: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) key_pairs: Vec<KeyPairPlan>,
    #[serde(default)]
    pub(crate) security_groups: Vec<GroupPlan>,
    #[serde(default)]
    pub(crate) instances: Vec<InstancePlan>,
    #[serde(default)]
    pub(crate) target_groups: Vec<TargetGroupPlan>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyPairPlan {
    pub(crate) name: String,
    /// In OpenSSH's form. If not given: the key that the test guests are built with, where it is there.
    #[serde(default)]
    pub(crate) public: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupPlan {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) description: String,
    /// TCP ports that are open to everybody.
    #[serde(default)]
    pub(crate) ports: Vec<u16>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TargetGroupPlan {
    pub(crate) name: String,
    pub(crate) port: u16,
    /// Names of instances.
    #[serde(default)]
    pub(crate) targets: Vec<String>,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InstancePlan {
    /// Its tag `Name`.
    pub(crate) name: String,
    /// How many of them; their names are then numbered.
    #[serde(default)]
    pub(crate) count: Option<u32>,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The last letter of its zone; the region's first if not given.
    #[serde(default)]
    pub(crate) zone: Option<String>,
    /// A kernel image makes it paravirtual.
    #[serde(default)]
    pub(crate) kernel: Option<String>,
    #[serde(default)]
    pub(crate) ramdisk: Option<String>,
    #[serde(default)]
    pub(crate) virtualization: Option<Virtualization>,
    #[serde(default)]
    pub(crate) architecture: Option<String>,
    /// When it was launched: a time, or `-9y`.
    pub(crate) launched: String,
    #[serde(default)]
    pub(crate) stopped: bool,
    #[serde(default)]
    pub(crate) key: Option<String>,
    #[serde(default)]
    pub(crate) security_groups: Vec<String>,
    #[serde(default)]
    pub(crate) user_data: Option<String>,
    #[serde(default)]
    pub(crate) termination_protection: bool,
    #[serde(default)]
    pub(crate) profile: Option<String>,
    #[serde(default)]
    pub(crate) monitoring: bool,
    #[serde(default)]
    pub(crate) ena: Option<bool>,
    #[serde(default)]
    pub(crate) elastic_ip: bool,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) shutdown_behavior: Option<String>,
    #[serde(default)]
    pub(crate) tenancy: Option<String>,
    #[serde(default)]
    pub(crate) product_codes: Vec<String>,
    /// `spot`
    #[serde(default)]
    pub(crate) lifecycle: Option<String>,
    #[serde(default)]
    pub(crate) metadata_tokens: Option<String>,
    /// The root disk; without it the root is on instance store.
    #[serde(default)]
    pub(crate) root: Option<VolumePlan>,
    #[serde(default)]
    pub(crate) volumes: Vec<VolumePlan>,
    /// Device names of instance-store disks.
    #[serde(default)]
    pub(crate) ephemeral: Vec<String>,
    #[serde(default)]
    pub(crate) interfaces: Vec<InterfacePlan>,
    #[serde(default)]
    pub(crate) events: Vec<EventPlan>,
    /// Without machines: the console line with which it fails when its boot chain runs again.
    #[serde(default)]
    pub(crate) dies_at_reboot: Option<String>,
    /// Kernel images with which it comes up all the same.
    #[serde(default)]
    pub(crate) comes_up_with: Vec<String>,
    /// How it stands in the Auto Scaling group of its tag, `InService` unless it is said
    #[serde(default)]
    pub(crate) scaling_state: Option<String>,
    /// It has failed like that when its boot chain last ran, at this time.
    #[serde(default)]
    pub(crate) dead_since: Option<String>,
    /// `default` or `disabled`
    #[serde(default)]
    pub(crate) auto_recovery: Option<String>,
    /// `default` or `disabled`
    #[serde(default)]
    pub(crate) reboot_migration: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VolumePlan {
    pub(crate) device: String,
    /// Its bytes are those of the guest image of this name; blank if not given.
    #[serde(default)]
    pub(crate) guest: Option<String>,
    /// GiB
    #[serde(default)]
    pub(crate) size: Option<u32>,
    #[serde(default, rename = "type")]
    pub(crate) kind: Option<String>,
    #[serde(default)]
    pub(crate) encrypted: bool,
    #[serde(default)]
    pub(crate) delete_on_termination: bool,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InterfacePlan {
    #[serde(default)]
    pub(crate) description: String,
    /// How many secondary addresses it has.
    #[serde(default)]
    pub(crate) secondary: u32,
    #[serde(default)]
    pub(crate) elastic_ip: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventPlan {
    pub(crate) code: Code,
    /// A time, `+12d`, or `next 01-04T13:00:00Z`.
    pub(crate) not_before: String,
    #[serde(default)]
    pub(crate) not_after: Option<String>,
    #[serde(default)]
    pub(crate) deadline: Option<String>,
    #[serde(default)]
    pub(crate) description: Option<String>,
}

impl Scenario {
    /// The names of those that are built in.
    pub fn names() -> Vec<&'static str> {
        BUILT_IN.iter().map(|&(name, _)| name).collect()
    }

    /// One by its name, or from a file.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn load(name: &str) -> Result<Self, ScenarioError> {
        if let Some((_, text)) = BUILT_IN.iter().find(|(each, _)| *each == name) {
            return Self::parse(name, text);
        }
        if !name.ends_with(".toml") && !Path::new(name).exists() {
            return Err(ScenarioError::Unknown(name.to_owned()));
        }
        let text = std::fs::read_to_string(name).map_err(|source| ScenarioError::Read {
            path: name.to_owned(),
            source,
        })?;
        Self::parse(name, &text)
    }

    /// From its text. `name` is for errors.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        toml::from_str(text).map_err(|error| ScenarioError::Malformed {
            name: name.to_owned(),
            reason: error.to_string(),
        })
    }
}
