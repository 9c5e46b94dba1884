//! Golden guests: releases that cannot be installed any more, kept as text.
//!
//! The texts were written from what is known of those releases; none was copied from an image. Build hosts, dates and
//! UUIDs are plausible rather than true, and a `config-*` holds only the lines that an inspection asks for. Where a
//! real image differs, the image is right and the golden guest is to be corrected.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::compress::Compression;
use crate::error::Error;
use crate::initramfs::{Generator, Initramfs};
use crate::kernel::{Arch, Format, Kernel};

/// Directories that every guest has and git cannot keep.
const EMPTY_DIRECTORIES: [&str; 10] = [
    "dev", "etc", "home", "mnt", "proc", "root", "sys", "tmp", "usr/sbin", "var/log",
];

/// A golden folder: what `guest.toml` says, and where the files are.
#[derive(Debug, Clone)]
pub struct GoldenGuest {
    /// The folder's name: `centos-6`.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    /// What `guest.toml` says.
    pub description: Description,
}

/// `guest.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Description {
    /// Distribution and release, as a person would say it.
    pub title: String,
    /// `amazon`, `redhat`, `debian`, `ubuntu`, `suse`.
    pub family: String,
    /// The day (ISO 8601) on which security updates ended.
    pub end_of_life: String,
    /// Whether the folder stands for a release (and is a row of the support matrix) or for a corner case.
    pub kind: GuestKind,
    /// What a reader should know of such instances.
    pub notes: String,
    /// The disk that the guest is on.
    pub disk: Disk,
    /// Kernels to make.
    #[serde(default, rename = "kernel")]
    pub kernels: Vec<KernelEntry>,
    /// Initramfs to make.
    #[serde(default, rename = "initramfs")]
    pub initramfs: Vec<InitramfsEntry>,
    /// Module files to make.
    #[serde(default, rename = "modules")]
    pub modules: Vec<ModulesEntry>,
    /// Owners, modes and labels that differ from root, 0644 (files) and 0755 (directories).
    #[serde(default, rename = "file")]
    pub files: Vec<FileEntry>,
    /// What the verdicts must be.
    pub expect: Expect,
}

/// What a golden folder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuestKind {
    /// A release as its image was.
    Release,
    /// One difficulty that guests of any release can have.
    Corner,
}

/// How a guest's file systems lie on its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// No partition table: the file system starts at byte 0.
    Unpartitioned,
    /// One partition at 1 MiB.
    Mbr,
    /// One partition at sector 63, as partitioning programs did until about 2010.
    #[serde(rename = "mbr-63")]
    Mbr63,
    /// A partition for `/boot` at 1 MiB, then one for the rest.
    SeparateBoot,
}

/// The file systems that guests have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileSystem {
    /// ext2.
    Ext2,
    /// ext3.
    Ext3,
    /// ext4 with the features it had until about 2016: no 64bit, no metadata_csum.
    Ext4,
    /// ext4 with the features it has had since e2fsprogs 1.43: 64bit and metadata_csum.
    Ext4Csum,
}

/// `[disk]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Disk {
    /// Where the file systems lie.
    pub layout: Layout,
    /// File system of the root, and of `/boot` if that is separate.
    pub fs: FileSystem,
    /// Bytes per inode: 128 until about 2008, 256 since.
    #[serde(default = "default_inode_size")]
    pub inode_size: u32,
    /// Label of the root file system; empty for none.
    #[serde(default)]
    pub label: String,
    /// UUID of the root file system.
    pub uuid: String,
    /// Label of a separate `/boot`.
    #[serde(default)]
    pub boot_label: String,
    /// UUID of a separate `/boot`.
    pub boot_uuid: Option<String>,
}

fn default_inode_size() -> u32 {
    256
}

/// `[[kernel]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct KernelEntry {
    /// Path in the guest.
    pub path: String,
    /// What `uname -r` prints.
    pub release: String,
    /// The processor.
    #[serde(default = "default_arch")]
    pub arch: Arch,
    /// The container.
    #[serde(default = "default_format")]
    pub format: Format,
    /// Boot protocol, `2.10`; classic Xen kernels have none.
    #[serde(default)]
    pub protocol: Option<String>,
    /// Compression of the ELF file in it.
    pub compression: Compression,
    /// The rest of the version string.
    pub banner: String,
    /// Whether it has Xen notes: it can run as PV guest.
    pub xen_pv: bool,
}

fn default_arch() -> Arch {
    Arch::X86_64
}

fn default_format() -> Format {
    Format::Bzimage
}

