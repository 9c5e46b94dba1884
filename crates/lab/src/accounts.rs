//! Accounts, access keys, and the policies that are attached to them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::policy::Policy;

/// An access key and whose it is.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) account: String,
    /// Who uses it.
    pub(crate) arn: String,
    /// Of an assumed role.
    pub(crate) token: Option<String>,
    pub(crate) expires: Option<Timestamp>,
    /// All of them have to allow; without any, everything is allowed.
    pub(crate) policies: Vec<Policy>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Key")
            .field("id", &self.id)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// A role that can be assumed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) account: String,
    pub(crate) policies: Vec<Policy>,
}

/// An account of the organization.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) name: String,
    /// It is in the list, and no more.
    pub(crate) suspended: bool,
    /// Regions that it has not switched on.
    pub(crate) off: Vec<String>,
}

/// All keys and roles.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    inner: Mutex<Saved>,
}

/// What is saved of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub(crate) keys: BTreeMap<String, Key>,
    pub(crate) roles: BTreeMap<String, Role>,
    /// The first of them manages the others.
    #[serde(default)]
    pub(crate) organization: Vec<Member>,
    /// How many session keys were made.
    pub(crate) sessions: u64,
}

impl Accounts {
    pub(crate) fn new(saved: Saved) -> Self {
        Self {
            inner: Mutex::new(saved),
        }
    }

    pub(crate) fn saved(&self) -> Saved {
        crate::lock(&self.inner).clone()
    }

    /// Regions that an account has not switched on.
    pub(crate) fn off(&self, account: &str) -> Vec<String> {
        let inner = crate::lock(&self.inner);
        let member = inner.organization.iter().find(|member| member.id == account);
        member.map(|member| member.off.clone()).unwrap_or_default()
    }

    pub(crate) fn find(&self, key: &str) -> Option<Key> {
        crate::lock(&self.inner).keys.get(key).cloned()
    }

    /// Makes a key for a role, if there is such a role.
    pub(crate) fn assume(&self, role: &str, session: &str, expires: Timestamp) -> Option<Key> {
        let mut inner = crate::lock(&self.inner);
        let role = inner.roles.get(role)?.clone();
        inner.sessions += 1;
        let number = inner.sessions;
        let name = role.arn.rsplit('/').next().unwrap_or_default();
        let secret = uuid::Uuid::new_v4().simple().to_string();
        let token = uuid::Uuid::new_v4().simple().to_string();
        let key = Key {
            id: format!("ASIALAB{:0>13}", format!("{number:X}")),
            secret,
            arn: format!("arn:aws:sts::{}:assumed-role/{name}/{session}", role.account),
            account: role.account,
            token: Some(token),
            expires: Some(expires),
            policies: role.policies,
        };
        inner.keys.insert(key.id.clone(), key.clone());
        Some(key)
    }

    /// Attaches policies to a key or a role; an empty list lets it do everything. Says whether there is such a key or role.
    pub(crate) fn set_policies(&self, name: &str, policies: Vec<Policy>) -> bool {
        let mut inner = crate::lock(&self.inner);
        if let Some(key) = inner.keys.get_mut(name) {
            key.policies = policies;
            return true;
        }
        match inner.roles.get_mut(name) {
            Some(role) => {
                role.policies = policies;
                true
            }
            None => false,
        }
    }
}
