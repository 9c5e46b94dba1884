//! From the paths in an initramfs to what it is.

use std::collections::{BTreeMap, BTreeSet};

use super::{Generator, Init, Initramfs, InitramfsModule, MAX_KEPT};
use crate::compression::Compression;
use crate::kernel::modules::{module_name, parse_builtin};
use crate::tri::Tri;

/// The most modules that are kept; kernels have about 6,000.
const MAX_MODULES: usize = 20_000;
/// The most kernel releases that are kept.
const MAX_RELEASES: usize = 64;
/// The most small files whose content is kept.
const MAX_SETTINGS: usize = 64;
/// The largest `modules.builtin` that is read, in bytes.
const MAX_BUILTIN: u64 = 1 << 20;
/// The most bytes of paths and contents that are kept of all files together.
const MAX_KEPT_TOTAL: usize = 8 << 20;
/// How much of `/init` is looked at.
const INIT_START: u64 = 256;

/// What is known so far.
#[derive(Debug, Default)]
pub(super) struct Summary {
    segments: Vec<Compression>,
    init: Option<Init>,
    modules: Vec<InitramfsModule>,
    builtin: BTreeMap<String, BTreeSet<String>>,
    releases: BTreeSet<String>,
    settings: BTreeMap<String, String>,
    marks: BTreeSet<Mark>,
    /// How many bytes are kept.
    kept: usize,
}

/// What gives a generator or a tool away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    InitramfsTools,
    Dracut,
    HostOnly,
    Nash,
    Suse,
    Mkinitcpio,
    Udev,
    Blkid,
    Systemd,
}

impl Summary {
    pub(super) fn segment(&mut self, compression: Compression) {
        self.segments.push(compression);
    }

    /// Notes that the archive has this path (without a leading slash).
    pub(super) fn file(&mut self, path: &str) {
        let bare = path.strip_prefix("usr/").unwrap_or(path);
        if let Some(mark) = mark(bare) {
            self.marks.insert(mark);
        }
        let release = bare
            .strip_prefix("lib/modules/")
            .and_then(|rest| rest.split('/').next())
            .filter(|release| !release.is_empty());
        if let Some(release) = release
            && self.releases.len() < MAX_RELEASES
            && !self.releases.contains(release)
            // A file such as `lib/modules/init_script` is no release.
            && release.starts_with(|first: char| first.is_ascii_digit())
        {
            self.releases.insert(release.to_owned());
        }
        if self.modules.len() < MAX_MODULES
            && self.kept < MAX_KEPT_TOTAL
            && let Some(name) = module_name(path)
        {
            self.kept += 2 * path.len();
            self.modules.push(InitramfsModule {
                name,
                path: path.to_owned(),
                release: release.map(str::to_owned),
            });
        }
    }

    /// How many bytes of a file are wanted.
    pub(super) fn wants(&self, path: &str) -> u64 {
        match path {
            "init" | "linuxrc" => INIT_START,
            _ if self.kept >= MAX_KEPT_TOTAL => 0,
            _ if path.ends_with("/modules.builtin") => MAX_BUILTIN,
            _ if self.settings.len() < MAX_SETTINGS && is_setting(path) => MAX_KEPT,
            _ => 0,
        }
    }

    /// Takes the content of a file, or its start where it is not `whole`.
    pub(super) fn content(&mut self, path: &str, content: &[u8], whole: bool) {
        self.kept += content.len();
        match path {
            "init" => self.init = Some(init(content)),
            "linuxrc" => {
                self.init.get_or_insert_with(|| init(content));
            }
            _ if path.ends_with("/modules.builtin") => {
                let names = parse_builtin(content).into_keys().collect();
                if self.builtin.len() < MAX_RELEASES {
                    self.builtin.insert(path.to_owned(), names);
                }
            }
            _ if whole => {
                let text = String::from_utf8_lossy(content).into_owned();
                self.settings.insert(path.to_owned(), text);
            }
            _ => {}
        }
    }

    /// Takes the target of a symbolic link.
    pub(super) fn link(&mut self, path: &str, target: &[u8]) {
        if path == "init" || path == "linuxrc" && self.init.is_none() {
            let target = String::from_utf8_lossy(target).trim_end_matches('\0').to_owned();
            self.init = Some(Init::Link { target });
        }
    }

