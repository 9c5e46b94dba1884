//! Step 4: the source's root becomes a secondary disk of the host.

use async_trait::async_trait;
use comeback_cloud::calls::{Action as Call, actions as calls};
use serde_json::Value;

use super::host::launched;
use super::{detach, place, power, protect};
use crate::action::{Action, ActionError, Context, given};
use crate::plan::{Device, Plan};
use crate::step::Step;

/// Names that EC2 recommends for volumes of HVM instances
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/device_naming.html>).
const NAMES: std::ops::RangeInclusive<char> = 'f'..='p';

/// The root's way, which every plan has.
pub(crate) fn root(plan: &Plan) -> Result<&Device, ActionError> {
    plan.root()
        .ok_or_else(|| ActionError::unexpected("the plan names no root volume", "make a new plan"))
}

/// Attaches the root to the host.
pub(crate) struct Root;

impl Root {
    pub(crate) const ID: &str = "attach/root";
}

#[async_trait]
impl Action for Root {
    fn id(&self) -> String {
        Self::ID.to_owned()
    }

    fn step(&self) -> Step {
        Step::Attach
    }

    fn title(&self) -> String {
        "attach the source's root to the host".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![
            &calls::DESCRIBE_INSTANCES,
            &calls::DESCRIBE_VOLUMES,
            &calls::ATTACH_VOLUME,
            &calls::DETACH_VOLUME,
            &calls::START_INSTANCES,
        ]
    }

    /// The host runs while this happens, and boots never again with its own root: two disks of the same label or UUID
    /// (the host's image may be a descendant of the source's) would leave it to chance which of them becomes its root.
    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let host = launched(context)?.instance;
        let volume = detach::volume(context, root(&context.plan)?)?;
        let now = protect::instance(&context.region, &host).await?;
        if let Some(there) = now.device_of(&volume) {
            let device = there.device.clone();
            place::put(context, &volume, &host, &device).await?;
            return given(&device);
        }
        power::start(context, &host).await?;
        let taken = |name: &str| now.block_devices.iter().any(|device| device.device == name);
        let free = NAMES.map(|letter| format!("/dev/sd{letter}")).find(|name| !taken(name));
        let device = free.ok_or_else(|| {
            ActionError::unexpected(format!("{host} has no free device name"), "take another --host-image")
        })?;
        place::put(context, &volume, &host, &device).await?;
        given(&device)
    }

    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        let host = launched(context)?.instance;
        place::take(context, &detach::volume(context, root(&context.plan)?)?, &host).await
    }

    fn by_hand(&self, context: &Context) -> Vec<String> {
        let volume = root(&context.plan).and_then(|root| detach::volume(context, root));
        let detach = |volume| {
            format!(
                "aws ec2 detach-volume --region {} --volume-id {volume}",
                context.plan.region
            )
        };
        volume.map(detach).into_iter().collect()
    }
}
