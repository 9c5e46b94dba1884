//! Writing: files, directories and links are created, replaced and removed.

use std::ffi::CString;

use super::error::ExtError;
use super::path::{FLAG_ENCRYPTED, Place, kind, resolve};
use super::sys::{Handle, is_out_of_blocks, is_out_of_inodes};
use super::tree::expect;
use super::{Access, Ext, NewFile};
use crate::tree::{Kind, TreeError};

/// `EXT4_IMMUTABLE_FL`.
const FLAG_IMMUTABLE: u32 = 0x10;
/// `EXT4_APPEND_FL`.
const FLAG_APPEND: u32 = 0x20;
/// `EXT4_VERITY_FL`.
const FLAG_VERITY: u32 = 0x10_0000;

/// What is created.
enum New<'a> {
    File(&'a [u8]),
    Directory,
    Symlink(CString),
}

impl Ext {
    /// Replaces a regular file's content; a link at `path` is followed. Owner, mode, all time stamps, extended
    /// attributes and flags stay, and so does every block that is still needed. `force`: even if it is immutable or
    /// append-only.
    ///
    /// # Errors
    /// See [`ExtError`]. After an error the file system is in no state to be kept.
    pub fn write_file(&self, path: &str, content: &[u8], force: bool) -> Result<(), ExtError> {
        let mut handle = self.writable()?;
        let place = resolve(self, &mut handle, path, true)?;
        expect(&place, Kind::File, path)?;
        check_protected(&place, path, force)?;
        let needed = self.blocks_for(content.len());
        let mapped: u64 = handle
            .map(place.ino)?
            .iter()
            .map(|run| (run.logical + run.len).min(needed).saturating_sub(run.logical))
            .sum();
        self.store(&mut handle, place.ino, path, content, needed - mapped.min(needed))
    }

    /// Creates a regular file; its directory must exist.
    ///
    /// # Errors
    /// See [`ExtError`]. After an error the file system is in no state to be kept.
    pub fn create_file(&self, path: &str, content: &[u8], new: &NewFile) -> Result<(), ExtError> {
        self.create(path, &New::File(content), new)
    }

    /// Creates a directory; its parent must exist.
    ///
    /// # Errors
    /// See [`ExtError`]. After an error the file system is in no state to be kept.
    pub fn create_dir(&self, path: &str, new: &NewFile) -> Result<(), ExtError> {
        self.create(path, &New::Directory, new)
    }

    /// Creates a symbolic link to `target`.
    ///
    /// # Errors
    /// See [`ExtError`]. After an error the file system is in no state to be kept.
    pub fn create_symlink(&self, path: &str, target: &str, new: &NewFile) -> Result<(), ExtError> {
        let limit = self.superblock().block_size.min(4096) as usize;
        if target.is_empty() || target.len() >= limit {
            return Err(ExtError::Invalid {
                path: path.to_owned(),
                reason: format!("a link's target has 1 to {} bytes, not {}", limit - 1, target.len()),
            });
        }
        self.create(path, &New::Symlink(c_string(path, target)?), new)
    }

    /// Removes a regular file or a link (which is not followed). `force`: even if it is immutable or append-only.
    ///
    /// # Errors
    /// See [`ExtError`]. After an error the file system is in no state to be kept.
    pub fn remove_file(&self, path: &str, force: bool) -> Result<(), ExtError> {
        let mut handle = self.writable()?;
        let (dir, name) = self.parent(&mut handle, path)?;
        let place = resolve(self, &mut handle, path, false)?;
        if kind(&place.inode) != Kind::Symlink {
            expect(&place, Kind::File, path)?;
        }
        if !force {
            check_flags(&place, path)?;
        }
        handle.remove(dir.ino, &name, place.ino)?;
        handle.touch(dir.ino, self.now)
    }

    /// Sets one extended attribute of what `path` leads to.
    ///
    /// # Errors
    /// See [`ExtError`].
    pub fn set_xattr(&self, path: &str, name: &str, value: &[u8]) -> Result<(), ExtError> {
        let mut handle = self.writable()?;
        let place = resolve(self, &mut handle, path, true)?;
        handle.set_xattr(place.ino, &c_string(path, name)?, value)
    }

