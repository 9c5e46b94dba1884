//! Devices and paths as GRUB writes them: `(hd0,0)/boot/vmlinuz`.

use std::fmt;

use serde::Serialize;

use crate::text::Spanned;

/// A device of GRUB legacy, without its parentheses.
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
    /// Anything else: `hd0,a`, `hd0,0,a`, `fd0`, `cd`, `nd`, a UUID.
    Other(String),
}

impl Device {
    /// Parses what stands between the parentheses.
    pub fn parse(text: &str) -> Self {
        let number = |digits: &str| -> Option<u32> {
            (digits.bytes().all(|b| b.is_ascii_digit()))
                .then(|| digits.parse().ok())
                .flatten()
        };
        let known = text.strip_prefix("hd").and_then(|rest| match rest.split_once(',') {
            None => number(rest).map(Device::Disk),
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
            Device::Other(text) => write!(f, "({text})"),
        }
    }
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
    /// Splits a word into device and path; `device` reads what stands between the parentheses.
    pub(crate) fn split(word: &Spanned<String>, device: impl FnOnce(&str) -> D) -> Spanned<Self> {
        let text = word.value.as_str();
        let inside = text
            .strip_prefix('(')
            .and_then(|rest| rest.find(')').map(|end| (&rest[..end], end + 2)));
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
