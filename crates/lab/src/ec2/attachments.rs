//! Attaching and detaching volumes.

use super::volumes::show_attachment;
use super::{Answer, Call};
use crate::backend::Disk;
use crate::engine::Region;
use crate::engine::instance::{Instance, State, Virtualization};
use crate::engine::volume::{AttachState, Attachment, Volume, VolumeState};
use crate::fault::FaultKind;
use crate::wire::{ApiError, Xml};

/// Whether a device name can be used on an instance. Source: "Device names for volumes" in the user guide: PV has `/dev/sd[a-z]`
/// and `/dev/sd[a-z][1-15]`, HVM has `/dev/sd[a-z]`, `/dev/xvd[a-d][a-z]`, and digits only for the root.
pub(super) fn is_device_name(device: &str, virtualization: Virtualization) -> bool {
    let name = device.strip_prefix("/dev/").unwrap_or(device);
    let Some(rest) = ["sd", "xvd", "hd"].iter().find_map(|prefix| name.strip_prefix(prefix)) else {
        return false;
    };
    let letters = rest.chars().take_while(char::is_ascii_lowercase).count();
    let digits = &rest[letters..];
    if !(1..=2).contains(&letters) || (letters == 2 && !name.starts_with("xvd")) {
        return false;
    }
    match virtualization {
        _ if digits.is_empty() => true,
        Virtualization::Paravirtual => matches!(digits.parse(), Ok(1..=15)),
        Virtualization::Hvm => matches!(rest, "a1" | "a2"),
    }
}

fn in_use(device: &str) -> ApiError {
    ApiError::new(
        "InvalidParameterValue",
        format!("Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"),
    )
}

/// Whether a device name is free. A PV instance cannot have `/dev/sdc` and `/dev/sdc1` at once.
fn check_device(region: &Region, instance: &Instance, device: &str) -> Result<(), ApiError> {
    if !is_device_name(device, instance.virtualization) {
        return Err(ApiError::new(
            "InvalidParameterValue",
            format!("Value ({device}) for parameter device is invalid. {device} is not a valid EBS device name."),
        ));
    }
    let disk = |name: &str| {
        name.trim_end_matches(|character: char| character.is_ascii_digit())
            .to_owned()
    };
    let whole = |name: &str| !name.ends_with(|character: char| character.is_ascii_digit());
    for other in region
        .volumes_of(&instance.id)
        .filter_map(|volume| volume.attachment.as_ref())
    {
        let mixed =
            instance.is_paravirtual() && disk(&other.device) == disk(device) && whole(&other.device) != whole(device);
        if other.device == device || mixed {
            return Err(in_use(device));
        }
    }
    Ok(())
}

fn answer(volume: &Volume, at: &Attachment) -> Answer {
    let mut xml = Xml::new();
    show_attachment(&mut xml, volume, at);
    Ok(xml)
}

pub(super) fn attach(call: &mut Call<'_>) -> Answer {
    let volume_id = call.params.required("VolumeId")?.to_owned();
    let instance_id = call.params.required("InstanceId")?.to_owned();
    let device = call.params.required("Device")?.to_owned();
    let volume = call.region.volume(&volume_id)?;
    let instance = call.region.instance(&instance_id)?;
    if let Some(other) = volume.instance() {
        return Err(ApiError::new(
            "VolumeInUse",
            format!("{volume_id} is already attached to an instance ({other})"),
        ));
    }
    if volume.state != VolumeState::Ready {
        return Err(ApiError::new(
            "IncorrectState",
            format!("{volume_id} is not 'available'."),
        ));
    }
    if volume.zone != instance.zone {
        return Err(ApiError::new(
            "InvalidVolume.ZoneMismatch",
            format!("The volume '{volume_id}' is not in the same availability zone as instance '{instance_id}'"),
        ));
    }
    if !matches!(instance.state, State::Running | State::Stopped) {
        return Err(ApiError::new(
            "IncorrectState",
            format!("Instance '{instance_id}' is not 'running'."),
        ));
    }
    if !volume.product_codes.is_empty() && instance.state != State::Stopped {
        return Err(ApiError::new(
            "IncorrectInstanceState",
            format!(
                "Cannot attach volume '{volume_id}' with Marketplace codes as the instance '{instance_id}' is not in the 'stopped' state."
            ),
        ));
    }
    check_device(call.region, instance, &device)?;
    let named = [volume_id.as_str(), &instance_id, &device];
    if call.strikes(&FaultKind::BusyDevice, &named) {
        return Err(in_use(&device));
    }
    if volume.encrypted && call.strikes(&FaultKind::Kms, &named) {
        return Err(ApiError::new(
            "InvalidKmsKey.InvalidState",
            "The KMS key provided is in an incorrect state",
        ));
    }
    let stuck = call.strikes(&FaultKind::StuckAttaching, &named);
    if instance.state == State::Running && !stuck {
        let disk = Disk {
            volume: volume_id.clone(),
            path: call.world.files.path(&volume_id),
            device: device.clone(),
        };
        call.world
            .backend
            .attach(&instance_id, &disk)
            .map_err(|error| ApiError::internal(error.to_string()))?;
    }
    let due = call.world.after(call.world.timings.attach);
    let at = Attachment {
        instance: instance_id.clone(),
        device,
        state: AttachState::Attaching,
        due: (!stuck).then_some(due),
        since: call.now,
        delete_on_termination: false,
    };
    let codes = call.region.volume(&volume_id)?.product_codes.clone();
    let instance = call.region.instance_mut(&instance_id)?;
    for code in codes {
        if !instance.product_codes.contains(&code) {
            instance.product_codes.push(code);
        }
    }
    let volume = call.region.volume_mut(&volume_id)?;
    volume.attachment = Some(at.clone());
    answer(volume, &at)
}

