//! `cargo xtask bench`: what the program takes on the same guest on disks of 4 GiB, 64 GiB and 1 TiB, and beside it what
//! other ways to the same end take. `cargo xtask bench audit`: the same for an audit, beside other scanners.

mod audit;
mod measure;
mod report;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use measure::Sample;
use report::{JUDGED, Row};

use crate::packages::{self, Group};
use crate::{assets, cache, guests, program, run};

/// Each guest with the sizes (GiB) of the disks it is put on. The first is what it is built with.
const GUESTS: [(&str, &[u64]); 3] = [
    (JUDGED, &[4, 64, 1024]),
    ("bullseye-ext3", &[4, 1024]),
    ("trixie-symlink", &[4]),
];

/// The sizes of disks on which everything is copied, which takes the longer the larger they are.
const COPIED: [u64; 2] = [4, 64];

/// Between these the measurements stand in the document.
const DISKS: Marks = Marks {
    begin: "<!-- measured: begin; written by `cargo xtask bench` -->",
    end: "<!-- measured: end -->",
};

/// The steps of the pv2hvm scripts: a new disk with a partition, all blocks copied, GRUB installed by its own installer.
const COPY_AND_INSTALL: &str = r#"
set -eu
disk=$1 new=$2 root=$3
truncate -s $(($(stat -c %s "$disk") + 1048576)) "$new"
echo '2048,,83,*' | sfdisk --quiet "$new"
loop=$(losetup --find --show --partscan "$new")
trap 'umount "$root" 2>/dev/null || true; losetup --detach "$loop"' EXIT
dd if="$disk" of="${loop}p1" bs=1M conv=sparse,fsync status=none
mount "${loop}p1" "$root"
grub-install --target=i386-pc --boot-directory="$root/boot" "$loop"
sync --file-system "$root"
"#;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Inspecting, converting and reverting disks.
    Disks,
    /// Auditing ten thousand instances, beside Prowler and Cloud Custodian. Installs both: 2.5 GB in the cache.
    Audit,
}

/// A place in the document that belongs to a measurement.
struct Marks {
    begin: &'static str,
    end: &'static str,
}

/// A disk to measure on.
struct Disk {
    guest: &'static str,
    gib: u64,
    path: PathBuf,
}

/// Measures, prints, and writes docs/performance.md.
pub(crate) fn command(part: Part, runs: usize) -> Result<()> {
    match part {
        Part::Disks => on_disks(runs),
        Part::Audit => audit::command(),
    }
}

fn on_disks(runs: usize) -> Result<()> {
    ensure!(runs > 0, "at least one run is needed");
    packages::install(&[Group::Build, Group::Assets, Group::Guests, Group::Test, Group::Bench])?;
    let program = program::ready(true)?;
    let boot = assets::ready()?;
    let folder = tempfile::tempdir_in(cache::folder("bench")?).context("creating a folder for disks")?;
    let disks = disks(folder.path())?;

    let mut rows = Vec::new();
    for disk in &disks {
        for command in ["inspect", "convert", "revert"] {
            rows.push(Row {
                guest: disk.guest,
                gib: disk.gib,
                command,
                result: Ok(Vec::new()),
            });
        }
    }
    // The first round only brings everything into memory. Disks take turns, so that what else this machine does at a time
    // is shared by all of them.
    for round in 0..=runs {
        eprintln!("round {round} of {runs}");
        for (disk, rows) in disks.iter().zip(rows.chunks_mut(3)) {
            let samples = all(&program, &boot, disk, folder.path())?;
            for (row, sample) in rows.iter_mut().zip(samples) {
                if let (Ok(samples), true) = (&mut row.result, round > 0) {
                    samples.push(sample);
                }
            }
        }
    }
    for disk in disks.iter().filter(|disk| disk.guest == JUDGED) {
        rows.extend(others(disk, folder.path()));
    }

    let targets = report::targets(&rows);
    let text = format!(
        "{}\nEach command ran {runs} times; times are medians, all else is the most of all runs.\n\n{}\n{}",
        machine()?,
        report::verdicts(&targets),
        report::table(&rows)
    );
    println!("{text}");
    publish(&DISKS, &text)?;
    let missed = targets.iter().filter(|target| !target.met).count();
    if missed > 0 {
        bail!("{missed} targets were not met");
    }
    Ok(())
}

