//! What an audit says. Every report shows this, and nothing that is not in it.
//!
//! It holds no sentences: a finding has its rule's name and the values that belong into the rule's text, and the reports have
//! the text in the reader's language.

use std::collections::BTreeMap;

use comeback_cloud::Denial;
use comeback_cloud::ids::{AccountId, EventId, InstanceId, KernelId, RegionName};
use comeback_cloud::model::{EventCode, InstanceState, RootDeviceType, Virtualization};
use comeback_cloud::prices::Price;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Counts up when the form of [`Audit`] changes in a way that its readers notice.
pub const SCHEMA: u32 = 1;

/// The rule that sees an instance dead already, which comes before all others.
pub const ALREADY_DEAD: &str = "already-dead";

/// One audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Audit {
    /// [`SCHEMA`] of the program that made it.
    pub schema: u32,
    /// Version of that program.
    pub program: String,
    /// When reading began. Days that are left are counted from here.
    pub started: Timestamp,
    /// When the last answer had come.
    pub finished: Timestamp,
    /// What was read, and what was not.
    pub ledger: Ledger,
    /// Instances with something to say about them, the one that needs somebody first in front.
    pub instances: Vec<Subject>,
    /// Findings that somebody did not want to see, each with the reason.
    pub silenced: Vec<Silenced>,
}

impl Audit {
    /// Instances at risk, the one that needs somebody first in front.
    pub fn at_risk(&self) -> impl Iterator<Item = &Subject> {
        self.instances.iter().filter(|subject| subject.risk.is_at_risk())
    }
}

/// What was read, and what was not. A report never looks cleaner than this.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ledger {
    /// One entry for each account and region that the audit was asked for, in the order of client, account and region. An
    /// account that could not be entered at all has one entry without a region.
    pub entries: Vec<Entry>,
    /// Calls that were made, by action; attempts are counted, as AWS counts them.
    pub calls: BTreeMap<String, u64>,
}

/// One account and region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    /// Whose account it is, in the words of the accounts file.
    pub client: Option<String>,
    /// The account, where it is known.
    pub account: Option<AccountId>,
    /// What was used to get there: a profile or the ARN of a role.
    pub via: String,
    /// The region; nothing where the account could not be entered.
    pub region: Option<RegionName>,
    /// What came of it.
    pub coverage: Coverage,
    /// Instances that were read.
    pub instances: u64,
    /// What was not read although the rest was, such as prices or types, and why: findings may be missing.
    pub gaps: Vec<Gap>,
}

/// Whether an account and region was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Coverage {
    /// All of its instances and their status were read.
    Read,
    /// The account has not opted into the region, so nothing can be there. It counts as covered.
    NotEnabled,
    /// It was not read.
    Unread {
        /// Why.
        why: Unread,
        /// The words of the error.
        detail: String,
        /// Who was denied what, where that is why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        denied: Option<Denied>,
    },
}

/// Who was denied what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Denied {
    /// ARN of the user or of the role's session, where it is known.
    pub who: Option<String>,
    /// The permission that is missing, such as `sts:AssumeRole`.
    pub action: String,
    /// ARN of what it was to be done to, where that is one thing.
    pub resource: Option<String>,
    /// Why, in AWS's words, where it says so.
    pub reason: Option<String>,
    /// AWS's code, such as `AccessDenied`.
    pub code: String,
}

impl From<Denial> for Denied {
    fn from(denial: Denial) -> Self {
        Self {
            who: denial.who,
            action: denial.action,
            resource: denial.resource,
            reason: denial.reason,
            code: denial.code,
        }
    }
}

/// Why something was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unread {
    /// The credentials or the role may not do it.
    Denied,
    /// There are no credentials, or they are not accepted.
    Credentials,
    /// AWS kept throttling.
    Throttled,
    /// The account is suspended or closed.
    Disabled,
    /// No answer came.
    Unreachable,
    /// Something else; the detail says what.
    Failed,
}

/// A part that was not read although the rest was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Gap {
    /// The call, such as `DescribeImages`.
    pub action: String,
    /// Why.
    pub why: Unread,
    /// The words of the error.
    pub detail: String,
    /// Who was denied what, where that is why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied: Option<Denied>,
}

impl Ledger {
    /// Whether everything that was asked for was read.
    pub fn is_complete(&self) -> bool {
        self.entries
            .iter()
            .all(|entry| !matches!(entry.coverage, Coverage::Unread { .. }) && entry.gaps.is_empty())
    }

    /// How many instances were read.
    pub fn instances(&self) -> u64 {
        self.entries.iter().map(|entry| entry.instances).sum()
    }
}

/// An instance with its findings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Subject {
    /// Whose it is, in the words of the accounts file.
    pub client: Option<String>,
    /// Its account.
    pub account: AccountId,
    /// Its region.
    pub region: RegionName,
    /// Its availability zone.
    pub zone: String,
    /// Its name in EC2.
    pub id: InstanceId,
    /// Its tag `Name`: somebody else's text.
    pub name: Option<String>,
    /// Its type.
    pub instance_type: String,
    /// Where it is in its life.
    pub state: InstanceState,
    /// How its guest is carried.
    pub virtualization: Virtualization,
    /// Its kernel image.
    pub kernel: Option<KernelId>,
    /// Where its root is.
    pub root: RootDeviceType,
    /// When it was last started.
    pub launched: Option<Timestamp>,
    /// How much is at stake: that of its worst finding.
    pub risk: Level,
    /// What happens to it next, of all that is scheduled.
    pub deadline: Option<Deadline>,
    /// What to do.
    pub advice: Advice,
    /// What an hour of it costs on the price list.
    pub hourly: Option<Money>,
    /// What it would become.
    pub successor: Option<Successor>,
    /// What was seen, the worst first.
    pub findings: Vec<Finding>,
}

