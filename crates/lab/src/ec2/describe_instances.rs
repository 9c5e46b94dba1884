//! `DescribeInstances`, and how an instance looks in XML.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::filter::{Filters, SIZES, maybe, one, page};
use super::{Answer, Call, tag_set};
use crate::engine::instance::{Instance, ProductCode, State};
use crate::engine::interface::Interface;
use crate::engine::{Region, catalogue};
use crate::wire::{Xml, iso};

pub(super) fn describe(call: &mut Call<'_>) -> Answer {
    let ids = call.params.list("InstanceId");
    for id in &ids {
        call.region.instance(id)?;
    }
    let filters = Filters::parse(call.params)?;
    let mut found = Vec::new();
    for instance in call.region.instances.values() {
        if (ids.is_empty() || ids.contains(&instance.id.as_str()))
            && filters.keep(|name| value(call, instance, name))?
        {
            found.push(instance);
        }
    }
    let (found, next) = page(call.params, found, |instance| &instance.id, SIZES)?;
    let mut reservations: BTreeMap<&str, Vec<&Instance>> = BTreeMap::new();
    for instance in found {
        reservations.entry(&instance.reservation).or_default().push(instance);
    }
    let mut xml = Xml::new();
    xml.list("reservationSet", reservations, |xml, (id, instances)| {
        reservation(xml, call.region, id, &instances);
    });
    xml.opt("nextToken", next);
    Ok(xml)
}

/// What an instance has for a filter.
fn value(call: &Call<'_>, instance: &Instance, name: &str) -> Option<Vec<String>> {
    let region = &*call.region;
    let interfaces = || region.interfaces_of(&instance.id).into_iter();
    let attachments = || {
        region
            .volumes_of(&instance.id)
            .filter_map(|volume| Some((volume, volume.attachment.as_ref()?)))
    };
    let groups = || interfaces().flat_map(|interface| interface.groups.iter().cloned());
    match name {
        "affinity" | "host-id" | "platform" | "hibernation-options.configured" => Some(Vec::new()),
        "architecture" => one(&instance.architecture),
        "availability-zone" => one(&instance.zone),
        "block-device-mapping.volume-id" => Some(attachments().map(|(volume, _)| volume.id.clone()).collect()),
        "block-device-mapping.device-name" => Some(attachments().map(|(_, at)| at.device.clone()).collect()),
        "block-device-mapping.status" => Some(attachments().map(|(_, at)| at.state.name().to_owned()).collect()),
        "boot-mode" | "current-instance-boot-mode" => one("legacy-bios"),
        "client-token" => maybe(instance.client_token.as_ref()),
        "dns-name" => maybe(region.public_of(instance).map(|address| public_dns(region, address))),
        "ena-support" => one(instance.ena),
        "group-id" | "instance.group-id" | "network-interface.group-id" => Some(groups().collect()),
        "group-name" | "instance.group-name" | "network-interface.group-name" => Some(
            groups()
                .filter_map(|id| Some(region.groups.get(&id)?.name.clone()))
                .collect(),
        ),
        "hypervisor" => one("xen"),
        "iam-instance-profile.arn" => maybe(instance.profile.as_ref()),
        "image-id" => one(&instance.image),
        "instance-id" => one(&instance.id),
        "instance-lifecycle" => maybe(instance.lifecycle.as_ref()),
        "instance-state-code" => one(instance.state.code_and_name().0),
        "instance-state-name" => one(instance.state.name()),
        "instance-type" => one(&instance.kind),
        "ip-address" => maybe(region.public_of(instance)),
        "kernel-id" => maybe(instance.kernel.as_ref()),
        "key-name" => maybe(instance.key_name.as_ref()),
        "launch-time" => one(iso(instance.launched)),
        "monitoring-state" => one(if instance.monitoring { "enabled" } else { "disabled" }),
        "network-interface.network-interface-id" => Some(interfaces().map(|interface| interface.id.clone()).collect()),
        "network-interface.addresses.private-ip-address" => Some(
            interfaces()
                .flat_map(|interface| &interface.addresses)
                .map(ToString::to_string)
                .collect(),
        ),
        "owner-id" => one(&region.account),
        "placement-group-name" => one(&instance.placement_group),
        "platform-details" => one("Linux/UNIX"),
        "private-ip-address" | "network-interface.private-ip-address" => {
            maybe(interfaces().next().and_then(|interface| interface.primary()))
        }
        "private-dns-name" => maybe(
            interfaces()
                .next()
                .and_then(|interface| Some(instance.private_dns(interface.primary()?, &region.name))),
        ),
        "product-code" => Some(instance.product_codes.iter().map(|code| code.id.clone()).collect()),
        "product-code.type" => Some(instance.product_codes.iter().map(|code| code.kind.clone()).collect()),
        "ramdisk-id" => maybe(instance.ramdisk.as_ref()),
        "reservation-id" => one(&instance.reservation),
        "root-device-name" => one(&instance.root_device),
        "root-device-type" => one(&instance.root_type),
        "source-dest-check" => one(instance.source_dest_check),
        "state-reason-code" => maybe(instance.reason.as_ref().map(|reason| reason.code.as_str())),
        "subnet-id" | "network-interface.subnet-id" => one(&instance.subnet),
        "tenancy" => one(&instance.tenancy),
        "virtualization-type" => one(instance.virtualization.name()),
        "vpc-id" | "network-interface.vpc-id" => one(&instance.vpc),
        _ => call.tag_filter(&instance.id, name),
    }
}