/// `[[initramfs]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct InitramfsEntry {
    /// Path in the guest.
    pub path: String,
    /// Compression.
    pub compression: Compression,
    /// The program that made it.
    pub generator: Generator,
    /// Whether microcode comes first.
    #[serde(default)]
    pub microcode: bool,
    /// Modules in it, paths from its root on.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Further files in it: path and content.
    #[serde(default)]
    pub extra_files: BTreeMap<String, String>,
}

/// `[[modules]]`: module files below `/lib/modules/<release>`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModulesEntry {
    /// The kernel's release.
    pub release: String,
    /// Paths from `/lib/modules/<release>` on.
    pub files: Vec<String>,
}

/// `[[file]]`: what git cannot keep of a file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FileEntry {
    /// Path in the guest.
    pub path: String,
    /// Permission bits as in `chmod`: `"0600"`.
    pub mode: Option<String>,
    /// Owner, in images only: a folder belongs to whoever made it.
    #[serde(default)]
    pub uid: u32,
    /// Group, in images only.
    #[serde(default)]
    pub gid: u32,
    /// SELinux context, in images only.
    pub selinux: Option<String>,
}

/// A place to boot, as the verdicts name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Platform {
    /// PV-GRUB 1.03 of the guest's architecture, `hd0` or `hd00` as the disk's layout needs it.
    #[serde(rename = "pv-grub-1.03")]
    PvGrub103,
    /// PV-GRUB 1.05 of the guest's architecture.
    #[serde(rename = "pv-grub-1.05")]
    PvGrub105,
    /// HVM on Xen.
    #[serde(rename = "xen-hvm")]
    XenHvm,
    /// Nitro.
    #[serde(rename = "nitro")]
    Nitro,
}

impl Platform {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Platform; 4] = [
        Platform::PvGrub103,
        Platform::PvGrub105,
        Platform::XenHvm,
        Platform::Nitro,
    ];

    /// The name in reports and in `guest.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Platform::PvGrub103 => "pv-grub-1.03",
            Platform::PvGrub105 => "pv-grub-1.05",
            Platform::XenHvm => "xen-hvm",
            Platform::Nitro => "nitro",
        }
    }
}

/// What is said of a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It boots, and is reached over the network.
    Boots,
    /// It does not.
    DoesNotBoot,
    /// The disk does not tell.
    Unknown,
}

/// `[expect]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The disk as it is.
    pub before: BTreeMap<Platform, Expectation>,
    /// The disk as an in-place conversion would leave it. Where the target does not boot then, nothing is written.
    pub after: BTreeMap<Platform, Expectation>,
}

/// A verdict and its reason.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The verdict.
    pub verdict: Verdict,
    /// Ids of findings that must be among those that block, when it is not `boots`.
    #[serde(default)]
    pub findings: Vec<String>,
    /// Why, for people.
    pub because: String,
}

/// Reads the golden guest in `folder`.
///
/// # Errors
/// [`Error::Io`], or [`Error::Description`] when `guest.toml` does not describe a guest.
pub fn load(folder: &Path) -> Result<GoldenGuest, Error> {
    let path = folder.join("guest.toml");
    let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
    let describe = |message: String| Error::Description {
        path: path.clone(),
        message,
    };
    let description: Description = toml::from_str(&text).map_err(|error| describe(error.to_string()))?;
    for kernel in &description.kernels {
        kernel.protocol_number().map_err(describe)?;
    }
    for (moment, expected) in [
        ("before", &description.expect.before),
        ("after", &description.expect.after),
    ] {
        for platform in Platform::ALL {
            let Some(expectation) = expected.get(&platform) else {
                return Err(describe(format!("expect.{moment} lacks {}", platform.name())));
            };
            if (expectation.verdict == Verdict::Boots) != expectation.findings.is_empty() {
                return Err(describe(format!(
                    "expect.{moment}: {} must name findings exactly when it does not boot",
                    platform.name()
                )));
            }
        }
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(GoldenGuest {
        name,
        folder: folder.to_owned(),
        description,
    })
}

/// All golden guests in `folder`, by name.
///
/// # Errors
/// As [`load`].
pub fn load_all(folder: &Path) -> Result<Vec<GoldenGuest>, Error> {
    let mut folders = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        if path.join("guest.toml").is_file() {
            folders.insert(path);
        }
    }
    folders.iter().map(|folder| load(folder)).collect()
}

/// The folder of the package whose test this is, as cargo says while it runs: what is compiled in would be that of another
/// checkout, where two build into one folder.
fn package() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

