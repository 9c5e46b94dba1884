//! Waits. All of one account and region share their looks: see [`poller`](crate::poller).

use super::Region;
use crate::{
    error::CloudError,
    ids::{ImageId, InstanceId, SnapshotId, VolumeId},
    model::{Image, Instance, Snapshot, Status, Volume},
    poller::{Pace, Reader},
};
use std::time::Duration;

macro_rules! wait {
    ($(#[$doc:meta])* $name:ident, $hub:ident, $id:ty, $value:ty) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// [`ErrorKind::Late`](crate::ErrorKind::Late) with the last state seen, when the time is over;
        /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when the thing is missing for longer than
        /// [`Polling::grace`](crate::Polling::grace); what a describe can fail with, but for what passes by itself.
        pub async fn $name<T>(
            &self,
            id: &$id,
            within: Duration,
            mut judge: impl FnMut(&$value) -> Option<T> + Send,
        ) -> Result<T, CloudError> {
            self.shared.poller.$hub.when(self, id, within, Pace::Wait, |seen| seen.and_then(&mut judge)).await
        }
    };
}

/// How long a look may take, what passes by itself included.
const LOOK: Duration = Duration::from_secs(300);

macro_rules! look {
    ($(#[$doc:meta])* $name:ident, $hub:ident, $id:ty, $value:ty) => {
        $(#[$doc])*
        /// It is asked for at once; all who ask while a describe is under way share the next one.
        ///
        /// # Errors
        /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when it is missing for longer than
        /// [`Polling::grace`](crate::Polling::grace); what a describe can fail with.
        pub async fn $name(&self, id: &$id) -> Result<$value, CloudError> {
            let seen = |seen: Option<&$value>| seen.cloned();
            self.shared.poller.$hub.when(self, id, LOOK, Pace::Now, seen).await
        }
    };
}

impl Region {
    look!(
        /// An instance as it is now.
        instance_now, instances, InstanceId, Instance
    );
    look!(
        /// A volume as it is now.
        volume_now, volumes, VolumeId, Volume
    );
    wait!(
        /// Waits until `judge` makes something of an instance.
        instance_when, instances, InstanceId, Instance
    );
    wait!(
        /// Waits until `judge` makes something of a volume.
        volume_when, volumes, VolumeId, Volume
    );
    wait!(
        /// Waits until `judge` makes something of a snapshot.
        snapshot_when, snapshots, SnapshotId, Snapshot
    );
    wait!(
        /// Waits until `judge` makes something of an instance's status checks and events.
        status_when, statuses, InstanceId, Status
    );
    wait!(
        /// Waits until `judge` makes something of an image.
        image_when, images, ImageId, Image
    );

    /// Waits until a volume is no longer there.
    ///
    /// # Errors
    /// [`ErrorKind::Late`](crate::ErrorKind::Late) with the last state seen, when the time is over; what a describe can
    /// fail with, but for what passes by itself.
    pub async fn volume_gone(&self, id: &VolumeId, within: Duration) -> Result<(), CloudError> {
        let gone = |seen: Option<&Volume>| {
            seen.is_none_or(|volume| volume.state == crate::model::VolumeState::Deleted)
                .then_some(())
        };
        self.shared
            .poller
            .volumes
            .when(self, id, within, Pace::Wait, gone)
            .await
    }

    /// Waits until a snapshot is no longer there.
    ///
    /// # Errors
    /// As [`Region::volume_gone`].
    pub async fn snapshot_gone(&self, id: &SnapshotId, within: Duration) -> Result<(), CloudError> {
        let gone = |seen: Option<&Snapshot>| seen.is_none().then_some(());
        self.shared
            .poller
            .snapshots
            .when(self, id, within, Pace::Wait, gone)
            .await
    }
}

macro_rules! reader {
    ($id:ty, $value:ty, $read:ident) => {
        impl Reader<$value> for Region {
            async fn read(&self, ids: Vec<$id>) -> Result<Vec<$value>, CloudError> {
                self.$read(&ids).await
            }
        }
    };
}

reader!(InstanceId, Instance, instances);
reader!(VolumeId, Volume, volumes);
reader!(SnapshotId, Snapshot, snapshots);
reader!(InstanceId, Status, statuses);
reader!(ImageId, Image, images);
