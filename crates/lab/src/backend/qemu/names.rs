//! The names that a paravirtual guest knows its disks by, on a machine that has others.
//!
//! Xen shows the disk that is attached as `/dev/sdf` as `xvdf` (older kernels: `sdf`); the stand-in machine shows it as `vdb`. The
//! kernel's command line is translated, and udev gives the disks their old names beside the new: a rule is put into the
//! guest's initramfs, and copies itself to `/run`, where the guest's own udev finds it. Nothing is written to the disk. A
//! guest without an initramfs, or whose initramfs has no udev, finds its root only.

/// The command line for a machine that has `vda`, `vdb`, … for `disks` (`sda1`, `sdf`), and a serial line for Xen's console.
pub(super) fn command_line(cmdline: &str, disks: &[&str]) -> String {
    let mut words: Vec<String> = cmdline
        .split_whitespace()
        .map(|word| match word.split_once('=') {
            Some((key @ ("root" | "resume" | "rootdev"), device)) => match renamed(device, disks) {
                Some(name) => format!("{key}={name}"),
                None => word.to_owned(),
            },
            _ => word.to_owned(),
        })
        .collect();
    // The last console is the one that init talks to. Xen's network cards are called eth0 whatever udev would prefer.
    words.push("console=ttyS0,115200n8".to_owned());
    words.push("net.ifnames=0".to_owned());
    words.join(" ")
}

/// `/dev/xvda1` is all of the disk that is attached as `sda1`, and the first partition of the one attached as `sda`.
fn renamed(device: &str, disks: &[&str]) -> Option<String> {
    let wanted = letters(device.strip_prefix("/dev/")?)?;
    for (disk, letter) in disks.iter().zip('a'..='z') {
        let Some(attached) = letters(disk) else { continue };
        if attached == wanted {
            return Some(format!("/dev/vd{letter}"));
        }
        if attached.0 == wanted.0 && attached.1.is_empty() {
            return Some(format!("/dev/vd{letter}{}", wanted.1));
        }
    }
    None
}

/// `sda1` and `xvda1` are (`a`, `1`).
fn letters(name: &str) -> Option<(&str, &str)> {
    let rest = ["xvd", "sd", "hd"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))?;
    let digits = rest.find(|letter: char| letter.is_ascii_digit()).unwrap_or(rest.len());
    Some(rest.split_at(digits))
}

/// Where the rule is, in the initramfs.
const RULES: &str = "etc/udev/rules.d/99-comeback-lab.rules";

/// The rule, which names disks and copies itself while there is an initramfs to copy from.
fn rules(disks: &[&str]) -> String {
    let copy = format!(
        "RUN+=\"/bin/sh -c 'test ! -e /{RULES} || {{ mkdir -p /run/udev/rules.d; cat /{RULES} > /run/udev/rules.d/99-comeback-lab.rules; }}'\""
    );
    let mut text = String::new();
    for (disk, letter) in disks.iter().zip('a'..='z') {
        let Some((name, partition)) = letters(disk) else {
            continue;
        };
        let links = |number: &str| format!("SYMLINK+=\"xvd{name}{number} sd{name}{number}\"");
        text.push_str(&format!("KERNEL==\"vd{letter}\", {}, {copy}\n", links(partition)));
        if partition.is_empty() {
            text.push_str(&format!("KERNEL==\"vd{letter}[0-9]*\", {}\n", links("%n")));
        }
    }
    text
}

/// What is appended to an initramfs so that the guest's disks have their old names: an archive of its own, which the kernel
/// unpacks over what came before. `length` is that of the initramfs.
pub(super) fn addition(length: usize, disks: &[&str]) -> Vec<u8> {
    // Archives begin at multiples of four.
    let mut bytes = vec![0; length.next_multiple_of(4) - length];
    let start = bytes.len();
    let mut folder = String::new();
    for part in RULES.split('/').take(3) {
        folder.push_str(part);
        entry(&mut bytes, start, &folder, 0o040_755, b"");
        folder.push('/');
    }
    entry(&mut bytes, start, RULES, 0o100_644, rules(disks).as_bytes());
    entry(&mut bytes, start, "TRAILER!!!", 0, b"");
    bytes
}

/// One file of an archive in cpio's "newc" format (Linux, `Documentation/driver-api/early-userspace/buffer-format.rst`).
fn entry(bytes: &mut Vec<u8>, start: usize, name: &str, mode: u32, content: &[u8]) {
    // inode, mode, owner, group, links, time, size, device, its number, length of the name with its NUL, checksum
    let fields = [
        0,
        mode,
        0,
        0,
        1,
        0,
        content.len() as u32,
        0,
        0,
        0,
        0,
        name.len() as u32 + 1,
        0,
    ];
    bytes.extend_from_slice(b"070701");
    for field in fields {
        bytes.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(0);
    for part in [b"", content] {
        bytes.extend_from_slice(part);
        bytes.resize(start + (bytes.len() - start).next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use comeback_guest::initramfs::Initramfs;

    use super::*;

    #[test]
    fn names_on_the_stand_in_machine() {
        for (device, disks, expected) in [
            ("/dev/xvda1", &["sda1"][..], Some("/dev/vda")),
            ("/dev/sda1", &["sda1"], Some("/dev/vda")),
            ("/dev/xvda1", &["sda"], Some("/dev/vda1")),
            ("/dev/xvda1", &["xvda"], Some("/dev/vda1")),
            ("/dev/xvdf", &["sda1", "sdf"], Some("/dev/vdb")),
            ("/dev/xvdf2", &["sda1", "sdf"], Some("/dev/vdb2")),
            ("/dev/xvda2", &["sda1"], None),
            ("LABEL=cloudimg-rootfs", &["sda1"], None),
            ("UUID=0c2ab0b6", &["sda1"], None),
        ] {
            assert_eq!(renamed(device, disks).as_deref(), expected, "{device} of {disks:?}");
        }
    }

    #[test]
    fn the_command_line_gets_a_console_that_is_there() {
        assert_eq!(
            command_line("root=/dev/xvda1 ro console=hvc0", &["sda1"]),
            "root=/dev/vda ro console=hvc0 console=ttyS0,115200n8 net.ifnames=0"
        );
    }

    #[test]
    fn the_rule_names_disks_and_partitions() {
        let rules = rules(&["sda1", "sdf"]);
        let lines: Vec<_> = rules.lines().map(|line| line.split(", RUN").next().unwrap()).collect();
        assert_eq!(
            lines,
            [
                "KERNEL==\"vda\", SYMLINK+=\"xvda1 sda1\"",
                "KERNEL==\"vdb\", SYMLINK+=\"xvdf sdf\"",
                "KERNEL==\"vdb[0-9]*\", SYMLINK+=\"xvdf%n sdf%n\"",
            ]
        );
    }

    #[test]
    fn the_archive_is_a_segment_of_an_initramfs() {
        // A whole archive of seven bytes too many, as what comes before is of any length.
        let mut initramfs = addition(0, &["sda1"]);
        let before = Initramfs::read(initramfs.as_slice()).unwrap();
        assert_eq!((before.files, before.segments.len()), (4, 1));
        initramfs.extend([0; 3]);
        let more = addition(initramfs.len(), &["sda1", "sdf"]);
        initramfs.extend(more);
        assert_eq!(initramfs.len() % 4, 0);
        let both = Initramfs::read(initramfs.as_slice()).unwrap();
        assert_eq!(both.files, 8);
    }
}
