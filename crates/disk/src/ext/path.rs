//! Paths within the guest: links are followed as in a chroot.

use std::collections::VecDeque;

use super::Ext;
use super::error::ExtError;
use super::sys::{Handle, Inode};
use crate::tree::{Kind, MAX_LINKS, TreeError};

/// Inode of the root directory.
const ROOT: u32 = 2;
/// `EXT4_ENCRYPT_FL`.
pub(super) const FLAG_ENCRYPTED: u32 = 0x800;
/// `EXT4_EXTENTS_FL`.
const FLAG_EXTENTS: u32 = 0x8_0000;
/// `EXT4_INLINE_DATA_FL`.
pub(super) const FLAG_INLINE: u32 = 0x1000_0000;

/// What a path leads to.
#[derive(Debug)]
pub(super) struct Place {
    /// Its inode's number.
    pub(super) ino: u32,
    /// Its inode.
    pub(super) inode: Inode,
    /// Its path without links.
    pub(super) path: String,
}

/// The type that an inode's mode states.
pub(super) fn kind(inode: &Inode) -> Kind {
    match inode.mode & 0o170_000 {
        0o100_000 => Kind::File,
        0o040_000 => Kind::Directory,
        0o120_000 => Kind::Symlink,
        _ => Kind::Other,
    }
}

/// Follows a path. `follow`: also a link in the last component.
pub(super) fn resolve(ext: &Ext, handle: &mut Handle, path: &str, follow: bool) -> Result<Place, ExtError> {
    let not_found = || TreeError::NotFound { path: path.to_owned() };
    let mut rest: VecDeque<String> = components(path).collect();
    let mut trail: Vec<(String, u32, Inode)> = Vec::new();
    let root = handle.inode(ROOT)?;
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            trail.pop();
            continue;
        }
        let (dir, dir_inode) = trail.last().map_or((ROOT, &root), |(_, ino, inode)| (*ino, inode));
        if kind(dir_inode) != Kind::Directory {
            return Err(TreeError::WrongKind {
                path: path.to_owned(),
                expected: "a directory before the last slash",
            }
            .into());
        }
        let ino = match name.len() {
            // No directory entry is longer, and the length is one byte on disk.
            256.. => None,
            _ => handle.lookup(dir, &name)?,
        };
        let ino = ino.ok_or_else(not_found)?;
        let inode = handle.inode(ino)?;
        if kind(&inode) != Kind::Symlink || (rest.is_empty() && !follow) {
            trail.push((name, ino, inode));
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(TreeError::TooManyLinks { path: path.to_owned() }.into());
        }
        let target = target(ext, handle, ino, &inode)?;
        if target.is_empty() {
            return Err(not_found().into());
        }
        if target.starts_with('/') {
            trail.clear();
        }
        for component in components(&target).collect::<Vec<_>>().into_iter().rev() {
            rest.push_front(component);
        }
    }
    let path = match trail.iter().map(|(name, ..)| format!("/{name}")).collect::<String>() {
        path if path.is_empty() => "/".to_owned(),
        path => path,
    };
    let (ino, inode) = trail.pop().map_or((ROOT, root), |(_, ino, inode)| (ino, inode));
    Ok(Place { ino, inode, path })
}

fn components(path: &str) -> impl Iterator<Item = String> {
    path.split('/')
        .filter(|name| !name.is_empty() && *name != ".")
        .map(str::to_owned)
}

/// Where a link points to.
pub(super) fn target(ext: &Ext, handle: &mut Handle, ino: u32, inode: &Inode) -> Result<String, ExtError> {
    let damaged = |reason: &str| ExtError::Damaged {
        what: format!("link inode {ino}"),
        reason: reason.to_owned(),
    };
    if inode.flags & FLAG_ENCRYPTED != 0 {
        return Err(ExtError::Sealed {
            path: format!("link inode {ino}"),
            what: "encrypted",
        });
    }
    if inode.size >= u64::from(ext.superblock().block_size) {
        return Err(damaged("its target is longer than a block"));
    }
    let len = inode.size as usize;
    let bytes = if inode.flags & FLAG_INLINE != 0 {
        handle.inline(ino)?
    } else if len < inode.block.len() && inode.flags & FLAG_EXTENTS == 0 {
        inode.block[..len].to_vec()
    } else {
        let run = handle.map(ino)?.into_iter().find(|run| run.logical == 0);
        let run = run.ok_or_else(|| damaged("it has no block"))?;
        let mut bytes = vec![0; len];
        ext.read_bytes(run.physical * u64::from(ext.superblock().block_size), &mut bytes)?;
        bytes
    };
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
}
