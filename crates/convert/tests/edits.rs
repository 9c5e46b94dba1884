//! Properties of the edits, on random files of real guests: editing twice is editing once, and what need not change stays
//! byte for byte.
//!
//! `COMEBACK_CASES=1000` tries so many files of each kind.

#![allow(clippy::unwrap_used)]

mod common;
mod random;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::sync::Arc;

use comeback_convert::conversion::{convert, inspect};
use comeback_convert::edits::{self, Action, FileChange};
use comeback_convert::plan::Target;
use comeback_convert::platform::Platform;
use comeback_disk::ext::{Access, NewFile};
use comeback_disk::io::{ReadAt, WriteAt};
use comeback_disk::tree::FileTree;
use comeback_disk::view::View;
use comeback_guest::boot::Loader;
use comeback_guest::inspect::Guest;
use comeback_guest::kernels::KernelReader;
use comeback_guest::system::System;
use comeback_testkit::golden::GoldenGuest;
use common::{NOW, assets, disk, guest, image_of};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use random::{Names, RandomFile, Role, fstab, grub_cfg, grub_defaults, menu_lst};

const MENU: &str = "/boot/grub/menu.lst";
const DEFAULTS: &str = "/etc/default/grub";

/// A golden guest whose files are replaced.
struct Bed {
    disk: Arc<dyn WriteAt>,
    names: Names,
}

impl Bed {
    fn of(name: &str) -> Self {
        let guest: GoldenGuest = guest(name);
        let description = &guest.description;
        Bed {
            disk: disk(image_of(&guest)),
            names: Names {
                kernels: description.kernels.iter().map(|kernel| kernel.path.clone()).collect(),
                initramfs: description.initramfs.iter().map(|file| file.path.clone()).collect(),
                uuid: description.disk.uuid.clone(),
                label: description.disk.label.clone(),
            },
        }
    }

    /// The disk with these files in it.
    fn with(&self, files: &[(&str, &[u8])]) -> Arc<View> {
        let view = self.view();
        let system = System::open(Arc::clone(&view), Access::Write, NOW).unwrap();
        for (path, content) in files {
            put(&system, path, content, 0o644);
        }
        system.flush().unwrap();
        view
    }

    fn view(&self) -> Arc<View> {
        Arc::new(View::new(Arc::new(Arc::clone(&self.disk)) as Arc<dyn ReadAt>))
    }
}

/// Writes a file, or makes it.
fn put(system: &System, path: &str, content: &[u8], mode: u32) {
    let path = system.canonical(path).unwrap_or_else(|_| path.to_owned());
    let (ext, _, inner) = system.locate(&path);
    if system.exists(&path) {
        ext.write_file(inner, content, false).unwrap();
        return;
    }
    let new = NewFile {
        mode,
        time: NOW,
        ..NewFile::default()
    };
    ext.create_file(inner, content, &new).unwrap();
}

/// Makes the edits in the view.
fn apply(view: &Arc<View>, changes: &[FileChange]) {
    let system = System::open(Arc::clone(view), Access::Write, NOW).unwrap();
    for change in changes {
        match &change.action {
            Action::Edit { new, .. } => put(&system, &change.path, new, 0o644),
            Action::Create { content, mode } => put(&system, &change.path, content, *mode),
            Action::Link { .. } | Action::CoreImage { .. } => panic!("{} is no edit of a text", change.path),
        }
    }
    system.flush().unwrap();
}

fn read(view: &Arc<View>) -> Guest {
    inspect(view, &mut KernelReader::default(), NOW).unwrap().1.guest
}

/// The bytes of the view as a disk of its own.
fn bytes(view: &View) -> Vec<u8> {
    let mut bytes = vec![0; view.size() as usize];
    view.read_at(0, &mut bytes).unwrap();
    bytes
}

/// How often something happened, so that a test of nothing is noticed.
#[derive(Default)]
struct Seen {
    cases: Cell<u32>,
    edited: Cell<u32>,
    converted: Cell<u32>,
}

