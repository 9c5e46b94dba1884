//! The point of no return: what a run needs for its way back, and what it made, is deleted. Nothing else ever is.
//!
//! After a migration that is complete these are the source, the host's own root, and the snapshots; after one that was
//! rolled back they are the host and whatever else was made. Everything is found twice over: by the journal, and by the tag
//! that all things of a run carry, so that not even what was made in the moment of a kill is left over.

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use comeback_cloud::calls::{Action as Call, actions as calls};
use comeback_cloud::ids::{InstanceId, SnapshotId, VolumeId};
use comeback_cloud::model::{Instance, InstanceState, Snapshot, Volume};
use comeback_cloud::{CloudError, Filter};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::{Action, ActionError, Context, TAG_ACTION, TAG_RUN};
use crate::actions::host::{self, Launched, launched};
use crate::lease;
use crate::plan::Volumes;
use crate::readdress::image;
use crate::run::State;
use crate::step::Step;

/// Something that is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Deletion {
    /// What.
    pub what: What,
    /// Why it is no longer needed.
    pub why: String,
}

/// What is deleted, in the order in which it has to be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "kebab-case")]
pub enum What {
    /// An instance is terminated, with the volumes that go with it.
    Instance(InstanceId),
    /// A volume.
    Volume(VolumeId),
    /// A snapshot.
    Snapshot(SnapshotId),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(id) => write!(f, "instance {id}"),
            Self::Volume(id) => write!(f, "volume {id}"),
            Self::Snapshot(id) => write!(f, "snapshot {id}"),
        }
    }
}

/// What was decided to be deleted. It is in the journal before anything is, so that a `finalize` that was interrupted goes on
/// with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Decision {
    /// The state that the run was in.
    pub from: State,
    /// What is deleted.
    pub deletions: Vec<Deletion>,
}

/// What to keep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// The snapshots of the source's volumes.
    pub snapshots: bool,
    /// The source itself, stopped as it is.
    pub source: bool,
}

/// What would be deleted. Looks at the account, and changes nothing.
///
/// # Errors
/// When the account cannot be read, or something that is to be deleted is in use.
pub async fn list(context: &Context, state: State, keep: Keep) -> Result<Vec<Deletion>, ActionError> {
    let found = Found::look(context).await?;
    let mut deletions = Vec::new();
    match state {
        State::Readdressing => deletions.push(Deletion {
            what: What::Instance(host::host(context)?.instance),
            why: "the first target; the final instance has all that it had".to_owned(),
        }),
        State::RolledBack => deletions.extend(found.instances.iter().map(|instance| Deletion {
            what: What::Instance(instance.id.clone()),
            why: "the host of a run that was rolled back".to_owned(),
        })),
        _ if !keep.source => deletions.push(Deletion {
            what: What::Instance(context.plan.instance().clone()),
            why: "the source; the target has all that it had".to_owned(),
        }),
        _ => {}
    }
    let mut volumes = BTreeSet::new();
    for volume in &found.volumes {
        if let Some(why) = found.volume_is_left_over(context, state, volume)? {
            volumes.insert((volume.id.clone(), why));
        }
    }
    if state == State::Readdressing
        && let Some(last) = context.earlier::<Launched>(host::FINAL)?
    {
        // By the journal: a describe that lags may show it at its instance, or not at all.
        volumes.retain(|(id, _)| *id != last.root);
        volumes.insert((last.root, "the root that the final instance came with".to_owned()));
    }
    if state != State::RolledBack
        && context.plan.volumes == Volumes::Copy
        && (state == State::Readdressing || !keep.source)
    {
        let originals = context.plan.source.volumes.iter();
        volumes.extend(originals.map(|volume| {
            let why = "the source's own; the target has the copy".to_owned();
            (volume.id.clone(), why)
        }));
    }
    deletions.extend(volumes.into_iter().map(|(id, why)| Deletion {
        what: What::Volume(id),
        why,
    }));
    if !keep.snapshots {
        let stay = way_back(context, state);
        let goes = found.snapshots.iter().filter(|snapshot| !stay.contains(&snapshot.id));
        deletions.extend(goes.map(|snapshot| Deletion {
            what: What::Snapshot(snapshot.id.clone()),
            why: format!(
                "taken before anything was changed, of {}",
                snapshot.volume.as_ref().map_or("a volume", VolumeId::as_str)
            ),
        }));
    }
    Ok(deletions)
}

/// The snapshots of the image that stays as the way back.
fn way_back(context: &Context, state: State) -> BTreeSet<SnapshotId> {
    let registered = match state {
        State::Readdressing => image::registered(context),
        _ => None,
    };
    registered
        .into_iter()
        .flat_map(|registered| registered.snapshots)
        .collect()
}

/// What carries the run's tag.
struct Found {
    instances: Vec<Instance>,
    volumes: Vec<Volume>,
    snapshots: Vec<Snapshot>,
}

impl Found {
    async fn look(context: &Context) -> Result<Self, ActionError> {
        let ours = [Filter::new(format!("tag:{TAG_RUN}"), [context.run.as_str()])];
        let region = &context.region;
        let mut instances = region.instances_where(&ours).await?;
        instances.retain(|instance| !is_gone(instance));
        Ok(Self {
            instances,
            volumes: region.volumes_where(&ours).await?,
            snapshots: region.snapshots_where(&ours).await?,
        })
    }

