//! What a boot loader would start: one entry of one menu, whatever the menu's language.

use std::ops::Range;

use comeback_disk::tree::FileTree;
use serde::Serialize;

use crate::cmdline::Cmdline;
use crate::menu::cfg::{GrubCfg, SearchKind};
use crate::menu::device::Device;
use crate::menu::grubenv::GrubEnv;
use crate::menu::lst::{self, DefaultEntry, MenuLst};
use crate::text::Spanned;

/// A menu with the file it stands in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MenuFile<T> {
    /// The path by which boot loaders look for it.
    pub path: String,
    /// The path with all links resolved: what has to be edited.
    pub canonical: String,
    /// Where the link at `path` points to, if it is one.
    pub link: Option<String>,
    /// Last change, seconds since 1970.
    pub mtime: i64,
    /// What is in it.
    pub menu: T,
}

/// All menus of a guest.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Menus {
    /// `/boot/grub/menu.lst`, which PV-GRUB reads.
    pub lst: Option<MenuFile<MenuLst>>,
    /// `/boot/grub/grub.conf` where it is a file of its own, which GRUB legacy of the Red Hat family reads.
    pub conf: Option<MenuFile<MenuLst>>,
    /// `/boot/grub/grub.cfg` or `/boot/grub2/grub.cfg`.
    pub cfg: Option<MenuFile<GrubCfg>>,
    /// `grubenv` beside `grub.cfg`.
    pub env: Option<GrubEnv>,
    /// The entry that `/boot/grub/default` has saved for `default saved`, by its number in menu.lst.
    pub saved: usize,
    /// `/boot/comeback/grub.cfg`, which comeback's GRUB reads first.
    pub own: Option<MenuFile<GrubCfg>>,
    /// Whether `/boot/grub/menu.lst` is found under that path on the file system of `/boot`, too: always, but for a `/boot`
    /// of its own without the link `boot -> .`.
    pub lst_under_boot: bool,
    /// Menus that are there and cannot be read, with the reason.
    pub unreadable: Vec<(String, String)>,
}

/// A file that an entry names.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NamedFile {
    /// As it is written.
    pub written: Spanned<String>,
    /// Path within the guest.
    pub path: String,
    /// Whether it is there.
    pub exists: bool,
}

/// An entry, in terms that all menus share.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BootEntry {
    /// Canonical path of the menu.
    pub menu: String,
    /// Number of the entry, from 0.
    pub index: usize,
    /// Its title.
    pub title: Spanned<String>,
    /// The bytes of the whole entry.
    #[serde(skip)]
    pub span: Range<usize>,
    /// `root (hd0)`, in menus of GRUB legacy.
    pub root_device: Option<Spanned<Device>>,
    /// The file system that `uuid` or `search --fs-uuid` names.
    pub uuid: Option<Spanned<String>>,
    /// The kernel, or the hypervisor where there are modules.
    pub kernel: Option<NamedFile>,
    /// The initramfs files.
    pub initrds: Vec<NamedFile>,
    /// The kernel's command line.
    pub cmdline: Cmdline,
    /// Whether it starts a hypervisor that starts the kernel: nothing that a guest on EC2 could use.
    pub hypervisor: bool,
}

impl BootEntry {
    /// The files that it names and that are not there.
    pub fn missing(&self) -> impl Iterator<Item = &NamedFile> {
        self.kernel.iter().chain(&self.initrds).filter(|file| !file.exists)
    }

    /// Whether it can be started as far as its files go.
    pub fn is_complete(&self) -> bool {
        self.kernel.is_some() && !self.hypervisor && self.missing().next().is_none()
    }
}

/// The path within the guest for a path of a boot loader. On a `/boot` of its own, boot loaders see that file system's root.
fn guest_path(path: &str, separate_boot: bool) -> String {
    if separate_boot {
        format!("/boot{path}")
    } else {
        path.to_owned()
    }
}

fn named_file(tree: &dyn FileTree, written: &Spanned<String>, separate_boot: bool) -> NamedFile {
    let path = guest_path(&written.value, separate_boot);
    NamedFile {
        exists: tree.exists(&path),
        path,
        written: written.clone(),
    }
}

/// The entries of a menu of GRUB legacy.
pub fn lst_entries(tree: &dyn FileTree, file: &MenuFile<MenuLst>, separate_boot: bool) -> Vec<BootEntry> {
    let of = |(index, entry): (usize, &lst::Entry)| BootEntry {
        menu: file.canonical.clone(),
        index,
        title: entry.title.clone(),
        span: entry.span.clone(),
        root_device: entry.root.clone(),
        uuid: entry.uuid.clone(),
        kernel: entry
            .kernel
            .as_ref()
            .map(|kernel| named_file(tree, &kernel.path.value.path, separate_boot)),
        initrds: entry
            .initrd
            .iter()
            .map(|file| named_file(tree, &file.value.path, separate_boot))
            .collect(),
        cmdline: entry
            .kernel
            .as_ref()
            .map(|kernel| kernel.cmdline.clone())
            .unwrap_or_default(),
        hypervisor: !entry.modules.is_empty(),
    };
    file.menu.entries.iter().enumerate().map(of).collect()
}