fn count(cell: &Cell<u32>) {
    cell.set(cell.get() + 1);
}

/// What must hold, whatever the files say.
fn check(bed: &Bed, files: &[(&str, &RandomFile)], target: Platform, seen: &Seen) -> Result<(), TestCaseError> {
    count(&seen.cases);
    let contents: Vec<(&str, Vec<u8>)> = files.iter().map(|(path, file)| (*path, file.bytes())).collect();
    let written: Vec<(&str, &[u8])> = contents
        .iter()
        .map(|(path, content)| (*path, content.as_slice()))
        .collect();
    let view = bed.with(&written);
    let before = read(&view);
    let changes = edits::all(&before, target);

    let changed: BTreeMap<&str, &FileChange> = changes.iter().map(|change| (change.path.as_str(), change)).collect();
    for (path, file) in files {
        let canonical = inspect(&view, &mut KernelReader::default(), NOW)
            .unwrap()
            .0
            .canonical(path)
            .unwrap();
        if let Some(Action::Edit { old, new }) = changed.get(canonical.as_str()).map(|change| &change.action) {
            count(&seen.edited);
            prop_assert_eq!(&file.bytes(), old);
            lossless(&file.lines(), file, new)
                .map_err(|problem| TestCaseError::fail(format!("{path}: {problem}\n{}", shown(old, new))))?;
        }
    }

    apply(&view, &changes);
    let after = read(&view);
    let again = edits::all(&after, target);
    prop_assert!(again.is_empty(), "editing again changes\n{}", told(&again));
    // What PV takes must not move.
    let entry = |guest: &Guest| {
        let selection = guest.selection(Loader::PvGrub)?.entry.clone()?;
        Some((
            selection.index,
            selection.title.value,
            selection.kernel.map(|kernel| kernel.path),
        ))
    };
    prop_assert_eq!(entry(&before), entry(&after), "PV starts another entry");

    // The same through a whole conversion, where there is one: with boot code, its settings and the second inspection.
    let fresh = bed.with(&written);
    let Ok(first) = convert(fresh, Target::Auto, &assets(), NOW) else {
        return Ok(());
    };
    count(&seen.converted);
    match convert(disk(bytes(&first.view)), Target::Auto, &assets(), NOW + 86_400) {
        Ok(second) => prop_assert!(
            second.plan.is_empty() && second.patch.is_empty(),
            "converting again changes {} bytes\n{}",
            second.patch.changed_bytes(),
            told(&second.plan.files)
        ),
        Err(error) => prop_assert!(false, "converting again: {error}"),
    }
    Ok(())
}

/// Every old line is there in its order: as it was, or with no more than its role allows. Lines that were added say that
/// they are comeback's, or stand at the end.
fn lossless(old: &[String], file: &RandomFile, new: &[u8]) -> Result<(), String> {
    let new = String::from_utf8(new.to_vec()).map_err(|error| error.to_string())?;
    let new_entry = new.contains("(HVM, by comeback)");
    let mut new = new.split_inclusive('\n').peekable();
    let last = old.len().saturating_sub(1);
    for (index, (line, role)) in old.iter().zip(file.lines.iter().map(|line| line.role)).enumerate() {
        while new.next_if(|line| line.starts_with("# comeback: ")).is_some() {}
        let Some(is) = new.next() else {
            return Err(format!("line {} is gone: {line:?}", index + 1));
        };
        // What is added at the end of a file gives its last line an ending.
        let is: &str = if index == last && !line.ends_with('\n') {
            is.trim_end_matches('\n')
        } else {
            is
        };
        let good = match role {
            Role::Kept => is == line,
            Role::Kernel => kernel_line(line, is),
            Role::Shell => {
                let [line, is] = [line, is].map(|line| line.replace(['"', '\''], ""));
                kernel_line(&line, &is)
            }
            // Only in a menu of which the guest's kernel needs two entries; what PV takes is checked elsewhere.
            Role::Default => is == line || is.starts_with("default") && new_entry,
            Role::Mount => mount_line(line, is),
        };
        if !good {
            return Err(format!("line {} was {line:?} and is {is:?}", index + 1));
        }
    }
    let rest: String = new.collect();
    let own = rest.is_empty() || rest.trim_start().starts_with("# comeback: the kernel has no initramfs");
    if own {
        Ok(())
    } else {
        Err(format!("added at the end: {rest:?}"))
    }
}

