//! Step 2: the volumes come off the source. Or, where they are to be left alone, copies of them are made.

use async_trait::async_trait;
use comeback_cloud::VolumeRequest;
use comeback_cloud::calls::{Action as Call, actions as calls};
use comeback_cloud::ids::VolumeId;
use comeback_cloud::model::VolumeState;
use serde_json::Value;

use super::place;
use super::protect::{Snapshots, Taken};
use crate::action::{Action, ActionError, Context, given};
use crate::plan::{Device, Volumes};
use crate::step::Step;

/// Takes a volume off the source.
pub(crate) struct Detach {
    pub(crate) device: Device,
}

#[async_trait]
impl Action for Detach {
    fn id(&self) -> String {
        format!("detach/{}", self.device.volume)
    }

    fn step(&self) -> Step {
        Step::Detach
    }

    fn title(&self) -> String {
        format!("detach {} ({}) from the source", self.device.volume, self.device.was)
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![
            &calls::DESCRIBE_VOLUMES,
            &calls::DETACH_VOLUME,
            &calls::ATTACH_VOLUME,
            &calls::MODIFY_INSTANCE_ATTRIBUTE,
        ]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        place::take(context, &self.device.volume, context.plan.instance()).await?;
        Ok(Value::Null)
    }

    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        let (volume, source) = (&self.device.volume, context.plan.instance());
        place::put(context, volume, source, &self.device.was).await?;
        // EC2 forgets this when a volume is attached again.
        let wanted = self.device.delete_on_termination;
        place::set_delete_on_termination(context, source, volume, &self.device.was, wanted).await
    }

    fn by_hand(&self, context: &Context) -> Vec<String> {
        let (region, source) = (&context.plan.region, context.plan.instance());
        vec![format!(
            "aws ec2 attach-volume --region {region} --volume-id {} --instance-id {source} --device {}",
            self.device.volume, self.device.was
        )]
    }
}

/// Makes a copy of a volume.
pub(crate) struct Copy {
    pub(crate) device: Device,
}

fn copy_id(volume: &VolumeId) -> String {
    format!("copy/{volume}")
}

/// The volume that goes on in the place of the source's: itself, or its copy.
pub(crate) fn volume(context: &Context, device: &Device) -> Result<VolumeId, ActionError> {
    match context.plan.volumes {
        Volumes::Original => Ok(device.volume.clone()),
        Volumes::Copy => context.output(&copy_id(&device.volume)),
    }
}

#[async_trait]
impl Action for Copy {
    fn id(&self) -> String {
        copy_id(&self.device.volume)
    }

    fn step(&self) -> Step {
        Step::Detach
    }

    fn title(&self) -> String {
        format!("make a copy of {} ({})", self.device.volume, self.device.was)
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![&calls::CREATE_VOLUME, &calls::DESCRIBE_VOLUMES, &calls::CREATE_TAGS]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let taken: Taken = context.output(Snapshots::STOPPED)?;
        let snapshot = taken
            .snapshots
            .into_iter()
            .find_map(|(volume, snapshot)| (volume == self.device.volume).then_some(snapshot));
        let original = context
            .plan
            .source
            .volumes
            .iter()
            .find(|volume| volume.id == self.device.volume);
        let (Some(snapshot), Some(original)) = (snapshot, original) else {
            return Err(ActionError::unexpected(
                format!("the plan and its snapshots do not name {}", self.device.volume),
                "make a new plan",
            ));
        };
        let mut tags = original.tags.clone();
        tags.retain(|key, _| !key.starts_with("aws:"));
        tags.extend(context.tags(&self.id()));
        let made = context
            .region
            .create_volume(&VolumeRequest {
                token: context.token(&self.id()),
                zone: original.zone.clone(),
                snapshot: Some(snapshot),
                size_gib: Some(original.size_gib),
                kind: original.kind.clone(),
                // Only these take a number; gp2 has one of its own that cannot be asked for.
                iops: original
                    .iops
                    .filter(|_| matches!(original.kind.as_str(), "io1" | "io2" | "gp3")),
                throughput: original.throughput.filter(|_| original.kind == "gp3"),
                encrypted: original.encrypted.then_some(true),
                kms_key: original.kms_key.clone(),
                tags,
            })
            .await?;
        let ready = context
            .region
            .volume_when(&made.id, context.patience.change, |volume| match volume.state {
                VolumeState::Creating => None,
                VolumeState::Error => Some(Err(())),
                _ => Some(Ok(())),
            })
            .await?;
        ready.map_err(|()| {
            ActionError::unexpected(
                format!("{}, the copy of {}, ended in an error", made.id, self.device.volume),
                "an encrypted volume needs leave to use its key; see the key's policy",
            )
        })?;
        given(&made.id)
    }

    // No undo: what was made is kept until `finalize`.
}
