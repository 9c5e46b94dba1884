//! The script of GRUB 2 (`grub.cfg`), read without running it.
//!
//! Source: GRUB 2 `grub-core/script/yylex.l`, `grub-core/commands/menuentry.c`, `grub-core/normal/menu.c`, and the files that
//! `grub-mkconfig` writes.

mod reader;
#[cfg(test)]
mod tests;

use std::ops::Range;

use serde::Serialize;

use crate::cmdline::Cmdline;
use crate::menu::device::DevicePath;
use crate::menu::grubenv::GrubEnv;
use crate::menu::{entry_number, split_menu_path};
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

impl GrubCfg {
    /// What GRUB is told to boot: `next_entry` or `saved_entry` of the environment block, or the `default` that stands in
    /// the file. A title, an id, a number, or several of them with `>` between; empty for the first entry.
    pub fn wanted(&self, environment: Option<&GrubEnv>) -> String {
        let variable = |name: &str| environment.and_then(|env| env.get(name)).unwrap_or_default();
        let next = variable("next_entry");
        if self.uses_next_entry && !next.is_empty() {
            return next.to_owned();
        }
        let default = self.default.as_ref().map_or("", |default| default.value.as_str());
        default
            .replace("${saved_entry}", variable("saved_entry"))
            .replace("$saved_entry", variable("saved_entry"))
    }

    /// The entry that would boot, as a position in `entries`. Conditions are taken as true. `None` if there is no entry,
    /// or if the choice falls on an entry that is not in this file: with `blscfg`, when what is wanted is neither the
    /// title nor the id of an entry, see [`crate::menu::bls::selected`].
    ///
    /// Source: GRUB 2 `grub-core/normal/menu.c`: `get_entry_number`; `run_menu`: what is no entry becomes the first;
    /// `grub_menu_execute_entry`: in a submenu what stands behind `>` is wanted, or the same again if nothing does.
    pub fn selected(&self, environment: Option<&GrubEnv>) -> Option<usize> {
        let mut wanted = self.wanted(environment);
        if self.blscfg.is_some() {
            let named = |entry: &&CfgEntry| {
                entry.title.value == wanted || entry.id.as_ref().is_some_and(|id| id.value == wanted)
            };
            let found = self.entries.iter().find(named)?;
            return self.entries.iter().position(|entry| entry == found);
        }
        let mut prefix: &[usize] = &[];
        loop {
            let here = |path: &[usize]| path.len() == prefix.len() + 1 && path.starts_with(prefix);
            let mut items: Vec<Item<'_>> = Vec::new();
            items.extend(
                self.entries
                    .iter()
                    .enumerate()
                    .filter(|(_, e)| here(&e.path))
                    .map(|(n, e)| Item {
                        path: &e.path,
                        id: e.id.as_ref(),
                        title: &e.title,
                        entry: Some(n),
                    }),
            );
            items.extend(self.submenus.iter().filter(|s| here(&s.path)).map(|s| Item {
                path: &s.path,
                id: s.id.as_ref(),
                title: &s.title,
                entry: None,
            }));
            items.sort_by_key(|item| item.path.last().copied());
            let names = items
                .iter()
                .map(|item| (item.id.map(|id| id.value.as_str()), item.title.value.as_str()));
            let number = entry_number(&wanted, names).unwrap_or(0);
            let item = items.get(number).or_else(|| items.first())?;
            if item.entry.is_some() {
                return item.entry;
            }
            prefix = item.path;
            if let (_, Some(rest)) = split_menu_path(&wanted)
                && !rest.is_empty()
            {
                wanted = rest.to_owned();
            }
        }
    }
}

/// An entry or a submenu of one menu.
struct Item<'a> {
    path: &'a [usize],
    id: Option<&'a Spanned<String>>,
    title: &'a Spanned<String>,
    entry: Option<usize>,
}