impl Subject {
    /// Whether it is dead already.
    pub fn is_dead(&self) -> bool {
        self.findings.iter().any(|finding| finding.rule == ALREADY_DEAD)
    }
}

/// How much a finding matters. Ordered from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Good to know.
    Info,
    /// It costs something, or will one day.
    Low,
    /// It may not come back under some circumstances, or loses something when it is stopped.
    Medium,
    /// It may not come back from its next reboot.
    High,
    /// It is dead already, or does not come back from a reboot that has a date.
    Critical,
}

impl Level {
    /// All of them, the worst first.
    pub const ALL: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Info];

    /// Whether it makes an instance one at risk, which the exit code tells.
    pub fn is_at_risk(self) -> bool {
        self >= Self::Medium
    }

    /// Its word, in kebab-case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// One thing seen about an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// Stable id of the rule, such as `pv-grub-1.03`.
    pub rule: String,
    /// How much it matters here.
    pub level: Level,
    /// Values for the rule's text, by the names that the rule documents.
    pub values: BTreeMap<String, Value>,
    /// Where it was seen.
    pub evidence: Vec<Evidence>,
    /// What to type against it, ready to be pasted.
    pub command: Option<String>,
    /// Where more about it can be read.
    pub link: String,
}

impl Finding {
    /// Which of the things that its rule can see of an instance it is about: an event, by its name or else by its kind. Most
    /// rules see one thing, and have nothing here.
    pub fn about(&self) -> Option<&str> {
        let named = ["event", "code"].iter().find_map(|name| self.values.get(*name));
        match named {
            Some(Value::Text(name)) => Some(name),
            _ => None,
        }
    }
}

/// A value in a text, kept as what it is so that it can be shown in the reader's language and time zone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "kebab-case")]
pub enum Value {
    /// Text that is shown as it is, after it was made harmless.
    Text(String),
    /// A number.
    Number(i64),
    /// A time.
    Time(Timestamp),
    /// A length of time, in seconds.
    Seconds(i64),
    /// An amount of money.
    Money(Money),
    /// A word that the catalogue has: one of a rule's own, by its key.
    Word(String),
}

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Money {
    /// Millionths of the currency's unit. Negative is saved.
    pub micros: i64,
    /// The currency's code.
    pub currency: String,
}

impl From<Price> for Money {
    fn from(price: Price) -> Self {
        Self {
            micros: i64::try_from(price.micros).unwrap_or(i64::MAX),
            currency: price.currency.to_owned(),
        }
    }
}

/// Where something was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Evidence {
    /// The call that told it, or `built-in table`.
    pub source: String,
    /// The field, such as `KernelId`.
    pub field: String,
    /// What stands there.
    pub value: String,
}

/// A scheduled event that is still to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Deadline {
    /// Its name; some old events have none.
    pub event: Option<EventId>,
    /// What AWS calls it.
    pub code: EventCode,
    /// What it does to this very instance.
    pub effect: Effect,
    /// It does not begin before.
    pub not_before: Option<Timestamp>,
    /// It is over by then.
    pub not_after: Option<Timestamp>,
    /// The last time to which it can be moved; nothing if it cannot be.
    pub movable_until: Option<Timestamp>,
}

/// What an event does to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It reboots where it is: the boot loader runs.
    RebootInPlace,
    /// It reboots onto another host: the boot loader runs, and what was on the host's own disks is gone.
    RebootNewHost,
    /// It is stopped; started again, it is on another host.
    Stop,
    /// It is terminated, as its root is on the host's own disks.
    LossOfRoot,
    /// Its network or power is interrupted for a moment; it may be rebooted.
    Interruption,
    /// It is not known to this program.
    Unknown,
}

/// What to do about an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Advice {
    /// What.
    pub act: Act,
    /// By when, where there is a date.
    pub by: Option<Timestamp>,
    /// What to type, ready to be pasted.
    pub command: Option<String>,
}

/// What to do, from the most to the least urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Bring it back: it is dead.
    Rescue,
    /// Look closer: it is impaired, and why is not known from here.
    Diagnose,
    /// Move it to HVM.
    Migrate,
    /// Save its data from inside: its root cannot outlive it, and a migration is not possible.
    SaveData,
    /// Put the event off, then see to the rest.
    Postpone,
    /// Switch off what could move it by itself.
    Hold,
    /// Get it ready for Nitro, when there is time.
    Prepare,
    /// Change its type.
    ChangeType,
    /// Nothing but to know.
    Know,
}

/// The instance type that it would become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Successor {
    /// The type.
    pub instance_type: String,
    /// What it costs in a month more (or, negative, less) than now; nothing where a price is not known.
    pub monthly_difference: Option<Money>,
}

/// A finding that somebody did not want to see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Silenced {
    /// Whose instance.
    pub client: Option<String>,
    /// Its account.
    pub account: AccountId,
    /// Its region.
    pub region: RegionName,
    /// The instance.
    pub instance: InstanceId,
    /// Its tag `Name`.
    pub name: Option<String>,
    /// What was seen.
    pub finding: Finding,
    /// Why it is silenced, in that person's words.
    pub reason: String,
    /// Until when. After that it is shown again.
    pub until: jiff::civil::Date,
}