/// The inside of a reservation.
pub(crate) fn reservation(xml: &mut Xml, region: &Region, id: &str, instances: &[&Instance]) {
    xml.text("reservationId", id).text("ownerId", &region.account);
    xml.element("groupSet", |_| {});
    xml.list("instancesSet", instances, |xml, instance| show(xml, region, instance));
}

pub(super) fn public_dns(region: &Region, address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    let domain = if region.name == "us-east-1" {
        "compute-1".to_owned()
    } else {
        format!("{}.compute", region.name)
    };
    format!("ec2-{a}-{b}-{c}-{d}.{domain}.amazonaws.com")
}

pub(super) fn state(xml: &mut Xml, name: &str, state: State) {
    let (code, state) = state.code_and_name();
    xml.element(name, |xml| {
        xml.text("code", code).text("name", state);
    });
}

pub(super) fn product_codes(xml: &mut Xml, codes: &[ProductCode]) {
    xml.list("productCodes", codes, |xml, code| {
        xml.text("productCode", &code.id).text("type", &code.kind);
    });
}

pub(super) fn group_set(xml: &mut Xml, region: &Region, groups: &[String]) {
    xml.list("groupSet", groups, |xml, id| {
        xml.text("groupId", id);
        xml.opt("groupName", region.groups.get(id).map(|group| &group.name));
    });
}

/// The inside of `<ebs>` for each attached volume.
pub(super) fn mappings(xml: &mut Xml, region: &Region, instance: &Instance) {
    let mut attached: Vec<_> = region
        .volumes_of(&instance.id)
        .filter_map(|volume| Some((volume, volume.attachment.as_ref()?)))
        .collect();
    attached.sort_by_key(|(_, at)| (at.device != instance.root_device, at.device.clone()));
    xml.list("blockDeviceMapping", attached, |xml, (volume, at)| {
        xml.text("deviceName", &at.device);
        xml.element("ebs", |xml| {
            xml.text("volumeId", &volume.id)
                .text("status", at.state.name())
                .text("attachTime", iso(at.since))
                .text("deleteOnTermination", at.delete_on_termination);
        });
    });
}

fn show(xml: &mut Xml, region: &Region, instance: &Instance) {
    let interfaces = region.interfaces_of(&instance.id);
    let primary = interfaces.first().copied();
    let private = primary.and_then(Interface::primary);
    let public = region.public_of(instance);
    xml.text("instanceId", &instance.id).text("imageId", &instance.image);
    state(xml, "instanceState", instance.state);
    xml.text(
        "privateDnsName",
        private.map_or_else(String::new, |address| instance.private_dns(address, &region.name)),
    )
    .text(
        "dnsName",
        public.map_or_else(String::new, |address| public_dns(region, address)),
    )
    .text("reason", &instance.transition)
    .opt("keyName", instance.key_name.as_ref())
    .text("amiLaunchIndex", instance.index);
    product_codes(xml, &instance.product_codes);
    xml.text("instanceType", &instance.kind)
        .text("launchTime", iso(instance.launched))
        .element("placement", |xml| {
            xml.text("availabilityZone", &instance.zone)
                .text("groupName", &instance.placement_group)
                .text("tenancy", &instance.tenancy);
        })
        .opt("kernelId", instance.kernel.as_ref())
        .opt("ramdiskId", instance.ramdisk.as_ref())
        .element("monitoring", |xml| {
            xml.text("state", if instance.monitoring { "enabled" } else { "disabled" });
        });
    // A terminated instance has no place in the network any more.
    if instance.state != State::Terminated {
        xml.text("subnetId", &instance.subnet)
            .text("vpcId", &instance.vpc)
            .opt("privateIpAddress", private)
            .opt("ipAddress", public)
            .text("sourceDestCheck", instance.source_dest_check);
    }
    group_set(xml, region, primary.map_or(&[], |interface| &interface.groups));
    if let Some(reason) = &instance.reason {
        xml.element("stateReason", |xml| {
            xml.text("code", &reason.code).text("message", &reason.message);
        });
    }
    xml.text("architecture", &instance.architecture)
        .text("rootDeviceType", &instance.root_type)
        .text("rootDeviceName", &instance.root_device);
    mappings(xml, region, instance);
    xml.text("virtualizationType", instance.virtualization.name())
        .opt("instanceLifecycle", instance.lifecycle.as_ref())
        .text("clientToken", instance.client_token.as_deref().unwrap_or_default());
    tag_set(xml, region, &instance.id);
    // The API says xen of Nitro too.
    xml.text("hypervisor", "xen");
    xml.list("networkInterfaceSet", interfaces, |xml, interface| {
        show_interface(xml, region, instance, interface);
    });
    if let Some(profile) = &instance.profile {
        xml.element("iamInstanceProfile", |xml| {
            xml.text("arn", profile)
                .text("id", format!("AIPA{}", crate::digest(profile, 17)));
        });
    }
    xml.text("ebsOptimized", instance.ebs_optimized)
        .opt("sriovNetSupport", instance.sriov.as_ref())
        .text("enaSupport", instance.ena);
    if let Some(kind) = catalogue::find(&instance.kind) {
        xml.element("cpuOptions", |xml| {
            xml.text("coreCount", kind.cores)
                .text("threadsPerCore", kind.vcpus / kind.cores);
        });
    }
    xml.element("capacityReservationSpecification", |xml| {
        xml.text("capacityReservationPreference", "open");
    })
    .element("hibernationOptions", |xml| {
        xml.text("configured", false);
    });
    metadata_options(xml, "metadataOptions", instance);
    xml.element("enclaveOptions", |xml| {
        xml.text("enabled", false);
    })
    .text("platformDetails", "Linux/UNIX")
    .text("usageOperation", "RunInstances")
    .text("usageOperationUpdateTime", iso(instance.launched))
    .element("maintenanceOptions", |xml| {
        xml.text("autoRecovery", &instance.auto_recovery)
            .text("rebootMigration", &instance.reboot_migration);
    });
    if !instance.is_paravirtual() {
        xml.text("currentInstanceBootMode", "legacy-bios");
    }
}

