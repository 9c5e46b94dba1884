//! Regions, zones, networks, security groups, account attributes.

use super::filter::{Filters, SIZES, one, page};
use super::{Answer, Call, done, tag_set};
use crate::engine::Region;
use crate::engine::network::{Rule, SecurityGroup};
use crate::engine::region::NAMES;
use crate::wire::{ApiError, Params, Xml};

pub(super) fn describe_regions(call: &mut Call<'_>) -> Answer {
    let names = call.params.list("RegionName");
    for name in &names {
        if !NAMES.contains(name) {
            return Err(ApiError::new(
                "InvalidParameterValue",
                format!("Invalid region provided: {name}"),
            ));
        }
    }
    let all = call.params.is_set("AllRegions")?;
    let off = &call.region.off;
    // Real regions before 2019 cannot be switched off; here, all can be.
    let state = |name: &str| {
        if off.iter().any(|off| off == name) {
            "not-opted-in"
        } else {
            "opt-in-not-required"
        }
    };
    let filters = Filters::parse(call.params)?;
    let mut found = Vec::new();
    for &name in NAMES {
        if !all && state(name) == "not-opted-in" {
            continue;
        }
        let keep = filters.keep(|filter| match filter {
            "region-name" => one(name),
            "endpoint" => one(format!("ec2.{name}.amazonaws.com")),
            "opt-in-status" => one(state(name)),
            _ => None,
        })?;
        if keep && (names.is_empty() || names.contains(&name)) {
            found.push(name);
        }
    }
    let mut xml = Xml::new();
    xml.list("regionInfo", found, |xml, name| {
        xml.text("regionName", name)
            .text("regionEndpoint", format!("ec2.{name}.amazonaws.com"))
            .text("optInStatus", state(name));
    });
    Ok(xml)
}

/// The zone's name that is the same in every account.
pub(super) fn zone_id(region: &Region, zone: &str) -> String {
    let parts: Vec<&str> = region.name.split('-').collect();
    let short = match parts.as_slice() {
        [area, direction, number] => {
            let direction: String = match *direction {
                "northeast" => "ne".to_owned(),
                "northwest" => "nw".to_owned(),
                "southeast" => "se".to_owned(),
                "southwest" => "sw".to_owned(),
                other => other.chars().take(1).collect(),
            };
            format!("{area}{direction}{number}")
        }
        _ => region.name.clone(),
    };
    let place = region.zones.iter().position(|each| each == zone).unwrap_or(0);
    format!("{short}-az{}", place + 1)
}

pub(super) fn describe_zones(call: &mut Call<'_>) -> Answer {
    let region = &*call.region;
    let names = call.params.list("ZoneName");
    let filters = Filters::parse(call.params)?;
    let mut found = Vec::new();
    for zone in &region.zones {
        let keep = filters.keep(|filter| match filter {
            "zone-name" => one(zone),
            "zone-id" => one(zone_id(region, zone)),
            "region-name" | "group-name" => one(&region.name),
            "state" => one("available"),
            "zone-type" => one("availability-zone"),
            "opt-in-status" => one("opt-in-not-required"),
            _ => None,
        })?;
        if keep && (names.is_empty() || names.contains(&zone.as_str())) {
            found.push(zone);
        }
    }
    let mut xml = Xml::new();
    xml.list("availabilityZoneInfo", found, |xml, zone| {
        xml.text("zoneName", zone)
            .text("zoneState", "available")
            .text("regionName", &region.name)
            .text("zoneId", zone_id(region, zone))
            .text("zoneType", "availability-zone")
            .text("groupName", &region.name)
            .text("networkBorderGroup", &region.name)
            .text("optInStatus", "opt-in-not-required");
        xml.element("messageSet", |_| {});
    });
    Ok(xml)
}

