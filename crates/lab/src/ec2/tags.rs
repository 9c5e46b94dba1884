//! Tags.

use super::filter::{Filters, SIZES, one, page};
use super::{Answer, Call, done};
use crate::engine::Region;
use crate::wire::{ApiError, Params, Xml};

/// The most that a resource can have.
const MOST: usize = 50;

/// The tags of `TagSpecification` for one kind of resource.
pub(super) fn specified(params: &Params, kind: &str) -> Vec<(String, String)> {
    params
        .structs("TagSpecification")
        .into_iter()
        .filter(|specification| specification.get("ResourceType") == Some(kind))
        .flat_map(|specification| pairs(&specification))
        .collect()
}

fn pairs(params: &Params) -> Vec<(String, String)> {
    params
        .structs("Tag")
        .into_iter()
        .filter_map(|tag| {
            Some((
                tag.get("Key")?.to_owned(),
                tag.get("Value").unwrap_or_default().to_owned(),
            ))
        })
        .collect()
}

/// What kind of resource an id is of, if it exists.
pub(super) fn kind(region: &Region, id: &str) -> Option<&'static str> {
    let (prefix, _) = id.rsplit_once('-')?;
    let (kind, exists) = match prefix {
        "i" => ("instance", region.instances.contains_key(id)),
        "vol" => ("volume", region.volumes.contains_key(id)),
        "snap" => ("snapshot", region.snapshots.contains_key(id)),
        "ami" => ("image", region.images.contains_key(id)),
        "eni" => ("network-interface", region.interfaces.contains_key(id)),
        "eipalloc" => ("elastic-ip", region.addresses.contains_key(id)),
        "sg" => ("security-group", region.groups.contains_key(id)),
        "subnet" => ("subnet", region.subnets.contains_key(id)),
        "vpc" => ("vpc", region.vpcs.contains_key(id)),
        "key" => ("key-pair", region.keys.values().any(|key| key.id == id)),
        _ => return None,
    };
    exists.then_some(kind)
}

fn check(call: &Call<'_>) -> Result<Vec<String>, ApiError> {
    let ids = call.params.required_list("ResourceId")?;
    for id in &ids {
        if kind(call.region, id).is_some() {
            continue;
        }
        return Err(match id.split('-').next() {
            Some("i") => ApiError::not_found("InvalidInstanceID.NotFound", "instance ID", id),
            Some("vol") => ApiError::not_found("InvalidVolume.NotFound", "volume", id),
            Some("snap") => ApiError::not_found("InvalidSnapshot.NotFound", "snapshot", id),
            Some("ami") => ApiError::not_found("InvalidAMIID.NotFound", "image", id),
            Some("eni") => ApiError::not_found("InvalidNetworkInterfaceID.NotFound", "networkInterface ID", id),
            Some("eipalloc") => ApiError::not_found("InvalidAllocationID.NotFound", "allocation ID", id),
            _ => ApiError::not_found("InvalidID", "ID", id),
        });
    }
    Ok(ids.into_iter().map(str::to_owned).collect())
}

pub(super) fn create(call: &mut Call<'_>) -> Answer {
    let ids = check(call)?;
    let tags = pairs(call.params);
    if tags.is_empty() {
        return Err(ApiError::missing("Tag"));
    }
    for (key, value) in &tags {
        if key.is_empty() || key.chars().count() > 127 || value.chars().count() > 255 || key.starts_with("aws:") {
            return Err(ApiError::new(
                "InvalidParameterValue",
                format!(
                    "Tag keys starting with 'aws:' are reserved, keys have 1 to 127 characters, values up to 255: {key}"
                ),
            ));
        }
    }
    for id in &ids {
        let mut all = call.region.tags.get(id).cloned().unwrap_or_default();
        all.extend(tags.iter().cloned());
        if all.len() > MOST {
            return Err(ApiError::new(
                "TagLimitExceeded",
                format!("You have exceeded the limit of {MOST} tags for '{id}'"),
            ));
        }
        call.region.tags.insert(id.clone(), all);
    }
    done()
}

pub(super) fn delete(call: &mut Call<'_>) -> Answer {
    let ids = check(call)?;
    let given = call.params.structs("Tag");
    for id in &ids {
        let Some(tags) = call.region.tags.get_mut(id) else {
            continue;
        };
        tags.retain(|key, value| {
            let named = given
                .iter()
                .any(|tag| tag.get("Key") == Some(key) && tag.get("Value").is_none_or(|wanted| wanted == value));
            // Without tags all go, but those of AWS.
            !(named || given.is_empty()) || key.starts_with("aws:")
        });
    }
    done()
}

pub(super) fn describe(call: &mut Call<'_>) -> Answer {
    let filters = Filters::parse(call.params)?;
    let mut found: Vec<(String, &str, &str, &str, &str)> = Vec::new();
    for (id, tags) in &call.region.tags {
        let Some(kind) = kind(call.region, id) else { continue };
        for (key, value) in tags {
            let keep = filters.keep(|name| match name {
                "key" => one(key),
                "value" => one(value),
                "resource-id" => one(id),
                "resource-type" => one(kind),
                _ => call.tag_filter(id, name),
            })?;
            if keep {
                found.push((format!("{id} {key}"), id, kind, key, value));
            }
        }
    }
    let (found, next) = page(call.params, found, |each| &each.0, SIZES)?;
    let mut xml = Xml::new();
    xml.list("tagSet", found, |xml, (_, id, kind, key, value)| {
        xml.text("resourceId", id)
            .text("resourceType", kind)
            .text("key", key)
            .text("value", value);
    });
    xml.opt("nextToken", next);
    Ok(xml)
}
