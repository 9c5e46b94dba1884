//! The installed system on a disk: its file systems found, made consistent, and put together as the guest mounts them.
//!
//! ```text
//! disk ─ partition table ─ ext file systems ─ journal replayed (in the view) ─ which is `/`, which is `/boot`
//! ```
//!
//! Only the view in memory is ever written to.

use std::io::Read;
use std::sync::Arc;

use comeback_disk::boot::{self, BootCode};
use comeback_disk::ext::{Access, Ext, ExtError, Superblock, journal};
use comeback_disk::io::{ReadAt, Window, WriteAt};
use comeback_disk::probe::{self, Content};
use comeback_disk::table::{self, Scheme, TableError};
use comeback_disk::tree::{FileTree, Kind, MAX_LINKS, Metadata, TreeError};
use comeback_disk::view::View;
use serde::Serialize;

/// Why no system could be opened on a disk.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// The partition table cannot be used.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The disk could not be read.
    #[error("reading the disk: {0}")]
    Io(#[from] std::io::Error),
    /// A file system could not be opened.
    #[error("{place}: {source}")]
    Ext {
        /// `the whole disk`, `partition 1`.
        place: String,
        /// What libext2fs said.
        source: ExtError,
    },
    /// There is something else than ext.
    #[error("{place} holds {content}, and comeback reads ext2, ext3 and ext4 only; {remedy}")]
    Foreign {
        /// `the whole disk`, `partition 1`.
        place: String,
        /// What is there.
        content: String,
        /// What would be needed.
        remedy: &'static str,
    },
    /// Nothing on the disk is a root file system.
    #[error(
        "no root file system found: looked for /etc/fstab or /etc/passwd in {looked}; name the disk that is the \
         server's root volume"
    )]
    NoRoot {
        /// What was looked at.
        looked: String,
    },
    /// More than one is.
    #[error(
        "several root file systems found, in partitions {}, and comeback handles disks with one system; copy the one \
         that counts to a disk of its own",
        partitions(.numbers)
    )]
    SeveralRoots {
        /// Their partitions.
        numbers: Vec<u32>,
    },
}

fn partitions(numbers: &[u32]) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

/// Where a file system is, and what its superblock says.
#[derive(Debug, Clone, Serialize)]
pub struct Place {
    /// Partition number, from 1; none where it fills the disk.
    pub partition: Option<u32>,
    /// PARTUUID as Linux writes it.
    pub part_uuid: Option<String>,
    /// First byte, from the start of the disk.
    pub start: u64,
    /// The superblock, after the journal was replayed.
    pub superblock: Superblock,
    /// What replaying the journal did, if that was needed.
    pub replayed: Option<journal::Replay>,
}

impl Place {
    /// `the whole disk`, `partition 1`.
    pub fn name(&self) -> String {
        place_name(self.partition)
    }
}

fn place_name(partition: Option<u32>) -> String {
    partition.map_or_else(|| "the whole disk".to_owned(), |number| format!("partition {number}"))
}

/// What a partition holds that is neither `/` nor `/boot`.
#[derive(Debug, Clone, Serialize)]
pub struct Other {
    /// Partition number, from 1.
    pub partition: u32,
    /// What is in it, in words.
    pub content: String,
    /// Whether it is swap space.
    pub swap: bool,
    /// UUID and label, where it is ext.
    pub uuid: Option<uuid::Uuid>,
    /// Label, where it is ext and has one.
    pub label: Option<String>,
}

/// What is known of a disk besides its files.
#[derive(Debug, Clone, Serialize)]
pub struct Disk {
    /// Size in bytes.
    pub size: u64,
    /// Kind of partition table.
    pub scheme: Scheme,
    /// What sector 0 leads to.
    pub boot_code: BootCode,
    /// Bytes between the MBR and the first partition that boot code can be put into; 0 where there is no table.
    pub gap: u64,
    /// First byte and size of a BIOS-boot partition, if there is one.
    pub bios_boot: Option<(u64, u64)>,
    /// The root file system.
    pub root: Place,
    /// The file system of `/boot`, if it is one of its own.
    pub boot: Option<Place>,
    /// The other partitions.
    pub others: Vec<Other>,
}

