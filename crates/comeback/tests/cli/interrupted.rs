//! Conversions that were cut off: the same command completes them, and `revert` undoes them.

use std::fs;

use crate::conversions::saved_ranges;
use crate::support::{Disk, hash, program};

/// A disk to which the first ranges of its patch were written, and half of the next one, as a process does that is
/// killed at that point. The first sector is written last.
struct Cut {
    disk: Disk,
    before: String,
    after: String,
}

/// Makes one for each number of complete ranges.
fn cuts(numbers: impl Fn(usize) -> Vec<usize>) -> Vec<Cut> {
    let converted = Disk::usual();
    let before = Disk::usual();
    converted.runs(0, "convert", &[]);
    let mut ranges = saved_ranges(&converted);
    ranges.sort_by_key(|&(offset, _)| (offset < 512, offset));
    let make = |done: usize| {
        let disk = Disk::usual();
        program(
            "cp",
            &["-r".as_ref(), converted.saved().as_os_str(), disk.saved().as_os_str()],
        );
        // What the journal says until the last byte is written.
        let journal = disk.saved().join("journal.json");
        let text = fs::read_to_string(&journal).unwrap();
        fs::write(&journal, text.replacen("\"applied\"", "\"saved\"", 1)).unwrap();
        for (index, &(offset, len)) in ranges.iter().enumerate().take(done + 1) {
            let len = if index < done { len } else { len / 2 };
            disk.write(offset, &converted.read(offset, len as usize));
        }
        Cut {
            disk,
            before: before.hash(),
            after: converted.hash(),
        }
    };
    numbers(ranges.len()).into_iter().map(make).collect()
}

fn places(ranges: usize) -> Vec<usize> {
    vec![0, 1, ranges / 2, ranges - 1, ranges]
}

#[test]
fn convert_completes_them() {
    for Cut { disk, before, after } in cuts(places) {
        assert_ne!(disk.hash(), before);
        let run = disk.runs(0, "convert", &[]);
        assert!(
            run.out.contains("an interrupted conversion for nitro was completed"),
            "{}",
            run.out
        );
        assert_eq!(disk.hash(), after);
        disk.runs(0, "inspect", &[]);
        disk.runs(0, "revert", &[]);
        assert_eq!(disk.hash(), before);
    }
}

#[test]
fn convert_says_so_in_json() {
    let cut = cuts(|ranges| vec![ranges / 2]).remove(0);
    let json = cut.disk.runs(0, "convert", &["--json"]).json();
    assert_eq!(
        (&json["version"], &json["completed"], &json["applied"]),
        (&1.into(), &true.into(), &true.into())
    );
    assert_eq!(json["saved"], cut.disk.saved().to_str().unwrap());
}

#[test]
fn revert_undoes_them() {
    for Cut { disk, before, .. } in cuts(places) {
        disk.runs(0, "revert", &[]);
        assert_eq!(disk.hash(), before);
        assert!(!disk.saved().exists());
    }
}

#[test]
fn a_dry_run_tells_of_them_and_leaves_them() {
    let cut = cuts(|ranges| vec![ranges / 2]).remove(0);
    let before = (cut.disk.hash(), cut.disk.names());
    let run = cut.disk.runs(0, "convert", &["--dry-run"]);
    assert!(run.out.contains("was interrupted"), "{}", run.out);
    let inspected = cut.disk.run("inspect", &[]);
    assert!(inspected.out.contains("was interrupted"), "{}", inspected.out);
    assert_eq!((cut.disk.hash(), cut.disk.names()), before);
}

#[test]
fn nothing_of_it_on_the_disk_yet() {
    let converted = Disk::usual();
    let before = converted.hash();
    converted.runs(0, "convert", &[]);
    let after = converted.hash();
    let disk = Disk::usual();
    program("mv", &[converted.saved(), disk.saved()]);
    disk.runs(0, "convert", &[]);
    assert_eq!(hash(&disk.path).len(), after.len());
    disk.runs(0, "inspect", &[]);
    disk.runs(0, "revert", &[]);
    assert_eq!(disk.hash(), before);
}

#[test]
fn another_target_is_not_lost_in_a_completion() {
    let cut = cuts(|ranges| vec![ranges / 2]).remove(0);
    let run = cut.disk.runs(0, "convert", &["--target", "xen-hvm"]);
    assert!(
        run.out.contains("completed") && run.out.contains("nitro"),
        "{}",
        run.out
    );
    cut.disk.runs(0, "convert", &["--target", "xen-hvm"]);
}
