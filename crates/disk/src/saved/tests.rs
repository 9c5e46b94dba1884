use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::sync::Mutex;

use super::create::{old_clusters, overwrite};
use super::*;
use crate::image::tests::{open_killed, qemu_img};
use crate::image::{self, Access, Image};
use crate::io::Memory;
use crate::patch::Range;

/// A disk that dies: from the given write on, nothing gets through but the first bytes of that write.
#[derive(Debug)]
struct Mortal {
    disk: Memory,
    /// Number of writes that succeed, and how many bytes of the next one do.
    life: Mutex<(usize, usize)>,
    /// Offset and length of each write; none for a flush.
    log: Mutex<Vec<Option<(u64, usize)>>>,
}

impl Mortal {
    fn new(bytes: Vec<u8>, writes: usize, then: usize) -> Self {
        Mortal {
            disk: Memory::new(bytes),
            life: Mutex::new((writes, then)),
            log: Mutex::new(Vec::new()),
        }
    }

    fn immortal(bytes: Vec<u8>) -> Self {
        Mortal::new(bytes, usize::MAX, 0)
    }
}

impl ReadAt for Mortal {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.disk.read_at(offset, buf)
    }
}

impl WriteAt for Mortal {
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut life = self.life.lock().unwrap();
        if life.0 == 0 {
            self.disk.write_at(offset, &data[..life.1.min(data.len())])?;
            life.1 = 0;
            return Err(io::Error::other("killed"));
        }
        life.0 -= 1;
        self.log.lock().unwrap().push(Some((offset, data.len())));
        self.disk.write_at(offset, data)
    }

    fn flush(&self) -> io::Result<()> {
        self.log.lock().unwrap().push(None);
        Ok(())
    }
}

const SIZE: usize = 200_192;

fn original() -> Vec<u8> {
    (0..SIZE).map(|i| (i % 251) as u8).collect()
}

fn patch_of(old: &[u8], ranges: &[(usize, usize)]) -> Patch {
    let range = |&(offset, len): &(usize, usize)| {
        let old = old[offset..offset + len].to_vec();
        Range {
            offset: offset as u64,
            new: old.iter().map(|byte| byte ^ 0x5a).collect(),
            old,
        }
    };
    Patch {
        disk_size: old.len() as u64,
        ranges: ranges.iter().map(range).collect(),
    }
}

fn patched(old: &[u8], patch: &Patch) -> Vec<u8> {
    let mut bytes = old.to_vec();
    for range in &patch.ranges {
        bytes[range.offset as usize..range.end() as usize].copy_from_slice(&range.new);
    }
    bytes
}

/// The first reaches over the end of the first sector, two share a cluster, the last ends with the disk.
fn typical() -> Patch {
    patch_of(
        &original(),
        &[(100, 1000), (4090, 20), (5000, 10), (90_000, 10_000), (SIZE - 5, 5)],
    )
}

fn request(image: &Path) -> Request<'_> {
    Request {
        image,
        format: Format::Raw,
        ids: vec!["uuid".to_owned()],
        witnesses: vec![Span {
            offset: 1024,
            len: 1024,
        }],
        description: serde_json::json!({"layout": "in-place"}),
    }
}

