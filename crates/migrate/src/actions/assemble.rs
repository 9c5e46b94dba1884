//! Step 8: the converted root and the data volumes get their places, and the host what the source was set to.

use async_trait::async_trait;
use comeback_cloud::calls::{Action as Call, actions as calls};
use comeback_cloud::model::UserData;
use serde_json::Value;

use super::host::launched;
use super::{detach, place};
use crate::action::{Action, ActionError, Context};
use crate::plan::Device;
use crate::step::Step;

/// Attaches a volume of the source to the target.
pub(crate) struct Volume {
    pub(crate) device: Device,
}

impl Volume {
    /// Its name at the target. The root's is that of the root that the host has had, whatever the plan expected of its image.
    fn name(&self, context: &Context) -> Result<String, ActionError> {
        let is_root = context
            .plan
            .root()
            .is_some_and(|root| root.volume == self.device.volume);
        if is_root {
            Ok(launched(context)?.root_device)
        } else {
            Ok(self.device.becomes.clone())
        }
    }
}

#[async_trait]
impl Action for Volume {
    fn id(&self) -> String {
        format!("assemble/{}", self.device.volume)
    }

    fn step(&self) -> Step {
        Step::Assemble
    }

    fn title(&self) -> String {
        format!("attach {} as {}", self.device.volume, self.device.becomes)
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![
            &calls::DESCRIBE_VOLUMES,
            &calls::ATTACH_VOLUME,
            &calls::DETACH_VOLUME,
            &calls::MODIFY_INSTANCE_ATTRIBUTE,
        ]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let target = launched(context)?.instance;
        let volume = detach::volume(context, &self.device)?;
        let name = self.name(context)?;
        place::put(context, &volume, &target, &name).await?;
        let wanted = self.device.delete_on_termination;
        place::set_delete_on_termination(context, &target, &volume, &name, wanted).await?;
        Ok(Value::Null)
    }

    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        let target = launched(context)?.instance;
        place::take(context, &detach::volume(context, &self.device)?, &target).await
    }

    fn by_hand(&self, context: &Context) -> Vec<String> {
        let detach = |volume| {
            format!(
                "aws ec2 detach-volume --region {} --volume-id {volume}",
                context.plan.region
            )
        };
        detach::volume(context, &self.device).map(detach).into_iter().collect()
    }
}

/// Sets what the source was set to and a launch would have got in the way of: the host was started with user data of ours,
/// and had to be stoppable.
pub(crate) struct Attributes;

#[async_trait]
impl Action for Attributes {
    fn id(&self) -> String {
        "assemble/attributes".to_owned()
    }

    fn step(&self) -> Step {
        Step::Assemble
    }

    fn title(&self) -> String {
        "give the target the source's user data and settings".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![&calls::MODIFY_INSTANCE_ATTRIBUTE]
    }

    /// Setting a value twice is as good as once: it is not looked at first.
    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let target = launched(context)?.instance;
        let (region, source) = (&context.region, &context.plan.source);
        let wanted = &source.attributes;
        // Without any, what the host was started with is taken away all the same.
        let user_data = wanted.user_data.clone().unwrap_or_else(|| UserData(Vec::new()));
        region.set_user_data(&target, &user_data).await?;
        region.set_shutdown_behavior(&target, &wanted.shutdown_behavior).await?;
        if wanted.termination_protected {
            region.set_termination_protection(&target, true).await?;
        }
        if source.instance.source_dest_check == Some(false) {
            region.set_source_dest_check(&target, false).await?;
        }
        Ok(Value::Null)
    }

    /// A host that is protected cannot be deleted by `finalize`.
    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        if context.plan.source.attributes.termination_protected {
            let target = launched(context)?.instance;
            context.region.set_termination_protection(&target, false).await?;
        }
        Ok(())
    }

    fn by_hand(&self, context: &Context) -> Vec<String> {
        let unprotect = |host: super::host::Launched| {
            format!(
                "aws ec2 modify-instance-attribute --region {} --instance-id {} --no-disable-api-termination",
                context.plan.region, host.instance
            )
        };
        launched(context).map(unprotect).into_iter().collect()
    }
}
