//! Somebody else's text, made harmless.

/// Longest name or value that a report shows, in characters. AWS allows 256 in a tag; what is longer was not made by AWS.
pub const LONGEST: usize = 256;

/// Whether a character steers a terminal, a spreadsheet or the reader's eye instead of being seen.
///
/// These are the control characters (C0, DEL, C1), the bidirectional controls, which can make a line read as something else,
/// and characters of no width, with which two names can look the same.
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}')
}

/// The text on one line with everything that steers made visible, such as `\u{1b}`, and no longer than [`LONGEST`].
pub fn harmless(text: &str) -> String {
    shortened(text, LONGEST)
}

/// As [`harmless`], with another longest length, in characters of the result.
pub fn shortened(text: &str, longest: usize) -> String {
    let mut safe = String::with_capacity(text.len().min(longest * 4));
    let mut length = 0;
    for c in text.chars() {
        let shown: String = if steers(c) {
            c.escape_unicode().collect()
        } else {
            c.into()
        };
        let adds = shown.chars().count();
        if length + adds > longest {
            safe.push('…');
            break;
        }
        safe.push_str(&shown);
        length += adds;
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_becomes_visible() {
        assert_eq!(harmless("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(harmless("\u{202e}txt.exe"), "\\u{202e}txt.exe");
        assert_eq!(harmless("one\r\ntwo\0"), "one\\u{d}\\u{a}two\\u{0}");
        assert_eq!(harmless("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(harmless("本番 web-1 🦀"), "本番 web-1 🦀");
    }

    #[test]
    fn length_is_bounded_at_the_border() {
        assert_eq!(harmless(&"x".repeat(LONGEST)), "x".repeat(LONGEST));
        assert_eq!(harmless(&"x".repeat(LONGEST + 1)), "x".repeat(LONGEST) + "…");
        assert!(harmless(&"\u{1b}".repeat(10_240)).chars().count() <= LONGEST + 1);
    }
}
