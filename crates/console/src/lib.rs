//! Reads what a guest wrote to its console: how far it came, and what keeps it from coming further.
//!
//! ```text
//! lines       bytes ─▶ lines of plain text
//! signatures  the table: what failures, waits and harmless noise look like
//! judge       lines as they come, and when ─▶ a verdict        for who watches a machine boot
//! reading     a whole console ─▶ what its last boot says       for who fetched it from EC2
//! ```
//!
//! Nothing here does I/O, and there is no clock: bytes and times are given. So whoever has a console is told the same about it,
//! whether a rehearsal shows it, a migration waits for it or a dead instance left it behind.

pub mod judge;
pub mod lines;
pub mod reading;
pub mod signatures;
mod stage;

pub use crate::reading::{Reading, Says};
pub use crate::stage::{Finding, Reached, Stage, Verdict};

/// What kind of machine shows a console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The machine itself, or one that shows the guest the same disks.
    Real,
    /// One that stands in for a Xen machine and shows its disks by other names: a guest that looks for `/dev/xvda1` fails there, and
    /// that says nothing about Xen.
    StandIn,
}
