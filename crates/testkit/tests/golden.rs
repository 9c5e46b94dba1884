//! Every golden guest loads, can be made, and is consistent in itself.

// Clippy allows unwrap in functions marked as tests, and not in those that they share.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Command;

use comeback_disk::folder::FolderTree;
use comeback_disk::tree::{FileTree, Kind};
use comeback_testkit::golden::{self, GoldenGuest, GuestKind, Layout, Platform, Verdict};
use comeback_testkit::image;
use comeback_testkit::kernel::Format;

fn guests() -> Vec<GoldenGuest> {
    golden::load_all(&golden::repository_folder()).unwrap()
}

fn made(guest: &GoldenGuest) -> (tempfile::TempDir, FolderTree) {
    let dir = tempfile::tempdir().unwrap();
    guest.materialise(&dir.path().join("guest")).unwrap();
    let tree = FolderTree::new(&dir.path().join("guest")).unwrap();
    (dir, tree)
}

fn walk(tree: &FolderTree, folder: &str, visit: &mut dyn FnMut(&str)) {
    for name in tree.read_dir(folder).unwrap() {
        let path = format!("{}/{name}", folder.trim_end_matches('/'));
        visit(&path);
        if tree.symlink_metadata(&path).unwrap().kind == Kind::Directory {
            walk(tree, &path, visit);
        }
    }
}

#[test]
fn all_releases_and_corners_are_there() {
    let names = |kind| -> Vec<String> {
        let of_kind = guests().into_iter().filter(|guest| guest.description.kind == kind);
        of_kind.map(|guest| guest.name).collect()
    };
    assert_eq!(
        names(GuestKind::Release),
        [
            "amazon-linux-2011.09",
            "amazon-linux-2014.03",
            "amazon-linux-2018.03",
            "centos-5",
            "centos-6",
            "debian-6",
            "debian-7",
            "debian-8",
            "rhel-5",
            "rhel-6",
            "sles-11-hvm-ready",
            "sles-11-sp3",
            "ubuntu-10.04",
            "ubuntu-10.04-virtual",
            "ubuntu-12.04",
            "ubuntu-14.04",
            "ubuntu-16.04",
            "ubuntu-8.04",
        ]
    );
    assert_eq!(
        names(GuestKind::Corner),
        [
            "default-saved",
            "hazard-fstab",
            "host-only-initramfs",
            "i386",
            "kernel-missing",
            "lz4-kernel",
            "mac-bound",
            "no-initramfs",
            "sector-63",
            "separate-boot",
            "stale-grub-cfg",
        ]
    );
}

#[test]
fn links_resolve_inside_the_guest() {
    for guest in guests() {
        let (_dir, tree) = made(&guest);
        let mut links = 0;
        walk(&tree, "/", &mut |path| {
            if tree.symlink_metadata(path).unwrap().kind == Kind::Symlink {
                links += 1;
                let target = tree
                    .canonical(path)
                    .unwrap_or_else(|error| panic!("{}: {error}", guest.name));
                assert!(tree.exists(&target), "{}: {path} -> {target}", guest.name);
            }
        });
        if guest.description.family == "redhat" || guest.description.family == "amazon" {
            assert_eq!(tree.canonical("/boot/grub/menu.lst").unwrap(), "/boot/grub/grub.conf");
            assert!(links >= 2, "{}: {links} links", guest.name);
        }
    }
}

#[test]
fn kernels_read_back() {
    for guest in guests() {
        let (_dir, tree) = made(&guest);
        assert!(!guest.description.kernels.is_empty(), "{}", guest.name);
        for kernel in &guest.description.kernels {
            let bytes = tree.read(&kernel.path, 1 << 20).unwrap();
            if kernel.format == Format::Elf {
                assert_eq!(bytes[..2], [0x1f, 0x8b], "{}", kernel.path);
                continue;
            }
            assert_eq!(&bytes[0x202..0x206], b"HdrS", "{}", kernel.path);
            let protocol = format!("{}.{}", bytes[0x207], bytes[0x206]);
            assert_eq!(Some(protocol), kernel.protocol, "{}", kernel.path);
            let at = usize::from(u16::from_le_bytes([bytes[0x20e], bytes[0x20f]])) + 0x200;
            assert!(
                bytes[at..].starts_with(format!("{} ", kernel.release).as_bytes()),
                "{}",
                kernel.path
            );
        }
    }
}

