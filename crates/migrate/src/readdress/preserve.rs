//! What is left of the source when it is gone: an image, made of snapshots of the volumes as they are at last. `CreateImage` cannot
//! make it, as the source has no root any more. The converted disk still boots as paravirtual (PV), and so does the image.

use async_trait::async_trait;
use comeback_cloud::calls::{Action as Call, actions as calls};
use comeback_cloud::ids::{ImageId, SnapshotId, VolumeId};
use comeback_cloud::model::{Image, ImageState, InstanceState, Snapshot, Virtualization};
use comeback_cloud::{ErrorKind, Filter, ImageRequest, NewDevice};
use serde_json::Value;

use super::Agreed;
use super::image::{Registered, registered};
use crate::action::{Action, ActionError, Context, given};
use crate::actions::protect::{self, Taken};
use crate::actions::{detach, host, power};
use crate::finalize::Keep;
use crate::plan::Device;
use crate::step::Step;

pub(super) const AGREE: &str = "readdress/agree";
const SNAPSHOTS: &str = "readdress/snapshots";

/// Writes down what was agreed to, for those who go on after an interruption.
pub(super) struct Agree {
    pub(super) keep: Keep,
}

#[async_trait]
impl Action for Agree {
    fn id(&self) -> String {
        AGREE.to_owned()
    }

    fn step(&self) -> Step {
        Step::Readdress
    }

    fn title(&self) -> String {
        "write down what was agreed to".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![&calls::DESCRIBE_INSTANCES]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let target = host::host(context)?.instance;
        let state = protect::instance(&context.region, &target).await?.state;
        given(&Agreed {
            keep_snapshots: self.keep.snapshots,
            ran: matches!(state, InstanceState::Running | InstanceState::Pending),
        })
    }
}

/// Stops the target.
pub(super) struct StopTarget;

#[async_trait]
impl Action for StopTarget {
    fn id(&self) -> String {
        "readdress/stop-target".to_owned()
    }

    fn step(&self) -> Step {
        Step::Readdress
    }

    fn title(&self) -> String {
        "stop the target".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![
            &calls::DESCRIBE_INSTANCES,
            &calls::STOP_INSTANCES,
            &calls::START_INSTANCES,
        ]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        power::stop(context, &self.id(), &host::host(context)?.instance).await?;
        Ok(Value::Null)
    }

    /// Starts it, if it ran.
    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        if super::agreed(context).is_some_and(|agreed| agreed.ran) {
            power::start(context, &host::host(context)?.instance).await?;
        }
        Ok(())
    }

    fn by_hand(&self, context: &Context) -> Vec<String> {
        let start = |target: host::Launched| {
            format!(
                "aws ec2 start-instances --region {} --instance-ids {}",
                context.plan.region, target.instance
            )
        };
        host::host(context).map(start).into_iter().collect()
    }
}

/// Snapshots of all volumes of the target, while it is stopped.
pub(super) struct Snapshots;

#[async_trait]
impl Action for Snapshots {
    fn id(&self) -> String {
        SNAPSHOTS.to_owned()
    }

    fn step(&self) -> Step {
        Step::Readdress
    }

    fn title(&self) -> String {
        "snapshot all volumes as they are now, and wait until that is complete".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![
            &calls::DESCRIBE_INSTANCES,
            &calls::DESCRIBE_SNAPSHOTS,
            &calls::CREATE_SNAPSHOTS,
            &calls::CREATE_TAGS,
            &calls::DELETE_SNAPSHOT,
            &calls::DESCRIBE_IMAGES,
            &calls::DEREGISTER_IMAGE,
        ]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let mut volumes = Vec::new();
        for device in &context.plan.target.devices {
            volumes.push(detach::volume(context, device)?);
        }
        let mut snapshots = protect::taken(context, SNAPSHOTS).await?;
        let of = |snapshots: &[Snapshot], volume: &VolumeId| {
            let found = snapshots
                .iter()
                .find(|snapshot| snapshot.volume.as_ref() == Some(volume));
            found.cloned()
        };
        // They are of one moment, and the last, or of no use: some may have failed, or be deleted already where that was being
        // taken back.
        let some_are_gone = volumes.iter().any(|volume| of(&snapshots, volume).is_none());
        if some_are_gone || are_stale(context, &snapshots).await? {
            Register.undo(context).await?;
            self.undo(context).await?;
            let what = format!("comeback {}: {}, at last", context.run, context.plan.instance());
            snapshots = context
                .region
                .create_snapshots(&host::host(context)?.instance, false, &what, &context.tags(SNAPSHOTS))
                .await?;
        }
        let mut all = Vec::new();
        for volume in volumes {
            let snapshot = of(&snapshots, &volume).ok_or_else(|| {
                ActionError::unexpected(
                    format!("the snapshots have none of {volume}"),
                    "attach it to the target again, then begin again",
                )
            })?;
            protect::complete(context, SNAPSHOTS, &snapshot).await?;
            all.push((volume, snapshot.id));
        }
        given(&Taken { snapshots: all })
    }

