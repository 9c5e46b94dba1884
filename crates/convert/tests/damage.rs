//! A thousand disks with random damage: nothing panics, nothing hangs, nothing is written where the result would not boot,
//! and where something is written the file system is no worse than before.
//!
//! `COMEBACK_DAMAGE=417` runs the disk of that number alone, and `COMEBACK_QUICK=1` every eleventh.

#![allow(clippy::unwrap_used, clippy::single_range_in_vec_init)]

mod common;

use std::collections::BTreeSet;
use std::env;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use comeback_convert::conversion::convert;
use comeback_convert::plan::Target;
use comeback_convert::verdict::Outcome;
use comeback_disk::ext::{Access, Ext};
use comeback_disk::io::{ReadAt, Window, WriteAt};
use comeback_disk::patch::Patch;
use comeback_disk::tree::FileTree;
use comeback_disk::view::View;
use comeback_testkit::golden::Layout;
use comeback_testkit::image;
use common::{NOW, assets, chunks, disk, e2fsck_file, guest, image_of, in_parallel, write_chunks};

const DISKS: u64 = 1000;
/// The longest that one disk may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Three that convert: old ext3 with a kernel for PV only beside the one that boots, an MBR without a gap, Nitro.
const GUESTS: [&str; 3] = ["rhel-5", "sector-63", "ubuntu-16.04"];
const BLOCK: u64 = 4096;

/// Numbers that are the same in every run (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }
}

/// An undamaged disk, and where it can be hurt.
struct Victim {
    layout: Layout,
    disk: Arc<dyn WriteAt>,
    bytes: Vec<u8>,
    /// First byte and size of the root file system.
    root: Range<u64>,
    /// Byte ranges by what they hold.
    regions: Vec<(&'static str, Vec<Range<u64>>)>,
    /// Files that decide something.
    files: Vec<String>,
}

impl Victim {
    fn of(name: &str) -> Self {
        let guest = guest(name);
        let layout = guest.description.disk.layout;
        let bytes = image_of(&guest);
        let disk = disk(bytes.clone());
        let part = image::parts(layout).into_iter().find(|part| part.mount == "/").unwrap();
        let root = part.offset..part.offset + part.size;
        let view: Arc<dyn WriteAt> = Arc::new(View::new(Arc::new(
            Window::new(Arc::clone(&disk), root.start, part.size).unwrap(),
        )));
        let ext = Ext::open(view, Access::Read, NOW).unwrap();
        let kernels = guest.description.kernels.iter().map(|kernel| kernel.path.clone());
        let initramfs = guest.description.initramfs.iter().map(|file| file.path.clone());
        let binaries: Vec<String> = kernels.chain(initramfs).collect();
        let texts = [
            "/boot/grub/menu.lst",
            "/etc/fstab",
            "/etc/inittab",
            "/etc/securetty",
            "/boot/grub/grub.cfg",
        ];
        let texts: Vec<String> = texts.iter().filter_map(|path| ext.canonical(path).ok()).collect();
        let blocks_of = |paths: &[String]| -> Vec<Range<u64>> {
            let extents = paths.iter().flat_map(|path| ext.extents(path).unwrap());
            extents
                .map(|extent| root.start + extent.physical..root.start + extent.physical + extent.len)
                .collect()
        };
        let at = |offset: u64| root.start + offset;
        let descriptor = (at(BLOCK)) as usize;
        let pointer = |field: usize| {
            let bytes: [u8; 4] = bytes[descriptor + field..descriptor + field + 4].try_into().unwrap();
            at(u64::from(u32::from_le_bytes(bytes)) * BLOCK)
        };
        let inodes = pointer(8);
        let used: Vec<Range<u64>> = ext
            .used_ranges()
            .unwrap()
            .into_iter()
            .map(|range| at(range.start)..at(range.end))
            .collect();
        let blocks = used.iter().flat_map(|range| range.clone().step_by(BLOCK as usize));
        let directories = blocks.filter(|&block| bytes[block as usize + 4..block as usize + 9] == [12, 0, 1, 2, b'.']);
        let regions = vec![
            ("first sectors", vec![0..1024]),
            ("superblock", vec![at(1024)..at(1024 + 512)]),
            ("descriptors", vec![at(BLOCK)..at(BLOCK + 64)]),
            (
                "bitmaps",
                vec![pointer(0)..pointer(0) + 2048, pointer(4)..pointer(4) + 512],
            ),
            ("inodes", vec![inodes..inodes + 64 * 256, inodes..inodes + 300 * 256]),
            ("directories", directories.map(|block| block..block + BLOCK).collect()),
            ("texts", blocks_of(&texts)),
            ("binaries", blocks_of(&binaries)),
            ("anything", used),
        ];
        let files = texts.into_iter().chain(binaries).collect();
        Victim {
            layout,
            bytes,
            root,
            regions,
            files,
            disk,
        }
    }

