//! From what is on a disk to a verdict, a plan and a patch. Nothing here writes to a disk.
//!
//! ```text
//! guest ─ rules ─ findings ─ verdict per platform
//!       └ edits ─ plan ─ view ─ the same inspection again ─ patch
//! ```

pub mod conversion;
pub mod edits;
pub mod finding;
mod names;
pub mod plan;
pub mod platform;
pub mod relocation;
mod rules;
pub mod verdict;