pub(super) fn detach(call: &mut Call<'_>) -> Answer {
    let volume_id = call.params.required("VolumeId")?.to_owned();
    let force = call.params.is_set("Force")?;
    let volume = call.region.volume(&volume_id)?;
    let Some(at) = &volume.attachment else {
        return Err(ApiError::new(
            "IncorrectState",
            format!("Volume '{volume_id}' is in the 'available' state."),
        ));
    };
    let elsewhere = call
        .params
        .text("InstanceId")
        .is_some_and(|instance| instance != at.instance)
        || call.params.text("Device").is_some_and(|device| device != at.device);
    if elsewhere {
        return Err(ApiError::new(
            "InvalidAttachment.NotFound",
            format!(
                "Volume '{volume_id}' is not attached like that; it is attached to '{}' as {}",
                at.instance, at.device
            ),
        ));
    }
    let instance_id = at.instance.clone();
    let instance = call.region.instance(&instance_id)?;
    let is_root = at.device == instance.root_device;
    if is_root && instance.state != State::Stopped {
        return Err(ApiError::new(
            "OperationNotPermitted",
            format!("Unable to detach root volume '{volume_id}' from instance '{instance_id}'"),
        ));
    }
    let state = match at.state {
        // It is on its way already.
        AttachState::Detaching | AttachState::Busy if !force => return answer(volume, at),
        AttachState::Attaching if !force && instance.state != State::Stopped => {
            return Err(ApiError::new(
                "IncorrectState",
                format!("Volume '{volume_id}' is in the 'attaching' state."),
            ));
        }
        state => state,
    };
    let named = [volume_id.as_str(), &instance_id, &at.device];
    let mut busy = call.strikes(&FaultKind::StuckDetaching, &named);
    // One that is stuck was never plugged in.
    if instance.state == State::Running && state != AttachState::Attaching && !busy {
        let detached = call.world.backend.detach(&instance_id, &volume_id);
        if let Err(error) = detached {
            crate::log(format_args!("{error}"));
            busy = true;
        }
    }
    let busy = busy && !force;
    let due = call.world.after(call.world.timings.attach);
    let volume = call.region.volume_mut(&volume_id)?;
    if let Some(at) = &mut volume.attachment {
        at.state = if busy {
            AttachState::Busy
        } else {
            AttachState::Detaching
        };
        at.due = (!busy).then_some(due);
    }
    match &volume.attachment {
        Some(at) => answer(volume, at),
        None => Err(ApiError::internal(format!("{volume_id} lost its attachment"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_names_of_each_kind() {
        for (device, pv, hvm) in [
            ("/dev/sdf", true, true),
            ("/dev/sdf1", true, false),
            ("/dev/sdf16", false, false),
            ("/dev/sda1", true, true),
            ("/dev/xvda", true, true),
            ("xvdf", true, true),
            ("/dev/xvdba", true, true),
            ("/dev/sdaa", false, false),
            ("/dev/nvme1n1", false, false),
            ("/dev/sd", false, false),
            ("sdé", false, false),
        ] {
            assert_eq!(
                is_device_name(device, Virtualization::Paravirtual),
                pv,
                "{device} on PV"
            );
            assert_eq!(is_device_name(device, Virtualization::Hvm), hvm, "{device} on HVM");
        }
    }
}
