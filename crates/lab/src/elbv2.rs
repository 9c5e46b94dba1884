//! Target groups of Elastic Load Balancing (API version 2015-12-01, Query protocol).

use crate::engine::Region;
use crate::engine::instance::State;
use crate::engine::target_group::{Target, TargetGroup};
use crate::sts::unknown_action;
use crate::wire::{ApiError, Params, Xml};

/// Its XML namespace.
pub(crate) const NAMESPACE: &str = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/";

/// Whether an action leaves everything as it is.
pub(crate) fn is_read(action: &str) -> bool {
    action.starts_with("Describe")
}

/// Carries out an action.
pub(crate) fn call(region: &mut Region, action: &str, params: &Params) -> Result<Xml, ApiError> {
    match action {
        "DescribeTargetGroups" => describe(region, params),
        "DescribeTargetHealth" => health(region, params),
        "DescribeTags" => tags(region, params),
        "RegisterTargets" => register(region, params),
        "DeregisterTargets" => deregister(region, params),
        other => Err(unknown_action(other)),
    }
}

fn not_found(arn: &str) -> ApiError {
    ApiError::new(
        "TargetGroupNotFound",
        format!("One or more target groups not found: '{arn}'"),
    )
}

fn describe(region: &Region, params: &Params) -> Result<Xml, ApiError> {
    let arns = params.list("TargetGroupArns.member");
    let names = params.list("Names.member");
    for arn in &arns {
        if !region.target_groups.contains_key(*arn) {
            return Err(not_found(arn));
        }
    }
    for name in &names {
        if !region.target_groups.values().any(|group| group.name == *name) {
            return Err(not_found(name));
        }
    }
    let found = region.target_groups.values().filter(|group| {
        (arns.is_empty() || arns.contains(&group.arn.as_str()))
            && (names.is_empty() || names.contains(&group.name.as_str()))
    });
    let mut xml = Xml::new();
    xml.list_of("TargetGroups", "member", found, |xml, group| {
        xml.text("TargetGroupArn", &group.arn)
            .text("TargetGroupName", &group.name)
            .text("Protocol", &group.protocol)
            .text("Port", group.port)
            .text("VpcId", &group.vpc)
            .text("TargetType", &group.target_type)
            .text("HealthCheckEnabled", true)
            .text("HealthCheckPort", "traffic-port")
            .text("HealthCheckProtocol", &group.protocol);
        xml.element("LoadBalancerArns", |_| {});
    });
    Ok(xml)
}

fn group<'a>(region: &'a mut Region, params: &Params) -> Result<&'a mut TargetGroup, ApiError> {
    let arn = required(params, "TargetGroupArn")?;
    region.target_groups.get_mut(arn).ok_or_else(|| not_found(arn))
}

fn required<'a>(params: &'a Params, name: &str) -> Result<&'a str, ApiError> {
    params
        .text(name)
        .ok_or_else(|| ApiError::new("ValidationError", format!("'{name}' is required")))
}

/// The targets that a request names; the port is the group's if it is not given.
fn targets(params: &Params, port: u16) -> Result<Vec<Target>, ApiError> {
    let given = params.structs("Targets.member");
    if given.is_empty() {
        return Err(ApiError::new(
            "ValidationError",
            "At least one target has to be specified",
        ));
    }
    given
        .iter()
        .map(|each| {
            Ok(Target {
                id: each.required("Id")?.to_owned(),
                port: each.parsed("Port")?.unwrap_or(port),
            })
        })
        .collect()
}

fn register(region: &mut Region, params: &Params) -> Result<Xml, ApiError> {
    let group = group(region, params)?.clone();
    let new = targets(params, group.port)?;
    if group.target_type == "instance" {
        for target in &new {
            let running = region
                .instances
                .get(&target.id)
                .is_some_and(|instance| instance.state == State::Running);
            if !running {
                return Err(ApiError::new(
                    "InvalidTarget",
                    format!(
                        "The following targets are not in a running state and cannot be registered: '{}'",
                        target.id
                    ),
                ));
            }
        }
    }
    if let Some(group) = region.target_groups.get_mut(&group.arn) {
        for target in new {
            if !group.targets.contains(&target) {
                group.targets.push(target);
            }
        }
    }
    Ok(Xml::new())
}

fn deregister(region: &mut Region, params: &Params) -> Result<Xml, ApiError> {
    let group = group(region, params)?;
    let given = params.structs("Targets.member");
    // Without a port all registrations of the target go.
    for each in targets(params, group.port)? {
        let with_port = given
            .iter()
            .any(|one| one.get("Id") == Some(&each.id) && one.text("Port").is_some());
        group
            .targets
            .retain(|target| target.id != each.id || (with_port && target.port != each.port));
    }
    Ok(Xml::new())
}

fn health(region: &mut Region, params: &Params) -> Result<Xml, ApiError> {
    let group = group(region, params)?.clone();
    let wanted: Vec<String> = params
        .structs("Targets.member")
        .iter()
        .filter_map(|each| each.text("Id").map(str::to_owned))
        .collect();
    let found = group
        .targets
        .iter()
        .filter(|target| wanted.is_empty() || wanted.contains(&target.id));
    let mut xml = Xml::new();
    xml.list_of("TargetHealthDescriptions", "member", found, |xml, target| {
        xml.element("Target", |xml| {
            xml.text("Id", &target.id).text("Port", target.port);
        })
        .text("HealthCheckPort", target.port);
        let state = region.instances.get(&target.id).map(|instance| instance.state);
        xml.element("TargetHealth", |xml| match state {
            Some(State::Running) | None => {
                xml.text("State", "healthy");
            }
            Some(_) => {
                xml.text("State", "unused")
                    .text("Reason", "Target.InvalidState")
                    .text("Description", "Target is in the stopped state");
            }
        });
    });
    Ok(xml)
}

fn tags(region: &Region, params: &Params) -> Result<Xml, ApiError> {
    let arns = params.list("ResourceArns.member");
    for arn in &arns {
        if !region.target_groups.contains_key(*arn) {
            return Err(not_found(arn));
        }
    }
    let mut xml = Xml::new();
    xml.list_of("TagDescriptions", "member", arns, |xml, arn| {
        xml.text("ResourceArn", arn);
        xml.list_of("Tags", "member", region.tags_of(arn), |xml, (key, value)| {
            xml.text("Key", key).text("Value", value);
        });
    });
    Ok(xml)
}
