//! Replacing spans of bytes.

use std::ops::Range;

/// Some bytes to be put in the place of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The bytes that go, as offsets into the original; empty to insert.
    pub span: Range<usize>,
    /// What comes.
    pub with: Vec<u8>,
    /// Line number of the place, from 1.
    pub line: usize,
    /// What is done, and why.
    pub reason: String,
}

impl Replacement {
    /// Replaces `span`.
    pub fn new(span: Range<usize>, with: impl Into<Vec<u8>>, line: usize, reason: impl Into<String>) -> Self {
        Replacement {
            span,
            with: with.into(),
            line,
            reason: reason.into(),
        }
    }

    /// Inserts at `at`.
    pub fn insert(at: usize, with: impl Into<Vec<u8>>, line: usize, reason: impl Into<String>) -> Self {
        Replacement::new(at..at, with, line, reason)
    }
}

/// The content with all replacements made. Insertions at one place keep their order; of replacements that overlap, the
/// first in the file is made.
pub fn replace(content: &[u8], replacements: &[Replacement]) -> Vec<u8> {
    let mut sorted: Vec<&Replacement> = replacements.iter().collect();
    sorted.sort_by_key(|replacement| (replacement.span.start, replacement.span.end));
    let mut result = Vec::with_capacity(content.len() + 256);
    let mut at = 0;
    for replacement in sorted {
        let Some(kept) = content.get(at..replacement.span.start) else {
            continue;
        };
        result.extend_from_slice(kept);
        result.extend_from_slice(&replacement.with);
        at = replacement.span.end.max(at);
    }
    result.extend_from_slice(content.get(at..).unwrap_or_default());
    result
}

/// Start and end of the line around an offset, without its line ending.
pub(super) fn line_around(content: &[u8], offset: usize) -> Range<usize> {
    let offset = offset.min(content.len());
    let start = content[..offset]
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |at| at + 1);
    let end = content[offset..]
        .iter()
        .position(|&byte| byte == b'\n')
        .map_or(content.len(), |at| offset + at);
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_replaced_and_the_rest_survives() {
        let made = [
            Replacement::new(4..7, "BBB!", 1, ""),
            Replacement::insert(0, "# x\n", 1, ""),
            Replacement::insert(11, "\n", 1, ""),
            Replacement::insert(0, "# y\n", 1, ""),
        ];
        assert_eq!(replace(b"aaa bbb ccc", &made), b"# x\n# y\naaa BBB! ccc\n");
    }

    #[test]
    fn nonsense_spans_do_no_harm() {
        let made = [
            Replacement::new(2..5, "X", 1, ""),
            Replacement::new(3..4, "Y", 1, ""),
            Replacement::new(90..91, "Z", 1, ""),
        ];
        assert_eq!(replace(b"abcdef", &made), b"abXf");
    }

    proptest::proptest! {
        #[test]
        fn everything_outside_the_replaced_spans_survives(
            pieces in proptest::collection::vec(
                (proptest::collection::vec(proptest::num::u8::ANY, 0..20), "[a-z\\n]{0,6}", "[A-Z\\n]{0,6}"),
                0..12,
            ),
        ) {
            // The original is made of kept and replaced pieces in turn; the replacements are given back to front.
            let (mut original, mut expected, mut made) = (Vec::new(), Vec::new(), Vec::new());
            for (kept, old, new) in &pieces {
                original.extend_from_slice(kept);
                expected.extend_from_slice(kept);
                let start = original.len();
                original.extend_from_slice(old.as_bytes());
                expected.extend_from_slice(new.as_bytes());
                // Two insertions at one place keep their order, which is lost when they are given back to front.
                if !kept.is_empty() && !old.is_empty() {
                    made.insert(0, Replacement::new(start..original.len(), new.as_bytes(), 1, ""));
                } else {
                    expected.truncate(expected.len() - new.len());
                    expected.extend_from_slice(old.as_bytes());
                }
            }
            proptest::prop_assert_eq!(replace(&original, &made), expected);
        }
    }

    #[test]
    fn lines_are_found_around_an_offset() {
        assert_eq!(line_around(b"ab\ncd\nef", 4), 3..5);
        assert_eq!(line_around(b"ab\ncd\nef", 3), 3..5);
        assert_eq!(line_around(b"ab\ncd", 99), 3..5);
        assert_eq!(line_around(b"", 0), 0..0);
    }
}
