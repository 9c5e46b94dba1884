use std::fs;
use std::path::Path;

use comeback_console::judge::Judge;
use comeback_console::{Origin, Verdict};
use comeback_disk::image::{Access, Image};
use comeback_guest::kernel::image::KernelImage;
use comeback_testkit::{golden, image};

use super::*;

const SDA1: Instance<'_> = Instance {
    device: "/dev/sda1",
    memory_mib: 615,
};
const XZ: &str = "ERROR Invalid kernel: xc_dom_probe_bzimage_kernel: unknown compression format";
const PROMPT: &str = "grubdom>";

/// `1.03`, and `hd00` or not.
fn pv_grub(minor: u8, hd00: bool) -> PvGrub {
    PvGrub {
        version: (1, minor),
        hd00,
        bits: 64,
    }
}

/// A golden guest as a disk image, after `change` has been at its files.
fn disk(name: &str, change: impl FnOnce(&Path)) -> (tempfile::TempDir, Arc<dyn ReadAt>) {
    let guest = golden::load(&golden::repository_folder().join(name)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("guest");
    guest.materialise(&root).unwrap();
    change(&root);
    let path = image::build_ext(&root, &guest.description).unwrap();
    let image: Arc<dyn ReadAt> = Arc::new(Image::open(&path, Access::Read).unwrap());
    (folder, image)
}

/// What becomes of a boot: the kernel's release, or the line it ends at.
fn end(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Boots(boot) => {
            let image = KernelImage::read(boot.kernel.as_slice(), boot.kernel.len() as u64).unwrap();
            // Classic Xen kernels are ELF files that do not tell their release.
            image.release.unwrap_or_else(|| format!("{:?}", image.format))
        }
        Outcome::Stuck(stuck) => stuck.line.clone(),
    }
}

fn boot(pv_grub: PvGrub, disk: &Arc<dyn ReadAt>) -> Outcome {
    pv_grub.boot(Arc::clone(disk), SDA1).unwrap()
}

fn stuck(outcome: Outcome) -> Stuck {
    match outcome {
        Outcome::Stuck(stuck) => stuck,
        Outcome::Boots(boot) => panic!("boots with {}", boot.cmdline),
    }
}

/// Guest, then what 1.03 for whole disks, 1.03 for partitions and 1.05 make of it.
const TABLE: &[(&str, [&str; 3])] = &[
    (
        "amazon-linux-2011.09",
        ["2.6.35.14-95.38.amzn1.x86_64", PROMPT, "2.6.35.14-95.38.amzn1.x86_64"],
    ),
    ("centos-5", ["ElfGz", PROMPT, "ElfGz"]),
    ("centos-6", ["2.6.32-504.el6.x86_64", PROMPT, "2.6.32-504.el6.x86_64"]),
    ("debian-7", ["3.2.0-4-amd64", PROMPT, "3.2.0-4-amd64"]),
    // The incident: xz.
    ("debian-8", [XZ, PROMPT, "3.16.0-11-amd64"]),
    // The second of two entries was saved.
    ("default-saved", ["3.2.0-3-amd64", PROMPT, "3.2.0-3-amd64"]),
    (
        "i386",
        [
            "can only boot x86 64 kernels, not xen-3.0-x86_32p",
            PROMPT,
            "can only boot x86 64 kernels, not xen-3.0-x86_32p",
        ],
    ),
    // The default's kernel is gone, and the fallback boots.
    (
        "kernel-missing",
        ["3.4.57-48.42.amzn1.x86_64", PROMPT, "3.4.57-48.42.amzn1.x86_64"],
    ),
    ("lz4-kernel", [XZ, PROMPT, XZ]),
    ("rhel-6", [PROMPT, "2.6.32-431.el6.x86_64", "2.6.32-431.el6.x86_64"]),
    ("sector-63", [PROMPT, "2.6.32-504.el6.x86_64", "2.6.32-504.el6.x86_64"]),
    // Its menu is in /grub of the first partition, where only 1.04 and later look.
    ("separate-boot", [PROMPT, PROMPT, "2.6.32-504.el6.x86_64"]),
    ("ubuntu-8.04", ["ElfGz", PROMPT, "ElfGz"]),
    ("ubuntu-16.04", ["4.4.0-1128-aws", PROMPT, "4.4.0-1128-aws"]),
];

#[test]
fn golden_guests() {
    for (name, expected) in TABLE {
        let (_folder, disk) = disk(name, |_| ());
        let said = [pv_grub(3, false), pv_grub(3, true), pv_grub(5, false)].map(|release| end(&boot(release, &disk)));
        assert_eq!(said, *expected, "{name}");
    }
}

