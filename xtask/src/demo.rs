//! `cargo xtask demo`: the main job, from nothing, on a disk of one's own making.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{assets, guests, packages, program, run};

/// The guest that is shown.
const GUEST: &str = "bookworm-plain";

pub(crate) fn command() -> Result<()> {
    let started = Instant::now();
    say("Packages that are needed and not there are installed from Debian");
    packages::install(packages::Group::ALL)?;
    say("Building comeback and GRUB's boot code (minutes on a fresh machine, seconds later)");
    assets::command(None)?;
    let program = program::ready(false)?;
    say(&format!(
        "Making a paravirtual guest, {GUEST} (minutes on a fresh machine, nothing later)"
    ));
    let recipes = guests::recipes(&[GUEST.to_owned()])?;
    let guest = guests::ready(&recipes)?
        .pop()
        .context("building the guest gave no image")?;

    let folder = tempfile::Builder::new()
        .prefix("comeback-demo-")
        .tempdir_in("/var/tmp")
        .context("creating a folder for the demo in /var/tmp")?;
    let disk = folder.path().join("guest.img");
    run::quietly(Command::new("cp").arg("--sparse=always").arg(&guest).arg(&disk))?;
    let demo = Demo {
        program,
        folder: folder.path(),
    };

    say("The guest's data, before");
    let before = checksums(&disk, folder.path())?;
    print!("{before}");

    say("1. It does not boot as HVM: its disk has no boot code at all");
    demo.run(&["rehearse", "guest.img", "--as", "xen-hvm"], 1)?;
    say("2. What is on it, and where it boots");
    demo.run(&["inspect", "guest.img"], 1)?;
    say("3. What a conversion would do; nothing is written");
    demo.run(&["convert", "guest.img", "--dry-run"], 0)?;
    say("4. The conversion");
    demo.run(&["convert", "guest.img"], 0)?;
    say("5. It boots: on Nitro's NVMe disk, and on Xen HVM's IDE disk");
    demo.run(&["rehearse", "guest.img", "--as", "nitro"], 0)?;
    demo.run(&["rehearse", "guest.img", "--as", "xen-hvm"], 0)?;

    say("The guest's data, after");
    let after = checksums(&disk, folder.path())?;
    print!("{after}");
    if before != after {
        bail!("the guest's data changed");
    }
    println!("The same, to the last bit.");
    say("6. And back: every byte of the disk as it was");
    demo.run(&["revert", "guest.img"], 0)?;
    let same = run::quietly(Command::new("cmp").arg(&guest).arg(&disk));
    same.context("comparing the reverted disk with the original")?;
    println!("cmp says that it is the disk that it was.");
    say(&format!("Done in {} s", started.elapsed().as_secs()));
    Ok(())
}

fn say(text: &str) {
    println!("\n### {text}\n");
}

struct Demo<'a> {
    program: PathBuf,
    folder: &'a Path,
}

impl Demo<'_> {
    /// Shows a command as one would type it, runs it, and checks how it ends.
    fn run(&self, arguments: &[&str], expected: i32) -> Result<()> {
        println!("$ comeback {}", arguments.join(" "));
        let status = Command::new(&self.program)
            .args(arguments)
            .current_dir(self.folder)
            .status()
            .with_context(|| format!("starting {}", self.program.display()))?;
        println!("(exit code {})\n", status.code().unwrap_or(-1));
        if status.code() != Some(expected) {
            bail!("comeback {} was expected to exit with {expected}", arguments.join(" "));
        }
        Ok(())
    }
}

/// Checksums of the guest's data files as they are on the disk now, read by e2fsprogs and not by us.
fn checksums(disk: &Path, folder: &Path) -> Result<String> {
    let data = folder.join("data");
    if data.exists() {
        std::fs::remove_dir_all(&data).with_context(|| format!("removing {}", data.display()))?;
    }
    let dump = format!("rdump /srv/data {}", folder.display());
    run::quietly(Command::new("debugfs").args(["-R", &dump]).arg(disk))?;
    run::text(Command::new("sh").args(["-c", "sha256sum *.bin"]).current_dir(&data))
}
