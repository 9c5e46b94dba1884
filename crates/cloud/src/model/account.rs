//! Accounts of an organization, and the regions of an account.

use super::text_enum;
use crate::ids::{AccountId, RegionName};
use serde::{Deserialize, Serialize};

text_enum!(
    /// Whether an account of an organization can be used.
    AccountStatus {
        /// It can.
        Active = "ACTIVE",
        /// AWS has suspended it.
        Suspended = "SUSPENDED",
        /// It is being closed.
        PendingClosure = "PENDING_CLOSURE",
        /// It is closed.
        Closed = "CLOSED",
    }
);

/// An account, as `ListAccounts` of Organizations tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationAccount {
    /// The account.
    pub id: AccountId,
    /// What the organization calls it.
    pub name: Option<String>,
    /// Whether it can be used.
    pub status: AccountStatus,
}

/// A region that AWS has, seen from an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KnownRegion {
    /// Its name.
    pub name: RegionName,
    /// Whether the account may use it. Newer regions have to be switched on first.
    pub enabled: bool,
}