    /// Sets or clears the immutable flag of what `path` leads to.
    ///
    /// # Errors
    /// See [`ExtError`].
    pub fn set_immutable(&self, path: &str, immutable: bool) -> Result<(), ExtError> {
        let mut handle = self.writable()?;
        let place = resolve(self, &mut handle, path, true)?;
        let (set, clear) = if immutable {
            (FLAG_IMMUTABLE, 0)
        } else {
            (0, FLAG_IMMUTABLE)
        };
        handle.set_flags(place.ino, set, clear)
    }

    fn writable(&self) -> Result<std::sync::MutexGuard<'_, Handle>, ExtError> {
        match self.access {
            Access::Write => Ok(self.handle()),
            Access::Read => Err(ExtError::ReadOnly),
        }
    }

    fn blocks_for(&self, bytes: usize) -> u64 {
        (bytes as u64).div_ceil(u64::from(self.superblock().block_size))
    }

    /// The directory that a path's last component is in, and that component.
    fn parent(&self, handle: &mut Handle, path: &str) -> Result<(Place, CString), ExtError> {
        let invalid = |reason: &str| ExtError::Invalid {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        let (dir, name) = path.rsplit_once('/').ok_or_else(|| invalid("not an absolute path"))?;
        if matches!(name, "" | "." | "..") {
            return Err(invalid("ends in no name"));
        }
        if name.len() > 255 {
            return Err(invalid("a name has at most 255 bytes"));
        }
        let place = resolve(self, handle, dir, true)?;
        expect(&place, Kind::Directory, dir)?;
        if place.inode.flags & FLAG_ENCRYPTED != 0 {
            return Err(ExtError::Sealed {
                path: path.to_owned(),
                what: "encrypted",
            });
        }
        Ok((place, c_string(path, name)?))
    }

    fn create(&self, path: &str, what: &New<'_>, new: &NewFile) -> Result<(), ExtError> {
        let mut handle = self.writable()?;
        match resolve(self, &mut handle, path, false) {
            Ok(_) => return Err(ExtError::Exists { path: path.to_owned() }),
            Err(ExtError::Tree(TreeError::NotFound { .. })) => {}
            Err(error) => return Err(error),
        }
        let (dir, name) = self.parent(&mut handle, path)?;
        let names = new
            .xattrs
            .iter()
            .map(|(name, value)| Ok((c_string(path, name)?, value)))
            .collect::<Result<Vec<_>, ExtError>>()?;
        let (is_dir, target) = match what {
            New::File(_) => (false, None),
            New::Directory => (true, None),
            New::Symlink(target) => (false, Some(target)),
        };
        let ino = handle
            .create(dir.ino, &name, is_dir, target)
            .map_err(|error| no_space(&mut handle, error, path, 1))?;
        let mode = if target.is_some() { 0o777 } else { new.mode };
        handle.set_attributes(ino, mode, new.uid, new.gid, new.time)?;
        for (name, value) in names {
            handle
                .set_xattr(ino, &name, value)
                .map_err(|error| no_space(&mut handle, error, path, 1))?;
        }
        if let New::File(content) = what {
            let needed = self.blocks_for(content.len());
            if new.contiguous {
                self.store_in_one_run(&mut handle, ino, path, content, needed)?;
            } else {
                self.store(&mut handle, ino, path, content, needed)?;
            }
        }
        if new.immutable {
            handle.set_flags(ino, FLAG_IMMUTABLE, 0)?;
        }
        handle.touch(dir.ino, self.now)
    }

    /// Gives a file its content; `more` blocks are not mapped yet.
    fn store(&self, handle: &mut Handle, ino: u32, path: &str, content: &[u8], more: u64) -> Result<(), ExtError> {
        enough_blocks(handle, path, more)?;
        let stored = handle
            .resize(ino, content)
            .map_err(|error| no_space(handle, error, path, more))?;
        if stored {
            Ok(())
        } else {
            self.fill(handle, ino, content)
        }
    }

    fn store_in_one_run(
        &self,
        handle: &mut Handle,
        ino: u32,
        path: &str,
        content: &[u8],
        needed: u64,
    ) -> Result<(), ExtError> {
        enough_blocks(handle, path, needed)?;
        handle.allocate_run(ino, content.len() as u64).map_err(|error| {
            if is_out_of_blocks(&error) {
                ExtError::Fragmented {
                    path: path.to_owned(),
                    needed,
                }
            } else {
                error
            }
        })?;
        self.fill(handle, ino, content)
    }

    /// Writes content to blocks that are all mapped; what remains of the last block becomes zeros.
    fn fill(&self, handle: &mut Handle, ino: u32, content: &[u8]) -> Result<(), ExtError> {
        let block_size = u64::from(self.superblock().block_size);
        let padded = self.blocks_for(content.len()) * block_size;
        let mut written = 0;
        for extent in self.extents_of(handle, ino)? {
            let end = (extent.logical + extent.len).min(padded);
            if extent.logical != written || end <= written || extent.unwritten {
                break;
            }
            let from = &content[extent.logical as usize..];
            let len = (end - extent.logical) as usize;
            let write = |offset: u64, data: &[u8]| {
                self.io.write_at(offset, data).map_err(|source| ExtError::Io {
                    what: format!("writing {} bytes at offset {offset} of the file system", data.len()),
                    source,
                })
            };
            if from.len() >= len {
                write(extent.physical, &from[..len])?;
            } else {
                let whole = from.len() - from.len() % block_size as usize;
                let mut last = from[whole..].to_vec();
                last.resize(len - whole, 0);
                if whole > 0 {
                    write(extent.physical, &from[..whole])?;
                }
                write(extent.physical + whole as u64, &last)?;
            }
            written = end;
        }
        if written < padded {
            return Err(ExtError::Damaged {
                what: format!("block map of inode {ino}"),
                reason: format!("{written} of {padded} bytes are mapped after all were allocated"),
            });
        }
        Ok(())
    }
}

