//! Boot menus: what each boot loader would read, with the place of every value.

pub mod bls;
pub mod cfg;
pub mod device;
pub mod extlinux;
pub mod grubenv;
pub mod lst;
