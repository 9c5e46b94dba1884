//! What the tests of whole disks share: golden guests as images in memory, and a stand-in for GRUB.

#![allow(dead_code, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::{env, fs};

use comeback_convert::platform::Platform;
use comeback_convert::verdict::Assessment;
use comeback_disk::boot::assets::Assets;
use comeback_disk::io::{Memory, WriteAt};
use comeback_disk::patch::Patch;
use comeback_testkit::golden::{self, GoldenGuest, Layout};
use comeback_testkit::image::{self, Part};

/// When conversions happen: a fortnight after the images were made (2014-05-13), so that tests give the same every day.
pub const NOW: i64 = 1_400_000_000;

/// Something of GRUB's shape and size that boots nothing, so that the tests need no GRUB on the machine.
pub fn assets() -> Assets {
    let mut boot = vec![0x90; 512];
    boot[0x80..0x85].copy_from_slice(b"GRUB ");
    boot[510..].copy_from_slice(&[0x55, 0xaa]);
    let mut core: Vec<u8> = (0..60_000_u32).map(|i| (i % 253) as u8).collect();
    core[..512].fill(0);
    core[0x1f4..0x200].copy_from_slice(&[2, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0x20, 0x08]);
    core[0x218..0x21c].copy_from_slice(&[0xff, 0xff, 0xff, 0]);
    Assets::from_parts(boot, core).unwrap()
}

/// All golden guests of the repository.
pub fn guests() -> Vec<GoldenGuest> {
    golden::load_all(&golden::repository_folder()).unwrap()
}

/// The golden guest of this name.
pub fn guest(name: &str) -> GoldenGuest {
    golden::load(&golden::repository_folder().join(name)).unwrap()
}

/// The disk of a guest.
pub fn image_of(guest: &GoldenGuest) -> Vec<u8> {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join(&guest.name);
    guest.materialise(&folder).unwrap();
    let path = image::build_ext(&folder, &guest.description).unwrap();
    fs::read(path).unwrap()
}

/// The disk with a patch applied.
pub fn patched(disk: &[u8], patch: &Patch) -> Vec<u8> {
    let mut disk = disk.to_vec();
    for range in &patch.ranges {
        let at = range.offset as usize;
        assert_eq!(&disk[at..at + range.old.len()], range.old, "the old bytes at {at}");
        disk[at..at + range.new.len()].copy_from_slice(&range.new);
    }
    disk
}

/// The disk with a patch taken back.
pub fn reverted(disk: &[u8], patch: &Patch) -> Vec<u8> {
    let mut disk = disk.to_vec();
    for range in &patch.ranges {
        let at = range.offset as usize;
        disk[at..at + range.old.len()].copy_from_slice(&range.old);
    }
    disk
}

/// The bytes as a disk.
pub fn disk(bytes: Vec<u8>) -> Arc<dyn WriteAt> {
    Arc::new(Memory::new(bytes))
}

/// What `e2fsck -fn` says of each file system of a disk: empty where it is clean.
pub fn e2fsck(bytes: &[u8], layout: Layout) -> Vec<(Part, String)> {
    let file = tempfile::NamedTempFile::new().unwrap();
    write_chunks(file.as_file(), bytes.len() as u64, &chunks(bytes), &[]);
    e2fsck_file(file.path(), layout)
}

/// What `e2fsck -fn` says of each file system of an image.
pub fn e2fsck_file(image: &Path, layout: Layout) -> Vec<(Part, String)> {
    let check = |part: Part| {
        let output = Command::new("e2fsck")
            .env(
                "PATH",
                format!("{}:/usr/sbin:/sbin", env::var("PATH").unwrap_or_default()),
            )
            .env("LC_ALL", "C")
            .args(["-f", "-n"])
            .arg(format!("{}?offset={}", image.display(), part.offset))
            .output()
            .unwrap();
        let said = if output.status.success() {
            String::new()
        } else {
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
        };
        (part, said)
    };
    image::parts(layout).into_iter().map(check).collect()
}

/// The pieces of a disk that hold anything, with their offsets.
pub fn chunks(bytes: &[u8]) -> Vec<(u64, &[u8])> {
    const CHUNK: usize = 1 << 16;
    let zeros = [0; CHUNK];
    let all = bytes
        .chunks(CHUNK)
        .enumerate()
        .map(|(index, chunk)| ((index * CHUNK) as u64, chunk));
    all.filter(|(_, chunk)| *chunk != &zeros[..chunk.len()]).collect()
}

/// Writes a sparse image, and patches over it.
pub fn write_chunks(file: &fs::File, size: u64, chunks: &[(u64, &[u8])], patches: &[&Patch]) {
    use std::os::unix::fs::FileExt;
    file.set_len(size).unwrap();
    for (offset, chunk) in chunks {
        file.write_all_at(chunk, *offset).unwrap();
    }
    for range in patches.iter().flat_map(|patch| &patch.ranges) {
        file.write_all_at(&range.new, range.offset).unwrap();
    }
}

/// The ids of the findings that stand against a platform.
pub fn against(assessment: &Assessment, platform: Platform) -> Vec<&'static str> {
    assessment.against(platform).map(|finding| finding.id).collect()
}

/// Whether files of the repository are to be written instead of compared.
pub fn bless() -> bool {
    env::var_os("COMEBACK_BLESS").is_some_and(|value| value == "1")
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../..")
}

/// Runs `work` on every item, on as many threads as there are processors, and returns the results in order.
pub fn in_parallel<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    use std::sync::Mutex;
    let queue = Mutex::new(items.into_iter().enumerate().collect::<Vec<_>>().into_iter());
    let results = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some((index, item)) = next else { return };
                    let result = work(item);
                    results.lock().unwrap().push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