/// The entries of a `grub.cfg`.
pub fn cfg_entries(tree: &dyn FileTree, file: &MenuFile<GrubCfg>, separate_boot: bool) -> Vec<BootEntry> {
    let of = |(index, entry): (usize, &crate::menu::cfg::CfgEntry)| BootEntry {
        menu: file.canonical.clone(),
        index,
        title: entry.title.clone(),
        span: entry.span.clone(),
        root_device: None,
        uuid: entry
            .searches
            .iter()
            .find(|search| search.kind == SearchKind::FsUuid)
            .map(|search| search.value.clone()),
        kernel: entry
            .linux
            .as_ref()
            .map(|linux| named_file(tree, &linux.path.value.path, separate_boot)),
        initrds: entry
            .initrd
            .iter()
            .map(|file| named_file(tree, &file.value.path, separate_boot))
            .collect(),
        cmdline: entry
            .linux
            .as_ref()
            .map(|linux| linux.cmdline.clone())
            .unwrap_or_default(),
        hypervisor: entry.multiboot.is_some(),
    };
    file.menu.entries.iter().enumerate().map(of).collect()
}

/// Who reads the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loader {
    /// PV-GRUB, from Xen's side.
    PvGrub,
    /// GRUB 2 as comeback installs it.
    Comeback,
    /// GRUB 2 as the guest's distribution installed it.
    Grub2,
    /// GRUB legacy as the guest's distribution installed it.
    GrubLegacy,
}

/// What a loader would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Selection {
    /// Canonical path of the menu that it reads.
    pub menu: String,
    /// The entries that it would try, in order: the default, then the fallbacks.
    pub tried: Vec<usize>,
    /// The first of them that can be started.
    pub entry: Option<BootEntry>,
    /// The entry that it tries first.
    pub first: Option<BootEntry>,
    /// Whether the default is what was saved, which PV-GRUB cannot know.
    pub saved: bool,
}

fn select(menu: &str, entries: &[BootEntry], tried: Vec<usize>, saved: bool) -> Selection {
    let candidates = || tried.iter().filter_map(|&index| entries.get(index));
    Selection {
        menu: menu.to_owned(),
        entry: candidates().find(|entry| entry.is_complete()).cloned(),
        first: candidates().next().cloned(),
        tried: tried.clone(),
        saved,
    }
}

fn is_saved(menu: &MenuLst) -> bool {
    matches!(&menu.default, Some(default) if default.value == DefaultEntry::Saved)
}

impl Menus {
    /// What `loader` would start; none when it finds no menu.
    pub fn select(&self, tree: &dyn FileTree, loader: Loader, separate_boot: bool) -> Option<Selection> {
        let lst = |file: &MenuFile<MenuLst>| {
            let entries = lst_entries(tree, file, separate_boot);
            select(
                &file.canonical,
                &entries,
                file.menu.boot_order_saved(self.saved),
                is_saved(&file.menu),
            )
        };
        let cfg = |file: &MenuFile<GrubCfg>| {
            let entries = cfg_entries(tree, file, separate_boot);
            let tried = file.menu.selected(self.env.as_ref()).into_iter().collect();
            select(&file.canonical, &entries, tried, file.menu.uses_saved_entry)
        };
        match loader {
            Loader::PvGrub => self.lst.as_ref().map(lst),
            Loader::GrubLegacy => self.conf.as_ref().or(self.lst.as_ref()).map(lst),
            Loader::Grub2 => self.cfg.as_ref().map(cfg),
            Loader::Comeback => {
                let legacy = self
                    .lst
                    .as_ref()
                    .filter(|file| !file.menu.entries.is_empty())
                    .or(self.conf.as_ref());
                match (legacy, &self.cfg) {
                    // Before it is installed: it will be told to take the same entry as PV-GRUB.
                    (Some(file), _) if self.own.is_none() => Some(lst(file)),
                    (Some(file), _) => Some(self.own_selection(tree, file, separate_boot)),
                    // comeback's GRUB has its own prefix, where no saved entry is found.
                    (None, Some(file)) => {
                        let entries = cfg_entries(tree, file, separate_boot);
                        let tried = file.menu.selected(None).into_iter().collect();
                        Some(select(&file.canonical, &entries, tried, false))
                    }
                    (None, None) => None,
                }
            }
        }
    }

    /// What comeback's GRUB takes: the entry that its own configuration names, or else what GRUB 2 makes of menu.lst.
    fn own_selection(&self, tree: &dyn FileTree, file: &MenuFile<MenuLst>, separate_boot: bool) -> Selection {
        let entries = lst_entries(tree, file, separate_boot);
        let wanted = self.own.as_ref().and_then(|own| own.menu.default.as_ref());
        let fallback = file
            .menu
            .fallback
            .iter()
            .flat_map(|fallback| fallback.value.iter().copied());
        let default = match wanted {
            Some(wanted) => file.menu.grub2_entry(&wanted.value),
            None => file.menu.grub2_default(None),
        };
        let tried = default.into_iter().chain(fallback).collect();
        select(&file.canonical, &entries, tried, false)
    }

    /// All entries of all menus.
    pub fn entries(&self, tree: &dyn FileTree, separate_boot: bool) -> Vec<BootEntry> {
        let lst = self
            .lst
            .iter()
            .chain(&self.conf)
            .flat_map(|file| lst_entries(tree, file, separate_boot));
        let cfg = self.cfg.iter().flat_map(|file| cfg_entries(tree, file, separate_boot));
        lst.chain(cfg).collect()
    }
}
