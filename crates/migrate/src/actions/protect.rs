//! Step 0: nobody else works on the source, nothing moves it, and all of its data is in snapshots.

use std::time::Duration;

use async_trait::async_trait;
use comeback_cloud::Region;
use comeback_cloud::calls::{Action as Call, actions as calls};
use comeback_cloud::ids::{InstanceId, SnapshotId, VolumeId};
use comeback_cloud::model::{AutoRecovery, Instance, RebootMigration, Snapshot};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::{Action, ActionError, Context, given};
use crate::lease;
use crate::progress::Event;
use crate::snapshots;
use crate::step::Step;

/// The source, as it is now.
pub(crate) async fn source(context: &Context) -> Result<Instance, ActionError> {
    instance(&context.region, context.plan.instance()).await
}

/// An instance, as it is now.
pub(crate) async fn instance(region: &Region, id: &InstanceId) -> Result<Instance, ActionError> {
    Ok(region.instance_now(id).await?)
}

/// A tag on the source that keeps two operators apart.
pub(crate) struct Lease;

#[async_trait]
impl Action for Lease {
    fn id(&self) -> String {
        "protect/lease".to_owned()
    }

    fn step(&self) -> Step {
        Step::Protect
    }

    fn title(&self) -> String {
        "mark the source as ours".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![&calls::DESCRIBE_INSTANCES, &calls::CREATE_TAGS, &calls::DELETE_TAGS]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let source = source(context).await?;
        if let Some(holder) = lease::held_by_another(&source, &context.run, Timestamp::now()) {
            return Err(ActionError::unexpected(
                format!("{} is held by run {holder}", source.id),
                format!(
                    "finish that run, or, if it is over and its operator agrees, remove the tag {} from {}",
                    lease::TAG,
                    source.id
                ),
            ));
        }
        let until = Timestamp::now() + signed(context.patience.lease);
        context
            .region
            .create_tags(
                &[source.id.as_str()],
                &[(lease::TAG.to_owned(), lease::value(&context.run, until))].into(),
            )
            .await?;
        // Of two who wrote at the same time, one reads the other's name.
        tokio::time::sleep(context.patience.pause).await;
        let source = self::source(context).await?;
        if let Some(holder) = lease::held_by_another(&source, &context.run, Timestamp::now()) {
            return Err(ActionError::unexpected(
                format!("{} was taken by run {holder} at the same time", source.id),
                "that run has it",
            ));
        }
        Ok(Value::Null)
    }

    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        let source = source(context).await?;
        if lease::is_ours(&source, &context.run) {
            context.region.delete_tags(&[source.id.as_str()], &[lease::TAG]).await?;
        }
        Ok(())
    }

    fn by_hand(&self, context: &Context) -> Vec<String> {
        vec![format!(
            "aws ec2 delete-tags --region {} --resources {} --tags Key={}",
            context.plan.region,
            context.plan.instance(),
            lease::TAG
        )]
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// Switches off what would move the source to another host by itself: there it would boot, which it may not survive.
pub(crate) struct Hold;

#[async_trait]
impl Action for Hold {
    fn id(&self) -> String {
        "protect/hold".to_owned()
    }

    fn step(&self) -> Step {
        Step::Protect
    }

    fn title(&self) -> String {
        "switch automatic recovery and reboot migration off".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![&calls::DESCRIBE_INSTANCES, &calls::MODIFY_INSTANCE_MAINTENANCE_OPTIONS]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        set_maintenance(context, &AutoRecovery::Disabled, Some(&RebootMigration::Disabled)).await?;
        Ok(Value::Null)
    }

    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        let was = &context.plan.source.instance.maintenance_options;
        // EC2 does not always tell what reboot migration is; then it is its default.
        let migration = was.reboot_migration.clone().unwrap_or(RebootMigration::Default);
        set_maintenance(context, &was.auto_recovery, Some(&migration)).await
    }

    fn by_hand(&self, context: &Context) -> Vec<String> {
        vec![format!(
            "aws ec2 modify-instance-maintenance-options --region {} --instance-id {} --auto-recovery {}",
            context.plan.region,
            context.plan.instance(),
            context.plan.source.instance.maintenance_options.auto_recovery
        )]
    }
}

async fn set_maintenance(
    context: &Context,
    recovery: &AutoRecovery,
    migration: Option<&RebootMigration>,
) -> Result<(), ActionError> {
    let now = source(context).await?.maintenance_options;
    if now.auto_recovery != *recovery || (now.reboot_migration.is_some() && now.reboot_migration.as_ref() != migration)
    {
        context
            .region
            .set_maintenance_options(context.plan.instance(), Some(recovery), migration)
            .await?;
    }
    Ok(())
}

/// Snapshots of all volumes. Taken while the source runs, they are what is left if it does not survive being stopped;
/// taken again once it is stopped, they are what copies are made from.
pub(crate) struct Snapshots {
    pub(crate) stopped: bool,
}

/// What [`Snapshots`] gives.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Taken {
    /// Each volume and its snapshot.
    pub(crate) snapshots: Vec<(VolumeId, SnapshotId)>,
}

impl Snapshots {
    pub(crate) const RUNNING: &str = "protect/snapshots";
    pub(crate) const STOPPED: &str = "stop/snapshots";
}

#[async_trait]
impl Action for Snapshots {
    fn id(&self) -> String {
        if self.stopped { Self::STOPPED } else { Self::RUNNING }.to_owned()
    }

    fn step(&self) -> Step {
        if self.stopped { Step::Stop } else { Step::Protect }
    }

    fn title(&self) -> String {
        "snapshot all volumes, and wait until that is complete".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![
            &calls::DESCRIBE_SNAPSHOTS,
            &calls::CREATE_SNAPSHOTS,
            &calls::CREATE_TAGS,
        ]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let mut snapshots = taken(context, &self.id()).await?;
        if snapshots.is_empty() {
            let what = format!("comeback {}: {}", context.run, context.plan.instance());
            snapshots = context
                .region
                .create_snapshots(context.plan.instance(), false, &what, &context.tags(&self.id()))
                .await?;
        }
        let mut all = Vec::new();
        for volume in &context.plan.source.volumes {
            let Some(snapshot) = snapshots
                .iter()
                .find(|snapshot| snapshot.volume.as_ref() == Some(&volume.id))
            else {
                return Err(ActionError::unexpected(
                    format!("the snapshots have none of {}", volume.id),
                    "was it attached after the plan was made? Make a new plan",
                ));
            };
            complete(context, &self.id(), snapshot).await?;
            all.push((volume.id.clone(), snapshot.id.clone()));
        }
        given(&Taken { snapshots: all })
    }

    // No undo: snapshots are kept until `finalize`, whatever happens.
}

/// Snapshots that an action made earlier.
pub(crate) async fn taken(context: &Context, action: &str) -> Result<Vec<Snapshot>, ActionError> {
    Ok(snapshots::taken(&context.region, &context.run, action).await?)
}

/// Waits until a snapshot is complete.
pub(crate) async fn complete(context: &Context, action: &str, snapshot: &Snapshot) -> Result<(), ActionError> {
    let tell = |what| {
        context.reporter.tell(Event::Goes {
            action: action.to_owned(),
            what,
        });
    };
    let outcome = snapshots::complete(&context.region, &snapshot.id, context.patience.snapshot, tell).await?;
    outcome.map_err(|message| {
        ActionError::unexpected(
            format!("snapshot {} failed: {message}", snapshot.id),
            "delete it, and begin again",
        )
    })
}