impl Disk {
    /// Whether the file system fills the disk, without a partition table.
    pub fn is_unpartitioned(&self) -> bool {
        self.root.partition.is_none()
    }

    /// The file system that boot menus and kernels are on.
    pub fn boot_place(&self) -> &Place {
        self.boot.as_ref().unwrap_or(&self.root)
    }
}

/// An opened system.
#[derive(Debug)]
pub struct System {
    view: Arc<View>,
    disk: Disk,
    root: Ext,
    boot: Option<Ext>,
}

struct Candidate {
    place: Place,
    ext: Ext,
    is_root: bool,
    looks_like_boot: bool,
}

impl System {
    /// Finds the system on a disk. `now` (seconds since 1970) stands in for the clock wherever a time is written.
    ///
    /// # Errors
    /// See [`SystemError`].
    pub fn open(view: Arc<View>, access: Access, now: i64) -> Result<Self, SystemError> {
        let table = table::read(view.as_ref())?;
        let boot_code = boot::read(view.as_ref())?;
        let ranges: Vec<(Option<u32>, u64, u64, Option<String>)> = if table.partitions.is_empty() {
            vec![(None, 0, view.size(), None)]
        } else {
            let of = |p: &table::Partition| (Some(p.number), p.start, p.size, Some(p.uuid.clone()));
            table.partitions.iter().map(of).collect()
        };
        let mut candidates = Vec::new();
        let mut others = Vec::new();
        let mut foreign = None;
        let mut looked = Vec::new();
        for (partition, start, size, part_uuid) in ranges {
            let place = place_name(partition);
            let window = Window::new(Arc::clone(&view), start, size)?;
            let content = probe::identify(&window)?;
            if content != Content::Ext {
                if let Some(remedy) = remedy_for(&content) {
                    foreign.get_or_insert((place.clone(), content.to_string(), remedy));
                }
                if let Some(partition) = partition {
                    others.push(Other {
                        partition,
                        swap: content == Content::Swap,
                        content: content.to_string(),
                        uuid: None,
                        label: None,
                    });
                }
                looked.push(format!("{place} ({content})"));
                continue;
            }
            looked.push(format!("{place} (ext)"));
            candidates.push(
                open_candidate(window, partition, part_uuid, access, now).map_err(|source| SystemError::Ext {
                    place: place.clone(),
                    source,
                })?,
            );
        }
        let roots: Vec<u32> = candidates
            .iter()
            .filter(|c| c.is_root)
            .filter_map(|c| c.place.partition)
            .collect();
        if roots.len() > 1 {
            return Err(SystemError::SeveralRoots { numbers: roots });
        }
        let Some(root) = candidates.iter().position(|c| c.is_root) else {
            return Err(match foreign {
                Some((place, content, remedy)) => SystemError::Foreign { place, content, remedy },
                None => SystemError::NoRoot {
                    looked: looked.join(", "),
                },
            });
        };
        let root = candidates.remove(root);
        let boot = boot_of(&root.ext, &candidates).map(|index| candidates.remove(index));
        others.extend(candidates.into_iter().filter_map(|candidate| {
            Some(Other {
                partition: candidate.place.partition?,
                content: "an ext file system".to_owned(),
                swap: false,
                uuid: Some(candidate.place.superblock.uuid),
                label: Some(candidate.place.superblock.label).filter(|label| !label.is_empty()),
            })
        }));
        others.sort_by_key(|other| other.partition);
        let is_bios_boot = |p: &&table::Partition| p.kind == table::Kind::Guid(table::BIOS_BOOT);
        let bios_boot = table.partitions.iter().find(is_bios_boot).map(|p| (p.start, p.size));
        let disk = Disk {
            size: view.size(),
            gap: table.core_gap().unwrap_or(0),
            scheme: table.scheme,
            boot_code,
            bios_boot,
            root: root.place,
            boot: boot.as_ref().map(|boot| boot.place.clone()),
            others,
        };
        Ok(System {
            view,
            disk,
            root: root.ext,
            boot: boot.map(|boot| boot.ext),
        })
    }