pub(super) fn describe_vpcs(call: &mut Call<'_>) -> Answer {
    let ids = call.params.list("VpcId");
    for id in &ids {
        if !call.region.vpcs.contains_key(*id) {
            return Err(ApiError::not_found("InvalidVpcID.NotFound", "vpc ID", id));
        }
    }
    let filters = Filters::parse(call.params)?;
    let mut found = Vec::new();
    for vpc in call.region.vpcs.values() {
        let keep = filters.keep(|name| match name {
            "vpc-id" => one(&vpc.id),
            "cidr" | "cidr-block-association.cidr-block" => one(vpc.cidr()),
            "is-default" | "isDefault" => one(true),
            "owner-id" => one(&call.region.account),
            "state" => one("available"),
            _ => call.tag_filter(&vpc.id, name),
        })?;
        if keep && (ids.is_empty() || ids.contains(&vpc.id.as_str())) {
            found.push(vpc);
        }
    }
    let (found, next) = page(call.params, found, |vpc| &vpc.id, SIZES)?;
    let mut xml = Xml::new();
    xml.list("vpcSet", found, |xml, vpc| {
        xml.text("vpcId", &vpc.id)
            .text("ownerId", &call.region.account)
            .text("state", "available")
            .text("cidrBlock", vpc.cidr())
            .text("dhcpOptionsId", "default")
            .text("instanceTenancy", "default")
            .text("isDefault", true);
        tag_set(xml, call.region, &vpc.id);
    });
    xml.opt("nextToken", next);
    Ok(xml)
}

pub(super) fn describe_subnets(call: &mut Call<'_>) -> Answer {
    let ids = call.params.list("SubnetId");
    for id in &ids {
        call.region.subnet(id)?;
    }
    let region = &*call.region;
    let filters = Filters::parse(call.params)?;
    let mut found = Vec::new();
    for subnet in region.subnets.values() {
        let keep = filters.keep(|name| match name {
            "subnet-id" => one(&subnet.id),
            "vpc-id" => one(&subnet.vpc),
            "availability-zone" | "availabilityZone" => one(&subnet.zone),
            "availability-zone-id" => one(zone_id(region, &subnet.zone)),
            "cidr-block" | "cidr" | "cidrBlock" => one(format!("{}/{}", subnet.base, subnet.prefix)),
            "default-for-az" | "defaultForAz" => one(true),
            "map-public-ip-on-launch" => one(subnet.public),
            "owner-id" => one(&region.account),
            "state" => one("available"),
            _ => call.tag_filter(&subnet.id, name),
        })?;
        if keep && (ids.is_empty() || ids.contains(&subnet.id.as_str())) {
            found.push(subnet);
        }
    }
    let (found, next) = page(call.params, found, |subnet| &subnet.id, SIZES)?;
    let mut xml = Xml::new();
    xml.list("subnetSet", found, |xml, subnet| {
        let used = region
            .interfaces
            .values()
            .filter(|interface| interface.subnet == subnet.id);
        let used: usize = used.map(|interface| interface.addresses.len()).sum();
        let free = usize::try_from(subnet.size())
            .unwrap_or(usize::MAX)
            .saturating_sub(5 + used);
        xml.text("subnetId", &subnet.id)
            .text(
                "subnetArn",
                format!("arn:aws:ec2:{}:{}:subnet/{}", region.name, region.account, subnet.id),
            )
            .text("state", "available")
            .text("ownerId", &region.account)
            .text("vpcId", &subnet.vpc)
            .text("cidrBlock", format!("{}/{}", subnet.base, subnet.prefix))
            .text("availableIpAddressCount", free)
            .text("availabilityZone", &subnet.zone)
            .text("availabilityZoneId", zone_id(region, &subnet.zone))
            .text("defaultForAz", true)
            .text("mapPublicIpOnLaunch", subnet.public);
        tag_set(xml, region, &subnet.id);
    });
    xml.opt("nextToken", next);
    Ok(xml)
}

