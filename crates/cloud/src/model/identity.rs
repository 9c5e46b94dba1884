//! Whose credentials are used.

use crate::ids::AccountId;
use serde::{Deserialize, Serialize};

/// What `GetCallerIdentity` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The account.
    pub account: AccountId,
    /// ARN of the user or role.
    pub arn: String,
    /// The unique name behind the ARN.
    pub user: String,
}
