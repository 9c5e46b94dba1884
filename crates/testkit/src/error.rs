//! What can go wrong while a guest is made.

use std::io;
use std::path::{Path, PathBuf};

/// Why a guest could not be loaded or made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of this machine could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `guest.toml` does not describe a guest.
    #[error("{path}: {message}")]
    Description {
        /// The file.
        path: PathBuf,
        /// What was expected.
        message: String,
    },
    /// A program of e2fsprogs is missing or failed.
    #[error("{program}: {message}")]
    Program {
        /// The program's name.
        program: &'static str,
        /// Its closing lines, or why it could not start (Debian's package is e2fsprogs).
        message: String,
    },
}

impl Error {
    /// Adds the path to an error of the system.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
        move |source| Error::Io {
            path: path.to_owned(),
            source,
        }
    }
}