pub(super) fn describe_groups(call: &mut Call<'_>) -> Answer {
    let ids = call.params.list("GroupId");
    let names = call.params.list("GroupName");
    for id in &ids {
        call.region.group(id)?;
    }
    let region = &*call.region;
    let filters = Filters::parse(call.params)?;
    let mut found = Vec::new();
    for group in region.groups.values() {
        let rules = |value: fn(&Rule) -> Option<String>| Some(group.ingress.iter().filter_map(value).collect());
        let keep = filters.keep(|name| match name {
            "group-id" => one(&group.id),
            "group-name" => one(&group.name),
            "description" => one(&group.description),
            "vpc-id" => one(&group.vpc),
            "owner-id" => one(&region.account),
            "ip-permission.from-port" => rules(|rule| rule.from.map(|port| port.to_string())),
            "ip-permission.to-port" => rules(|rule| rule.to.map(|port| port.to_string())),
            "ip-permission.protocol" => rules(|rule| Some(rule.protocol.clone())),
            "ip-permission.cidr" => Some(group.ingress.iter().flat_map(|rule| rule.ranges.clone()).collect()),
            _ => call.tag_filter(&group.id, name),
        })?;
        let named = (ids.is_empty() || ids.contains(&group.id.as_str()))
            && (names.is_empty() || names.contains(&group.name.as_str()));
        if keep && named {
            found.push(group);
        }
    }
    let (found, next) = page(call.params, found, |group| &group.id, SIZES)?;
    let mut xml = Xml::new();
    xml.list("securityGroupInfo", found, |xml, group| {
        xml.text("ownerId", &region.account)
            .text("groupId", &group.id)
            .text("groupName", &group.name)
            .text("groupDescription", &group.description)
            .text("vpcId", &group.vpc);
        xml.list("ipPermissions", &group.ingress, |xml, rule| {
            show_rule(xml, region, rule)
        });
        let all = Rule {
            protocol: "-1".to_owned(),
            from: None,
            to: None,
            ranges: vec!["0.0.0.0/0".to_owned()],
            groups: Vec::new(),
        };
        xml.list("ipPermissionsEgress", [all], |xml, rule| show_rule(xml, region, &rule));
        tag_set(xml, region, &group.id);
    });
    xml.opt("nextToken", next);
    Ok(xml)
}

fn show_rule(xml: &mut Xml, region: &Region, rule: &Rule) {
    xml.text("ipProtocol", &rule.protocol)
        .opt("fromPort", rule.from)
        .opt("toPort", rule.to);
    xml.list("groups", &rule.groups, |xml, group| {
        xml.text("userId", &region.account).text("groupId", group);
    });
    xml.list("ipRanges", &rule.ranges, |xml, range| {
        xml.text("cidrIp", range);
    });
    xml.element("ipv6Ranges", |_| {}).element("prefixListIds", |_| {});
}

pub(super) fn create_group(call: &mut Call<'_>) -> Answer {
    let name = call.params.required("GroupName")?.to_owned();
    let description = call.params.required("GroupDescription")?.to_owned();
    let vpc = match call.params.text("VpcId") {
        Some(id) if !call.region.vpcs.contains_key(id) => {
            return Err(ApiError::not_found("InvalidVpcID.NotFound", "vpc ID", id));
        }
        Some(id) => id.to_owned(),
        None => call.region.vpcs.keys().next().cloned().unwrap_or_default(),
    };
    if call
        .region
        .groups
        .values()
        .any(|group| group.name == name && group.vpc == vpc)
    {
        return Err(ApiError::new(
            "InvalidGroup.Duplicate",
            format!("The security group '{name}' already exists for VPC '{vpc}'"),
        ));
    }
    let group = SecurityGroup {
        id: call.world.id("sg"),
        name,
        description,
        vpc,
        ingress: Vec::new(),
    };
    let mut xml = Xml::new();
    xml.text("return", true).text("groupId", &group.id);
    call.tag_new("security-group", &group.id);
    call.region.groups.insert(group.id.clone(), group);
    Ok(xml)
}