/// What the text says of kernels and modules agrees with what is made.
#[test]
fn text_and_binaries_agree() {
    for guest in guests() {
        let (_dir, tree) = made(&guest);
        let name = &guest.name;
        for kernel in &guest.description.kernels {
            let config = tree.read(&format!("/boot/config-{}", kernel.release), 1 << 20).unwrap();
            let config = String::from_utf8(config).unwrap();
            assert_eq!(
                config.contains("\nCONFIG_XEN=y\n"),
                kernel.xen_pv,
                "{name}: {}",
                kernel.release
            );
            assert_eq!(
                config.contains("_XEN=y\nCONFIG_XEN=y\n") || config.contains("X86_64_XEN=y"),
                kernel.format == Format::Elf,
                "{name}"
            );
        }
        for initramfs in &guest.description.initramfs {
            assert!(tree.read(&initramfs.path, 1 << 20).unwrap().len() > 100, "{name}");
        }
        for entry in &guest.description.modules {
            let folder = format!("/lib/modules/{}", entry.release);
            let dep = String::from_utf8(tree.read(&format!("{folder}/modules.dep"), 1 << 20).unwrap()).unwrap();
            let listed: BTreeSet<&str> = dep
                .split([':', ' ', '\n'])
                .filter(|path| !path.is_empty())
                .map(|path| path.strip_prefix(&format!("{folder}/")).unwrap_or(path))
                .collect();
            let made: BTreeSet<&str> = entry.files.iter().map(String::as_str).collect();
            assert_eq!(listed, made, "{name}: {}", entry.release);
        }
        // Every kernel and initramfs that a menu names is there, but for the one corner that is about their absence.
        let menu = String::from_utf8(tree.read("/boot/grub/menu.lst", 1 << 20).unwrap()).unwrap();
        let boot = if guest.description.disk.layout == Layout::SeparateBoot {
            "/boot"
        } else {
            ""
        };
        let mut named = 0;
        let mut missing = 0;
        for line in menu.lines() {
            let mut words = line.split_whitespace();
            if let (Some("kernel" | "initrd"), Some(path)) = (words.next(), words.next()) {
                named += 1;
                missing += usize::from(!tree.exists(&format!("{boot}{path}")));
            }
        }
        assert!(named >= 1, "{name}");
        assert_eq!(missing, if name == "kernel-missing" { 2 } else { 0 }, "{name}");
    }
}

#[test]
fn expectations_hold_together() {
    for guest in guests() {
        let expect = &guest.description.expect;
        for platform in [Platform::XenHvm, Platform::Nitro] {
            // Not one of these guests has boot code.
            assert_eq!(expect.before[&platform].verdict, Verdict::DoesNotBoot, "{}", guest.name);
        }
        for platform in [Platform::PvGrub103, Platform::PvGrub105] {
            // A conversion must not cost the way back.
            let (before, after) = (expect.before[&platform].verdict, expect.after[&platform].verdict);
            assert!(after == before || after == Verdict::Boots, "{}", guest.name);
        }
        if expect.after[&Platform::Nitro].verdict == Verdict::Boots {
            assert_eq!(
                expect.after[&Platform::XenHvm].verdict,
                Verdict::Boots,
                "{}",
                guest.name
            );
        }
    }
}

fn check(image: &Path, offset: u64, size: u64, scratch: &Path) {
    let part = scratch.join("part");
    let mut source = std::fs::File::open(image).unwrap();
    source.seek(SeekFrom::Start(offset)).unwrap();
    std::io::copy(&mut source.take(size), &mut std::fs::File::create(&part).unwrap()).unwrap();
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new("e2fsck")
        .env("PATH", path)
        .arg("-fn")
        .arg(&part)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {said}", image.display());
}

#[test]
fn images_are_clean() {
    for guest in guests() {
        let (dir, _tree) = made(&guest);
        let image = image::build_ext(&dir.path().join("guest"), &guest.description).unwrap();
        assert_eq!(std::fs::metadata(&image).unwrap().len(), image::DISK_SIZE);
        let layout = guest.description.disk.layout;
        for part in image::parts(layout) {
            check(&image, part.offset, part.size, dir.path());
        }
        let mut sector = [0; 512];
        std::fs::File::open(&image).unwrap().read_exact(&mut sector).unwrap();
        assert_eq!(sector[..440], [0; 440], "{}: no boot code", guest.name);
        assert_eq!(sector[510] == 0x55, layout != Layout::Unpartitioned, "{}", guest.name);
    }
}

#[test]
fn owners_modes_and_labels_reach_the_image() {
    let guest = golden::load(&golden::repository_folder().join("centos-6")).unwrap();
    let (dir, _tree) = made(&guest);
    let image = image::build_ext(&dir.path().join("guest"), &guest.description).unwrap();
    let ask = |request: &str| {
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        let output = Command::new("debugfs")
            .env("PATH", path)
            .args(["-R", request])
            .arg(&image)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let label = ask("ea_get /etc/fstab security.selinux");
    assert!(label.contains("system_u:object_r:etc_t:s0"), "{label}");
    let stat = ask("stat /boot/grub/grub.conf");
    assert!(stat.contains("Mode:  0600"), "{stat}");
    let fields: Vec<&str> = stat.split_whitespace().collect();
    assert!(
        fields.windows(4).any(|four| four == ["User:", "0", "Group:", "0"]),
        "{stat}"
    );
    assert!(ask("ls -p /etc").contains("/grub.conf/"));
}
