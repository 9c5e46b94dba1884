//! Disk images of materialised guests, made by e2fsprogs without mounting anything.

use std::fmt::Write as _;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::golden::{Description, Disk, FileEntry, FileSystem, Layout};

const MIB: u64 = 1 << 20;
const SECTOR: u64 = 512;
/// Size of the whole disk in bytes.
pub const DISK_SIZE: u64 = 64 * MIB;
/// Size of a separate `/boot` in bytes.
const BOOT_SIZE: u64 = 24 * MIB;
/// A day in the era of these guests (2014-05-01), so that images are the same whenever they are made.
const FAKE_TIME: &str = "1398902400";

/// A file system on a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Where the guest mounts it.
    pub mount: &'static str,
    /// First byte.
    pub offset: u64,
    /// Size in bytes.
    pub size: u64,
}

/// Where the file systems of a layout lie in an image, the root last.
pub fn parts(layout: Layout) -> Vec<Part> {
    let root = |offset: u64| Part {
        mount: "/",
        offset,
        // File systems are made of 4 KiB blocks.
        size: (DISK_SIZE - offset) / 4096 * 4096,
    };
    match layout {
        Layout::Unpartitioned => vec![root(0)],
        Layout::Mbr => vec![root(MIB)],
        Layout::Mbr63 => vec![root(63 * SECTOR)],
        Layout::SeparateBoot => vec![
            Part {
                mount: "/boot",
                offset: MIB,
                size: BOOT_SIZE,
            },
            root(MIB + BOOT_SIZE),
        ],
    }
}

/// Makes a raw, sparse image of the guest in `folder` (as [`crate::golden::GoldenGuest::materialise`] left it) and
/// returns its path, which is `folder` with `.img` appended. All files belong to root but those that
/// [`Description::files`] names.
///
/// # Errors
/// [`Error::Program`] when `mke2fs` or `debugfs` fail; [`Error::Io`].
pub fn build_ext(folder: &Path, description: &Description) -> Result<PathBuf, Error> {
    let mut image = folder.as_os_str().to_owned();
    image.push(".img");
    let image = PathBuf::from(image);
    let file = fs::File::create(&image).map_err(Error::io(&image))?;
    file.set_len(DISK_SIZE).map_err(Error::io(&image))?;
    let disk = &description.disk;
    let parts = parts(disk.layout);
    let scratch = tempfile::tempdir().map_err(Error::io(&image))?;
    for part in &parts {
        let source = source_of(folder, part, disk.layout, scratch.path())?;
        make_file_system(&image, &source, part, disk)?;
        set_attributes(&image, &source, part, &description.files, scratch.path())?;
    }
    if disk.layout != Layout::Unpartitioned {
        write_table(file, &parts).map_err(Error::io(&image))?;
    }
    Ok(image)
}

/// The folder that holds what belongs on `part`.
fn source_of(folder: &Path, part: &Part, layout: Layout, scratch: &Path) -> Result<PathBuf, Error> {
    if layout != Layout::SeparateBoot {
        return Ok(folder.to_owned());
    }
    if part.mount == "/boot" {
        return Ok(folder.join("boot"));
    }
    let root = scratch.join("root");
    copy_without_boot(folder, &root, true)?;
    fs::create_dir(root.join("boot")).map_err(Error::io(&root))?;
    Ok(root)
}

