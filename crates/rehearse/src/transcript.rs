//! The console that is kept: all of it up to a limit, then its beginning and its end.

use std::collections::VecDeque;

/// A byte log of bounded size.
#[derive(Debug)]
pub struct Transcript {
    half: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

impl Transcript {
    /// A log that keeps at most about `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            half: limit / 2,
            head: Vec::new(),
            tail: VecDeque::new(),
            left_out: 0,
        }
    }

    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = self.half - self.head.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let surplus = self.tail.len().saturating_sub(self.half);
        self.tail.drain(..surplus);
        self.left_out += surplus as u64;
    }

    /// Whether something had to be left out.
    pub fn truncated(&self) -> bool {
        self.left_out > 0
    }

    /// The bytes, with a line in place of what was left out.
    pub fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.head;
        if self.left_out > 0 {
            bytes.extend_from_slice(format!("\n[... {} bytes left out ...]\n", self.left_out).as_bytes());
        }
        bytes.extend(self.tail);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_everything_up_to_the_limit() {
        let mut log = Transcript::new(10);
        log.push(b"0123");
        log.push(b"456789");
        assert!(!log.truncated());
        assert_eq!(log.into_bytes(), b"0123456789");
    }

    #[test]
    fn beyond_the_limit_it_keeps_beginning_and_end() {
        let mut log = Transcript::new(8);
        for byte in b'a'..=b'z' {
            log.push(&[byte]);
        }
        assert!(log.truncated());
        assert_eq!(log.into_bytes(), b"abcd\n[... 18 bytes left out ...]\nwxyz");
    }
}
