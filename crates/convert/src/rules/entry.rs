//! The entry of the boot menu that is really taken.

use comeback_guest::boot::{BootEntry, Loader, Selection};
use comeback_guest::inspect::Guest;

use super::{loader, only, started};
use crate::edits::own;
use crate::finding::{Effect, Evidence, Finding};
use crate::names;
use crate::platform::Platform;

pub(super) fn check(guest: &Guest, found: &mut Vec<Finding>) {
    for (path, reason) in &guest.menus.unreadable {
        found.push(
            Finding::new("boot-menu-unreadable", "a boot menu is there and cannot be read")
                .at(Evidence::file(path, reason))
                .remedy("mend the file in the guest")
                .on(&Platform::ALL, Effect::Unknown)
                .forbids_conversion(),
        );
    }
    let loaders: Vec<(Loader, Vec<Platform>)> = [Platform::PV.to_vec(), Platform::HVM.to_vec()]
        .into_iter()
        .map(|platforms| (loader(guest, platforms[0]), platforms))
        .collect();
    for (loader, platforms) in &loaders {
        match guest.selection(*loader) {
            None => found.push(no_menu(guest, *loader, platforms)),
            Some(selection) => selected(guest, selection, platforms, found),
        }
    }
    for (entry, platforms) in started(guest) {
        grub2_problems(guest, entry, &platforms, found);
        found.push(
            Finding::new(
                "boot-entry",
                "this entry of the boot menu is started, and its files are there",
            )
            .at(title(entry))
            .at_all(files(entry))
            .on(&platforms, Effect::Supports),
        );
        root_device(guest, entry, &platforms, found);
    }
    pinned(guest, found);
    stale_cfg(guest, found);
}

fn title(entry: &BootEntry) -> Evidence {
    Evidence::line(
        &entry.menu,
        entry.title.line,
        format!("entry {}: {}", entry.index, entry.title.value),
    )
}

fn files(entry: &BootEntry) -> impl Iterator<Item = Evidence> {
    entry
        .kernel
        .iter()
        .chain(&entry.initrds)
        .map(|file| Evidence::line(&entry.menu, file.written.line, &file.written.value))
}

fn no_menu(guest: &Guest, loader: Loader, platforms: &[Platform]) -> Finding {
    let looked = match loader {
        Loader::PvGrub => "/boot/grub/menu.lst",
        Loader::GrubLegacy => "/boot/grub/grub.conf or /boot/grub/menu.lst",
        Loader::Grub2 => "/boot/grub/grub.cfg or /boot/grub2/grub.cfg",
        Loader::Comeback => "/boot/grub/menu.lst, /boot/grub/grub.cfg or /boot/grub2/grub.cfg",
    };
    let other = guest.menus.conf.as_ref().filter(|_| loader == Loader::PvGrub);
    let empty = guest.menus.lst.iter().filter(|menu| menu.menu.entries.is_empty());
    Finding::new(
        "boot-menu-missing",
        format!("the boot loader finds no menu with entries: looked for {looked}"),
    )
    .at_all(empty.map(|menu| Evidence::file(&menu.path, format!("leads to {}, which has no entry", menu.canonical))))
    .at_all(other.map(|conf| Evidence::file(&conf.path, "is there, but PV-GRUB does not look for it")))
    .remedy("write a boot menu that names a kernel of the guest")
    .on(platforms, Effect::Blocks)
}

fn selected(guest: &Guest, selection: &Selection, platforms: &[Platform], found: &mut Vec<Finding>) {
    let menu = &selection.menu;
    let blscfg = guest
        .menus
        .cfg
        .as_ref()
        .filter(|cfg| cfg.canonical == *menu)
        .and_then(|cfg| cfg.menu.blscfg.as_ref());
    if let Some(line) = blscfg {
        found.push(
            Finding::new(
                "boot-menu-bls",
                "the menu is made of Boot Loader Specification entries, which comeback does not judge",
            )
            .at(Evidence::line(menu, line.line, &line.value))
            .remedy("boot it with `comeback rehearse`")
            .on(platforms, Effect::Unknown),
        );
        return;
    }
    let Some(first) = &selection.first else {
        found.push(
            Finding::new(
                "boot-entry-missing",
                "the boot menu has no entry that could be started by default",
            )
            .at(Evidence::file(
                menu,
                format!("default and fallback name the entries {:?}", selection.tried),
            ))
            .remedy("let `default` name an entry of the menu")
            .on(platforms, Effect::Blocks),
        );
        return;
    };
    if selection.saved {
        found.push(
            Finding::new("boot-default-saved", "the default is the entry that was saved last, which GRUB 2 cannot know: it keeps to the one that is saved now")
                .at(title(first))
                .warning(),
        );
    }
    if !first.is_complete() {
        let missing: Vec<Evidence> = first
            .missing()
            .map(|file| {
                Evidence::line(
                    &first.menu,
                    file.written.line,
                    format!("{}: no such file", file.written.value),
                )
            })
            .collect();
        let why = if first.hypervisor {
            "it starts a hypervisor of its own"
        } else if missing.is_empty() {
            "it names no kernel"
        } else {
            "files that it names are missing"
        };
        let finding = Finding::new(
            "boot-entry-broken",
            format!("the default entry of the boot menu cannot be started: {why}"),
        )
        .at(title(first))
        .at_all(missing)
        .remedy("let `default` name an entry whose kernel is there");
        found.push(match &selection.entry {
            None => finding.on(platforms, Effect::Blocks),
            Some(fallback) => finding.at(title(fallback)).on(platforms, Effect::Warns),
        });
    }
}