#[test]
fn the_rehearsals_judge_reads_the_console_as_field_reports_have_it() {
    let (_folder, disk) = disk("debian-8", |_| ());
    let Stuck { console, line } = stuck(boot(pv_grub(3, false), &disk));
    assert_eq!(line, XZ);
    for text in [
        "Xen Minimal OS!\n",
        "vbd 2049 is hd0\n",
        "(629760K lower / 0K upper memory)",
        "  Booting 'Debian GNU/Linux",
        "root  (hd0)\n Filesystem type is ext2fs, using whole disk\n",
        "xc_dom_parse_image returned -1\n\nError 9: Unknown boot failure\n\nPress any key to continue...",
    ] {
        assert!(console.replace("\t", " ").contains(text), "{text} in\n{console}");
    }
    let (judgement, _) = Judge::console(Origin::StandIn, console.as_bytes());
    assert_eq!(judgement.verdict, Verdict::DoesNotBoot);
    assert_eq!(judgement.signature.unwrap().id, "pv-kernel-compression");
}

#[test]
fn what_runs_already_starts_whatever_the_release_says() {
    let (_folder, disk) = disk("debian-8", |_| ());
    let outcome = pv_grub(3, false).boot_unchecked(Arc::clone(&disk), SDA1).unwrap();
    assert_eq!(end(&outcome), "3.16.0-11-amd64");
    let Outcome::Boots(boot) = outcome else { panic!() };
    assert!(boot.initrd.is_some());
    assert!(boot.cmdline.starts_with("root=UUID="), "{}", boot.cmdline);
    assert!(boot.console.contains("close blk: backend="), "{}", boot.console);
}

/// The line that a changed menu of a guest on a bare file system ends at, with 1.05.
fn with_menu(menu: &str) -> String {
    let (_folder, disk) = disk("debian-7", |root| {
        fs::write(root.join("boot/grub/menu.lst"), menu).unwrap()
    });
    end(&boot(pv_grub(5, false), &disk))
}

#[test]
fn menus_that_start_nothing() {
    let kernel = "kernel /boot/vmlinuz-3.2.0-4-amd64 root=/dev/xvda1\n";
    let entry = |lines: &str| format!("default 0\ntimeout 0\n\ntitle Debian\n{lines}");
    assert_eq!(with_menu(&entry(&format!("root (hd0)\n{kernel}"))), "3.2.0-4-amd64");
    // Amazon's menus have had no root line; inference.
    assert_eq!(with_menu(&entry(kernel)), "3.2.0-4-amd64");
    assert_eq!(with_menu(&entry(&format!("uuid 1234\n{kernel}"))), "3.2.0-4-amd64");
    for (lines, line) in [
        ("root (hd0)\nkernel /boot/gone\n", "Error 15: File not found"),
        ("root (hd0)\nkernel /boot\n", "Error 2: Bad file or directory type"),
        ("root (hd0)\n", "Error 8: Kernel must be loaded before booting"),
        ("root (hd0,0)\n", "Error 5: Partition table invalid or corrupt"),
        ("root (hd1)\n", "Error 21: Selected disk does not exist"),
        ("root sda1\n", "Error 11: Unrecognized device string"),
        ("lock\n", "Error 32: Must be authenticated"),
        ("timeout 5\n", "Error 27: Unrecognized command"),
        ("chainloader +1\n", "Error 13: Invalid or unsupported executable format"),
        (
            "kernel /etc/fstab\n",
            "ERROR Invalid kernel: xc_dom_find_loader: no loader found",
        ),
    ] {
        assert_eq!(with_menu(&entry(lines)), line, "{lines}");
    }
    let missing = format!("root (hd0)\n{kernel}initrd /boot/gone\n");
    assert_eq!(with_menu(&entry(&missing)), "Error 15: File not found");
    let waits = "commands before booting, or 'c' for a command-line.";
    assert_eq!(with_menu(&format!("title Debian\nroot (hd0)\n{kernel}")), waits);
    assert_eq!(with_menu(""), PROMPT);
}

#[test]
fn without_xen_notes_a_kernel_is_none() {
    let (_folder, disk) = disk("debian-7", |root| {
        let kernel = comeback_testkit::kernel::Kernel {
            release: "3.2.0-4-amd64",
            banner: "(me) #1",
            arch: comeback_testkit::kernel::Arch::X86_64,
            format: comeback_testkit::kernel::Format::Bzimage,
            protocol: 0x20a,
            compression: comeback_testkit::compress::Compression::Gzip,
            xen_notes: false,
        };
        fs::write(root.join("boot/vmlinuz-3.2.0-4-amd64"), kernel.to_bytes().unwrap()).unwrap();
    });
    assert_eq!(
        end(&boot(pv_grub(5, false), &disk)),
        "ERROR Invalid kernel: elf_xen_note_check: ERROR: Not a Xen-ELF image: No ELF notes or '__xen_guest' section found"
    );
}

#[test]
fn a_disk_of_zeros_has_no_menu() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zeros.img");
    fs::File::create(&path).unwrap().set_len(64 << 20).unwrap();
    let disk: Arc<dyn ReadAt> = Arc::new(Image::open(&path, Access::Read).unwrap());
    for release in [pv_grub(1, false), pv_grub(3, true), pv_grub(5, false)] {
        let Stuck { console, line } = stuck(boot(release, &disk));
        assert_eq!(line, PROMPT);
        assert!(console.ends_with("\ngrubdom> "), "{console}");
    }
}
