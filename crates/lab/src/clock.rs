//! The lab's idea of time, which tests can move.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};

/// Tells the time.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// That of the machine.
    #[default]
    System,
    /// One that stands still until it is moved.
    Manual(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// A clock that stands still at `at`.
    pub fn at(at: Timestamp) -> Self {
        Self::Manual(Arc::new(Mutex::new(at)))
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Manual(at) => *crate::lock(at),
        }
    }

    /// Moves a clock that stands still; the machine's cannot be moved.
    pub fn advance(&self, by: SignedDuration) {
        if let Self::Manual(at) = self {
            let mut at = crate::lock(at);
            *at = at.checked_add(by).unwrap_or(*at);
        }
    }
}
