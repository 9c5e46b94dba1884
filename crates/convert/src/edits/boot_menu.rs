//! Boot menus: `root=`, `console=`, the device of an entry, and the templates from which the guest writes new entries.

use comeback_guest::boot::{BootEntry, Loader, MenuFile};
use comeback_guest::cmdline::Cmdline;
use comeback_guest::defaults::{self, Assignment};
use comeback_guest::menu::device::Device;
use comeback_guest::menu::lst::{DefaultEntry, MenuLst};
use comeback_guest::spec::Spec;
use comeback_guest::tri::Tri;

use super::text::Replacement;
use super::{Edits, own};
use crate::names::{self, Leads};
use crate::platform::Platform;
use crate::rules;
use crate::rules::console::{SERIAL, names as console_names};

/// What is added to every kernel that does not speak to the serial console: the VGA console, of which EC2 takes
/// screenshots, and the serial one, which becomes `/dev/console` as it stands last.
const CONSOLES: [&str; 2] = ["console=tty0", "console=ttyS0,115200n8"];

pub(super) fn edit(edits: &mut Edits) {
    let guest = edits.guest;
    let loader = rules::loader(guest, edits.target);
    let Some(selection) = guest.selection(loader) else {
        return;
    };
    let entries: Vec<&BootEntry> = guest
        .entries
        .iter()
        .filter(|entry| entry.menu == selection.menu)
        .collect();
    for entry in &entries {
        if entry.hypervisor || entry.kernel.is_none() || own::is_hvm_entry(&entry.title.value) {
            continue;
        }
        let kernel = guest.kernel_of(entry);
        if !own::needs_copy(entry) && kernel.is_none_or(|kernel| kernel.runs_hvm != Tri::No) {
            if !entry.initrds.is_empty() {
                root(edits, &entry.menu, &entry.cmdline, Some(entry));
            }
            let hvc0 = kernel.is_none_or(|kernel| kernel.runs_pv != Tri::No);
            consoles(edits, &entry.menu, &entry.cmdline, Unnamed::Add { hvc0 });
            interface_names(edits, &entry.menu, &entry.cmdline);
        }
        if let (Some(device), None) = (&entry.root_device, &entry.uuid) {
            root_device(edits, &entry.menu, &device.value, device.span.clone(), device.line);
        }
    }
    let lst = guest.menus.lst.as_ref().or(guest.menus.conf.as_ref());
    if let Some(file) = lst.filter(|file| file.canonical == selection.menu) {
        templates(edits, file);
        if let Some(entry) = selection.entry.as_ref().filter(|entry| own::needs_copy(entry)) {
            second_entry(edits, entry, &file.menu);
        }
    } else if guest
        .menus
        .cfg
        .as_ref()
        .is_some_and(|cfg| cfg.canonical == selection.menu)
        && loader != Loader::GrubLegacy
    {
        default_grub(edits);
    }
}

/// The root's identity as it is written: the label that the guest itself uses, or else the UUID.
pub(super) fn root_identity(edits: &Edits) -> String {
    let root = &edits.guest.disk.root;
    let labelled = |text: &str| match Spec::parse(text) {
        Spec::Label(label) => !label.is_empty() && label == root.superblock.label,
        _ => false,
    };
    let fstab = edits.guest.fstab.iter().flat_map(|fstab| &fstab.entries);
    let in_fstab = fstab
        .filter(|entry| entry.mount_point.value == "/")
        .any(|entry| labelled(&entry.spec.value));
    let in_menu = edits
        .guest
        .entries
        .iter()
        .filter_map(|entry| entry.cmdline.last("root"))
        .any(|root| labelled(root.value));
    if in_fstab || in_menu {
        format!("LABEL={}", root.superblock.label)
    } else {
        format!("UUID={}", root.superblock.uuid)
    }
}

/// Writes `root=` by identity where it is a name that some platform does not know.
fn root(edits: &mut Edits, path: &str, cmdline: &Cmdline, entry: Option<&BootEntry>) {
    let Some(root) = cmdline.last("root") else {
        return;
    };
    let spec = Spec::parse(root.value);
    if !matches!(spec, Spec::Disk(_)) {
        return;
    }
    match names::leads(&edits.guest.disk, &spec) {
        Leads::ByName(partition) if partition != edits.guest.disk.root.partition => return,
        _ => {}
    }
    let finds = entry
        .and_then(|entry| edits.guest.kernel_of(entry))
        .and_then(|kernel| kernel.initramfs.as_ref())
        .and_then(|file| file.content.ok());
    let identity = root_identity(edits);
    let by_uuid = format!("UUID={}", edits.guest.disk.root.superblock.uuid);
    let value = match finds {
        Some(content) if identity.starts_with("LABEL=") && content.finds_label == Tri::No => by_uuid,
        _ => identity,
    };
    edits.push(
        path,
        Replacement::new(
            root.span.clone(),
            format!("root={value}"),
            root.line,
            format!("{} has another name on every platform", root.value),
        ),
    );
}

