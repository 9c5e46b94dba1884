//! What is installed on a disk, read only. Parsers are pure functions from bytes to values with their places.

pub mod cmdline;
pub mod defaults;
pub mod fstab;
pub mod menu;
pub mod resume;
pub mod spec;
pub mod text;