    pub(super) fn finish(self, files: u64, unpacked: u64) -> Initramfs {
        let generator = self.generator();
        let has = |mark| self.marks.contains(&mark);
        let finds = match generator {
            // initramfs-tools, dracut and SUSE's mkinitrd wait for /dev/disk/by-…, nash looks in its own `mkrootdev`.
            Generator::InitramfsTools | Generator::Dracut | Generator::Nash | Generator::SuseMkinitrd => true,
            Generator::Mkinitcpio => has(Mark::Udev) || has(Mark::Blkid),
            Generator::Unknown => has(Mark::Systemd) && has(Mark::Udev),
        };
        // Having no udev does not prove that there is no other way.
        let finds = if finds { Tri::Yes } else { Tri::Unknown };
        Initramfs {
            files,
            unpacked,
            generator,
            udev: has(Mark::Udev),
            host_only: (generator == Generator::Dracut).then(|| has(Mark::HostOnly)),
            finds_uuid: finds,
            finds_label: finds,
            segments: self.segments,
            init: self.init,
            modules: self.modules,
            builtin: self.builtin,
            releases: self.releases,
            settings: self.settings,
        }
    }

    fn generator(&self) -> Generator {
        let by_init = match &self.init {
            Some(Init::Script { interpreter }) if interpreter.contains("nash") => Some(Generator::Nash),
            _ => None,
        };
        by_init.unwrap_or_else(|| {
            [
                (Mark::Dracut, Generator::Dracut),
                (Mark::HostOnly, Generator::Dracut),
                (Mark::InitramfsTools, Generator::InitramfsTools),
                (Mark::Suse, Generator::SuseMkinitrd),
                (Mark::Mkinitcpio, Generator::Mkinitcpio),
                (Mark::Nash, Generator::Nash),
            ]
            .into_iter()
            .find(|(mark, _)| self.marks.contains(mark))
            .map_or(Generator::Unknown, |(_, generator)| generator)
        })
    }
}

/// What a path (without `usr/`) gives away.
fn mark(path: &str) -> Option<Mark> {
    Some(match path {
        "scripts/local" | "scripts/functions" | "conf/initramfs.conf" => Mark::InitramfsTools,
        "bin/nash" | "sbin/nash" => Mark::Nash,
        "run_all.sh" | "mkinitrd.config" | "config/start.sh" => Mark::Suse,
        "init_functions" | "buildconfig" => Mark::Mkinitcpio,
        "sbin/udevd" | "bin/udevd" | "bin/udevadm" | "sbin/udevadm" | "lib/systemd/systemd-udevd" | "sbin/udev" => {
            Mark::Udev
        }
        "sbin/blkid" | "bin/blkid" => Mark::Blkid,
        "lib/systemd/systemd" => Mark::Systemd,
        // dracut 004 of RHEL 6 has its hooks in the root.
        "initqueue" | "pre-trigger" | "lib/dracut-lib.sh" => Mark::Dracut,
        _ if path.starts_with("lib/dracut/hostonly-") => Mark::HostOnly,
        _ if path.starts_with("lib/dracut") || path.starts_with("dracut-0") => Mark::Dracut,
        _ if path.starts_with("lib/mkinitrd/") => Mark::Suse,
        _ => return None,
    })
}

/// Files whose content says how the initramfs boots.
fn is_setting(path: &str) -> bool {
    matches!(
        path,
        "conf/modules"
            | "conf/param.conf"
            | "conf/initramfs.conf"
            | "conf/arch.conf"
            | "etc/fstab"
            | "etc/fstab.empty"
            | "etc/cmdline"
            | "etc/modules"
            | "etc/initrd-release"
            | "lib/dracut/hostonly-kernel-modules.txt"
            | "usr/lib/dracut/hostonly-kernel-modules.txt"
            | "config/storage.sh"
            | "config/udev.sh"
    ) || path.starts_with("etc/cmdline.d/")
        || path.starts_with("conf/conf.d/")
        || path.starts_with("etc/conf.d/")
}

fn init(start: &[u8]) -> Init {
    if start.starts_with(b"\x7fELF") {
        return Init::Program;
    }
    match start.strip_prefix(b"#!") {
        Some(rest) => {
            let line = rest.split(|&byte| byte == b'\n').next().unwrap_or_default();
            Init::Script {
                interpreter: String::from_utf8_lossy(line).trim().to_owned(),
            }
        }
        None => Init::Other,
    }
}
