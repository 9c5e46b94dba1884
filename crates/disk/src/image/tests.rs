use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::storage::Medium;
use super::*;

/// A medium that stops at a given write, as a killed process does: that write does only its first bytes, later ones
/// do nothing, and all report success to those who still ask.
#[derive(Debug)]
pub(crate) struct Killed<M> {
    pub(crate) inner: M,
    pub(crate) writes_left: Arc<AtomicI64>,
}

impl<M: Medium> Medium for Killed<M> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buf, offset)
    }

    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        if self.writes_left.fetch_sub(1, Ordering::Relaxed) <= 0 {
            return Err(io::Error::other("killed"));
        }
        self.inner.write_all_at(data, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.inner.sync()
    }

    fn set_len(&self, size: u64) -> io::Result<()> {
        self.inner.set_len(size)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
}

/// Opens a qcow2 image whose file stops taking writes after `writes` of them.
pub(crate) fn open_killed(path: &Path, writes: i64) -> (Image, Arc<AtomicI64>) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let writes_left = Arc::new(AtomicI64::new(writes));
    let medium = Killed {
        inner: file,
        writes_left: Arc::clone(&writes_left),
    };
    let file = HostFile::new(Box::new(medium), path);
    let image = qcow2::open(path, file, Access::Write).unwrap();
    let identity = Identity {
        path: path.to_owned(),
        format: Format::Qcow2,
        size: image.size(),
    };
    let image = Image {
        identity,
        users: Vec::new(),
        store: Store::Qcow2(image),
        access: Access::Write,
        _lock: None,
    };
    (image, writes_left)
}

pub(crate) fn qemu_img(folder: &Path, args: &[&str]) -> String {
    let out = Command::new("qemu-img")
        .current_dir(folder)
        .args(args)
        .output()
        .expect("the package qemu-utils is needed for this test");
    assert!(
        out.status.success(),
        "qemu-img {args:?}: {}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap()
}

fn message(path: &Path) -> String {
    Image::open(path, Access::Read).unwrap_err().to_string()
}

fn read_all(image: &Image) -> Vec<u8> {
    let mut bytes = vec![0; image.size() as usize];
    image.read_at(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn raw_images_are_read_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.img");
    let image = create(&path, Format::Raw, 1 << 20).unwrap();
    image.write_at(1000, b"abc").unwrap();
    image.flush().unwrap();
    assert!(image.write_at((1 << 20) - 1, b"ab").is_err());
    drop(image);
    let image = Image::open(&path, Access::Read).unwrap();
    assert_eq!((image.format(), image.size()), (Format::Raw, 1 << 20));
    assert_eq!(image.path(), path.canonicalize().unwrap());
    let bytes = read_all(&image);
    assert_eq!(&bytes[999..1004], b"\0abc\0");
    assert_eq!(
        image.write_at(0, b"x").unwrap_err().kind(),
        io::ErrorKind::PermissionDenied
    );
    assert!(matches!(
        create(&path, Format::Raw, 512),
        Err(ImageError::Exists { .. })
    ));
    assert!(matches!(
        create(&folder.path().join("x"), Format::Raw, 513),
        Err(ImageError::Create { .. })
    ));
}

#[test]
fn qcow2_images_agree_with_qemu() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let image = create(&at("new.qcow2"), Format::Qcow2, 64 << 20).unwrap();
    image.write_at((5 << 20) + 7, &[0xab; 70_000]).unwrap();
    image.flush().unwrap();
    drop(image);
    assert!(fs::metadata(at("new.qcow2")).unwrap().len() < 1 << 20);
    qemu_img(folder.path(), &["check", "new.qcow2"]);
    qemu_img(folder.path(), &["convert", "-O", "raw", "new.qcow2", "flat.img"]);
    let flat = read_all(&Image::open(&at("flat.img"), Access::Read).unwrap());
    let image = Image::open(&at("new.qcow2"), Access::Read).unwrap();
    assert_eq!(image.format(), Format::Qcow2);
    assert!(read_all(&image) == flat);
    assert_eq!(flat.iter().filter(|&&byte| byte == 0xab).count(), 70_000);

    // As QEMU makes them: compressed, of version 2, with small clusters.
    for options in [&["-c"][..], &["-o", "compat=0.10"], &["-o", "cluster_size=4k"]] {
        let args = [&["convert", "-O", "qcow2"], options, &["flat.img", "theirs.qcow2"]].concat();
        qemu_img(folder.path(), &args);
        let image = Image::open(&at("theirs.qcow2"), Access::Write).unwrap();
        assert!(read_all(&image) == flat, "{options:?}");
        image.write_at(5 << 20, b"0123456789").unwrap();
        image.flush().unwrap();
        drop(image);
        qemu_img(folder.path(), &["check", "theirs.qcow2"]);
        let image = Image::open(&at("theirs.qcow2"), Access::Read).unwrap();
        let mut bytes = [0; 11];
        image.read_at(5 << 20, &mut bytes).unwrap();
        assert_eq!(&bytes, b"0123456789\xab", "{options:?}");
    }
}

#[test]
fn backing_files_only_from_the_same_folder() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("in")).unwrap();
    fs::write(at("secret.img"), [7; 4096]).unwrap();
    fs::write(at("in/base.img"), [5; 4096]).unwrap();
    std::os::unix::fs::symlink("../secret.img", at("in/link.img")).unwrap();
    let make = |backing: &str| {
        qemu_img(
            &at("in"),
            &[
                "create",
                "-f",
                "qcow2",
                "-u",
                "-F",
                "raw",
                "-b",
                backing,
                "top.qcow2",
                "4096",
            ],
        );
    };
    make("base.img");
    assert!(read_all(&Image::open(&at("in/top.qcow2"), Access::Write).unwrap()) == [5; 4096]);
    let absolute = at("secret.img").display().to_string();
    for (backing, reason) in [
        ("../secret.img", "lies outside of"),
        (absolute.as_str(), "lies outside of"),
        ("link.img", "lies outside of"),
        ("gone.img", "does not exist"),
        ("/dev/zero", "lies outside of"),
    ] {
        make(backing);
        let err = message(&at("in/top.qcow2"));
        assert!(
            err.contains(backing.rsplit('/').next().unwrap()) && err.contains(reason),
            "{err}"
        );
        assert!(err.contains("qemu-img convert"), "{err}");
    }
    for (top, backing) in [("top.qcow2", "low.qcow2"), ("low.qcow2", "top.qcow2")] {
        qemu_img(
            &at("in"),
            &["create", "-f", "qcow2", "-u", "-F", "qcow2", "-b", backing, top, "4096"],
        );
    }
    assert!(message(&at("in/top.qcow2")).contains("circle"));
}

