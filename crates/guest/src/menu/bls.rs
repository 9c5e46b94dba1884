//! Entries of the Boot Loader Specification: `/boot/loader/entries/*.conf`.

use serde::Serialize;

use crate::cmdline::Cmdline;
use crate::text::Spanned;

/// One entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BlsEntry {
    /// `title`
    pub title: Option<Spanned<String>>,
    /// `version`
    pub version: Option<Spanned<String>>,
    /// `id`: Fedora and RHEL write it, GRUB goes by the name of the file.
    pub id: Option<Spanned<String>>,
    /// `linux`
    pub linux: Option<Spanned<String>>,
    /// `initrd`, all of them; GRUB variables as they stand there.
    pub initrd: Vec<Spanned<String>>,
    /// `options`: one for each line.
    pub options: Vec<Cmdline>,
    /// `grub_class`, `grub_users`, … with all that stands behind the key.
    pub other: Vec<(String, Spanned<String>)>,
    /// What was not understood.
    pub problems: Vec<Spanned<String>>,
}
