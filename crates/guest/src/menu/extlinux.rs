//! The menu of SYSLINUX and EXTLINUX (`extlinux.conf`, `syslinux.cfg`).
//!
//! Source: SYSLINUX `doc/syslinux.txt`: one keyword for each line, in any case.

use serde::Serialize;

use crate::cmdline::Cmdline;
use crate::limit::{Budget, ENTRIES, LINE};
use crate::text::{Spanned, lines};

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
    /// `initrd`; what stands as `initrd=` in `append` is found there.
    pub initrd: Vec<Spanned<String>>,
    /// Whether `menu default` stands in it.
    pub menu_default: bool,
}

impl Extlinux {
    /// Parses the menu.
    pub fn parse(content: &[u8]) -> Self {
        let mut menu = Extlinux::default();
        let mut budget = Budget::new();
        for line in lines(content) {
            let text = line.bytes.trim_ascii();
            if text.is_empty() || text[0] == b'#' {
                continue;
            }
            if line.bytes.len() > LINE || menu.entries.len() >= ENTRIES || !budget.take_line(text) {
                menu.problems.push(Spanned {
                    value: "too many lines, or one too long: the rest is not read".to_owned(),
                    span: line.span(),
                    line: line.number,
                });
                break;
            }
            let words = line.words();
            let Some((keyword, arguments)) = words.split_first() else {
                continue;
            };
            let rest = |arguments: &[Spanned<String>]| {
                let start = arguments.first().map_or(keyword.span.end, |word| word.span.start);
                let end = arguments.last().map_or(start, |word| word.span.end);
                let bytes = &content[start..end];
                let value = String::from_utf8_lossy(bytes).into_owned();
                (
                    bytes,
                    Spanned {
                        value,
                        span: start..end,
                        line: line.number,
                    },
                )
            };
            let (bytes, value) = rest(arguments);
            let second = arguments.first().map(|word| word.value.to_ascii_lowercase());
            match (keyword.value.to_ascii_lowercase().as_str(), menu.entries.last_mut()) {
                ("default", _) => menu.default = Some(value),
                ("label", _) => menu.entries.push(ExtlinuxEntry {
                    label: value,
                    kernel: None,
                    append: None,
                    initrd: Vec::new(),
                    menu_default: false,
                }),
                ("kernel" | "linux", Some(entry)) => entry.kernel = Some(value),
                ("append", Some(entry)) => entry.append = Some(Cmdline::parse(bytes, value.span.start, line.number)),
                ("initrd", Some(entry)) => entry.initrd.push(value),
                ("menu", Some(entry)) if second.as_deref() == Some("default") => entry.menu_default = true,
                ("menu", _) if second.as_deref() == Some("include") => menu.includes.push(rest(&arguments[1..]).1),
                ("include", _) => menu.includes.push(value),
                ("serial" | "console", _) => {
                    let (_, mut whole) = rest(&words);
                    whole.line = line.number;
                    menu.console.push(whole);
                }
                _ => {}
            }
        }
        menu
    }

    /// The entry that boots: that of the last `default`, unless one says `menu default`; otherwise the first. `None` if
    /// `default` names a kernel itself, or there are no labels.
    pub fn selected(&self) -> Option<usize> {
        if let Some(found) = self.entries.iter().rposition(|entry| entry.menu_default) {
            return Some(found);
        }
        match &self.default {
            // A default that loads a menu module leaves the choice to it.
            Some(default) if !default.value.ends_with(".c32") => {
                let label = default.value.split_ascii_whitespace().next()?;
                self.entries
                    .iter()
                    .position(|entry| entry.label.value.eq_ignore_ascii_case(label))
            }
            _ => (!self.entries.is_empty()).then_some(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Debian 7's official HVM image, as bootstrap-vz wrote it.
    const WHEEZY: &str = "default l0\nprompt 1\ntimeout 50\n\nSERIAL 0 115200\n\
        label l0\n\tmenu label Debian GNU/Linux, kernel 3.2.0-4-amd64\n\
        \tlinux /boot/vmlinuz-3.2.0-4-amd64\n\tappend initrd=/boot/initrd.img-3.2.0-4-amd64 root=UUID=1 ro console=ttyS0\n\
        label l0r\n\tKERNEL /boot/vmlinuz-3.2.0-4-amd64\n\tINITRD /boot/initrd.img-3.2.0-4-amd64\n\tappend\n";

    #[test]
    fn debian_7() {
        let menu = Extlinux::parse(WHEEZY.as_bytes());
        assert_eq!(menu.selected(), Some(0));
        let entry = &menu.entries[0];
        let append = entry.append.as_ref().unwrap();
        assert_eq!(&WHEEZY[append.last("root").unwrap().span], "root=UUID=1");
        assert_eq!(append.last("initrd").unwrap().value, "/boot/initrd.img-3.2.0-4-amd64");
        let second = &menu.entries[1];
        assert_eq!(second.kernel.as_ref().unwrap().value, "/boot/vmlinuz-3.2.0-4-amd64");
        assert_eq!(WHEEZY[second.initrd[0].span.clone()], second.initrd[0].value);
        assert!(second.append.as_ref().unwrap().arguments.is_empty());
        assert_eq!(menu.console[0].value, "SERIAL 0 115200");
    }

    #[test]
    fn which_label_boots() {
        let selected = |text: &str| Extlinux::parse(text.as_bytes()).selected();
        assert_eq!(selected("label a\nlabel b\n"), Some(0));
        assert_eq!(selected("default B\nlabel a\nlabel b\n"), Some(1));
        assert_eq!(
            selected("default vesamenu.c32\nlabel a\nlabel b\nmenu default\n"),
            Some(1)
        );
        assert_eq!(selected("default /vmlinuz root=/dev/sda1\nlabel a\n"), None);
        assert_eq!(selected(""), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(content in proptest::collection::vec(any::<u8>(), 0..300)) {
            let menu = Extlinux::parse(&content);
            prop_assert!(menu.selected().is_none_or(|n| n < menu.entries.len()));
        }
    }
}