/// What becomes of a command line that names no console.
#[derive(Clone, Copy)]
enum Unnamed {
    /// Nothing: another line names them.
    Leave,
    /// It gets the consoles of HVM; and `hvc0` where the kernel runs as PV, whose default is lost by naming another.
    Add { hvc0: bool },
}

/// Adds the VGA and serial consoles behind the last `console=`; `hvc0` stays.
fn consoles(edits: &mut Edits, path: &str, cmdline: &Cmdline, unnamed: Unnamed) {
    let present: Vec<_> = cmdline.all("console").collect();
    if present.iter().any(|console| console_names(console.value, SERIAL)) {
        return;
    }
    let mut added: Vec<&str> = Vec::new();
    match unnamed {
        Unnamed::Leave if present.is_empty() => return,
        Unnamed::Add { hvc0: true } if present.is_empty() => added.push("console=hvc0"),
        Unnamed::Leave | Unnamed::Add { .. } => {}
    }
    let new = CONSOLES.iter().filter(|console| {
        let device = console
            .trim_start_matches("console=")
            .split(',')
            .next()
            .unwrap_or_default();
        !present.iter().any(|present| console_names(present.value, device))
    });
    added.extend(new);
    let at = present.last().map_or(cmdline.span.end, |console| console.span.end);
    edits.push(
        path,
        Replacement::insert(
            at,
            format!(" {}", added.join(" ")),
            cmdline.line,
            "HVM has no hvc0: its consoles are VGA and the serial line; hvc0 stays for PV",
        ),
    );
}

/// Keeps `eth0` called `eth0` on Nitro where the network settings are for it.
fn interface_names(edits: &mut Edits, path: &str, cmdline: &Cmdline) {
    let wanted = edits.target == Platform::Nitro
        && rules::network::renames(edits.guest)
        && rules::network::classic_names(edits.guest).next().is_some();
    if !wanted || cmdline.has("net.ifnames") || cmdline.arguments.is_empty() {
        return;
    }
    edits.push(
        path,
        Replacement::insert(
            cmdline.span.end,
            " net.ifnames=0",
            cmdline.line,
            "the network settings are for eth0, which would be called ens5 on Nitro",
        ),
    );
}

fn root_device(edits: &mut Edits, path: &str, device: &Device, span: std::ops::Range<usize>, line: usize) {
    let expected = names::boot_device(&edits.guest.disk);
    if *device == expected {
        return;
    }
    let place = edits.guest.disk.boot_place().name();
    edits.push(
        path,
        Replacement::new(span, expected.to_string(), line, format!("/boot is on {place}")),
    );
}

/// The comment templates from which Debian's and Ubuntu's update-grub write the entries of the next kernel.
fn templates(edits: &mut Edits, file: &MenuFile<MenuLst>) {
    let path = &file.canonical;
    let first_kopt = file
        .menu
        .templates
        .iter()
        .find(|template| template.name.value == "kopt");
    let with_consoles = file
        .menu
        .templates
        .iter()
        .any(|template| template.cmdline.has("console"));
    for template in &file.menu.templates {
        match template.name.value.as_str() {
            "groot" => {
                // Ubuntu may have a UUID here, which is the same everywhere.
                let text = template.value.value.as_str();
                if text.starts_with('(') {
                    root_device(
                        edits,
                        path,
                        &Device::parse(text),
                        template.value.span.clone(),
                        template.value.line,
                    );
                }
            }
            name if name == "kopt" || name.starts_with("kopt_") => {
                root(edits, path, &template.cmdline, None);
                interface_names(edits, path, &template.cmdline);
                // update-grub puts kopt and defoptions together: the consoles go where consoles are.
                let first = first_kopt.is_some_and(|kopt| kopt.value.line == template.value.line);
                let add = first && !with_consoles;
                let unnamed = if add {
                    Unnamed::Add { hvc0: true }
                } else {
                    Unnamed::Leave
                };
                consoles(edits, path, &template.cmdline, unnamed);
            }
            "defoptions" => consoles(edits, path, &template.cmdline, Unnamed::Leave),
            _ => {}
        }
    }
}

