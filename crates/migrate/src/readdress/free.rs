//! The volumes come off the target, and the source's primary interface is freed: the point of no return.

use async_trait::async_trait;
use comeback_cloud::ErrorKind;
use comeback_cloud::calls::{Action as Call, actions as calls};
use comeback_cloud::ids::InstanceId;
use comeback_cloud::model::{Instance, InstanceState, InterfaceState};
use serde_json::Value;

use super::preserve;
use crate::action::{Action, ActionError, Context};
use crate::actions::{assemble, host, identity, protect};
use crate::plan::Device;
use crate::step::Step;

/// Takes a volume off the target.
pub(super) struct Vacate {
    volume: assemble::Volume,
}

impl Vacate {
    pub(super) const fn new(device: Device) -> Self {
        Self {
            volume: assemble::Volume { device },
        }
    }
}

#[async_trait]
impl Action for Vacate {
    fn id(&self) -> String {
        format!("readdress/vacate/{}", self.volume.device.volume)
    }

    fn step(&self) -> Step {
        Step::Readdress
    }

    fn title(&self) -> String {
        format!(
            "detach {} ({}) from the target",
            self.volume.device.volume, self.volume.device.becomes
        )
    }

    fn calls(&self) -> Vec<&'static Call> {
        let mut calls = self.volume.calls();
        calls.extend([&calls::DESCRIBE_INSTANCES, &calls::DESCRIBE_SNAPSHOTS]);
        calls
    }

    /// Somebody may have started the target after an interruption. It has written since its snapshots were taken, then, and
    /// nothing may be torn off it.
    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let target = host::host(context)?.instance;
        let stopped = |now: &Instance| (now.state == InstanceState::Stopped).then_some(());
        // An answer from before its stop says the same, for a while.
        match context
            .region
            .instance_when(&target, context.patience.consistency, stopped)
            .await
        {
            Err(error) if error.kind == ErrorKind::Late => return Err(was_started(&target)),
            other => other?,
        }
        if preserve::is_stale(context).await? {
            return Err(was_started(&target));
        }
        self.volume.undo(context).await?;
        Ok(Value::Null)
    }

    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        self.volume.apply(context).await.map(drop)
    }

    fn by_hand(&self, context: &Context) -> Vec<String> {
        let attach = |target: host::Launched| {
            let device = &self.volume.device;
            let is_root = context.plan.root().is_some_and(|root| root.volume == device.volume);
            format!(
                "aws ec2 attach-volume --region {} --volume-id {} --instance-id {} --device {}",
                context.plan.region,
                device.volume,
                target.instance,
                if is_root { &target.root_device } else { &device.becomes }
            )
        };
        host::host(context).map(attach).into_iter().collect()
    }
}

fn was_started(target: &InstanceId) -> ActionError {
    ActionError::unexpected(
        format!("{target} was started after its snapshots were taken"),
        "everything was taken back; begin again when it may be stopped",
    )
}

/// Tells the source's primary interface to outlive it.
pub(super) struct Retain;

impl Retain {
    async fn set(context: &Context, wanted: bool) -> Result<(), ActionError> {
        let id = identity::source_interface(&context.plan)?;
        let now = identity::look(context, &id).await?;
        let attachment = now
            .attachment
            .filter(|at| at.instance.as_ref() == Some(context.plan.instance()));
        let attachment = attachment.ok_or_else(|| {
            ActionError::unexpected(
                format!("{id} is not at {}", context.plan.instance()),
                "find out who terminated the source",
            )
        })?;
        if attachment.delete_on_termination != wanted {
            context
                .region
                .set_interface_delete_on_termination(&id, &attachment.id, wanted)
                .await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Action for Retain {
    fn id(&self) -> String {
        "readdress/retain-interface".to_owned()
    }

    fn step(&self) -> Step {
        Step::Readdress
    }

    fn title(&self) -> String {
        "tell the source's primary interface to outlive it".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![
            &calls::DESCRIBE_NETWORK_INTERFACES,
            &calls::MODIFY_NETWORK_INTERFACE_ATTRIBUTE,
        ]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        Self::set(context, false).await?;
        Ok(Value::Null)
    }

    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        let was = context.plan.source.instance.primary_interface();
        Self::set(context, was.is_some_and(|was| was.delete_on_termination)).await
    }
}

/// Lifts the source's protection against being terminated.
pub(super) struct Unprotect;

#[async_trait]
impl Action for Unprotect {
    fn id(&self) -> String {
        "readdress/unprotect-source".to_owned()
    }

    fn step(&self) -> Step {
        Step::Readdress
    }

    fn title(&self) -> String {
        "lift the source's protection against being terminated".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![&calls::MODIFY_INSTANCE_ATTRIBUTE]
    }

    /// Setting a value twice is as good as once: it is not looked at first.
    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let source = context.plan.instance();
        context.region.set_termination_protection(source, false).await?;
        Ok(Value::Null)
    }

    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        let source = context.plan.instance();
        context.region.set_termination_protection(source, true).await?;
        Ok(())
    }

    fn by_hand(&self, context: &Context) -> Vec<String> {
        vec![format!(
            "aws ec2 modify-instance-attribute --region {} --instance-id {} --disable-api-termination",
            context.plan.region,
            context.plan.instance()
        )]
    }
}

/// Terminates the source, and waits until its primary interface is free. There is no undo: that is what this is.
pub(super) struct Terminate;

impl Terminate {
    /// Whether the source is still there, stopped as it was: then all can be taken back.
    pub(super) async fn was_not_begun(context: &Context) -> bool {
        let now = protect::source(context).await;
        now.is_ok_and(|now| !is_going(&now))
    }
}

fn is_going(instance: &Instance) -> bool {
    matches!(instance.state, InstanceState::Terminated | InstanceState::ShuttingDown)
}

#[async_trait]
impl Action for Terminate {
    fn id(&self) -> String {
        "readdress/terminate-source".to_owned()
    }

    fn step(&self) -> Step {
        Step::Readdress
    }

    fn title(&self) -> String {
        "terminate the source, and wait until its primary interface is free".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![
            &calls::DESCRIBE_INSTANCES,
            &calls::TERMINATE_INSTANCES,
            &calls::DESCRIBE_NETWORK_INTERFACES,
            &calls::MODIFY_NETWORK_INTERFACE_ATTRIBUTE,
        ]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let (region, source) = (&context.region, context.plan.instance());
        let interface = identity::source_interface(&context.plan)?;
        let there = match region.instances(std::slice::from_ref(source)).await {
            Ok(found) => found.into_iter().next(),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error.into()),
        };
        if let Some(now) = there {
            if !is_going(&now) {
                // Whatever became of that since: with the source it would be gone for good.
                Retain::set(context, false).await?;
                region.terminate(source).await?;
            }
            let gone = |now: &Instance| (now.state == InstanceState::Terminated).then_some(());
            region.instance_when(source, context.patience.change, gone).await?;
        }
        let now = identity::look(context, &interface).await?;
        // Where this was not seen to end, the final instance has it already.
        let is_ours = now.attachment.is_some_and(|at| at.instance.as_ref() != Some(source));
        if !is_ours {
            identity::until(context, &interface, "free", |now| {
                now.state == InterfaceState::Available
            })
            .await?;
        }
        Ok(Value::Null)
    }
}
