//! The final instance: launched as the host was, but with the source's primary interface.

use async_trait::async_trait;
use comeback_cloud::calls::{Action as Call, actions as calls};
use comeback_cloud::model::Interface;
use comeback_cloud::{InterfaceUse, NetworkUse};
use serde_json::Value;

use crate::action::{Action, ActionError, Context};
use crate::actions::host::{self, launched};
use crate::actions::{identity, power};
use crate::step::Step;

/// Launches the final instance and waits until it runs.
pub(super) struct Launch;

#[async_trait]
impl Action for Launch {
    fn id(&self) -> String {
        host::FINAL.to_owned()
    }

    fn step(&self) -> Step {
        Step::Readdress
    }

    fn title(&self) -> String {
        "launch the final instance with that interface".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![
            &calls::RUN_INSTANCES,
            &calls::CREATE_TAGS,
            &calls::DESCRIBE_INSTANCES,
            &calls::START_INSTANCES,
        ]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        // It brings its subnet, groups and addresses along; no public one can be asked for with it.
        let network = |context: &Context| {
            Ok(NetworkUse::Interfaces(vec![InterfaceUse::Existing {
                id: identity::source_interface(&context.plan)?,
                device_index: 0,
            }]))
        };
        host::launch(context, host::FINAL, network).await
    }
}

/// Ties the interface to the final instance as it was tied to the source.
pub(super) struct Flag;

#[async_trait]
impl Action for Flag {
    fn id(&self) -> String {
        "readdress/interface".to_owned()
    }

    fn step(&self) -> Step {
        Step::Readdress
    }

    fn title(&self) -> String {
        "tie the interface to it as it was to the source".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![
            &calls::DESCRIBE_NETWORK_INTERFACES,
            &calls::MODIFY_NETWORK_INTERFACE_ATTRIBUTE,
        ]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let wanted = context.plan.source.instance.primary_interface();
        let wanted = wanted.is_some_and(|interface| interface.delete_on_termination);
        let launched = launched(&context.of_final())?;
        let attached = |now: &Interface| {
            now.attachment
                .as_ref()
                .is_some_and(|at| at.instance.as_ref() == Some(&launched.instance))
        };
        let now = identity::until(context, &launched.interface, "at the final instance", attached).await?;
        if let Some(at) = now.attachment.filter(|at| at.delete_on_termination != wanted) {
            context
                .region
                .set_interface_delete_on_termination(&launched.interface, &at.id, wanted)
                .await?;
        }
        Ok(Value::Null)
    }
}

/// Stops the final instance, for its root to be swapped.
pub(super) struct Stop;

#[async_trait]
impl Action for Stop {
    fn id(&self) -> String {
        "readdress/stop-final".to_owned()
    }

    fn step(&self) -> Step {
        Step::Readdress
    }

    fn title(&self) -> String {
        "stop it".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![&calls::DESCRIBE_INSTANCES, &calls::STOP_INSTANCES]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let last = launched(&context.of_final())?.instance;
        power::stop(context, &self.id(), &last).await?;
        Ok(Value::Null)
    }
}
