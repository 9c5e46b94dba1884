//! Network interfaces and their private addresses.

use std::net::Ipv4Addr;

use super::describe_instances::{association, group_set};
use super::filter::{Filters, SIZES, maybe, one, page};
use super::{Answer, Call, done};
use crate::engine::instance::State;
use crate::engine::interface::{Interface, InterfaceAttachment};
use crate::engine::machine::readdress;
use crate::engine::{Region, catalogue};
use crate::wire::{ApiError, Params, Xml, iso};

/// Makes an interface in a subnet.
pub(super) fn make(
    call: &Call<'_>,
    subnet: &str,
    groups: Vec<String>,
    wanted: Option<Ipv4Addr>,
    description: &str,
) -> Result<Interface, ApiError> {
    let subnet = call.region.subnet(subnet)?;
    for group in &groups {
        call.region.group(group)?;
    }
    let groups = if groups.is_empty() {
        let default = call.region.groups.values().find(|group| group.name == "default");
        default.map(|group| group.id.clone()).into_iter().collect()
    } else {
        groups
    };
    let id = call.world.id("eni");
    let digits = crate::digest(&id, 10);
    let pairs: Vec<&str> = digits
        .as_bytes()
        .chunks(2)
        .filter_map(|pair| std::str::from_utf8(pair).ok())
        .collect();
    Ok(Interface {
        mac: format!("0a:{}", pairs.join(":")),
        addresses: vec![call.region.free_address(subnet, wanted)?],
        id,
        subnet: subnet.id.clone(),
        vpc: subnet.vpc.clone(),
        zone: subnet.zone.clone(),
        description: description.to_owned(),
        groups,
        source_dest_check: true,
        attachment: None,
    })
}

/// The secondary addresses that a request asks for: by name, or as a count.
fn secondary(call: &Call<'_>, params: &Params, interface: &Interface) -> Result<Vec<Ipv4Addr>, ApiError> {
    let subnet = call.region.subnet(&interface.subnet)?.clone();
    let count: usize = params.parsed("SecondaryPrivateIpAddressCount")?.unwrap_or(0);
    let mut found: Vec<Ipv4Addr> = Vec::new();
    for _ in 0..count {
        let taken = |address| {
            call.region.is_taken(address) || found.contains(&address) || interface.addresses.contains(&address)
        };
        let address = subnet.free(taken).ok_or_else(|| {
            ApiError::new(
                "InsufficientFreeAddressesInSubnet",
                "There are not enough free addresses",
            )
        })?;
        found.push(address);
    }
    Ok(found)
}

pub(super) fn create(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let groups = params.list("SecurityGroupId").into_iter().map(str::to_owned).collect();
    let description = params.get("Description").unwrap_or_default();
    // The primary address has a parameter of its own, and a place in the list.
    let listed = params.structs("PrivateIpAddresses");
    let primary = match params.parsed("PrivateIpAddress")? {
        Some(address) => Some(address),
        None => {
            let first = listed.iter().find(|each| each.get("Primary") == Some("true"));
            first.map(|each| each.parsed("PrivateIpAddress")).transpose()?.flatten()
        }
    };
    let mut interface = make(call, params.required("SubnetId")?, groups, primary, description)?;
    let subnet = call.region.subnet(&interface.subnet)?;
    for each in listed.iter().filter(|each| each.get("Primary") != Some("true")) {
        let address = call.region.free_address(subnet, each.parsed("PrivateIpAddress")?)?;
        interface.addresses.push(address);
    }
    let more = secondary(call, params, &interface)?;
    interface.addresses.extend(more);
    let id = interface.id.clone();
    call.region.interfaces.insert(id.clone(), interface);
    call.tag_new("network-interface", &id);
    let mut xml = Xml::new();
    xml.element("networkInterface", |xml| {
        if let Some(interface) = call.region.interfaces.get(&id) {
            show(xml, call.region, interface);
        }
    });
    Ok(xml)
}