/// Where this repository keeps its golden guests.
pub fn repository_folder() -> PathBuf {
    package().join("../../guests/golden")
}

impl KernelEntry {
    /// The boot protocol as in the header; 0 for a kernel without one.
    fn protocol_number(&self) -> Result<u16, String> {
        let Some(protocol) = &self.protocol else {
            return match self.format {
                Format::Elf => Ok(0),
                Format::Bzimage => Err(format!("kernel {} lacks its protocol", self.path)),
            };
        };
        protocol
            .split_once('.')
            .and_then(|(major, minor)| Some(major.parse::<u8>().ok()?.into()).zip(minor.parse::<u8>().ok()))
            .map(|(major, minor): (u16, u8)| major << 8 | u16::from(minor))
            .ok_or_else(|| format!("kernel {}: protocol {protocol} is not like 2.10", self.path))
    }

    /// The kernel's bytes.
    ///
    /// # Errors
    /// A message when the protocol is not one, or the compressor fails.
    fn to_bytes(&self) -> Result<Vec<u8>, String> {
        Kernel {
            release: &self.release,
            banner: &self.banner,
            arch: self.arch,
            format: self.format,
            protocol: self.protocol_number()?,
            compression: self.compression,
            xen_notes: self.xen_pv,
        }
        .to_bytes()
        .map_err(|error| error.to_string())
    }
}

impl GoldenGuest {
    /// Makes the guest's root file system in `into`, which is created if need be: copies the text, makes kernels,
    /// initramfs, modules and empty directories, sets modes.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Description`] when a kernel cannot be made as described.
    pub fn materialise(&self, into: &Path) -> Result<(), Error> {
        self.copy_tree(&self.folder.join("before"), into)?;
        for directory in EMPTY_DIRECTORIES {
            let path = into.join(directory);
            fs::create_dir_all(&path).map_err(Error::io(&path))?;
        }
        let failed = |message: String| Error::Description {
            path: self.folder.join("guest.toml"),
            message,
        };
        for kernel in &self.description.kernels {
            write(into, &kernel.path, &kernel.to_bytes().map_err(failed)?)?;
        }
        for entry in &self.description.initramfs {
            let initramfs = Initramfs {
                generator: entry.generator,
                compression: entry.compression,
                modules: &entry.modules,
                extra_files: &entry.extra_files,
                microcode: entry.microcode,
            };
            let bytes = initramfs.to_bytes().map_err(|error| failed(error.to_string()))?;
            write(into, &entry.path, &bytes)?;
        }
        for entry in &self.description.modules {
            for file in &entry.files {
                write(into, &format!("/lib/modules/{}/{file}", entry.release), b"")?;
            }
        }
        for entry in &self.description.files {
            let path = inside(into, &entry.path);
            if let Some(mode) = entry.mode_bits().map_err(failed)? {
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(Error::io(&path))?;
            }
        }
        Ok(())
    }

    fn copy_tree(&self, from: &Path, to: &Path) -> Result<(), Error> {
        fs::create_dir_all(to).map_err(Error::io(to))?;
        for entry in fs::read_dir(from).map_err(Error::io(from))? {
            let entry = entry.map_err(Error::io(from))?;
            let (source, target) = (entry.path(), to.join(entry.file_name()));
            let kind = entry.file_type().map_err(Error::io(&source))?;
            if kind.is_dir() {
                self.copy_tree(&source, &target)?;
            } else if kind.is_symlink() {
                let link = fs::read_link(&source).map_err(Error::io(&source))?;
                symlink(link, &target).map_err(Error::io(&target))?;
            } else {
                // Not fs::copy: whatever umask or checkout the repository had must not reach the guest.
                let content = fs::read(&source).map_err(Error::io(&source))?;
                fs::write(&target, content).map_err(Error::io(&target))?;
                fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).map_err(Error::io(&target))?;
            }
        }
        Ok(())
    }
}

impl FileEntry {
    /// The permission bits, if they are given.
    pub(crate) fn mode_bits(&self) -> Result<Option<u32>, String> {
        self.mode
            .as_deref()
            .map(|mode| {
                u32::from_str_radix(mode, 8).map_err(|_| format!("file {}: mode {mode} is not octal", self.path))
            })
            .transpose()
    }
}

/// The place of a guest's path below `root`.
pub(crate) fn inside(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

fn write(root: &Path, path: &str, content: &[u8]) -> Result<(), Error> {
    let path = inside(root, path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Error::io(parent))?;
    }
    fs::write(&path, content).map_err(Error::io(&path))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).map_err(Error::io(&path))
}
