//! Volumes and snapshots.

use super::{Filter, IDS_PER_CALL, Query, Region, in_batches, incomplete, missing, next_page, pages, texts};
use crate::{
    calls::{actions, caller::Ask},
    convert,
    error::CloudError,
    ids::{InstanceId, SnapshotId, VolumeId},
    model::{Snapshot, Tags, Volume},
    request::VolumeRequest,
};
use aws_sdk_ec2::types::{InstanceSpecification, ResourceType};

/// Elements of one page.
const PAGE: i32 = 500;

impl Region {
    /// Volumes by their names, in no particular order. Those that are not there are left out.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn volumes(&self, ids: &[VolumeId]) -> Result<Vec<Volume>, CloudError> {
        in_batches(texts(ids), IDS_PER_CALL, "volume-id", async |query| {
            self.all_volumes(query).await
        })
        .await
    }

    /// One volume.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound), and what a call can fail with.
    pub async fn volume(&self, id: &VolumeId) -> Result<Volume, CloudError> {
        let found = self.volumes(std::slice::from_ref(id)).await?;
        found
            .into_iter()
            .next()
            .ok_or_else(|| missing(&actions::DESCRIBE_VOLUMES, id))
    }

    /// Volumes that pass all filters.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn volumes_where(&self, filters: &[Filter]) -> Result<Vec<Volume>, CloudError> {
        self.all_volumes(Query::Filters(filters.to_vec())).await
    }

    async fn all_volumes(&self, query: Query) -> Result<Vec<Volume>, CloudError> {
        Ok(pages!(
            *self,
            &actions::DESCRIBE_VOLUMES,
            query,
            PAGE,
            "a volume",
            volumes,
            convert::volume,
            |ec2| ec2.describe_volumes().set_volume_ids(query.ids())
        ))
    }

    /// Snapshots by their names, in no particular order. Those that are not there are left out.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn snapshots(&self, ids: &[SnapshotId]) -> Result<Vec<Snapshot>, CloudError> {
        in_batches(texts(ids), IDS_PER_CALL, "snapshot-id", async |query| {
            self.all_snapshots(query, None).await
        })
        .await
    }

    /// One snapshot.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound), and what a call can fail with.
    pub async fn snapshot(&self, id: &SnapshotId) -> Result<Snapshot, CloudError> {
        let found = self.snapshots(std::slice::from_ref(id)).await?;
        found
            .into_iter()
            .next()
            .ok_or_else(|| missing(&actions::DESCRIBE_SNAPSHOTS, id))
    }

    /// Snapshots of this account that pass all filters.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn snapshots_where(&self, filters: &[Filter]) -> Result<Vec<Snapshot>, CloudError> {
        self.all_snapshots(Query::Filters(filters.to_vec()), Some("self")).await
    }

    async fn all_snapshots(&self, query: Query, owner: Option<&str>) -> Result<Vec<Snapshot>, CloudError> {
        Ok(pages!(
            *self,
            &actions::DESCRIBE_SNAPSHOTS,
            query,
            PAGE,
            "a snapshot",
            snapshots,
            convert::snapshot,
            |ec2| ec2
                .describe_snapshots()
                .set_snapshot_ids(query.ids())
                .set_owner_ids(owner.map(|o| vec![o.to_owned()]))
        ))
    }

    /// Begins snapshots of the volumes of an instance, all of the same moment. EC2 knows no token for this: the tags must
    /// tell the caller which ones are its own, should the answer be lost.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn create_snapshots(
        &self,
        instance: &InstanceId,
        without_root: bool,
        description: &str,
        tags: &Tags,
    ) -> Result<Vec<Snapshot>, CloudError> {
        let action = &actions::CREATE_SNAPSHOTS;
        let which = InstanceSpecification::builder()
            .instance_id(instance.as_str())
            .exclude_boot_volume(without_root)
            .build();
        let answer = self
            .caller
            .call(Ask::new(action, instance.as_str()), || {
                self.ec2
                    .create_snapshots()
                    .instance_specification(which.clone())
                    .description(description)
                    .set_tag_specifications(convert::tag_specifications(ResourceType::Snapshot, tags))
                    .send()
            })
            .await?;
        answer
            .snapshots
            .unwrap_or_default()
            .into_iter()
            .map(|info| convert::snapshot_info(info).ok_or_else(|| incomplete(action, instance.as_str(), "a snapshot")))
            .collect()
    }

    /// Begins a snapshot of a volume. There is no token for this either.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn create_snapshot(
        &self,
        volume: &VolumeId,
        description: &str,
        tags: &Tags,
    ) -> Result<Snapshot, CloudError> {
        let action = &actions::CREATE_SNAPSHOT;
        let answer = self
            .caller
            .call(Ask::new(action, volume.as_str()), || {
                self.ec2
                    .create_snapshot()
                    .volume_id(volume.as_str())
                    .description(description)
                    .set_tag_specifications(convert::tag_specifications(ResourceType::Snapshot, tags))
                    .send()
            })
            .await?;
        convert::created_snapshot(answer).ok_or_else(|| incomplete(action, volume.as_str(), "a snapshot"))
    }

    /// Deletes a snapshot.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when it is gone already, also after an answer that was lost;
    /// [`ErrorKind::InUse`](crate::ErrorKind::InUse) when an image needs it; what a call can fail with.
    pub async fn delete_snapshot(&self, id: &SnapshotId) -> Result<(), CloudError> {
        let ask = Ask::new(&actions::DELETE_SNAPSHOT, id.as_str());
        self.caller
            .call(ask, || self.ec2.delete_snapshot().snapshot_id(id.as_str()).send())
            .await
            .map(drop)
    }

    /// Makes a volume.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn create_volume(&self, request: &VolumeRequest) -> Result<Volume, CloudError> {
        let action = &actions::CREATE_VOLUME;
        let resource = request
            .snapshot
            .as_ref()
            .map_or_else(|| request.zone.clone(), ToString::to_string);
        let answer = self
            .caller
            .call(Ask::new(action, resource.as_str()).token(&request.token), || {
                self.ec2
                    .create_volume()
                    .client_token(&request.token)
                    .availability_zone(&request.zone)
                    .set_snapshot_id(request.snapshot.as_ref().map(ToString::to_string))
                    .set_size(request.size_gib.map(convert::count))
                    .volume_type(request.kind.as_str().into())
                    .set_iops(request.iops.map(convert::count))
                    .set_throughput(request.throughput.map(convert::count))
                    .set_encrypted(request.encrypted)
                    .set_kms_key_id(request.kms_key.clone())
                    .set_tag_specifications(convert::tag_specifications(ResourceType::Volume, &request.tags))
                    .send()
            })
            .await?;
        convert::created_volume(answer).ok_or_else(|| incomplete(action, resource.as_str(), "a volume"))
    }

    /// Deletes a volume.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when it is gone already, also after an answer that was lost;
    /// [`ErrorKind::InUse`](crate::ErrorKind::InUse) while it is attached; what a call can fail with.
    pub async fn delete_volume(&self, id: &VolumeId) -> Result<(), CloudError> {
        let ask = Ask::new(&actions::DELETE_VOLUME, id.as_str());
        self.caller
            .call(ask, || self.ec2.delete_volume().volume_id(id.as_str()).send())
            .await
            .map(drop)
    }

    /// Begins to attach a volume under a device name.
    ///
    /// # Errors
    /// [`ErrorKind::InUse`](crate::ErrorKind::InUse) when the volume is attached already or the name is taken; what a call
    /// can fail with.
    pub async fn attach_volume(
        &self,
        volume: &VolumeId,
        instance: &InstanceId,
        device: &str,
    ) -> Result<(), CloudError> {
        let ask = Ask::new(&actions::ATTACH_VOLUME, format!("{volume} to {instance} as {device}"));
        self.caller
            .call(ask, || {
                self.ec2
                    .attach_volume()
                    .volume_id(volume.as_str())
                    .instance_id(instance.as_str())
                    .device(device)
                    .send()
            })
            .await
            .map(drop)
    }

    /// Begins to take a volume off an instance. `force` takes it away from a guest that does not let go, which can lose
    /// what was not yet written.
    ///
    /// # Errors
    /// [`ErrorKind::IncorrectState`](crate::ErrorKind::IncorrectState) when it is not attached, or is the root of an
    /// instance that is not stopped; what a call can fail with.
    pub async fn detach_volume(&self, volume: &VolumeId, instance: &InstanceId, force: bool) -> Result<(), CloudError> {
        let ask = Ask::new(&actions::DETACH_VOLUME, format!("{volume} from {instance}"));
        self.caller
            .call(ask, || {
                let request = self
                    .ec2
                    .detach_volume()
                    .volume_id(volume.as_str())
                    .instance_id(instance.as_str());
                if force { request.force(true) } else { request }.send()
            })
            .await
            .map(drop)
    }
}