pub(super) fn delete(call: &mut Call<'_>) -> Answer {
    let id = call.params.required("NetworkInterfaceId")?.to_owned();
    if call.region.interface(&id)?.attachment.is_some() {
        return Err(ApiError::new(
            "InvalidNetworkInterface.InUse",
            format!("The network interface '{id}' is currently in use."),
        ));
    }
    call.region.interfaces.remove(&id);
    call.region.tags.remove(&id);
    for address in call.region.addresses.values_mut() {
        if address.association.as_ref().is_some_and(|to| to.interface == id) {
            address.association = None;
        }
    }
    done()
}

pub(super) fn attach(call: &mut Call<'_>) -> Answer {
    let id = call.params.required("NetworkInterfaceId")?.to_owned();
    let instance_id = call.params.required("InstanceId")?.to_owned();
    let index: u32 = call
        .params
        .parsed("DeviceIndex")?
        .ok_or_else(|| ApiError::missing("DeviceIndex"))?;
    let interface = call.region.interface(&id)?;
    let instance = call.region.instance(&instance_id)?;
    if interface.attachment.is_some() {
        return Err(ApiError::new(
            "InvalidNetworkInterface.InUse",
            format!("Interface: [{id}] in use."),
        ));
    }
    if !matches!(instance.state, State::Running | State::Stopped) {
        return Err(ApiError::new(
            "IncorrectInstanceState",
            format!("Instance '{instance_id}' is not 'running' or 'stopped'."),
        ));
    }
    if interface.zone != instance.zone {
        return Err(ApiError::combination(format!(
            "You may not attach a network interface to an instance if they are not in the same availability zone: {} and {}",
            interface.zone, instance.zone
        )));
    }
    let there = call.region.interfaces_of(&instance_id);
    if there
        .iter()
        .any(|other| other.attachment.as_ref().is_some_and(|at| at.index == index))
    {
        return Err(ApiError::new(
            "InvalidParameterValue",
            format!("Instance '{instance_id}' already has an interface attached at device index '{index}'."),
        ));
    }
    let most = catalogue::find(&instance.kind).map_or(u32::MAX, |kind| kind.interfaces);
    if there.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
        return Err(ApiError::new(
            "AttachmentLimitExceeded",
            format!(
                "Interface count {} exceeds the limit for {}",
                there.len() + 1,
                instance.kind
            ),
        ));
    }
    let attachment = InterfaceAttachment {
        id: call.world.id("eni-attach"),
        instance: instance_id.clone(),
        index,
        delete_on_termination: false,
        since: call.now,
        due: Some(call.world.after(call.world.timings.attach)),
        leaving: None,
    };
    let mut xml = Xml::new();
    xml.text("attachmentId", &attachment.id).text("networkCardIndex", 0);
    call.region.interface_mut(&id)?.attachment = Some(attachment);
    readdress(call.world, call.region, &instance_id);
    Ok(xml)
}

pub(super) fn detach(call: &mut Call<'_>) -> Answer {
    let wanted = call.params.required("AttachmentId")?.to_owned();
    let due = call.world.after(call.world.timings.attach);
    let found = call.region.interfaces.values_mut().find_map(|interface| {
        let attachment = interface.attachment.as_mut()?;
        (attachment.id == wanted).then_some(attachment)
    });
    let Some(attachment) = found else {
        return Err(ApiError::not_found(
            "InvalidAttachmentID.NotFound",
            "attachment",
            &wanted,
        ));
    };
    if attachment.index == 0 {
        return Err(ApiError::new(
            "OperationNotPermitted",
            "The network interface at device index 0 cannot be detached.",
        ));
    }
    attachment.leaving = Some(due);
    let instance = attachment.instance.clone();
    readdress(call.world, call.region, &instance);
    done()
}

