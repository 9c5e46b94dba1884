//! Reading and changing what an instance is.

use base64::Engine as _;

use super::describe_instances::{group_set, mappings, metadata_options, product_codes};
use super::{Answer, Call, done};
use crate::engine::aki;
use crate::engine::catalogue;
use crate::engine::instance::{Instance, State};
use crate::wire::{ApiError, Params, Xml};

pub(super) fn describe(call: &mut Call<'_>) -> Answer {
    let attribute = call.params.required("Attribute")?;
    let instance = call.region.instance(call.params.required("InstanceId")?)?;
    let mut xml = Xml::new();
    xml.text("instanceId", &instance.id);
    // An attribute without a value is an empty element.
    let mut value = |value: Option<String>| {
        xml.element(attribute, |xml| {
            xml.opt("value", value);
        });
    };
    match attribute {
        "userData" => value(instance.user_data.clone()),
        "disableApiTermination" => value(Some(instance.termination_protected.to_string())),
        "disableApiStop" => value(Some(instance.stop_protected.to_string())),
        "instanceInitiatedShutdownBehavior" => value(Some(instance.on_shutdown.clone())),
        "kernel" => value(instance.kernel.clone()),
        "ramdisk" => value(instance.ramdisk.clone()),
        "instanceType" => value(Some(instance.kind.clone())),
        "sourceDestCheck" => value(Some(instance.source_dest_check.to_string())),
        "ebsOptimized" => value(Some(instance.ebs_optimized.to_string())),
        "enaSupport" => value(Some(instance.ena.to_string())),
        "sriovNetSupport" => value(instance.sriov.clone()),
        "rootDeviceName" => value(Some(instance.root_device.clone())),
        "enclaveOptions" => {
            xml.element("enclaveOptions", |xml| {
                xml.text("enabled", false);
            });
        }
        "blockDeviceMapping" => mappings(&mut xml, call.region, instance),
        "productCodes" => product_codes(&mut xml, &instance.product_codes),
        "groupSet" => {
            let primary = call.region.interfaces_of(&instance.id).into_iter().next();
            let groups = primary.map(|interface| interface.groups.clone()).unwrap_or_default();
            group_set(&mut xml, call.region, &groups);
        }
        other => return Err(ApiError::invalid("attribute", other)),
    }
    Ok(xml)
}

/// One attribute of a request: either `Attribute` and `Value`, or the attribute's own parameter.
fn attribute(params: &Params) -> Result<(String, Option<String>), ApiError> {
    if let Some(name) = params.text("Attribute") {
        return Ok((name.to_owned(), params.get("Value").map(str::to_owned)));
    }
    const OWN: &[(&str, &str)] = &[
        ("UserData.Value", "userData"),
        ("DisableApiTermination.Value", "disableApiTermination"),
        ("DisableApiStop.Value", "disableApiStop"),
        (
            "InstanceInitiatedShutdownBehavior.Value",
            "instanceInitiatedShutdownBehavior",
        ),
        ("Kernel.Value", "kernel"),
        ("Ramdisk.Value", "ramdisk"),
        ("InstanceType.Value", "instanceType"),
        ("SourceDestCheck.Value", "sourceDestCheck"),
        ("EbsOptimized.Value", "ebsOptimized"),
        ("EnaSupport.Value", "enaSupport"),
        ("SriovNetSupport.Value", "sriovNetSupport"),
    ];
    let mut given: Vec<(String, Option<String>)> = OWN
        .iter()
        .filter_map(|(parameter, name)| Some(((*name).to_owned(), Some(params.get(parameter)?.to_owned()))))
        .collect();
    if !params.list("GroupId").is_empty() {
        given.push(("groupSet".to_owned(), None));
    }
    if !params.structs("BlockDeviceMapping").is_empty() {
        given.push(("blockDeviceMapping".to_owned(), None));
    }
    if given.len() > 1 {
        return Err(ApiError::combination(
            "Fields for multiple attribute types specified: exactly one attribute can be modified in a request",
        ));
    }
    given
        .pop()
        .ok_or_else(|| ApiError::combination("No attributes specified."))
}