    /// The disk after some accidents, with what happened.
    fn damaged(&self, random: &mut Random) -> (Arc<View>, Vec<String>) {
        let view = Arc::new(View::new(Arc::new(Arc::clone(&self.disk)) as Arc<dyn ReadAt>));
        let accidents = 1 + random.below(3);
        let happened = (0..accidents).map(|_| self.accident(&view, random)).collect();
        (view, happened)
    }

    fn accident(&self, view: &Arc<View>, random: &mut Random) -> String {
        let (name, ranges) = random.of(&self.regions);
        let range = random.of(ranges).clone();
        let at = range.start + random.below(range.end - range.start);
        let block = at / BLOCK * BLOCK;
        match random.below(7) {
            0 | 1 => {
                let mut byte = [0];
                view.read_at(at, &mut byte).unwrap();
                byte[0] ^= 1 << random.below(8);
                view.write_at(at, &byte).unwrap();
                format!("a bit of {name} at {at} flipped")
            }
            2 => {
                let len = (1 + random.below(64)).min(range.end - at);
                let noise: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
                view.write_at(at, &noise).unwrap();
                format!("{len} bytes of {name} at {at} overwritten")
            }
            3 => {
                let value = *random.of(&[0_u8, 0xff]);
                let len = (4 + random.below(60)).min(range.end - at);
                view.write_at(at, &vec![value; len as usize]).unwrap();
                format!("{len} bytes of {name} at {at} set to {value}")
            }
            4 => {
                view.write_at(block, &vec![0; BLOCK as usize]).unwrap();
                format!("a block of {name} at {block} zeroed")
            }
            5 => {
                let (_, others) = random.of(&self.regions);
                let other = random.of(others).start / BLOCK * BLOCK;
                let mut contents = [vec![0; BLOCK as usize], vec![0; BLOCK as usize]];
                view.read_at(block, &mut contents[0]).unwrap();
                view.read_at(other, &mut contents[1]).unwrap();
                view.write_at(block, &contents[1]).unwrap();
                view.write_at(other, &contents[0]).unwrap();
                format!("the blocks at {block} ({name}) and {other} swapped")
            }
            _ => self.rewrite(view, random),
        }
    }

    /// Damage to a file's content only, with the file system as it should be.
    fn rewrite(&self, view: &Arc<View>, random: &mut Random) -> String {
        let path = random.of(&self.files);
        let window = Window::new(Arc::clone(view), self.root.start, self.root.end - self.root.start).unwrap();
        let rewrite = || -> Option<usize> {
            let ext = Ext::open(Arc::new(window), Access::Write, NOW).ok()?;
            let mut content = ext.read(path, 1 << 24).ok()?;
            let len = random.below(content.len() as u64 + 1) as usize;
            if random.below(2) == 0 {
                content.truncate(len);
            } else {
                content.rotate_left(len);
            }
            ext.write_file(path, &content, false).ok()?;
            ext.close().ok()?;
            Some(content.len())
        };
        let len = catch_unwind(AssertUnwindSafe(rewrite));
        format!("{path} rewritten: {len:?} bytes")
    }
}

/// What became of a disk.
enum Fate {
    Refused,
    Converted,
}

fn run(number: u64, victims: &[Victim]) -> Result<Fate, String> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(number + 1));
    let victim = random.of(victims);
    let (view, happened) = victim.damaged(&mut random);
    let told = |problem: String| format!("disk {number} ({}): {problem}", happened.join("; "));
    let before = view.patch().unwrap();
    let size = if random.below(40) == 0 {
        random.below(view.size())
    } else {
        view.size()
    };
    let cut = size < view.size();
    let base: Arc<dyn ReadAt> = if cut {
        Arc::new(Window::new(Arc::clone(&view), 0, size).unwrap())
    } else {
        Arc::clone(&view) as _
    };
    let target = *random.of(&[Target::Auto, Target::XenHvm]);
    let result = catch_unwind(AssertUnwindSafe(|| convert(base, target, &assets(), NOW)));
    let after = view.patch().unwrap();
    if after != before {
        return Err(told("the disk was written to".to_owned()));
    }
    let conversion = match result {
        Err(_) => return Err(told("panicked".to_owned())),
        Ok(Err(error)) if error.to_string().is_empty() => return Err(told(format!("no words for {error:?}"))),
        Ok(Err(_)) => return Ok(Fate::Refused),
        Ok(Ok(conversion)) => conversion,
    };
    let outcome = conversion.after.assessment.outcome(conversion.plan.target);
    if outcome != Outcome::Boots {
        return Err(told(format!("converted, although it {outcome}")));
    }
    if cut {
        return Ok(Fate::Converted);
    }
    let is = complaints(victim, &[&before, &conversion.patch]);
    if is.is_empty() {
        return Ok(Fate::Converted);
    }
    let was = complaints(victim, &[&before]);
    let new: Vec<&String> = is.difference(&was).collect();
    if new.is_empty() {
        Ok(Fate::Converted)
    } else {
        Err(told(format!(
            "e2fsck complains of {new:#?}, and complained before of {was:#?}"
        )))
    }
}

