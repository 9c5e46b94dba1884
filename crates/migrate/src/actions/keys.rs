//! Part of step 0: may the keys of encrypted volumes be used? A volume that was attached years ago goes on without its key being
//! asked for; once the source has stopped, it would show too late that the key is disabled or its policy has changed. So a
//! volume is made from the snapshot of one volume of each key, and deleted again.

use std::collections::BTreeSet;

use async_trait::async_trait;
use comeback_cloud::calls::{Action as Call, actions as calls};
use comeback_cloud::ids::VolumeId;
use comeback_cloud::model::{Volume, VolumeState};
use comeback_cloud::{CloudError, ErrorKind, Filter, VolumeRequest};
use serde_json::Value;

use super::protect::{Snapshots, Taken};
use crate::action::{Action, ActionError, Context, TAG_ACTION, TAG_RUN, given};
use crate::plan::Plan;
use crate::step::Step;

/// The smallest volume of each key: its snapshot decides how large the volume has to be that tries the key.
fn tried(plan: &Plan) -> Vec<&Volume> {
    let mut encrypted: Vec<&Volume> = plan.source.volumes.iter().filter(|volume| volume.encrypted).collect();
    encrypted.sort_by_key(|volume| (volume.size_gib, &volume.id));
    let mut keys = BTreeSet::new();
    encrypted.retain(|volume| keys.insert(&volume.kms_key));
    encrypted
}

/// What tries the keys, if there are any.
pub(crate) fn all(plan: &Plan) -> Vec<Box<dyn Action>> {
    if tried(plan).is_empty() {
        return Vec::new();
    }
    vec![Box::new(Try), Box::new(Discard)]
}

/// Makes a volume with each key.
pub(crate) struct Try;

impl Try {
    const ID: &str = "protect/keys";

    async fn make(&self, context: &Context, volume: &Volume, there: &[Volume]) -> Result<VolumeId, ActionError> {
        let taken: Taken = context.output(Snapshots::RUNNING)?;
        let snapshot = taken
            .snapshots
            .into_iter()
            .find_map(|(of, snapshot)| (of == volume.id).then_some(snapshot))
            .ok_or_else(|| {
                ActionError::unexpected(format!("there is no snapshot of {}", volume.id), "make a new plan")
            })?;
        let of_this: Vec<&Volume> = there
            .iter()
            .filter(|made| made.snapshot.as_ref() == Some(&snapshot))
            .collect();
        if let Some(usable) = of_this.iter().find(|made| made.state != VolumeState::Error) {
            return Ok(usable.id.clone());
        }
        let made = context
            .region
            .create_volume(&VolumeRequest {
                // The token of a try that failed would bring its volume back.
                token: context.token(&format!("keys-{}-{}", of_this.len(), volume.id)),
                zone: volume.zone.clone(),
                snapshot: Some(snapshot),
                size_gib: None,
                kind: "gp2".to_owned(),
                iops: None,
                throughput: None,
                encrypted: None,
                kms_key: None,
                tags: context.tags(Self::ID),
            })
            .await;
        match made {
            Ok(made) => Ok(made.id),
            Err(error) if is_about_a_key(&error) => Err(refused(volume, &error.to_string())),
            Err(error) => Err(error.into()),
        }
    }
}

/// EC2 has many codes for this, and all of them name KMS.
fn is_about_a_key(error: &CloudError) -> bool {
    matches!(&error.kind, ErrorKind::Other(code) if code.to_ascii_lowercase().contains("kms"))
        || (error.message.contains("KMS") && !error.is_transient())
}

fn refused(volume: &Volume, why: &str) -> ActionError {
    let key = volume.kms_key.as_deref().unwrap_or("its key, which EC2 does not name");
    ActionError::unexpected(
        format!("{} is encrypted with {key}, which may not be used: {why}", volume.id),
        "the source was not stopped. See whether the key is enabled (aws kms describe-key), and let its policy allow these \
         credentials kms:CreateGrant, kms:Decrypt, kms:DescribeKey, kms:GenerateDataKeyWithoutPlaintext and kms:ReEncrypt*; \
         then migrate again",
    )
}

/// Volumes that were made to try keys.
async fn made(context: &Context) -> Result<Vec<Volume>, ActionError> {
    let ours = [
        Filter::new(format!("tag:{TAG_RUN}"), [context.run.as_str()]),
        Filter::new(format!("tag:{TAG_ACTION}"), [Try::ID]),
    ];
    Ok(context.region.volumes_where(&ours).await?)
}

async fn discard(context: &Context) -> Result<(), ActionError> {
    let mut ids: BTreeSet<VolumeId> = made(context).await?.into_iter().map(|volume| volume.id).collect();
    // What a describe is too late to show.
    ids.extend(context.earlier::<Vec<VolumeId>>(Try::ID)?.unwrap_or_default());
    for id in ids {
        match context.region.delete_volume(&id).await {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

#[async_trait]
impl Action for Try {
    fn id(&self) -> String {
        Self::ID.to_owned()
    }

    fn step(&self) -> Step {
        Step::Protect
    }

    fn title(&self) -> String {
        "try the keys of the encrypted volumes".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![
            &calls::DESCRIBE_VOLUMES,
            &calls::CREATE_VOLUME,
            &calls::CREATE_TAGS,
            &calls::DELETE_VOLUME,
        ]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let there = made(context).await?;
        let mut ids = Vec::new();
        for volume in tried(&context.plan) {
            let id = self.make(context, volume, &there).await?;
            let ended = context
                .region
                .volume_when(&id, context.patience.change, |now| match now.state {
                    VolumeState::Creating => None,
                    VolumeState::Available | VolumeState::InUse => Some(true),
                    _ => Some(false),
                })
                .await;
            match ended {
                Ok(true) => ids.push(id),
                Ok(false) => return Err(refused(volume, "a volume made from its snapshot ended in an error")),
                // EC2 takes some of those that it cannot make away again.
                Err(error) if error.is_not_found() => {
                    return Err(refused(volume, "a volume made from its snapshot was gone again"));
                }
                Err(error) => return Err(error.into()),
            }
        }
        given(&ids)
    }

    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        discard(context).await
    }
}

/// Deletes those volumes.
pub(crate) struct Discard;

#[async_trait]
impl Action for Discard {
    fn id(&self) -> String {
        "protect/keys-tried".to_owned()
    }

    fn step(&self) -> Step {
        Step::Protect
    }

    fn title(&self) -> String {
        "delete the volumes that tried the keys".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![&calls::DESCRIBE_VOLUMES, &calls::DELETE_VOLUME]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        discard(context).await?;
        Ok(Value::Null)
    }

    // No undo: nobody needs them.
}
