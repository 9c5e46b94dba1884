//! Bounds on what a parser keeps, so that a file of garbage cannot fill the memory.

/// The most bytes of a text file that is parsed. Real boot menus have a few KiB; whoever writes 10 MB means harm or has an
/// accident.
pub(crate) const TEXT: u64 = 1 << 20;

/// Entries of one file that are kept.
pub(crate) const ENTRIES: usize = 10_000;

/// Bytes of one line that are looked at.
pub(crate) const LINE: usize = 64 * 1024;

/// Values of one file that are kept: a word, a parameter, a line.
const VALUES: usize = 100_000;

/// What is left to keep.
#[derive(Debug)]
pub(crate) struct Budget {
    left: usize,
    spent: bool,
}

impl Budget {
    /// A budget for one file.
    pub(crate) fn new() -> Self {
        Budget {
            left: VALUES,
            spent: false,
        }
    }

    /// Takes `values` from the budget; false when it does not hold that many.
    pub(crate) fn take(&mut self, values: usize) -> bool {
        match self.left.checked_sub(values) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                self.spent = true;
                false
            }
        }
    }

    /// Whether something did not fit any more.
    pub(crate) fn is_spent(&self) -> bool {
        self.spent
    }

    /// Takes as many values as the line has words, and one for the line.
    pub(crate) fn take_line(&mut self, bytes: &[u8]) -> bool {
        let words = bytes
            .split(|b| b.is_ascii_whitespace())
            .filter(|w| !w.is_empty())
            .count();
        self.take(words + 1)
    }
}
