//! Systems Manager's public parameters: which image is the newest. JSON, protocol `awsJson1.1`.

use serde_json::{Value, json};

use crate::engine::Region;
use crate::wire::ApiError;

/// Parameters that name the lab's host image, as AWS and Debian publish theirs.
const PUBLIC: &[(&str, &str)] = &[
    (
        "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-x86_64",
        "al2023",
    ),
    (
        "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
        "al2023",
    ),
    (
        "/aws/service/ami-amazon-linux-latest/al2023-ami-minimal-kernel-default-x86_64",
        "al2023",
    ),
    ("/aws/service/debian/release/12/latest/amd64", "debian-12"),
    ("/aws/service/debian/release/bookworm/latest/amd64", "debian-12"),
];

/// The parameters that a request names; one that names none asks for all.
pub(crate) fn names(body: &[u8]) -> Vec<String> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let many = body
        .get("Names")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let one = [&body["Name"], &body["Path"]];
    let names: Vec<String> = one
        .into_iter()
        .chain(many)
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    if names.is_empty() { vec!["/*".to_owned()] } else { names }
}

/// Carries out an action.
pub(crate) fn call(region: &Region, action: &str, body: &[u8]) -> Result<Value, ApiError> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::new("SerializationException", format!("the body is no JSON: {error}")))?;
    match action {
        "GetParameter" => {
            let name = text(&body, "Name")?;
            let parameter = parameter(region, name)
                .ok_or_else(|| ApiError::new("ParameterNotFound", format!("Parameter {name} not found.")))?;
            Ok(json!({ "Parameter": parameter }))
        }
        "GetParameters" => {
            let names: Vec<&str> = body
                .get("Names")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let found: Vec<Value> = names.iter().filter_map(|name| parameter(region, name)).collect();
            let invalid: Vec<&&str> = names.iter().filter(|name| parameter(region, name).is_none()).collect();
            Ok(json!({ "Parameters": found, "InvalidParameters": invalid }))
        }
        "GetParametersByPath" => {
            let path = text(&body, "Path")?.trim_end_matches('/').to_owned() + "/";
            let recursive = body.get("Recursive").and_then(Value::as_bool).unwrap_or(false);
            let found: Vec<Value> = PUBLIC
                .iter()
                .filter_map(|(name, _)| Some((name, name.strip_prefix(&path)?)))
                .filter(|(_, rest)| recursive || !rest.contains('/'))
                .filter_map(|(name, _)| parameter(region, name))
                .collect();
            Ok(json!({ "Parameters": found }))
        }
        other => Err(ApiError::new(
            "UnknownOperationException",
            format!("The lab does not have {other} of SSM"),
        )),
    }
}

fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str, ApiError> {
    body.get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| ApiError::new("ValidationException", format!("{name} is missing")))
}

fn parameter(region: &Region, name: &str) -> Option<Value> {
    let (name, family) = PUBLIC.iter().find(|(each, _)| *each == name)?;
    let image = region
        .images
        .values()
        .filter(|image| image.owner_alias.is_some() && image.name.starts_with(family))
        .max_by_key(|image| image.created)?;
    Some(json!({
        "Name": name,
        "Type": "String",
        "Value": image.id,
        "Version": 1,
        "LastModifiedDate": image.created.as_second(),
        "ARN": format!("arn:aws:ssm:{}::parameter{name}", region.name),
        "DataType": "aws:ec2:image",
    }))
}
