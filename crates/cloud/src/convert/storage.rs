//! Volumes and snapshots.

use super::{said, tags, time, unsigned};
use crate::{
    ids::{AccountId, InstanceId, SnapshotId, VolumeId},
    model::{AttachState, Snapshot, SnapshotState, Volume, VolumeAttachment, VolumeState},
};
use aws_sdk_ec2::{
    operation::{create_snapshot::CreateSnapshotOutput, create_volume::CreateVolumeOutput},
    types as sdk,
};

/// The answers of a describe and of what creates the thing have the same fields in different types. Nothing comes
/// of one without its name or state.
macro_rules! same_fields {
    ($from:ident: $($source:ty => $name:ident),+; -> $target:ty $body:block) => {
        $(pub(crate) fn $name($from: $source) -> Option<$target> $body)+
    };
}

same_fields!(from: sdk::Volume => volume, CreateVolumeOutput => created_volume;
    -> Volume {
    Some(Volume {
        id: VolumeId::from_api(from.volume_id?),
        state: VolumeState::from(from.state?.as_str()),
        size_gib: unsigned(from.size),
        kind: from.volume_type.map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        iops: from.iops.map(|iops| unsigned(Some(iops))),
        throughput: from.throughput.map(|throughput| unsigned(Some(throughput))),
        zone: from.availability_zone.unwrap_or_default(),
        snapshot: said(from.snapshot_id).map(SnapshotId::from_api),
        encrypted: from.encrypted.unwrap_or(false),
        kms_key: said(from.kms_key_id),
        multi_attach: from.multi_attach_enabled.unwrap_or(false),
        attachments: from.attachments.unwrap_or_default().into_iter().map(attachment).collect(),
        created: time(from.create_time),
        tags: tags(from.tags),
    })
});

fn attachment(from: sdk::VolumeAttachment) -> VolumeAttachment {
    VolumeAttachment {
        instance: said(from.instance_id).map(InstanceId::from_api),
        device: said(from.device),
        state: AttachState::from(from.state.as_ref().map_or("", |state| state.as_str())),
        delete_on_termination: from.delete_on_termination.unwrap_or(false),
    }
}

same_fields!(from: sdk::Snapshot => snapshot, CreateSnapshotOutput => created_snapshot;
    -> Snapshot {
    Some(Snapshot {
        id: SnapshotId::from_api(from.snapshot_id?),
        state: SnapshotState::from(from.state?.as_str()),
        state_message: said(from.state_message),
        volume: said(from.volume_id).map(VolumeId::from_api),
        size_gib: unsigned(from.volume_size),
        progress: percent(from.progress.as_deref()),
        started: time(from.start_time),
        owner: said(from.owner_id).map(AccountId::from_api),
        description: from.description.unwrap_or_default(),
        encrypted: from.encrypted.unwrap_or(false),
        kms_key: said(from.kms_key_id),
        tags: tags(from.tags),
    })
});

/// What `CreateSnapshots` answers has less.
pub(crate) fn snapshot_info(from: sdk::SnapshotInfo) -> Option<Snapshot> {
    Some(Snapshot {
        id: SnapshotId::from_api(from.snapshot_id?),
        state: SnapshotState::from(from.state?.as_str()),
        state_message: None,
        volume: said(from.volume_id).map(VolumeId::from_api),
        size_gib: unsigned(from.volume_size),
        progress: percent(from.progress.as_deref()),
        started: time(from.start_time),
        owner: said(from.owner_id).map(AccountId::from_api),
        description: from.description.unwrap_or_default(),
        encrypted: from.encrypted.unwrap_or(false),
        kms_key: None,
        tags: tags(from.tags),
    })
}

/// `42%`; nothing is written for a snapshot that has just begun.
fn percent(text: Option<&str>) -> u8 {
    text.and_then(|text| text.trim().trim_end_matches('%').parse().ok())
        .unwrap_or(0)
        .min(100)
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn progress_is_read_in_all_its_forms() {
        for (text, is) in [
            (Some("42%"), 42),
            (Some("100%"), 100),
            (Some(""), 0),
            (None, 0),
            (Some("7"), 7),
            (Some("255%"), 100),
        ] {
            assert_eq!(percent(text), is, "{text:?}");
        }
    }
}
