//! A folder of this machine, read as if it were the root of a guest.
//!
//! Every component of a path is looked up on its own and links are resolved here, never by the kernel, so that no link
//! leads out of the folder. This holds for a folder that nobody changes meanwhile; it is no sandbox against someone
//! who does.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::tree::{FileTree, Kind, MAX_LINKS, Metadata, TreeError};

/// A [`FileTree`] over a folder.
#[derive(Debug, Clone)]
pub struct FolderTree {
    root: PathBuf,
}

/// Whether a link in the last component of a path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Follow,
    Keep,
}

impl FolderTree {
    /// The tree below `root`.
    ///
    /// # Errors
    /// [`TreeError`] when `root` is no directory that can be read.
    pub fn new(root: &Path) -> Result<Self, TreeError> {
        let name = root.display().to_string();
        let root = root.canonicalize().map_err(|error| error_for(&name, &error))?;
        if !root.is_dir() {
            return Err(TreeError::WrongKind {
                path: name,
                expected: "a directory",
            });
        }
        Ok(FolderTree { root })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The components of `path` within the guest after all links but perhaps the last are resolved.
    fn resolve(&self, path: &str, last: Last) -> Result<Vec<String>, TreeError> {
        let mut resolved: Vec<String> = Vec::new();
        // What is still to be walked, the next component at the end.
        let mut pending: Vec<String> = components(path).rev().collect();
        let mut links = 0;
        while let Some(component) = pending.pop() {
            if component == ".." {
                resolved.pop();
                continue;
            }
            resolved.push(component);
            let metadata = self.lookup(path, &resolved)?;
            if metadata.file_type().is_symlink() {
                if pending.is_empty() && last == Last::Keep {
                    break;
                }
                links += 1;
                if links > MAX_LINKS {
                    return Err(TreeError::TooManyLinks { path: path.to_owned() });
                }
                let target = self.link_target(path, &resolved)?;
                resolved.pop();
                if target.starts_with('/') {
                    resolved.clear();
                }
                pending.extend(components(&target).rev());
            } else if !pending.is_empty() && !metadata.is_dir() {
                return Err(TreeError::NotFound { path: path.to_owned() });
            }
        }
        Ok(resolved)
    }

    fn host_path(&self, components: &[String]) -> PathBuf {
        let mut path = self.root.clone();
        path.extend(components);
        path
    }

    fn lookup(&self, path: &str, components: &[String]) -> Result<fs::Metadata, TreeError> {
        fs::symlink_metadata(self.host_path(components)).map_err(|error| error_for(path, &error))
    }

    fn link_target(&self, path: &str, components: &[String]) -> Result<String, TreeError> {
        let target = fs::read_link(self.host_path(components)).map_err(|error| error_for(path, &error))?;
        Ok(target.to_string_lossy().into_owned())
    }
}

/// The components that name something: without empty ones and `.`.
fn components(path: &str) -> impl DoubleEndedIterator<Item = String> + '_ {
    path.split('/')
        .filter(|component| !component.is_empty() && *component != ".")
        .map(str::to_owned)
}

fn error_for(path: &str, error: &std::io::Error) -> TreeError {
    match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            TreeError::NotFound { path: path.to_owned() }
        }
        _ => TreeError::Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
        },
    }
}

fn describe(metadata: &fs::Metadata) -> Metadata {
    let file_type = metadata.file_type();
    let kind = if file_type.is_file() {
        Kind::File
    } else if file_type.is_dir() {
        Kind::Directory
    } else if file_type.is_symlink() {
        Kind::Symlink
    } else {
        debug_assert!(
            file_type.is_fifo() || file_type.is_socket() || file_type.is_block_device() || file_type.is_char_device()
        );
        Kind::Other
    };
    Metadata {
        kind,
        size: metadata.len(),
        mode: metadata.permissions().mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        mtime: metadata.mtime(),
        inode: metadata.ino(),
    }
}

impl FileTree for FolderTree {
    fn metadata(&self, path: &str) -> Result<Metadata, TreeError> {
        let resolved = self.resolve(path, Last::Follow)?;
        Ok(describe(&self.lookup(path, &resolved)?))
    }

    fn symlink_metadata(&self, path: &str) -> Result<Metadata, TreeError> {
        let resolved = self.resolve(path, Last::Keep)?;
        Ok(describe(&self.lookup(path, &resolved)?))
    }

