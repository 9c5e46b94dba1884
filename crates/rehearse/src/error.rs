//! Why a rehearsal could not reach a verdict.

use std::{io, path::PathBuf, time::Duration};

use thiserror::Error;

/// A failure that is not the guest's.
#[derive(Debug, Error)]
pub enum RehearseError {
    /// QEMU is not installed.
    #[error("{program} is not installed; it is in Debian's package qemu-system-x86")]
    QemuMissing {
        /// The program that was looked for.
        program: &'static str,
    },
    /// QEMU lacks what is used here.
    #[error("QEMU {found} is too old, {required} or later is needed")]
    QemuTooOld {
        /// The version that was found.
        found: String,
        /// The oldest that works.
        required: &'static str,
    },
    /// QEMU could not be started, or ended although the guest did not ask for it.
    #[error("QEMU ended ({status}); it said: {stderr}")]
    QemuFailed {
        /// How it ended.
        status: String,
        /// What it wrote to its standard error.
        stderr: String,
    },
    /// QEMU does not answer.
    #[error("QEMU does not answer on its control socket within {waited:?} ({detail}); it said: {stderr}")]
    QemuSilent {
        /// How long it was waited for.
        waited: Duration,
        /// What was asked.
        detail: String,
        /// What QEMU wrote to its standard error.
        stderr: String,
    },
    /// The disk cannot be read.
    #[error("reading the disk {}: {source}", path.display())]
    Disk {
        /// The disk.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The disk's path is not something that QEMU can open.
    #[error("{} is neither a file nor a block device", path.display())]
    NotADisk {
        /// The disk.
        path: PathBuf,
    },
    /// The name of a file cannot be passed to QEMU.
    #[error("the path {} is not UTF-8, which QEMU's options need; rename it or link to it", path.display())]
    PathNotUtf8 {
        /// The path.
        path: PathBuf,
    },
    /// The folder for what the guest writes cannot be used.
    #[error("using {} as the scratch folder: {source}", path.display())]
    Scratch {
        /// The folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The folder for what the guest writes is full.
    #[error("{} has no room left for what the guest writes; set TMPDIR to a folder with more", path.display())]
    ScratchFull {
        /// The folder.
        path: PathBuf,
    },
    /// A result could not be saved.
    #[error("writing {}: {source}", path.display())]
    Save {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A system call around the machine failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// The caller asked to stop.
    #[error("the rehearsal was cancelled")]
    Cancelled,
}
