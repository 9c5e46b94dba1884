//! Console bytes into lines of plain text.
//!
//! Serial consoles carry terminal control sequences (ECMA-48): colours of systemd, cursor movements of GRUB's menu. They
//! are removed here, and a jump of the cursor ends the line, as a menu that is painted by jumps has no line ends.

/// The longest line in bytes; a longer one is cut into several.
const LONGEST: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    Escape,
    /// After `ESC [`: parameters until a final byte.
    Control,
    /// After `ESC ]`, `ESC P` and their like: a string until BEL or `ESC \`.
    String,
    StringEscape,
    /// After `ESC (` and its like: one more byte.
    One,
}

/// Cuts a stream of bytes into lines; how the stream is cut into chunks makes no difference.
#[derive(Debug)]
pub struct Lines {
    state: State,
    /// How many bytes the current control sequence has; one without an end must not swallow the console.
    sequence: usize,
    line: Vec<u8>,
}

impl Default for Lines {
    fn default() -> Self {
        Self::new()
    }
}

impl Lines {
    /// A stream at its beginning.
    pub fn new() -> Self {
        Self {
            state: State::Text,
            sequence: 0,
            line: Vec::new(),
        }
    }

    /// Takes one byte; returns a line if the byte ends one that is not empty.
    pub fn push(&mut self, byte: u8) -> Option<Vec<u8>> {
        self.sequence += 1;
        match (self.state, byte) {
            (State::Text, b'\n' | b'\r' | 0x0c) => return self.end(),
            (State::Text, 0x1b) => self.enter(State::Escape),
            (State::Text, 0x08) => {
                self.line.pop();
            }
            (State::Text, b'\t') => return self.text(b' '),
            (State::Text, 0..0x20 | 0x7f) => {}
            (State::Text, _) => return self.text(byte),
            (State::Escape, b'[') => self.enter(State::Control),
            (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => self.enter(State::String),
            (State::Escape, b'(' | b')' | b'*' | b'+' | b'#' | b'%' | b' ') => self.enter(State::One),
            // Reset, next line, index: the terminal starts on another line.
            (State::Escape, b'c' | b'D' | b'E' | b'M') => {
                self.enter(State::Text);
                return self.end();
            }
            (State::Escape, _) => self.enter(State::Text),
            (State::Control, 0x20..=0x3f) if self.sequence < 64 => {}
            // Cursor up and down, to a line, to a position, erase display.
            (State::Control, b'A' | b'B' | b'E' | b'F' | b'H' | b'J' | b'd' | b'f') => {
                self.enter(State::Text);
                return self.end();
            }
            (State::Control, _) => self.enter(State::Text),
            (State::String, 0x07 | b'\n') => self.enter(State::Text),
            (State::String, 0x1b) => self.state = State::StringEscape,
            (State::String, _) if self.sequence < 1024 => {}
            (State::String | State::StringEscape, _) => self.enter(State::Text),
            (State::One, _) => self.enter(State::Text),
        }
        None
    }

    /// The line that has no end yet.
    pub fn partial(&self) -> &[u8] {
        &self.line
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.sequence = 0;
    }

    fn text(&mut self, byte: u8) -> Option<Vec<u8>> {
        self.line.push(byte);
        if self.line.len() >= LONGEST { self.end() } else { None }
    }

    fn end(&mut self) -> Option<Vec<u8>> {
        if self.line.is_empty() {
            None
        } else {
            Some(std::mem::take(&mut self.line))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(bytes: &[u8]) -> (Vec<String>, String) {
        let mut lines = Lines::new();
        let done = bytes.iter().filter_map(|byte| lines.push(*byte));
        let done = done.map(|line| String::from_utf8_lossy(&line).into_owned()).collect();
        (done, String::from_utf8_lossy(lines.partial()).into_owned())
    }

    #[test]
    fn lines_without_escape_sequences() {
        let cases: &[(&[u8], &[&str], &str)] = &[
            (b"one\r\ntwo\n\nthree", &["one", "two"], "three"),
            (b"\x1b[0;32m  OK  \x1b[0m] Reached\r\n", &["  OK  ] Reached"], ""),
            (b"\x1b[?2004hroot@host:~# ", &[], "root@host:~# "),
            (
                b"\x1b[5;3HDebian\x1b[6;3HAdvanced\x1b[24;1H",
                &["Debian", "Advanced"],
                "",
            ),
            (b"\x1b]0;title of window\x07$ ", &[], "$ "),
            (b"\x1bP+q\x1b\\$ ", &[], "$ "),
            (b"\x1b(Bhost\x1b=login: ", &[], "hostlogin: "),
            (b"a\tb\x08c\x00d\n", &["a cd"], ""),
            (b"\x1bc\x1b[!p\x1b[2J\x1b[Hhi", &[], "hi"),
        ];
        for (input, done, partial) in cases {
            let (lines, rest) = split(input);
            assert_eq!(lines, *done, "{input:?}");
            assert_eq!(rest, *partial, "{input:?}");
        }
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let (lines, rest) = split(&vec![b'x'; LONGEST + 10]);
        assert_eq!((lines.len(), lines[0].len(), rest.len()), (1, LONGEST, 10));
    }

    #[test]
    fn a_control_sequence_without_end_does_not_swallow_the_console() {
        let mut input = b"\x1b]".to_vec();
        input.extend(vec![b'x'; 2000]);
        input.extend(b"\nhost login: ");
        assert_eq!(split(&input).1, "host login: ");
        let mut input = b"\x1b[".to_vec();
        input.extend(vec![b'1'; 200]);
        input.extend(b"\nhost login: ");
        assert_eq!(split(&input).1, "host login: ");
    }
}
