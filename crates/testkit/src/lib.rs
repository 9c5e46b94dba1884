//! Guests to test with, made of text.
//!
//! ```text
//! guests/golden/<name>/guest.toml + before/     what a release looks like, as far as a conversion can see it
//!   └─ golden::load ─ GoldenGuest
//!        └─ materialise(folder)                 text copied; kernels and initramfs made (kernel, initramfs)
//!             ├─ comeback_disk::folder          read as a tree of files
//!             └─ image::build_ext               the same as a disk image, for the whole pipeline
//! ```
//!
//! The kernels hold nothing that runs: a header, a release string and a compressed ELF file with or without Xen notes
//! are all that an inspection looks at, and a few KiB of them stand in for what cannot be installed any more.

pub mod compress;
pub mod error;
pub mod golden;
pub mod image;
pub mod initramfs;
pub mod kernel;
