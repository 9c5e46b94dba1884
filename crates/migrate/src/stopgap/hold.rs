//! Keeping AWS from moving an instance by itself: automatic recovery, and the migration that a reboot of one's own becomes while a
//! `system-reboot` is due, both take it to another host, where it boots.

use comeback_cloud::Region;
use comeback_cloud::ids::InstanceId;
use comeback_cloud::model::{AutoRecovery, Instance, InstanceState, MaintenanceOptions, RebootMigration};
use jiff::Timestamp;

use super::record::Held;
use super::{Records, StopgapError};

/// What is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The instance.
    pub instance: InstanceId,
    /// Automatic recovery, as it is and as it shall be.
    pub auto_recovery: (AutoRecovery, AutoRecovery),
    /// Reboot migration, as it is (EC2 does not always tell) and as it shall be.
    pub reboot_migration: (Option<RebootMigration>, RebootMigration),
}

impl Change {
    /// Whether it is that way already.
    pub fn is_done(&self) -> bool {
        let (is, shall) = &self.reboot_migration;
        self.auto_recovery.0 == self.auto_recovery.1 && is.as_ref() == Some(shall)
    }

    fn to(instance: &Instance, auto_recovery: AutoRecovery, reboot_migration: RebootMigration) -> Self {
        let MaintenanceOptions {
            auto_recovery: was,
            reboot_migration: migrated,
        } = instance.maintenance_options.clone();
        Self {
            instance: instance.id.clone(),
            auto_recovery: (was, auto_recovery),
            reboot_migration: (migrated, reboot_migration),
        }
    }
}

fn alive(instance: &Instance) -> Result<(), StopgapError> {
    match instance.state {
        InstanceState::Terminated | InstanceState::ShuttingDown => Err(StopgapError::refused(
            format!("{} is {}", instance.id, instance.state),
            "there is nothing left to hold",
        )),
        _ => Ok(()),
    }
}

/// What holding an instance would change.
///
/// # Errors
/// [`StopgapError`].
pub async fn plan(region: &Region, id: &InstanceId) -> Result<Change, StopgapError> {
    let instance = region.instance(id).await?;
    alive(&instance)?;
    Ok(Change::to(&instance, AutoRecovery::Disabled, RebootMigration::Disabled))
}

/// What letting it go would change.
///
/// # Errors
/// [`StopgapError::Refused`] when nothing is on record here; else [`StopgapError`].
pub async fn plan_release(region: &Region, records: &Records, id: &InstanceId) -> Result<Change, StopgapError> {
    let kept = records.take(region.name(), region.account(), id)?;
    let Some(held) = &kept.record.held else {
        return Err(StopgapError::refused(
            format!("{id} is not on record as held by this user, so what there was before is not known"),
            format!(
                "AWS's own setting is `default`: aws ec2 modify-instance-maintenance-options --region {} --instance-id {id} \
                 --auto-recovery default --reboot-migration default",
                region.name()
            ),
        ));
    };
    let instance = region.instance(id).await?;
    alive(&instance)?;
    let migration = held.reboot_migration.clone().unwrap_or(RebootMigration::Default);
    Ok(Change::to(&instance, held.auto_recovery.clone(), migration))
}

/// Holds it. What there was is on record first; a second hold does not overwrite what the first one found.
///
/// # Errors
/// [`StopgapError`].
pub async fn hold(region: &Region, records: &Records, change: &Change) -> Result<(), StopgapError> {
    let mut kept = records.take(region.name(), region.account(), &change.instance)?;
    if kept.record.held.is_none() {
        kept.record.held = Some(Held {
            at: Timestamp::now(),
            auto_recovery: change.auto_recovery.0.clone(),
            reboot_migration: change.reboot_migration.0.clone(),
        });
        kept.write()?;
    }
    set(region, change).await
}

/// Lets it go, and forgets what there was.
///
/// # Errors
/// [`StopgapError`].
pub async fn release(region: &Region, records: &Records, change: &Change) -> Result<(), StopgapError> {
    let mut kept = records.take(region.name(), region.account(), &change.instance)?;
    set(region, change).await?;
    kept.record.held = None;
    kept.write()?;
    Ok(())
}

async fn set(region: &Region, change: &Change) -> Result<(), StopgapError> {
    if !change.is_done() {
        region
            .set_maintenance_options(
                &change.instance,
                Some(&change.auto_recovery.1),
                Some(&change.reboot_migration.1),
            )
            .await?;
    }
    Ok(())
}
