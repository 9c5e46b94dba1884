//! What a request needs permission for.

use std::collections::BTreeMap;

use crate::engine::Region;
use crate::policy::Asked;
use crate::wire::Params;

/// What a request asks permission for: its action on each resource that it names or makes, and on EC2 the tags of new resources.
pub(crate) fn asked(
    service: &str,
    action: &str,
    region_name: &str,
    params: &Params,
    region: Option<&Region>,
    account: &str,
) -> Vec<Asked> {
    let mut context: BTreeMap<String, Vec<String>> = BTreeMap::new();
    context.insert("aws:RequestedRegion".to_owned(), vec![region_name.to_owned()]);
    if service == "ec2" {
        context.insert("ec2:Region".to_owned(), vec![region_name.to_owned()]);
    }
    if service != "ec2" || crate::ec2::is_read(action) {
        let resource = params.text("RoleArn").or_else(|| params.text("TargetGroupArn"));
        return vec![Asked {
            action: format!("{service}:{action}"),
            resources: vec![resource.unwrap_or("*").to_owned()],
            context,
        }];
    }
    let arn = |kind: &str, id: &str| {
        let owner = if matches!(kind, "image" | "snapshot") {
            ""
        } else {
            account
        };
        format!("arn:aws:ec2:{region_name}:{owner}:{kind}/{id}")
    };
    let mut tagged: Vec<(String, String)> = params
        .structs("TagSpecification")
        .iter()
        .chain(std::iter::once(params))
        .flat_map(|holder| holder.structs("Tag"))
        .filter_map(|tag| {
            Some((
                tag.get("Key")?.to_owned(),
                tag.get("Value").unwrap_or_default().to_owned(),
            ))
        })
        .collect();
    tagged.dedup();
    for (key, value) in &tagged {
        context
            .entry(format!("aws:RequestTag/{key}"))
            .or_default()
            .push(value.clone());
        context.entry("aws:TagKeys".to_owned()).or_default().push(key.clone());
    }
    if action == "ModifyInstanceAttribute" {
        let attribute = params.text("Attribute").map(str::to_owned).or_else(|| {
            let own = params
                .iter()
                .find_map(|(name, _)| Some(name.strip_suffix(".Value")?.to_owned()));
            own.or_else(|| (!params.list("GroupId").is_empty()).then(|| "GroupSet".to_owned()))
        });
        context.insert("ec2:Attribute".to_owned(), attribute.into_iter().collect());
    }
    let mut resources: Vec<(String, Option<String>)> = made(action).iter().map(|kind| (arn(kind, "*"), None)).collect();
    for (_, value) in params.iter() {
        if let Some(kind) = value.rsplit_once('-').and_then(|(prefix, _)| kind_of(prefix)) {
            resources.push((arn(kind, value), Some(value.to_owned())));
        }
    }
    if resources.is_empty() {
        resources.push(("*".to_owned(), None));
    }
    let on = |action: String, (resource, id): &(String, Option<String>)| {
        let mut context = context.clone();
        for (key, value) in id.iter().filter_map(|id| Some(region?.tags_of(id))).flatten() {
            context.insert(format!("aws:ResourceTag/{key}"), vec![value.to_owned()]);
            context.insert(format!("ec2:ResourceTag/{key}"), vec![value.to_owned()]);
        }
        Asked {
            action,
            resources: vec![resource.clone()],
            context,
        }
    };
    let mut asked: Vec<Asked> = resources
        .iter()
        .map(|resource| on(format!("ec2:{action}"), resource))
        .collect();
    // Tags of what is made need a permission of their own.
    for specification in params.structs("TagSpecification") {
        let kind = specification.get("ResourceType").unwrap_or_default();
        let mut tagging = on("ec2:CreateTags".to_owned(), &(arn(kind, "*"), None));
        tagging
            .context
            .insert("ec2:CreateAction".to_owned(), vec![action.to_owned()]);
        asked.push(tagging);
    }
    // Whoever gives a machine a profile hands its role on.
    let profile = params
        .text("IamInstanceProfile.Arn")
        .or_else(|| params.text("IamInstanceProfile.Name"));
    if let Some(profile) = profile.filter(|_| action == "RunInstances") {
        let name = profile.rsplit('/').next().unwrap_or_default();
        asked.push(Asked {
            action: "iam:PassRole".to_owned(),
            resources: vec![format!("arn:aws:iam::{account}:role/{name}")],
            context: [("iam:PassedToService".to_owned(), vec!["ec2.amazonaws.com".to_owned()])].into(),
        });
    }
    asked
}

/// The kinds of resources that an action makes.
fn made(action: &str) -> &'static [&'static str] {
    match action {
        "RunInstances" => &["instance", "volume", "network-interface"],
        "CreateVolume" => &["volume"],
        "CreateSnapshot" | "CreateSnapshots" => &["snapshot"],
        "CreateImage" => &["image", "snapshot"],
        "RegisterImage" => &["image"],
        "CreateNetworkInterface" => &["network-interface"],
        "AllocateAddress" => &["elastic-ip"],
        "CreateSecurityGroup" => &["security-group"],
        "ImportKeyPair" | "CreateKeyPair" => &["key-pair"],
        _ => &[],
    }
}

fn kind_of(prefix: &str) -> Option<&'static str> {
    Some(match prefix {
        "i" => "instance",
        "vol" => "volume",
        "snap" => "snapshot",
        "ami" | "aki" => "image",
        "eni" => "network-interface",
        "eipalloc" => "elastic-ip",
        "sg" => "security-group",
        "subnet" => "subnet",
        "vpc" => "vpc",
        _ => return None,
    })
}