fn copy_without_boot(from: &Path, to: &Path, top: bool) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(Error::io(to))?;
    for entry in fs::read_dir(from).map_err(Error::io(from))? {
        let entry = entry.map_err(Error::io(from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(Error::io(&source))?;
        if top && entry.file_name() == "boot" {
            continue;
        } else if kind.is_dir() {
            copy_without_boot(&source, &target, false)?;
        } else if kind.is_symlink() {
            let link = fs::read_link(&source).map_err(Error::io(&source))?;
            symlink(link, &target).map_err(Error::io(&target))?;
        } else {
            fs::copy(&source, &target).map_err(Error::io(&source))?;
        }
    }
    Ok(())
}

fn make_file_system(image: &Path, source: &Path, part: &Part, disk: &Disk) -> Result<(), Error> {
    let (kind, features) = match disk.fs {
        FileSystem::Ext2 => (
            "ext2",
            "none,ext_attr,resize_inode,dir_index,filetype,sparse_super,large_file",
        ),
        FileSystem::Ext3 => (
            "ext3",
            "none,has_journal,ext_attr,resize_inode,dir_index,filetype,sparse_super,large_file",
        ),
        FileSystem::Ext4 => (
            "ext4",
            "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,flex_bg,sparse_super,large_file,\
             huge_file,uninit_bg,dir_nlink,extra_isize",
        ),
        FileSystem::Ext4Csum => (
            "ext4",
            "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,flex_bg,sparse_super,large_file,\
             huge_file,dir_nlink,extra_isize,64bit,metadata_csum",
        ),
    };
    let (label, uuid) = match (part.mount, &disk.boot_uuid) {
        ("/boot", Some(uuid)) => (&disk.boot_label, uuid),
        _ => (&disk.label, &disk.uuid),
    };
    // The number of inodes is given because file systems this small get too few of them for a tree of small files.
    run(
        "mke2fs",
        Command::new("mke2fs")
            .env("E2FSPROGS_FAKE_TIME", FAKE_TIME)
            .args([
                "-q", "-F", "-t", kind, "-b", "4096", "-m", "1", "-N", "4096", "-O", features,
            ])
            .args(["-I", &disk.inode_size.to_string(), "-L", label, "-U", uuid])
            .arg("-E")
            .arg(format!("offset={},hash_seed={uuid},root_owner=0:0", part.offset))
            .arg("-d")
            .arg(source)
            .arg(image)
            .arg(format!("{}k", part.size / 1024)),
    )
}

/// Gives all files to root, and to those that are listed what they need.
fn set_attributes(image: &Path, source: &Path, part: &Part, files: &[FileEntry], scratch: &Path) -> Result<(), Error> {
    let prefix = if part.mount == "/" { "" } else { part.mount };
    let mut commands = String::new();
    let mut paths = Vec::new();
    list(source, String::new(), &mut paths)?;
    for path in &paths {
        let entry = files.iter().find(|entry| entry.path.strip_prefix(prefix) == Some(path));
        let (uid, gid) = entry.map_or((0, 0), |entry| (entry.uid, entry.gid));
        let _ = writeln!(
            commands,
            "set_inode_field {path} uid {uid}\nset_inode_field {path} gid {gid}"
        );
        if let Some(context) = entry.and_then(|entry| entry.selinux.as_ref()) {
            // The kernel stores the context with the zero byte that ends it.
            let value = scratch.join(format!("selinux-{}", commands.len()));
            fs::write(&value, format!("{context}\0")).map_err(Error::io(&value))?;
            let _ = writeln!(commands, "ea_set -f {} {path} security.selinux", value.display());
        }
    }
    let script = scratch.join("debugfs");
    fs::write(&script, commands).map_err(Error::io(&script))?;
    // debugfs takes the offset of a file system as an option of the device's name.
    let device = format!("{}?offset={}", image.display(), part.offset);
    run(
        "debugfs",
        Command::new("debugfs")
            .env("E2FSPROGS_FAKE_TIME", FAKE_TIME)
            .env("DEBUGFS_PAGER", "cat")
            .arg("-w")
            .arg("-f")
            .arg(&script)
            .arg(device),
    )
}

/// All paths below `folder`, absolute within it.
fn list(folder: &Path, prefix: String, paths: &mut Vec<String>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        let path = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().map_err(Error::io(folder))?.is_dir() {
            list(&entry.path(), path.clone(), paths)?;
        }
        paths.push(path);
    }
    Ok(())
}

/// Writes a partition table, and no boot code: that is what PV guests have.
fn write_table(mut file: fs::File, parts: &[Part]) -> std::io::Result<()> {
    let mut sector = [0; SECTOR as usize];
    sector[440..444].copy_from_slice(&0x000b_17e5_u32.to_le_bytes());
    for (index, part) in parts.iter().enumerate() {
        let entry = &mut sector[446 + index * 16..462 + index * 16];
        entry[0] = if index == 0 { 0x80 } else { 0 };
        // Addresses by cylinder say "look at the sector numbers" (1023/254/63), as fdisk writes for what they cannot express.
        entry[1..4].copy_from_slice(&[0xfe, 0xff, 0xff]);
        entry[4] = 0x83;
        entry[5..8].copy_from_slice(&[0xfe, 0xff, 0xff]);
        entry[8..12].copy_from_slice(&((part.offset / SECTOR) as u32).to_le_bytes());
        entry[12..16].copy_from_slice(&((part.size / SECTOR) as u32).to_le_bytes());
    }
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&sector)
}

fn run(program: &'static str, command: &mut Command) -> Result<(), Error> {
    let failed = |message: String| Error::Program { program, message };
    let path = std::env::var("PATH").unwrap_or_default();
    // Debian keeps these programs where an ordinary user's PATH does not lead.
    let output = command
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .output()
        .map_err(|error| failed(format!("cannot be started ({error}); install e2fsprogs")))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    // debugfs ends with 0 whatever its commands did, and writes one line of its own to the errors.
    let complaints: Vec<&str> = errors.lines().filter(|line| !line.starts_with("debugfs 1.")).collect();
    if output.status.success() && complaints.is_empty() {
        Ok(())
    } else {
        Err(failed(format!("{}: {}", output.status, complaints.join("; "))))
    }
}
