//! The menu of GRUB legacy (`menu.lst`, `grub.conf`), as PV-GRUB reads it.

use std::ops::Range;

use serde::Serialize;

use crate::cmdline::Cmdline;
use crate::menu::device::{Device, DevicePath};
use crate::text::Spanned;

/// What `default` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DefaultEntry {
    /// The entry with this number, from 0.
    Index(usize),
    /// The entry whose number stands in the file `default` beside the menu.
    Saved,
}

/// A `password` line. The password itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Password {
    /// Whether it stands there as a hash (`--md5`, `--encrypted`).
    pub hashed: bool,
}

/// A whole menu.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MenuLst {
    /// `default`; the span is that of the number or of `saved`.
    pub default: Option<Spanned<DefaultEntry>>,
    /// `fallback`, as it stands there; the span is that of all numbers.
    pub fallback: Option<Spanned<Vec<usize>>>,
    /// `timeout` in seconds; the span is that of the number.
    pub timeout: Option<Spanned<i64>>,
    /// The `hiddenmenu` line.
    pub hidden_menu: Option<Spanned<String>>,
    /// The first `password` line before the entries.
    pub password: Option<Spanned<Password>>,
    /// Whole lines `serial …` and `terminal …`.
    pub console: Vec<Spanned<String>>,
    /// Whole lines before the entries that are none of the above.
    pub other: Vec<Spanned<String>>,
    /// All titles, in the order in which they stand.
    pub entries: Vec<Entry>,
    /// What `update-grub` writes new entries from.
    pub templates: Vec<Template>,
    /// The comments that bound the part which `update-grub` writes.
    pub automagic: Automagic,
    /// What was not understood.
    pub problems: Vec<Spanned<String>>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What stands behind `title`.
    pub title: Spanned<String>,
    /// From the start of the title line to the end of the last command.
    #[serde(skip)]
    pub span: Range<usize>,
    /// The lines of `span`, from 1; the end is the first line behind it.
    pub lines: Range<usize>,
    /// `root` or `rootnoverify`; the span is that of the device with its parentheses.
    pub root: Option<Spanned<Device>>,
    /// `uuid`, which Debian's and Ubuntu's GRUB legacy have in place of `root`. Stock PV-GRUB skips it.
    pub uuid: Option<Spanned<String>>,
    /// `kernel`.
    pub kernel: Option<Kernel>,
    /// `module` and `modulenounzip`: under Xen the Linux kernel and its initramfs.
    pub modules: Vec<Module>,
    /// `initrd`.
    pub initrd: Vec<Spanned<DevicePath<Device>>>,
    /// The `savedefault` line.
    pub savedefault: Option<Spanned<String>>,
    /// The `lock` line.
    pub lock: Option<Spanned<String>>,
    /// A `password` line of the entry.
    pub password: Option<Spanned<Password>>,
    /// `chainloader`, without the command.
    pub chainloader: Option<Spanned<String>>,
    /// Whole lines that are none of the above, or that a later line of the same kind replaces.
    pub other: Vec<Spanned<String>>,
    /// Whether GRUB legacy takes it for an entry and counts it.
    pub counts: bool,
}

/// A `kernel` line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kernel {
    /// `--type=…`, `--no-mem-option`.
    pub options: Vec<Spanned<String>>,
    /// The file.
    pub path: Spanned<DevicePath<Device>>,
    /// What stands behind it.
    pub cmdline: Cmdline,
}

/// A `module` line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Module {
    /// The file.
    pub path: Spanned<DevicePath<Device>>,
    /// What stands behind it.
    pub cmdline: Cmdline,
}

/// A comment `# name=value` that Debian's and Ubuntu's `update-grub` read their settings from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Template {
    /// `kopt`, `groot`, `defoptions`, …
    pub name: Spanned<String>,
    /// All that stands behind `=`.
    pub value: Spanned<String>,
    /// The same as parameters.
    pub cmdline: Cmdline,
}

/// The comments that bound the part of the menu which `update-grub` writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Automagic {
    /// `### BEGIN AUTOMAGIC KERNELS LIST`
    pub begin: Option<Spanned<String>>,
    /// `## ## Start Default Options ##`
    pub options_start: Option<Spanned<String>>,
    /// `## ## End Default Options ##`
    pub options_end: Option<Spanned<String>>,
    /// `### END DEBIAN AUTOMAGIC KERNELS LIST`
    pub end: Option<Spanned<String>>,
}
