//! Instances and their status.

use super::{groups, product_codes, said, tags, time, unsigned};
use crate::{
    ids::{
        AccountId, AttachmentId, EventId, ImageId, InstanceId, InterfaceId, KernelId, RamdiskId, SubnetId, VolumeId,
        VpcId,
    },
    model::{
        AddressOwner, AttachState, AutoRecovery, BlockDevice, Check, CheckState, Event, Instance, InstanceAddress,
        InstanceInterface, InstanceState, Lifecycle, MaintenanceOptions, MetadataOptions, Monitoring, Placement,
        RebootMigration, RootDeviceType, Status, Switch, Tenancy, TokenUse, Virtualization,
    },
};
use aws_sdk_ec2::types as sdk;

/// Nothing without the instance's name, its state or its kind of virtualization.
pub(crate) fn instance(from: sdk::Instance) -> Option<Instance> {
    let placement = from.placement;
    let zone = placement
        .as_ref()
        .and_then(|p| p.availability_zone.clone())
        .unwrap_or_default();
    let mut interfaces: Vec<InstanceInterface> = from
        .network_interfaces
        .unwrap_or_default()
        .into_iter()
        .map(interface)
        .collect::<Option<_>>()?;
    interfaces.sort_by_key(|interface| interface.device_index);
    Some(Instance {
        id: InstanceId::from_api(from.instance_id?),
        state: InstanceState::from(from.state?.name?.as_str()),
        instance_type: from.instance_type?.as_str().to_owned(),
        virtualization: Virtualization::from(from.virtualization_type?.as_str()),
        architecture: from
            .architecture
            .map(|a| a.as_str().into())
            .unwrap_or_else(|| "".into()),
        hypervisor: from.hypervisor.map(|hypervisor| hypervisor.as_str().to_owned()),
        kernel: said(from.kernel_id).map(KernelId::from_api),
        ramdisk: said(from.ramdisk_id).map(RamdiskId::from_api),
        image: said(from.image_id).map(ImageId::from_api),
        root_device_name: said(from.root_device_name),
        root_device_type: RootDeviceType::from(from.root_device_type.as_ref().map_or("", |kind| kind.as_str())),
        block_devices: from
            .block_device_mappings
            .unwrap_or_default()
            .into_iter()
            .filter_map(block_device)
            .collect(),
        subnet: said(from.subnet_id).map(SubnetId::from_api),
        vpc: said(from.vpc_id).map(VpcId::from_api),
        zone,
        private_ip: from.private_ip_address.and_then(|text| text.parse().ok()),
        private_dns: said(from.private_dns_name),
        public_ip: from.public_ip_address.and_then(|text| text.parse().ok()),
        public_dns: said(from.public_dns_name),
        key_name: said(from.key_name),
        security_groups: groups(from.security_groups),
        interfaces,
        iam_profile: from.iam_instance_profile.and_then(|profile| profile.arn),
        tags: tags(from.tags),
        monitoring: Monitoring::from(
            from.monitoring
                .and_then(|m| m.state)
                .as_ref()
                .map_or("disabled", |state| state.as_str()),
        ),
        placement: Placement {
            tenancy: Tenancy::from(
                placement
                    .as_ref()
                    .and_then(|p| p.tenancy.as_ref())
                    .map_or("default", |tenancy| tenancy.as_str()),
            ),
            group: placement.as_ref().and_then(|p| said(p.group_name.clone())),
            host: placement.as_ref().and_then(|p| said(p.host_id.clone())),
            affinity: placement.as_ref().and_then(|p| said(p.affinity.clone())),
            partition: placement
                .as_ref()
                .and_then(|p| p.partition_number)
                .filter(|number| *number > 0),
        },
        lifecycle: Lifecycle::from(from.instance_lifecycle.as_ref().map_or("normal", |kind| kind.as_str())),
        product_codes: product_codes(from.product_codes),
        platform_details: said(from.platform_details),
        windows: from
            .platform
            .is_some_and(|platform| platform.as_str().eq_ignore_ascii_case("windows")),
        launch_time: time(from.launch_time),
        metadata_options: from.metadata_options.map(metadata),
        maintenance_options: maintenance(from.maintenance_options),
        ebs_optimized: from.ebs_optimized.unwrap_or(false),
        ena_support: from.ena_support.unwrap_or(false),
        sriov: said(from.sriov_net_support),
        source_dest_check: from.source_dest_check,
        hibernation: from
            .hibernation_options
            .and_then(|options| options.configured)
            .unwrap_or(false),
        enclave: from
            .enclave_options
            .and_then(|options| options.enabled)
            .unwrap_or(false),
        state_reason: from
            .state_reason
            .and_then(|reason| match (reason.code, reason.message) {
                (Some(code), Some(message)) => Some(format!("{code}: {message}")),
                (code, message) => said(code.or(message)),
            }),
        state_transition_reason: said(from.state_transition_reason),
        boot_mode: from.boot_mode.map(|mode| mode.as_str().to_owned()),
        client_token: said(from.client_token),
    })
}

