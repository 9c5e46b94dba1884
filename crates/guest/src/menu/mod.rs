//! Boot menus: what each boot loader would read, with the place of every value.

pub mod bls;
pub mod cfg;
pub mod device;
pub mod extlinux;
pub mod grubenv;
pub mod lst;
mod script;

/// The number of the entry that GRUB 2 takes for `wanted`, of entries given by id and title. `None` if there is none; a
/// number is returned even if no entry has it.
///
/// Source: GRUB 2 `grub-core/normal/menu.c`, `get_entry_number` and `menuentry_eq`: what begins with digits is a number
/// (`0x` and `0` as in C; what stands behind the digits is ignored), anything else is a title or an id. A `>` ends it,
/// `>>` is a `>`.
pub(crate) fn entry_number<'a>(
    wanted: &str,
    entries: impl Iterator<Item = (Option<&'a str>, &'a str)>,
) -> Option<usize> {
    let digits = wanted.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x', ..] => (16, &digits[2..]),
        [b'0', b'0'..=b'7', ..] => (8, digits),
        _ => (10, digits),
    };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    if end > 0 {
        return usize::from_str_radix(&digits[..end], radix).ok();
    }
    let (name, _) = split_menu_path(wanted);
    entries
        .enumerate()
        .find(|(_, (id, title))| *title == name || id.unwrap_or(title) == name)
        .map(|(number, _)| number)
}

/// How GRUB 2's `default` says the entry of this number, of entries with these titles: by its title, which outlives other
/// entries that come and go, or by its number where GRUB would read the title as a number or take another entry for it.
/// The reverse of the private `entry_number`, with the same source.
pub fn entry_name(number: usize, titles: &[&str]) -> String {
    let leads_back = |name: &String| entry_number(name, titles.iter().map(|title| (None, *title))) == Some(number);
    titles
        .get(number)
        // What is no UTF-8 was read as something else than stands there.
        .filter(|title| !title.contains(char::REPLACEMENT_CHARACTER))
        .map(|title| title.replace('>', ">>"))
        .filter(leads_back)
        .unwrap_or_else(|| number.to_string())
}

/// Splits `submenu>entry` at the first `>` that is not doubled; the first part has its doubled ones undone.
pub(crate) fn split_menu_path(wanted: &str) -> (String, Option<&str>) {
    let mut first = String::new();
    let mut rest = wanted.chars();
    while let Some(c) = rest.next() {
        if c == '>' {
            if !rest.as_str().starts_with('>') {
                return (first, Some(rest.as_str()));
            }
            rest.next();
        }
        first.push(c);
    }
    (first, None)
}

#[cfg(test)]
mod tests {
    use super::{entry_name, entry_number};

    #[test]
    fn an_entry_is_named_so_that_grub_finds_it() {
        let titles = [
            "Linux",
            "a > b",
            "Linux",
            "2.6.32",
            "",
            "4 of them",
            "Caf\u{fffd}",
            "0x1 y",
        ];
        let names: Vec<String> = (0..titles.len()).map(|number| entry_name(number, &titles)).collect();
        assert_eq!(names, ["Linux", "a >> b", "2", "3", "", "5", "6", "7"]);
        for (number, name) in names.iter().enumerate() {
            let found = entry_number(name, titles.iter().map(|title| (None, *title)));
            assert_eq!(found, Some(number), "{name}");
        }
        assert_eq!(entry_name(9, &titles), "9");
    }
}
