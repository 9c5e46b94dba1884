//! GRUB 2's environment block (`grubenv`).

use serde::Serialize;

use crate::text::Spanned;

/// An environment block.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GrubEnv {
    /// Name and value, in the order in which they stand; the span is that of the value as it stands in the file.
    pub variables: Vec<(String, Spanned<String>)>,
    /// What GRUB would refuse or was not understood.
    pub problems: Vec<Spanned<String>>,
}
