//! Entries of the Boot Loader Specification: `/boot/loader/entries/*.conf`.
//!
//! Source: the UAPI group's Boot Loader Specification; Fedora's GRUB `grub-core/commands/blscfg.c` for the order.

use std::cmp::Ordering;

use serde::Serialize;

use crate::cmdline::Cmdline;
use crate::limit::{Budget, LINE};
use crate::text::{Spanned, lines};

/// One entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BlsEntry {
    /// `title`
    pub title: Option<Spanned<String>>,
    /// `version`
    pub version: Option<Spanned<String>>,
    /// `id`: Fedora and RHEL write it, GRUB goes by the name of the file.
    pub id: Option<Spanned<String>>,
    /// `linux`
    pub linux: Option<Spanned<String>>,
    /// `initrd`, all of them; GRUB variables as they stand there.
    pub initrd: Vec<Spanned<String>>,
    /// `options`: one for each line. GRUB variables (`$kernelopts`) as they stand there.
    pub options: Vec<Cmdline>,
    /// `grub_class`, `grub_users`, … with all that stands behind the key.
    pub other: Vec<(String, Spanned<String>)>,
    /// What was not understood.
    pub problems: Vec<Spanned<String>>,
}

impl BlsEntry {
    /// Parses one file.
    pub fn parse(content: &[u8]) -> Self {
        let mut entry = BlsEntry::default();
        let mut budget = Budget::new();
        for line in lines(content) {
            let text = line.bytes.trim_ascii_start();
            if text.is_empty() || text[0] == b'#' {
                continue;
            }
            let problem = |text: &str| Spanned {
                value: text.to_owned(),
                span: line.span(),
                line: line.number,
            };
            if line.bytes.len() > LINE || !budget.take_line(text) {
                entry
                    .problems
                    .push(problem("too many lines, or one too long: the rest is not read"));
                break;
            }
            let key_at = line.bytes.len() - text.len();
            let key_len = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
            let rest = &text[key_len..];
            let value_at = key_at + key_len + (rest.len() - rest.trim_ascii_start().len());
            let value = line.bytes[value_at..].trim_ascii_end();
            let start = line.start + value_at;
            let spanned = Spanned {
                value: String::from_utf8_lossy(value).into_owned(),
                span: start..start + value.len(),
                line: line.number,
            };
            match &text[..key_len] {
                b"title" => entry.title = Some(spanned),
                b"version" => entry.version = Some(spanned),
                b"id" => entry.id = Some(spanned),
                b"linux" => entry.linux = Some(spanned),
                b"initrd" => {
                    let words = line.words().into_iter().skip(1);
                    entry.initrd.extend(words);
                }
                b"options" => entry.options.push(Cmdline::parse(value, start, line.number)),
                key => entry.other.push((String::from_utf8_lossy(key).into_owned(), spanned)),
            }
        }
        entry
    }
}

/// Of entries given by id (the name of the file without `.conf`) and title, the one that Fedora's GRUB takes for `wanted`:
/// by id, by title, or by its number in the menu, which shows the newest first; otherwise the newest.
///
/// Source: Fedora's GRUB `grub-core/normal/menu.c`, `get_entry_number_helper`. Entries of `grub.cfg` itself would be counted
/// too; they stand before or behind these, as the `blscfg` command does.
pub fn selected(entries: &[(&str, &str)], wanted: &str) -> Option<usize> {
    let by_name = entries.iter().position(|(id, _)| *id == wanted);
    if let Some(found) = by_name.or_else(|| entries.iter().position(|(_, title)| *title == wanted)) {
        return Some(found);
    }
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by(|&a, &b| compare_ids(entries[b].0, entries[a].0));
    let number = wanted.trim().parse::<usize>().ok();
    number.and_then(|n| order.get(n)).or_else(|| order.first()).copied()
}

/// Compares two ids as Fedora's GRUB does: name, version, release, separated by the last two hyphens, each as rpm compares
/// versions. The greater one is the newer.
pub fn compare_ids(a: &str, b: &str) -> Ordering {
    fn split(id: &str) -> (&str, &str, &str) {
        let Some((rest, release)) = id.rsplit_once('-') else {
            return (id, "", "");
        };
        match rest.rsplit_once('-') {
            Some((name, version)) => (name, version, release),
            None => (rest, release, ""),
        }
    }
    let (a, b) = (split(a), split(b));
    compare_versions(a.0, b.0)
        .then_with(|| compare_versions(a.1, b.1))
        .then_with(|| compare_versions(a.2, b.2))
}

