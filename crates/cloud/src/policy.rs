//! The least IAM policy for a set of calls.

use crate::calls::Action;
use std::collections::BTreeSet;

/// What else a command needs that its calls do not show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Instances are launched with an instance profile: the role behind it has to be passed.
    pub instance_profile: bool,
    /// Encrypted volumes are attached, snapshots of them taken, or volumes made from such.
    pub encrypted_volumes: bool,
    /// Roles of other accounts that are taken on.
    pub assumed_roles: Vec<String>,
}

/// A policy document (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html>) that allows the
/// calls and nothing else, as indented JSON.
pub fn document<'a>(actions: impl IntoIterator<Item = &'a Action>, needs: &Needs) -> String {
    let actions: BTreeSet<&Action> = actions.into_iter().collect();
    let mut statements = Vec::new();
    let names = |wanted: &dyn Fn(&Action) -> bool| -> Vec<&str> {
        actions
            .iter()
            .filter(|action| wanted(action))
            .map(|action| action.name)
            .collect()
    };
    // `GetCallerIdentity` is always allowed, and `AssumeRole` is scoped to its roles below.
    let plain = |action: &Action| !action.name.starts_with("sts:") && action.name != "ssm:GetParameter";
    statements.extend(statement(
        "ComebackReads",
        names(&|action| plain(action) && !action.changes),
        "*",
    ));
    statements.extend(statement(
        "ComebackChanges",
        names(&|action| plain(action) && action.changes),
        "*",
    ));
    statements.extend(statement(
        "ComebackNewestImages",
        names(&|action| action.name == "ssm:GetParameter"),
        "arn:*:ssm:*::parameter/aws/service/*",
    ));
    if needs.instance_profile {
        statements.push(serde_json::json!({
            "Sid": "ComebackInstanceProfile",
            "Effect": "Allow",
            "Action": ["iam:PassRole"],
            "Resource": "arn:*:iam::*:role/*",
            "Condition": { "StringEquals": { "iam:PassedToService": "ec2.amazonaws.com" } },
        }));
    }
    if needs.encrypted_volumes {
        let uses = [
            "kms:CreateGrant",
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:GenerateDataKeyWithoutPlaintext",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
        ];
        statements.push(serde_json::json!({
            "Sid": "ComebackKeysOfEncryptedVolumes",
            "Effect": "Allow",
            "Action": uses,
            "Resource": "*",
            "Condition": { "StringLike": { "kms:ViaService": "ec2.*.amazonaws.com" } },
        }));
    }
    if !needs.assumed_roles.is_empty() {
        statements.push(serde_json::json!({
            "Sid": "ComebackRoles",
            "Effect": "Allow",
            "Action": ["sts:AssumeRole"],
            "Resource": needs.assumed_roles,
        }));
    }
    let document = serde_json::json!({ "Version": "2012-10-17", "Statement": statements });
    // A value made of texts and lists only can always be written.
    format!("{document:#}")
}

fn statement(sid: &str, actions: Vec<&str>, resource: &str) -> Option<serde_json::Value> {
    if actions.is_empty() {
        return None;
    }
    Some(serde_json::json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource }))
}
