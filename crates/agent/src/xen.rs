//! Xen's numbers of virtual disks: by which name a disk was attached, whatever the kernel calls it.
//!
//! Source: xen-vbd-interface(7), "Concrete encoding in the VBD interface (in xenstore)".

/// The letters and the partition of a virtual disk's number: `f` for 51792, which is `/dev/sdf` or `/dev/xvdf`.
pub(crate) fn letters(number: u32) -> Option<String> {
    let (disk, partition) = match number >> 8 {
        // xvd and sd: 16 numbers a disk.
        202 | 8 => ((number & 0xff) >> 4, number & 0xf),
        // hd: 64 numbers a disk, two disks a controller.
        3 => ((number & 0xff) >> 6, number & 0x3f),
        22 => (((number & 0xff) >> 6) + 2, number & 0x3f),
        // xvd with large numbers.
        _ if number >> 28 == 1 => ((number & 0x0fff_ffff) >> 8, number & 0xff),
        _ => return None,
    };
    let mut name = String::new();
    let mut rest = disk;
    loop {
        name.insert(0, char::from(b'a' + (rest % 26) as u8));
        if rest < 26 {
            break;
        }
        rest = rest / 26 - 1;
    }
    if partition > 0 {
        name.push_str(&partition.to_string());
    }
    Some(name)
}

/// The same part of a name that a disk was attached by: `f` of `/dev/sdf`, `xvdf` and `/dev/xvdf`.
pub(crate) fn letters_of_name(name: &str) -> Option<&str> {
    let name = name.strip_prefix("/dev/").unwrap_or(name);
    let rest = ["xvd", "sd", "hd"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))?;
    let is_one = rest.starts_with(|c: char| c.is_ascii_lowercase())
        && rest.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    is_one.then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_kinds() {
        for (number, name) in [
            (51712, "a"),
            (51713, "a1"),
            (51792, "f"),
            (2048, "a"),
            (2049, "a1"),
            (2128, "f"),
            (768, "a"),
            (832, "b"),
            (5632, "c"),
            ((1 << 28) | (26 << 8), "aa"),
            ((1 << 28) | (53 << 8), "bb"),
            ((1 << 28) | (17 << 8) | 1, "r1"),
        ] {
            assert_eq!(letters(number).as_deref(), Some(name), "{number}");
        }
        assert_eq!(letters(7), None);
    }

    #[test]
    fn names_of_all_kinds() {
        for (name, part) in [
            ("/dev/sdf", "f"),
            ("xvdf", "f"),
            ("/dev/sda1", "a1"),
            ("/dev/xvdba", "ba"),
        ] {
            assert_eq!(letters_of_name(name), Some(part), "{name}");
        }
        for name in ["/dev/nvme1n1", "/dev/sd", "/dev/sd1", "sdF", ""] {
            assert_eq!(letters_of_name(name), None, "{name}");
        }
    }
}
