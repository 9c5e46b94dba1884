//! comeback's own files in the guest: `/boot/comeback`.

use comeback_disk::boot::assets::PREFIX;
use comeback_guest::boot::Selection;
use comeback_guest::inspect::Guest;

/// What marks the title of an entry that was added for guests without an initramfs.
const HVM_MARK: &str = " (HVM, by comeback)";

/// Where the configuration of comeback's GRUB is.
pub fn config_path() -> String {
    format!("{PREFIX}/grub.cfg")
}

/// Where GRUB's core image is, when it is a file of the guest.
pub fn core_path() -> String {
    format!("{PREFIX}/core.img")
}

/// The title of the copy of an entry for HVM.
pub(super) fn hvm_title(title: &str) -> String {
    format!("{title}{HVM_MARK}")
}

/// Whether an entry was added by comeback.
pub(super) fn is_hvm_entry(title: &str) -> bool {
    title.ends_with(HVM_MARK)
}

/// The title of the entry that HVM takes where it cannot be the one that PV takes: that of a kernel which runs on hardware
/// where the default runs as PV only, or the copy that is added for a kernel without an initramfs.
pub(crate) fn hvm_entry(guest: &Guest, selection: &Selection) -> Option<String> {
    let default = selection.entry.as_ref()?;
    if is_hvm_entry(&default.title.value) {
        return Some(default.title.value.clone());
    }
    let legacy = guest
        .menus
        .lst
        .iter()
        .chain(&guest.menus.conf)
        .find(|file| file.canonical == selection.menu)?;
    // PV-GRUB and GRUB 2 count entries differently in some corners, and only PV-GRUB knows what was saved.
    if legacy.menu.grub2_default(None) != Some(default.index) {
        return Some(default.title.value.clone());
    }
    default.initrds.is_empty().then(|| hvm_title(&default.title.value))
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
        Some(title) => format!(
            "legacy_source {legacy_path}\n  # The default of the menu, which is for PV, does not serve here: name the entry of a new kernel when you install one.\n  \
             set default='{}'",
            title.replace('\'', "'\\''")
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
