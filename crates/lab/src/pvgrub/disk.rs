//! Disks, partitions and files as GRUB 0.97 with Xen's patches reads them.
//!
//! Of ext it knows ext2, ext3, extents (`60ext4`) and inodes of 256 bytes (`40ext3_256byte_inode`). It looks at no feature
//! flag: what it does not know, it reads wrongly. So `metadata_csum` does no harm (nothing moves by it), while with `64bit`
//! group descriptors are twice as long, and every group but the first is looked for in the wrong place. That the latter ends
//! in error 2, and other unknown formats in error 16, is inference.

use std::io;
use std::sync::Arc;

use comeback_disk::ext::{Access, Ext, ExtError, Superblock, journal};
use comeback_disk::io::{ReadAt, Window, WriteAt};
use comeback_disk::table::{self, Kind as PartitionKind, Scheme, Table, TableError};
use comeback_disk::tree::{FileTree, Kind, TreeError};
use comeback_disk::view::View;

use super::GrubError;

/// Features with which the place of inodes or of their content is not what GRUB 0.97 takes it for.
const UNREADABLE: &[&str] = &[
    "compression",
    "journal_dev",
    "meta_bg",
    "dirdata",
    "inline_data",
    "encrypt",
    "casefold",
];
/// The largest file that is read, in bytes: no kernel or ramdisk is larger.
const LARGEST: u64 = 1 << 30;

/// What a file is looked for on; the disk is always hd0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Device {
    /// `(hd0)`.
    Whole,
    /// `(hd0,n)`.
    Partition(u32),
}

/// Where a device lies, in bytes.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: u64,
    size: u64,
    /// Type byte in the MBR; none for a whole disk.
    kind: Option<u8>,
}

/// What is on a device that could be opened.
#[derive(Debug)]
pub(super) struct Opened {
    ext: Option<Ext>,
    /// Type byte in the MBR; none for a whole disk.
    kind: Option<u8>,
}

/// The root disk.
#[derive(Debug)]
pub(super) struct Disk {
    view: Arc<View>,
    table: Option<Table>,
    reads_gpt: bool,
    lenient: bool,
}

impl Disk {
    /// `lenient` reads every ext file system that can be read at all.
    pub(super) fn new(bytes: Arc<dyn ReadAt>, reads_gpt: bool, lenient: bool) -> io::Result<Self> {
        let table = match table::read(&bytes) {
            Ok(table) => Some(table),
            Err(TableError::Io(error)) => return Err(error),
            Err(_) => None,
        };
        Ok(Self {
            view: Arc::new(View::new(bytes)),
            table,
            reads_gpt,
            lenient,
        })
    }

    /// Opens a device.
    pub(super) fn open(&self, device: &Device) -> io::Result<Result<Opened, GrubError>> {
        let Place { start, size, kind } = match device {
            Device::Whole => Place {
                start: 0,
                size: self.view.size(),
                kind: None,
            },
            Device::Partition(number) => match self.partition(*number)? {
                Ok(place) => place,
                Err(error) => return Ok(Err(error)),
            },
        };
        let window: Arc<dyn WriteAt> = Arc::new(Window::new(Arc::clone(&self.view), start, size)?);
        let ext = match ext(window) {
            Ok(ext) => ext,
            Err(ExtError::Io { source, .. }) => return Err(source),
            Err(_) => return Ok(Err(GrubError::Corrupt)),
        };
        Ok(Ok(Opened { ext, kind }))
    }

    fn partition(&self, number: u32) -> io::Result<Result<Place, GrubError>> {
        let mut signature = [0; 2];
        self.view.read_at(510, &mut signature)?;
        let Some(table) = self.table.as_ref().filter(|_| signature == [0x55, 0xaa]) else {
            return Ok(Err(GrubError::BadPartitionTable));
        };
        if table.scheme == Scheme::Gpt && !self.reads_gpt {
            // All that it sees is the protective MBR: one partition of a type that it does not know.
            return Ok(Err(match number {
                0 => GrubError::NotMountable,
                _ => GrubError::NoPartition,
            }));
        }
        // GRUB legacy counts from 0.
        Ok(match table.partition(number + 1) {
            Some(partition) => Ok(Place {
                start: partition.start,
                size: partition.size,
                kind: Some(match partition.kind {
                    PartitionKind::Code(code) => code,
                    PartitionKind::Guid(_) => 0xee,
                }),
            }),
            None => Err(GrubError::NoPartition),
        })
    }

    /// A file's content; `None` for whatever reason there is none.
    pub(super) fn read(&self, device: &Device, path: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.load(device, path)?.ok())
    }

    /// A file's content, or GRUB's reason why there is none.
    pub(super) fn load(&self, device: &Device, path: &str) -> io::Result<Result<Vec<u8>, GrubError>> {
        let opened = match self.open(device)? {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(error)),
        };
        let Some(ext) = &opened.ext else {
            return Ok(Err(GrubError::NotMountable));
        };
        Ok(self.file(ext, path))
    }

    fn file(&self, ext: &Ext, path: &str) -> Result<Vec<u8>, GrubError> {
        let superblock = ext.superblock();
        if !self.lenient && UNREADABLE.iter().any(|feature| superblock.features.has(feature)) {
            return Err(GrubError::Corrupt);
        }
        let path = ext.canonical(path).map_err(|error| of_tree(&error))?;
        if !self.lenient {
            let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
            for part in ends.filter_map(|end| path.get(..end)) {
                let inode = ext.symlink_metadata(part).map_err(|error| of_tree(&error))?.inode;
                if !finds(superblock, inode) {
                    return Err(GrubError::BadFileType);
                }
            }
        }
        let metadata = ext.metadata(&path).map_err(|error| of_tree(&error))?;
        if metadata.kind != Kind::File {
            return Err(GrubError::BadFileType);
        }
        ext.read(&path, LARGEST).map_err(|error| of_tree(&error))
    }
}

impl Opened {
    /// What `root` says of it.
    pub(super) fn describe(&self) -> String {
        let file_system = if self.ext.is_some() { "is ext2fs" } else { "unknown" };
        match self.kind {
            None => format!(" Filesystem type {file_system}, using whole disk\n"),
            Some(kind) => format!(" Filesystem type {file_system}, partition type {kind:#x}\n"),
        }
    }
}

/// The ext file system on a device, if there is one, with its journal replayed in memory.
fn ext(window: Arc<dyn WriteAt>) -> Result<Option<Ext>, ExtError> {
    match Superblock::read(&window) {
        Ok(Some(_)) => {}
        Ok(None) => return Ok(None),
        Err(error) => return Err(error),
    }
    journal::replay(&window)?;
    Ext::open(window, Access::Read, 0).map(Some)
}

/// Whether GRUB looks for an inode where it is: it takes every group descriptor for 32 bytes long.
fn finds(superblock: &Superblock, inode: u64) -> bool {
    superblock.desc_size <= 32 || inode.saturating_sub(1) / u64::from(superblock.inodes_per_group.max(1)) == 0
}

fn of_tree(error: &TreeError) -> GrubError {
    match error {
        TreeError::NotFound { .. } => GrubError::FileNotFound,
        TreeError::TooManyLinks { .. } => GrubError::TooManyLinks,
        TreeError::WrongKind { .. } => GrubError::BadFileType,
        TreeError::TooLarge { .. } | TreeError::Unreadable { .. } => GrubError::Corrupt,
    }
}
