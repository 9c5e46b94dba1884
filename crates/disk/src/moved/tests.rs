use std::io;
use std::sync::{Arc, Mutex};

use super::*;
use crate::image::Format;
use crate::io::Memory;
use crate::saved::Summary;
use crate::view::View;

const LEN: usize = 8192;
/// More than one batch.
const COUNT: usize = 40;
const SIZE: usize = LEN * (COUNT + 2);

/// A disk with a cache that loses power: from the given write or flush on, nothing gets through.
#[derive(Debug)]
struct Volatile {
    state: Mutex<Bytes>,
    /// `cells.log`, whose length at each write is kept: what was added later was not acted upon.
    log: PathBuf,
}

#[derive(Debug)]
struct Bytes {
    /// As a reader sees them.
    seen: Vec<u8>,
    /// Those on stable storage.
    stable: Vec<u8>,
    /// Sectors that were written since the last flush, in that order.
    pending: Vec<(usize, Vec<u8>)>,
    /// Writes and flushes that still succeed.
    life: usize,
    /// Whether the write after that gets half through.
    tears: bool,
    /// Bytes written in all.
    written: usize,
    acted: u64,
}

impl Volatile {
    fn new(bytes: Vec<u8>, log: PathBuf) -> Self {
        let state = Bytes {
            stable: bytes.clone(),
            seen: bytes,
            pending: Vec::new(),
            life: usize::MAX,
            tears: true,
            written: 0,
            acted: 0,
        };
        Volatile {
            state: Mutex::new(state),
            log,
        }
    }

    fn live(&self, life: usize) {
        let mut state = self.state.lock().unwrap();
        // Every other write, and every other flush.
        (state.life, state.tears) = (life, (life / 2).is_multiple_of(2));
    }

    fn bytes(&self) -> Vec<u8> {
        self.state.lock().unwrap().seen.clone()
    }

    /// The process was killed; the machine goes on.
    fn kill(&self) {
        let mut state = self.state.lock().unwrap();
        state.life = usize::MAX;
    }

    /// Power fails: of the sectors that were not flushed, any may be on the disk. What was added to the log and not acted
    /// upon may be cut off.
    fn lose_power(&self, random: &mut Random) {
        let mut state = self.state.lock().unwrap();
        for (offset, sector) in std::mem::take(&mut state.pending) {
            if random.below(2) == 0 {
                state.stable[offset..offset + sector.len()].copy_from_slice(&sector);
            }
        }
        state.seen = state.stable.clone();
        state.life = usize::MAX;
        if let Ok(file) = fs::File::options().write(true).open(&self.log) {
            let len = file.metadata().unwrap().len();
            let cut = random.below((len - state.acted.min(len)) as usize + 1) as u64;
            file.set_len(len - cut).unwrap();
        }
    }
}

impl ReadAt for Volatile {
    fn size(&self) -> u64 {
        SIZE as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let state = self.state.lock().unwrap();
        buf.copy_from_slice(&state.seen[offset as usize..][..buf.len()]);
        Ok(())
    }
}

impl WriteAt for Volatile {
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        let (at, dies) = (offset as usize, state.life == 0);
        if dies && !state.tears {
            return Err(io::Error::other("killed"));
        }
        let data = if dies { &data[..data.len() / 2] } else { data };
        state.seen[at..at + data.len()].copy_from_slice(data);
        state.written += data.len();
        state.acted = fs::metadata(&self.log).map_or(0, |metadata| metadata.len());
        for (index, sector) in data.chunks(512).enumerate() {
            state.pending.push((at + index * 512, sector.to_vec()));
        }
        if dies {
            return Err(io::Error::other("killed"));
        }
        state.life -= 1;
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        // Steps begin with a write; whoever flushes has got past the log.
        state.acted = fs::metadata(&self.log).map_or(0, |metadata| metadata.len());
        if state.life == 0 {
            return Err(io::Error::other("killed"));
        }
        state.life -= 1;
        state.pending.clear();
        state.stable = state.seen.clone();
        Ok(())
    }
}

/// Numbers without any order, the same for the same seed.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % bound
    }
}

