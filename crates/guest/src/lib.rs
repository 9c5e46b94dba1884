//! What is installed on a disk, read only. Parsers are pure functions from bytes to values with their places.

pub mod cmdline;
pub mod text;
