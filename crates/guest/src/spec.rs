//! How Linux is told of a disk: `UUID=…`, `LABEL=…`, `/dev/sda1`, `proc`.

use serde::Serialize;

/// What the first field of fstab, `root=` or `resume=` names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spec {
    /// `UUID=…` or `/dev/disk/by-uuid/…`
    Uuid(String),
    /// `LABEL=…` or `/dev/disk/by-label/…`
    Label(String),
    /// `PARTUUID=…` or `/dev/disk/by-partuuid/…`
    PartUuid(String),
    /// `PARTLABEL=…` or `/dev/disk/by-partlabel/…`
    PartLabel(String),
    /// A disk or partition by the name that the kernel gives it.
    Disk(DiskName),
    /// `/dev/mapper/…`, `/dev/dm-0`, `/dev/md0`, `/dev/VG/LV`, other `/dev/disk/by-…`: any other path below `/dev`.
    Device(String),
    /// `server:/path` or `//server/share`
    Network(String),
    /// A path of the guest outside `/dev`: a swap file or a bind mount.
    Path(String),
    /// `proc`, `tmpfs`, `none`, …
    Pseudo(String),
}

/// Which driver names a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// SCSI and all that poses as it; also classic Xen guests
    Sd,
    /// xen-blkfront
    Xvd,
    /// IDE before libata; also classic Xen guests
    Hd,
    /// virtio-blk
    Vd,
    /// NVMe
    Nvme,
}

/// The name of a disk or partition, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct DiskName {
    /// Its driver.
    pub family: Family,
    /// The disk, from 0: `a` is 0, `aa` is 26; of NVMe the controller.
    pub disk: u32,
    /// The partition, from 1, or `None` for the whole disk.
    pub partition: Option<u32>,
}
