//! Which calls a diagnosis makes: what its least IAM policy is written from.

use comeback_cloud::calls::{Action, actions as calls};

/// What a diagnosis reads.
pub fn diagnose() -> Vec<&'static Action> {
    vec![
        &calls::DESCRIBE_INSTANCES,
        &calls::DESCRIBE_INSTANCE_STATUS,
        &calls::DESCRIBE_VOLUMES,
        &calls::DESCRIBE_IMAGES,
        &calls::GET_CONSOLE_OUTPUT,
    ]
}
