//! A whole console, as it was fetched from EC2.
//!
//! `GetConsoleOutput` gives the last 64 KiB, in which several boots may be, and on Xen types it is minutes late
//! (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleOutput.html>). So only the last boot counts, and
//! what is not there is no sign. How it ends decides: a login prompt after a failure that the guest survived is a login, and a
//! panic after a login is a panic.

use std::sync::LazyLock;

use regex::bytes::RegexSet;

use crate::judge::{is_login, text};
use crate::lines::Lines;
use crate::signatures::{self, Signature, Weight};
use crate::{Finding, Stage};

/// The most signs that are kept of one kind.
const MOST: usize = 32;

/// What the last boot says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// Somebody could log in: this line.
    Login(String),
    /// It will not come up.
    Failure(Finding),
    /// It is at work, and comes on by itself.
    Working(Finding),
    /// Nothing that decides.
    Nothing,
}

/// What a console says of its last boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// How it stands.
    pub says: Says,
    /// How far it came; nothing was read if this is the firmware and there is no line.
    pub stage: Stage,
    /// What may explain why it comes no further, or what else is worth knowing; in the order in which it was seen.
    pub signs: Vec<Finding>,
    /// What looks bad and is not.
    pub harmless: Vec<Finding>,
    /// Whether PV-GRUB was seen.
    pub pv_grub: bool,
    /// The line with which PV-GRUB left the machine to the kernel.
    pub handed_over: Option<String>,
    /// The kernel's file, as PV-GRUB or GRUB legacy name it when they load it: `/boot/vmlinuz-3.2.0-58-virtual`.
    pub kernel: Option<String>,
    /// The last line.
    pub last: Option<String>,
    /// How many boots are on the console.
    pub boots: usize,
}

/// Reads a console.
pub fn read(bytes: &[u8]) -> Reading {
    let lines = lines(bytes);
    let starts = starts(&lines);
    let boot = lines.get(starts.last().copied().unwrap_or(0)..).unwrap_or_default();

    let mut login: Option<(usize, String)> = None;
    let (mut harmless, mut kernel, mut handed_over, mut pv_grub) = (Vec::new(), None, None, false);
    let mut working: Option<(usize, Finding)> = None;
    let mut signs: Vec<(Weight, Finding)> = Vec::new();
    let mut broken: Option<(usize, Finding)> = None;
    for (at, line) in boot.iter().enumerate() {
        pv_grub |= line.starts_with(b"Xen Minimal OS!");
        if line.starts_with(b"close blk: ") {
            handed_over = Some(text(line));
        }
        kernel = kernel_of(line).or(kernel);
        if is_login(line) {
            login = Some((at, text(line)));
            broken = None;
            continue;
        }
        // A boot loader's failure is over when another entry of its menu is tried, or a kernel runs.
        let goes_on = crate::judge::stage_of(line).is_some_and(|stage| stage > Stage::BootLoader) || is_entry(line);
        if goes_on
            && broken
                .as_ref()
                .is_some_and(|(_, finding)| finding.stage <= Stage::BootLoader)
        {
            broken = None;
        }
        let Some(signature) = signatures::find(line, |signature| signature.weight != Weight::StandIn) else {
            continue;
        };
        let finding = signature.at(text(line));
        match signature.weight {
            Weight::Harmless => keep(&mut harmless, finding),
            Weight::Wait | Weight::WillRestart => working = Some((at, finding)),
            // The first of them is the cause of those that follow.
            Weight::Fatal | Weight::Prompt => {
                if broken.is_none() {
                    broken = Some((at, cause(signature, finding, &signs)));
                }
            }
            Weight::Telling | Weight::Hint => {
                if signs.len() < MOST && signs.iter().all(|(_, known)| known.id != finding.id) {
                    signs.push((signature.weight, finding));
                }
            }
            Weight::StandIn => {}
        }
    }
    let stage = if login.is_some() { Stage::Login } else { reached(boot) };
    let place = |found: &Option<(usize, Finding)>| found.as_ref().map(|(at, _)| *at);
    let after = |place: Option<usize>| place > login.as_ref().map(|(at, _)| *at);
    let says = if place(&broken).is_some() && after(place(&broken)) && place(&broken) > place(&working) {
        broken.map_or(Says::Nothing, |(_, finding)| Says::Failure(finding))
    } else if place(&working).is_some() && after(place(&working)) {
        working.map_or(Says::Nothing, |(_, finding)| Says::Working(finding))
    } else if let Some((_, line)) = login {
        Says::Login(line)
    } else {
        Says::Nothing
    };
    Reading {
        says,
        stage,
        signs: signs.into_iter().map(|(_, finding)| finding).collect(),
        harmless,
        pv_grub,
        handed_over,
        kernel,
        last: boot.last().map(|line| text(line)),
        boots: if boot.is_empty() { 0 } else { starts.len().max(1) },
    }
}