/// `root=` and devices may be others; nothing else goes, and only parameters come.
fn kernel_line(old: &str, new: &str) -> bool {
    let (old, new) = (without_names(old), without_names(new));
    let mut rest = old.chars().peekable();
    for char in new.chars() {
        rest.next_if_eq(&char);
    }
    let added = [
        " console=hvc0",
        " console=tty0",
        " console=ttyS0,115200n8",
        " net.ifnames=0",
    ];
    let most: usize = added.iter().map(|added| added.len()).sum();
    rest.peek().is_none() && new.len() <= old.len() + most
}

/// A line with what may be replaced taken out: the value of `root=`, and what stands in parentheses.
fn without_names(line: &str) -> String {
    let mut result = String::new();
    let mut rest = line;
    loop {
        let next = ["root=", "("]
            .iter()
            .filter_map(|mark| Some((rest.find(mark)?, *mark)))
            .min();
        let Some((at, mark)) = next else {
            return result + rest;
        };
        let value = at + mark.len();
        let _ = write!(result, "{}", &rest[..value]);
        let end = |c: char| {
            if mark == "(" {
                c == ')'
            } else {
                c.is_whitespace() || matches!(c, '"' | '\'')
            }
        };
        rest = &rest[value..];
        rest = &rest[rest.find(end).unwrap_or(rest.len())..];
    }
}

/// Device and pass may be others, options may be added; the blanks stay.
fn mount_line(old: &str, new: &str) -> bool {
    let pieces = |line: &str| -> Vec<String> {
        let mut pieces: Vec<String> = Vec::new();
        for char in line.chars() {
            let blank = |c: char| c.is_whitespace();
            match pieces
                .last_mut()
                .filter(|piece| piece.starts_with(blank) == blank(char))
            {
                Some(piece) => piece.push(char),
                None => pieces.push(char.to_string()),
            }
        }
        pieces
    };
    let ends = |line: &str| line.len() - line.trim_end_matches(['\r', '\n']).len();
    let ((old, old_end), (new, new_end)) = (old.split_at(old.len() - ends(old)), new.split_at(new.len() - ends(new)));
    // Fields that are missing are added at the end.
    if let Some(added) = new.strip_prefix(old).filter(|_| old.split_whitespace().count() < 4) {
        return old_end == new_end && (added.is_empty() || added.contains(" defaults,no"));
    }
    let (old, new) = (pieces(old), pieces(new));
    let words_before = |at: usize| old[..at].iter().filter(|piece| !piece.trim().is_empty()).count();
    let same = |(at, (old, new)): (usize, (&String, &String))| {
        old == new
            || match words_before(at) {
                0 => !old.trim().is_empty() && (new.starts_with("UUID=") || new.starts_with("LABEL=")),
                3 => new
                    .strip_prefix(old.as_str())
                    .is_some_and(|added| added.starts_with(",no")),
                5 => new == "0",
                _ => false,
            }
    };
    old_end == new_end && old.len() == new.len() && old.iter().zip(&new).enumerate().all(same)
}

fn shown(old: &[u8], new: &[u8]) -> String {
    let [old, new] = [old, new].map(String::from_utf8_lossy);
    format!("--- before\n{old}\n--- after\n{new}")
}

fn told(changes: &[FileChange]) -> String {
    let tell = |change: &FileChange| match &change.action {
        Action::Edit { old, new } => format!("{}: {:?}\n{}", change.path, change.reasons, shown(old, new)),
        action => format!("{}: {action:?}", change.path),
    };
    changes.iter().map(tell).collect()
}

