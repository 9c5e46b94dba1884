//! Network interfaces (ENI).

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interface {
    pub(crate) id: String,
    pub(crate) subnet: String,
    pub(crate) vpc: String,
    pub(crate) zone: String,
    pub(crate) description: String,
    pub(crate) mac: String,
    /// The first is the primary one.
    pub(crate) addresses: Vec<Ipv4Addr>,
    pub(crate) groups: Vec<String>,
    pub(crate) source_dest_check: bool,
    pub(crate) attachment: Option<InterfaceAttachment>,
}

/// An interface's place in an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InterfaceAttachment {
    /// `eni-attach-…`
    pub(crate) id: String,
    pub(crate) instance: String,
    /// 0 is the primary interface.
    pub(crate) index: u32,
    pub(crate) delete_on_termination: bool,
    pub(crate) since: Timestamp,
    /// When `attaching` ends.
    pub(crate) due: Option<Timestamp>,
    /// When `detaching` ends.
    pub(crate) leaving: Option<Timestamp>,
}

impl InterfaceAttachment {
    pub(crate) fn status(&self) -> &'static str {
        match (self.leaving, self.due) {
            (Some(_), _) => "detaching",
            (None, Some(_)) => "attaching",
            (None, None) => "attached",
        }
    }
}

impl Interface {
    pub(crate) fn instance(&self) -> Option<&str> {
        self.attachment.as_ref().map(|attachment| attachment.instance.as_str())
    }

    pub(crate) fn status(&self) -> &'static str {
        if self.attachment.is_some() {
            "in-use"
        } else {
            "available"
        }
    }

    pub(crate) fn primary(&self) -> Option<Ipv4Addr> {
        self.addresses.first().copied()
    }
}
