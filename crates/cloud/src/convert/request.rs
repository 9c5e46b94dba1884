//! What is asked for when something is made.

use super::{count, tags_to_sdk};
use crate::{
    model::{MetadataOptions, Placement, Tags},
    request::{InterfaceUse, NetworkUse, NewDevice, NewInterface, RunRequest},
};
use aws_sdk_ec2::{
    operation::run_instances::builders::RunInstancesFluentBuilder,
    types::{
        BlockDeviceMapping, CreditSpecificationRequest, EbsBlockDevice, IamInstanceProfileSpecification,
        InstanceMaintenanceOptionsRequest, InstanceMetadataOptionsRequest, InstanceNetworkInterfaceSpecification,
        Placement as SdkPlacement, ResourceType, RunInstancesMonitoringEnabled, TagSpecification,
    },
};

/// Tags of things made by a call; nothing where there are none.
pub(crate) fn tag_specifications(kind: ResourceType, tags: &Tags) -> Option<Vec<TagSpecification>> {
    specification(kind, tags).map(|specification| vec![specification])
}

fn specification(kind: ResourceType, tags: &Tags) -> Option<TagSpecification> {
    (!tags.is_empty()).then(|| {
        TagSpecification::builder()
            .resource_type(kind)
            .set_tags(Some(tags_to_sdk(tags)))
            .build()
    })
}

pub(crate) fn run_request(builder: RunInstancesFluentBuilder, from: &RunRequest) -> RunInstancesFluentBuilder {
    let kinds = [
        (ResourceType::Instance, &from.tags),
        (ResourceType::Volume, &from.volume_tags),
        (ResourceType::NetworkInterface, &from.interface_tags),
    ];
    let tags: Vec<TagSpecification> = kinds
        .into_iter()
        .filter_map(|(kind, tags)| specification(kind, tags))
        .collect();
    let devices: Vec<BlockDeviceMapping> = from.devices.iter().map(device).collect();
    let maintenance = from.maintenance_options.as_ref().map(|options| {
        InstanceMaintenanceOptionsRequest::builder()
            .auto_recovery(options.auto_recovery.as_str().into())
            .build()
    });
    let credits = from.credits.map(|credits| {
        CreditSpecificationRequest::builder()
            .cpu_credits(credits.as_str())
            .build()
    });
    builder
        .client_token(&from.token)
        .image_id(from.image.as_str())
        .instance_type(from.instance_type.as_str().into())
        .min_count(1)
        .max_count(1)
        .set_tag_specifications((!tags.is_empty()).then_some(tags))
        .set_block_device_mappings((!devices.is_empty()).then_some(devices))
        .set_network_interfaces(Some(interfaces(&from.network)))
        .set_user_data(from.user_data.as_ref().map(|data| data.to_base64()))
        .set_iam_instance_profile(from.profile.as_deref().map(profile))
        .set_key_name(from.key_name.clone())
        .set_placement(placement(from.placement.as_ref(), from.zone.as_deref()))
        .monitoring(
            RunInstancesMonitoringEnabled::builder()
                .enabled(from.monitoring)
                .build(),
        )
        .set_metadata_options(from.metadata_options.as_ref().map(metadata))
        .set_maintenance_options(maintenance)
        .instance_initiated_shutdown_behavior(from.shutdown_behavior.as_str().into())
        .set_disable_api_termination(from.termination_protected.then_some(true))
        .set_disable_api_stop(from.stop_protected.then_some(true))
        .set_ebs_optimized(from.ebs_optimized)
        .set_credit_specification(credits)
        .set_kernel_id(from.kernel.as_ref().map(ToString::to_string))
        .set_ramdisk_id(from.ramdisk.as_ref().map(ToString::to_string))
}

