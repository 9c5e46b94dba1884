//! Addresses, interfaces, subnets, security groups and target groups.

use super::{groups, said, tags, unsigned};
use crate::{
    ids::{
        AllocationId, AssociationId, AttachmentId, GroupId, InstanceId, InterfaceId, SubnetId, TargetGroupArn, VpcId,
    },
    model::{
        Address, AttachState, IngressRule, Interface, InterfaceAddress, InterfaceAttachment, InterfaceState,
        SecurityGroup, Subnet, Target, TargetGroup, TargetHealth, TargetState,
    },
};
use aws_sdk_ec2::types as sdk;
use aws_sdk_elasticloadbalancingv2::types as elb;

/// Nothing without the address itself.
pub(crate) fn address(from: sdk::Address) -> Option<Address> {
    Some(Address {
        allocation: said(from.allocation_id).map(AllocationId::from_api),
        public: from.public_ip?.parse().ok()?,
        association: said(from.association_id).map(AssociationId::from_api),
        instance: said(from.instance_id).map(InstanceId::from_api),
        interface: said(from.network_interface_id).map(InterfaceId::from_api),
        private: from.private_ip_address.and_then(|text| text.parse().ok()),
        tags: tags(from.tags),
    })
}

/// Nothing without the interface's name or state.
pub(crate) fn interface(from: sdk::NetworkInterface) -> Option<Interface> {
    let mut addresses: Vec<InterfaceAddress> = from
        .private_ip_addresses
        .unwrap_or_default()
        .into_iter()
        .filter_map(private_address)
        .collect();
    addresses.sort_by_key(|address| !address.primary);
    Some(Interface {
        id: InterfaceId::from_api(from.network_interface_id?),
        state: InterfaceState::from(from.status?.as_str()),
        attachment: from.attachment.and_then(attachment),
        subnet: said(from.subnet_id).map(SubnetId::from_api),
        vpc: said(from.vpc_id).map(VpcId::from_api),
        zone: from.availability_zone.unwrap_or_default(),
        addresses,
        ipv6: from
            .ipv6_addresses
            .unwrap_or_default()
            .into_iter()
            .filter_map(|address| address.ipv6_address?.parse().ok())
            .collect(),
        groups: groups(from.groups),
        mac: said(from.mac_address),
        source_dest_check: from.source_dest_check.unwrap_or(true),
        description: from.description.unwrap_or_default(),
        kind: from.interface_type.map(|kind| kind.as_str().to_owned()),
        requester_managed: from.requester_managed.unwrap_or(false),
        tags: tags(from.tag_set),
    })
}

fn attachment(from: sdk::NetworkInterfaceAttachment) -> Option<InterfaceAttachment> {
    Some(InterfaceAttachment {
        id: AttachmentId::from_api(from.attachment_id?),
        instance: said(from.instance_id).map(InstanceId::from_api),
        device_index: unsigned(from.device_index),
        state: AttachState::from(from.status.as_ref().map_or("", |status| status.as_str())),
        delete_on_termination: from.delete_on_termination.unwrap_or(false),
    })
}

fn private_address(from: sdk::NetworkInterfacePrivateIpAddress) -> Option<InterfaceAddress> {
    let association = from.association;
    let public = association.as_ref().and_then(|a| a.public_ip.as_ref());
    Some(InterfaceAddress {
        private: from.private_ip_address?.parse().ok()?,
        primary: from.primary.unwrap_or(false),
        public: public.and_then(|text| text.parse().ok()),
        allocation: association
            .as_ref()
            .and_then(|a| said(a.allocation_id.clone()))
            .map(AllocationId::from_api),
        association: association
            .and_then(|a| said(a.association_id))
            .map(AssociationId::from_api),
    })
}

/// Nothing without the subnet's name.
pub(crate) fn subnet(from: sdk::Subnet) -> Option<Subnet> {
    Some(Subnet {
        id: SubnetId::from_api(from.subnet_id?),
        vpc: said(from.vpc_id).map(VpcId::from_api),
        zone: from.availability_zone.unwrap_or_default(),
        cidr: from.cidr_block.unwrap_or_default(),
        free_addresses: unsigned(from.available_ip_address_count),
        public_ip_on_launch: from.map_public_ip_on_launch.unwrap_or(false),
        tags: tags(from.tags),
    })
}

/// Nothing without the group's name.
pub(crate) fn group(from: sdk::SecurityGroup) -> Option<SecurityGroup> {
    Some(SecurityGroup {
        id: GroupId::from_api(from.group_id?),
        name: from.group_name.unwrap_or_default(),
        description: from.description.unwrap_or_default(),
        vpc: said(from.vpc_id).map(VpcId::from_api),
        ingress: from.ip_permissions.unwrap_or_default().into_iter().map(rule).collect(),
        tags: tags(from.tags),
    })
}

fn rule(from: sdk::IpPermission) -> IngressRule {
    let v4 = from
        .ip_ranges
        .unwrap_or_default()
        .into_iter()
        .filter_map(|range| range.cidr_ip);
    let v6 = from
        .ipv6_ranges
        .unwrap_or_default()
        .into_iter()
        .filter_map(|range| range.cidr_ipv6);
    IngressRule {
        protocol: from.ip_protocol.unwrap_or_default(),
        from_port: from.from_port,
        to_port: from.to_port,
        ranges: v4.chain(v6).collect(),
        groups: from
            .user_id_group_pairs
            .unwrap_or_default()
            .into_iter()
            .filter_map(|pair| pair.group_id.map(GroupId::from_api))
            .collect(),
        prefix_lists: from
            .prefix_list_ids
            .unwrap_or_default()
            .into_iter()
            .filter_map(|list| list.prefix_list_id)
            .collect(),
    }
}

/// Nothing without the group's ARN.
pub(crate) fn target_group(from: elb::TargetGroup) -> Option<TargetGroup> {
    Some(TargetGroup {
        arn: TargetGroupArn::from_api(from.target_group_arn?),
        name: from.target_group_name.unwrap_or_default(),
        target_type: from
            .target_type
            .as_ref()
            .map_or("instance", |kind| kind.as_str())
            .into(),
        port: from.port,
        vpc: said(from.vpc_id).map(VpcId::from_api),
    })
}

/// Nothing without the target's name.
pub(crate) fn target_health(group: &TargetGroup, from: elb::TargetHealthDescription) -> Option<TargetHealth> {
    let target = from.target?;
    let health = from.target_health;
    let state = health.as_ref().and_then(|health| health.state.as_ref());
    Some(TargetHealth {
        group: group.clone(),
        target: Target {
            id: target.id?,
            port: target.port,
            zone: said(target.availability_zone),
        },
        state: TargetState::from(state.map_or("", |state| state.as_str())),
        reason: health.and_then(|health| said(health.description)),
    })
}

pub(crate) fn target_description(target: &Target) -> elb::TargetDescription {
    elb::TargetDescription::builder()
        .id(&target.id)
        .set_port(target.port)
        .set_availability_zone(target.zone.clone())
        .build()
}
