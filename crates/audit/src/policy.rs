//! Which calls an audit makes: what its least IAM policy is written from. None of them changes anything.

use comeback_cloud::Action;
use comeback_cloud::actions as calls;

/// Name of the roles that an audit of an organization takes on, if none is named: the one that Organizations makes.
pub const ORGANIZATION_ROLE: &str = "OrganizationAccountAccessRole";

/// What is called in each account.
pub fn audit() -> Vec<&'static Action> {
    vec![
        &calls::DESCRIBE_REGIONS,
        &calls::DESCRIBE_INSTANCES,
        &calls::DESCRIBE_INSTANCE_STATUS,
        &calls::DESCRIBE_IMAGES,
        &calls::DESCRIBE_INSTANCE_TYPES,
    ]
}

/// What is called in the account that speaks for an organization, beside taking on its roles.
pub fn organization() -> Vec<&'static Action> {
    let mut all = audit();
    all.push(&calls::LIST_ACCOUNTS);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_changed() {
        assert!(organization().iter().all(|call| !call.changes));
    }
}
