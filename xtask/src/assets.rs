//! Boot assets: the GRUB 2 boot code that the converter writes to disks, built once from Debian's packages.
//!
//! The same bytes serve every guest, so a machine without GRUB can convert too. What differs from disk to disk is patched
//! in by the installer: where the core image lies (block list in its first sector), and the partition it lies on.
//! The core image has no embedded configuration and a prefix without a device, so that GRUB takes the disk it was started
//! from as its root and reads `/boot/comeback/grub.cfg` there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::{cache, packages, run};

/// Where Debian's grub-pc-bin keeps GRUB for BIOS machines.
const GRUB: &str = "/usr/lib/grub/i386-pc";
/// What Debian's GPL-3 packages point to.
const LICENCE: &str = "/usr/share/common-licenses/GPL-3";
/// The folder, on the disk GRUB was started from, that holds its configuration.
const PREFIX: &str = "/boot/comeback";
/// Folder of the assets beside a program.
const BESIDE: &str = "comeback-boot";

/// What a guest's `menu.lst` or `grub.cfg` may ask for, and no more: its own modules are never loaded, as they may be of
/// another version. `all_video` is in because every Debian and Ubuntu `grub.cfg` asks for it, and complains without it;
/// `gfxterm` is not, so that the menu stays on the serial line. `sleep` is what `hiddenmenu` waits with, `loadenv` what
/// `savedefault` needs. The program builds the same image where it finds no assets, so the list is in one place.
const MODULES: &str = include_str!("../../crates/disk/src/boot/modules.txt");

/// GRUB's sector size, and that of its first-sector programs.
const SECTOR: usize = 512;
/// The last entry of the block list at the end of diskboot.img: start sector (8 bytes), length in sectors (2), segment (2).
/// diskboot.img has it for a core image that begins at sector 1, without a length, which `grub-mkimage` fills in.
const BLOCK_LIST: usize = SECTOR - 12;
/// Within the sector after diskboot.img: BSD partition, DOS partition (0xff is none), as `grub-bios-setup` patches them.
/// Source: `GRUB_DECOMPRESSOR_I386_PC_BOOT_DEVICE` in GRUB's include/grub/offsets.h.
const BOOT_DEVICE: usize = SECTOR + 0x18;

/// What `assets.json` says.
#[derive(Debug, Serialize)]
struct Manifest {
    /// Version of this file's format.
    format: u32,
    grub: String,
    package: String,
    package_version: String,
    platform: &'static str,
    prefix: &'static str,
    modules: Vec<&'static str>,
    licence: &'static str,
    source: String,
    /// SHA-256 by file name.
    sha256: BTreeMap<String, String>,
}

/// Builds into `output`, or into the cache and beside every program that was built.
pub(crate) fn command(output: Option<&Path>) -> Result<()> {
    packages::install(&[packages::Group::Assets])?;
    match output {
        Some(output) => build(output),
        None => {
            let boot = ready()?;
            for profile in profiles()? {
                copy_beside(&boot, &profile)?;
            }
            Ok(())
        }
    }
}

/// Builds into the cache.
pub(crate) fn ready() -> Result<PathBuf> {
    let boot = cache::folder("boot")?;
    let _lock = cache::lock(&boot)?;
    build(&boot)?;
    Ok(boot)
}

/// The folders that hold built programs: this task's own, and those of the folder that tasks build the workspace in.
pub(crate) fn profiles() -> Result<Vec<PathBuf>> {
    let target = cache::target()?;
    let mut folders = vec![target.join("debug"), target.join("release")];
    if let Ok(program) = std::env::current_exe() {
        folders.extend(program.parent().map(Path::to_path_buf));
    }
    folders.sort();
    folders.dedup();
    folders.retain(|folder| folder.is_dir());
    Ok(folders)
}

/// Puts a copy of the assets where a program in `folder` looks for them first.
pub(crate) fn copy_beside(boot: &Path, folder: &Path) -> Result<()> {
    let to = folder.join(BESIDE);
    fs::create_dir_all(&to).with_context(|| format!("creating {}", to.display()))?;
    for entry in fs::read_dir(boot).with_context(|| format!("listing {}", boot.display()))? {
        let from = entry?.path();
        let name = from.file_name().context("a folder's entry without a name")?;
        replace(
            &to.join(name),
            &fs::read(&from).with_context(|| format!("reading {}", from.display()))?,
        )?;
    }
    println!("copied to {}", to.display());
    Ok(())
}

fn build(output: &Path) -> Result<()> {
    let boot = read_grub("boot.img")?;
    let diskboot = read_grub("diskboot.img")?;
    let core = mkimage(PREFIX)?;
    check_boot(&boot)?;
    check_core(&core, &diskboot)?;

    let files = [
        ("boot.img", boot),
        ("core.img", core),
        ("COPYING", read(Path::new(LICENCE))?),
    ];
    let package = "grub-pc-bin";
    let package_version = packages::version(package)?;
    let (source, source_version) = packages::source(package)?;
    let manifest = Manifest {
        format: 1,
        grub: upstream_version(&package_version).to_owned(),
        package: package.to_owned(),
        package_version,
        platform: "i386-pc",
        prefix: PREFIX,
        modules: MODULES.lines().collect(),
        licence: "GPL-3.0-or-later",
        source: format!("Debian source package {source} {source_version} (apt-get source {source}={source_version})"),
        sha256: files
            .iter()
            .map(|(name, bytes)| ((*name).to_owned(), cache::sha256(bytes)))
            .collect(),
    };

    fs::create_dir_all(output).with_context(|| format!("creating {}", output.display()))?;
    for (name, bytes) in &files {
        replace(&output.join(name), bytes)?;
    }
    // The manifest comes last: with it in place, the set is whole.
    let mut json = serde_json::to_vec_pretty(&manifest)?;
    json.push(b'\n');
    replace(&output.join("assets.json"), &json)?;
    println!(
        "boot assets: GRUB {}, core.img {} bytes, in {}",
        manifest.grub,
        files[1].1.len(),
        output.display()
    );
    Ok(())
}

