//! Yes, no, or unknown: what can honestly be said of a thing that was only looked at.

use serde::Serialize;

/// An answer that may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tri {
    /// Something says so.
    Yes,
    /// Something says that it is not so.
    No,
    /// Nothing was found that decides it.
    Unknown,
}

impl From<Option<bool>> for Tri {
    fn from(value: Option<bool>) -> Self {
        match value {
            Some(true) => Tri::Yes,
            Some(false) => Tri::No,
            None => Tri::Unknown,
        }
    }
}