    fn read_link(&self, path: &str) -> Result<String, TreeError> {
        let resolved = self.resolve(path, Last::Keep)?;
        if !self.lookup(path, &resolved)?.file_type().is_symlink() {
            return Err(TreeError::WrongKind {
                path: path.to_owned(),
                expected: "a symbolic link",
            });
        }
        self.link_target(path, &resolved)
    }

    fn canonical(&self, path: &str) -> Result<String, TreeError> {
        Ok(format!("/{}", self.resolve(path, Last::Follow)?.join("/")))
    }

    fn read_dir(&self, path: &str) -> Result<Vec<String>, TreeError> {
        let resolved = self.resolve(path, Last::Follow)?;
        if !self.lookup(path, &resolved)?.is_dir() {
            return Err(TreeError::WrongKind {
                path: path.to_owned(),
                expected: "a directory",
            });
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(self.host_path(&resolved)).map_err(|error| error_for(path, &error))? {
            let entry = entry.map_err(|error| error_for(path, &error))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, path: &str) -> Result<Box<dyn Read + '_>, TreeError> {
        let resolved = self.resolve(path, Last::Follow)?;
        if !self.lookup(path, &resolved)?.is_file() {
            return Err(TreeError::WrongKind {
                path: path.to_owned(),
                expected: "a regular file",
            });
        }
        let file = fs::File::open(self.host_path(&resolved)).map_err(|error| error_for(path, &error))?;
        Ok(Box::new(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A guest whose neighbour on the host must never be seen.
    fn guest() -> (tempfile::TempDir, FolderTree) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("boot/grub")).unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(dir.path().join("outside"), "secret").unwrap();
        fs::write(root.join("boot/grub/grub.conf"), "default=0\n").unwrap();
        symlink("./grub.conf", root.join("boot/grub/menu.lst")).unwrap();
        symlink("../boot/grub/grub.conf", root.join("etc/grub.conf")).unwrap();
        symlink("/boot/grub", root.join("absolute")).unwrap();
        symlink("../../../../outside", root.join("etc/escape")).unwrap();
        symlink(dir.path().join("outside"), root.join("etc/host")).unwrap();
        symlink("two", root.join("etc/one")).unwrap();
        symlink("one", root.join("etc/two")).unwrap();
        symlink("nowhere", root.join("etc/dangling")).unwrap();
        let tree = FolderTree::new(&root).unwrap();
        (dir, tree)
    }

    #[test]
    fn links_resolve_inside_the_guest() {
        let (_dir, tree) = guest();
        for path in [
            "/boot/grub/menu.lst",
            "/etc/grub.conf",
            "/absolute/menu.lst",
            "/../boot/./grub//menu.lst",
        ] {
            assert_eq!(tree.canonical(path).unwrap(), "/boot/grub/grub.conf", "{path}");
            assert_eq!(tree.read(path, 100).unwrap(), b"default=0\n", "{path}");
        }
        assert_eq!(tree.canonical("/").unwrap(), "/");
        assert_eq!(tree.read_link("/etc/grub.conf").unwrap(), "../boot/grub/grub.conf");
        assert_eq!(tree.symlink_metadata("/absolute").unwrap().kind, Kind::Symlink);
        assert_eq!(tree.metadata("/absolute").unwrap().kind, Kind::Directory);
        assert_eq!(tree.read_dir("/absolute").unwrap(), ["grub.conf", "menu.lst"]);
    }

    #[test]
    fn nothing_outside_is_reached() {
        let (_dir, tree) = guest();
        for path in [
            "/etc/escape",
            "/etc/host",
            "/../outside",
            "/etc/dangling",
            "/boot/grub/grub.conf/x",
        ] {
            assert!(tree.metadata(path).unwrap_err().is_not_found(), "{path}");
            assert!(tree.open(path).is_err(), "{path}");
        }
    }

    #[test]
    fn circles_and_wrong_kinds_are_errors() {
        let (_dir, tree) = guest();
        assert!(matches!(tree.metadata("/etc/one"), Err(TreeError::TooManyLinks { .. })));
        assert!(matches!(tree.read("/etc", 100_000), Err(TreeError::WrongKind { .. })));
        assert!(matches!(
            tree.read_dir("/etc/grub.conf"),
            Err(TreeError::WrongKind { .. })
        ));
        assert!(matches!(tree.read_link("/etc"), Err(TreeError::WrongKind { .. })));
        assert!(matches!(
            tree.read("/etc/grub.conf", 3),
            Err(TreeError::TooLarge { size: 10, limit: 3, .. })
        ));
    }
}
