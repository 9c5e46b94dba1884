//! The image of the source, which stays as the way back to it.

use comeback_cloud::ids::{ImageId, SnapshotId};
use serde::{Deserialize, Serialize};

use crate::action::Context;
use crate::plan::Plan;

/// The way back that stays: an image that carries the source's disks as they were at last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Registered {
    /// The image.
    pub image: ImageId,
    /// What it is made of.
    pub snapshots: Vec<SnapshotId>,
}

impl Registered {
    /// The name of its action in the journal.
    pub const ID: &str = "readdress/image";
}

/// What stays as the way back, if it is there.
pub(crate) fn registered(context: &Context) -> Option<Registered> {
    context.earlier(Registered::ID).ok().flatten()
}

/// What a person types to get the source back from its image, as a paravirtual instance with another private address.
pub fn way_back(plan: &Plan, image: &ImageId) -> String {
    let source = &plan.source.instance;
    let mut command = format!(
        "aws ec2 run-instances --region {} --image-id {image} --instance-type {}",
        plan.region, source.instance_type
    );
    let mut option = |name: &str, value: &str| {
        command.push_str(&format!(" --{name} {value}"));
    };
    if let Some(subnet) = &source.subnet {
        option("subnet-id", subnet.as_str());
    }
    if !source.security_groups.is_empty() {
        let groups: Vec<&str> = source.security_groups.iter().map(|group| group.id.as_str()).collect();
        option("security-group-ids", &groups.join(" "));
    }
    if let Some(key) = &source.key_name {
        option("key-name", key);
    }
    if let Some(profile) = &source.iam_profile {
        option("iam-instance-profile", &format!("Arn={profile}"));
    }
    command
}
