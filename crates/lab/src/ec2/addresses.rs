//! Elastic IP addresses.

use std::net::Ipv4Addr;

use super::filter::{Filters, maybe, one};
use super::{Answer, Call, done, tag_set};
use crate::engine::address::{Address, Association};
use crate::engine::machine::readdress;
use crate::wire::{ApiError, Xml};

pub(super) fn allocate(call: &mut Call<'_>) -> Answer {
    call.params.one_of("Domain", &["vpc"])?;
    let address = Address {
        id: call.world.id("eipalloc"),
        public: call.region.new_public(),
        association: None,
    };
    let mut xml = Xml::new();
    xml.text("publicIp", address.public)
        .text("allocationId", &address.id)
        .text("publicIpv4Pool", "amazon")
        .text("networkBorderGroup", &call.region.name)
        .text("domain", "vpc");
    call.tag_new("elastic-ip", &address.id);
    call.region.addresses.insert(address.id.clone(), address);
    Ok(xml)
}

/// The address that a request names, by its allocation or by itself.
fn named(call: &Call<'_>) -> Result<Address, ApiError> {
    if let Some(id) = call.params.text("AllocationId") {
        let found = call.region.addresses.get(id);
        return found
            .cloned()
            .ok_or_else(|| ApiError::not_found("InvalidAllocationID.NotFound", "allocation ID", id));
    }
    let Some(public) = call.params.text("PublicIp") else {
        return Err(ApiError::missing("AllocationId"));
    };
    let found = call
        .region
        .addresses
        .values()
        .find(|address| address.public.to_string() == public);
    found
        .cloned()
        .ok_or_else(|| ApiError::new("InvalidAddress.NotFound", format!("Address '{public}' not found.")))
}

pub(super) fn release(call: &mut Call<'_>) -> Answer {
    let address = named(call)?;
    if address.association.is_some() {
        return Err(ApiError::new(
            "InvalidIPAddress.InUse",
            format!("Address {} is in use.", address.public),
        ));
    }
    call.region.addresses.remove(&address.id);
    call.region.tags.remove(&address.id);
    done()
}

pub(super) fn associate(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let address = named(call)?;
    let interface = match (params.text("NetworkInterfaceId"), params.text("InstanceId")) {
        (Some(id), None) => call.region.interface(id)?,
        (None, Some(id)) => {
            let instance = call.region.instance(id)?;
            if instance.state.is_gone() || instance.state == crate::engine::instance::State::Pending {
                return Err(ApiError::new(
                    "InvalidInstanceID",
                    format!(
                        "The pending-instance-creation or terminated instance '{id}' is not in a valid state for this operation."
                    ),
                ));
            }
            let primary = call.region.interfaces_of(id).into_iter().next();
            primary.ok_or_else(|| ApiError::internal(format!("{id} has no network interface")))?
        }
        (None, None) => return Err(ApiError::missing("InstanceId")),
        (Some(_), Some(_)) => {
            return Err(ApiError::combination(
                "You may specify either InstanceId or NetworkInterfaceId, not both",
            ));
        }
    };
    let private = match params.parsed::<Ipv4Addr>("PrivateIpAddress")? {
        Some(private) if !interface.addresses.contains(&private) => {
            return Err(ApiError::new(
                "InvalidParameterValue",
                format!("The address {private} is not assigned to interface {}", interface.id),
            ));
        }
        Some(private) => private,
        None => interface
            .primary()
            .ok_or_else(|| ApiError::internal(format!("{} has no address", interface.id)))?,
    };
    let interface_id = interface.id.clone();
    let may_move = params
        .flag("AllowReassociation")?
        .unwrap_or(params.text("AllocationId").is_none());
    let same = |to: &Association| to.interface == interface_id && to.private == private;
    match &address.association {
        Some(to) if same(to) => {
            let mut xml = Xml::new();
            xml.text("return", true).text("associationId", &to.id);
            return Ok(xml);
        }
        Some(to) if !may_move => {
            return Err(ApiError::new(
                "Resource.AlreadyAssociated",
                format!(
                    "resource {} is already associated with associate-id {}",
                    address.id, to.id
                ),
            ));
        }
        _ => {}
    }
    if let Some(other) = call
        .region
        .elastic(&interface_id, private)
        .filter(|other| other.id != address.id)
    {
        if !may_move {
            return Err(ApiError::new(
                "Resource.AlreadyAssociated",
                format!("resource {interface_id} is already associated with {}", other.id),
            ));
        }
        let other = other.id.clone();
        if let Some(other) = call.region.addresses.get_mut(&other) {
            other.association = None;
        }
    }
    let association = Association {
        id: call.world.id("eipassoc"),
        interface: interface_id.clone(),
        private,
    };
    let mut xml = Xml::new();
    xml.text("return", true).text("associationId", &association.id);
    let before = address.association.as_ref().map(|to| to.interface.clone());
    if let Some(address) = call.region.addresses.get_mut(&address.id) {
        address.association = Some(association);
    }
    // The address that was given at the start goes back when an Elastic IP takes its place.
    let instance = call.region.interface(&interface_id)?.instance().map(str::to_owned);
    let is_primary = call
        .region
        .interface(&interface_id)?
        .attachment
        .as_ref()
        .is_some_and(|at| at.index == 0);
    if let Some(instance) = instance
        .filter(|_| is_primary)
        .and_then(|id| call.region.instances.get_mut(&id))
    {
        instance.public = None;
    }
    lead(call, before.as_deref());
    lead(call, Some(&interface_id));
    Ok(xml)
}