/// The same guests on disks of all sizes: copies that are grown, as the owner of a disk that has become too small does.
fn disks(folder: &Path) -> Result<Vec<Disk>> {
    let names: Vec<String> = GUESTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let recipes = guests::recipes(&names)?;
    let images = guests::ready(&recipes)?;
    let mut disks = Vec::new();
    for (guest, sizes) in GUESTS {
        let image = recipes
            .iter()
            .zip(&images)
            .find(|(recipe, _)| recipe.name == guest)
            .map(|(_, image)| image)
            .with_context(|| format!("no recipe is called {guest}"))?;
        for &gib in sizes {
            let path = folder.join(format!("{guest}-{gib}.img"));
            run::quietly(Command::new("cp").arg("--sparse=always").arg(image).arg(&path))?;
            let file = File::options()
                .write(true)
                .open(&path)
                .with_context(|| format!("opening {}", path.display()))?;
            if file.metadata()?.len() < gib << 30 {
                file.set_len(gib << 30)
                    .with_context(|| format!("growing {}", path.display()))?;
                // `resize2fs` wants to see a check first, and the guests are clean.
                run::quietly(Command::new("e2fsck").args(["-f", "-p"]).arg(&path))?;
                run::quietly(Command::new("resize2fs").arg(&path))?;
            }
            disks.push(Disk { guest, gib, path });
        }
    }
    Ok(disks)
}

/// Inspects, converts and reverts a disk, so that it is afterwards as it was.
fn all(program: &Path, boot: &Path, disk: &Disk, folder: &Path) -> Result<[Sample; 3]> {
    let keep = folder.join("saved");
    if keep.exists() {
        fs::remove_dir_all(&keep).with_context(|| format!("removing {}", keep.display()))?;
    }
    let comeback = |subcommand: &str| {
        let mut command = Command::new(program);
        command
            .arg(subcommand)
            .arg(&disk.path)
            .env("COMEBACK_BOOT_ASSETS", boot);
        command
    };
    // Of a disk that does not boot as HVM, `inspect` says so by its exit code.
    let inspect = measure::run(&mut comeback("inspect"), &[0, 1])?;
    let convert = measure::run(comeback("convert").arg("--keep").arg(&keep), &[0])?;
    let revert = measure::run(comeback("revert").arg("--keep").arg(&keep), &[0])?;
    Ok([inspect, convert, revert])
}

/// What other programs take on a disk, or why that cannot be told here.
fn others(disk: &Disk, folder: &Path) -> Vec<Row> {
    let row = |command, result| Row {
        guest: disk.guest,
        gib: disk.gib,
        command,
        result,
    };
    let mut rows = Vec::new();
    if disk.gib == 4 {
        rows.push(row("`virt-v2v-in-place`", v2v(disk, folder)));
    }
    if COPIED.contains(&disk.gib) {
        rows.push(row("copy and `grub-install`", copy_and_install(disk, folder)));
    }
    rows
}

fn v2v(disk: &Disk, folder: &Path) -> Result<Vec<Sample>, String> {
    const NAME: &str = "virt-v2v-in-place";
    if !packages::on_path(NAME) {
        return Err("not installed".to_owned());
    }
    let copy = folder.join("v2v.img");
    let sample = run::quietly(Command::new("cp").arg("--sparse=always").arg(&disk.path).arg(&copy))
        .and_then(|()| measure::run(Command::new(NAME).args(["-i", "disk"]).arg(&copy), &[0]));
    let removed = fs::remove_file(&copy).context("removing a copy");
    sample.and_then(|sample| removed.map(|()| vec![sample])).map_err(failed)
}