/// Boot sector and core image of a GRUB that an ordinary disk has of its own, right behind one another. `prefix` is the
/// folder of its configuration, as GRUB names it.
pub(crate) fn grub(prefix: &str) -> Result<(Vec<u8>, Vec<u8>)> {
    let boot = read_grub("boot.img")?;
    let core = mkimage(prefix)?;
    check_boot(&boot)?;
    check_core(&core, &read_grub("diskboot.img")?)?;
    Ok((boot, core))
}

fn mkimage(prefix: &str) -> Result<Vec<u8>> {
    let folder = tempfile::tempdir().context("creating a temporary folder")?;
    let image = folder.path().join("core.img");
    let mut command = Command::new("grub-mkimage");
    command
        .args(["--format=i386-pc", "--prefix", prefix, "--directory", GRUB, "--output"])
        .arg(&image)
        .args(MODULES.lines());
    run::quietly(&mut command)?;
    read(&image)
}

/// boot.img is one sector that ends in the BIOS signature.
fn check_boot(boot: &[u8]) -> Result<()> {
    ensure!(
        boot.len() == SECTOR && boot.ends_with(&[0x55, 0xaa]),
        "boot.img is not a boot sector"
    );
    Ok(())
}

/// core.img is what the installer takes it for: diskboot.img with a block list to fill in, then a partition to fill in.
fn check_core(core: &[u8], diskboot: &[u8]) -> Result<()> {
    ensure!(
        diskboot.len() == SECTOR && core.len() > 2 * SECTOR,
        "core.img is too short: {} bytes",
        core.len()
    );
    let mut first = diskboot.to_vec();
    let sectors =
        u16::try_from(core.len().div_ceil(SECTOR) - 1).context("core.img is too long for one block list entry")?;
    first[BLOCK_LIST + 8..BLOCK_LIST + 10].copy_from_slice(&sectors.to_le_bytes());
    ensure!(
        core[..SECTOR] == first,
        "core.img does not begin with diskboot.img and one block list entry for the rest"
    );
    let device = &core[BOOT_DEVICE..BOOT_DEVICE + 4];
    ensure!(
        device == [0xff, 0xff, 0xff, 0],
        "core.img's boot device is not where it was in GRUB 2.06: {device:02x?}"
    );
    Ok(())
}

/// `2.06-13+deb12u1` is GRUB 2.06.
fn upstream_version(package_version: &str) -> &str {
    package_version
        .rsplit_once('-')
        .map_or(package_version, |(upstream, _)| upstream)
}

fn read_grub(name: &str) -> Result<Vec<u8>> {
    read(&Path::new(GRUB).join(name))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

/// Writes a file so that nobody sees half of it, and leaves it alone if it says the same already.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let fresh = cache::beside(path, "new");
    fs::write(&fresh, bytes).with_context(|| format!("writing {}", fresh.display()))?;
    fs::rename(&fresh, path).with_context(|| format!("replacing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> (Vec<u8>, Vec<u8>) {
        let mut diskboot = vec![7; SECTOR];
        diskboot[BLOCK_LIST..].copy_from_slice(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0x08]);
        let mut core = diskboot.clone();
        core[BLOCK_LIST + 8] = 3;
        core.resize(4 * SECTOR, 9);
        core[BOOT_DEVICE..BOOT_DEVICE + 4].copy_from_slice(&[0xff, 0xff, 0xff, 0]);
        (core, diskboot)
    }

    #[test]
    fn core_as_grub_mkimage_leaves_it() {
        let (core, diskboot) = parts();
        check_core(&core, &diskboot).unwrap();
    }

    #[test]
    fn core_that_the_installer_would_spoil() {
        let (core, diskboot) = parts();
        for at in [
            0,
            BLOCK_LIST,
            BLOCK_LIST + 8,
            BLOCK_LIST + 10,
            BOOT_DEVICE,
            BOOT_DEVICE + 2,
            BOOT_DEVICE + 3,
        ] {
            let mut core = core.clone();
            core[at] ^= 1;
            assert!(check_core(&core, &diskboot).is_err(), "byte {at} differs");
        }
        assert!(check_core(&core[..SECTOR], &diskboot).is_err());
        assert!(check_boot(&core[..SECTOR]).is_err());
    }

    #[test]
    fn versions() {
        assert_eq!(upstream_version("2.06-13+deb12u1"), "2.06");
        assert_eq!(upstream_version("2.12~rc1-12"), "2.12~rc1");
    }

    #[test]
    fn replacing_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("core.img");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