/// Runs a property on random files, and sees to it that something was edited and something converted.
fn hold<S: Strategy>(strategy: S, property: impl Fn(S::Value, &Seen) -> Result<(), TestCaseError>) {
    let seen = Seen::default();
    let cases = env::var("COMEBACK_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = Config {
        failure_persistence: None,
        ..Config::with_cases(cases.unwrap_or(64))
    };
    if let Err(error) = TestRunner::new(config).run(&strategy, |value| property(value, &seen)) {
        panic!("{error}");
    }
    let (cases, edited, converted) = (seen.cases.get(), seen.edited.get(), seen.converted.get());
    println!("{cases} cases: {edited} files edited, {converted} disks converted");
    assert!(edited * 4 > cases, "only {edited} files were edited in {cases} cases");
    assert!(converted > 0, "none of {cases} disks was converted");
}

fn targets() -> impl Strategy<Value = Platform> {
    prop_oneof![Just(Platform::XenHvm), Just(Platform::Nitro)]
}

/// Both files, menu and fstab, on a guest that reads `menu.lst`.
fn legacy(name: &str) {
    let bed = Bed::of(name);
    let files = (menu_lst::menu(&bed.names), fstab::fstab(&bed.names), targets());
    hold(files, |(lst, fstab, target), seen| {
        check(&bed, &[(MENU, &lst), ("/etc/fstab", &fstab)], target, seen)
    });
}

#[test]
fn menus_of_a_guest_with_update_grub() {
    legacy("ubuntu-12.04");
}

#[test]
fn menus_of_a_guest_with_a_kernel_for_pv_only_beside_the_other() {
    legacy("rhel-5");
}

#[test]
fn menus_of_a_partitioned_guest() {
    legacy("sector-63");
}

#[test]
fn menus_of_a_guest_without_an_initramfs() {
    legacy("no-initramfs");
}

#[test]
fn menus_and_defaults_of_grub_2() {
    let bed = Bed::of("ubuntu-16.04");
    let files = (
        grub_cfg::menu(&bed.names),
        grub_defaults::defaults(&bed.names),
        fstab::fstab(&bed.names),
        targets(),
    );
    hold(files, |(cfg, defaults, fstab, target), seen| {
        // Without entries in menu.lst, comeback's GRUB follows grub.cfg.
        let lst = RandomFile::default();
        let files = [
            (MENU, &lst),
            ("/boot/grub/grub.cfg", &cfg),
            (DEFAULTS, &defaults),
            ("/etc/fstab", &fstab),
        ];
        check(&bed, &files, target, seen)
    });
}

/// What the edits make of a file of a guest. `/etc/default/grub` only counts where there is no other menu.
fn edited(bed: &Bed, path: &str, content: &str) -> String {
    let mut files: Vec<(&str, &[u8])> = vec![(path, content.as_bytes())];
    if path == DEFAULTS {
        files.push((MENU, b""));
    }
    let view = bed.with(&files);
    let changes = edits::all(&read(&view), Platform::XenHvm);
    let new = changes.into_iter().find_map(|change| match change.action {
        Action::Edit { new, .. } if change.path == path => Some(new),
        _ => None,
    });
    new.map_or_else(|| content.to_owned(), |new| String::from_utf8(new).unwrap())
}

#[test]
fn a_value_without_quotes_gets_them() {
    let bed = Bed::of("ubuntu-16.04");
    for (before, after) in [
        (
            "GRUB_CMDLINE_LINUX=",
            "\" console=hvc0 console=tty0 console=ttyS0,115200n8\"",
        ),
        (
            "GRUB_CMDLINE_LINUX=quiet",
            "\"quiet console=hvc0 console=tty0 console=ttyS0,115200n8\"",
        ),
        (
            "GRUB_CMDLINE_LINUX='a '\"console=hvc0\" # b",
            "\"a console=hvc0 console=tty0 console=ttyS0,115200n8\" # b",
        ),
        // What the shell would put in here is not known.
        ("GRUB_CMDLINE_LINUX=$MORE", "$MORE"),
    ] {
        let made = edited(&bed, DEFAULTS, before);
        assert_eq!(made, format!("GRUB_CMDLINE_LINUX={after}"), "{before}");
    }
}

