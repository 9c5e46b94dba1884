//! Devices and paths as GRUB writes them: `(hd0,0)/boot/vmlinuz`.

use std::fmt;

use serde::Serialize;

use crate::text::Spanned;

/// A device of GRUB legacy. Its text form is what stood there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Device {
    /// `(hd0)`: a whole disk, from 0.
    Disk(u32),
    /// `(hd0,0)`: a partition. GRUB legacy counts both from 0.
    Partition {
        /// The disk, from 0.
        disk: u32,
        /// The partition, from 0; logical partitions from 4.
        partition: u32,
    },
    /// Anything else, as it stands there: `(hd0,a)`, `(hd0,0,a)`, `(fd0)`, `(nd)`, or text without parentheses, which
    /// GRUB does not take.
    Other(String),
}

impl Device {
    /// Parses a device with its parentheses.
    pub fn parse(text: &str) -> Self {
        let number = |digits: &str| -> Option<u32> {
            let plain = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
            plain.then(|| digits.parse().ok()).flatten()
        };
        let inside = text.strip_prefix("(hd").and_then(|rest| rest.strip_suffix(')'));
        let known = inside.and_then(|inside| match inside.split_once(',') {
            None => number(inside).map(Device::Disk),
            Some((disk, partition)) => Some(Device::Partition {
                disk: number(disk)?,
                partition: number(partition)?,
            }),
        });
        known.unwrap_or_else(|| Device::Other(text.to_owned()))
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Disk(disk) => write!(f, "(hd{disk})"),
            Device::Partition { disk, partition } => write!(f, "(hd{disk},{partition})"),
            Device::Other(text) => f.write_str(text),
        }
    }
}

/// A device of GRUB 2: without parentheses, otherwise as it stands there (`hd0,msdos1`, `$root`).
pub(crate) fn grub2_device(text: &str) -> String {
    text.trim_start_matches('(').trim_end_matches(')').to_owned()
}

/// A path with the device it may begin with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DevicePath<D> {
    /// The device, its span with the parentheses.
    pub device: Option<Spanned<D>>,
    /// The path behind it. GRUB takes it from the root of that device, or of the current root.
    pub path: Spanned<String>,
}

impl<D> DevicePath<D> {
    /// Splits a word into device and path; `device` reads the device with its parentheses.
    pub(crate) fn split(word: &Spanned<String>, device: impl FnOnce(&str) -> D) -> Spanned<Self> {
        let text = word.value.as_str();
        let inside = text
            .strip_prefix('(')
            .and_then(|rest| rest.find(')').map(|end| (&text[..end + 2], end + 2)));
        let (device, path_at) = match inside {
            // Text that was not UTF-8, or held quotes, has another length than its bytes: there the device's own place
            // cannot be told, and it is left in the path.
            Some((name, end)) if word.span.len() == text.len() => (
                Some(Spanned {
                    value: device(name),
                    span: word.span.start..word.span.start + end,
                    line: word.line,
                }),
                end,
            ),
            _ => (None, 0),
        };
        let path = Spanned {
            value: text[path_at..].to_owned(),
            span: word.span.start + path_at..word.span.end,
            line: word.line,
        };
        Spanned {
            value: DevicePath { device, path },
            span: word.span.clone(),
            line: word.line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_survive_reading_and_writing() {
        let table = [
            ("(hd0)", Device::Disk(0)),
            ("(hd1,2)", Device::Partition { disk: 1, partition: 2 }),
            ("(hd00)", Device::Other("(hd00)".into())),
            ("(hd0,0,a)", Device::Other("(hd0,0,a)".into())),
            ("(hd0,)", Device::Other("(hd0,)".into())),
            ("(hd99999999999)", Device::Other("(hd99999999999)".into())),
            ("hd0", Device::Other("hd0".into())),
            ("", Device::Other(String::new())),
        ];
        for (text, device) in table {
            assert_eq!(Device::parse(text), device, "{text}");
            assert_eq!(device.to_string(), text);
        }
    }

    #[test]
    fn paths_with_and_without_device() {
        let split = |text: &str| {
            let word = Spanned {
                value: text.to_owned(),
                span: 10..10 + text.len(),
                line: 1,
            };
            let path = DevicePath::split(&word, Device::parse).value;
            (path.device.map(|d| (d.value, d.span)), path.path.value, path.path.span)
        };
        assert_eq!(split("(hd0)/a"), (Some((Device::Disk(0), 10..15)), "/a".into(), 15..17));
        assert_eq!(split("/a"), (None, "/a".into(), 10..12));
        assert_eq!(split("(hd0/a"), (None, "(hd0/a".into(), 10..16));
    }
}