fn copy_and_install(disk: &Disk, folder: &Path) -> Result<Vec<Sample>, String> {
    if !packages::is_root().map_err(failed)? {
        return Err("needs root, for loop devices and mounts".to_owned());
    }
    let (new, root) = (folder.join("copied.img"), folder.join("root"));
    let sample = fs::create_dir_all(&root)
        .context("creating a folder to mount on")
        .and_then(|()| {
            let mut command = Command::new("sh");
            command
                .args(["-c", COPY_AND_INSTALL, "sh"])
                .arg(&disk.path)
                .args([&new, &root]);
            measure::run(&mut command, &[0])
        });
    let removed = if new.exists() {
        fs::remove_file(&new).context("removing a copy")
    } else {
        Ok(())
    };
    sample.and_then(|sample| removed.map(|()| vec![sample])).map_err(failed)
}

/// An error as a cell of a table.
fn failed(error: anyhow::Error) -> String {
    eprintln!("{error:#}");
    let text = format!("{error:#}");
    let last = text.lines().last().unwrap_or_default().replace('|', "/");
    format!("failed here: {last}")
}

/// What this machine is.
fn machine() -> Result<String> {
    let cpu = value("/proc/cpuinfo", "model name")?;
    let memory: u64 = value("/proc/meminfo", "MemTotal")?
        .trim_end_matches(" kB")
        .parse()
        .context("reading the size of memory")?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = run::text(Command::new("uname").arg("-r"))?;
    let date = run::text(Command::new("date").arg("+%Y-%m-%d"))?;
    let (load, _) = fs::read_to_string("/proc/loadavg")
        .context("reading the load of this machine")?
        .split_once(' ')
        .map(|(load, rest)| (load.to_owned(), rest.to_owned()))
        .context("reading the load of this machine")?;
    let virtual_machine = fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains(" hypervisor"));
    Ok(format!(
        "Measured on {} on {cpu}, {cores} cores, {} GiB of memory, Linux {}{}.\nThe load average at the end was {load}: \
         where it is above 1, other programs took part of the time, and only the column of processor time tells.\n",
        date.trim(),
        memory.div_ceil(1 << 20),
        kernel.trim(),
        if virtual_machine { ", a virtual machine" } else { "" },
    ))
}

/// The value of a line `name : value`.
fn value(path: &str, name: &str) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
        .with_context(|| format!("{path} has no {name}"))
}

/// Writes a measurement into its place in the document.
fn publish(marks: &Marks, text: &str) -> Result<()> {
    let document = cache::workspace().join("docs/performance.md");
    let old = fs::read_to_string(&document).with_context(|| format!("reading {}", document.display()))?;
    let new = replaced(&old, marks, text).with_context(|| format!("{} has no place for it", document.display()))?;
    fs::write(&document, new).with_context(|| format!("writing {}", document.display()))
}

/// The document with `text` between the marks; none if it lacks them.
fn replaced(document: &str, Marks { begin, end }: &Marks, text: &str) -> Option<String> {
    let (before, rest) = document.split_once(begin)?;
    let (_, after) = rest.split_once(end)?;
    Some(format!("{before}{begin}\n\n{}\n\n{end}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let Marks { begin, end } = DISKS;
        let document = format!("# Title\n{begin}\nold\n{end}\nrest\n");
        let once = replaced(&document, &DISKS, "new\n").unwrap();
        assert_eq!(once, format!("# Title\n{begin}\n\nnew\n\n{end}\nrest\n"));
        assert_eq!(replaced(&once, &DISKS, "new\n").unwrap(), once);
        assert_eq!(replaced("# Title\n", &DISKS, "new"), None);
    }

    #[test]
    fn the_document_has_a_place_for_each() {
        let document = fs::read_to_string(cache::workspace().join("docs/performance.md")).unwrap();
        assert!(replaced(&document, &DISKS, "x").is_some());
        assert!(replaced(&document, &audit::MARKS, "x").is_some());
    }

    #[test]
    fn the_machine_is_named() {
        assert!(value("/proc/meminfo", "MemTotal").unwrap().ends_with("kB"));
        assert!(machine().unwrap().contains("cores"));
    }
}