pub(super) fn modify(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let id = params.required("NetworkInterfaceId")?.to_owned();
    call.region.interface(&id)?;
    let groups = params.list("SecurityGroupId");
    for group in &groups {
        call.region.group(group)?;
    }
    let check = params.flag("SourceDestCheck.Value")?;
    let keep = params.sub("Attachment");
    let delete = keep.flag("DeleteOnTermination")?;
    let description = params.text("Description.Value");
    if usize::from(!groups.is_empty())
        + usize::from(check.is_some())
        + usize::from(delete.is_some())
        + usize::from(description.is_some())
        != 1
    {
        return Err(ApiError::combination(
            "Exactly one attribute can be modified in a request",
        ));
    }
    let interface = call.region.interface_mut(&id)?;
    if let Some(delete) = delete {
        let wanted = keep.required("AttachmentId")?;
        match interface.attachment.as_mut().filter(|at| at.id == wanted) {
            Some(attachment) => attachment.delete_on_termination = delete,
            None => {
                return Err(ApiError::not_found(
                    "InvalidAttachmentID.NotFound",
                    "attachment",
                    wanted,
                ));
            }
        }
    }
    if !groups.is_empty() {
        interface.groups = groups.into_iter().map(str::to_owned).collect();
    }
    if let Some(check) = check {
        interface.source_dest_check = check;
    }
    if let Some(description) = description {
        description.clone_into(&mut interface.description);
    }
    done()
}

pub(super) fn assign(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let id = params.required("NetworkInterfaceId")?.to_owned();
    let interface = call.region.interface(&id)?.clone();
    let subnet = call.region.subnet(&interface.subnet)?.clone();
    let may_move = params.is_set("AllowReassignment")?;
    let mut wanted = secondary(call, params, &interface)?;
    let mut moved_from = Vec::new();
    for text in params.list("PrivateIpAddress") {
        let address: Ipv4Addr = text.parse().map_err(|_| ApiError::invalid("PrivateIpAddress", text))?;
        if interface.addresses.contains(&address) {
            continue;
        }
        let holder = call
            .region
            .interfaces
            .values()
            .find(|other| other.addresses.contains(&address));
        match holder {
            Some(holder) if may_move && holder.primary() != Some(address) => {
                if !subnet.contains(address) {
                    call.region.free_address(&subnet, Some(address))?;
                }
                moved_from.push((holder.id.clone(), address));
                wanted.push(address);
            }
            Some(holder) if may_move => {
                return Err(ApiError::new(
                    "InvalidParameterValue",
                    format!(
                        "Address {address} is the primary address of {} and cannot be moved",
                        holder.id
                    ),
                ));
            }
            _ => wanted.push(call.region.free_address(&subnet, Some(address))?),
        }
    }
    if wanted.is_empty() && params.list("PrivateIpAddress").is_empty() {
        return Err(ApiError::missing("PrivateIpAddress"));
    }
    let owner = interface.instance().and_then(|id| call.region.instances.get(id));
    let most = owner
        .and_then(|instance| catalogue::find(&instance.kind))
        .map_or(50, |kind| kind.addresses);
    if interface.addresses.len() + wanted.len() > usize::try_from(most).unwrap_or(usize::MAX) {
        return Err(ApiError::new(
            "PrivateIpAddressLimitExceeded",
            format!("Number of private addresses will exceed limit of {most}."),
        ));
    }
    for (holder, address) in &moved_from {
        call.region
            .interface_mut(holder)?
            .addresses
            .retain(|each| each != address);
        // An Elastic IP goes where its private address goes.
        for elastic in call.region.addresses.values_mut() {
            if let Some(to) = elastic.association.as_mut().filter(|to| to.private == *address) {
                to.interface.clone_from(&id);
            }
        }
        super::addresses::lead(call, Some(holder));
    }
    call.region.interface_mut(&id)?.addresses.extend(&wanted);
    super::addresses::lead(call, Some(&id));
    let mut xml = Xml::new();
    xml.text("networkInterfaceId", &id);
    xml.list("assignedPrivateIpAddressesSet", wanted, |xml, address| {
        xml.text("privateIpAddress", address);
    });
    xml.text("return", true);
    Ok(xml)
}

pub(super) fn unassign(call: &mut Call<'_>) -> Answer {
    let id = call.params.required("NetworkInterfaceId")?.to_owned();
    let interface = call.region.interface(&id)?.clone();
    for text in call.params.required_list("PrivateIpAddress")? {
        let address: Ipv4Addr = text.parse().map_err(|_| ApiError::invalid("PrivateIpAddress", text))?;
        if interface.primary() == Some(address) || !interface.addresses.contains(&address) {
            return Err(ApiError::new(
                "InvalidParameterValue",
                format!("Some of [{address}] are not assigned to interface {id} as a secondary address"),
            ));
        }
        call.region
            .interface_mut(&id)?
            .addresses
            .retain(|each| *each != address);
        for elastic in call.region.addresses.values_mut() {
            if elastic
                .association
                .as_ref()
                .is_some_and(|to| to.private == address && to.interface == id)
            {
                elastic.association = None;
            }
        }
    }
    super::addresses::lead(call, Some(&id));
    done()
}