/// Tells the machine behind an interface its addresses.
pub(super) fn lead(call: &Call<'_>, interface: Option<&str>) {
    let interface = interface.and_then(|id| call.region.interfaces.get(id));
    if let Some(instance) = interface.and_then(|interface| interface.instance()) {
        readdress(call.world, call.region, instance);
    }
}

pub(super) fn disassociate(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let wanted = |address: &&mut Address| match (params.text("AssociationId"), params.text("PublicIp")) {
        (Some(id), _) => address.association.as_ref().is_some_and(|to| to.id == id),
        (None, Some(public)) => address.public.to_string() == public,
        (None, None) => false,
    };
    let Some(address) = call.region.addresses.values_mut().find(wanted) else {
        let id = params.required("AssociationId")?;
        return Err(ApiError::not_found(
            "InvalidAssociationID.NotFound",
            "association ID",
            id,
        ));
    };
    let before = address.association.take().map(|to| to.interface);
    lead(call, before.as_deref());
    done()
}

pub(super) fn describe(call: &mut Call<'_>) -> Answer {
    let ids = call.params.list("AllocationId");
    let publics = call.params.list("PublicIp");
    for id in &ids {
        if !call.region.addresses.contains_key(*id) {
            return Err(ApiError::not_found("InvalidAllocationID.NotFound", "allocation ID", id));
        }
    }
    let region = &*call.region;
    let filters = Filters::parse(call.params)?;
    let instance_of = |address: &Address| {
        let to = address.association.as_ref()?;
        region.interfaces.get(&to.interface)?.instance().map(str::to_owned)
    };
    let mut found = Vec::new();
    for address in region.addresses.values() {
        let public = address.public.to_string();
        let to = address.association.as_ref();
        let keep = filters.keep(|name| match name {
            "allocation-id" => one(&address.id),
            "association-id" => maybe(to.map(|to| &to.id)),
            "domain" => one("vpc"),
            "instance-id" => maybe(instance_of(address)),
            "network-border-group" => one(&region.name),
            "network-interface-id" => maybe(to.map(|to| &to.interface)),
            "network-interface-owner-id" => maybe(to.map(|_| &region.account)),
            "private-ip-address" => maybe(to.map(|to| to.private)),
            "public-ip" => one(&public),
            _ => call.tag_filter(&address.id, name),
        })?;
        let named = (ids.is_empty() || ids.contains(&address.id.as_str()))
            && (publics.is_empty() || publics.contains(&public.as_str()));
        if keep && named {
            found.push(address);
        }
    }
    let mut xml = Xml::new();
    xml.list("addressesSet", found, |xml, address| {
        xml.text("publicIp", address.public)
            .text("allocationId", &address.id)
            .text("domain", "vpc")
            .opt("instanceId", instance_of(address));
        if let Some(to) = &address.association {
            xml.text("associationId", &to.id)
                .text("networkInterfaceId", &to.interface)
                .text("networkInterfaceOwnerId", &region.account)
                .text("privateIpAddress", to.private);
        }
        tag_set(xml, region, &address.id);
        xml.text("publicIpv4Pool", "amazon")
            .text("networkBorderGroup", &region.name);
    });
    Ok(xml)
}
