//! From what is on a disk to a verdict, a plan and a patch. Nothing here writes to a disk; what a program needs around
//! that, to convert one and to take it back, is in [`in_place`], and `comeback_disk` does the writing.
//!
//! ```text
//! guest ─ rules ─ findings ─ verdict per platform
//!       └ edits ─ plan ─ view ─ the same inspection again ─ patch
//! ```

pub mod conversion;
pub mod edits;
pub mod finding;
pub mod in_place;
mod names;
pub mod plan;
pub mod platform;
pub mod refusal;
pub mod relocation;
mod rules;
pub mod shift;
pub mod verdict;
