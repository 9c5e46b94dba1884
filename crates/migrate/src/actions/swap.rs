//! Step 7: the host loses its own root, and lets go of the converted one.

use async_trait::async_trait;
use comeback_cloud::calls::{Action as Call, actions as calls};
use serde_json::Value;

use super::attach::root;
use super::host::launched;
use super::{detach, place};
use crate::action::{Action, ActionError, Context};
use crate::step::Step;

/// Takes the converted root off its secondary place.
pub(crate) struct Release;

#[async_trait]
impl Action for Release {
    fn id(&self) -> String {
        "swap/release".to_owned()
    }

    fn step(&self) -> Step {
        Step::DetachHostRoot
    }

    fn title(&self) -> String {
        "detach the converted root from its secondary place".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![&calls::DESCRIBE_VOLUMES, &calls::DETACH_VOLUME]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let host = launched(context)?;
        let volume = detach::volume(context, root(&context.plan)?)?;
        place::take(context, &volume, &host.instance).await?;
        Ok(Value::Null)
    }

    // No undo: the way back takes it off the host anyway.
}

/// Takes the host's own root off.
pub(crate) struct HostRoot;

#[async_trait]
impl Action for HostRoot {
    fn id(&self) -> String {
        "swap/host-root".to_owned()
    }

    fn step(&self) -> Step {
        Step::DetachHostRoot
    }

    fn title(&self) -> String {
        "detach the host's own root".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![&calls::DESCRIBE_VOLUMES, &calls::DETACH_VOLUME, &calls::ATTACH_VOLUME]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let host = launched(context)?;
        place::take(context, &host.root, &host.instance).await?;
        Ok(Value::Null)
    }

    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        let host = launched(context)?;
        place::put(context, &host.root, &host.instance, &host.root_device).await
    }

    fn by_hand(&self, context: &Context) -> Vec<String> {
        let attach = |host: super::host::Launched| {
            format!(
                "aws ec2 attach-volume --region {} --volume-id {} --instance-id {} --device {}",
                context.plan.region, host.root, host.instance, host.root_device
            )
        };
        launched(context).map(attach).into_iter().collect()
    }
}