fn enough_blocks(handle: &mut Handle, path: &str, needed: u64) -> Result<(), ExtError> {
    let free = handle.free_counts().0;
    if needed <= free {
        return Ok(());
    }
    Err(ExtError::NoSpace {
        what: path.to_owned(),
        unit: "blocks",
        needed,
        free,
    })
}

/// What running out of blocks or inodes means to the caller.
fn no_space(handle: &mut Handle, error: ExtError, path: &str, needed: u64) -> ExtError {
    let (blocks, inodes) = handle.free_counts();
    let (unit, needed, free) = if is_out_of_blocks(&error) {
        // Indirect blocks and the directory itself may need some too.
        ("blocks", needed.max(blocks + 1), blocks)
    } else if is_out_of_inodes(&error) {
        ("inodes", 1, inodes)
    } else {
        return error;
    };
    ExtError::NoSpace {
        what: path.to_owned(),
        unit,
        needed,
        free,
    }
}

fn check_flags(place: &Place, path: &str) -> Result<(), ExtError> {
    for (bit, flag, letter) in [(FLAG_IMMUTABLE, "immutable", 'i'), (FLAG_APPEND, "append-only", 'a')] {
        if place.inode.flags & bit != 0 {
            return Err(ExtError::Protected {
                path: path.to_owned(),
                flag,
                letter,
            });
        }
    }
    Ok(())
}

fn check_protected(place: &Place, path: &str, force: bool) -> Result<(), ExtError> {
    for (bit, what) in [(FLAG_ENCRYPTED, "encrypted"), (FLAG_VERITY, "verity")] {
        if place.inode.flags & bit != 0 {
            return Err(ExtError::Sealed {
                path: path.to_owned(),
                what,
            });
        }
    }
    if force { Ok(()) } else { check_flags(place, path) }
}

fn c_string(path: &str, text: &str) -> Result<CString, ExtError> {
    CString::new(text).map_err(|_| ExtError::Invalid {
        path: path.to_owned(),
        reason: "a name, target or attribute holds a NUL byte".to_owned(),
    })
}
