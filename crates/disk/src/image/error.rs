//! Why a disk cannot be opened, and what to do about it.

use std::io;
use std::path::PathBuf;

/// Why an image or a device could not be opened or made. Each message names the file and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// No such file.
    #[error("{path}: no such file or device")]
    Missing {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// The file system refuses access.
    #[error("{path}: permission denied; run as a user who may {what} it")]
    Permission {
        /// The path that was asked for.
        path: PathBuf,
        /// `read` or `write`.
        what: &'static str,
    },
    /// A directory, a socket and the like.
    #[error("{path} is {kind}; a disk image or a block device is needed")]
    NotADisk {
        /// The path that was asked for.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// Not one byte.
    #[error("{path} is empty (0 bytes); copy the disk again")]
    Empty {
        /// The image.
        path: PathBuf,
    },
    /// Not a multiple of a sector.
    #[error(
        "{path}: {size} bytes are not a multiple of 512; if the copy is complete, round it up with \
         `truncate -s %512 '{path}'`"
    )]
    OddSize {
        /// The image.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// Another image format.
    #[error("{path} is {kind}; convert it first: `{remedy}`")]
    OtherFormat {
        /// The image.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
        /// The command to run.
        remedy: String,
    },
    /// Not what the caller said it was.
    #[error("{path} is not a qcow2 image (it does not start with QFI\\xfb)")]
    NotQcow2 {
        /// The image.
        path: PathBuf,
    },
    /// Something else uses the disk.
    #[error("{path} is in use: {users}; {remedy}")]
    InUse {
        /// The image or device.
        path: PathBuf,
        /// By what.
        users: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A qcow2 image that is damaged or needs what is not supported.
    #[error("{path}: {reason}; {remedy}")]
    Qcow2 {
        /// The image.
        path: PathBuf,
        /// What is in the way.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// A backing file that is not opened.
    #[error(
        "{path}: its backing file {backing} {reason}; only backing files in the same folder are opened. Put it \
         there, or make one image of both: `qemu-img convert -O qcow2 '{path}' whole.qcow2`"
    )]
    Backing {
        /// The image.
        path: PathBuf,
        /// The backing file, as the image names it.
        backing: PathBuf,
        /// Why it is not opened.
        reason: String,
    },
    /// The output exists already.
    #[error("{path} exists already; choose another name or move it away")]
    Exists {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// An image of this format or size is not made.
    #[error("making {path}: {reason}")]
    Create {
        /// The path that was asked for.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Whatever else the system says.
    #[error("{doing} {path}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
