//! Opening disks: raw images, qcow2 images and block devices.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use imago::FormatAccess;
use serde::{Deserialize, Serialize};

pub use crate::io::Access;
use crate::io::{ReadAt, WriteAt, check_bounds};

mod error;
mod lock;
mod magic;
pub(crate) mod qcow2;
mod refcounts;
pub(crate) mod storage;
mod usage;

pub use error::ImageError;
use storage::HostFile;
use usage::Host;

/// How the bytes of a disk are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// A file that holds the disk byte for byte.
    Raw,
    /// QEMU's qcow2.
    Qcow2,
    /// A block device.
    BlockDevice,
}

impl Format {
    /// What QEMU calls it.
    pub fn qemu_name(self) -> &'static str {
        match self {
            Format::Raw | Format::BlockDevice => "raw",
            Format::Qcow2 => "qcow2",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Raw => "raw image",
            Format::Qcow2 => "qcow2 image",
            Format::BlockDevice => "block device",
        })
    }
}

/// What tells one disk from another, as far as the file below knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Absolute, symlinks resolved.
    pub path: PathBuf,
    /// How it is stored.
    pub format: Format,
    /// Size of the disk in bytes.
    pub size: u64,
}

/// How to open a disk.
#[derive(Debug, Clone, Copy)]
pub struct OpenOptions {
    /// What is going to be done with it.
    pub access: Access,
    /// The format of an image file; found out if not given.
    ///
    /// A qcow2 image is told from a raw one by its first four bytes, and the first bytes of a raw image are the
    /// guest's: a guest that was given a raw image could write a qcow2 header there. At worst that makes us read
    /// another file in the image's own folder as if it were the guest's disk. Say [`Format::Raw`] where the guest
    /// is not trusted and the format is known.
    pub format: Option<Format>,
}

/// An open disk. Reads and writes may come from several threads.
#[derive(Debug)]
pub struct Image {
    identity: Identity,
    users: Vec<String>,
    access: Access,
    store: Store,
    /// Declared last, as it is to be dropped after the store has written what it holds back.
    _lock: Option<lock::Held>,
}

#[derive(Debug)]
enum Store {
    /// Byte for byte: raw image or block device.
    Flat(HostFile),
    Qcow2(FormatAccess<HostFile>),
}

impl Image {
    /// Opens the image or device at `path`, its format found out.
    ///
    /// # Errors
    /// [`ImageError`], which names the path and says what to do.
    pub fn open(path: &Path, access: Access) -> Result<Image, ImageError> {
        Image::open_with(path, OpenOptions { access, format: None })
    }

    /// Opens the image or device at `path`.
    ///
    /// # Errors
    /// [`ImageError`], which names the path and says what to do.
    pub fn open_with(path: &Path, options: OpenOptions) -> Result<Image, ImageError> {
        let access = options.access;
        let failed = |doing, err| io_error(path, access, doing, err);
        let real = path.canonicalize().map_err(|err| failed("opening", err))?;
        let kind = fs::metadata(&real).map_err(|err| failed("opening", err))?.file_type();
        let unfit = if kind.is_dir() {
            Some("a directory")
        } else if kind.is_char_device() {
            Some("a character device")
        } else if kind.is_fifo() || kind.is_socket() {
            Some("a pipe or a socket")
        } else {
            None
        };
        if let Some(kind) = unfit {
            return Err(ImageError::NotADisk {
                path: path.to_owned(),
                kind,
            });
        }

        let is_device = kind.is_block_device();
        let mut open = fs::OpenOptions::new();
        open.read(true).write(access == Access::Write);
        if is_device && access == Access::Write {
            // On a block device without O_CREAT, this asks the kernel for exclusive use (open(2)).
            open.custom_flags(nix::libc::O_EXCL);
        }
        let file = match open.open(&real) {
            Err(err) if err.raw_os_error() == Some(nix::libc::EBUSY) => {
                return Err(in_use(
                    path,
                    users_of_device(&real),
                    "unmount it or stop what uses it first",
                ));
            }
            file => file.map_err(|err| failed("opening", err))?,
        };
        let users = if is_device {
            users_of_device(&real)
        } else {
            Host::this().users_of_file(&real)
        };
        let (users, lock) = claim(path, &file, access, users)?;

        let file = HostFile::new(Box::new(file), &real);
        let (format, store) = match (is_device, options.format) {
            (true, None | Some(Format::Raw | Format::BlockDevice)) => (Format::BlockDevice, Store::Flat(file)),
            (true, Some(Format::Qcow2)) | (false, Some(Format::BlockDevice)) => {
                let kind = if is_device { "a block device" } else { "a file" };
                return Err(ImageError::NotADisk {
                    path: path.to_owned(),
                    kind,
                });
            }
            (false, format) => open_file(&real, file, format, access)?,
        };
        let size = match &store {
            Store::Flat(file) => file.medium().len().map_err(|err| failed("measuring", err))?,
            Store::Qcow2(image) => image.size(),
        };
        match size {
            0 => return Err(ImageError::Empty { path: path.to_owned() }),
            size if !size.is_multiple_of(512) => {
                return Err(ImageError::OddSize {
                    path: path.to_owned(),
                    size,
                });
            }
            _ => {}
        }
        Ok(Image {
            identity: Identity {
                path: real,
                format,
                size,
            },
            users,
            access,
            store,
            _lock: lock,
        })
    }