/// A folder with an image of these bytes in it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("disk.img"), bytes).unwrap();
        Place { folder }
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("disk.img")
    }

    fn saved(&self) -> PathBuf {
        Saved::folder_for(&self.image())
    }

    fn create(&self, disk: &dyn ReadAt, patch: &Patch) -> Result<Saved, SavedError> {
        Saved::create(&self.saved(), disk, patch, request(&self.image()))
    }

    fn load(&self) -> Saved {
        Saved::load(&self.saved()).unwrap().unwrap()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn quiet() -> impl FnMut(u64, u64) {
    |_, _| ()
}

#[test]
fn applied_and_reverted() {
    let (old, patch) = (original(), typical());
    let place = Place::new(&old);
    let disk = Mortal::immortal(old.clone());
    let mut saved = place.create(&disk, &patch).unwrap();
    assert_eq!(saved.state(), State::Saved);
    assert_eq!(
        saved.condition(&disk).unwrap(),
        Condition {
            summary: Summary::AllOld,
            foreign: vec![],
            used: vec![]
        }
    );
    assert!(matches!(place.create(&disk, &patch), Err(SavedError::Exists { .. })));

    let mut seen = Vec::new();
    saved.apply(&disk, &mut |done, total| seen.push((done, total))).unwrap();
    assert!(disk.disk.to_vec() == patched(&old, &patch));
    let total = patch.changed_bytes();
    assert_eq!((seen.first(), seen.last()), (Some(&(0, total)), Some(&(total, total))));
    let log = std::mem::take(&mut *disk.log.lock().unwrap());
    assert_eq!(
        log,
        [
            Some((512, 588)),
            Some((4090, 20)),
            Some((5000, 10)),
            Some((90_000, 10_000)),
            Some((SIZE as u64 - 5, 5)),
            None,
            Some((100, 412)),
            None
        ],
        "the first sector is last, after a flush"
    );

    let mut saved = place.load();
    assert_eq!((saved.state(), saved.ids()), (State::Applied, &["uuid".to_owned()][..]));
    assert_eq!(saved.description()["layout"], "in-place");
    assert_eq!(saved.condition(&disk).unwrap().summary, Summary::AllNew);
    saved.apply(&disk, &mut quiet()).unwrap();
    assert_eq!(
        std::mem::take(&mut *disk.log.lock().unwrap()),
        [None, None],
        "nothing is written twice"
    );

    let reverted = saved.revert(&disk, false, &mut quiet()).unwrap();
    assert!(disk.disk.to_vec() == old);
    assert_eq!(
        (reverted.restored.len(), reverted.kept, reverted.archived),
        (6, vec![], None)
    );
    let log = disk.log.lock().unwrap();
    assert_eq!(
        log[..3],
        [Some((100, 412)), None, Some((512, 588))],
        "the first sector is first"
    );
    assert_eq!(place.names(), ["disk.img"]);
}

#[test]
fn killed_at_every_write_of_apply() {
    let (old, patch) = (original(), typical());
    for writes in 0..6 {
        for then in [0, 1, 4, 300, usize::MAX] {
            for complete in [true, false] {
                let place = Place::new(&old);
                let disk = Mortal::new(old.clone(), writes, then);
                let mut saved = place.create(&disk, &patch).unwrap();
                assert!(matches!(saved.apply(&disk, &mut quiet()), Err(SavedError::Disk { .. })));
                drop(saved);

                let disk = Mortal::immortal(disk.disk.to_vec());
                let mut saved = place.load();
                assert_eq!(saved.state(), State::Saved);
                let condition = saved.condition(&disk).unwrap();
                assert!(!condition.is_written_to(), "{condition:?}");
                if complete {
                    saved.apply(&disk, &mut quiet()).unwrap();
                    assert!(disk.disk.to_vec() == patched(&old, &patch));
                    assert_eq!(place.load().state(), State::Applied);
                } else {
                    saved.revert(&disk, false, &mut quiet()).unwrap();
                    assert!(disk.disk.to_vec() == old);
                    assert_eq!(place.names(), ["disk.img"]);
                }
            }
        }
    }
}

#[test]
fn killed_at_every_write_of_revert() {
    let (old, patch) = (original(), typical());
    for writes in 0..6 {
        for then in [0, 1, 4, 300, usize::MAX] {
            for complete in [true, false] {
                let place = Place::new(&old);
                let disk = Mortal::immortal(old.clone());
                let mut saved = place.create(&disk, &patch).unwrap();
                saved.apply(&disk, &mut quiet()).unwrap();
                *disk.life.lock().unwrap() = (writes, then);
                assert!(matches!(
                    saved.revert(&disk, false, &mut quiet()),
                    Err(SavedError::Disk { .. })
                ));

                let disk = Mortal::immortal(disk.disk.to_vec());
                let mut saved = place.load();
                let condition = saved.condition(&disk).unwrap();
                assert!(!condition.is_written_to(), "{condition:?}");
                if complete {
                    saved.revert(&disk, false, &mut quiet()).unwrap();
                    assert!(disk.disk.to_vec() == old);
                    assert_eq!(place.names(), ["disk.img"]);
                } else {
                    saved.apply(&disk, &mut quiet()).unwrap();
                    assert!(disk.disk.to_vec() == patched(&old, &patch));
                }
            }
        }
    }
}

#[test]
fn killed_while_saving_or_cleaning_up() {
    let (old, patch) = (original(), typical());
    let place = Place::new(&old);
    let disk = Memory::new(old.clone());
    let partial = append(&place.saved(), ".partial");
    // Whatever a killed `create` leaves has the other name.
    fs::create_dir(&partial).unwrap();
    fs::write(partial.join(UNDO), b"half").unwrap();
    assert!(Saved::load(&place.saved()).unwrap().is_none());
    let mut saved = place.create(&disk, &patch).unwrap();
    assert_eq!(place.names(), ["disk.img", "disk.img.comeback"]);
    // Killed while the journal was being replaced, after all was written.
    fs::write(place.saved().join("journal.json.new"), b"{").unwrap();
    saved.apply(&disk, &mut quiet()).unwrap();
    assert_eq!(place.load().state(), State::Applied);
    // Killed after the last write of a revert, before the folder was removed.
    let mut saved = place.load();
    for piece in &patch.ranges {
        disk.write_at(piece.offset, &piece.old).unwrap();
    }
    saved.set_state(State::Reverted).unwrap();
    disk.write_at(100, b"used again").unwrap();
    let reverted = place.load().revert(&disk, false, &mut quiet()).unwrap();
    assert_eq!(reverted.restored, []);
    assert_eq!(reverted.archived, Some(append(&place.saved(), "-reverted")));
    assert!(Saved::load(&place.saved()).unwrap().is_none());
}

#[test]
fn a_reverted_folder_is_not_in_the_way() {
    let (old, patch) = (original(), typical());
    let place = Place::new(&old);
    let disk = Memory::new(old);
    place.create(&disk, &patch).unwrap().set_state(State::Reverted).unwrap();
    assert_eq!(place.create(&disk, &patch).unwrap().state(), State::Saved);
    place.load().discard(&disk).unwrap();
    assert!(Saved::load(&place.saved()).unwrap().is_none());
}

#[test]
fn a_disk_that_was_used_is_left_alone_unless_forced() {
    let (old, patch) = (original(), typical());
    let place = Place::new(&old);
    let disk = Memory::new(old.clone());
    let mut saved = place.create(&disk, &patch).unwrap();
    saved.apply(&disk, &mut quiet()).unwrap();
    assert!(matches!(place.load().discard(&disk), Err(SavedError::NotOld)));

    // The witness, outside of what the patch changes there (up to 1100).
    disk.write_at(1500, b"mount time").unwrap();
    let condition = saved.condition(&disk).unwrap();
    assert_eq!(
        (condition.summary, condition.used),
        (
            Summary::AllNew,
            vec![Span {
                offset: 1024,
                len: 1024
            }]
        )
    );
    let before = disk.to_vec();
    let err = place.load().revert(&disk, false, &mut quiet()).unwrap_err();
    assert!(
        matches!(&err, SavedError::WrittenTo { ranges, .. } if ranges.is_empty()),
        "{err}"
    );
    assert!(err.to_string().contains("bytes 1024+1024"), "{err}");
    assert!(disk.to_vec() == before);

    // One range of the patch as well.
    disk.write_at(95_000, &[1, 2, 3]).unwrap();
    assert_eq!(saved.condition(&disk).unwrap().summary, Summary::Foreign);
    assert!(matches!(
        saved.apply(&disk, &mut quiet()),
        Err(SavedError::WrittenTo { .. })
    ));
    let mut expected = disk.to_vec();
    for range in patch.ranges.iter().filter(|range| range.offset != 90_000) {
        expected[range.offset as usize..range.end() as usize].copy_from_slice(&range.old);
    }
    let reverted = place.load().revert(&disk, true, &mut quiet()).unwrap();
    assert!(disk.to_vec() == expected);
    assert_eq!(
        reverted.kept,
        [Span {
            offset: 90_000,
            len: 10_000
        }]
    );
    assert_eq!(place.names(), ["disk.img", "disk.img.comeback-reverted"]);
}

#[test]
fn a_patch_that_does_not_fit_is_not_saved() {
    let old = original();
    let place = Place::new(&old);
    let disk = Memory::new(old.clone());
    let wrong = |change: &dyn Fn(&mut Patch)| {
        let mut patch = typical();
        change(&mut patch);
        place.create(&disk, &patch).unwrap_err()
    };
    assert!(matches!(wrong(&|patch| patch.ranges.clear()), SavedError::Empty));
    assert!(matches!(wrong(&|patch| patch.disk_size += 512), SavedError::Invalid(_)));
    assert!(matches!(
        wrong(&|patch| patch.ranges[2].old[3] ^= 1),
        SavedError::Stale { offset: 5000 }
    ));
    assert!(matches!(
        wrong(&|patch| patch.ranges.swap(0, 1)),
        SavedError::Invalid(_)
    ));
    assert!(matches!(
        wrong(&|patch| patch.ranges[0].old.push(0)),
        SavedError::Invalid(_)
    ));
    assert!(matches!(
        wrong(&|patch| patch.ranges[4].offset = u64::MAX),
        SavedError::Invalid(_)
    ));
    assert_eq!(place.names(), ["disk.img"]);
}

#[test]
fn damage_to_what_was_saved_is_noticed() {
    let (old, patch) = (original(), typical());
    let place = Place::new(&old);
    let disk = Memory::new(old.clone());
    let mut saved = place.create(&disk, &patch).unwrap();
    saved.apply(&disk, &mut quiet()).unwrap();
    let folder = place.saved();
    let reason = || match Saved::load(&folder).and_then(|saved| saved.unwrap().condition(&disk)) {
        Err(SavedError::Damaged { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    let good = |name: &str| fs::read(folder.join(name)).unwrap();
    let (journal, undo) = (good(JOURNAL), good(UNDO));
    let text = String::from_utf8(journal.clone()).unwrap();
    for (from, to, expected) in [
        ("\"version\": 1", "\"version\": 2", "has version 2"),
        ("\"offset\": 4090", "\"offset\": 5090", "impossible range"),
        ("\"disk_size\": 200192", "\"disk_size\": 5120", "past the end"),
        ("\"len\": 10000", "\"len\": 10001", "undo.qcow2 does not hold"),
        ("{", "", "cannot be read"),
    ] {
        fs::write(folder.join(JOURNAL), text.replacen(from, to, 1)).unwrap();
        assert!(reason().contains(expected), "{}", reason());
    }
    fs::write(folder.join(JOURNAL), &journal).unwrap();
    let mut bad = undo.clone();
    let at = undo.len() - 4096 * 2;
    bad[at] ^= 1;
    fs::write(folder.join(UNDO), &bad).unwrap();
    assert!(reason().contains("undo.qcow2 does not hold"), "{}", reason());
    let before = disk.to_vec();
    assert!(place.load().revert(&disk, true, &mut quiet()).is_err());
    assert!(disk.to_vec() == before, "nothing is restored from damaged bytes");
    fs::write(folder.join(UNDO), &undo[..3000]).unwrap();
    reason();
    fs::remove_file(folder.join(UNDO)).unwrap();
    assert!(reason().contains("undo.qcow2 cannot be opened"));
    fs::remove_file(folder.join(JOURNAL)).unwrap();
    assert!(reason().contains("journal.json is missing"));
    fs::remove_dir_all(&folder).unwrap();
    fs::write(&folder, b"x").unwrap();
    assert!(reason().contains("not a folder"));
    assert!(matches!(
        saved_of_other_size(),
        SavedError::OtherDisk {
            expected: 200_192,
            found: 512,
            ..
        }
    ));
}

fn saved_of_other_size() -> SavedError {
    let place = Place::new(&original());
    let saved = place.create(&Memory::new(original()), &typical()).unwrap();
    saved.condition(&Memory::new(vec![0; 512])).unwrap_err()
}

fn read_all(image: &Image) -> Vec<u8> {
    let mut bytes = vec![0; image.size() as usize];
    image.read_at(0, &mut bytes).unwrap();
    bytes
}

/// Both overlays, as QEMU sees them, on a disk of each format.
#[test]
fn qemu_sees_the_disk_as_it_will_be_and_as_it_was() {
    for format in [Format::Raw, Format::Qcow2] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut old = original();
        // One whole cluster of zeros, which is not stored.
        old[90_112..94_208].fill(0);
        let disk = image::create(&at("a disk:1.img"), format, SIZE as u64).unwrap();
        disk.write_at(0, &old).unwrap();
        disk.flush().unwrap();
        let patch = patch_of(
            &old,
            &[(100, 1000), (4090, 20), (5000, 10), (90_000, 10_000), (SIZE - 5, 5)],
        );
        fs::write(at("old.img"), &old).unwrap();
        fs::write(at("new.img"), patched(&old, &patch)).unwrap();

        let saved = Saved::folder_for(disk.path());
        let request = Request {
            format,
            ..request(disk.path())
        };
        let mut made = Saved::create(&saved, &disk, &patch, request).unwrap();
        drop(disk);
        let compare = |left: &str, right: &str| {
            qemu_img(folder.path(), &["check", left]);
            qemu_img(folder.path(), &["compare", "-f", "qcow2", "-F", "raw", left, right]);
        };
        compare("./a disk:1.img.comeback/patch.qcow2", "new.img");
        compare("./a disk:1.img.comeback/undo.qcow2", "old.img");
        let disk = Image::open(&at("a disk:1.img"), Access::Write).unwrap();
        made.apply(&disk, &mut quiet()).unwrap();
        assert!(read_all(&disk) == patched(&old, &patch));
        drop(disk);
        compare("./a disk:1.img.comeback/patch.qcow2", "new.img");
        compare("./a disk:1.img.comeback/undo.qcow2", "old.img");

        let disk = Image::open(&at("a disk:1.img"), Access::Write).unwrap();
        Saved::load(&saved)
            .unwrap()
            .unwrap()
            .revert(&disk, false, &mut quiet())
            .unwrap();
        assert!(read_all(&disk) == old);
        drop(disk);
        qemu_img(
            folder.path(),
            &[
                "compare",
                "-f",
                format.qemu_name(),
                "-F",
                "raw",
                "./a disk:1.img",
                "old.img",
            ],
        );
    }
}

/// A qcow2 disk whose file stops at every write, those to its own tables included.
#[test]
fn killed_at_every_write_to_a_qcow2_file() {
    let (old, patch) = (original(), typical());
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // An overlay with small clusters: each write needs new clusters, copies and table entries.
    fs::write(at("base.img"), &old).unwrap();
    let make = || {
        qemu_img(
            folder.path(),
            &[
                "create",
                "-q",
                "-f",
                "qcow2",
                "-o",
                "cluster_size=512",
                "-F",
                "raw",
                "-b",
                "base.img",
                "disk.qcow2",
            ],
        );
        let _ = fs::remove_dir_all(Saved::folder_for(&at("disk.qcow2")));
    };
    let path = at("disk.qcow2");
    let mut alive = 0;
    for writes in 0.. {
        make();
        let request = || Request {
            format: Format::Qcow2,
            ..request(&path)
        };
        let (disk, left) = open_killed(&path, writes);
        let mut saved = Saved::create(&Saved::folder_for(&path), &disk, &patch, request()).unwrap();
        let applied = saved.apply(&disk, &mut quiet());
        drop(disk);
        let survived = left.load(std::sync::atomic::Ordering::Relaxed) > 0;

        let disk = Image::open(&path, Access::Write).unwrap();
        let mut saved = Saved::load(saved.folder()).unwrap().unwrap();
        assert!(!saved.condition(&disk).unwrap().is_written_to());
        saved.apply(&disk, &mut quiet()).unwrap();
        assert!(read_all(&disk) == patched(&old, &patch), "after {writes} writes");
        drop(disk);
        let disk = Image::open(&path, Access::Write).unwrap();
        saved.revert(&disk, false, &mut quiet()).unwrap();
        assert!(read_all(&disk) == old, "after {writes} writes");
        drop(disk);
        // 3: clusters that were lost by the kill, which is harmless. Anything else is not.
        let check = Command::new("qemu-img").arg("check").arg(&path).output().unwrap();
        assert!(
            matches!(check.status.code(), Some(0 | 3)),
            "after {writes} writes: {check:?}"
        );
        if survived {
            applied.unwrap();
            assert_eq!(check.status.code(), Some(0));
            break;
        }
        alive = writes;
    }
    assert!(alive > 10, "only {alive} writes");
}

/// 300 KiB in 40 ranges on a disk of 1 TiB: what is stored stays near to that.
#[test]
fn what_is_saved_stays_small_on_a_large_disk() {
    const TIB: u64 = 1 << 40;
    for (size, apart) in [(TIB, 3 << 20), (TIB, TIB / 41), (10 * TIB, 9 << 20)] {
        let folder = tempfile::tempdir().unwrap();
        let disk = image::create(&folder.path().join("disk.img"), Format::Raw, size).unwrap();
        let ranges = (0..40).map(|i| Range {
            offset: i * apart + 700 * i,
            old: vec![0; 7680],
            new: vec![i as u8 + 1; 7680],
        });
        let patch = Patch {
            disk_size: size,
            ranges: ranges.collect(),
        };
        let saved = Saved::create(
            &Saved::folder_for(disk.path()),
            &disk,
            &patch,
            Request {
                witnesses: vec![],
                ..request(disk.path())
            },
        )
        .unwrap();
        let files: Vec<_> = fs::read_dir(saved.folder())
            .unwrap()
            .map(|entry| entry.unwrap())
            .collect();
        let stored: u64 = files.iter().map(|file| file.metadata().unwrap().blocks() * 512).sum();
        let journal = fs::metadata(saved.folder().join(JOURNAL)).unwrap().len();
        let clusters = old_clusters(&disk, &patch).unwrap();
        let mut new = clusters.clone();
        overwrite(&mut new, overlay::cluster_size(size), &patch);
        let backing = overlay::Backing {
            path: "x",
            format: "raw",
        };
        let undo = overlay::write(&folder.path().join("u"), size, backing, &clusters).unwrap();
        let patch = overlay::write(&folder.path().join("p"), size, backing, &new).unwrap();
        println!(
            "{size} bytes, {apart} apart: undo {undo}, patch {patch}, journal {journal} bytes written, {stored} bytes on disk"
        );
        assert!(undo + patch + journal < 1 << 20);
        qemu_img(folder.path(), &["check", "disk.img.comeback/patch.qcow2"]);
        qemu_img(folder.path(), &["check", "disk.img.comeback/undo.qcow2"]);
        assert_eq!(saved.condition(&disk).unwrap().summary, Summary::AllOld);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    /// Any patch, killed at any write: completed or reverted, the disk is as it should be.
    #[test]
    fn any_patch_survives(
        lens in proptest::collection::vec((0usize..9000, 1usize..6000), 1..12),
        writes in 0usize..12,
        then in 0usize..6000,
        complete: bool,
    ) {
        let old = original();
        let mut at = 0;
        let mut ranges = Vec::new();
        for (gap, len) in lens {
            at += gap;
            ranges.push((at, len.min(SIZE - at)));
            at += len;
        }
        let patch = patch_of(&old, &ranges);
        let place = Place::new(&old);
        let disk = Mortal::new(old.clone(), writes, then);
        let mut saved = place.create(&disk, &patch).unwrap();
        let _ = saved.apply(&disk, &mut quiet());
        let disk = Memory::new(disk.disk.to_vec());
        let mut saved = place.load();
        if complete {
            saved.apply(&disk, &mut quiet()).unwrap();
            proptest::prop_assert!(disk.to_vec() == patched(&old, &patch));
        }
        saved.revert(&disk, false, &mut quiet()).unwrap();
        proptest::prop_assert!(disk.to_vec() == old);
    }

    #[test]
    fn any_journal_gets_an_answer(at in 0usize..4000, bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
        let journal = Journal { pieces: vec![Piece { span: Span { offset: 1, len: 2 }, old: "0".repeat(64), new: "1".repeat(64) }], ..Journal::new(Format::Raw, 512, vec![], serde_json::Value::Null) };
        let mut text = serde_json::to_vec(&journal).unwrap();
        let at = at % text.len();
        let end = text.len().min(at + bytes.len());
        text.splice(at..end, bytes);
        if let Ok(journal) = Journal::parse(&text) {
            proptest::prop_assert!(!journal.pieces.is_empty());
        }
    }
}
