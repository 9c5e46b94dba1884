//! Files of shell assignments: `/etc/default/grub`, `/etc/sysconfig/*`, `ifcfg-*`.
//!
//! Such files are sourced by a shell. Only assignments are read; what stands in `if`, functions or command substitutions
//! is not run, and a value that holds `$` or a backquote is returned as it stands.

use std::ops::Range;

use serde::Serialize;

use crate::cmdline::Cmdline;
use crate::limit::ENTRIES;
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

impl Assignment {
    /// The value as kernel parameters, with their places in `content`, the file that the assignment was read from.
    pub fn cmdline(&self, content: &[u8]) -> Cmdline {
        let bytes = content.get(self.value.span.clone()).unwrap_or_default();
        Cmdline::parse(bytes, self.value.span.start, self.value.line)
    }
}

/// The assignment that counts for `name`: the last one.
pub fn last<'a>(assignments: &'a [Assignment], name: &str) -> Option<&'a Assignment> {
    assignments
        .iter()
        .rev()
        .find(|assignment| assignment.name.value == name)
}

/// All assignments of a file in their order, the first 10,000 of them.
pub fn shell_assignments(content: &[u8]) -> Vec<Assignment> {
    let mut assignments = Vec::new();
    let mut line = 1;
    let mut at = 0;
    let mut exported = false;
    let mut command_start = true;
    while at < content.len() && assignments.len() < ENTRIES {
        match content[at] {
            b'\n' => {
                line += 1;
                at += 1;
                (exported, command_start) = (false, true);
            }
            b';' | b'&' | b'|' => {
                at += 1;
                (exported, command_start) = (false, true);
            }
            b' ' | b'\t' | b'\r' => at += 1,
            b'#' => {
                at += content[at..]
                    .iter()
                    .position(|&b| b == b'\n')
                    .unwrap_or(content.len() - at);
            }
            _ => {
                let word = at..word_end(content, at);
                if command_start || exported {
                    match assignment(content, word.clone(), line, exported) {
                        Some(found) => assignments.push(found),
                        // Of `NAME=value command` the value holds for the command only, but these files do not do that.
                        None => {
                            exported = command_start && content[word.clone()] == *b"export";
                            command_start = false;
                        }
                    }
                }
                line += content[word.clone()].iter().filter(|&&b| b == b'\n').count();
                at = word.end;
            }
        }
    }
    assignments
}

/// Where the word that begins at `start` ends: at the first blank or separator outside of quotes.
fn word_end(content: &[u8], start: usize) -> usize {
    let mut at = start;
    let mut quote = None;
    while let Some(&byte) = content.get(at) {
        match (quote, byte) {
            (None | Some(b'"'), b'\\') => at += 1,
            (None, b'\'' | b'"' | b'`') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            (None, b' ' | b'\t' | b'\n' | b'\r' | b';' | b'&' | b'|') => break,
            _ => {}
        }
        at += 1;
    }
    at.min(content.len())
}

fn assignment(content: &[u8], word: Range<usize>, line: usize, exported: bool) -> Option<Assignment> {
    let text = &content[word.clone()];
    let name_len = text
        .iter()
        .position(|&b| !(b.is_ascii_alphanumeric() || b == b'_'))
        .filter(|&n| n > 0 && !text[0].is_ascii_digit())?;
    let (appends, value_at) = match &text[name_len..] {
        [b'=', ..] => (false, name_len + 1),
        [b'+', b'=', ..] => (true, name_len + 2),
        _ => return None,
    };
    let raw = word.start + value_at..word.end;
    let (value, inside) = unquote(content, raw.clone());
    Some(Assignment {
        name: Spanned {
            value: String::from_utf8_lossy(&text[..name_len]).into_owned(),
            span: word.start..word.start + name_len,
            line,
        },
        value: Spanned {
            value,
            span: inside,
            line,
        },
        raw,
        exported,
        appends,
    })
}

