//! The edits: each looks at one kind of file and says which bytes to replace by which, and why.
//!
//! Every edit is a set of replacements of spans in the original bytes, so white space, comments and everything else that
//! is not named survives. A file without replacements is not touched.

mod boot_menu;
mod console;
mod fstab;
mod network;
pub mod own;
mod text;

use std::collections::BTreeMap;

use comeback_guest::inspect::Guest;
use serde::Serialize;

pub use self::text::{Replacement, replace};
use crate::platform::Platform;

/// Why a line of a file changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Line number in the file as it was, from 1; none for a new file.
    pub line: Option<usize>,
    /// What is done, and why.
    pub text: String,
}

/// What happens to a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// The content of a file that is there is replaced; everything else about it stays.
    Edit {
        /// The content before.
        #[serde(skip)]
        old: Vec<u8>,
        /// The content after.
        #[serde(skip)]
        new: Vec<u8>,
    },
    /// A file is written that was not there.
    Create {
        /// Its content.
        #[serde(skip)]
        content: Vec<u8>,
        /// Its permission bits.
        mode: u32,
    },
    /// A symbolic link is made that was not there.
    Link {
        /// Where it points to.
        target: String,
    },
    /// GRUB's core image is put into a file whose blocks are pinned by the immutable flag.
    CoreImage {
        /// Its size in bytes.
        size: u64,
    },
}

/// One path that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// Canonical path within the guest.
    pub path: String,
    /// What happens to it.
    #[serde(flatten)]
    pub action: Action,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// Collects replacements file by file.
#[derive(Debug)]
pub(crate) struct Edits<'a> {
    guest: &'a Guest,
    target: Platform,
    replacements: BTreeMap<String, Vec<Replacement>>,
    created: Vec<FileChange>,
}

impl<'a> Edits<'a> {
    fn new(guest: &'a Guest, target: Platform) -> Self {
        Edits {
            guest,
            target,
            replacements: BTreeMap::new(),
            created: Vec::new(),
        }
    }

    /// Edits of a copy of some text, whose replacements are of offsets in that copy.
    fn scratch(&self) -> Self {
        Edits::new(self.guest, self.target)
    }

    /// The content of a file of the guest that was read as text.
    fn content(&self, path: &str) -> &[u8] {
        self.guest.texts.get(path).map_or(&[], Vec::as_slice)
    }

    fn push(&mut self, path: &str, replacement: Replacement) {
        self.replacements.entry(path.to_owned()).or_default().push(replacement);
    }
}

/// All edits of the guest's own files that `target` needs.
pub fn all(guest: &Guest, target: Platform) -> Vec<FileChange> {
    let mut edits = Edits::new(guest, target);
    boot_menu::edit(&mut edits);
    fstab::edit(&mut edits);
    network::edit(&mut edits);
    console::edit(&mut edits);
    let Edits {
        replacements, created, ..
    } = edits;
    let mut changes: Vec<FileChange> = replacements
        .into_iter()
        .filter_map(|(path, replacements)| {
            let old = guest.texts.get(&path)?.clone();
            let new = replace(&old, &replacements);
            let mut reasons: Vec<Reason> = replacements
                .into_iter()
                .map(|replacement| Reason {
                    line: Some(replacement.line),
                    text: replacement.reason,
                })
                .collect();
            reasons.sort_by_key(|reason| reason.line);
            reasons.dedup();
            (old != new).then_some(FileChange {
                path,
                action: Action::Edit { old, new },
                reasons,
            })
        })
        .collect();
    changes.extend(created);
    changes
}
