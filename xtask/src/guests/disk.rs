//! Folder to disk image: file systems made and filled in one go, without mounting anything.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::files::{self, Content};
use super::menu;
use super::recipe::{Recipe, Style};
use super::{rootfs, server};
use crate::image::{FileSystem, Owner};
use crate::{assets, cache, run};

/// Counts up when this folder changes what it makes of a recipe.
const VERSION: u32 = 3;

const SECTOR: u64 = 512;
const MIB: u64 = 1 << 20;
/// Size of a separate `/boot`.
const BOOT: u64 = 256 * MIB;
/// Where the GRUB of an HVM guest finds its settings: on the first partition of the disk that it was started from.
const PREFIX: &str = "(,msdos1)/boot/grub";

/// Path of the guest's image in the cache, which says by its name what it was made from.
pub(crate) fn path(recipe: &Recipe) -> Result<PathBuf> {
    // Saying it in other words makes no other guest.
    let recipe = Recipe {
        about: String::new(),
        ..recipe.clone()
    };
    let mut made_of = format!("{VERSION} {}", serde_json::to_string(&recipe)?);
    if recipe.settings.first_boot().is_some() {
        // What is not in the recipe: the key that is let in, and settings that change more often than this folder.
        let added = server::files(&recipe, &server::public_key()?);
        made_of.push_str(&format!("{added:?}"));
    }
    let key = cache::sha256(made_of.as_bytes());
    Ok(cache::folder("guests")?.join(format!("{}-{}.img", recipe.name, &key[..12])))
}

/// The guest's image, built if the cache does not have it. Whoever boots it does so on a copy.
pub(crate) fn ready(recipe: &Recipe) -> Result<PathBuf> {
    cache::ready(path(recipe)?, |folder| {
        let tar = rootfs::ready(&recipe.rootfs)?;
        println!("{}: making the disk", recipe.name);
        let kernels = menu::kernels(&rootfs::boot_files(&tar)?);
        ensure!(
            kernels.len() == recipe.rootfs.kernels.len(),
            "{}: has these kernels: {kernels:?}",
            recipe.name
        );
        let mut files = files::all(recipe, &kernels);
        if recipe.settings.first_boot().is_some() {
            files.extend(server::files(recipe, &server::public_key()?));
        }
        build(recipe, &tar, &files, folder)
    })
}

fn build(recipe: &Recipe, tar: &Path, files: &[(String, Content)], folder: &Path) -> Result<PathBuf> {
    let at = |name: &str| folder.join(name);
    let (root, overlay, boot, image) = (at("root"), at("overlay"), at("boot"), at("image"));
    for folder in [&root, &overlay, &boot] {
        fs::create_dir(folder).with_context(|| format!("creating {}", folder.display()))?;
    }
    let owner = Owner::new(folder)?;
    owner.extract(tar, &root)?;
    files::write(files, &overlay)?;
    owner.lay_over(&overlay, &root)?;

    let disk = File::create_new(&image).with_context(|| format!("creating {}", image.display()))?;
    let size = recipe.disk.gib << 30;
    disk.set_len(size)
        .with_context(|| format!("sizing {}", image.display()))?;
    let mke2fs = recipe.disk.file_system.mke2fs();
    let (boot_space, Space { start, length }) = spaces(recipe, size);
    if let Some(Space { start, length }) = boot_space {
        // /boot itself stays behind as the mount point.
        run::quietly(
            owner
                .command("sh")
                .args(["-c", "mv \"$1\"/* \"$2\"", "sh"])
                .arg(root.join("boot"))
                .arg(&boot),
        )?;
        let wanted = FileSystem {
            start,
            length,
            mke2fs,
            uuid: &recipe.boot_uuid(),
            label: None,
        };
        owner.mke2fs(&image, &wanted, &boot)?;
    }
    let wanted = FileSystem {
        start,
        length,
        mke2fs,
        uuid: &recipe.uuid(),
        label: recipe.disk.label.as_deref(),
    };
    owner.mke2fs(&image, &wanted, &root)?;
    if recipe.disk.layout.first_sector().is_some() {
        let spaces: Vec<_> = boot_space.into_iter().chain([Space { start, length }]).collect();
        let mut mbr = mbr(&spaces)?;
        let writing = || format!("writing the first sectors of {}", image.display());
        if recipe.menu.style == Style::Grub2 {
            let (sector, core) = assets::grub(PREFIX)?;
            let gap = usize::try_from(start - SECTOR)?;
            ensure!(
                core.len() <= gap,
                "GRUB's core image is {} bytes, room is for {gap}",
                core.len()
            );
            mbr[..440].copy_from_slice(&sector[..440]);
            // Both halves are made for a core image that begins right after the MBR.
            disk.write_all_at(&core, SECTOR).with_context(writing)?;
        }
        disk.write_all_at(&mbr, 0).with_context(writing)?;
    }
    disk.sync_all()
        .with_context(|| format!("syncing {}", image.display()))?;
    Ok(image)
}

