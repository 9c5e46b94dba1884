//! Snapshots of a run: found again by their tags, and waited for.

use std::time::Duration;

use comeback_cloud::ids::SnapshotId;
use comeback_cloud::model::{Snapshot, SnapshotState};
use comeback_cloud::{CloudError, Filter, Region};

use crate::action::{TAG_ACTION, TAG_RUN};
use crate::run::RunId;

/// Snapshots that an action of a run made earlier. `CreateSnapshots` has no token, so they are known by their tags.
///
/// # Errors
/// What a describe can fail with.
pub(crate) async fn taken(region: &Region, run: &RunId, action: &str) -> Result<Vec<Snapshot>, CloudError> {
    let filters = [
        Filter::new(format!("tag:{TAG_RUN}"), [run.as_str()]),
        Filter::new(format!("tag:{TAG_ACTION}"), [action]),
    ];
    let mut found = region.snapshots_where(&filters).await?;
    // A failed one is no snapshot; with the next set it is taken again.
    found.retain(|snapshot| snapshot.state != SnapshotState::Error);
    Ok(found)
}

/// Waits until a snapshot is complete, and tells how far it is. One that failed gives EC2's reason.
///
/// # Errors
/// What a describe can fail with, or that it took longer than `within`.
pub(crate) async fn complete(
    region: &Region,
    snapshot: &SnapshotId,
    within: Duration,
    mut tell: impl FnMut(String) + Send,
) -> Result<Result<(), String>, CloudError> {
    let mut shown = None;
    region
        .snapshot_when(snapshot, within, |now| {
            if shown != Some(now.progress) {
                shown = Some(now.progress);
                tell(format!("{} is at {} %", now.id, now.progress));
            }
            match now.state {
                SnapshotState::Completed => Some(Ok(())),
                SnapshotState::Error => Some(Err(now.state_message.clone().unwrap_or_default())),
                _ => None,
            }
        })
        .await
}
