//! Which distribution a guest is, and which release of it.

use serde::Serialize;

/// A distribution and its release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Release {
    /// As in os-release: `debian`, `ubuntu`, `centos`, `rhel`, `amzn`, `sles`, `fedora`, …; `unknown` where a file
    /// names something else.
    pub id: String,
    /// `6`, `12.04`, `2018.03`, `11.4`; empty where nothing says it.
    pub version: String,
    /// As the distribution calls itself: `CentOS release 6.10 (Final)`.
    pub name: String,
    /// The file that says so.
    pub evidence: String,
}