/// A guest without an initramfs has to be told the device, which is another one on PV and on the target: the default entry
/// stays as it is for PV, and a copy of it is added for the target, which GRUB takes as its default.
fn second_entry(edits: &mut Edits, entry: &BootEntry, menu: &MenuLst) {
    let guest = edits.guest;
    let title = own::hvm_title(&entry.title.value);
    if guest.entries.iter().any(|other| other.title.value == title) {
        return;
    }
    let Some(root) = entry.cmdline.last("root") else {
        return;
    };
    let content = edits.content(&entry.menu);
    let Some(text) = content.get(entry.span.clone()) else {
        return;
    };
    let shift = entry.span.start;
    let inside = |span: &std::ops::Range<usize>| span.start.saturating_sub(shift)..span.end.saturating_sub(shift);
    let device = names::on_platform(&guest.disk.root, edits.target);
    // A title that is empty has no blank before it, or one behind its place.
    let blank = if entry.title.span.is_empty() { " " } else { "" };
    let mut made = vec![
        Replacement::new(inside(&entry.title.span), format!("{blank}{title}"), 0, ""),
        Replacement::new(inside(&root.span), format!("root={device}"), 0, ""),
    ];
    let mut copy = edits.scratch();
    consoles(&mut copy, &entry.menu, &entry.cmdline, Unnamed::Add { hvc0: false });
    interface_names(&mut copy, &entry.menu, &entry.cmdline);
    made.extend(
        copy.replacements
            .into_values()
            .flatten()
            .map(|replacement| Replacement {
                span: inside(&replacement.span),
                ..replacement
            }),
    );
    let mut added = if content.ends_with(b"\n") {
        b"\n".to_vec()
    } else {
        b"\n\n".to_vec()
    };
    added.extend_from_slice(
        b"# comeback: the kernel has no initramfs, so it has to be told its root device, which is another one on HVM.\n\
          # The entry that this one is a copy of stays for PV.\n",
    );
    added.extend(super::replace(text, &made));
    while added.last() == Some(&b'\n') {
        added.pop();
    }
    added.push(b'\n');
    let line = content.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let reason = format!(
        "without an initramfs the kernel cannot look for its root: on {} it is {device}",
        edits.target
    );
    let at = content.len();
    edits.push(&entry.menu, Replacement::insert(at, added, line, reason));
    keep_default(edits, entry, menu);
}

/// PV-GRUB takes the first entry, or a fallback, for a default beyond the last one. An entry more at the end must not become
/// that default.
fn keep_default(edits: &mut Edits, entry: &BootEntry, menu: &MenuLst) {
    let counted = menu.entries.iter().filter(|entry| entry.counts).count();
    let pv = edits
        .guest
        .selection(Loader::PvGrub)
        .filter(|selection| selection.menu == entry.menu);
    let taken = pv.and_then(|selection| selection.tried.first().copied());
    let before = menu.entries.iter().take(taken.unwrap_or(entry.index));
    if let Some(default) = &menu.default
        && matches!(default.value, DefaultEntry::Index(number) if number >= counted)
    {
        edits.push(
            &entry.menu,
            Replacement::new(
                default.span.clone(),
                before.filter(|entry| entry.counts).count().to_string(),
                default.line,
                "there was no such entry, and the one that is added is not for PV",
            ),
        );
    }
}

/// `/etc/default/grub`, from which grub-mkconfig writes the next `grub.cfg`. What stands here comes behind the `root=` that
/// grub-mkconfig writes itself, and wins.
fn default_grub(edits: &mut Edits) {
    const PATH: &str = "/etc/default/grub";
    let guest = edits.guest;
    let Some(content) = guest.texts.get(PATH) else {
        return;
    };
    let all = ["GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT"];
    let assignments: Vec<&Assignment> = all
        .iter()
        .filter_map(|name| defaults::last(&guest.defaults, name))
        .collect();
    let has_consoles =
        |assignment: &&Assignment| Cmdline::parse(assignment.value.value.as_bytes(), 0, 0).has("console");
    let chosen = assignments.iter().position(has_consoles).unwrap_or_default();
    for (index, assignment) in assignments.into_iter().enumerate() {
        let edit = |edits: &mut Edits, line: &Cmdline| {
            root(edits, PATH, line, None);
            if index == chosen {
                consoles(edits, PATH, line, Unnamed::Add { hvc0: true });
                interface_names(edits, PATH, line);
            }
        };
        let quoted = assignment.value.span != assignment.raw;
        if quoted {
            edit(edits, &assignment.cmdline(content));
            continue;
        }
        // To the shell a blank ends a word that no pair of quotes holds: the whole word is written anew, within quotes.
        let written = content.get(assignment.raw.clone()).unwrap_or_default();
        if written.iter().any(|byte| matches!(byte, b'$' | b'`')) {
            continue;
        }
        let text = assignment.value.value.replace('\\', "\\\\").replace('"', "\\\"");
        let line = Cmdline::parse(text.as_bytes(), 0, assignment.value.line);
        let mut copy = edits.scratch();
        edit(&mut copy, &line);
        let made: Vec<Replacement> = copy.replacements.into_values().flatten().collect();
        let Some(first) = made.first() else {
            continue;
        };
        let mut with = b"\"".to_vec();
        with.extend(super::replace(text.as_bytes(), &made));
        with.push(b'"');
        let reason = first.reason.clone();
        edits.push(PATH, Replacement::new(assignment.raw.clone(), with, line.line, reason));
    }
}