/// A disk with its record's folder: some cells are all zero, some equal each other, all others are different.
struct Place {
    folder: tempfile::TempDir,
    old: Vec<u8>,
    new: Vec<u8>,
    disk: Volatile,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("disk.img"), b"").unwrap();
        let mut random = Random::new(5);
        let mut old: Vec<u8> = (0..SIZE).map(|_| random.below(256) as u8).collect();
        old[LEN * 3..LEN * 9].fill(0);
        old.copy_within(LEN * 20..LEN * 21, LEN * 21);
        old.copy_within(LEN * 20..LEN * 21, LEN * 23);
        let log = folder.path().join("disk.img.comeback/cells.log");
        let mut place = Place {
            disk: Volatile::new(old.clone(), log),
            new: Vec::new(),
            old,
            folder,
        };
        place.new = place.plan().1;
        place
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("disk.img.comeback")
    }

    /// The move, and the disk as it is to be: the first cell, something in the middle, and the end change.
    fn plan(&self) -> (Arc<Shifted>, Vec<u8>, Patch) {
        let cells = Cells::covering((LEN * COUNT - 512) as u64, LEN as u64);
        assert_eq!(cells.count, COUNT as u64);
        let base = Arc::new(Memory::new(self.old.clone()));
        let shifted = Arc::new(Shifted::new(base, cells, Stamp::new(&self.path())).unwrap());
        let view = View::new(Arc::clone(&shifted) as Arc<dyn ReadAt>);
        view.write_at(0, &[0xaa; LEN]).unwrap();
        view.write_at(LEN as u64 + 700, b"new").unwrap();
        view.write_at(LEN as u64 * 17 - 3, b"edited").unwrap();
        view.write_at((SIZE - LEN / 2) as u64, &[0xbb; 1000]).unwrap();
        let mut new = vec![0; SIZE];
        view.read_at(0, &mut new).unwrap();
        (shifted, new, view.patch().unwrap())
    }

    fn create(&self) -> Moved {
        let (shifted, _, patch) = self.plan();
        let request = Request {
            image: &self.folder.path().join("disk.img"),
            format: Format::Raw,
            ids: vec!["uuid".to_owned()],
            witnesses: vec![Span {
                offset: LEN as u64 + 1024,
                len: 1024,
            }],
            description: serde_json::Value::Null,
        };
        Moved::create(&self.path(), &shifted, &patch, request).unwrap()
    }

    fn load(&self) -> Moved {
        Moved::load(&self.path()).unwrap().unwrap()
    }

    #[track_caller]
    fn is_new(&self) {
        assert!(self.disk.bytes() == self.new);
        let standing = self.load().standing(&self.disk).unwrap();
        assert!(
            matches!(&standing, Standing::Moved(condition) if condition.summary == Summary::AllNew),
            "{standing:?}"
        );
    }

    #[track_caller]
    fn is_old(&self) {
        assert!(self.disk.bytes() == self.old);
        assert_eq!(fs::read_dir(self.folder.path()).unwrap().count(), 1);
    }
}