/// What GRUB 2's reading of a menu of GRUB legacy stumbles over.
fn grub2_problems(guest: &Guest, entry: &BootEntry, platforms: &[Platform], found: &mut Vec<Finding>) {
    let hvm = only(platforms, true);
    if hvm.is_empty() || loader(guest, Platform::XenHvm) != Loader::Comeback {
        return;
    }
    let menu = guest
        .menus
        .lst
        .iter()
        .chain(&guest.menus.conf)
        .find(|file| file.canonical == entry.menu);
    let problems: Vec<_> = menu.into_iter().flat_map(|file| &file.menu.grub2_problems).collect();
    if !problems.is_empty() {
        found.push(
            Finding::new(
                "boot-menu-not-grub2",
                "GRUB 2 reads some lines of this menu in another way than PV-GRUB",
            )
            .at_all(
                problems
                    .iter()
                    .map(|problem| Evidence::line(&entry.menu, problem.line, &problem.value)),
            )
            .remedy("remove these lines from the entries that are started")
            .on(&hvm, Effect::Warns),
        );
    }
}

/// `root (hd0)` is the whole disk, `root (hd0,0)` its first partition.
fn root_device(guest: &Guest, entry: &BootEntry, platforms: &[Platform], found: &mut Vec<Finding>) {
    if let Some(uuid) = &entry.uuid {
        let here = guest.disk.boot_place().superblock.uuid.to_string();
        if !uuid.value.eq_ignore_ascii_case(&here) {
            found.push(
                Finding::new(
                    "boot-entry-uuid",
                    "the entry looks for its kernel on a file system that is not on this disk",
                )
                .at(Evidence::line(
                    &entry.menu,
                    uuid.line,
                    format!("{} (/boot is {here})", uuid.value),
                ))
                .remedy("let the entry name the file system of /boot")
                .on(platforms, Effect::Blocks),
            );
        }
        return;
    }
    let Some(root) = &entry.root_device else {
        return;
    };
    let expected = names::boot_device(&guest.disk);
    if root.value != expected {
        found.push(
            Finding::new(
                "boot-entry-device",
                "the entry looks for its kernel on a device that does not exist on this disk",
            )
            .at(Evidence::line(
                &entry.menu,
                root.line,
                format!("root {}; /boot is on {}", root.value, guest.disk.boot_place().name()),
            ))
            .remedy(format!("let it say `root {expected}`"))
            .on(platforms, Effect::Blocks),
        );
    }
}

/// An entry that comeback's GRUB takes by name stays the one that it takes: what the guest's kernel updates make the
/// default of the menu is for PV.
fn pinned(guest: &Guest, found: &mut Vec<Finding>) {
    if loader(guest, Platform::XenHvm) != Loader::Comeback {
        return;
    }
    let Some(selection) = guest.selection(Loader::Comeback) else {
        return;
    };
    let at = match &guest.menus.own {
        Some(own) => own
            .menu
            .default
            .as_ref()
            .map(|title| Evidence::line(&own.path, title.line, &title.value)),
        None => own::hvm_entry(guest, selection).map(|entry| Evidence::file(&selection.menu, entry.title)),
    };
    let Some(at) = at else {
        return;
    };
    found.push(
        Finding::new(
            "boot-entry-pinned",
            "on HVM the entry is named, as the default of the menu does not serve there: a new kernel is not taken",
        )
        .at(at)
        .remedy(format!(
            "after the conversion, when a kernel was installed, let `set default=` in {} name its entry",
            own::config_path()
        ))
        .on(&Platform::HVM, Effect::Warns),
    );
}

/// Ubuntu's PV images carry both menus; kernel updates renew only the one that PV-GRUB reads.
fn stale_cfg(guest: &Guest, found: &mut Vec<Finding>) {
    let (Some(lst), Some(cfg)) = (&guest.menus.lst, &guest.menus.cfg) else {
        return;
    };
    if lst.menu.entries.is_empty() {
        return;
    }
    let age = (lst.mtime - cfg.mtime) / 86_400;
    let entries = guest.entries.iter().filter(|entry| entry.menu == cfg.canonical);
    let broken = entries.filter(|entry| entry.missing().next().is_some()).count();
    let hvm = only(&Platform::ALL, true);
    let read = loader(guest, Platform::XenHvm) == Loader::Grub2;
    if age < 1 && broken == 0 {
        return;
    }
    let finding = Finding::new(
        "boot-menu-stale",
        "grub.cfg is older than menu.lst beside it: kernel updates renew only menu.lst",
    )
    .at(Evidence::file(
        &cfg.canonical,
        format!(
            "{age} days older than {}; {broken} of its entries name missing files",
            lst.canonical
        ),
    ));
    found.push(if read {
        finding
            .remedy("have the guest's GRUB 2 renew it: `update-grub`")
            .on(&hvm, Effect::Warns)
    } else {
        finding
    });
}