/// A range of the disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Space {
    start: u64,
    length: u64,
}

/// Where `/boot` (if it is separate) and the root lie.
fn spaces(recipe: &Recipe, size: u64) -> (Option<Space>, Space) {
    let start = recipe.disk.layout.first_sector().map_or(0, |sector| sector * SECTOR);
    if recipe.disk.separate_boot {
        let root = start + BOOT;
        (
            Some(Space { start, length: BOOT }),
            Space {
                start: root,
                length: size - root,
            },
        )
    } else {
        (
            None,
            Space {
                start,
                length: size - start,
            },
        )
    }
}

/// A master boot record without boot code: a Linux partition for each space, the first one active.
fn mbr(spaces: &[Space]) -> Result<[u8; 512]> {
    let mut mbr = [0; 512];
    mbr[440..444].copy_from_slice(b"PV!\n");
    for (at, space) in spaces.iter().enumerate() {
        let mut entry = Vec::with_capacity(16);
        // Cylinder, head and sector say "use the sector numbers".
        entry.extend([if at == 0 { 0x80 } else { 0 }, 0xfe, 0xff, 0xff, 0x83, 0xfe, 0xff, 0xff]);
        entry.write_all(&u32::try_from(space.start / SECTOR)?.to_le_bytes())?;
        entry.write_all(&u32::try_from(space.length / SECTOR)?.to_le_bytes())?;
        mbr[446 + 16 * at..][..16].copy_from_slice(&entry);
    }
    mbr[510..].copy_from_slice(&[0x55, 0xaa]);
    Ok(mbr)
}

#[cfg(test)]
mod tests {
    use super::super::recipe::Layout;
    use super::super::recipe::tests::sample;
    use super::*;

    #[test]
    fn layouts() {
        let mut recipe = sample();
        let whole = |recipe: &Recipe| spaces(recipe, 4 << 30);
        assert_eq!(
            whole(&recipe),
            (
                None,
                Space {
                    start: 0,
                    length: 4 << 30
                }
            )
        );
        recipe.disk.layout = Layout::Mbr;
        assert_eq!(
            whole(&recipe),
            (
                None,
                Space {
                    start: MIB,
                    length: (4 << 30) - MIB
                }
            )
        );
        recipe.disk.layout = Layout::Mbr63;
        recipe.disk.separate_boot = true;
        let start = 63 * 512;
        let root = start + BOOT;
        assert_eq!(
            whole(&recipe),
            (
                Some(Space { start, length: BOOT }),
                Space {
                    start: root,
                    length: (4 << 30) - root
                }
            )
        );
    }

    #[test]
    fn mbr_of_two_partitions() {
        let mbr = mbr(&[
            Space {
                start: 63 * 512,
                length: 512,
            },
            Space {
                start: MIB,
                length: 4096,
            },
        ])
        .unwrap();
        assert!(mbr[..440].iter().all(|&byte| byte == 0), "no boot code");
        assert_eq!(
            mbr[446..462],
            [0x80, 0xfe, 0xff, 0xff, 0x83, 0xfe, 0xff, 0xff, 63, 0, 0, 0, 1, 0, 0, 0]
        );
        assert_eq!(
            mbr[462..478],
            [0, 0xfe, 0xff, 0xff, 0x83, 0xfe, 0xff, 0xff, 0, 8, 0, 0, 8, 0, 0, 0]
        );
        assert_eq!(mbr[510..], [0x55, 0xaa]);
    }

    #[test]
    fn same_recipe_same_path() {
        let mut recipe = sample();
        let first = path(&recipe).unwrap();
        assert_eq!(path(&recipe).unwrap(), first);
        recipe.about = "other words".to_owned();
        assert_eq!(path(&recipe).unwrap(), first);
        recipe.settings.hazards = true;
        assert_ne!(path(&recipe).unwrap(), first);
    }
}
