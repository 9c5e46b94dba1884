//! The script of GRUB 2 (`grub.cfg`), read without running it.

use std::ops::Range;

use serde::Serialize;

use crate::cmdline::Cmdline;
use crate::menu::device::DevicePath;
use crate::text::Spanned;

/// A whole `grub.cfg`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GrubCfg {
    /// The last `set default=` that is not for the next boot only; the span is that of the value within its quotes.
    pub default: Option<Spanned<String>>,
    /// Whether `default` takes `saved_entry` from the environment block.
    pub uses_saved_entry: bool,
    /// Whether `next_entry` of the environment block is booted once.
    pub uses_next_entry: bool,
    /// The last `set timeout=`, in seconds.
    pub timeout: Option<Spanned<i64>>,
    /// `set fallback=`.
    pub fallback: Option<Spanned<String>>,
    /// All entries of all menus, in the order in which they stand.
    pub entries: Vec<CfgEntry>,
    /// All submenus, in the order in which they stand.
    pub submenus: Vec<Submenu>,
    /// `search` outside of entries.
    pub searches: Vec<Search>,
    /// The `blscfg` command, which adds the entries of `/boot/loader/entries`.
    pub blscfg: Option<Spanned<String>>,
    /// Other files that it reads.
    pub sources: Vec<Source>,
    /// Whole commands `serial …`, `terminal_input …`, `terminal_output …`, `terminal …`.
    pub console: Vec<Spanned<String>>,
    /// Whether `grub-mkconfig` wrote it.
    pub generated: bool,
    /// The parts that `grub-mkconfig` marked with the script that they come from.
    pub sections: Vec<Section>,
    /// What was not understood.
    pub problems: Vec<Spanned<String>>,
}

/// One `menuentry`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CfgEntry {
    /// The title, without quotes.
    pub title: Spanned<String>,
    /// `--id` or `$menuentry_id_option`.
    pub id: Option<Spanned<String>>,
    /// Its number in its menu, behind the numbers of the submenus that it stands in; from 0.
    pub path: Vec<usize>,
    /// Whether it stands within `if`, a loop or a function.
    pub conditional: bool,
    /// From `menuentry` to the closing brace.
    #[serde(skip)]
    pub span: Range<usize>,
    /// The lines of `span`, from 1; the end is the first line behind it.
    pub lines: Range<usize>,
    /// `linux`, `linux16`, `linuxefi`.
    pub linux: Option<Linux>,
    /// `initrd`, `initrd16`, `initrdefi`: all files.
    pub initrd: Vec<Spanned<DevicePath<String>>>,
    /// `multiboot`, `multiboot2`: Xen.
    pub multiboot: Option<Linux>,
    /// `module`, `module2`: under Xen the Linux kernel and its initramfs.
    pub modules: Vec<Linux>,
    /// `search`.
    pub searches: Vec<Search>,
    /// The first `set root=`; the span is that of the value within its quotes.
    pub set_root: Option<Spanned<String>>,
    /// `insmod`.
    pub insmods: Vec<Spanned<String>>,
    /// `chainloader`, `configfile` and others that load something else: whole commands.
    pub other: Vec<Spanned<String>>,
}

/// One `submenu`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Submenu {
    /// The title, without quotes.
    pub title: Spanned<String>,
    /// `--id` or `$menuentry_id_option`.
    pub id: Option<Spanned<String>>,
    /// Its number in its menu, behind the numbers of the submenus that it stands in; from 0.
    pub path: Vec<usize>,
    /// Whether it stands within `if`, a loop or a function.
    pub conditional: bool,
}

/// A command that loads a file with parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Linux {
    /// The command.
    pub command: Spanned<String>,
    /// The file.
    pub path: Spanned<DevicePath<String>>,
    /// What stands behind it.
    pub cmdline: Cmdline,
}

/// What `search` looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SearchKind {
    /// `--fs-uuid`
    FsUuid,
    /// `--label`
    Label,
    /// `--file`
    File,
}

/// A `search` command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Search {
    /// What it looks for.
    pub kind: SearchKind,
    /// Its UUID, label or path.
    pub value: Spanned<String>,
}

/// A command that reads another file: `source`, `configfile`, `legacy_configfile`, …
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The command.
    pub command: String,
    /// The file, with variables as they stand there.
    pub path: Spanned<String>,
    /// Whether it stands within `if`, a loop or a function.
    pub conditional: bool,
}

/// What one script of `/etc/grub.d` wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// `/etc/grub.d/10_linux`
    pub script: Spanned<String>,
    /// From the line of `### BEGIN` to the end of that of `### END`, or of the file.
    #[serde(skip)]
    pub span: Range<usize>,
}