/// The text of a word without its quotes, and the place of that text: within the quotes if one pair holds all of it,
/// otherwise the whole word. The rules are those of the shell, which GRUB 2 shares.
pub(crate) fn unquote(content: &[u8], raw: Range<usize>) -> (String, Range<usize>) {
    let bytes = &content[raw.clone()];
    let mut text = Vec::with_capacity(bytes.len());
    let mut quote = None;
    let mut pairs = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (quote, byte) {
            (None, b'\\') | (Some(b'"'), b'\\') => {
                at += 1;
                match (quote, bytes.get(at)) {
                    // A line goes on behind a backslash.
                    (_, Some(b'\n')) => {}
                    (None, Some(&next)) | (_, Some(&next @ (b'"' | b'\\' | b'$' | b'`'))) => text.push(next),
                    (_, Some(&next)) => text.extend([b'\\', next]),
                    (_, None) => text.push(b'\\'),
                }
            }
            (None, b'\'' | b'"') => {
                quote = Some(byte);
                pairs += 1;
            }
            (Some(open), _) if open == byte => quote = None,
            _ => text.push(byte),
        }
        at += 1;
    }
    let whole = match bytes {
        [open @ (b'\'' | b'"'), .., close] => pairs == 1 && quote.is_none() && open == close,
        _ => false,
    };
    let inside = if whole { raw.start + 1..raw.end - 1 } else { raw };
    (String::from_utf8_lossy(&text).into_owned(), inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn etc_default_grub() {
        let content = "# If you change this file, run 'update-grub' afterwards\n\
            GRUB_DEFAULT=0\n\
            #GRUB_HIDDEN_TIMEOUT=0\n\
            GRUB_TIMEOUT=10 # seconds\n\
            GRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`\n\
            GRUB_CMDLINE_LINUX_DEFAULT=\"quiet splash\"\n\
            export GRUB_CMDLINE_LINUX='root=/dev/xvda1 console=hvc0'\n\
            GRUB_TERMINAL=console; GRUB_SERIAL_COMMAND=\"serial \\\n--unit=0 --speed=115200\"\n\
            GRUB_CMDLINE_LINUX+=\" nomodeset\"\n\
            if [ -f /x ]; then\n\
            \x20   GRUB_EMPTY=\n\
            fi\n\
            echo NOT=this\n";
        let all = shell_assignments(content.as_bytes());
        let get = |name| last(&all, name).unwrap();
        assert_eq!(get("GRUB_DEFAULT").value.value, "0");
        assert_eq!(get("GRUB_TIMEOUT").value.value, "10");
        let quiet = get("GRUB_CMDLINE_LINUX_DEFAULT");
        assert_eq!(&content[quiet.value.span.clone()], "quiet splash");
        assert_eq!(&content[quiet.raw.clone()], "\"quiet splash\"");
        assert_eq!(quiet.name.line, 6);

        let linux = all.iter().find(|a| a.name.value == "GRUB_CMDLINE_LINUX").unwrap();
        assert!(linux.exported && !linux.appends);
        let root = linux.cmdline(content.as_bytes());
        let root = root.last("root").unwrap();
        assert_eq!(&content[root.span], "root=/dev/xvda1");
        assert!(get("GRUB_CMDLINE_LINUX").appends);

        let serial = get("GRUB_SERIAL_COMMAND");
        assert_eq!(serial.value.value, "serial --unit=0 --speed=115200");
        assert_eq!(serial.name.line, 8);
        assert_eq!(get("GRUB_EMPTY").value.value, "");
        assert_eq!(get("GRUB_EMPTY").name.line, 12);
        assert!(get("GRUB_DISTRIBUTOR").value.value.ends_with("echo Debian`"));
        assert!(last(&all, "NOT").is_none() && last(&all, "GRUB_HIDDEN_TIMEOUT").is_none());
    }

    #[test]
    fn ifcfg_eth0() {
        let content = b"DEVICE=eth0\r\nHWADDR=12:31:3B:07:15:F2\r\nBOOTPROTO='dhcp'\r\nONBOOT=\"y\"es\r\n";
        let all = shell_assignments(content);
        let values: Vec<_> = all
            .iter()
            .map(|a| (a.name.value.as_str(), a.value.value.as_str()))
            .collect();
        assert_eq!(
            values,
            [
                ("DEVICE", "eth0"),
                ("HWADDR", "12:31:3B:07:15:F2"),
                ("BOOTPROTO", "dhcp"),
                ("ONBOOT", "yes")
            ]
        );
        assert_eq!(content[all[3].value.span.clone()], *b"\"y\"es");
    }

    #[test]
    fn garbage_is_bounded() {
        assert_eq!(shell_assignments("A=1\n".repeat(2_500_000).as_bytes()).len(), ENTRIES);
        assert_eq!(
            shell_assignments(format!("A=\"{}", "\n".repeat(10_000_000)).as_bytes()).len(),
            1
        );
        assert!(shell_assignments("'\n".repeat(5_000_000).as_bytes()).is_empty());
    }

    proptest! {
        #[test]
        fn spans_hold_what_was_read(content in "([A-C=+\"'\\\\#; $é]|export |\n){0,120}") {
            let all = shell_assignments(content.as_bytes());
            for one in &all {
                prop_assert_eq!(&content[one.name.span.clone()], &one.name.value);
                let before = content[..one.name.span.start].matches('\n').count();
                prop_assert_eq!(one.name.line, before + 1);
                let raw = &content[one.raw.clone()];
                prop_assert!(raw.contains(&content[one.value.span.clone()]));
                if !raw.contains(['"', '\'', '\\']) {
                    prop_assert_eq!(raw, &one.value.value);
                }
                prop_assert_eq!(content.as_bytes()[one.raw.start - 1], b'=');
            }
        }

        #[test]
        fn no_bytes_panic(content in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(shell_assignments(&content).iter().all(|a| a.raw.end <= content.len()));
        }
    }
}