    /// What is known besides the files.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// The view that the system was opened in.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// The root file system.
    pub fn root(&self) -> &Ext {
        &self.root
    }

    /// The file system that holds a path of the guest, where it starts on the disk, and the path within it. Links are
    /// not resolved: give a canonical path.
    pub fn locate<'a>(&'a self, path: &'a str) -> (&'a Ext, &'a Place, &'a str) {
        if let (Some(boot), Some(place)) = (&self.boot, &self.disk.boot)
            && let Some(rest) = path
                .strip_prefix("/boot")
                .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        {
            return (boot, place, if rest.is_empty() { "/" } else { rest });
        }
        (&self.root, &self.disk.root, path)
    }

    /// Writes all that is pending in the file systems to the view.
    ///
    /// # Errors
    /// What libext2fs reports.
    pub fn flush(&self) -> Result<(), ExtError> {
        self.root.flush()?;
        self.boot.as_ref().map_or(Ok(()), Ext::flush)
    }

    /// Resolves a path to one without links, crossing into `/boot` where that is a file system of its own.
    fn resolve(&self, path: &str, follow_last: bool) -> Result<String, TreeError> {
        let mut pending: Vec<String> = path
            .split('/')
            .rev()
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        let mut done = String::new();
        let mut links = 0;
        while let Some(part) = pending.pop() {
            match part.as_str() {
                "." => continue,
                ".." => {
                    done.truncate(done.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let next = format!("{done}/{part}");
            let (ext, _, inner) = self.locate(&next);
            if pending.is_empty() && !follow_last {
                return Ok(next);
            }
            let kind = ext.symlink_metadata(inner).map_err(|error| named(error, path))?.kind;
            if kind != Kind::Symlink {
                done = next;
                continue;
            }
            links += 1;
            if links > MAX_LINKS {
                return Err(TreeError::TooManyLinks { path: path.to_owned() });
            }
            let target = ext.read_link(inner).map_err(|error| named(error, path))?;
            if target.starts_with('/') {
                done.clear();
            }
            pending.extend(
                target
                    .split('/')
                    .rev()
                    .filter(|part| !part.is_empty())
                    .map(str::to_owned),
            );
        }
        Ok(if done.is_empty() { "/".to_owned() } else { done })
    }

    /// Calls `read` with the file system and the path within it that `path` leads to.
    fn at<T>(
        &self,
        path: &str,
        follow_last: bool,
        read: impl FnOnce(&Ext, &str) -> Result<T, TreeError>,
    ) -> Result<T, TreeError> {
        let resolved = self.resolve(path, follow_last)?;
        let (ext, _, inner) = self.locate(&resolved);
        read(ext, inner).map_err(|error| named(error, path))
    }
}

/// The same error with the path that was asked for, as file systems know only their own part of it.
fn named(error: TreeError, asked: &str) -> TreeError {
    let path = asked.to_owned();
    match error {
        TreeError::NotFound { .. } => TreeError::NotFound { path },
        TreeError::TooManyLinks { .. } => TreeError::TooManyLinks { path },
        TreeError::WrongKind { expected, .. } => TreeError::WrongKind { path, expected },
        TreeError::TooLarge { size, limit, .. } => TreeError::TooLarge { path, size, limit },
        TreeError::Unreadable { reason, .. } => TreeError::Unreadable { path, reason },
    }
}

fn open_candidate(
    window: Window<Arc<View>>,
    partition: Option<u32>,
    part_uuid: Option<String>,
    access: Access,
    now: i64,
) -> Result<Candidate, ExtError> {
    let start = window.start();
    let window = Arc::new(window);
    let needs_recovery = Superblock::read(&window)?.is_some_and(|superblock| superblock.needs_recovery);
    let replayed = needs_recovery
        .then(|| journal::replay(&(window.clone() as Arc<dyn WriteAt>)))
        .transpose()?;
    let ext = Ext::open(window, access, now)?;
    let has = |path: &str| ext.symlink_metadata(path).is_ok();
    let is_root = has("/etc/fstab") || has("/etc/passwd");
    let looks_like_boot =
        !is_root && (has("/grub") || has("/grub2") || has("/boot") || has("/extlinux") || has("/loader"));
    Ok(Candidate {
        place: Place {
            partition,
            part_uuid,
            start,
            superblock: ext.superblock().clone(),
            replayed,
        },
        is_root,
        looks_like_boot,
        ext,
    })
}

/// Which candidate the guest mounts on `/boot`: the one that its fstab names, or else the only one that looks like it.
fn boot_of(root: &Ext, candidates: &[Candidate]) -> Option<usize> {
    let content = root.read("/etc/fstab", crate::limit::TEXT).unwrap_or_default();
    let fstab = crate::fstab::Fstab::parse(&content);
    let entry = fstab.entries.iter().find(|entry| entry.mount_point.value == "/boot");
    if let Some(entry) = entry {
        let named = candidates.iter().position(|candidate| match &entry.device {
            crate::spec::Spec::Uuid(uuid) => candidate.place.superblock.uuid.to_string().eq_ignore_ascii_case(uuid),
            crate::spec::Spec::Label(label) => candidate.place.superblock.label == *label,
            crate::spec::Spec::PartUuid(uuid) => candidate.place.part_uuid.as_deref() == Some(uuid.as_str()),
            crate::spec::Spec::Disk(name) => name.partition.is_some() && name.partition == candidate.place.partition,
            _ => false,
        });
        if named.is_some() {
            return named;
        }
    }
    // Without a word in fstab, /boot is a folder of the root file system unless that one is empty.
    let own = root
        .read_dir("/boot")
        .is_ok_and(|names| names.iter().any(|name| name != "lost+found"));
    let mut like = (0..candidates.len()).filter(|&index| candidates[index].looks_like_boot);
    match (entry.is_some() || !own, like.next(), like.next()) {
        (true, Some(index), None) => Some(index),
        _ => None,
    }
}

/// What would be needed for a disk whose root is not ext; none for what is no root file system anyway.
fn remedy_for(content: &Content) -> Option<&'static str> {
    match content {
        Content::Luks { .. } => {
            Some("open it with cryptsetup on a machine that has the key, and convert the decrypted device")
        }
        Content::Lvm2Member => {
            Some("activate the volume group (vgchange -ay) and copy the root volume to a disk of its own")
        }
        Content::LinuxRaid => Some("assemble the array (mdadm) and copy the root file system to a disk of its own"),
        Content::Xfs => {
            Some("XFS leaves no room for boot code on a bare disk: copy the files to an ext4 file system first")
        }
        Content::Btrfs | Content::Jfs | Content::Reiserfs | Content::F2fs | Content::Zfs => {
            Some("copy the files to an ext4 file system first")
        }
        Content::HalfMoved => Some(
            "`comeback convert` goes on with the move, `comeback revert` takes it back; the folder with its record is named in \
             the first sectors of the disk (`strings`)",
        ),
        Content::Ntfs | Content::Fat | Content::Squashfs | Content::Iso9660 => Some("this is no Linux root volume"),
        _ => None,
    }
}

impl FileTree for System {
    fn metadata(&self, path: &str) -> Result<Metadata, TreeError> {
        self.at(path, true, |ext, path| ext.symlink_metadata(path))
    }

    fn symlink_metadata(&self, path: &str) -> Result<Metadata, TreeError> {
        self.at(path, false, |ext, path| ext.symlink_metadata(path))
    }

    fn read_link(&self, path: &str) -> Result<String, TreeError> {
        self.at(path, false, |ext, path| ext.read_link(path))
    }

    fn canonical(&self, path: &str) -> Result<String, TreeError> {
        self.resolve(path, true)
    }

    fn read_dir(&self, path: &str) -> Result<Vec<String>, TreeError> {
        self.at(path, true, |ext, path| ext.read_dir(path))
    }

    fn open(&self, path: &str) -> Result<Box<dyn Read + '_>, TreeError> {
        let resolved = self.resolve(path, true)?;
        let (ext, inner) = match (&self.boot, resolved.strip_prefix("/boot/")) {
            (Some(boot), Some(rest)) => (boot, format!("/{rest}")),
            _ => (&self.root, resolved),
        };
        ext.open(&inner).map_err(|error| named(error, path))
    }
}