#[test]
fn a_root_in_the_defaults_would_win_over_that_of_grub_mkconfig() {
    let made = edited(
        &Bed::of("ubuntu-16.04"),
        DEFAULTS,
        "GRUB_CMDLINE_LINUX=\"root=/dev/xvda1 console=ttyS0\"\nGRUB_CMDLINE_LINUX_DEFAULT='root=/dev/sda1'\n",
    );
    assert_eq!(
        made,
        "GRUB_CMDLINE_LINUX=\"root=LABEL=cloudimg-rootfs console=ttyS0\"\n\
         GRUB_CMDLINE_LINUX_DEFAULT='root=LABEL=cloudimg-rootfs'\n"
    );
}

/// PV-GRUB takes the first entry for a default that is none, until there is one of that number.
#[test]
fn an_entry_that_is_added_does_not_become_the_default_of_pv() {
    let menu = "default 1\ntimeout 0\ntitle Linux\nroot (hd0)\nkernel /boot/vmlinuz-3.4.103 root=/dev/xvda1\n";
    let made = edited(&Bed::of("no-initramfs"), MENU, menu);
    assert!(made.starts_with(&menu.replace("default 1", "default 0")), "{made}");
    assert!(made.contains("title Linux (HVM, by comeback)\n"), "{made}");
}

/// What the conversion lets GRUB take, with its own configuration read as GRUB does.
fn taken(bed: &Bed, menu: &str) -> (usize, String) {
    let view = bed.with(&[(MENU, menu.as_bytes())]);
    let made = convert(view, Target::Auto, &assets(), NOW).unwrap();
    let guest = read(&made.view);
    let entry = guest.selection(Loader::Comeback).unwrap().entry.clone().unwrap();
    (entry.index, entry.title.value)
}

/// GRUB 2 takes the first of several entries with a title, a number for a title that begins with one, and the first entry
/// for a default that it does not find.
#[test]
fn hvm_takes_the_entry_that_pv_takes() {
    let bed = Bed::of("ubuntu-12.04");
    let entry = |title: &str, parameters: &str| {
        format!(
            "title {title}\nroot (hd0)\nkernel /boot/vmlinuz-3.2.0-150-virtual root=/dev/sda1 {parameters}\n\
             initrd /boot/initrd.img-3.2.0-150-virtual\n"
        )
    };
    // A default beyond the last entry is the fallback to PV-GRUB, and the first entry to GRUB 2.
    let header = "default 7\nfallback 2\n";
    for titles in [
        ["a", "b", "c"],
        ["same", "same", "same"],
        ["0 a", "1 b", "0 c"],
        ["a", "b", "a > b"],
        ["it's", "it's", "\"it's\" $x"],
    ] {
        let entries: String = titles.iter().map(|title| entry(title, "ro")).collect();
        let (index, title) = taken(&bed, &format!("{header}{entries}"));
        assert_eq!((index, title.as_str()), (2, titles[2]));
    }
}

#[test]
fn hvm_takes_the_copy_that_is_made_for_it() {
    let bed = Bed::of("no-initramfs");
    let entry = |title: &str| format!("title {title}\nroot (hd0)\nkernel /boot/vmlinuz-3.4.103 root=/dev/xvda1\n");
    for (header, title) in [
        ("", "Linux"),
        ("default 1\n", "Linux"),
        ("default 7\nfallback 1\n", "Linux"),
        ("", "0 Linux"),
        ("", ""),
    ] {
        let menu = format!("{header}{}{}", entry(title), entry(title));
        let copy = format!("{title} (HVM, by comeback)");
        assert_eq!(taken(&bed, &menu), (2, copy.trim().to_owned()), "{header:?}");
    }
}
