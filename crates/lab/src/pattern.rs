//! Patterns with `*` (anything) and `?` (one character), as filters, policies and faults use them.

/// Whether `text` fits `pattern` as a whole.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut from) = (0, 0);
    // Where the last star was, and up to where it has swallowed text.
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(&character) if character == '?' || character == text[from] => {
                at += 1;
                from += 1;
            }
            _ => match star {
                Some((position, swallowed)) => {
                    star = Some((position, swallowed + 1));
                    at = position + 1;
                    from = swallowed + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&character| character == '*')
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("Describe*", "DescribeVolumes", true),
            ("Describe*", "AttachVolume", false),
            ("pv-grub-*.gz", "pv-grub-hd0_1.03-x86_64.gz", true),
            ("pv-grub-*_1.0?-*", "pv-grub-hd0_1.03-x86_64.gz", true),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("?", "", false),
            ("vol-1", "vol-12", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }
}
