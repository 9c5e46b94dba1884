//! Files of shell assignments: `/etc/default/grub`, `/etc/sysconfig/*`, `ifcfg-*`.

use std::ops::Range;

use serde::Serialize;

use crate::text::Spanned;

/// One assignment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Assignment {
    /// The name of the variable.
    pub name: Spanned<String>,
    /// The value without quotes. When one pair of quotes holds all of it, the span is that of the inside, so that it can
    /// be replaced without touching them; otherwise it is `raw`.
    pub value: Spanned<String>,
    /// The value with its quotes.
    #[serde(skip)]
    pub raw: Range<usize>,
    /// Whether `export` stands before it.
    pub exported: bool,
    /// Whether it adds to the value that was there (`+=`).
    pub appends: bool,
}
