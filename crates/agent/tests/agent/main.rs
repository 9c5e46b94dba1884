//! The agent as the program that sent it sees it: its events, how it ends, and what it leaves behind.

// Clippy allows unwrap in functions marked as tests, and not in those that they share.
#![allow(clippy::unwrap_used, missing_docs)]

mod conversions;
mod devices;
mod elsewhere;
mod support;
