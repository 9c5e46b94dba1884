//! The way over SSH, against OpenSSH's server on this machine, and against what can happen on the way.

// Clippy allows unwrap in functions marked as tests, and not in those that they share.
#![allow(clippy::unwrap_used, missing_docs)]

mod agents;
mod connections;
mod faults;
mod proxy;
mod server;
mod way;
