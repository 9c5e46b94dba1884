//! A kernel command line, as it stands in a boot menu.
//!
//! Source: Linux `Documentation/admin-guide/kernel-parameters.rst`: parameters are separated by blanks, double quotes
//! protect blanks in values, and of a parameter that may stand once the last one counts.

use std::ops::Range;

use serde::Serialize;

use crate::text::Spanned;

/// One parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Argument {
    /// What stands before `=`, or all of it.
    pub name: String,
    /// What stands behind `=`, without quotes.
    pub value: Option<String>,
    /// The bytes of the whole parameter in the file.
    #[serde(skip)]
    pub span: Range<usize>,
}

/// All parameters of one line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cmdline {
    /// In the order in which they stand.
    pub arguments: Vec<Argument>,
    /// From the first byte of the first parameter to the last of the last; empty, at the place where the first would
    /// stand, when there is none.
    #[serde(skip)]
    pub span: Range<usize>,
    /// Line number, from 1.
    pub line: usize,
}

impl Cmdline {
    /// Parses `bytes`, which stand in the file from offset `start` on, in line `line`.
    pub fn parse(bytes: &[u8], start: usize, line: usize) -> Self {
        let mut arguments = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            if bytes[at].is_ascii_whitespace() {
                at += 1;
                continue;
            }
            let mut quoted = false;
            let mut end = at;
            while end < bytes.len() && (quoted || !bytes[end].is_ascii_whitespace()) {
                quoted ^= bytes[end] == b'"';
                end += 1;
            }
            let text = String::from_utf8_lossy(&bytes[at..end]).replace('"', "");
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (text, None),
            };
            arguments.push(Argument {
                name,
                value,
                span: start + at..start + end,
            });
            at = end;
        }
        let span = match (arguments.first(), arguments.last()) {
            (Some(first), Some(last)) => first.span.start..last.span.end,
            _ => start + bytes.len()..start + bytes.len(),
        };
        Cmdline { arguments, span, line }
    }

    /// The value that counts for a parameter which may stand once: that of its last occurrence.
    pub fn last<'a>(&'a self, name: &'a str) -> Option<Spanned<&'a str>> {
        self.all(name).last()
    }

    /// All values of a parameter that may stand several times, as `console`.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Spanned<&'a str>> {
        self.arguments
            .iter()
            .filter(move |argument| argument.name == name)
            .map(|argument| Spanned {
                value: argument.value.as_deref().unwrap_or_default(),
                span: argument.span.clone(),
                line: self.line,
            })
    }

    /// Whether the parameter stands there at all.
    pub fn has(&self, name: &str) -> bool {
        self.arguments.iter().any(|argument| argument.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_with_their_places() {
        let line = Cmdline::parse(b" root=/dev/sda1 ro  console=hvc0 foo=\"a b\" console=tty0 ", 10, 3);
        assert_eq!(line.last("root").unwrap().value, "/dev/sda1");
        assert_eq!(line.last("root").unwrap().span, 11..25);
        let consoles: Vec<_> = line.all("console").map(|c| c.value).collect();
        assert_eq!(consoles, ["hvc0", "tty0"]);
        assert_eq!(line.last("foo").unwrap().value, "a b");
        assert!(line.has("ro") && !line.has("rw"));
        assert_eq!(line.span, 11..65);
    }

    #[test]
    fn an_empty_line_has_an_empty_span() {
        assert_eq!(Cmdline::parse(b"  ", 5, 1).span, 7..7);
    }
}