/// Always in detail: EC2 refuses a subnet or groups next to interfaces, and without an interface there is no way to say
/// whether there is to be a public address.
fn interfaces(network: &NetworkUse) -> Vec<InstanceNetworkInterfaceSpecification> {
    match network {
        NetworkUse::Subnet {
            subnet,
            groups,
            private_ip,
            public_ip,
        } => vec![
            InstanceNetworkInterfaceSpecification::builder()
                .device_index(0)
                .subnet_id(subnet.as_str())
                .set_groups((!groups.is_empty()).then(|| groups.iter().map(ToString::to_string).collect()))
                .set_private_ip_address(private_ip.map(|ip| ip.to_string()))
                .set_associate_public_ip_address(*public_ip)
                .delete_on_termination(true)
                .build(),
        ],
        NetworkUse::Interfaces(interfaces) => interfaces.iter().map(interface).collect(),
    }
}

fn interface(from: &InterfaceUse) -> InstanceNetworkInterfaceSpecification {
    match from {
        InterfaceUse::Existing { id, device_index } => InstanceNetworkInterfaceSpecification::builder()
            .device_index(count(*device_index))
            .network_interface_id(id.as_str())
            .build(),
        InterfaceUse::New(new) => new_interface(new),
    }
}

fn new_interface(from: &NewInterface) -> InstanceNetworkInterfaceSpecification {
    InstanceNetworkInterfaceSpecification::builder()
        .device_index(count(from.device_index))
        .subnet_id(from.subnet.as_str())
        .set_groups((!from.groups.is_empty()).then(|| from.groups.iter().map(ToString::to_string).collect()))
        .set_private_ip_address(from.private_ip.map(|ip| ip.to_string()))
        .set_secondary_private_ip_address_count((from.further_addresses > 0).then(|| count(from.further_addresses)))
        .set_associate_public_ip_address(from.public_ip)
        .delete_on_termination(from.delete_on_termination)
        .set_description(from.description.clone())
        .build()
}

fn profile(name: &str) -> IamInstanceProfileSpecification {
    let builder = IamInstanceProfileSpecification::builder();
    if name.starts_with("arn:") {
        builder.arn(name)
    } else {
        builder.name(name)
    }
    .build()
}

fn placement(from: Option<&Placement>, zone: Option<&str>) -> Option<SdkPlacement> {
    if from.is_none() && zone.is_none() {
        return None;
    }
    let mut builder = SdkPlacement::builder().set_availability_zone(zone.map(str::to_owned));
    if let Some(from) = from {
        builder = builder
            .tenancy(from.tenancy.as_str().into())
            .set_group_name(from.group.clone())
            .set_host_id(from.host.clone())
            .set_affinity(from.affinity.clone())
            .set_partition_number(from.partition);
    }
    Some(builder.build())
}

fn metadata(from: &MetadataOptions) -> InstanceMetadataOptionsRequest {
    InstanceMetadataOptionsRequest::builder()
        .http_tokens(from.tokens.as_str().into())
        .http_endpoint(from.endpoint.as_str().into())
        .http_put_response_hop_limit(from.hop_limit)
        .http_protocol_ipv6(from.ipv6.as_str().into())
        .instance_metadata_tags(from.tags.as_str().into())
        .build()
}

/// A device of a new instance or image.
pub(crate) fn device(from: &NewDevice) -> BlockDeviceMapping {
    let builder = BlockDeviceMapping::builder();
    match from {
        NewDevice::Volume {
            device,
            snapshot,
            size_gib,
            kind,
            delete_on_termination,
            encrypted,
            kms_key,
        } => {
            let ebs = EbsBlockDevice::builder()
                .set_snapshot_id(snapshot.as_ref().map(ToString::to_string))
                .set_volume_size(size_gib.map(count))
                .set_volume_type(kind.as_deref().map(Into::into))
                .delete_on_termination(*delete_on_termination)
                .set_encrypted(*encrypted)
                .set_kms_key_id(kms_key.clone())
                .build();
            builder.device_name(device).ebs(ebs).build()
        }
        NewDevice::Ephemeral { device, virtual_name } => builder.device_name(device).virtual_name(virtual_name).build(),
        NewDevice::None { device } => builder.device_name(device).no_device("").build(),
    }
}