fn block_device(from: sdk::InstanceBlockDeviceMapping) -> Option<BlockDevice> {
    let ebs = from.ebs?;
    Some(BlockDevice {
        device: from.device_name?,
        volume: VolumeId::from_api(ebs.volume_id?),
        delete_on_termination: ebs.delete_on_termination.unwrap_or(false),
        state: AttachState::from(ebs.status.as_ref().map_or("attached", |status| status.as_str())),
    })
}

fn interface(from: sdk::InstanceNetworkInterface) -> Option<InstanceInterface> {
    let attachment = from.attachment;
    let mut addresses: Vec<InstanceAddress> = from
        .private_ip_addresses
        .unwrap_or_default()
        .into_iter()
        .filter_map(address)
        .collect();
    addresses.sort_by_key(|address| !address.primary);
    Some(InstanceInterface {
        id: InterfaceId::from_api(from.network_interface_id?),
        attachment: attachment
            .as_ref()
            .and_then(|a| a.attachment_id.clone())
            .map(AttachmentId::from_api),
        device_index: unsigned(attachment.as_ref().and_then(|a| a.device_index)),
        state: AttachState::from(
            attachment
                .as_ref()
                .and_then(|a| a.status.as_ref())
                .map_or("attached", |status| status.as_str()),
        ),
        addresses,
        ipv6: from
            .ipv6_addresses
            .unwrap_or_default()
            .into_iter()
            .filter_map(|address| address.ipv6_address?.parse().ok())
            .collect(),
        groups: groups(from.groups),
        delete_on_termination: attachment
            .as_ref()
            .and_then(|a| a.delete_on_termination)
            .unwrap_or(false),
        mac: said(from.mac_address),
        source_dest_check: from.source_dest_check.unwrap_or(true),
        description: said(from.description),
        subnet: said(from.subnet_id).map(SubnetId::from_api),
        kind: said(from.interface_type),
    })
}

fn address(from: sdk::InstancePrivateIpAddress) -> Option<InstanceAddress> {
    let public = from
        .association
        .as_ref()
        .and_then(|a| a.public_ip.as_ref())
        .and_then(|text| text.parse().ok());
    Some(InstanceAddress {
        private: from.private_ip_address?.parse().ok()?,
        primary: from.primary.unwrap_or(false),
        public,
        owner: from
            .association
            .and_then(|association| association.ip_owner_id)
            .map(owner),
    })
}

fn owner(id: String) -> AddressOwner {
    match id.as_str() {
        "amazon" => AddressOwner::Amazon,
        text => match text.parse::<AccountId>() {
            Ok(account) => AddressOwner::Account(account),
            Err(_) => AddressOwner::Other(id),
        },
    }
}

fn metadata(from: sdk::InstanceMetadataOptionsResponse) -> MetadataOptions {
    MetadataOptions {
        tokens: TokenUse::from(from.http_tokens.as_ref().map_or("optional", |tokens| tokens.as_str())),
        endpoint: Switch::from(
            from.http_endpoint
                .as_ref()
                .map_or("enabled", |endpoint| endpoint.as_str()),
        ),
        hop_limit: from.http_put_response_hop_limit.unwrap_or(1),
        ipv6: Switch::from(
            from.http_protocol_ipv6
                .as_ref()
                .map_or("disabled", |ipv6| ipv6.as_str()),
        ),
        tags: Switch::from(
            from.instance_metadata_tags
                .as_ref()
                .map_or("disabled", |tags| tags.as_str()),
        ),
    }
}

fn maintenance(from: Option<sdk::InstanceMaintenanceOptions>) -> MaintenanceOptions {
    let recovery = from.as_ref().and_then(|options| options.auto_recovery.as_ref());
    let migration = from.as_ref().and_then(|options| options.reboot_migration.as_ref());
    MaintenanceOptions {
        auto_recovery: AutoRecovery::from(recovery.map_or("default", |recovery| recovery.as_str())),
        reboot_migration: migration.map(|migration| RebootMigration::from(migration.as_str())),
    }
}

/// Nothing without the instance's name.
pub(crate) fn status(from: sdk::InstanceStatus) -> Option<Status> {
    let state = from.instance_state.and_then(|state| state.name);
    Some(Status {
        instance: InstanceId::from_api(from.instance_id?),
        state: InstanceState::from(state.as_ref().map_or("", |name| name.as_str())),
        system: check(from.system_status),
        guest: check(from.instance_status),
        events: from.events.unwrap_or_default().into_iter().filter_map(event).collect(),
    })
}

fn check(from: Option<sdk::InstanceStatusSummary>) -> Check {
    let state = from.as_ref().and_then(|summary| summary.status.as_ref());
    Check {
        state: CheckState::from(state.map_or("not-applicable", |state| state.as_str())),
        impaired_since: from
            .and_then(|summary| summary.details)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|detail| time(detail.impaired_since))
            .min(),
    }
}

fn event(from: sdk::InstanceStatusEvent) -> Option<Event> {
    let description = from.description.unwrap_or_default();
    let (stage, rest) = Event::stage_of(&description);
    Some(Event {
        id: from.instance_event_id.map(EventId::from_api),
        code: from.code?.as_str().into(),
        description: rest.to_owned(),
        stage,
        not_before: time(from.not_before),
        not_after: time(from.not_after),
        deadline: time(from.not_before_deadline),
    })
}