    /// Deletes them: the target writes on, and the next attempt must not take them for new.
    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        for snapshot in protect::taken(context, SNAPSHOTS).await? {
            match context.region.delete_snapshot(&snapshot.id).await {
                Err(error) if !error.is_not_found() => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn by_hand(&self, context: &Context) -> Vec<String> {
        let taken = context.earlier::<Taken>(SNAPSHOTS).ok().flatten();
        let delete = |(_, snapshot): (VolumeId, SnapshotId)| {
            format!(
                "aws ec2 delete-snapshot --region {} --snapshot-id {snapshot}",
                context.plan.region
            )
        };
        taken
            .into_iter()
            .flat_map(|taken| taken.snapshots)
            .map(delete)
            .collect()
    }
}

/// Whether the target was started after snapshots of it were taken: it has written since.
async fn are_stale(context: &Context, snapshots: &[Snapshot]) -> Result<bool, ActionError> {
    let target = protect::instance(&context.region, &host::host(context)?.instance).await?;
    Ok(snapshots
        .iter()
        .any(|snapshot| snapshot.started < target.launch_time && snapshot.started.is_some()))
}

/// As [`are_stale`], of those that the image was made of.
pub(super) async fn is_stale(context: &Context) -> Result<bool, ActionError> {
    are_stale(context, &protect::taken(context, SNAPSHOTS).await?).await
}

/// Makes the image. `finalize` leaves it and its snapshots alone.
pub(super) struct Register;

impl Register {
    /// An account has each name once a region.
    fn name(context: &Context) -> String {
        format!("comeback-{}-{}", context.run, context.plan.instance())
    }

    async fn find(context: &Context) -> Result<Option<Image>, ActionError> {
        let named = [Filter::new("name", [Self::name(context)])];
        let found = context.region.images_where(Some("self"), &named).await?;
        Ok(found.into_iter().next())
    }

    async fn request(context: &Context, taken: &Taken) -> Result<ImageRequest, ActionError> {
        let source = &context.plan.source.instance;
        let root_device_name = source
            .root_device_name
            .clone()
            .ok_or_else(|| ActionError::unexpected("the plan names no root device", "make a new plan"))?;
        let mut devices = Vec::new();
        for device in &context.plan.target.devices {
            devices.push(Self::device(context, device, taken)?);
        }
        devices.extend(Self::lent(context, &devices).await?);
        let mut tags = context.tags(Registered::ID);
        tags.extend(source.name().map(|name| ("Name".to_owned(), name.to_owned())));
        Ok(ImageRequest {
            name: Self::name(context),
            description: format!("{} as it was before it got another instance", source.id),
            architecture: source.architecture.clone(),
            virtualization: Virtualization::Paravirtual,
            kernel: source.kernel.clone(),
            ramdisk: source.ramdisk.clone(),
            root_device_name,
            devices,
            ena_support: false,
            sriov: false,
            boot_mode: None,
            tags,
        })
    }

    /// A device as the source had it. What the image may not say of an encrypted snapshot it has from there.
    fn device(context: &Context, device: &Device, taken: &Taken) -> Result<NewDevice, ActionError> {
        let volume = detach::volume(context, device)?;
        let snapshot = taken.snapshots.iter().find(|(of, _)| *of == volume);
        let original = context.plan.source.volumes.iter().find(|each| each.id == device.volume);
        let (Some((_, snapshot)), Some(original)) = (snapshot, original) else {
            return Err(ActionError::unexpected(
                format!("the plan and its snapshots do not name {volume}"),
                "make a new plan",
            ));
        };
        // These want to be told how fast they are, which an image for emergencies need not be.
        let plain = !matches!(original.kind.as_str(), "io1" | "io2");
        Ok(NewDevice::Volume {
            device: device.was.clone(),
            snapshot: Some(snapshot.clone()),
            size_gib: None,
            kind: plain.then(|| original.kind.clone()),
            delete_on_termination: device.delete_on_termination,
            encrypted: None,
            kms_key: None,
        })
    }

    /// Disks of the source's host, as the image that it was launched from named them; its `fstab` may wait for them.
    async fn lent(context: &Context, taken: &[NewDevice]) -> Result<Vec<NewDevice>, ActionError> {
        let Some(image) = &context.plan.source.instance.image else {
            return Ok(Vec::new());
        };
        let is_taken = |name: &str| {
            taken
                .iter()
                .any(|device| matches!(device, NewDevice::Volume { device, .. } if device == name))
        };
        let found = context.region.images(std::slice::from_ref(image)).await?;
        let devices = found.into_iter().flat_map(|image| image.devices);
        Ok(devices
            .filter_map(|device| {
                let virtual_name = device.virtual_name.filter(|name| name.starts_with("ephemeral"))?;
                (!is_taken(&device.device)).then_some(NewDevice::Ephemeral {
                    device: device.device,
                    virtual_name,
                })
            })
            .collect())
    }

    /// Waits until the image can be launched.
    async fn ready(context: &Context, id: &ImageId) -> Result<(), ActionError> {
        let outcome = context
            .region
            .image_when(id, context.patience.change, |now| match now.state {
                ImageState::Available => Some(Ok(())),
                ImageState::Failed | ImageState::Error | ImageState::Deregistered => Some(Err(now.state.to_string())),
                _ => None,
            })
            .await?;
        outcome.map_err(|state| {
            ActionError::unexpected(
                format!("image {id} of the source is {state}"),
                "deregister it, then begin again",
            )
        })
    }
}

#[async_trait]
impl Action for Register {
    fn id(&self) -> String {
        Registered::ID.to_owned()
    }

    fn step(&self) -> Step {
        Step::Readdress
    }

    fn title(&self) -> String {
        "register an image of them that starts as the source did".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![
            &calls::DESCRIBE_IMAGES,
            &calls::REGISTER_IMAGE,
            &calls::CREATE_TAGS,
            &calls::DEREGISTER_IMAGE,
        ]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let taken: Taken = context.output(SNAPSHOTS)?;
        let id = match Self::find(context).await? {
            Some(found) => ImageId::from_api(found.id),
            None => match context
                .region
                .register_image(&Self::request(context, &taken).await?)
                .await
            {
                Ok(id) => id,
                // An earlier attempt, whose image was not to be seen yet.
                Err(error) if error.kind == ErrorKind::AlreadyExists => match Self::find(context).await? {
                    Some(found) => ImageId::from_api(found.id),
                    None => return Err(error.into()),
                },
                Err(error) => return Err(error.into()),
            },
        };
        Self::ready(context, &id).await?;
        given(&Registered {
            image: id,
            snapshots: taken.snapshots.into_iter().map(|(_, snapshot)| snapshot).collect(),
        })
    }

    /// Its snapshots are going to be old.
    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        let Some(found) = Self::find(context).await? else {
            return Ok(());
        };
        match context.region.deregister_image(&ImageId::from_api(found.id)).await {
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn by_hand(&self, context: &Context) -> Vec<String> {
        let deregister = |registered: Registered| {
            format!(
                "aws ec2 deregister-image --region {} --image-id {}",
                context.plan.region, registered.image
            )
        };
        registered(context).map(deregister).into_iter().collect()
    }
}
