//! The program as its users see it: what it says, how it ends, and what it leaves behind.

// Clippy allows unwrap in functions marked as tests, and not in those that they share.
#![allow(clippy::unwrap_used, missing_docs)]

mod contents;
mod conversions;
mod garbage;
mod guests;
mod in_use;
mod interrupted;
mod moves;
mod openings;
mod support;
mod usage;
