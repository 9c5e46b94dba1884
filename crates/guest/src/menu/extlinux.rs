//! The menu of SYSLINUX and EXTLINUX (`extlinux.conf`, `syslinux.cfg`).

use serde::Serialize;

use crate::cmdline::Cmdline;
use crate::text::Spanned;

/// A whole menu.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Extlinux {
    /// `default`: a label, or a kernel with parameters.
    pub default: Option<Spanned<String>>,
    /// The labels.
    pub entries: Vec<ExtlinuxEntry>,
    /// `include` and `menu include`.
    pub includes: Vec<Spanned<String>>,
    /// Whole lines `serial …` and `console …`.
    pub console: Vec<Spanned<String>>,
    /// What was not understood.
    pub problems: Vec<Spanned<String>>,
}

/// One `label`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExtlinuxEntry {
    /// `label`
    pub label: Spanned<String>,
    /// `kernel` or `linux`
    pub kernel: Option<Spanned<String>>,
    /// `append`
    pub append: Option<Cmdline>,
    /// `initrd`, or `initrd=` within `append`
    pub initrd: Vec<Spanned<String>>,
    /// Whether `menu default` stands in it.
    pub menu_default: bool,
}