    /// How the disk is stored.
    pub fn format(&self) -> Format {
        self.identity.format
    }

    /// Where it is: absolute, symlinks resolved.
    pub fn path(&self) -> &Path {
        &self.identity.path
    }

    /// What tells it from others.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What else uses the disk, in words; only for disks that were opened for reading, as others are refused. What
    /// is read from a disk that is in use may be half of a change.
    pub fn users(&self) -> &[String] {
        &self.users
    }
}

/// Opens an image file as what it is, or as what the caller says.
fn open_file(
    path: &Path,
    file: HostFile,
    format: Option<Format>,
    access: Access,
) -> Result<(Format, Store), ImageError> {
    if format == Some(Format::Raw) {
        return Ok((Format::Raw, Store::Flat(file)));
    }
    let failed = |err| io_error(path, access, "reading", err);
    let size = file.medium().len().map_err(failed)?;
    let flat = Flat { file: &file, size };
    if format.is_none() {
        if size == 0 {
            return Err(ImageError::Empty { path: path.to_owned() });
        }
        if let Some(other) = magic::other_format(&flat).map_err(failed)? {
            return Err(ImageError::OtherFormat {
                path: path.to_owned(),
                kind: other.kind,
                remedy: other.remedy(path),
            });
        }
        let mut head = [0; 4];
        if size < 4 || flat.read_at(0, &mut head).map_err(failed).is_ok() && head != *magic::QCOW {
            return Ok((Format::Raw, Store::Flat(file)));
        }
    }
    Ok((Format::Qcow2, Store::Qcow2(qcow2::open(path, file, access)?)))
}

/// Refuses writing to what is in use, and takes the locks that keep others away. Returns the users of a disk that is
/// only read.
fn claim(
    path: &Path,
    file: &File,
    access: Access,
    mut users: Vec<String>,
) -> Result<(Vec<String>, Option<lock::Held>), ImageError> {
    match access {
        Access::Read => {
            if lock::is_being_written(file) {
                users.push("another program, such as a running virtual machine, has it open for writing".to_owned());
            }
            Ok((users, None))
        }
        Access::Write if users.is_empty() => match lock::for_writing(file) {
            Ok(lock) => Ok((users, lock)),
            Err(lock::Conflict) => {
                let users = vec!["another program, such as a running virtual machine, has it open".to_owned()];
                Err(in_use(path, users, "stop it first"))
            }
        },
        Access::Write => Err(in_use(path, users, "unmount or detach it first")),
    }
}

fn in_use(path: &Path, mut users: Vec<String>, remedy: &'static str) -> ImageError {
    if users.is_empty() {
        users.push("another program has it open for itself".to_owned());
    }
    ImageError::InUse {
        path: path.to_owned(),
        users: users.join(", "),
        remedy,
    }
}

