//! Elastic IP addresses.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// An address that stays with the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Address {
    /// `eipalloc-…`
    pub(crate) id: String,
    pub(crate) public: Ipv4Addr,
    pub(crate) association: Option<Association>,
}

/// What it leads to: an address of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Association {
    /// `eipassoc-…`
    pub(crate) id: String,
    pub(crate) interface: String,
    pub(crate) private: Ipv4Addr,
}