pub(super) fn modify(call: &mut Call<'_>) -> Answer {
    let id = call.params.required("InstanceId")?.to_owned();
    let instance = call.region.instance(&id)?.clone();
    let (name, value) = attribute(call.params)?;
    if instance.state.is_gone() {
        return Err(ApiError::new(
            "IncorrectInstanceState",
            format!("The instance '{id}' is not in a state in which it can be modified."),
        ));
    }
    let stopped = [
        "kernel",
        "ramdisk",
        "instanceType",
        "enaSupport",
        "sriovNetSupport",
        "userData",
        "ebsOptimized",
    ];
    if stopped.contains(&name.as_str()) && instance.state != State::Stopped {
        return Err(ApiError::new(
            "IncorrectInstanceState",
            format!("The instance '{id}' is not in the 'stopped' state."),
        ));
    }
    match name.as_str() {
        "groupSet" => return set_groups(call, &id),
        "blockDeviceMapping" => return set_mappings(call, &id),
        _ => {}
    }
    let value = value.ok_or_else(|| ApiError::missing("Value"))?;
    let flag = || match value.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(ApiError::invalid(&name, other)),
    };
    let mut changed = instance.clone();
    match name.as_str() {
        "userData" => {
            if base64::engine::general_purpose::STANDARD.decode(&value).is_err() {
                return Err(ApiError::new(
                    "InvalidParameterValue",
                    "Invalid BASE64 encoding of user data.",
                ));
            }
            changed.user_data = Some(value).filter(|value| !value.is_empty());
        }
        "disableApiTermination" => changed.termination_protected = flag()?,
        "disableApiStop" => changed.stop_protected = flag()?,
        "instanceInitiatedShutdownBehavior" => {
            if !["stop", "terminate"].contains(&value.as_str()) {
                return Err(ApiError::invalid("instanceInitiatedShutdownBehavior", &value));
            }
            changed.on_shutdown = value;
        }
        "kernel" => {
            check_kernel(call, &instance, &value)?;
            changed.kernel = Some(value);
        }
        "ramdisk" => changed.ramdisk = Some(value).filter(|value| !value.is_empty()),
        "instanceType" => {
            check_type(call, &instance, &value)?;
            changed.kind = value;
        }
        "sourceDestCheck" => {
            changed.source_dest_check = flag()?;
            let primary = call
                .region
                .interfaces_of(&id)
                .first()
                .map(|interface| interface.id.clone());
            if let Some(interface) = primary.and_then(|id| call.region.interfaces.get_mut(&id)) {
                interface.source_dest_check = changed.source_dest_check;
            }
        }
        "ebsOptimized" => changed.ebs_optimized = flag()?,
        // It can be set, and not taken away again.
        "enaSupport" => {
            if !flag()? {
                return Err(ApiError::invalid("enaSupport", &value));
            }
            changed.ena = true;
        }
        "sriovNetSupport" => {
            if value != "simple" {
                return Err(ApiError::invalid("sriovNetSupport", &value));
            }
            changed.sriov = Some(value);
        }
        other => return Err(ApiError::invalid("attribute", other)),
    }
    *call.region.instance_mut(&id)? = changed;
    done()
}

fn check_kernel(call: &Call<'_>, instance: &Instance, kernel: &str) -> Result<(), ApiError> {
    if !instance.is_paravirtual() {
        return Err(ApiError::new(
            "InvalidParameterCombination",
            "Kernel and ramdisk can only be set on a paravirtual instance",
        ));
    }
    match aki::find(&call.region.name, kernel) {
        None => Err(ApiError::new(
            "InvalidAMIID.NotFound",
            format!("The image id '[{kernel}]' does not exist"),
        )),
        Some(aki) if aki.arch != instance.architecture => Err(ApiError::new(
            "InvalidParameterValue",
            format!(
                "The kernel '{kernel}' is for {}, the instance is {}",
                aki.arch, instance.architecture
            ),
        )),
        Some(_) => Ok(()),
    }
}

/// Whether an instance can be of a type: virtualization, architecture, ENA, and where the type is offered.
pub(super) fn check_type(call: &Call<'_>, instance: &Instance, name: &str) -> Result<(), ApiError> {
    let kind = catalogue::find(name).ok_or_else(|| ApiError::invalid("InstanceType", name))?;
    if !kind.supports(instance.virtualization) {
        return Err(ApiError::new(
            "InvalidParameterCombination",
            format!(
                "Virtualization type '{}' is not supported for instances of type '{name}'.",
                instance.virtualization.name()
            ),
        ));
    }
    if !kind.architectures.contains(&instance.architecture.as_str()) {
        return Err(ApiError::new(
            "InvalidParameterValue",
            format!(
                "The architecture '{}' of the specified instance type does not match the architecture '{}' of the instance",
                kind.architectures.join(","),
                instance.architecture
            ),
        ));
    }
    if kind.ena == "required" && !instance.ena {
        return Err(ApiError::new(
            "InvalidParameterCombination",
            format!(
                "Enhanced networking with the Elastic Network Adapter (ENA) is required for the '{name}' instance type. Ensure that your instance is enabled for ENA."
            ),
        ));
    }
    if !kind.is_offered(&call.region.name, &call.region.zones, &instance.zone) {
        return Err(ApiError::unsupported(format!(
            "Your requested instance type ({name}) is not supported in your requested Availability Zone ({}).",
            instance.zone
        )));
    }
    Ok(())
}

