//! `/etc/fstab`.

use std::ops::Range;

use serde::Serialize;

use crate::spec::Spec;
use crate::text::Spanned;

/// A whole fstab.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Fstab {
    /// Its lines that are neither blank nor a comment and have at least two fields.
    pub entries: Vec<FstabEntry>,
    /// What was not understood.
    pub problems: Vec<Spanned<String>>,
}

/// One line. Values have their octal escapes resolved, spans are those of the fields as they stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FstabEntry {
    /// The first field.
    pub spec: Spanned<String>,
    /// What it names.
    pub device: Spec,
    /// The second field.
    pub mount_point: Spanned<String>,
    /// The third field.
    pub fs_type: Option<Spanned<String>>,
    /// The fourth field.
    pub options: Option<Spanned<Vec<String>>>,
    /// The fifth field.
    pub dump: Option<Spanned<u32>>,
    /// The sixth field: the pass of fsck.
    pub pass: Option<Spanned<u32>>,
    /// The whole line, without its ending.
    #[serde(skip)]
    pub span: Range<usize>,
    /// Its number, from 1.
    pub line: usize,
}
