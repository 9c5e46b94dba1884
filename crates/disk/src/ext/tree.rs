//! Reading: the file system as a tree of files.

use std::io::{self, BufReader, Cursor, Read};
use std::sync::Arc;

use super::error::ExtError;
use super::path::{FLAG_ENCRYPTED, FLAG_INLINE, Place, kind, resolve, target};
use super::sys::{Handle, Run};
use super::{Ext, Extent};
use crate::io::WriteAt;
use crate::tree::{FileTree, Kind, Metadata, TreeError};

/// How much is read at once where a caller asks for less.
const BUFFER: usize = 128 << 10;

impl Ext {
    pub(super) fn read_bytes(&self, offset: u64, buf: &mut [u8]) -> Result<(), ExtError> {
        let len = buf.len();
        self.io.read_at(offset, buf).map_err(|source| ExtError::Io {
            what: format!("reading {len} bytes at offset {offset} of the file system"),
            source,
        })
    }

    /// Where a regular file's bytes lie, in ascending order; holes are left out.
    ///
    /// # Errors
    /// See [`ExtError`].
    pub fn extents(&self, path: &str) -> Result<Vec<Extent>, ExtError> {
        let mut handle = self.handle();
        let place = resolve(self, &mut handle, path, true)?;
        expect(&place, Kind::File, path)?;
        self.extents_of(&mut handle, place.ino)
    }

    pub(super) fn extents_of(&self, handle: &mut Handle, ino: u32) -> Result<Vec<Extent>, ExtError> {
        let block_size = u64::from(self.superblock().block_size);
        let mut extents: Vec<Extent> = Vec::new();
        for Run {
            logical,
            physical,
            len,
            unwritten,
        } in handle.map(ino)?
        {
            let next = Extent {
                logical: logical * block_size,
                physical: physical * block_size,
                len: len * block_size,
                unwritten,
            };
            match extents.last_mut() {
                Some(last)
                    if last.logical + last.len == next.logical
                        && last.physical + last.len == next.physical
                        && last.unwritten == unwritten =>
                {
                    last.len += next.len;
                }
                _ => extents.push(next),
            }
        }
        Ok(extents)
    }

    /// Extended attributes of what `path` leads to, sorted by name.
    ///
    /// # Errors
    /// See [`ExtError`].
    pub fn xattrs(&self, path: &str) -> Result<Vec<(String, Vec<u8>)>, ExtError> {
        let mut handle = self.handle();
        let place = resolve(self, &mut handle, path, true)?;
        let mut xattrs = handle.xattrs(place.ino)?;
        // Where inline data continues; no attribute to anybody else.
        xattrs.retain(|(name, _)| name != "system.data");
        xattrs.sort();
        Ok(xattrs)
    }

    /// The inode flags of what `path` leads to (`EXT4_*_FL`: 0x10 immutable, 0x20 append-only, 0x80000 extents).
    ///
    /// # Errors
    /// See [`ExtError`].
    pub fn flags(&self, path: &str) -> Result<u32, ExtError> {
        Ok(resolve(self, &mut self.handle(), path, true)?.inode.flags)
    }

    fn place(&self, path: &str, follow: bool) -> Result<Place, TreeError> {
        resolve(self, &mut self.handle(), path, follow).map_err(|error| tree_error(path, error))
    }
}

/// Checks that a path led to what is needed.
pub(super) fn expect(place: &Place, expected: Kind, path: &str) -> Result<(), TreeError> {
    if kind(&place.inode) == expected {
        return Ok(());
    }
    Err(TreeError::WrongKind {
        path: path.to_owned(),
        expected: match expected {
            Kind::File => "a regular file",
            Kind::Directory => "a directory",
            Kind::Symlink => "a symbolic link",
            Kind::Other => "a device, socket or pipe",
        },
    })
}

fn tree_error(path: &str, error: ExtError) -> TreeError {
    match error {
        ExtError::Tree(error) => error,
        error => TreeError::Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
        },
    }
}