/// Whether GRUB legacy takes an entry of its menu.
fn is_entry(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"Booting '")
}

/// A prompt says little about its cause: what was told before it on the same way says more.
fn cause(signature: &Signature, finding: Finding, signs: &[(Weight, Finding)]) -> Finding {
    if signature.weight != Weight::Prompt {
        return finding;
    }
    let late = |finding: &Finding| finding.stage > Stage::BootLoader;
    let told = signs
        .iter()
        .find(|(weight, told)| *weight == Weight::Telling && late(told) == late(&finding));
    told.map_or(finding, |(_, told)| told.clone())
}

fn keep(list: &mut Vec<Finding>, finding: Finding) {
    if list.len() < MOST && list.iter().all(|known| known.id != finding.id) {
        list.push(finding);
    }
}

fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut cutter = Lines::new();
    let mut lines: Vec<Vec<u8>> = bytes.iter().filter_map(|byte| cutter.push(*byte)).collect();
    if !cutter.partial().is_empty() {
        lines.push(cutter.partial().to_vec());
    }
    lines.retain(|line| !line.iter().all(u8::is_ascii_whitespace));
    lines
}

/// Where boots begin: at a boot loader's first line, or at a kernel's where no loader came before it.
fn starts(lines: &[Vec<u8>]) -> Vec<usize> {
    static FIRST: LazyLock<RegexSet> = LazyLock::new(|| {
        crate::judge::set(&[
            r"^Xen Minimal OS!|^SeaBIOS \(version|^GRUB loading|^ *(?:GNU GRUB|Welcome to GRUB)",
            r"(?:^|\] )Linux version \d",
        ])
    });
    let mut starts = Vec::new();
    // A kernel belongs to the loader before it; one loader may say two of the lines.
    let (mut loader, mut kernel) = (false, false);
    for (at, line) in lines.iter().enumerate() {
        let found = FIRST.matches(line);
        if found.matched(0) {
            if !loader || kernel || line.starts_with(b"Xen Minimal OS!") || line.starts_with(b"SeaBIOS") {
                starts.push(at);
            }
            (loader, kernel) = (true, false);
        } else if found.matched(1) {
            if kernel || !loader {
                starts.push(at);
            }
            kernel = true;
        }
    }
    // What is before the first boot that can be told may be the end of an earlier one.
    if starts.first().is_some_and(|first| *first > 0) {
        starts.insert(0, 0);
    }
    starts
}

/// How far a boot came, whatever was said in between.
fn reached(boot: &[Vec<u8>]) -> Stage {
    boot.iter()
        .filter_map(|line| crate::judge::stage_of(line))
        .max()
        .unwrap_or(Stage::Firmware)
}

