//! Bytes: everything that touches a disk, and the only crate that writes to one.
//!
//! ```text
//! image (raw, qcow2, block device)           io::ReadAt / io::WriteAt
//!   └─ view (copy-on-write, in memory)       all edits land here first
//!        ├─ table (MBR, GPT)  ─ Window       where the file systems are
//!        │    └─ ext (libext2fs)             files in, files out
//!        ├─ boot (GRUB core image, sector 0)
//!        └─ patch ─ saved ─ apply / revert   the ranges that differ, saved and written
//!                   └─ moved                 the same after all data went up by 1 MiB
//! ```

pub mod boot;
pub mod ext;
pub mod folder;
pub mod image;
pub mod io;
pub mod moved;
pub mod patch;
pub mod probe;
pub mod saved;
pub mod table;
pub mod tree;
pub mod view;