fn metadata(place: &Place) -> Metadata {
    let inode = &place.inode;
    Metadata {
        kind: kind(inode),
        size: inode.size,
        mode: inode.mode & 0o7777,
        uid: inode.uid,
        gid: inode.gid,
        mtime: inode.mtime,
        inode: u64::from(place.ino),
    }
}

impl FileTree for Ext {
    fn metadata(&self, path: &str) -> Result<Metadata, TreeError> {
        self.place(path, true).map(|place| metadata(&place))
    }

    fn symlink_metadata(&self, path: &str) -> Result<Metadata, TreeError> {
        self.place(path, false).map(|place| metadata(&place))
    }

    fn read_link(&self, path: &str) -> Result<String, TreeError> {
        let mut handle = self.handle();
        let place = resolve(self, &mut handle, path, false).map_err(|error| tree_error(path, error))?;
        expect(&place, Kind::Symlink, path)?;
        target(self, &mut handle, place.ino, &place.inode).map_err(|error| tree_error(path, error))
    }

    fn canonical(&self, path: &str) -> Result<String, TreeError> {
        self.place(path, true).map(|place| place.path)
    }

    fn read_dir(&self, path: &str) -> Result<Vec<String>, TreeError> {
        let mut handle = self.handle();
        let place = resolve(self, &mut handle, path, true).map_err(|error| tree_error(path, error))?;
        expect(&place, Kind::Directory, path)?;
        let names = handle.dir(place.ino).map_err(|error| tree_error(path, error))?;
        let mut names: Vec<String> = names
            .iter()
            .filter(|name| name.as_slice() != b"." && name.as_slice() != b"..")
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        names.sort();
        Ok(names)
    }

    fn open(&self, path: &str) -> Result<Box<dyn Read + '_>, TreeError> {
        let mut handle = self.handle();
        let place = resolve(self, &mut handle, path, true).map_err(|error| tree_error(path, error))?;
        expect(&place, Kind::File, path)?;
        let flags = place.inode.flags;
        if flags & FLAG_ENCRYPTED != 0 {
            return Err(TreeError::Unreadable {
                path: path.to_owned(),
                reason: "its content is encrypted".to_owned(),
            });
        }
        if flags & FLAG_INLINE != 0 {
            let mut content = handle.inline(place.ino).map_err(|error| tree_error(path, error))?;
            content.truncate(usize::try_from(place.inode.size).unwrap_or(usize::MAX));
            return Ok(Box::new(Cursor::new(content)));
        }
        let extents = self
            .extents_of(&mut handle, place.ino)
            .map_err(|error| tree_error(path, error))?;
        let content = Content {
            io: Arc::clone(&self.io),
            extents,
            next: 0,
            position: 0,
            size: place.inode.size,
        };
        Ok(Box::new(BufReader::with_capacity(BUFFER, content)))
    }
}

/// A regular file's content, extent by extent, straight from the medium.
#[derive(Debug)]
struct Content {
    io: Arc<dyn WriteAt>,
    extents: Vec<Extent>,
    /// The first extent that does not end before `position`.
    next: usize,
    position: u64,
    size: u64,
}

impl Read for Content {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self
            .extents
            .get(self.next)
            .is_some_and(|extent| extent.logical + extent.len <= self.position)
        {
            self.next += 1;
        }
        // How far the same kind of bytes goes on, and where they are.
        let (end, source) = match self.extents.get(self.next) {
            Some(extent) if extent.logical <= self.position => (
                extent.logical + extent.len,
                (!extent.unwritten).then(|| extent.physical + (self.position - extent.logical)),
            ),
            Some(extent) => (extent.logical, None),
            None => (self.size, None),
        };
        let len = end.min(self.size).saturating_sub(self.position).min(buf.len() as u64) as usize;
        let buf = &mut buf[..len];
        match source {
            Some(offset) => self.io.read_at(offset, buf)?,
            None => buf.fill(0),
        }
        self.position += len as u64;
        Ok(len)
    }
}