fn set_groups(call: &mut Call<'_>, id: &str) -> Answer {
    let groups: Vec<String> = call.params.list("GroupId").into_iter().map(str::to_owned).collect();
    for group in &groups {
        call.region.group(group)?;
    }
    let primary = call
        .region
        .interfaces_of(id)
        .first()
        .map(|interface| interface.id.clone());
    if let Some(interface) = primary.and_then(|id| call.region.interfaces.get_mut(&id)) {
        interface.groups = groups;
    }
    done()
}

/// Only whether volumes are deleted with the instance can be changed.
fn set_mappings(call: &mut Call<'_>, id: &str) -> Answer {
    let mut wanted = Vec::new();
    for mapping in call.params.structs("BlockDeviceMapping") {
        let device = mapping.required("DeviceName")?.to_owned();
        let delete = mapping
            .flag("Ebs.DeleteOnTermination")?
            .ok_or_else(|| ApiError::missing("BlockDeviceMapping.Ebs.DeleteOnTermination"))?;
        let volume = call
            .region
            .volumes_of(id)
            .find(|volume| volume.attachment.as_ref().is_some_and(|at| at.device == device));
        let volume = volume.ok_or_else(|| {
            ApiError::new(
                "InvalidInstanceAttributeValue",
                format!("No device is currently mapped at {device}"),
            )
        })?;
        wanted.push((volume.id.clone(), delete));
    }
    for (volume, delete) in wanted {
        if let Some(at) = &mut call.region.volume_mut(&volume)?.attachment {
            at.delete_on_termination = delete;
        }
    }
    done()
}

pub(super) fn modify_maintenance(call: &mut Call<'_>) -> Answer {
    let id = call.params.required("InstanceId")?.to_owned();
    let recovery = call.params.one_of("AutoRecovery", &["disabled", "default"])?;
    let migration = call.params.one_of("RebootMigration", &["disabled", "default"])?;
    let instance = call.region.instance_mut(&id)?;
    if let Some(recovery) = recovery {
        recovery.clone_into(&mut instance.auto_recovery);
    }
    if let Some(migration) = migration {
        migration.clone_into(&mut instance.reboot_migration);
    }
    let mut xml = Xml::new();
    xml.text("instanceId", &id)
        .text("autoRecovery", &instance.auto_recovery)
        .text("rebootMigration", &instance.reboot_migration);
    Ok(xml)
}

/// Takes over what a request says about the metadata service.
pub(super) fn set_metadata(params: &Params, instance: &mut Instance) -> Result<(), ApiError> {
    let switch = ["enabled", "disabled"];
    let tokens = params.one_of("HttpTokens", &["optional", "required"])?;
    let hop_limit: Option<u32> = params.parsed("HttpPutResponseHopLimit")?;
    let endpoint = params.one_of("HttpEndpoint", &switch)?;
    let ipv6 = params.one_of("HttpProtocolIpv6", &switch)?;
    let tags = params.one_of("InstanceMetadataTags", &switch)?;
    let metadata = &mut instance.metadata;
    let set = |field: &mut String, value: Option<&str>| {
        if let Some(value) = value {
            value.clone_into(field);
        }
    };
    set(&mut metadata.tokens, tokens);
    set(&mut metadata.endpoint, endpoint);
    set(&mut metadata.ipv6, ipv6);
    set(&mut metadata.tags, tags);
    metadata.hop_limit = hop_limit.unwrap_or(metadata.hop_limit);
    Ok(())
}

pub(super) fn modify_metadata(call: &mut Call<'_>) -> Answer {
    let id = call.params.required("InstanceId")?.to_owned();
    let instance = call.region.instance_mut(&id)?;
    set_metadata(call.params, instance)?;
    let mut xml = Xml::new();
    xml.text("instanceId", &id);
    metadata_options(&mut xml, "instanceMetadataOptions", instance);
    Ok(xml)
}
