//! `/etc/selinux/config`.

use comeback_disk::tree::FileTree;
use serde::Serialize;

use crate::defaults::{last, shell_assignments};
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

/// The largest file that is read, in bytes.
const MAX_SIZE: u64 = 64 << 10;

impl Selinux {
    /// Reads the settings; the last of each kind counts.
    pub fn parse(path: &str, content: &[u8]) -> Selinux {
        let assignments = shell_assignments(content);
        let value = |name| last(&assignments, name).map(|assignment| assignment.value.clone());
        Selinux {
            path: path.to_owned(),
            mode: value("SELINUX"),
            policy: value("SELINUXTYPE"),
        }
    }

    /// Whether SELinux is neither disabled nor left without a mode.
    pub fn is_on(&self) -> bool {
        self.mode
            .as_ref()
            .is_some_and(|mode| !mode.value.eq_ignore_ascii_case("disabled"))
    }
}

/// The settings of a guest; none where it has no such file or the file cannot be read.
pub fn read(tree: &dyn FileTree) -> Option<Selinux> {
    let content = tree.read(PATH, MAX_SIZE).ok()?;
    Some(Selinux::parse(PATH, &content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_and_policy_have_their_places() {
        let content = b"# This file controls the state of SELinux on the system.\n# SELINUX= can take one of these\n\
                        SELINUX=enforcing\nSELINUXTYPE=targeted \n\n# SETLOCALDEFS= Check\nSETLOCALDEFS=0\n";
        let selinux = Selinux::parse(PATH, content);
        let mode = selinux.mode.clone().unwrap();
        assert_eq!((mode.value.as_str(), mode.line), ("enforcing", 3));
        assert_eq!(&content[mode.span], b"enforcing");
        assert_eq!(selinux.policy.clone().unwrap().value, "targeted");
        assert!(selinux.is_on());
        assert!(!Selinux::parse(PATH, b"SELINUX=disabled\n").is_on());
        assert!(!Selinux::parse(PATH, b"\xff=\n").is_on());
    }
}