    /// Why a volume that the run made is no longer needed, or nothing if the target lives on it.
    fn volume_is_left_over(
        &self,
        context: &Context,
        state: State,
        volume: &Volume,
    ) -> Result<Option<String>, ActionError> {
        let host = context.earlier::<Launched>("host/launch")?;
        if host.as_ref().is_some_and(|host| host.root == volume.id) {
            // Attached again, it no longer goes with its instance.
            return Ok(Some("the host's own root".to_owned()));
        }
        let at = volume
            .attachments
            .iter()
            .find_map(|attachment| attachment.instance.as_ref());
        Ok(match (state, at) {
            (State::RolledBack, _) => Some("a copy of a run that was rolled back".to_owned()),
            (_, Some(_)) => None,
            (_, None) => Some("made by the run, and at no instance".to_owned()),
        })
    }
}

fn is_gone(instance: &Instance) -> bool {
    matches!(instance.state, InstanceState::Terminated | InstanceState::ShuttingDown)
}

/// The deletions as actions, with what is cleaned up after them. They have no undo: that is what this is.
pub fn actions(decision: &Decision) -> Vec<Box<dyn Action>> {
    let mut ordered: Vec<&Deletion> = decision.deletions.iter().collect();
    ordered.sort_by(|a, b| a.what.cmp(&b.what));
    let mut actions: Vec<Box<dyn Action>> = ordered
        .into_iter()
        .map(|deletion| -> Box<dyn Action> {
            Box::new(Delete {
                deletion: deletion.clone(),
            })
        })
        .collect();
    actions.push(Box::new(Untag { from: decision.from }));
    actions.push(Box::new(Forget));
    actions
}

/// The calls of all of this.
pub(crate) fn calls() -> Vec<&'static Call> {
    let decision = Decision {
        from: State::Complete,
        deletions: vec![Deletion {
            what: What::Volume(VolumeId::from_api("")),
            why: String::new(),
        }],
    };
    actions(&decision).iter().flat_map(|action| action.calls()).collect()
}

struct Delete {
    deletion: Deletion,
}

/// What is gone already is deleted.
fn unless_gone(result: Result<(), CloudError>) -> Result<(), ActionError> {
    match result {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

#[async_trait]
impl Action for Delete {
    fn id(&self) -> String {
        format!("finalize/{}", self.deletion.what)
    }

    fn step(&self) -> Step {
        Step::Finalize
    }

    fn title(&self) -> String {
        format!("delete {}: {}", self.deletion.what, self.deletion.why)
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![
            &calls::DESCRIBE_INSTANCES,
            &calls::MODIFY_INSTANCE_ATTRIBUTE,
            &calls::TERMINATE_INSTANCES,
            &calls::DESCRIBE_VOLUMES,
            &calls::DELETE_VOLUME,
            &calls::DELETE_SNAPSHOT,
        ]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let region = &context.region;
        match &self.deletion.what {
            What::Instance(id) => {
                let found = region.instances(std::slice::from_ref(id)).await;
                match found {
                    Err(error) if error.is_not_found() => return Ok(Value::Null),
                    Err(error) => return Err(error.into()),
                    Ok(found) if found.iter().all(is_gone) => return Ok(Value::Null),
                    Ok(_) => {}
                }
                // The source is protected, and so is its target.
                if context.plan.source.attributes.termination_protected {
                    region.set_termination_protection(id, false).await?;
                }
                region.terminate(id).await?;
                let gone = |now: &Instance| is_gone(now).then_some(());
                region.instance_when(id, context.patience.change, gone).await?;
            }
            What::Volume(id) => {
                unless_gone(region.delete_volume(id).await)?;
                region.volume_gone(id, context.patience.change).await?;
            }
            What::Snapshot(id) => unless_gone(region.delete_snapshot(id).await)?,
        }
        Ok(Value::Null)
    }
}

/// Takes the run's tags off what stays.
struct Untag {
    from: State,
}

#[async_trait]
impl Action for Untag {
    fn id(&self) -> String {
        "finalize/untag".to_owned()
    }

    fn step(&self) -> Step {
        Step::Finalize
    }

    fn title(&self) -> String {
        "take the run's tags off what stays".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![
            &calls::DESCRIBE_INSTANCES,
            &calls::DESCRIBE_VOLUMES,
            &calls::DESCRIBE_SNAPSHOTS,
            &calls::DELETE_TAGS,
        ]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let found = Found::look(context).await?;
        let mut stays: Vec<String> = found.instances.iter().map(|instance| instance.id.to_string()).collect();
        stays.extend(found.volumes.iter().map(|volume| volume.id.to_string()));
        // The image and its snapshots keep theirs: they tell where they are from.
        let way_back = way_back(context, self.from);
        stays.extend(
            found
                .snapshots
                .iter()
                .filter(|snapshot| !way_back.contains(&snapshot.id))
                .map(|snapshot| snapshot.id.to_string()),
        );
        match self.from {
            State::RolledBack => {}
            State::Readdressing => stays.push(launched(&context.of_final())?.instance.to_string()),
            _ => stays.push(launched(context)?.instance.to_string()),
        }
        let source = context
            .region
            .instances(std::slice::from_ref(context.plan.instance()))
            .await;
        match source {
            Ok(source) => stays.extend(
                source
                    .iter()
                    .filter(|source| lease::is_ours(source, &context.run))
                    .map(|source| source.id.to_string()),
            ),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
        stays.sort();
        stays.dedup();
        if !stays.is_empty() {
            context
                .region
                .delete_tags(&stays, &[TAG_RUN, TAG_ACTION, lease::TAG])
                .await?;
        }
        Ok(Value::Null)
    }
}

/// Deletes the keys: they open a host that is no more, or a target that no longer has them.
struct Forget;

#[async_trait]
impl Action for Forget {
    fn id(&self) -> String {
        "finalize/keys".to_owned()
    }

    fn step(&self) -> Step {
        Step::Finalize
    }

    fn title(&self) -> String {
        "delete the run's keys".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        context.hosts.forget(&context.folder)?;
        Ok(Value::Null)
    }
}
