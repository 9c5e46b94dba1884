//! Which calls the commands make: what their least IAM policies are written from.
//!
//! A run's are those that its actions declare, of every action that there is.

use comeback_cloud::calls::{Action as Call, actions as calls};

use crate::actions;
use crate::finalize;

/// What a plan reads.
pub fn plan() -> Vec<&'static Call> {
    vec![
        &calls::DESCRIBE_INSTANCES,
        &calls::DESCRIBE_INSTANCE_ATTRIBUTE,
        &calls::DESCRIBE_INSTANCE_TYPES,
        &calls::DESCRIBE_INSTANCE_TYPE_OFFERINGS,
        &calls::DESCRIBE_VOLUMES,
        &calls::DESCRIBE_NETWORK_INTERFACES,
        &calls::DESCRIBE_ADDRESSES,
        &calls::DESCRIBE_IMAGES,
        &calls::GET_PARAMETER,
        &calls::DESCRIBE_TARGET_GROUPS,
        &calls::DESCRIBE_TARGET_HEALTH,
    ]
}

/// What a migration, its resumption and its rollback call, the plan included.
pub fn migrate() -> Vec<&'static Call> {
    sorted(plan().into_iter().chain(actions::calls()))
}

/// What `finalize` calls.
pub fn finalize() -> Vec<&'static Call> {
    sorted(finalize::calls().into_iter())
}

fn sorted(calls: impl Iterator<Item = &'static Call>) -> Vec<&'static Call> {
    let mut calls: Vec<_> = calls.collect();
    calls.sort_by_key(|call| call.name);
    calls.dedup_by_key(|call| call.name);
    calls
}
