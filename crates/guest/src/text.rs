//! Values with their place in the file they came from.
//!
//! Parsers of this crate never rewrite a file. They return values together with the bytes they stand on, and whoever
//! edits the file replaces just those bytes: everything else survives by construction.

use std::ops::Range;

use serde::Serialize;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// The bytes it stands on: offsets from the start of the file.
    #[serde(skip)]
    pub span: Range<usize>,
    /// Line number, from 1.
    pub line: usize,
}

impl<T> Spanned<T> {
    /// The same place with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned {
            value: f(self.value),
            span: self.span,
            line: self.line,
        }
    }
}

/// One line of a file, without its line ending.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Line number, from 1.
    pub number: usize,
    /// Offset of the first byte from the start of the file.
    pub start: usize,
    /// The bytes, without `\n` or `\r\n`.
    pub bytes: &'a [u8],
}

impl<'a> Line<'a> {
    /// The line as text; bytes that are not UTF-8 are replaced. For looking at, not for spans.
    pub fn text(&self) -> std::borrow::Cow<'a, str> {
        String::from_utf8_lossy(self.bytes)
    }

    /// The span of the line's bytes within the file.
    pub fn span(&self) -> Range<usize> {
        self.start..self.start + self.bytes.len()
    }

    /// The words of the line (separated by spaces and tabs) with their places.
    pub fn words(&self) -> Vec<Spanned<String>> {
        let mut words = Vec::new();
        let mut at = 0;
        while at < self.bytes.len() {
            let blank = |b: &u8| *b == b' ' || *b == b'\t';
            if blank(&self.bytes[at]) {
                at += 1;
                continue;
            }
            let end = self.bytes[at..]
                .iter()
                .position(blank)
                .map_or(self.bytes.len(), |n| at + n);
            words.push(Spanned {
                value: String::from_utf8_lossy(&self.bytes[at..end]).into_owned(),
                span: self.start + at..self.start + end,
                line: self.number,
            });
            at = end;
        }
        words
    }
}

/// The lines of a file.
pub fn lines(content: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0;
    let mut number = 0;
    std::iter::from_fn(move || {
        if start >= content.len() {
            return None;
        }
        let end = content[start..]
            .iter()
            .position(|&b| b == b'\n')
            .map_or(content.len(), |n| start + n);
        let bytes = &content[start..end];
        number += 1;
        let line = Line {
            number,
            start,
            bytes: bytes.strip_suffix(b"\r").unwrap_or(bytes),
        };
        start = end + 1;
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_words_know_their_place() {
        let content = b"a  bc\r\n\n\td\xff";
        let seen: Vec<_> = lines(content).map(|l| (l.number, l.start, l.bytes.len())).collect();
        assert_eq!(seen, [(1, 0, 5), (2, 7, 0), (3, 8, 3)]);
        let words: Vec<_> = lines(content).flat_map(|l| l.words()).collect();
        assert_eq!(words[1].span, 3..5);
        assert_eq!(words[2].span, 9..11);
        assert_eq!(words[2].line, 3);
    }
}
