//! What a kernel is: its image, the configuration it was built with, and its modules.

pub mod config;
pub mod image;
pub mod modules;
