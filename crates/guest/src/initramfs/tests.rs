use std::fmt::Write as _;

use super::*;
use crate::compression::tests::{ALL, compress};
use proptest::prelude::*;

/// A newc archive; a mode is taken from the path: what begins with `->` is a link.
fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (path, content) in files.iter().chain([&("TRAILER!!!", "")]) {
        let (mode, content) = match content.strip_prefix("->") {
            Some(target) => (0o120_777, target),
            None => (0o100_644, *content),
        };
        let mut header = "070701".to_owned();
        for field in [1, mode, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, path.len() + 1, 0] {
            write!(header, "{field:08x}").unwrap();
        }
        out.extend(header.bytes());
        out.extend(path.bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend(content.bytes());
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

const DEBIAN: &[(&str, &str)] = &[
    ("init", "#!/bin/sh\n\nexport DEBIAN_FRONTEND\n"),
    ("scripts/local", "# local\n"),
    ("conf/param.conf", "ROOT=/dev/xvda1\n"),
    ("sbin/blkid", "ELF"),
    (
        "usr/lib/modules/6.1.0-1-amd64/kernel/drivers/block/xen-blkfront.ko.zst",
        "x",
    ),
    (
        "usr/lib/modules/6.1.0-1-amd64/modules.builtin",
        "kernel/drivers/xen/xen-platform.ko\n",
    ),
];

#[test]
fn all_compressions_after_early_microcode() {
    for compression in ALL.into_iter().chain([Compression::None]) {
        let mut image = archive(&[("kernel/x86/microcode/GenuineIntel.bin", "microcode")]);
        image.extend(compress(compression, &archive(DEBIAN)));
        let initramfs = Initramfs::read(image.as_slice()).unwrap();
        assert_eq!(initramfs.segments, [Compression::None, compression]);
        assert_eq!(initramfs.generator, Generator::InitramfsTools);
        assert_eq!(initramfs.files, 7);
        let module = initramfs.module("xen_blkfront", Some("6.1.0-1-amd64")).unwrap();
        assert!(module.path.ends_with("xen-blkfront.ko.zst"));
        assert_eq!(initramfs.module("xen_blkfront", Some("6.1.0-2-amd64")), None);
        assert_eq!(initramfs.settings["conf/param.conf"], "ROOT=/dev/xvda1\n");
        assert!(initramfs.builtin.values().next().unwrap().contains("xen_platform"));
        assert_eq!(initramfs.finds_uuid, Tri::Yes);
    }
}

#[test]
fn generators_are_told_apart() {
    for (files, generator, init) in [
        (
            &[("init", "#!/bin/nash\n"), ("bin/nash", "ELF"), ("lib/xenblk.ko", "x")][..],
            Generator::Nash,
            Init::Script {
                interpreter: "/bin/nash".to_owned(),
            },
        ),
        (
            &[
                ("init", "->usr/lib/systemd/systemd"),
                ("usr/lib/dracut/hostonly-files", ""),
            ],
            Generator::Dracut,
            Init::Link {
                target: "usr/lib/systemd/systemd".to_owned(),
            },
        ),
        (
            &[("init", "\x7fELF"), ("run_all.sh", "")],
            Generator::SuseMkinitrd,
            Init::Program,
        ),
        (
            &[("./dracut-004-356.el6", ""), ("init", "x")],
            Generator::Dracut,
            Init::Other,
        ),
        (
            &[("init", "#! /bin/sh\n")],
            Generator::Unknown,
            Init::Script {
                interpreter: "/bin/sh".to_owned(),
            },
        ),
    ] {
        let initramfs = Initramfs::read(archive(files).as_slice()).unwrap();
        assert_eq!(initramfs.generator, generator);
        assert_eq!(initramfs.init, Some(init));
    }
    let nash = Initramfs::read(archive(&[("lib/xenblk.ko", "x")]).as_slice()).unwrap();
    assert_eq!(nash.module("xenblk", Some("2.6.18-419.el5xen")).unwrap().release, None);
}

#[test]
fn concatenated_segments_are_all_read() {
    let mut image = compress(Compression::Gzip, &archive(&[("lib/a.ko", "")]));
    image.extend([0; 37]);
    image.extend(compress(Compression::Xz, &archive(&[("lib/b.ko", "")])));
    image.extend(compress(Compression::Zstd, &archive(&[("lib/c-d.ko.gz", "")])));
    let initramfs = Initramfs::read(image.as_slice()).unwrap();
    let names: Vec<_> = initramfs.modules.iter().map(|module| module.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c_d"]);
    assert_eq!(initramfs.segments.len(), 3);
}

#[test]
fn other_images_are_named() {
    let mut ext2 = vec![0; 4096];
    ext2[1080..1082].copy_from_slice(b"\x53\xef");
    for (image, expected) in [
        (compress(Compression::Gzip, &ext2), "it is a ext2 image"),
        (b"\x45\x3d\xcd\x28rest".to_vec(), "it is a cramfs image"),
        (b"MZ hello".to_vec(), "neither a cpio archive"),
        (vec![0; 5000], "empty"),
        (archive(DEBIAN)[..300].to_vec(), "ends within"),
        (
            compress(Compression::Xz, &archive(DEBIAN))[..100].to_vec(),
            "segment 1 (xz)",
        ),
    ] {
        let error = Initramfs::read(image.as_slice()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_bomb_is_stopped() {
    // Files of 1 GiB of zeros, without the zeros themselves in memory.
    let header = &archive(&[("big", "")])[..116];
    let mut big = header.to_vec();
    big[54..62].copy_from_slice(b"40000000");
    let bomb = std::iter::repeat_n(&big, 3).fold(Vec::new(), |mut packed, header| {
        let mut encoder = zstd::stream::Encoder::new(&mut packed, 1).unwrap();
        std::io::copy(&mut header.chain(std::io::repeat(0).take(1 << 30)), &mut encoder).unwrap();
        encoder.finish().unwrap();
        packed
    });
    let error = Initramfs::read(bomb.as_slice()).unwrap_err();
    assert!(matches!(error, InitramfsError::TooLarge { .. }), "{error}");
}

proptest! {
    #[test]
    fn never_panics(content in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = Initramfs::read(content.as_slice());
    }

    #[test]
    fn never_panics_when_damaged(
        which in 0..9_usize,
        damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..8),
    ) {
        let plain = archive(DEBIAN);
        let mut image = ALL.get(which).map_or(plain.clone(), |&compression| compress(compression, &plain));
        for (at, byte) in damage {
            let at = at % image.len();
            image[at] = byte;
        }
        if let Ok(initramfs) = Initramfs::read(image.as_slice()) {
            prop_assert!(initramfs.unpacked <= MAX_UNPACKED);
        }
    }
}
