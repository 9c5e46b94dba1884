//! What buys time: an event is put off, AWS is kept from moving an instance, a newer PV-GRUB starts it.
//!
//! None of these is the way out; each says so. They are small beside a migration, and yet the same holds: what was there is on record
//! before it is changed, nothing is stopped before its snapshots are complete, everything looks before it acts, so that twice is as
//! good as once, and what was done can be undone.

pub mod hold;
pub mod kernel;
pub mod postpone;
pub mod record;
mod watch;

pub use crate::stopgap::record::{RecordError, Records};
pub use crate::stopgap::watch::{Watched, watch};

use comeback_cloud::CloudError;

/// Why a stop-gap was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum StopgapError {
    /// A call failed.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// What is there forbids it. Nothing was changed.
    #[error("{what}")]
    Refused {
        /// What stands against it.
        what: String,
        /// What to do instead.
        instead: String,
    },
    /// It was begun, and cannot go on.
    #[error("{what}")]
    Failed {
        /// What was found, and what was expected.
        what: String,
        /// What to do about it.
        help: String,
    },
    /// What is on record cannot be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl StopgapError {
    fn refused(what: impl Into<String>, instead: impl Into<String>) -> Self {
        Self::Refused {
            what: what.into(),
            instead: instead.into(),
        }
    }

    fn failed(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Failed {
            what: what.into(),
            help: help.into(),
        }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Cloud(error) => error.help(),
            Self::Refused { instead, .. } => instead.clone(),
            Self::Failed { help, .. } => help.clone(),
            Self::Record(error) => error.help(),
        }
    }
}
