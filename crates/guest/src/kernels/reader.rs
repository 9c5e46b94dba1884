//! Reading kernels and initramfs files, each only once.

use std::collections::HashMap;

use comeback_disk::tree::{FileTree, Kind, Metadata};

use super::{Kernel, Reading, find};
use crate::initramfs::Initramfs;
use crate::kernel::image::{KernelImage, XenNotes, read_notes};

/// The largest kernel that is read, in bytes.
const MAX_KERNEL: u64 = 256 << 20;
/// The largest initramfs that is read, in bytes.
const MAX_INITRAMFS: u64 = 1 << 30;

/// When to read a kernel's Xen notes, which takes tenths of a second and reads up to the whole kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NotesPolicy {
    /// Never.
    Never,
    /// When there is no configuration that tells whether the kernel can run PV.
    #[default]
    Undecided,
    /// Always: the notes are what Xen itself goes by.
    Always,
}

/// What makes a file the same as one that was read before.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    canonical: String,
    inode: u64,
    size: u64,
    mtime: i64,
}

/// Reads kernels and initramfs files, and remembers what was in them: a second inspection of the same guest, after
/// other files of it were changed, reads none of them again.
#[derive(Debug, Default)]
pub struct KernelReader {
    policy: NotesPolicy,
    images: HashMap<Key, Reading<KernelImage>>,
    notes: HashMap<Key, Option<XenNotes>>,
    initramfs: HashMap<Key, Reading<Initramfs>>,
    reads: u64,
}

impl KernelReader {
    /// A reader that has seen nothing.
    pub fn new(policy: NotesPolicy) -> Self {
        Self {
            policy,
            ..Self::default()
        }
    }

    /// See [`find()`].
    pub fn find(&mut self, tree: &dyn FileTree, menu: &[(String, Option<String>)]) -> Vec<Kernel> {
        find(tree, menu, self)
    }

    /// Forgets what is known of the file at a canonical path.
    pub fn invalidate(&mut self, canonical: &str) {
        self.images.retain(|key, _| key.canonical != canonical);
        self.notes.retain(|key, _| key.canonical != canonical);
        self.initramfs.retain(|key, _| key.canonical != canonical);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::new(self.policy);
    }

    /// How many files were really read so far.
    pub fn reads(&self) -> u64 {
        self.reads
    }

    pub(super) fn image(&mut self, tree: &dyn FileTree, canonical: &str) -> Reading<KernelImage> {
        let (key, metadata) = match look(tree, canonical, MAX_KERNEL) {
            Ok(found) => found,
            Err(reason) => return Reading::Failed(reason),
        };
        if let Some(known) = self.images.get(&key) {
            return known.clone();
        }
        self.reads += 1;
        let reading = match tree.open(canonical) {
            Err(error) => Reading::Failed(error.to_string()),
            Ok(content) => match KernelImage::read(content, metadata.size) {
                Ok(image) => Reading::Read(image),
                Err(error) => Reading::Failed(format!("{canonical}: {error}")),
            },
        };
        self.images.insert(key, reading.clone());
        reading
    }

    /// The notes of a kernel, if the policy asks for them. `decided`: something else tells whether it can run PV.
    pub(super) fn notes(
        &mut self,
        tree: &dyn FileTree,
        canonical: &str,
        image: &KernelImage,
        decided: bool,
    ) -> Option<XenNotes> {
        if self.policy == NotesPolicy::Never || decided && self.policy == NotesPolicy::Undecided {
            return None;
        }
        let (key, _) = look(tree, canonical, MAX_KERNEL).ok()?;
        if let Some(known) = self.notes.get(&key) {
            return known.clone();
        }
        self.reads += 1;
        // That notes cannot be read leaves the question open, which is what their absence says too.
        let notes = tree
            .open(canonical)
            .ok()
            .and_then(|content| read_notes(content, image).ok().flatten());
        self.notes.insert(key, notes.clone());
        notes
    }

    pub(super) fn initramfs(&mut self, tree: &dyn FileTree, path: &str) -> (Option<u64>, Reading<Initramfs>) {
        let canonical = tree.canonical(path).unwrap_or_else(|_| path.to_owned());
        let (key, metadata) = match look(tree, &canonical, MAX_INITRAMFS) {
            Ok(found) => found,
            Err(reason) => return (None, Reading::Failed(reason)),
        };
        let size = Some(metadata.size);
        if let Some(known) = self.initramfs.get(&key) {
            return (size, known.clone());
        }
        self.reads += 1;
        let reading = match tree.open(&canonical) {
            Err(error) => Reading::Failed(error.to_string()),
            Ok(content) => match Initramfs::read(content) {
                Ok(initramfs) => Reading::Read(initramfs),
                Err(error) => Reading::Failed(format!("{canonical}: {error}")),
            },
        };
        self.initramfs.insert(key, reading.clone());
        (size, reading)
    }
}

fn look(tree: &dyn FileTree, canonical: &str, limit: u64) -> Result<(Key, Metadata), String> {
    let metadata = tree.metadata(canonical).map_err(|error| error.to_string())?;
    if metadata.kind != Kind::File {
        return Err(format!("{canonical}: expected a regular file"));
    }
    if metadata.size > limit {
        let size = metadata.size;
        return Err(format!(
            "{canonical}: {size} bytes, more than the {limit} that are read"
        ));
    }
    let key = Key {
        canonical: canonical.to_owned(),
        inode: metadata.inode,
        size: metadata.size,
        mtime: metadata.mtime,
    };
    Ok((key, metadata))
}
