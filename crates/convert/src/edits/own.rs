//! comeback's own files in the guest: `/boot/comeback`.

use comeback_disk::boot::assets::PREFIX;
use comeback_guest::boot::{BootEntry, Selection};
use comeback_guest::inspect::Guest;
use comeback_guest::menu::entry_name;
use comeback_guest::spec::Spec;

/// What marks the title of an entry that was added for guests without an initramfs.
const HVM_MARK: &str = "(HVM, by comeback)";

/// Where the configuration of comeback's GRUB is.
pub fn config_path() -> String {
    format!("{PREFIX}/grub.cfg")
}

/// Where GRUB's core image is, when it is a file of the guest.
pub fn core_path() -> String {
    format!("{PREFIX}/core.img")
}

/// The title of the copy of an entry for HVM, as it is read again: boot loaders drop the blanks before it.
pub(super) fn hvm_title(title: &str) -> String {
    format!("{title} {HVM_MARK}").trim_start().to_owned()
}

/// Whether an entry was added by comeback.
pub(super) fn is_hvm_entry(title: &str) -> bool {
    title.ends_with(HVM_MARK)
}

/// Whether an entry needs a copy for HVM: its kernel is told its root by a device, which is another one there, and has no
/// initramfs that could look for it.
pub(super) fn needs_copy(entry: &BootEntry) -> bool {
    let root = entry.cmdline.last("root").map(|root| Spec::parse(root.value));
    entry.initrds.is_empty() && matches!(root, Some(Spec::Disk(_))) && !is_hvm_entry(&entry.title.value)
}

/// The entry that comeback's GRUB is told to take.
pub(crate) struct HvmEntry {
    /// Its title.
    pub(crate) title: String,
    /// What `default` says for it in the language of GRUB 2: the title, or a number where that would not find it.
    pub(crate) name: String,
}

/// The entry that HVM takes where it cannot be the one that PV takes: that of a kernel which runs on hardware where the
/// default runs as PV only, or the copy that is added for a kernel without an initramfs.
pub(crate) fn hvm_entry(guest: &Guest, selection: &Selection) -> Option<HvmEntry> {
    let default = selection.entry.as_ref()?;
    let legacy = guest
        .menus
        .lst
        .iter()
        .chain(&guest.menus.conf)
        .find(|file| file.canonical == selection.menu)?;
    let mut titles: Vec<&str> = legacy
        .menu
        .entries
        .iter()
        .map(|entry| entry.title.value.as_str())
        .collect();
    let title = default.title.value.clone();
    // PV-GRUB and GRUB 2 count entries differently in some corners, and only PV-GRUB knows what was saved.
    if needs_copy(default) {
        let title = hvm_title(&title);
        let copy = titles.iter().position(|other| *other == title).unwrap_or_else(|| {
            titles.push(&title);
            titles.len() - 1
        });
        let name = entry_name(copy, &titles);
        return Some(HvmEntry { title, name });
    }
    // PV-GRUB and GRUB 2 count entries differently in some corners, and only PV-GRUB knows what was saved.
    let named = is_hvm_entry(&title) || legacy.menu.grub2_default(None) != Some(default.index);
    named.then(|| HvmEntry {
        name: entry_name(default.index, &titles),
        title,
    })
}

/// The configuration: it sets up the consoles and hands over to the boot menu that the guest maintains. It looks for the
/// menu at each boot, so that a guest which changes from one kind of menu to the other is followed.
pub fn config(guest: &Guest, selection: &Selection) -> String {
    let lst = guest.menus.lst.as_ref().filter(|file| !file.menu.entries.is_empty());
    let legacy = lst.or(guest.menus.conf.as_ref());
    let cfg = guest.menus.cfg.as_ref();
    // Where nothing is there yet, the usual place is looked into all the same.
    let legacy_path = legacy.map_or("/boot/grub/menu.lst", |file| file.path.as_str());
    let cfg_path = cfg.map_or("/boot/grub/grub.cfg", |file| file.path.as_str());
    let own_entry = legacy
        .filter(|file| file.canonical == selection.menu)
        .and_then(|_| hvm_entry(guest, selection));
    let hand_over = match own_entry {
        // PV-GRUB reads menu.lst, too, so it cannot make an entry for HVM the default.
        Some(entry) => format!(
            "legacy_source {legacy_path}\n  # The default of the menu, which is for PV, does not serve here: name the entry of a new kernel when you install one.\n  \
             set default='{}'",
            entry.name.replace('\'', "'\\''")
        ),
        None => format!("legacy_configfile {legacy_path}"),
    };
    format!(
        "\
# Written by comeback for the GRUB that it installed. It only hands over to the boot menu that the system's own
# kernel updates maintain: change that menu, not this file.
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
if [ -f {legacy_path} ]; then
  {hand_over}
elif [ -f {cfg_path} ]; then
  configfile {cfg_path}
fi
"
    )
}