fn value(call: &Call<'_>, interface: &Interface, name: &str) -> Option<Vec<String>> {
    let at = interface.attachment.as_ref();
    match name {
        "addresses.private-ip-address" => Some(interface.addresses.iter().map(ToString::to_string).collect()),
        "attachment.attachment-id" => maybe(at.map(|at| &at.id)),
        "attachment.device-index" => maybe(at.map(|at| at.index)),
        "attachment.delete-on-termination" => maybe(at.map(|at| at.delete_on_termination)),
        "attachment.instance-id" => maybe(at.map(|at| &at.instance)),
        "attachment.status" => maybe(at.map(InterfaceAttachment::status)),
        "availability-zone" => one(&interface.zone),
        "description" => one(&interface.description),
        "group-id" => Some(interface.groups.clone()),
        "interface-type" => one("interface"),
        "mac-address" => one(&interface.mac),
        "network-interface-id" => one(&interface.id),
        "owner-id" => one(&call.region.account),
        "private-ip-address" => maybe(interface.primary()),
        "source-dest-check" => one(interface.source_dest_check),
        "status" => one(interface.status()),
        "subnet-id" => one(&interface.subnet),
        "vpc-id" => one(&interface.vpc),
        _ => call.tag_filter(&interface.id, name),
    }
}

pub(super) fn describe(call: &mut Call<'_>) -> Answer {
    let ids = call.params.list("NetworkInterfaceId");
    for id in &ids {
        call.region.interface(id)?;
    }
    let filters = Filters::parse(call.params)?;
    let mut found = Vec::new();
    for interface in call.region.interfaces.values() {
        if (ids.is_empty() || ids.contains(&interface.id.as_str()))
            && filters.keep(|name| value(call, interface, name))?
        {
            found.push(interface);
        }
    }
    let (found, next) = page(call.params, found, |interface| &interface.id, SIZES)?;
    let mut xml = Xml::new();
    xml.list("networkInterfaceSet", found, |xml, interface| {
        show(xml, call.region, interface)
    });
    xml.opt("nextToken", next);
    Ok(xml)
}

fn show(xml: &mut Xml, region: &Region, interface: &Interface) {
    let dns = |address: Ipv4Addr| {
        let [a, b, c, d] = address.octets();
        format!("ip-{a}-{b}-{c}-{d}.{}.compute.internal", region.name)
    };
    xml.text("networkInterfaceId", &interface.id)
        .text("subnetId", &interface.subnet)
        .text("vpcId", &interface.vpc)
        .text("availabilityZone", &interface.zone)
        .text("description", &interface.description)
        .text("ownerId", &region.account)
        .text("requesterManaged", false)
        .text("status", interface.status())
        .text("macAddress", &interface.mac)
        .opt("privateIpAddress", interface.primary())
        .opt("privateDnsName", interface.primary().map(dns))
        .text("sourceDestCheck", interface.source_dest_check);
    group_set(xml, region, &interface.groups);
    if let Some(at) = &interface.attachment {
        xml.element("attachment", |xml| {
            xml.text("attachmentId", &at.id)
                .text("instanceId", &at.instance)
                .text("instanceOwnerId", &region.account)
                .text("deviceIndex", at.index)
                .text("networkCardIndex", 0)
                .text("status", at.status())
                .text("attachTime", iso(at.since))
                .text("deleteOnTermination", at.delete_on_termination);
        });
    }
    super::tag_set(xml, region, &interface.id);
    if let Some(primary) = interface.primary() {
        association(xml, region, interface, primary, true);
    }
    xml.list(
        "privateIpAddressesSet",
        interface.addresses.iter().enumerate(),
        |xml, (place, &address)| {
            xml.text("privateIpAddress", address)
                .text("privateDnsName", dns(address))
                .text("primary", place == 0);
            association(xml, region, interface, address, true);
        },
    );
    xml.text("interfaceType", "interface");
}