/// The file in `kernel /boot/vmlinuz-… root=…`, which GRUB legacy prints as it carries it out.
fn kernel_of(line: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?.trim();
    let rest = line.strip_prefix("kernel")?;
    let mut words = rest.starts_with([' ', '\t']).then(|| rest.split_whitespace())?;
    let file = words.find(|word| !word.starts_with("--"))?;
    file.contains('/').then(|| file.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(console: &str) -> String {
        match read(console.as_bytes()).says {
            Says::Login(line) => format!("login {line}"),
            Says::Failure(finding) => format!("failure {}", finding.id),
            Says::Working(finding) => format!("working {}", finding.id),
            Says::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn the_end_counts() {
        for (console, wanted) in [
            (
                "Booting\r\nDebian 12 web1 ttyS0\r\n\r\nweb1 login: ",
                "login web1 login:",
            ),
            (
                "Kernel panic - not syncing: old boot\nweb1 login: \n",
                "login web1 login:",
            ),
            (
                "web1 login: \n[ 1.0] Kernel panic - not syncing: VFS: Unable to mount root fs",
                "failure vfs-unable-to-mount-root",
            ),
            (
                "/dev/xvda1 has gone 361 days without being checked, check forced.\n",
                "working fsck-running",
            ),
            (
                "/dev/xvda1 has gone 361 days without being checked, check forced.\nweb1 login: ",
                "login web1 login:",
            ),
            (
                "/dev/xvda1 has gone 361 days without being checked, check forced.\nGive root password for maintenance\n",
                "failure maintenance-prompt",
            ),
            (
                "Gave up waiting for root device.\nALERT!  /dev/xvda1 does not exist.  Dropping to a shell!\n\n(initramfs) ",
                "failure root-device-missing",
            ),
            ("Waiting for root device /dev/xvda1...\n", "nothing"),
            ("Last login: Mon Jan  1 from 10.0.0.1", "nothing"),
            ("please log in", "nothing"),
            (" login:", "nothing"),
            ("", "nothing"),
        ] {
            assert_eq!(says(console), wanted, "{console}");
        }
        assert_eq!(read(b"\xff\xfe").says, Says::Nothing);
        // What may explain it is told, also where it decides nothing.
        let waits = read(b"Waiting for root device /dev/xvda1...\n");
        assert_eq!(waits.signs[0].id, "root-device-waits");
    }

    #[test]
    fn the_first_failure_is_the_cause_of_the_next() {
        let died = "Xen Minimal OS!\nERROR Invalid kernel: xc_dom_probe_bzimage_kernel: unknown compression format\n\
                    xc_dom_parse_image returned -1\n\nError 9: Unknown boot failure\n";
        assert_eq!(says(died), "failure pv-kernel-compression");
        let next = format!("{died}  Booting 'old kernel'\n\nError 15: File not found\n");
        assert_eq!(
            says(&next),
            "failure boot-menu-names-missing-file",
            "that is of the last entry"
        );
        assert_eq!(says(&format!("{died}  Booting 'old kernel'\n")), "nothing");
    }

    const PV: &str =
        "Xen Minimal OS!\n  Booting 'Debian'\nroot  (hd0)\nkernel  /boot/vmlinuz-3.2.0-4-amd64 root=/dev/xvda1 ro\n";

    #[test]
    fn only_the_last_boot_counts() {
        let died = format!("{PV}ERROR Invalid kernel: xc_dom_probe_bzimage_kernel: unknown compression format\n");
        let went = format!(
            "{PV}close blk: backend=/local/domain/0/backend/vbd/11/2049 node=device/vbd/2049\n[    0.000000] Linux version 3.2.0\nweb1 login: \n"
        );
        assert_eq!(says(&format!("{went}{died}")), "failure pv-kernel-compression");
        assert_eq!(says(&format!("{died}{went}")), "login web1 login:");
        let both = read(format!("{went}{died}").as_bytes());
        assert_eq!((both.boots, both.pv_grub, both.stage), (2, true, Stage::BootLoader));
        assert_eq!(both.kernel.as_deref(), Some("/boot/vmlinuz-3.2.0-4-amd64"));
        assert_eq!(both.handed_over, None, "that was the boot before");
        assert_eq!(read(went.as_bytes()).boots, 1, "a kernel belongs to its loader");
        // A guest that reboots without a loader on the console.
        let kernels =
            "[    0.000000] Linux version 3.2.0\nweb1 login: \n[    0.000000] Linux version 3.2.0\nnothing yet";
        let read = read(kernels.as_bytes());
        assert_eq!((read.boots, read.says), (2, Says::Nothing));
        assert_eq!(read.last.as_deref(), Some("nothing yet"));
    }

    #[test]
    fn a_loader_s_error_is_none_once_the_kernel_runs() {
        let fallback =
            "Xen Minimal OS!\nError 15: File not found\n  Booting 'old kernel'\n[    0.000000] Linux version 2.6.32\n";
        assert_eq!(says(fallback), "nothing");
        assert_eq!(
            says("Xen Minimal OS!\nError 15: File not found\n"),
            "failure boot-menu-names-missing-file"
        );
    }

    #[test]
    fn harmless_noise_is_known_and_decides_nothing() {
        let noise = read(
            b"Xen Minimal OS!\nTpmfront:Error Unable to read device/vtpm/0/backend-id error = ENOENT\nclose blk: backend=/local/domain/0\n",
        );
        assert_eq!(noise.says, Says::Nothing);
        assert_eq!(noise.harmless[0].id, "tpm-front");
        assert!(noise.handed_over.is_some());
    }

    #[test]
    fn kernels_are_named_by_loaders_alone() {
        for (line, kernel) in [
            ("kernel  /boot/vmlinuz-3.2 root=/dev/xvda1", Some("/boot/vmlinuz-3.2")),
            (
                "  kernel --no-mem-option /boot/vmlinuz-3.2 ro",
                Some("/boot/vmlinuz-3.2"),
            ),
            ("kernel panics", None),
            ("kernels: /boot", None),
            ("kernel", None),
        ] {
            assert_eq!(kernel_of(line.as_bytes()).as_deref(), kernel, "{line}");
        }
    }
}