pub(super) fn delete_group(call: &mut Call<'_>) -> Answer {
    let id = match (call.params.text("GroupId"), call.params.text("GroupName")) {
        (Some(id), _) => id.to_owned(),
        (None, Some(name)) => {
            let found = call.region.groups.values().find(|group| group.name == name);
            found
                .map(|group| group.id.clone())
                .ok_or_else(|| ApiError::not_found("InvalidGroup.NotFound", "security group", name))?
        }
        (None, None) => return Err(ApiError::missing("GroupId")),
    };
    let group = call.region.group(&id)?;
    if group.name == "default" {
        return Err(ApiError::new(
            "CannotDelete",
            format!("the specified group: \"{id}\" name: \"default\" cannot be deleted by a user"),
        ));
    }
    if call
        .region
        .interfaces
        .values()
        .any(|interface| interface.groups.contains(&id))
    {
        return Err(ApiError::new(
            "DependencyViolation",
            format!("resource {id} has a dependent object"),
        ));
    }
    call.region.groups.remove(&id);
    call.region.tags.remove(&id);
    done()
}

fn parse_rule(params: &Params) -> Result<Rule, ApiError> {
    let text = |list: Vec<Params>, name: &str| -> Vec<String> {
        list.iter()
            .filter_map(|each| each.text(name).map(str::to_owned))
            .collect()
    };
    Ok(Rule {
        protocol: params.required("IpProtocol")?.to_owned(),
        from: params.parsed("FromPort")?,
        to: params.parsed("ToPort")?,
        ranges: text(params.structs("IpRanges"), "CidrIp"),
        groups: text(params.structs("Groups"), "GroupId"),
    })
}

pub(super) fn authorize_ingress(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let id = match (params.text("GroupId"), params.text("GroupName")) {
        (Some(id), _) => id.to_owned(),
        (None, Some(name)) => {
            let found = call.region.groups.values().find(|group| group.name == name);
            found
                .map(|group| group.id.clone())
                .ok_or_else(|| ApiError::not_found("InvalidGroup.NotFound", "security group", name))?
        }
        (None, None) => return Err(ApiError::missing("GroupId")),
    };
    let mut rules = Vec::new();
    for permission in params.structs("IpPermissions") {
        rules.push(parse_rule(&permission)?);
    }
    if let Some(range) = params.text("CidrIp") {
        let mut rule = parse_rule(params)?;
        rule.ranges = vec![range.to_owned()];
        rules.push(rule);
    }
    if rules.is_empty() {
        return Err(ApiError::missing("IpPermissions"));
    }
    let group = call.region.group(&id)?;
    if rules.iter().any(|rule| group.ingress.contains(rule)) {
        return Err(ApiError::new(
            "InvalidPermission.Duplicate",
            "the specified rule already exists",
        ));
    }
    if let Some(group) = call.region.groups.get_mut(&id) {
        group.ingress.extend(rules);
    }
    done()
}

pub(super) fn describe_account(call: &mut Call<'_>) -> Answer {
    let names = call.params.list("AttributeName");
    let vpc = call.region.vpcs.keys().next().map_or("none", String::as_str);
    let all = [
        ("supported-platforms", "VPC"),
        ("default-vpc", vpc),
        ("max-instances", "10000"),
        ("vpc-max-security-groups-per-interface", "5"),
        ("max-elastic-ips", "10000"),
        ("vpc-max-elastic-ips", "10000"),
    ];
    let found = all
        .into_iter()
        .filter(|(name, _)| names.is_empty() || names.contains(name));
    let mut xml = Xml::new();
    xml.list("accountAttributeSet", found, |xml, (name, value)| {
        xml.text("attributeName", name);
        xml.list("attributeValueSet", [value], |xml, value| {
            xml.text("attributeValue", value);
        });
    });
    Ok(xml)
}