#[test]
fn qcow2_images_that_are_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.qcow2");
    qemu_img(folder.path(), &["create", "-f", "qcow2", "x.qcow2", "1M"]);
    let good = fs::read(&path).unwrap();
    let cases: &[(usize, &[u8], &str)] = &[
        (7, &[4], "version 4"),
        (35, &[2], "encrypted (LUKS)"),
        (79, &[1], "marked dirty"),
        (79, &[2], "marked corrupt"),
        (79, &[4], "separate file"),
        (79, &[16], "subclusters"),
        (78, &[1], "unknown incompatible features (0x100)"),
        (23, &[63], "clusters of 2^63 bytes"),
        (36, &[0xff; 4], "first-level table"),
        (56, &[0xff; 4], "refcount table"),
        (24, &[0, 0xff], "too small for its size"),
    ];
    for (at, bytes, reason) in cases {
        let mut bad = good.clone();
        bad[*at..at + bytes.len()].copy_from_slice(bytes);
        fs::write(&path, bad).unwrap();
        let err = message(&path);
        assert!(err.contains(reason) && err.contains("x.qcow2"), "{err}");
    }
    fs::write(&path, &good).unwrap();
    qemu_img(folder.path(), &["snapshot", "-c", "one", "x.qcow2"]);
    assert!(Image::open(&path, Access::Read).is_ok());
    let err = Image::open(&path, Access::Write).unwrap_err().to_string();
    assert!(err.contains("1 internal snapshots"), "{err}");
    fs::write(&path, &good[..100]).unwrap();
    assert!(message(&path).contains("not a qcow2 image"));
}

#[test]
fn what_is_no_disk_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    assert!(message(&at("gone")).contains("no such file"));
    assert!(message(folder.path()).contains("is a directory"));
    assert!(message(Path::new("/dev/null")).contains("character device"));
    fs::write(at("empty.img"), b"").unwrap();
    assert!(message(&at("empty.img")).contains("is empty"));
    fs::write(at("odd.img"), [1; 1000]).unwrap();
    let err = message(&at("odd.img"));
    assert!(err.contains("1000 bytes") && err.contains("truncate -s %512"), "{err}");
    fs::write(at("disk.vmdk"), b"KDMV and so on").unwrap();
    let err = message(&at("disk.vmdk"));
    assert!(
        err.contains("a VMDK image") && err.contains("qemu-img convert -f vmdk"),
        "{err}"
    );
    let forced = OpenOptions {
        access: Access::Read,
        format: Some(Format::Qcow2),
    };
    assert!(matches!(
        Image::open_with(&at("odd.img"), forced),
        Err(ImageError::NotQcow2 { .. })
    ));
}

#[test]
fn the_format_can_be_forced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.img");
    qemu_img(folder.path(), &["create", "-f", "qcow2", "x.img", "1M"]);
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(1 << 18)
        .unwrap();
    let forced = OpenOptions {
        access: Access::Read,
        format: Some(Format::Raw),
    };
    let image = Image::open_with(&path, forced).unwrap();
    assert_eq!(
        (image.format(), image.size()),
        (Format::Raw, fs::metadata(&path).unwrap().len())
    );
}

