//! Step 3: the HVM host. It has the target's type from the start, and everything that the source is known by, so that
//! nothing but its disks has to change for it to become the target.

use async_trait::async_trait;
use comeback_cloud::Filter;
use comeback_cloud::calls::{Action as Call, actions as calls};
use comeback_cloud::ids::{InstanceId, InterfaceId, VolumeId};
use comeback_cloud::model::{Instance, InstanceState, Monitoring, ShutdownBehavior};
use comeback_cloud::{NetworkUse, RunRequest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{power, protect};
use crate::action::{Action, ActionError, Context, Seat, TAG_ACTION, TAG_RUN, given};
use crate::hosts::Door;
use crate::lease;
use crate::plan::Reach;
use crate::step::Step;

/// What [`Launch`] gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Launched {
    /// The host.
    pub(crate) instance: InstanceId,
    /// Its primary interface.
    pub(crate) interface: InterfaceId,
    /// Its own root.
    pub(crate) root: VolumeId,
    /// Device name of that, which becomes the target's root.
    pub(crate) root_device: String,
}

/// The action that launches the host, in the journal.
pub(crate) const LAUNCH: &str = "host/launch";
/// The action that launches the final instance, in the journal.
pub(crate) const FINAL: &str = "readdress/launch";

/// The instance that the source's disks are for, which must have been launched by now.
pub(crate) fn launched(context: &Context) -> Result<Launched, ActionError> {
    match context.seat {
        Seat::Host => host(context),
        Seat::Final => context.output(FINAL),
    }
}

/// The host, which must have been launched by now.
pub(crate) fn host(context: &Context) -> Result<Launched, ActionError> {
    context.output(LAUNCH)
}

/// Where the host answers, as it is now.
pub(crate) async fn door(context: &Context) -> Result<Door, ActionError> {
    let id = launched(context)?.instance;
    let now = protect::instance(&context.region, &id).await?;
    let (address, kind) = match context.plan.verify.reach {
        Reach::Public => (now.public_ip, "public"),
        Reach::Private => (now.private_ip, "private"),
    };
    let address = address.ok_or_else(|| {
        ActionError::unexpected(
            format!("{id} has no {kind} address, by which it was to be reached"),
            "take --reach private from within the network, or a subnet that gives public addresses",
        )
    })?;
    Ok(Door {
        address,
        port: context.plan.verify.ssh_port,
        user: context.plan.host.user.clone(),
    })
}

pub(crate) fn by_hand_stop(context: &Context) -> Vec<String> {
    let host = context.earlier::<Launched>(LAUNCH).ok().flatten();
    let stop = |host: Launched| {
        format!(
            "aws ec2 stop-instances --region {} --instance-ids {}",
            context.plan.region, host.instance
        )
    };
    host.map(stop).into_iter().collect()
}

/// Launches the host and waits until it runs.
pub(crate) struct Launch;

#[async_trait]
impl Action for Launch {
    fn id(&self) -> String {
        LAUNCH.to_owned()
    }

    fn step(&self) -> Step {
        Step::Host
    }

    fn title(&self) -> String {
        "launch the HVM host beside the source".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![
            &calls::RUN_INSTANCES,
            &calls::CREATE_TAGS,
            &calls::DESCRIBE_INSTANCES,
            &calls::STOP_INSTANCES,
        ]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        launch(context, LAUNCH, Self::network).await
    }

    /// Stops it. It is kept until `finalize`, which deletes what a run has made.
    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        match find(context, LAUNCH).await? {
            Some(host) => power::stop(context, LAUNCH, &host.id).await,
            None => Ok(()),
        }
    }

    fn by_hand(&self, context: &Context) -> Vec<String> {
        by_hand_stop(context)
    }
}

impl Launch {
    fn network(context: &Context) -> Result<NetworkUse, ActionError> {
        let plan = &context.plan;
        let source = &plan.source.instance;
        let subnet = source.subnet.clone().ok_or_else(|| {
            ActionError::unexpected(
                format!("{} is in no subnet", source.id),
                "EC2-Classic is gone since 2023",
            )
        })?;
        Ok(NetworkUse::Subnet {
            subnet,
            groups: source.security_groups.iter().map(|group| group.id.clone()).collect(),
            private_ip: None,
            public_ip: (plan.verify.reach == Reach::Public).then_some(true),
        })
    }
}

