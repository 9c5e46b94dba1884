//! The menu of GRUB legacy (`menu.lst`, `grub.conf`), as PV-GRUB reads it.
//!
//! Source: GRUB 0.97 `stage2/stage2.c` (`get_line_from_config`, `cmain`), `stage2/cmdline.c`, `stage2/builtins.c`; Xen
//! `stubdom/grub.patches` and `stubdom/grub/mini-os.c` for what PV-GRUB changes.

mod reader;
#[cfg(test)]
mod tests;

use std::ops::Range;

use serde::Serialize;

use crate::cmdline::Cmdline;
use crate::menu::device::{Device, DevicePath};
use crate::menu::entry_number;
use crate::menu::grubenv::GrubEnv;
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
    /// What GRUB legacy takes, but GRUB 2's `legacy_configfile` does not.
    ///
    /// Source: GRUB 2 `grub-core/lib/getline.c` (lines are not joined), `grub-core/lib/legacy_parse.c` (the texts that
    /// `lock` and, in an entry, `password` become lack the end of a line and of an `if`).
    pub grub2_problems: Vec<Spanned<String>>,
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

/// Most numbers that `fallback` takes (`MAX_FALLBACK_ENTRIES` in `stage2/shared.h`).
const MOST_FALLBACKS: usize = 8;

impl Entry {
    /// The Linux kernel of the entry with its parameters: that of `kernel`, or under Xen that of the first `module`.
    pub fn linux(&self) -> Option<(&Spanned<DevicePath<Device>>, &Cmdline)> {
        match self.modules.first() {
            Some(module) => Some((&module.path, &module.cmdline)),
            None => self.kernel.as_ref().map(|kernel| (&kernel.path, &kernel.cmdline)),
        }
    }

    /// The initramfs of the entry: that of `initrd`, or under Xen the modules behind the kernel.
    pub fn initramfs(&self) -> Vec<&Spanned<DevicePath<Device>>> {
        let modules = self.modules.iter().skip(1).map(|module| &module.path);
        self.initrd.iter().chain(modules).collect()
    }
}

impl MenuLst {
    /// The entries that GRUB legacy tries, in that order, as positions in `entries`, when no default was saved.
    pub fn boot_order(&self) -> Vec<usize> {
        self.boot_order_saved(0)
    }

    /// The entries that GRUB legacy tries, in that order, as positions in `entries`; `saved` is the saved default (see
    /// [`saved_default`]).
    ///
    /// Source: GRUB 0.97 `stage2/stage2.c`, `cmain`: titles without a command that GRUB knows are not entries; fallbacks
    /// beyond the last entry are dropped; a default beyond the last entry becomes the first fallback, or 0.
    /// `run_menu`: when an entry fails, the next fallback is tried. Without one, GRUB waits for a key.
    pub fn boot_order_saved(&self, saved: usize) -> Vec<usize> {
        let counted: Vec<usize> = (0..self.entries.len()).filter(|&n| self.entries[n].counts).collect();
        let default = match &self.default {
            None => 0,
            Some(Spanned {
                value: DefaultEntry::Saved,
                ..
            }) => saved,
            Some(Spanned {
                value: DefaultEntry::Index(index),
                ..
            }) => *index,
        };
        let mut fallbacks: Vec<usize> = Vec::new();
        for &number in self.fallback.iter().flat_map(|fallback| &fallback.value) {
            if fallbacks.len() < MOST_FALLBACKS && !fallbacks.contains(&number) {
                fallbacks.push(number);
            }
        }
        fallbacks.retain(|number| *number < counted.len());
        let first = match fallbacks.first() {
            _ if default < counted.len() => default,
            Some(fallback) => *fallback,
            None => 0,
        };
        let mut order = vec![first];
        // What failed once fails again.
        order.extend(fallbacks.into_iter().filter(|&number| number != first));
        order
            .into_iter()
            .filter_map(|number| counted.get(number).copied())
            .collect()
    }

    /// The entry that GRUB 2 takes when it reads this file by `legacy_configfile`, as a position in `entries`.
    ///
    /// Source: GRUB 2 `grub-core/lib/legacy_parse.c` (`default` becomes `set default='…'`; of `saved` it takes
    /// `saved_entry` from the environment block, which is empty without one), `grub-core/commands/legacycfg.c`,
    /// `legacy_file` (every title is an entry, also one without commands), `grub-core/normal/menu.c`,
    /// `get_entry_number` (see [`crate::menu::entry_number`]) and `run_menu` (a default that is no entry becomes 0, not
    /// the fallback).
    pub fn grub2_default(&self, environment: Option<&GrubEnv>) -> Option<usize> {
        let wanted = match &self.default {
            None => String::new(),
            Some(Spanned {
                value: DefaultEntry::Saved,
                ..
            }) => environment
                .and_then(|env| env.get("saved_entry"))
                .unwrap_or_default()
                .to_owned(),
            Some(Spanned {
                value: DefaultEntry::Index(index),
                ..
            }) => index.to_string(),
        };
        self.grub2_entry(&wanted)
    }

    /// The entry that GRUB 2 takes of this file for `wanted`, what its `default` says, as a position in `entries`. What is no entry
    /// becomes the first; `None` if there is none at all.
    ///
    /// Source: as [`grub2_default`](Self::grub2_default).
    pub fn grub2_entry(&self, wanted: &str) -> Option<usize> {
        let titles = self.entries.iter().map(|entry| (None, entry.title.value.as_str()));
        let number = entry_number(wanted, titles).filter(|number| *number < self.entries.len());
        (!self.entries.is_empty()).then(|| number.unwrap_or(0))
    }
}

/// The number in the file `default` beside the menu, which `savedefault` writes: that of the entry to boot, or 0.
///
/// Source: GRUB 0.97 `stage2/stage2.c`, `cmain`, with Xen's `stubdom/grub.patches/30savedefault.diff`: of the first nine
/// bytes, what stands behind `:` if there is one (the entry for the next boot only), otherwise all.
pub fn saved_default(content: &[u8]) -> usize {
    let head = &content[..content.len().min(9)];
    let head = head.iter().position(|&b| b == b':').map_or(head, |n| &head[n + 1..]);
    reader::number(head).map_or(0, |(number, _)| number)
}