/// Compares two versions as rpm does (`rpmvercmp`), with `~` before and `+` behind everything else.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let skip = |s: &[u8]| {
            s.iter()
                .take_while(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'~' | b'+'))
                .count()
        };
        a = &a[skip(a)..];
        b = &b[skip(b)..];
        match (a.first(), b.first()) {
            (Some(b'~'), Some(b'~')) | (Some(b'+'), Some(b'+')) => {
                (a, b) = (&a[1..], &b[1..]);
                continue;
            }
            (Some(b'~'), _) => return Ordering::Less,
            (_, Some(b'~')) => return Ordering::Greater,
            (None, Some(b'+')) => return Ordering::Less,
            (Some(b'+'), None) => return Ordering::Greater,
            (Some(b'+'), _) => return Ordering::Less,
            (_, Some(b'+')) => return Ordering::Greater,
            (None, None) => return Ordering::Equal,
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() != y.is_ascii_digit() => {
                // A number is newer than letters.
                return x.is_ascii_digit().cmp(&y.is_ascii_digit());
            }
            (Some(x), Some(_)) => {
                let numeric = x.is_ascii_digit();
                let segment = |s: &[u8]| {
                    s.iter()
                        .take_while(|b| {
                            if numeric {
                                b.is_ascii_digit()
                            } else {
                                b.is_ascii_alphabetic()
                            }
                        })
                        .count()
                };
                let (one, rest_a) = a.split_at(segment(a));
                let (two, rest_b) = b.split_at(segment(b));
                let zeros = |s: &[u8]| {
                    if numeric {
                        s.iter().take_while(|b| **b == b'0').count()
                    } else {
                        0
                    }
                };
                let (one, two) = (&one[zeros(one)..], &two[zeros(two)..]);
                let length = if numeric {
                    one.len().cmp(&two.len())
                } else {
                    Ordering::Equal
                };
                match length.then_with(|| one.cmp(two)) {
                    Ordering::Equal => (a, b) = (rest_a, rest_b),
                    order => return order,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RHEL_8: &str = "title Red Hat Enterprise Linux (4.18.0-80.el8.x86_64) 8.0 (Ootpa)\n\
        version 4.18.0-80.el8.x86_64\n\
        linux /boot/vmlinuz-4.18.0-80.el8.x86_64\n\
        initrd /boot/initramfs-4.18.0-80.el8.x86_64.img $tuned_initrd\n\
        options $kernelopts root=UUID=1 ro $tuned_params\n\
        # comment\n\
        id rhel-20190313123447-4.18.0-80.el8.x86_64\n\
        grub_users $grub_users\n\
        grub_arg --unrestricted\n\
        grub_class kernel\n";

    #[test]
    fn an_entry_of_rhel_8() {
        let entry = BlsEntry::parse(RHEL_8.as_bytes());
        let linux = entry.linux.unwrap();
        assert_eq!(linux.value, "/boot/vmlinuz-4.18.0-80.el8.x86_64");
        assert_eq!(RHEL_8[linux.span], linux.value);
        assert_eq!(entry.initrd.len(), 2);
        assert_eq!(entry.version.unwrap().value, "4.18.0-80.el8.x86_64");
        let root = entry.options[0].last("root").unwrap();
        assert_eq!(
            (root.value, &RHEL_8[root.span.clone()], root.line),
            ("UUID=1", "root=UUID=1", 5)
        );
        assert_eq!(entry.other.len(), 3);
        assert_eq!(entry.id.unwrap().value, "rhel-20190313123447-4.18.0-80.el8.x86_64");
    }

    #[test]
    fn the_newest_stands_first() {
        let old = ("abc-4.18.0-80.el8.x86_64", "RHEL (4.18.0-80)");
        let new = ("abc-4.18.0-147.3.1.el8_1.x86_64", "RHEL (4.18.0-147)");
        let rescue = ("abc-0-rescue", "RHEL (0-rescue)");
        let entries = [old, rescue, new];
        assert_eq!(selected(&entries, ""), Some(2));
        assert_eq!(selected(&entries, "1"), Some(0));
        assert_eq!(selected(&entries, rescue.0), Some(1));
        assert_eq!(selected(&entries, old.1), Some(0));
        assert_eq!(selected(&[], "0"), None);
    }

    #[test]
    fn versions_as_rpm_compares_them() {
        let table = [
            ("1.0", "1.0", Ordering::Equal),
            ("1.10", "1.9", Ordering::Greater),
            ("1.0~rc1", "1.0", Ordering::Less),
            ("1.0+1", "1.0", Ordering::Greater),
            ("1.0+1", "1.0.1", Ordering::Less),
            ("1.0a", "1.0", Ordering::Greater),
            ("el7", "7", Ordering::Less),
            ("010", "10", Ordering::Equal),
            ("99999999999999999999999", "1", Ordering::Greater),
        ];
        for (a, b, expected) in table {
            assert_eq!(compare_versions(a, b), expected, "{a} {b}");
            assert_eq!(compare_versions(b, a), expected.reverse(), "{b} {a}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(content in proptest::collection::vec(any::<u8>(), 0..300)) {
            let entry = BlsEntry::parse(&content);
            prop_assert!(entry.title.iter().all(|t| String::from_utf8_lossy(&content[t.span.clone()]) == t.value));
        }

        #[test]
        fn order_holds_both_ways(a in "[-a-c0-2.~+_]{0,12}", b in "[-a-c0-2.~+_]{0,12}") {
            prop_assert_eq!(compare_ids(&a, &b), compare_ids(&b, &a).reverse());
        }
    }
}
