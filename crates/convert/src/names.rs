//! How a guest's disks are called on each platform.
//!
//! On PV, EC2 presents an unpartitioned root volume as `sda1` (`xvda1` to pvops kernels): there is no `xvda` at all. On Xen
//! HVM the same volume is the whole disk `xvda`, and with RHEL's shift `xvde`; on Nitro it is `nvme0n1`.

use comeback_guest::menu::device::Device;
use comeback_guest::spec::{DiskName, Family, Spec};
use comeback_guest::system::{Disk, Place};

use crate::platform::Platform;

/// What a device specification leads to.
#[derive(Debug, Clone, Copy)]
pub enum Leads<'a> {
    /// A file system on this disk, by a name that is the same everywhere.
    ByIdentity(&'a Place),
    /// A place on this disk (the root, `/boot`, or another partition by its number), by a name that a kernel gives.
    ByName(Option<u32>),
    /// Not to this disk: another volume, or something that does not exist.
    Elsewhere,
}

/// What a specification leads to on the disk as the guest is now, on PV.
pub fn leads<'a>(disk: &'a Disk, spec: &Spec) -> Leads<'a> {
    let places = || std::iter::once(&disk.root).chain(&disk.boot);
    let found = match spec {
        Spec::Uuid(uuid) => places().find(|place| place.superblock.uuid.to_string().eq_ignore_ascii_case(uuid)),
        Spec::Label(label) => places().find(|place| !label.is_empty() && place.superblock.label == *label),
        Spec::PartUuid(uuid) => places().find(|place| {
            place
                .part_uuid
                .as_deref()
                .is_some_and(|own| own.eq_ignore_ascii_case(uuid))
        }),
        Spec::Disk(name) => {
            let partition = source_partition(disk, name);
            return partition.map_or(Leads::Elsewhere, Leads::ByName);
        }
        _ => None,
    };
    found.map_or(Leads::Elsewhere, Leads::ByIdentity)
}

/// The partition of this disk (inner `None`: the disk that is not partitioned) that a device name means on PV, or on any
/// HVM platform; the outer `None` when it means another disk, or a partition that this one does not have.
fn source_partition(disk: &Disk, name: &DiskName) -> Option<Option<u32>> {
    let first_disk = name.disk == 0 || (name.family == Family::Xvd && name.disk == 4);
    if !first_disk {
        return None;
    }
    if disk.is_unpartitioned() {
        // The volume itself is `sda1`; `sda2` and `sda3` were instance-store and swap.
        return matches!(name.partition, None | Some(1)).then_some(None);
    }
    let number = name.partition?;
    let others = disk.others.iter().map(|other| other.partition);
    let own = disk
        .root
        .partition
        .into_iter()
        .chain(disk.boot.as_ref().and_then(|boot| boot.partition));
    own.chain(others)
        .any(|partition| partition == number)
        .then_some(Some(number))
}

/// Whether a kernel on `platform` gives this name to a place of the disk.
pub fn exists(disk: &Disk, name: &DiskName, platform: Platform) -> bool {
    if source_partition(disk, name).is_none() {
        return false;
    }
    let partition = match (platform.is_hvm(), disk.is_unpartitioned()) {
        // The only name that is not the partition's own: PV's `sda1` for the whole volume.
        (false, true) => name.partition == Some(1),
        (true, true) => name.partition.is_none(),
        (_, false) => name.partition.is_some(),
    };
    let family = match platform {
        Platform::PvGrub103 | Platform::PvGrub105 => matches!(name.family, Family::Sd | Family::Xvd | Family::Hd),
        Platform::XenHvm => name.family == Family::Xvd,
        Platform::Nitro => name.family == Family::Nvme,
    };
    partition && family
}

/// The name that a kernel on `platform` gives to a place of the disk: what a kernel without an initramfs has to be told.
pub fn on_platform(place: &Place, platform: Platform) -> String {
    let disk = match platform {
        Platform::Nitro => "nvme0n1",
        _ => "xvda",
    };
    match (platform, place.partition) {
        (Platform::PvGrub103 | Platform::PvGrub105, None) => "/dev/xvda1".to_owned(),
        (_, None) => format!("/dev/{disk}"),
        (Platform::Nitro, Some(number)) => format!("/dev/{disk}p{number}"),
        (_, Some(number)) => format!("/dev/{disk}{number}"),
    }
}

/// The device of `/boot` as GRUB legacy writes it: `(hd0)` for a disk without partitions, `(hd0,0)` for the first one.
pub fn boot_device(disk: &Disk) -> Device {
    match disk.boot_place().partition {
        None => Device::Disk(0),
        Some(number) => Device::Partition {
            disk: 0,
            partition: number.saturating_sub(1),
        },
    }
}
