//! What stands against it, looked at before anything stops.

use std::collections::BTreeSet;

use comeback_cloud::calls::{Action as Call, actions as calls};
use comeback_cloud::ids::{InterfaceId, VolumeId};
use comeback_cloud::model::{Instance, InstanceState};

use crate::action::{ActionError, Context};
use crate::actions::{detach, host, protect};
use crate::plan::refuse::Refusal;
use crate::plan::{Plan, Reach};

/// What [`refusals`] calls.
pub(super) fn calls() -> Vec<&'static Call> {
    vec![&calls::DESCRIBE_INSTANCES, &calls::DESCRIBE_IMAGES]
}

/// Every reason against keeping the private address of a run that is complete. Looks at the account, and changes nothing.
///
/// # Errors
/// When the account cannot be read.
pub async fn refusals(context: &Context) -> Result<Vec<Refusal>, ActionError> {
    let plan = &context.plan;
    let mut reasons = of_plan(plan);
    let target = host::host(context)?;
    let volumes: Result<BTreeSet<VolumeId>, ActionError> = plan
        .target
        .devices
        .iter()
        .map(|device| detach::volume(context, device))
        .collect();
    let mut interfaces: BTreeSet<InterfaceId> = plan.moving_interfaces().map(|(id, _)| id.clone()).collect();
    interfaces.insert(target.interface);
    reasons.extend(of_source(plan, &protect::source(context).await?));
    let now = protect::instance(&context.region, &target.instance).await?;
    reasons.extend(of_target(plan, &now, &volumes?, &interfaces));
    if let Some(kernel) = &plan.source.instance.kernel
        && context.region.kernels(std::slice::from_ref(kernel)).await?.is_empty()
    {
        reasons.push(Refusal::new(
            "kernel-image-gone",
            format!("the kernel image {kernel} is no longer there, so no image of the source would start"),
            "keep the source, or give its private address up with `comeback finalize`",
        ));
    }
    Ok(reasons)
}

fn of_plan(plan: &Plan) -> Vec<Refusal> {
    if plan.verify.reach == Reach::Public && plan.moving_addresses().next().is_none() {
        return vec![Refusal::new(
            "no-public-address",
            "it is reached by its public address, and with an interface that is there already no public address can be asked for",
            "associate an Elastic IP with the source before the migration, or make the run with --reach private",
        )];
    }
    Vec::new()
}

fn of_source(plan: &Plan, now: &Instance) -> Vec<Refusal> {
    let mut reasons = Vec::new();
    if now.state != InstanceState::Stopped {
        reasons.push(Refusal::new(
            "source-not-stopped",
            format!("the source, {}, is {}", now.id, now.state),
            "see who uses it; it has to be stopped, as the run left it",
        ));
    }
    let planned = plan.source.instance.primary_interface().map(|interface| &interface.id);
    if now.primary_interface().map(|interface| &interface.id) != planned {
        reasons.push(Refusal::new(
            "source-changed",
            format!("{} no longer has its primary interface", now.id),
            "`comeback finalize` without keeping the address",
        ));
    }
    reasons
}

/// What the target got since it was proven would be lost with it.
fn of_target(
    plan: &Plan,
    now: &Instance,
    volumes: &BTreeSet<VolumeId>,
    interfaces: &BTreeSet<InterfaceId>,
) -> Vec<Refusal> {
    let mut reasons = Vec::new();
    let mut changed = |what: String, instead: &str| reasons.push(Refusal::new("target-changed", what, instead));
    if !matches!(now.state, InstanceState::Running | InstanceState::Stopped) {
        changed(
            format!("the target, {}, is {}", now.id, now.state),
            "wait until it runs or is stopped",
        );
    }
    if now.instance_type != plan.target.instance_type {
        changed(
            format!(
                "{} is of type {} now, and the final instance would be of {}",
                now.id, now.instance_type, plan.target.instance_type
            ),
            "set the type back, and change that of the final instance afterwards",
        );
    }
    let has: BTreeSet<VolumeId> = now.block_devices.iter().map(|device| device.volume.clone()).collect();
    for volume in has.symmetric_difference(volumes) {
        changed(
            format!(
                "{volume} {} {} since it was proven",
                if has.contains(volume) { "came to" } else { "went from" },
                now.id
            ),
            "undo that, and do it again with the final instance",
        );
    }
    let has: BTreeSet<InterfaceId> = now.interfaces.iter().map(|interface| interface.id.clone()).collect();
    for interface in has.symmetric_difference(interfaces) {
        changed(
            format!(
                "{interface} {} {} since it was proven",
                if has.contains(interface) {
                    "came to"
                } else {
                    "went from"
                },
                now.id
            ),
            "undo that, and do it again with the final instance",
        );
    }
    reasons
}
