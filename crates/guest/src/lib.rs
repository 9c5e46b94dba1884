//! What is installed on a disk, read only. Parsers are pure functions from bytes to values with their places.

pub mod boot;
pub mod cmdline;
pub mod compression;
pub mod console;
pub mod defaults;
pub mod drivers;
pub mod fstab;
pub mod initramfs;
pub mod inspect;
pub mod kernel;
pub mod kernels;
mod limit;
pub mod menu;
pub mod network;
pub mod release;
pub mod resume;
pub mod selinux;
pub mod spec;
pub mod system;
pub mod text;
pub mod tri;
