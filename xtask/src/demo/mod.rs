//! `cargo xtask demo`: the main jobs, shown by the commands that one would type.

pub(crate) mod disk;
pub(crate) mod incident;
mod stage;