/// What uses the block device at `path` or one of its partitions, in words: mounts, swap space, volumes on top of it. Empty
/// if nothing does, or if there is no such device.
pub fn users_of_device(path: &Path) -> Vec<String> {
    let Ok(metadata) = fs::metadata(path) else {
        return Vec::new();
    };
    let (major, minor) = (nix::libc::major(metadata.rdev()), nix::libc::minor(metadata.rdev()));
    Host::this().users_of_device(u64::from(major), u64::from(minor))
}

fn io_error(path: &Path, access: Access, doing: &'static str, source: io::Error) -> ImageError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => ImageError::Missing { path },
        io::ErrorKind::PermissionDenied => ImageError::Permission {
            path,
            what: if access == Access::Write { "write" } else { "read" },
        },
        _ => ImageError::Io { doing, path, source },
    }
}

/// Makes a new image of `size` bytes (a multiple of 512), all zero, sparse: what is not written takes no room.
///
/// # Errors
/// [`ImageError::Exists`] rather than overwriting anything; [`ImageError::Create`] for a format that is not made.
pub fn create(path: &Path, format: Format, size: u64) -> Result<Image, ImageError> {
    let refused = |reason: &str| {
        Err(ImageError::Create {
            path: path.to_owned(),
            reason: reason.to_owned(),
        })
    };
    if format == Format::BlockDevice {
        return refused("a block device cannot be made");
    }
    if size == 0 || !size.is_multiple_of(512) {
        return refused("the size must be a multiple of 512 bytes");
    }
    let file = match fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
    {
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => {
            return Err(ImageError::Exists { path: path.to_owned() });
        }
        file => file.map_err(|err| io_error(path, Access::Write, "making", err))?,
    };
    let made = fill_new(path, file, format, size);
    if made.is_err() {
        // A file that is no image yet must not be in the way of the next try.
        let _ = fs::remove_file(path);
    }
    made
}

fn fill_new(path: &Path, file: File, format: Format, size: u64) -> Result<Image, ImageError> {
    let failed = |err| io_error(path, Access::Write, "making", err);
    let real = path.canonicalize().map_err(failed)?;
    let (users, lock) = claim(path, &file, Access::Write, Vec::new())?;
    let store = if format == Format::Qcow2 {
        Store::Qcow2(qcow2::create(HostFile::new(Box::new(file), &real), size).map_err(failed)?)
    } else {
        file.set_len(size).map_err(failed)?;
        Store::Flat(HostFile::new(Box::new(file), &real))
    };
    Ok(Image {
        identity: Identity {
            path: real,
            format,
            size,
        },
        users,
        access: Access::Write,
        store,
        _lock: lock,
    })
}

/// A file of known size.
#[derive(Debug)]
struct Flat<'a> {
    file: &'a HostFile,
    size: u64,
}

impl ReadAt for Flat<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        check_bounds(offset, buf.len(), self.size)?;
        self.file.read_exact_at(offset, buf)
    }
}

impl ReadAt for Image {
    fn size(&self) -> u64 {
        self.identity.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        check_bounds(offset, buf.len(), self.size())?;
        match &self.store {
            Store::Flat(file) => file.read_exact_at(offset, buf),
            Store::Qcow2(image) => image.read(buf, offset),
        }
    }
}

impl WriteAt for Image {
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        check_bounds(offset, data.len(), self.size())?;
        match &self.store {
            _ if self.access == Access::Read => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("{} was opened for reading", self.path().display()),
            )),
            Store::Flat(file) => file.medium().write_all_at(data, offset),
            Store::Qcow2(image) => image.write(data, offset),
        }
    }

    fn flush(&self) -> io::Result<()> {
        match &self.store {
            _ if self.access == Access::Read => Ok(()),
            Store::Flat(file) => file.medium().sync(),
            Store::Qcow2(image) => {
                // Data first: a table must not name a cluster whose content a power failure would take away.
                image.sync()?;
                image.flush()?;
                image.sync()
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
