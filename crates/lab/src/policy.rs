//! IAM policies of access keys: what a key may do.
//!
//! Understood are `Effect`, `Action`, `NotAction`, `Resource`, and of `Condition` the operators [`OPERATORS`] on the keys that a
//! request can tell (`aws:RequestedRegion`, `ec2:Attribute`, `ec2:CreateAction`, `aws:RequestTag/…`, `aws:ResourceTag/…`,
//! `ec2:ResourceTag/…`). A document that has anything else is refused when it is set, not half understood.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::pattern::fits;

/// The operators of conditions.
pub const OPERATORS: &[&str] = &[
    "StringEquals",
    "StringLike",
    "StringNotEquals",
    "StringEqualsIfExists",
    "ForAnyValue:StringEquals",
    "ForAnyValue:StringLike",
    "ForAllValues:StringEquals",
];

/// A policy document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Policy {
    /// `2012-10-17`
    #[serde(default)]
    pub version: String,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What is allowed and what is denied.
    #[serde(deserialize_with = "one_or_many")]
    pub statement: Vec<Statement>,
}

/// Part of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Statement {
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Whether it allows or denies.
    pub effect: Effect,
    /// Patterns such as `ec2:Describe*`.
    #[serde(default, deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub action: Vec<String>,
    /// Everything but these.
    #[serde(default, deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub not_action: Vec<String>,
    /// Patterns of resource names (ARN).
    #[serde(default, deserialize_with = "one_or_many")]
    pub resource: Vec<String>,
    /// Operator, key, values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub condition: BTreeMap<String, BTreeMap<String, Values>>,
}

/// One value or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Values(pub Vec<String>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_or_many(deserializer).map(Self)
    }
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// It allows.
    Allow,
    /// It denies, whatever else allows.
    Deny,
}

fn one_or_many<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either<T> {
        One(T),
        Many(Vec<T>),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::One(one) => vec![one],
        Either::Many(many) => many,
    })
}

/// What a request asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// `ec2:AttachVolume`
    pub(crate) action: String,
    /// Resource names; `*` for what has none.
    pub(crate) resources: Vec<String>,
    /// Condition keys and their values.
    pub(crate) context: BTreeMap<String, Vec<String>>,
}

impl Policy {
    /// Reads a document.
    ///
    /// # Errors
    /// Says what of it is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let policy: Self = serde_json::from_str(text).map_err(|error| format!("reading the policy: {error}"))?;
        for statement in &policy.statement {
            if let Some(operator) = statement
                .condition
                .keys()
                .find(|key| !OPERATORS.contains(&key.as_str()))
            {
                return Err(format!(
                    "reading the policy: the lab does not know the condition operator {operator}; it knows {}",
                    OPERATORS.join(", ")
                ));
            }
            if statement.action.is_empty() == statement.not_action.is_empty() {
                return Err("reading the policy: a statement needs either Action or NotAction".to_owned());
            }
            if statement.resource.is_empty() {
                return Err("reading the policy: a statement has no Resource".to_owned());
            }
        }
        Ok(policy)
    }

    /// Whether it allows a request: something allows each of its resources, and nothing denies any.
    pub(crate) fn allows(&self, asked: &Asked) -> bool {
        let applies = |effect, resource: &str| {
            self.statement
                .iter()
                .any(|statement| statement.effect == effect && statement.applies(asked, resource))
        };
        asked
            .resources
            .iter()
            .all(|resource| applies(Effect::Allow, resource) && !applies(Effect::Deny, resource))
    }
}

impl Statement {
    fn applies(&self, asked: &Asked, resource: &str) -> bool {
        // Names of actions are not case-sensitive.
        let action = asked.action.to_ascii_lowercase();
        let named = |patterns: &[String]| {
            patterns
                .iter()
                .any(|pattern| fits(&pattern.to_ascii_lowercase(), &action))
        };
        let action = if self.action.is_empty() {
            !named(&self.not_action)
        } else {
            named(&self.action)
        };
        action
            && self.resource.iter().any(|pattern| fits(pattern, resource))
            && self.condition.iter().all(|(operator, keys)| {
                keys.iter()
                    .all(|(key, values)| holds(operator, asked.context.get(key), &values.0))
            })
    }
}

fn holds(operator: &str, found: Option<&Vec<String>>, wanted: &[String]) -> bool {
    let found = found.map_or(&[][..], Vec::as_slice);
    let equal = |value: &String| wanted.contains(value);
    let like = |value: &String| wanted.iter().any(|pattern| fits(pattern, value));
    match operator {
        "StringEquals" | "ForAnyValue:StringEquals" => found.iter().any(equal),
        "StringLike" | "ForAnyValue:StringLike" => found.iter().any(like),
        "StringNotEquals" => !found.iter().any(equal),
        "StringEqualsIfExists" | "ForAllValues:StringEquals" => found.iter().all(equal),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(action: &str, resource: &str) -> Asked {
        Asked {
            action: action.to_owned(),
            resources: vec![resource.to_owned()],
            context: [("aws:RequestedRegion".to_owned(), vec!["ap-northeast-1".to_owned()])].into(),
        }
    }

    #[test]
    fn denial_wins() {
        let policy = Policy::parse(
            r#"{"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"},
                {"Effect": "Deny", "Action": ["ec2:terminateinstances"], "Resource": "arn:aws:ec2:*:*:instance/i-1"}]}"#,
        )
        .unwrap();
        assert!(policy.allows(&asked("ec2:DescribeInstances", "*")));
        assert!(!policy.allows(&asked("sts:AssumeRole", "*")));
        assert!(!policy.allows(&asked("ec2:TerminateInstances", "arn:aws:ec2:r:1:instance/i-1")));
        assert!(policy.allows(&asked("ec2:TerminateInstances", "arn:aws:ec2:r:1:instance/i-2")));
    }

    #[test]
    fn conditions_hold_or_not() {
        let policy = |region: &str| {
            Policy::parse(&format!(
                r#"{{"Statement": {{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*",
                    "Condition": {{"StringEquals": {{"aws:RequestedRegion": ["{region}"]}}}}}}}}"#
            ))
            .unwrap()
        };
        assert!(policy("ap-northeast-1").allows(&asked("ec2:StartInstances", "*")));
        assert!(!policy("us-east-1").allows(&asked("ec2:StartInstances", "*")));
        assert!(!policy("ap-northeast-1").allows(&asked("iam:PassRole", "*")));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for document in [
            r#"{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "::"}}}]}"#,
            r#"{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}]}"#,
            r#"{"Statement": [{"Effect": "Allow", "Action": "*"}]}"#,
            r#"{"Statement": [{"Effect": "Allow", "Resource": "*"}]}"#,
        ] {
            Policy::parse(document).unwrap_err();
        }
    }
}
