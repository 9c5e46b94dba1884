//! Step 9: the host, with the source's root as its own, is the target, and starts.

use std::time::Duration;

use async_trait::async_trait;
use comeback_cloud::calls::{Action as Call, actions as calls};
use comeback_cloud::ids::InstanceId;
use comeback_cloud::model::{Instance, InstanceState};
use comeback_cloud::{CloudError, Region};
use serde_json::Value;

use super::host::launched;
use super::protect::instance;
use super::stop;
use crate::action::{Action, ActionError, Context};
use crate::step::Step;

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

/// Starts the target.
pub(crate) struct Target;

#[async_trait]
impl Action for Target {
    fn id(&self) -> String {
        "start/target".to_owned()
    }

    fn step(&self) -> Step {
        Step::Start
    }

    fn title(&self) -> String {
        "start the target".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![
            &calls::DESCRIBE_INSTANCES,
            &calls::START_INSTANCES,
            &calls::STOP_INSTANCES,
        ]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        start(context, &launched(context)?.instance).await?;
        Ok(Value::Null)
    }

    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        stop::stop(context, &self.id(), &launched(context)?.instance).await
    }

    fn by_hand(&self, context: &Context) -> Vec<String> {
        super::host::by_hand_stop(context)
    }
}
