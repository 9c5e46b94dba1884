//! `cargo xtask demo disk`: the conversion alone, from nothing, on a disk of one's own making.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::stage::{Stage, say};
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

    let demo = Stage::new(&program)?;
    let disk = demo.path("guest.img");
    run::quietly(Command::new("cp").arg("--sparse=always").arg(&guest).arg(&disk))?;

    say("The guest's data, before");
    let before = checksums(&disk, demo.folder())?;
    print!("{before}");

    say("1. It does not boot as HVM: its disk has no boot code at all");
    demo.run("comeback rehearse guest.img --as xen-hvm", 1)?;
    say("2. What is on it, and where it boots");
    demo.run("comeback inspect guest.img", 1)?;
    say("3. What a conversion would do; nothing is written");
    demo.run("comeback convert guest.img --dry-run", 0)?;
    say("4. The conversion");
    demo.run("comeback convert guest.img", 0)?;
    say("5. It boots: on Nitro's NVMe disk, and on Xen HVM's IDE disk");
    demo.run("comeback rehearse guest.img --as nitro", 0)?;
    demo.run("comeback rehearse guest.img --as xen-hvm", 0)?;

    say("The guest's data, after");
    let after = checksums(&disk, demo.folder())?;
    print!("{after}");
    if before != after {
        bail!("the guest's data changed");
    }
    println!("The same, to the last bit.");
    say("6. And back: every byte of the disk as it was");
    demo.run("comeback revert guest.img", 0)?;
    let same = run::quietly(Command::new("cmp").arg(&guest).arg(&disk));
    same.context("comparing the reverted disk with the original")?;
    println!("cmp says that it is the disk that it was.");
    say(&format!("Done in {} s", started.elapsed().as_secs()));
    Ok(())
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
