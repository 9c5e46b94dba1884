//! The words of a GRUB 2 script with their places.
//!
//! Source: GRUB 2 `grub-core/script/yylex.l`: words are separated by blanks, `;`, `|`, `&`, braces and line endings, unless
//! quotes or a backslash protect them; `#` at the start of a word begins a comment.

use std::ops::Range;

/// A word as it stands in the file, with its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) raw: Range<usize>,
    pub(crate) line: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Word(Word),
    /// From `#` to the end of the line.
    Comment(Word),
    /// The end of a command.
    Separator,
    Open,
    /// A closing brace: where it ends, and its line.
    Close(usize, usize),
    End,
}

/// Reads a script word by word.
#[derive(Debug)]
pub(crate) struct Script<'a> {
    pub(crate) content: &'a [u8],
    pub(crate) at: usize,
    pub(crate) line: usize,
}

impl Script<'_> {
    pub(crate) fn next(&mut self) -> Token {
        loop {
            let Some(&byte) = self.content.get(self.at) else {
                return Token::End;
            };
            match byte {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\n' => {
                    self.at += 1;
                    self.line += 1;
                    return Token::Separator;
                }
                b';' | b'|' | b'&' => {
                    self.at += 1;
                    return Token::Separator;
                }
                b'{' => {
                    self.at += 1;
                    return Token::Open;
                }
                b'}' => {
                    self.at += 1;
                    return Token::Close(self.at, self.line);
                }
                b'\\' if self.continues() => self.skip_continuation(),
                b'#' => {
                    let rest = &self.content[self.at..];
                    let len = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
                    let raw = self.at..self.at + len;
                    self.at = raw.end;
                    return Token::Comment(Word { raw, line: self.line });
                }
                _ => return Token::Word(self.word()),
            }
        }
    }

    /// Whether a line ending follows, which the backslash takes away.
    fn continues(&self) -> bool {
        matches!(&self.content[self.at + 1..], [b'\n', ..] | [b'\r', b'\n', ..])
    }

    fn skip_continuation(&mut self) {
        self.at += if self.content.get(self.at + 1) == Some(&b'\r') {
            3
        } else {
            2
        };
        self.line += 1;
    }

    fn word(&mut self) -> Word {
        let start = self.at;
        let line = self.line;
        let mut quote = None;
        let mut variable = false;
        while let Some(&byte) = self.content.get(self.at) {
            match (quote, byte) {
                // A word may go on in the next line, but most continuations stand before a blank: it ends here.
                (None, b'\\') if self.continues() => break,
                (None | Some(b'"'), b'\\') => {
                    self.at += 1;
                    self.line += usize::from(self.content.get(self.at) == Some(&b'\n'));
                }
                (None, b'\'' | b'"') => quote = Some(byte),
                (Some(open), _) if open == byte => quote = None,
                (Some(_), b'\n') => self.line += 1,
                (None, b'{') if self.content[start..self.at].ends_with(b"$") => variable = true,
                (None, b'}') if variable => variable = false,
                (None, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'|' | b'&' | b'{' | b'}') => break,
                _ => {}
            }
            self.at += 1;
        }
        self.at = self.at.min(self.content.len());
        Word {
            raw: start..self.at,
            line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut script = Script {
            content: text.as_bytes(),
            at: 0,
            line: 1,
        };
        let mut seen = Vec::new();
        loop {
            seen.push(match script.next() {
                Token::Word(word) => text[word.raw].to_owned(),
                Token::Comment(word) => text[word.raw].to_owned(),
                Token::Separator => ";".to_owned(),
                Token::Open => "{".to_owned(),
                Token::Close(..) => "}".to_owned(),
                Token::End => return seen,
            });
        }
    }

    #[test]
    fn quotes_braces_and_comments() {
        assert_eq!(
            words("menuentry 'a {b' --id \"c;\\\"\"{\n linux /x ${y} \\\n z#1 # no\n}"),
            [
                "menuentry",
                "'a {b'",
                "--id",
                "\"c;\\\"\"",
                "{",
                ";",
                "linux",
                "/x",
                "${y}",
                "z#1",
                "# no",
                ";",
                "}"
            ]
        );
        assert_eq!(words("'open"), ["'open"]);
        assert_eq!(words("a\\"), ["a\\"]);
    }
}
