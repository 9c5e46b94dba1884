//! What a call is, whoever makes it.

use serde::Serialize;
use std::fmt;

/// One call of AWS.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Action {
    /// Its name in an IAM policy, such as `ec2:RunInstances`.
    pub name: &'static str,
    /// Whether it changes anything.
    pub changes: bool,
    /// Whether the same call twice has the effect of one, without a token: starting, stopping, deleting, setting a value.
    /// A lost answer of such a call may be asked for again.
    pub repeatable: bool,
    /// The bucket of requests it is taken from.
    pub(crate) rate: Rate,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

/// Which documented rate a call has. The rates themselves are in [`budget`](crate::budget).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(crate) enum Rate {
    /// Reads that are filtered or paged; all of this crate are.
    Read,
    /// Changes that are not named below.
    Change,
    /// RunInstances and StartInstances.
    Launch,
    /// TerminateInstances, CreateSnapshot(s), CreateVolume, DeregisterImage.
    Bulk,
    /// CreateTags.
    Tag,
    /// Services other than EC2.
    Other,
}