fn on(_: u64, _: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn there_and_back() {
    let place = Place::new();
    let mut moved = place.create();
    assert_eq!(moved.standing(&place.disk).unwrap(), Standing::Untouched);
    let mut seen = Vec::new();
    let watch = &mut |done, total| {
        seen.push((done, total));
        ControlFlow::Continue(())
    };
    moved.apply(&place.disk, watch).unwrap();
    place.is_new();
    let total = (LEN * COUNT) as u64;
    assert!(seen.is_sorted() && seen.last() == Some(&(total, total)), "{seen:?}");
    // Five of the zeros, and one of the two neighbours that equal each other; the stamp, and the patch.
    let written = place.disk.state.lock().unwrap().written;
    assert!(written <= LEN * (COUNT - 6) + 4096 + LEN + 2000, "{written}");

    // Nothing is left to do.
    place.load().apply(&place.disk, &mut on).unwrap();
    assert_eq!(place.disk.state.lock().unwrap().written, written);
    let reverted = place.load().revert(&place.disk, false, &mut on).unwrap();
    place.is_old();
    assert_eq!((reverted.kept, reverted.archived), (vec![], None));
    assert_eq!(reverted.restored.len(), 2);
}

/// Cuts off at each write and flush, completes it in either direction, after a kill or a power failure.
fn cut_off_everywhere(prepare: impl Fn(&Place), attempt: impl Fn(&Place) -> Result<(), MoveError>) {
    let mut random = Random::new(9);
    let mut stops = 0;
    for life in 0..1000 {
        let mut done = false;
        for complete in [true, false] {
            let place = Place::new();
            prepare(&place);
            place.disk.live(life);
            done = attempt(&place).is_ok();
            if done {
                break;
            }
            stops += 1;
            if (life + usize::from(complete)) % 3 == 0 {
                place.disk.kill();
            } else {
                place.disk.lose_power(&mut random);
            }
            // Half a disk is not taken for a whole one: it has its old start only where nothing has moved, or all has moved
            // back.
            let bytes = place.disk.bytes();
            assert!(
                bytes[..512] != place.old[..512] || bytes[4096..] == place.old[4096..],
                "an old boot sector before half of a disk, stop {life}"
            );
            if complete {
                place.load().apply(&place.disk, &mut on).unwrap();
                place.is_new();
                place.load().revert(&place.disk, false, &mut on).unwrap();
            } else {
                place.load().revert(&place.disk, false, &mut on).unwrap();
            }
            place.is_old();
        }
        if done {
            break;
        }
    }
    // Each step is a write and a flush; some are not needed.
    assert!(stops > 2 * 2 * (COUNT - 10), "only {stops} stops");
}

#[test]
fn cut_off_at_every_write_and_flush_of_apply() {
    cut_off_everywhere(
        |place| drop(place.create()),
        |place| place.load().apply(&place.disk, &mut on),
    );
}

#[test]
fn cut_off_at_every_write_and_flush_of_revert() {
    cut_off_everywhere(
        |place| place.create().apply(&place.disk, &mut on).unwrap(),
        |place| place.load().revert(&place.disk, false, &mut on).map(drop),
    );
}

#[test]
fn cut_off_again_and_again_in_both_directions() {
    for seed in 0..30 {
        let mut random = Random::new(seed);
        let place = Place::new();
        drop(place.create());
        for _ in 0..12 {
            place.disk.live(random.below(60));
            let done = if random.below(2) == 0 {
                place.load().apply(&place.disk, &mut on).is_ok()
            } else {
                let done = place.load().revert(&place.disk, false, &mut on).is_ok();
                if done {
                    place.is_old();
                    drop(place.create());
                }
                done
            };
            if random.below(2) == 0 || done {
                place.disk.kill();
            } else {
                place.disk.lose_power(&mut random);
            }
        }
        place.load().apply(&place.disk, &mut on).unwrap();
        place.is_new();
        place.load().revert(&place.disk, false, &mut on).unwrap();
        place.is_old();
    }
}

#[test]
fn whoever_watches_can_stop_it() {
    let place = Place::new();
    let mut moved = place.create();
    let at = |goal: u64| {
        move |done, _| {
            if done >= goal {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        }
    };
    let half = (LEN * COUNT / 2) as u64;
    let stopped = moved.apply(&place.disk, &mut at(half));
    assert!(
        matches!(stopped, Err(MoveError::Stopped { done, .. }) if done == half),
        "{stopped:?}"
    );
    let standing = place.load().standing(&place.disk).unwrap();
    assert!(matches!(standing, Standing::HalfWay { .. }), "{standing:?}");
    let stopped = place.load().revert(&place.disk, false, &mut at(half + LEN as u64));
    assert!(matches!(stopped, Err(MoveError::Stopped { .. })), "{stopped:?}");
    assert!(matches!(
        place.load().discard(&place.disk),
        Err(MoveError::Saved(SavedError::NotOld))
    ));
    place.load().apply(&place.disk, &mut on).unwrap();
    place.is_new();
}

#[test]
fn a_move_that_has_not_begun_is_thrown_away() {
    let place = Place::new();
    place.create().discard(&place.disk).unwrap();
    place.is_old();
    // Half of the stamp is there.
    let mut moved = place.create();
    place.disk.live(0);
    moved.apply(&place.disk, &mut on).unwrap_err();
    place.disk.kill();
    assert_ne!(place.disk.bytes(), place.old);
    place.load().discard(&place.disk).unwrap();
    place.is_old();
}

#[test]
fn a_disk_that_is_another_or_was_written_to_is_left_alone() {
    let place = Place::new();
    let mut moved = place.create();
    let half = &mut |done, total| {
        if done * 2 > total {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    moved.apply(&place.disk, half).unwrap_err();
    let good = place.disk.bytes();
    let batch = place.load().log.last().unwrap().first;
    for offset in [0, 2000, LEN as u64 * (batch + 1) + 5] {
        place.disk.write_at(offset, b"somebody else").unwrap();
        let before = place.disk.bytes();
        let results = [
            place.load().apply(&place.disk, &mut on),
            place.load().revert(&place.disk, false, &mut on).map(drop),
            place.load().revert(&place.disk, true, &mut on).map(drop),
        ];
        for result in results {
            assert!(
                matches!(result, Err(MoveError::WrittenTo { .. })),
                "{offset}: {result:?}"
            );
        }
        assert!(place.disk.bytes() == before, "{offset}");
        place.disk.write_at(0, &good).unwrap();
    }
    let larger = Memory::new(vec![0; SIZE + 512]);
    assert!(matches!(
        place.load().standing(&larger),
        Err(MoveError::OtherDisk { .. })
    ));
    place.load().revert(&place.disk, false, &mut on).unwrap();
    place.is_old();
}

#[test]
fn a_moved_disk_that_was_used_goes_back_as_it_is_if_forced() {
    let place = Place::new();
    place.create().apply(&place.disk, &mut on).unwrap();
    // The witness (the superblock), one edit, and a block that nobody watches.
    for offset in [LEN + 1500, LEN * 17 - 1, LEN * 30] {
        place.disk.write_at(offset as u64, b"used").unwrap();
    }
    place.disk.flush().unwrap();
    let before = place.disk.bytes();
    let refused = place.load().revert(&place.disk, false, &mut on);
    assert!(
        matches!(refused, Err(MoveError::Saved(SavedError::WrittenTo { .. }))),
        "{refused:?}"
    );
    assert!(place.disk.bytes() == before);

    // Cut off at each write: what was found changed then is not taken for somebody else's doing now.
    let mut random = Random::new(3);
    let mut result = None;
    for life in 1..200 {
        place.disk.live(life);
        result = Some(place.load().revert(&place.disk, true, &mut on));
        if result.as_ref().is_some_and(Result::is_ok) {
            break;
        }
        place.disk.lose_power(&mut random);
    }
    let reverted = result.unwrap().unwrap();
    let mut expected = place.old.clone();
    expected[1500..1504].copy_from_slice(b"used");
    expected[LEN * 16 - 3..LEN * 16 + 3].copy_from_slice(&before[LEN * 17 - 3..LEN * 17 + 3]);
    expected[LEN * 29..LEN * 29 + 4].copy_from_slice(b"used");
    assert!(place.disk.bytes() == expected);
    let cells: Vec<_> = reverted
        .kept
        .iter()
        .map(|span| (span.offset / LEN as u64, span.len / LEN as u64))
        .collect();
    assert_eq!(cells, [(0, 1), (15, 2), (29, 1)]);
    assert!(
        reverted
            .archived
            .is_some_and(|path| path.ends_with("disk.img.comeback-reverted"))
    );
    assert!(Moved::load(&place.path()).unwrap().is_none());
}

#[test]
fn what_changed_unseen_is_told() {
    let place = Place::new();
    place.create().apply(&place.disk, &mut on).unwrap();
    place.disk.write_at(LEN as u64 * 30, b"used").unwrap();
    let reverted = place.load().revert(&place.disk, false, &mut on).unwrap();
    let cell = Span {
        offset: LEN as u64 * 29,
        len: LEN as u64,
    };
    assert_eq!(reverted.kept, [cell]);
}

#[test]
fn a_table_that_was_changed_is_not_taken_back() {
    for offset in [100, SIZE as u64 - LEN as u64 / 2 + 3] {
        let place = Place::new();
        place.create().apply(&place.disk, &mut on).unwrap();
        place.disk.write_at(offset, b"growpart").unwrap();
        let before = place.disk.bytes();
        let refused = place.load().revert(&place.disk, true, &mut on);
        assert!(matches!(refused, Err(MoveError::TableChanged)), "{refused:?}");
        assert!(place.disk.bytes() == before);
    }
}

#[test]
fn damage_to_the_record_is_noticed() {
    let place = Place::new();
    drop(place.create());
    let journal = fs::read_to_string(place.path().join(JOURNAL)).unwrap();
    let damage = |name: &str, bytes: &[u8]| {
        let path = place.path().join(name);
        let good = fs::read(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let loaded = Moved::load(&place.path());
        fs::write(&path, good).unwrap();
        match loaded {
            Err(MoveError::Damaged { reason, .. }) => reason,
            other => panic!("{name}: {other:?}"),
        }
    };
    for (from, to, expected) in [
        ("\"version\": 1", "\"version\": 2", "has version 2"),
        ("\"count\": 40", "\"count\": 4000", "do not lie on the disk"),
        ("\"len\": 8192", "\"len\": 4096", "does not hold what was saved"),
        ("{", "", "cannot be read"),
    ] {
        let reason = damage(JOURNAL, journal.replacen(from, to, 1).as_bytes());
        assert!(reason.contains(expected), "{reason}");
    }
    let mut replaced = fs::read(place.path().join(journal::REPLACED)).unwrap();
    replaced[3] ^= 1;
    assert!(damage(journal::REPLACED, &replaced).contains("does not hold what was saved"));
    assert!(damage(LOG, &[1; 5000]).contains("cannot be read"));
    fs::remove_dir_all(place.path().join(PATCH)).unwrap();
    assert!(matches!(Moved::load(&place.path()), Err(MoveError::Damaged { .. })));
    assert!(Moved::load(&place.path().join("none")).unwrap().is_none());
}
