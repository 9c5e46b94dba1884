//! Where a volume is: putting it somewhere and taking it away, looking first. Everything that moves volumes goes through
//! here.

use std::time::Duration;

use comeback_cloud::ErrorKind;
use comeback_cloud::ids::{InstanceId, VolumeId};
use comeback_cloud::model::{AttachState, InstanceState, Volume, VolumeState};

use super::protect::instance;

use crate::action::{ActionError, Context};

/// Takes a volume away from an instance, if it is there, and waits until it is free. Where the instance does not let go of it
/// although it is stopped, so that nothing can be half written, it is taken by force.
pub(crate) async fn take(context: &Context, volume: &VolumeId, from: &InstanceId) -> Result<(), ActionError> {
    let region = &context.region;
    match look(context, volume)
        .await?
        .attachment_to(from)
        .map(|there| &there.state)
    {
        None | Some(AttachState::Detached | AttachState::Detaching | AttachState::Busy) => {}
        Some(_) => region.detach_volume(volume, from, false).await?,
    }
    let late = match free(context, volume).await {
        Err(ActionError::Cloud(error)) if error.kind == ErrorKind::Late => error,
        other => return other,
    };
    let is_off = instance(region, from).await?.state == InstanceState::Stopped;
    if !is_off || look(context, volume).await?.attachment_to(from).is_none() {
        return Err(late.into());
    }
    region.detach_volume(volume, from, true).await?;
    free(context, volume).await
}

/// Waits until a volume is at no instance.
pub(crate) async fn free(context: &Context, volume: &VolumeId) -> Result<(), ActionError> {
    let free = |volume: &Volume| (volume.state == VolumeState::Available).then_some(());
    Ok(context
        .region
        .volume_when(volume, context.patience.change, free)
        .await?)
}

/// Puts a volume at an instance under a name, if it is not there, and waits until it is.
///
/// # Errors
/// When it is somewhere else, or at the same instance under another name.
pub(crate) async fn put(
    context: &Context,
    volume: &VolumeId,
    at: &InstanceId,
    device: &str,
) -> Result<(), ActionError> {
    let region = &context.region;
    let now = look(context, volume).await?;
    let elsewhere = now
        .attachments
        .iter()
        .find(|attachment| attachment.instance.as_ref() != Some(at) && attachment.state != AttachState::Detached);
    if let Some(other) = elsewhere {
        let holder = other.instance.as_ref().map_or("a service of AWS", InstanceId::as_str);
        return Err(ActionError::unexpected(
            format!("{volume} should go to {at}, and is {} {holder}", other.state),
            format!("detach it from {holder} if that is right, then `comeback resume` or `comeback rollback`"),
        ));
    }
    match now.attachment_to(at) {
        Some(attachment) if attachment.device.as_deref() != Some(device) => {
            return Err(ActionError::unexpected(
                format!(
                    "{volume} should be {device} of {at}, and is {}",
                    attachment.device.as_deref().unwrap_or("there without a name")
                ),
                format!("detach it from {at}, then `comeback resume` or `comeback rollback`"),
            ));
        }
        // On its way out, where an earlier attempt was not waited for: it has to be out before it can come in.
        Some(attachment) if matches!(attachment.state, AttachState::Detaching | AttachState::Busy) => {
            take(context, volume, at).await?;
            region.attach_volume(volume, at, device).await?;
        }
        Some(attachment) if attachment.state != AttachState::Detached => {}
        _ => region.attach_volume(volume, at, device).await?,
    }
    attached(context, volume, at, context.patience.change).await
}

/// Waits until a volume is attached to an instance.
async fn attached(context: &Context, volume: &VolumeId, to: &InstanceId, within: Duration) -> Result<(), ActionError> {
    let there = |volume: &Volume| {
        volume
            .attachment_to(to)
            .filter(|attachment| attachment.state == AttachState::Attached)
            .map(|_| ())
    };
    Ok(context.region.volume_when(volume, within, there).await?)
}

/// Sets whether a volume is deleted with its instance, if it is not so already.
pub(crate) async fn set_delete_on_termination(
    context: &Context,
    instance: &InstanceId,
    volume: &VolumeId,
    device: &str,
    wanted: bool,
) -> Result<(), ActionError> {
    let now = look(context, volume).await?;
    let is = now
        .attachment_to(instance)
        .map(|attachment| attachment.delete_on_termination);
    if is != Some(wanted) {
        context
            .region
            .set_delete_on_termination(instance, device, wanted)
            .await?;
    }
    Ok(())
}

/// A volume as it is now.
pub(crate) async fn look(context: &Context, volume: &VolumeId) -> Result<Volume, ActionError> {
    Ok(context.region.volume_now(volume).await?)
}
