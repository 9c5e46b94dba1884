//! Which calls the commands make: what their least IAM policies are written from.
//!
//! A run's are those that its actions declare, of every action that there is.

use comeback_cloud::calls::{Action as Call, actions as calls};

use crate::actions;
use crate::finalize;
use crate::readdress;

/// What a plan reads.
pub fn plan() -> Vec<&'static Call> {
    vec![
        &calls::DESCRIBE_INSTANCES,
        &calls::DESCRIBE_INSTANCE_STATUS,
        &calls::DESCRIBE_INSTANCE_ATTRIBUTE,
        &calls::DESCRIBE_INSTANCE_TYPES,
        &calls::DESCRIBE_INSTANCE_TYPE_OFFERINGS,
        &calls::DESCRIBE_VOLUMES,
        &calls::DESCRIBE_NETWORK_INTERFACES,
        &calls::DESCRIBE_ADDRESSES,
        &calls::DESCRIBE_SECURITY_GROUPS,
        &calls::DESCRIBE_IMAGES,
        &calls::GET_PARAMETER,
        &calls::DESCRIBE_TARGET_GROUPS,
        &calls::DESCRIBE_TARGET_HEALTH,
        &calls::DESCRIBE_AUTO_SCALING_INSTANCES,
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

/// What `finalize --keep-private-ip` calls, from the target's stop to the last deletion.
pub fn keep_private_ip() -> Vec<&'static Call> {
    sorted(readdress::calls().into_iter())
}

/// What `postpone` calls.
pub fn postpone() -> Vec<&'static Call> {
    vec![
        &calls::DESCRIBE_INSTANCES,
        &calls::DESCRIBE_INSTANCE_STATUS,
        &calls::MODIFY_INSTANCE_EVENT_START_TIME,
    ]
}

/// What `hold` calls.
pub fn hold() -> Vec<&'static Call> {
    vec![&calls::DESCRIBE_INSTANCES, &calls::MODIFY_INSTANCE_MAINTENANCE_OPTIONS]
}

/// What `bump-kernel` and its undo call.
pub fn bump_kernel() -> Vec<&'static Call> {
    sorted(
        [
            &calls::DESCRIBE_INSTANCES,
            &calls::DESCRIBE_INSTANCE_ATTRIBUTE,
            &calls::DESCRIBE_INSTANCE_STATUS,
            &calls::DESCRIBE_IMAGES,
            &calls::DESCRIBE_VOLUMES,
            &calls::DESCRIBE_SNAPSHOTS,
            &calls::DESCRIBE_AUTO_SCALING_INSTANCES,
            &calls::GET_CONSOLE_OUTPUT,
            &calls::CREATE_SNAPSHOTS,
            &calls::CREATE_TAGS,
            &calls::DELETE_TAGS,
            &calls::STOP_INSTANCES,
            &calls::MODIFY_INSTANCE_ATTRIBUTE,
            &calls::START_INSTANCES,
        ]
        .into_iter(),
    )
}

/// What `rescue` calls beside a diagnosis: it takes whichever way is right.
pub fn rescue() -> Vec<&'static Call> {
    sorted(migrate().into_iter().chain(bump_kernel()))
}

fn sorted(calls: impl Iterator<Item = &'static Call>) -> Vec<&'static Call> {
    let mut calls: Vec<_> = calls.collect();
    calls.sort_by_key(|call| call.name);
    calls.dedup_by_key(|call| call.name);
    calls
}