#[test]
fn an_image_in_use_is_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.img");
    fs::write(&path, [0; 1 << 16]).unwrap();
    // QEMU's own tool holds the image open until its input ends.
    let mut qemu = Command::new("qemu-io")
        .args(["-f", "raw"])
        .arg(&path)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    io::Write::write_all(qemu.stdin.as_mut().unwrap(), b"write 0 512\n").unwrap();
    let mut line = [0; 5];
    io::Read::read_exact(qemu.stdout.as_mut().unwrap(), &mut line).unwrap();
    let err = Image::open(&path, Access::Write).unwrap_err();
    assert!(matches!(err, ImageError::InUse { .. }), "{err}");
    assert_eq!(Image::open(&path, Access::Read).unwrap().users().len(), 1);
    drop(qemu.stdin.take());
    assert!(qemu.wait().unwrap().success());

    let ours = Image::open(&path, Access::Write).unwrap();
    assert!(
        matches!(Image::open(&path, Access::Write), Err(ImageError::InUse { .. })),
        "two of us"
    );
    let out = Command::new("qemu-io")
        .args(["-f", "raw", "-c", "write 0 512"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&out.stderr).contains("lock"), "{out:?}");
    drop(ours);
    assert_eq!(Image::open(&path, Access::Write).unwrap().users(), [""; 0]);
}

#[test]
fn several_threads_share_an_image() {
    let folder = tempfile::tempdir().unwrap();
    for format in [Format::Raw, Format::Qcow2] {
        let path = folder.path().join(format.qemu_name());
        let image = create(&path, format, 16 << 20).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let image = &image;
                scope.spawn(move || {
                    for round in 0..50 {
                        // Neighbours share clusters.
                        let offset = (round * 4 + thread) * 3000;
                        let data = [thread as u8 + 1; 3000];
                        image.write_at(offset, &data).unwrap();
                        let mut seen = [0; 3000];
                        image.read_at(offset, &mut seen).unwrap();
                        assert_eq!(seen, data);
                    }
                });
            }
        });
        image.flush().unwrap();
        let expected: Vec<u8> = (0..200 * 3000).map(|at| (at / 3000 % 4) as u8 + 1).collect();
        assert!(read_all(&image)[..expected.len()] == expected, "{format}");
        drop(image);
    }
    qemu_img(folder.path(), &["check", "qcow2"]);
}

/// Takes a loop device away when a test ends, however it does.
struct Loop(String);

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["-d", &self.0]).status();
    }
}

/// Needs root and loop devices; says so where they are missing.
#[test]
fn block_devices() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.img");
    fs::write(&path, [7; 1 << 20]).unwrap();
    let made = Command::new("losetup").args(["-f", "--show"]).arg(&path).output();
    let Some(made) = made.ok().filter(|made| made.status.success()) else {
        eprintln!("skipped: losetup needs root and a kernel with loop devices");
        return;
    };
    let device = Loop(String::from_utf8(made.stdout).unwrap().trim().to_owned());
    let err = Image::open(&path, Access::Write).unwrap_err().to_string();
    assert!(err.contains(&format!("attached as {}", device.0)), "{err}");
    assert_eq!(Image::open(&path, Access::Read).unwrap().users().len(), 1);

    let disk = Image::open(Path::new(&device.0), Access::Write).unwrap();
    assert_eq!((disk.format(), disk.size()), (Format::BlockDevice, 1 << 20));
    disk.write_at(4096, &[8; 512]).unwrap();
    disk.flush().unwrap();
    let err = Image::open(Path::new(&device.0), Access::Write).unwrap_err();
    assert!(matches!(err, ImageError::InUse { .. }), "exclusive: {err}");
    drop(disk);
    let disk = Image::open(Path::new(&device.0), Access::Read).unwrap();
    assert_eq!(read_all(&disk)[4095..4098], [7, 8, 8]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(100))]

    /// Damage in the header and the tables: an error or some bytes, but no panic.
    #[test]
    fn damaged_qcow2_images(damage in proptest::collection::vec((0usize..0x4_0000, proptest::num::u8::ANY), 1..8), high in proptest::bool::ANY) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.qcow2");
        let image = create(&path, Format::Qcow2, 1 << 20).unwrap();
        image.write_at(70_000, &[1; 1000]).unwrap();
        image.flush().unwrap();
        drop(image);
        let mut bytes = fs::read(&path).unwrap();
        for (at, byte) in damage {
            // Most of a table is zero; aim at the parts that are not.
            let at = if high { at % 128 } else { at % 32 + at / 32 % 5 * 0x1_0000 };
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        fs::write(&path, bytes).unwrap();
        if let Ok(image) = Image::open(&path, Access::Write) {
            let mut buf = vec![0; 4096];
            let size = image.size();
            for offset in [0, 68 * 1024, size.saturating_sub(4096)] {
                if offset + 4096 <= size {
                    let _ = image.read_at(offset, &mut buf);
                    let _ = image.write_at(offset, &buf);
                }
            }
            let _ = image.flush();
        }
    }
}
