//! `/etc/selinux/config`.

use serde::Serialize;

use crate::text::Spanned;

/// Where the settings are.
pub const PATH: &str = "/etc/selinux/config";

/// What SELinux is set to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Selinux {
    /// Path within the guest.
    pub path: String,
    /// `enforcing`, `permissive` or `disabled`, as it is written.
    pub mode: Option<Spanned<String>>,
    /// The policy: `targeted`, `mls`, …
    pub policy: Option<Spanned<String>>,
}
