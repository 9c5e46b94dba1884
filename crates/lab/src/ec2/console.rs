//! What an instance shows on its console and on its screen.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Answer, Call};
use crate::engine::instance::State;
use crate::engine::machine;
use crate::wire::{ApiError, Xml, iso};

/// How much of the console is shown, in bytes.
const SHOWN: usize = 64 << 10;

pub(super) fn output(call: &mut Call<'_>) -> Answer {
    let instance = call.region.instance(call.params.required("InstanceId")?)?;
    if call.params.is_set("Latest")? && machine_is_not_nitro(&instance.kind) {
        return Err(ApiError::unsupported(
            "This instance type does not support retrieving the latest console logs. Omit the 'Latest' parameter.",
        ));
    }
    let bytes = machine::console(call.world, instance);
    let shown = &bytes[bytes.len().saturating_sub(SHOWN)..];
    let mut xml = Xml::new();
    xml.text("instanceId", &instance.id)
        .text("timestamp", iso(call.now))
        .text("output", STANDARD.encode(shown));
    Ok(xml)
}

fn machine_is_not_nitro(kind: &str) -> bool {
    crate::engine::catalogue::find(kind).is_none_or(|kind| !kind.nitro)
}

pub(super) fn screenshot(call: &mut Call<'_>) -> Answer {
    let instance = call.region.instance(call.params.required("InstanceId")?)?;
    if instance.is_paravirtual() {
        return Err(ApiError::new(
            "UnsupportedOperation",
            "The operation is not supported for paravirtual instances.",
        ));
    }
    if instance.state != State::Running {
        return Err(ApiError::new(
            "IncorrectInstanceState",
            format!("The instance '{}' is not in the 'running' state.", instance.id),
        ));
    }
    let picture = call
        .world
        .backend
        .screenshot(&instance.id)
        .map_err(|error| ApiError::internal(error.to_string()))?;
    let mut xml = Xml::new();
    xml.text("instanceId", &instance.id)
        .text("imageData", STANDARD.encode(picture));
    Ok(xml)
}
