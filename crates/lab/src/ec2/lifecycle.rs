//! Starting, stopping, rebooting and terminating; monitoring.

use super::describe_instances::state;
use super::{Answer, Call, done};
use crate::engine::catalogue;
use crate::engine::instance::{Reason, State};
use crate::engine::settle;
use crate::fault::FaultKind;
use crate::wire::{ApiError, Xml};

fn ids(call: &Call<'_>) -> Result<Vec<String>, ApiError> {
    let ids = call.params.required_list("InstanceId")?;
    for id in &ids {
        call.region.instance(id)?;
    }
    Ok(ids.into_iter().map(str::to_owned).collect())
}

/// The states before and after.
fn changes(call: &Call<'_>, before: &[(String, State)]) -> Xml {
    let mut xml = Xml::new();
    xml.list("instancesSet", before, |xml, (id, was)| {
        xml.text("instanceId", id);
        if let Some(instance) = call.region.instances.get(id) {
            state(xml, "currentState", instance.state);
        }
        state(xml, "previousState", *was);
    });
    xml
}

fn before(call: &Call<'_>, ids: &[String]) -> Vec<(String, State)> {
    ids.iter()
        .filter_map(|id| Some((id.clone(), call.region.instances.get(id)?.state)))
        .collect()
}

fn reason(code: &str, message: &str) -> Reason {
    Reason {
        code: code.to_owned(),
        message: format!("{code}: {message}"),
    }
}

pub(super) fn start(call: &mut Call<'_>) -> Answer {
    let ids = ids(call)?;
    for id in &ids {
        let instance = call.region.instance(id)?;
        match instance.state {
            State::Stopped | State::Running | State::Pending => {}
            _ => {
                return Err(ApiError::new(
                    "IncorrectInstanceState",
                    format!("The instance '{id}' is not in a state from which it can be started."),
                ));
            }
        }
        if instance.state == State::Stopped && call.region.root_of(instance).is_none() {
            return Err(ApiError::new(
                "InvalidParameterValue",
                format!(
                    "Invalid value '{id}' for instanceId. Instance does not have a volume attached at root ({})",
                    instance.root_device
                ),
            ));
        }
        let kind = catalogue::find(&instance.kind);
        if kind.is_some_and(|kind| !kind.is_offered(&call.region.name, &call.region.zones, &instance.zone)) {
            return Err(ApiError::unsupported(format!(
                "Your requested instance type ({}) is not supported in your requested Availability Zone ({}).",
                instance.kind, instance.zone
            )));
        }
    }
    let before = before(call, &ids);
    for (id, was) in &before {
        if *was != State::Stopped {
            continue;
        }
        // The disks would be lost with the host: instance-store disks start empty, EBS volumes stay.
        if kms_refuses(call, id) {
            settle::fail_start(
                call.world,
                call.region,
                id,
                false,
                "Client.InvalidKMSKey.InvalidState",
                "Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state",
            );
        } else {
            settle::power_on(call.world, call.region, id, false);
        }
    }
    Ok(changes(call, &before))
}

/// Whether a key of one of the instance's volumes may not be used.
pub(super) fn kms_refuses(call: &Call<'_>, id: &str) -> bool {
    let encrypted: Vec<&str> = call
        .region
        .volumes_of(id)
        .filter(|volume| volume.encrypted)
        .map(|volume| volume.id.as_str())
        .collect();
    !encrypted.is_empty() && call.strikes(&FaultKind::Kms, &encrypted)
}

pub(super) fn stop(call: &mut Call<'_>) -> Answer {
    let ids = ids(call)?;
    let force = call.params.is_set("Force")?;
    for id in &ids {
        let instance = call.region.instance(id)?;
        if instance.state.is_gone() || instance.state == State::Pending {
            return Err(ApiError::new(
                "IncorrectInstanceState",
                format!("The instance '{id}' is not in a state from which it can be stopped."),
            ));
        }
        if instance.root_type != "ebs" {
            return Err(ApiError::new(
                "UnsupportedOperation",
                format!("The instance '{id}' does not have an 'ebs' root device type and cannot be stopped."),
            ));
        }
        if instance.lifecycle.as_deref() == Some("spot") {
            return Err(ApiError::new(
                "UnsupportedOperation",
                format!(
                    "You can't stop the Spot Instance '{id}' because it is associated with a one-time Spot Instance request."
                ),
            ));
        }
        if instance.stop_protected {
            return Err(ApiError::new(
                "OperationNotPermitted",
                format!(
                    "The instance '{id}' may not be stopped. Modify its 'disableApiStop' instance attribute and try again."
                ),
            ));
        }
    }
    let before = before(call, &ids);
    for (id, was) in &before {
        let again = *was == State::Stopping && force;
        if *was == State::Running || again {
            let reason = reason("Client.UserInitiatedShutdown", "User initiated shutdown");
            settle::shut(call.world, call.region, id, State::Stopping, force, reason);
        }
    }
    Ok(changes(call, &before))
}

pub(super) fn terminate(call: &mut Call<'_>) -> Answer {
    let ids = ids(call)?;
    for id in &ids {
        if call.region.instance(id)?.termination_protected {
            return Err(ApiError::new(
                "OperationNotPermitted",
                format!(
                    "The instance '{id}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again."
                ),
            ));
        }
    }
    let before = before(call, &ids);
    for (id, was) in &before {
        if !was.is_gone() {
            let reason = reason("Client.UserInitiatedShutdown", "User initiated shutdown");
            settle::shut(call.world, call.region, id, State::ShuttingDown, true, reason);
        }
    }
    Ok(changes(call, &before))
}

pub(super) fn reboot(call: &mut Call<'_>) -> Answer {
    let ids = ids(call)?;
    for id in &ids {
        let state = call.region.instance(id)?.state;
        if state != State::Running {
            return Err(ApiError::new(
                "IncorrectInstanceState",
                format!(
                    "The instance '{id}' is not in the 'running' state; it is '{}'.",
                    state.name()
                ),
            ));
        }
    }
    for id in &ids {
        settle::reboot(call.world, call.region, id);
    }
    done()
}

fn set_monitoring(call: &mut Call<'_>, enabled: bool) -> Answer {
    let ids = ids(call)?;
    for id in &ids {
        call.region.instance_mut(id)?.monitoring = enabled;
    }
    let mut xml = Xml::new();
    xml.list("instancesSet", ids, |xml, id| {
        xml.text("instanceId", id).element("monitoring", |xml| {
            xml.text("state", if enabled { "pending" } else { "disabling" });
        });
    });
    Ok(xml)
}

pub(super) fn monitor(call: &mut Call<'_>) -> Answer {
    set_monitoring(call, true)
}

pub(super) fn unmonitor(call: &mut Call<'_>) -> Answer {
    set_monitoring(call, false)
}
