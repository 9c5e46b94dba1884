//! What is wrong with an instance, the line that shows it, and the shortest safe way back.
//!
//! ```text
//! seen       Region ─▶ Seen: instance, status checks, events, console, volumes, kernel image; and a disk, if there is one
//!   ▼
//! judge      Seen ─▶ Diagnosis                      pure: the same is always told of the same
//!   ├ problem   what is wrong, by the console before all else
//!   ├ waiting   whether it may still come up by itself, and until when that may be hoped for
//!   └ way       how it comes back
//! ```
//!
//! It changes nothing. EC2 lets nobody read the disk of an instance from outside; where a copy of it is at hand, what
//! `comeback inspect` finds on it decides what the console leaves open. Without one it is read when the host of the nine steps
//! has it.

pub mod diagnosis;
mod judge;
pub mod policy;
mod problem;
pub mod seen;
mod waiting;
mod way;

pub use crate::diagnosis::{Advice, Diagnosis, Evidence, Health, Outage, Problem, Waiting, Way};
pub use crate::judge::judge;
pub use crate::seen::{Disk, Seen, look};
