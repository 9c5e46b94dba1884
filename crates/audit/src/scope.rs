//! Which accounts and regions are meant, and how to get there.

use std::collections::BTreeMap;

use comeback_cloud::ids::{AccountId, RegionName};
use serde::Deserialize;

use crate::facts::quoted;

/// What is to be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Ways into accounts. One account and region is read once, whatever ways lead there: the first of them is taken.
    pub ways: Vec<Way>,
    /// These regions and no others; none means all that are switched on.
    pub regions: Vec<RegionName>,
}

/// A way into an account, or into those of an organization.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Way {
    /// Whose account it is.
    pub client: Option<String>,
    /// The account that is expected there.
    pub account: Option<AccountId>,
    /// Profile of the AWS command line; nothing means what the environment has.
    pub profile: Option<String>,
    /// ARN of a role to take on.
    pub role: Option<String>,
    /// The external id that the role asks for.
    pub external_id: Option<String>,
    /// These regions of it and no others; none means those of the scope.
    pub regions: Vec<RegionName>,
    /// Words for the account, which silences can name.
    pub tags: BTreeMap<String, String>,
    /// Name of a role: not this account alone, but all of the organization that it speaks for, each by its role of this name.
    pub organization_role: Option<String>,
}

impl Way {
    /// The environment's own credentials, or those of a profile.
    pub fn profile(name: Option<String>) -> Self {
        Self {
            profile: name,
            ..Self::default()
        }
    }

    /// What it is called in the ledger.
    pub fn via(&self) -> String {
        match (&self.role, &self.profile) {
            (Some(role), _) => role.clone(),
            (None, Some(profile)) => format!("profile {profile}"),
            (None, None) => "the environment's credentials".to_owned(),
        }
    }

    /// What a command needs to go the same way. External ids are not among what commands take.
    pub fn arguments(&self) -> String {
        let named = [("--profile", &self.profile), ("--role-arn", &self.role)];
        let given = named
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name} {}", quoted(value.as_deref()?))));
        given.collect::<Vec<_>>().join(" ")
    }
}

/// An accounts file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// It is not what is expected.
    #[error("{0}; expected is a list of [[account]] with `account` and `role`, or with `profile`")]
    Malformed(String),
    /// It names no account.
    #[error("it has no [[account]]")]
    Empty,
    /// An entry of it cannot be followed.
    #[error("[[account]] number {number}: {why}")]
    Entry {
        /// Counted from 1.
        number: usize,
        /// What is wrong.
        why: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    account: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Entry {
    client: Option<String>,
    account: Option<String>,
    role: Option<String>,
    profile: Option<String>,
    external_id: Option<String>,
    #[serde(default)]
    regions: Vec<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

/// Reads an accounts file.
///
/// # Errors
/// Says which entry is wrong, and how.
pub fn accounts(text: &str) -> Result<Vec<Way>, ScopeError> {
    let file: File = toml::from_str(text).map_err(|error| ScopeError::Malformed(error.message().to_owned()))?;
    if file.account.is_empty() {
        return Err(ScopeError::Empty);
    }
    let ways = file.account.into_iter().enumerate();
    ways.map(|(index, entry)| entry.way().map_err(|why| ScopeError::Entry { number: index + 1, why }))
        .collect()
}

impl Entry {
    fn way(self) -> Result<Way, String> {
        let account = self
            .account
            .map(|id| id.parse::<AccountId>())
            .transpose()
            .map_err(|error| error.to_string())?;
        for (name, value) in [("role", &self.role), ("profile", &self.profile)] {
            // It becomes part of commands that somebody types or pastes.
            if value.as_ref().is_some_and(|value| value.chars().any(char::is_control)) {
                return Err(format!("`{name}` has a control character in it"));
            }
        }
        let role = match (self.role, &account) {
            (Some(role), _) if role.starts_with("arn:") => Some(role),
            (Some(name), Some(account)) => Some(format!("arn:aws:iam::{account}:role/{name}")),
            (Some(name), None) => return Err(format!("the role {name} needs `account`, or an ARN")),
            (None, _) => None,
        };
        if role.is_none() && self.profile.is_none() {
            return Err("it needs `role` or `profile`".to_owned());
        }
        if role.is_none() && self.external_id.is_some() {
            return Err("`external-id` is for a role, and there is none".to_owned());
        }
        let regions: Result<Vec<RegionName>, _> = self.regions.iter().map(|name| name.parse()).collect();
        Ok(Way {
            client: self.client,
            account,
            profile: self.profile,
            role,
            external_id: self.external_id,
            regions: regions.map_err(|error| error.to_string())?,
            tags: self.tags,
            organization_role: None,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn an_accounts_file_is_read() {
        let ways = accounts(
            r#"
            [[account]]
            client = "Sakura"
            account = "111122223333"
            role = "audit"
            external-id = "sakura-1"
            regions = ["ap-northeast-1"]
            tags = { Contract = "gold" }

            [[account]]
            role = "arn:aws-cn:iam::444455556666:role/audit"
            profile = "china"

            [[account]]
            profile = "our own"
            "#,
        )
        .unwrap();
        assert_eq!(ways[0].role.as_deref(), Some("arn:aws:iam::111122223333:role/audit"));
        assert_eq!(ways[0].via(), "arn:aws:iam::111122223333:role/audit");
        assert_eq!(ways[0].tags["Contract"], "gold");
        assert_eq!(
            ways[1].arguments(),
            "--profile china --role-arn arn:aws-cn:iam::444455556666:role/audit"
        );
        assert_eq!(ways[2].arguments(), "--profile 'our own'");
        assert_eq!(ways[2].via(), "profile our own");
        assert_eq!(Way::default().arguments(), "");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |text: &str| accounts(text).unwrap_err().to_string();
        assert_eq!(wrong(""), "it has no [[account]]");
        assert!(wrong("[[account]]\nclient = \"x\"").contains("number 1: it needs `role` or `profile`"));
        assert!(wrong("[[account]]\nrole = \"audit\"").contains("needs `account`"));
        assert!(wrong("[[account]]\naccount = \"12\"\nrole = \"audit\"").contains("\"12\""));
        assert!(wrong("[[account]]\nprofile = \"a\\nb\"").contains("`profile` has a control character"));
        assert!(wrong("[[account]]\nprofile = \"a\"\nregions = [\"Tokyo\"]").contains("Tokyo"));
        assert!(wrong("[[account]]\nprofile = \"a\\nb\"").contains("`profile` has a control character"));
        assert!(wrong("[[account]]\nprofile = \"a\"\nexternal-id = \"x\"").contains("for a role"));
        assert!(wrong("[[account]]\nprofile = \"a\\nb\"").contains("`profile` has a control character"));
        assert!(wrong("[[account]]\nprofil = \"a\"").contains("profil"));
    }
}
