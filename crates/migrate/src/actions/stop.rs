//! Steps 1 and 6: instances are stopped.

use async_trait::async_trait;
use comeback_cloud::calls::{Action as Call, actions as calls};
use serde_json::{Value, json};

use super::power::{start, stop};
use super::{host, protect};
use crate::action::{Action, ActionError, Context};
use crate::step::Step;

/// Step 1: the source.
pub(crate) struct Source;

#[async_trait]
impl Action for Source {
    fn id(&self) -> String {
        "stop/source".to_owned()
    }

    fn step(&self) -> Step {
        Step::Stop
    }

    fn title(&self) -> String {
        "stop the source".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![
            &calls::DESCRIBE_INSTANCES,
            &calls::STOP_INSTANCES,
            &calls::START_INSTANCES,
        ]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let was = protect::source(context).await?.state;
        stop(context, &self.id(), context.plan.instance()).await?;
        Ok(json!({ "was": was }))
    }

    /// Starts it only if that was asked for: whether it comes up is why all this is done.
    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        if !context.start_source {
            return Ok(());
        }
        // A system that starts without a disk that it expects may wait for ever, or write where the disk should be.
        let now = protect::source(context).await?;
        let planned = &context.plan.source.instance.block_devices;
        let away: Vec<_> = planned
            .iter()
            .filter(|device| now.device_of(&device.volume).is_none())
            .map(|device| device.volume.as_str())
            .collect();
        if !away.is_empty() {
            return Err(ActionError::unexpected(
                format!("{} is not started: it has not got back {}", now.id, away.join(", ")),
                "attach what is missing, then `comeback rollback` again",
            ));
        }
        start(context, context.plan.instance()).await
    }

    fn by_hand(&self, context: &Context) -> Vec<String> {
        vec![format!(
            "aws ec2 start-instances --region {} --instance-ids {}",
            context.plan.region,
            context.plan.instance()
        )]
    }
}

/// Step 6: the host.
pub(crate) struct Host;

#[async_trait]
impl Action for Host {
    fn id(&self) -> String {
        "stop/host".to_owned()
    }

    fn step(&self) -> Step {
        Step::StopHost
    }

    fn title(&self) -> String {
        "stop the host".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![&calls::DESCRIBE_INSTANCES, &calls::STOP_INSTANCES]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let host = host::launched(context)?;
        stop(context, &self.id(), &host.instance).await?;
        Ok(Value::Null)
    }

    // No undo: on the way back nobody needs the host.
}