pub(super) fn metadata_options(xml: &mut Xml, name: &str, instance: &Instance) {
    let metadata = &instance.metadata;
    xml.element(name, |xml| {
        xml.text("state", "applied")
            .text("httpTokens", &metadata.tokens)
            .text("httpPutResponseHopLimit", metadata.hop_limit)
            .text("httpEndpoint", &metadata.endpoint)
            .text("httpProtocolIpv6", &metadata.ipv6)
            .text("instanceMetadataTags", &metadata.tags);
    });
}

/// The association of an address of an interface: an Elastic IP, or what the instance was given. `DescribeInstances` leaves the
/// ids out.
pub(super) fn association(xml: &mut Xml, region: &Region, interface: &Interface, private: Ipv4Addr, ids: bool) {
    let elastic = region.elastic(&interface.id, private);
    let instance = interface.instance().and_then(|id| region.instances.get(id));
    let first = interface.attachment.as_ref().is_some_and(|at| at.index == 0) && interface.primary() == Some(private);
    let given = instance.filter(|_| first).and_then(|instance| instance.public);
    let Some(public) = elastic.map(|address| address.public).or(given) else {
        return;
    };
    xml.element("association", |xml| {
        xml.text("publicIp", public)
            .text("publicDnsName", public_dns(region, public))
            .text("ipOwnerId", if elastic.is_some() { &region.account } else { "amazon" });
        if let Some(address) = elastic.filter(|_| ids) {
            xml.text("allocationId", &address.id);
            xml.opt("associationId", address.association.as_ref().map(|to| &to.id));
        }
    });
}

fn show_interface(xml: &mut Xml, region: &Region, instance: &Instance, interface: &Interface) {
    xml.text("networkInterfaceId", &interface.id)
        .text("subnetId", &interface.subnet)
        .text("vpcId", &interface.vpc)
        .text("description", &interface.description)
        .text("ownerId", &region.account)
        .text("status", interface.status())
        .text("macAddress", &interface.mac)
        .opt("privateIpAddress", interface.primary())
        .opt(
            "privateDnsName",
            interface
                .primary()
                .map(|address| instance.private_dns(address, &region.name)),
        )
        .text("sourceDestCheck", interface.source_dest_check);
    group_set(xml, region, &interface.groups);
    if let Some(at) = &interface.attachment {
        xml.element("attachment", |xml| {
            xml.text("attachmentId", &at.id)
                .text("deviceIndex", at.index)
                .text("status", at.status())
                .text("attachTime", iso(at.since))
                .text("deleteOnTermination", at.delete_on_termination)
                .text("networkCardIndex", 0);
        });
    }
    xml.list(
        "privateIpAddressesSet",
        interface.addresses.iter().enumerate(),
        |xml, (place, &address)| {
            xml.text("privateIpAddress", address)
                .text("privateDnsName", instance.private_dns(address, &region.name))
                .text("primary", place == 0);
            association(xml, region, interface, address, false);
        },
    );
    if let Some(primary) = interface.primary() {
        association(xml, region, interface, primary, false);
    }
    xml.text("interfaceType", "interface");
}
