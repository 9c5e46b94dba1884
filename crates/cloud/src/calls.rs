//! The calls this program can make, and those who look on.
//!
//! Every call of the crate has an entry in [`actions`], so that a command's calls can be counted, a least policy be
//! written from them, and a test stop the program before or after any of them.

pub(crate) mod action;
pub mod actions;
pub(crate) mod caller;

use crate::{
    error::CloudError,
    ids::{AccountId, RegionName},
};
use serde::Serialize;
use std::fmt;

pub use action::Action;
pub(crate) use action::Rate;

/// A call about to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    /// Which.
    pub action: &'static Action,
    /// In which account; nothing while it is not yet known.
    pub account: Option<AccountId>,
    /// In which region.
    pub region: RegionName,
    /// About what.
    pub resource: String,
    /// The token that makes it safe to repeat.
    pub token: Option<String>,
    /// 1 for the first attempt.
    pub attempt: u32,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Carried out.
    Done {
        /// The request, as AWS support asks for it.
        request_id: Option<String>,
    },
    /// Failed.
    Failed(CloudError),
}

/// Looks on at every call. A call is not sent before `before` returns, and its result is not given on before `after`
/// returns; a test that lets one of them wait forever and drops the caller's future has stopped the program right there.
#[async_trait::async_trait]
pub trait Observer: Send + Sync + fmt::Debug {
    /// The call is about to be sent; its budget has been taken.
    async fn before(&self, call: &Call);
    /// The answer is there, or there will be none.
    async fn after(&self, call: &Call, outcome: &Outcome);
}
