//! A migration: a paravirtual instance stops, its root is converted on an HVM host and becomes that host's root, and the
//! host starts as what the source was.
//!
//! ```text
//! plan/      what would be done, and refused       Region ─▶ Plan, serializable, stale when its source has changed
//!   ▼
//! actions/   the steps, each action with its undo   Plan ─▶ list of actions
//!   ▼
//! engine     carries them out, forward and back     intent ─▶ call ─▶ what it gave, all in the
//! journal/   `SQLite`, on stable storage
//!   ▼
//! readdress/ where it is asked for: the source's primary private address is kept
//! finalize   the point of no return
//! ```
//!
//! Beside it stands what buys time until then: `stopgap/`.
//!
//! Only this crate changes anything in an account.

pub mod action;
pub mod actions;
pub mod engine;
pub mod finalize;
pub mod hosts;
pub mod journal;
pub mod lease;
pub mod plan;
pub mod policy;
pub mod progress;
pub mod readdress;
pub mod run;
mod snapshots;
pub mod ssh;
pub mod step;
pub mod stopgap;
pub mod store;