/// What e2fsck says, without numbers: those of blocks, inodes and counts differ after any change.
fn complaints(victim: &Victim, patches: &[&Patch]) -> BTreeSet<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    write_chunks(
        file.as_file(),
        victim.bytes.len() as u64,
        &chunks(&victim.bytes),
        patches,
    );
    let said = e2fsck_file(file.path(), victim.layout)
        .into_iter()
        .map(|(_, said)| said)
        .collect::<Vec<_>>()
        .concat();
    let without_numbers = |line: &str| -> String {
        let words = line.split(|c: char| c.is_ascii_digit() || c.is_whitespace() || "()+-,:".contains(c));
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    };
    let summary = |line: &&str| !line.contains("non-contiguous") && !line.starts_with("/tmp") && !line.is_empty();
    said.lines().filter(summary).map(without_numbers).collect()
}

#[test]
fn a_thousand_damaged_disks() {
    let victims: Vec<Victim> = in_parallel(GUESTS.to_vec(), Victim::of);
    let only: Option<u64> = env::var("COMEBACK_DAMAGE").ok().and_then(|number| number.parse().ok());
    let numbers: Vec<u64> = match only {
        Some(number) => vec![number],
        None if env::var_os("COMEBACK_QUICK").is_some() => (0..DISKS).step_by(11).collect(),
        None => (0..DISKS).collect(),
    };
    let running: Arc<Mutex<Vec<(u64, Instant)>>> = Arc::default();
    let watched = Arc::clone(&running);
    // A thread that hangs cannot be stopped, so the watchdog ends the whole program.
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(500));
            let late = watched
                .lock()
                .unwrap()
                .iter()
                .find(|(_, since)| since.elapsed() > PATIENCE)
                .copied();
            if let Some((number, _)) = late {
                eprintln!("disk {number} takes longer than {PATIENCE:?}");
                std::process::abort();
            }
        }
    });
    let fates = in_parallel(numbers, |number| {
        running.lock().unwrap().push((number, Instant::now()));
        let fate = run(number, &victims);
        running.lock().unwrap().retain(|(other, _)| *other != number);
        fate
    });
    let count = |wanted: fn(&Fate) -> bool| fates.iter().flatten().filter(|fate| wanted(fate)).count();
    let (converted, refused) = (
        count(|fate| matches!(fate, Fate::Converted)),
        count(|fate| matches!(fate, Fate::Refused)),
    );
    println!("{converted} converted, {refused} refused");
    let problems: Vec<&String> = fates.iter().filter_map(|fate| fate.as_ref().err()).collect();
    assert!(
        problems.is_empty(),
        "{} problems\n{}",
        problems.len(),
        problems.iter().map(|p| p.as_str()).collect::<Vec<_>>().join("\n")
    );
    if only.is_none() {
        let least = fates.len() / 10;
        assert!(
            converted > least && refused > least,
            "{converted} converted, {refused} refused: the damage is too mild or too hard"
        );
    }
}
