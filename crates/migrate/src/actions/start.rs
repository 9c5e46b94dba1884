//! Step 9: the host, with the source's root as its own, is the target, and starts.

use async_trait::async_trait;
use comeback_cloud::calls::{Action as Call, actions as calls};
use serde_json::Value;

use super::host::{self, launched};
use super::power;
use crate::action::{Action, ActionError, Context};
use crate::step::Step;

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
        power::start(context, &launched(context)?.instance).await?;
        Ok(Value::Null)
    }

    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        power::stop(context, &self.id(), &launched(context)?.instance).await
    }

    fn by_hand(&self, context: &Context) -> Vec<String> {
        host::by_hand_stop(context)
    }
}
