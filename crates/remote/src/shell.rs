//! Command lines for the other machine's shell.

use std::borrow::Cow;

/// Quotes a word for a POSIX shell. NUL, which no word can hold, is left out.
pub(crate) fn quote(word: &str) -> String {
    let word: String = word.chars().filter(|c| *c != '\0').collect();
    // Nothing else is refused.
    shlex::try_quote(&word).map(Cow::into_owned).unwrap_or_default()
}

/// A command line of these words.
pub(crate) fn line(words: &[&str]) -> String {
    words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

/// Runs a script as root, logged in as `user`. The login shell of a user may be any; `sh` is POSIX.
pub(crate) fn as_root(user: &str, script: &str) -> String {
    if user == "root" {
        line(&["sh", "-c", script])
    } else {
        line(&["sudo", "-n", "--", "sh", "-c", script])
    }
}

/// A script that puts its standard input into the file `path`, which is there in full or not at all. It ends with
/// [`DAMAGED`] if what arrived has not this SHA-256.
pub(crate) fn receive(path: &str, sha256: &str, mode: u32) -> String {
    let folder = path
        .rsplit_once('/')
        .map_or(".", |(folder, _)| if folder.is_empty() { "/" } else { folder });
    let (folder, part, path) = (quote(folder), quote(&format!("{path}.part")), quote(path));
    format!(
        "set -e; umask 077; mkdir -p {folder}; cat > {part}; \
         set -- $(sha256sum < {part}); \
         if [ \"$1\" != {sha256} ]; then rm -f {part}; exit {DAMAGED}; fi; \
         chmod {mode:o} {part}; mv -f {part} {path}"
    )
}

/// Exit code of [`receive`] for bytes that are not those that were sent.
pub(crate) const DAMAGED: u32 = 93;

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    fn sh(command: &str, input: &[u8]) -> (i32, String) {
        let mut child = Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let out = child.wait_with_output().unwrap();
        (out.status.code().unwrap(), String::from_utf8(out.stdout).unwrap())
    }

    #[test]
    fn words_come_through_a_shell_as_they_are() {
        for word in [
            "",
            "a",
            "a b",
            "it's",
            "$(id)",
            "`id`",
            "\\",
            "*",
            "a\nb",
            "/dev/nvme1n1",
            "~",
            "#",
            "é",
            "-n",
            "!x ^y",
            "it's \"ours\" $HOME",
            "a;b&c|d>e<f(g){h}[i]",
            "a\tb\rc\u{1b}[2J",
            "\u{202e}日本語",
        ] {
            let (code, out) = sh(&line(&["printf", "%s", word]), b"");
            assert_eq!((code, out.as_str()), (0, word), "{word:?}");
            let (code, out) = sh(&as_root("root", &line(&["printf", "%s", word])), b"");
            assert_eq!((code, out.as_str()), (0, word), "{word:?} twice");
        }
    }

    #[test]
    fn what_no_word_can_hold_ends_none() {
        assert_eq!(quote("a\0; id"), "'a; id'");
    }

    #[test]
    fn others_become_root_without_a_password_or_not_at_all() {
        assert_eq!(as_root("admin", "id -u"), "sudo -n -- sh -c 'id -u'");
        assert_eq!(as_root("root", "id -u"), "sh -c 'id -u'");
    }

    #[test]
    fn a_file_arrives_in_full_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new folder/it's");
        let name = path.to_str().unwrap();
        let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert_eq!(sh(&receive(name, hello, 0o755), b"hell").0, DAMAGED as i32);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
        assert_eq!(sh(&receive(name, hello, 0o755), b"hello").0, 0);
        assert_eq!(std::fs::read(&path).unwrap(), b"hello");
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
