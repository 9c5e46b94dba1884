//! What the target's console says about its boot, in as far as a run has to know: that it is up, or that it never will be.

/// Signs of failures from which no boot comes back, and what they mean
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/TroubleshootingInstances.html>).
const FAILURES: &[(&str, &str)] = &[
    ("No bootable device", "the disk has no boot code"),
    ("grub rescue>", "GRUB does not find its files"),
    ("VFS: Unable to mount root fs", "the kernel does not find its root"),
    ("Gave up waiting for root", "the initramfs does not find the root"),
    ("ALERT! ", "the initramfs does not find the root"),
    ("dracut-initqueue timeout", "the initramfs does not find the root"),
    ("You are in emergency mode", "a file system in fstab cannot be mounted"),
    ("Kernel panic - not syncing", "the kernel gave up"),
    (
        "Machine is in enforcing mode. Halting now",
        "SELinux has no policy to load",
    ),
];

/// What a console says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Says {
    /// This login prompt.
    Login(String),
    /// It will not come up.
    Failure {
        /// What that means.
        what: &'static str,
        /// The line that shows it.
        line: String,
    },
    /// Nothing that decides.
    Nothing,
}

/// Reads a console from its end: what came last counts.
pub(crate) fn read(bytes: &[u8]) -> Says {
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines().rev() {
        let line: String = line.chars().filter(|character| !character.is_control()).collect();
        if let Some((_, what)) = FAILURES.iter().find(|(sign, _)| line.contains(sign)) {
            return Says::Failure { what, line };
        }
        if is_login(&line) {
            return Says::Login(line);
        }
    }
    Says::Nothing
}

/// `name login: `, at the start of a line; the kernel may go on in the same line. `Last login: ` greets who is already in.
fn is_login(line: &str) -> bool {
    line.split_once(" login:").is_some_and(|(name, _)| {
        let name = name.trim();
        !name.is_empty() && !name.contains(' ') && name != "Last"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_counts() {
        let login = Says::Login("web1 login: ".to_owned());
        assert_eq!(read(b"Booting\r\nDebian 12 web1 ttyS0\r\n\r\nweb1 login: "), login);
        assert_eq!(read(b"Kernel panic - not syncing: old boot\nweb1 login: \n"), login);
        let Says::Failure { what, .. } =
            read(b"web1 login: \n[ 1.0] Kernel panic - not syncing: VFS: Unable to mount root fs")
        else {
            panic!("the last boot failed");
        };
        assert_eq!(what, "the kernel does not find its root");
        for nothing in [&b""[..], b"\xff\xfe", b"Last login: Mon", b"please log in", b" login:"] {
            assert_eq!(read(nothing), Says::Nothing, "{nothing:?}");
        }
    }
}