/// Launches an instance in this network by an action, or takes the one that it launched earlier, and waits until it runs.
pub(crate) async fn launch(
    context: &Context,
    action: &str,
    network: impl FnOnce(&Context) -> Result<NetworkUse, ActionError>,
) -> Result<Value, ActionError> {
    let instance = match find(context, action).await? {
        Some(found) => found,
        None => {
            let request = request(context, action, network(context)?)?;
            context.region.run_instance(&request).await?
        }
    };
    if instance.state == InstanceState::Stopped {
        // Somebody stopped it, or an earlier attempt was undone.
        power::start(context, &instance.id).await?;
    } else {
        power::running(context, &instance.id).await?;
    }
    given(&describe(&protect::instance(&context.region, &instance.id).await?)?)
}

/// The instance that an action launched, if it did: its token is good for a while only, its tags for ever.
async fn find(context: &Context, action: &str) -> Result<Option<Instance>, ActionError> {
    if let Some(launched) = context.earlier::<Launched>(action)? {
        return Ok(Some(protect::instance(&context.region, &launched.instance).await?));
    }
    launched_by(context, action).await
}

/// The instance that an action of this run launched, unless it is gone.
async fn launched_by(context: &Context, action: &str) -> Result<Option<Instance>, ActionError> {
    let ours = [
        Filter::new(format!("tag:{TAG_RUN}"), [context.run.as_str()]),
        Filter::new(format!("tag:{TAG_ACTION}"), [action]),
    ];
    let found = context.region.instances_where(&ours).await?;
    Ok(found
        .into_iter()
        .find(|instance| !matches!(instance.state, InstanceState::Terminated | InstanceState::ShuttingDown)))
}

/// What an action launches: an instance of the target's type that has all that the source is known by, but for its disks.
fn request(context: &Context, action: &str, network: NetworkUse) -> Result<RunRequest, ActionError> {
    let plan = &context.plan;
    let source = &plan.source.instance;
    let mut tags = source.tags.clone();
    tags.retain(|key, _| !key.starts_with("aws:") && key != lease::TAG);
    tags.extend(context.tags(action));
    let mut request = RunRequest::new(
        context.token(action),
        plan.host.image.clone(),
        plan.target.instance_type.clone(),
        network,
    );
    request.tags = tags;
    request.volume_tags = context.tags(action);
    request.user_data = Some(context.hosts.user_data(&context.folder)?);
    request.profile = source.iam_profile.clone();
    request.key_name = source.key_name.clone();
    request.placement = Some(source.placement.clone());
    request.monitoring = matches!(source.monitoring, Monitoring::Enabled | Monitoring::Pending);
    request.metadata_options = source.metadata_options.clone();
    // Whatever the source does: a host that shuts down must not be gone with the root on it.
    request.shutdown_behavior = ShutdownBehavior::Stop;
    Ok(request)
}

/// What the journal keeps of an instance that was launched.
fn describe(instance: &Instance) -> Result<Launched, ActionError> {
    let missing = |what: &str| {
        ActionError::unexpected(
            format!("{} has no {what}", instance.id),
            "take another --host-image: one with an EBS root",
        )
    };
    let root = instance.root().ok_or_else(|| missing("root volume"))?;
    Ok(Launched {
        instance: instance.id.clone(),
        interface: instance
            .primary_interface()
            .ok_or_else(|| missing("network interface"))?
            .id
            .clone(),
        root: root.volume.clone(),
        root_device: root.device.clone(),
    })
}

/// Waits until the host answers by SSH, puts the converter there, and notes which disks it has: the one that is there later
/// and is not among them is the source's root.
pub(crate) struct Answer;

impl Answer {
    pub(crate) const ID: &str = "host/answer";
}

#[async_trait]
impl Action for Answer {
    fn id(&self) -> String {
        Self::ID.to_owned()
    }

    fn step(&self) -> Step {
        Step::Host
    }

    fn title(&self) -> String {
        "reach the host by SSH and push the converter".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![&calls::DESCRIBE_INSTANCES]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let door = door(context).await?;
        let host = context.hosts.open(&door, &context.folder).await?;
        given(&host.disks().await?)
    }
}
