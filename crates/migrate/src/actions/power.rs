//! Instances are stopped and started, and waited for.

use std::time::Duration;

use comeback_cloud::ids::InstanceId;
use comeback_cloud::model::{Instance, InstanceState};
use comeback_cloud::{CloudError, Region};

use super::protect::instance;
use crate::action::{ActionError, Context};
use crate::progress::Event;

/// Stops an instance and waits until it is. A guest that does not shut down, as one that never booted, has its power taken
/// away in the end.
pub(crate) async fn stop(context: &Context, action: &str, id: &InstanceId) -> Result<(), ActionError> {
    let region = &context.region;
    let now = instance(region, id).await?;
    match now.state {
        InstanceState::Stopped => return Ok(()),
        InstanceState::Stopping => {}
        InstanceState::Terminated | InstanceState::ShuttingDown => return Err(gone(&now)),
        _ => region.stop(id, false).await?,
    }
    let stopped = |now: &Instance| match now.state {
        InstanceState::Stopped => Some(Ok(())),
        InstanceState::Terminated | InstanceState::ShuttingDown => Some(Err(gone(now))),
        _ => None,
    };
    match region.instance_when(id, context.patience.shutdown, stopped).await {
        Ok(stopped) => return stopped,
        Err(error) if error.kind == comeback_cloud::ErrorKind::Late => {}
        Err(error) => return Err(error.into()),
    }
    context.reporter.tell(Event::Goes {
        action: action.to_owned(),
        what: format!(
            "{id} has not shut down in {} s; its power is taken away now",
            context.patience.shutdown.as_secs()
        ),
    });
    region.stop(id, true).await?;
    region.instance_when(id, context.patience.change, stopped).await?
}

fn gone(instance: &Instance) -> ActionError {
    ActionError::unexpected(
        format!("{} is {}", instance.id, instance.state),
        "its volumes may be left: `comeback status` names their snapshots",
    )
}

/// Starts an instance and waits until it runs.
pub(crate) async fn start(context: &Context, id: &InstanceId) -> Result<(), ActionError> {
    let region = &context.region;
    match instance(region, id).await?.state {
        InstanceState::Running => return Ok(()),
        InstanceState::Pending => {}
        _ => region.start(id).await?,
    }
    running(context, id).await
}

/// Waits until an instance runs. One that falls back has a reason.
pub(crate) async fn running(context: &Context, id: &InstanceId) -> Result<(), ActionError> {
    let outcome = comes_up(&context.region, id, context.patience.change).await?;
    outcome.map_err(|reason| {
        ActionError::unexpected(
            format!("{id} does not start: {reason}"),
            "the reason is EC2's own; a key that may not be used and a volume that is gone are the usual ones",
        )
    })
}

/// Waits until an instance runs, or has fallen back, for which EC2 has a reason.
pub(crate) async fn comes_up(
    region: &Region,
    id: &InstanceId,
    within: Duration,
) -> Result<Result<(), String>, CloudError> {
    let mut was_pending = false;
    let running = |now: &Instance| match now.state {
        InstanceState::Running => Some(Ok(())),
        InstanceState::Pending => {
            was_pending = true;
            None
        }
        // Before it was seen on its way, this may be an old answer.
        InstanceState::Stopped | InstanceState::Terminated if was_pending => {
            Some(Err(now.state_reason.clone().unwrap_or_else(|| now.state.to_string())))
        }
        _ => None,
    };
    region.instance_when(id, within, running).await
}
