//! Who was denied what. AWS says it in a sentence.

use super::{CloudError, ErrorKind};
use crate::calls::action::Action;

/// Who was denied what, as far as AWS says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// ARN of the user or of the role's session.
    pub who: Option<String>,
    /// The permission that is missing, such as `sts:AssumeRole`.
    pub action: String,
    /// ARN of what it was to be done to. `*` is none.
    pub resource: Option<String>,
    /// Why, in AWS's words: `because no identity-based policy allows …`, `with an explicit deny in …`.
    pub reason: Option<String>,
    /// AWS's code.
    pub code: String,
}

impl CloudError {
    /// Who was denied what, if that is what went wrong.
    ///
    /// The form of the messages is that of
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>; of another one only the action and
    /// the code are told.
    pub fn denial(&self) -> Option<Denial> {
        let ErrorKind::Denied { action, code } = &self.kind else {
            return None;
        };
        let (who, rest) = self
            .message
            .split_once("User: ")
            .and_then(|(_, rest)| rest.split_once(" is not authorized to perform: "))
            .map_or((None, ""), |(who, rest)| (Some(who.trim().to_owned()), rest));
        let reason = ["because ", "with an explicit deny "]
            .iter()
            .filter_map(|begin| rest.find(&format!(" {begin}")))
            .min();
        let (what, reason) = match reason {
            Some(at) => (&rest[..at], Some(rest[at..].trim().trim_end_matches('.').to_owned())),
            None => (rest, None),
        };
        let resource = what.split_once(" on resource: ").map(|(_, resource)| resource.trim());
        Some(Denial {
            who,
            action: action.clone(),
            resource: resource
                .filter(|resource| !matches!(*resource, "" | "*"))
                .map(str::to_owned),
            reason,
            code: code.to_string(),
        })
    }
}

/// The permission that is missing. The messages name it as `perform: ec2:RunInstances`, `perform: iam:PassRole on
/// resource …`; older ones of EC2 name nothing.
pub(super) fn denied_action(action: &Action, message: &str) -> String {
    message
        .split("perform:")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .map(|word| word.trim_matches(|c: char| matches!(c, '.' | ',' | '"' | '\'')))
        .filter(|word| word.contains(':'))
        .unwrap_or(action.name)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::kind_of;
    use super::*;
    use crate::calls::actions;

    fn denied(message: &str) -> Denial {
        let kind = kind_of(&actions::DESCRIBE_INSTANCES, "UnauthorizedOperation", message, 403);
        let error = CloudError::new(&actions::DESCRIBE_INSTANCES, "", kind, message);
        assert!(error.to_string().contains("(UnauthorizedOperation)"), "{error}");
        error.denial().unwrap_or_else(|| panic!("{error}"))
    }

    #[test]
    fn a_refusal_tells_who_was_denied_what() {
        let some = |text: &str| Some(text.to_owned());
        let role = denied(
            "User: arn:aws:iam::111122223333:user/ops is not authorized to perform: sts:AssumeRole on resource: \
             arn:aws:iam::444455556666:role/audit",
        );
        assert_eq!(
            (role.who, role.action.as_str(), role.resource, role.reason),
            (
                some("arn:aws:iam::111122223333:user/ops"),
                "sts:AssumeRole",
                some("arn:aws:iam::444455556666:role/audit"),
                None
            )
        );
        let session = "arn:aws:sts::111122223333:assumed-role/audit/comeback";
        let call = denied(&format!(
            "You are not authorized to perform this operation. User: {session} is not authorized to perform: \
             ec2:DescribeInstances because no identity-based policy allows the ec2:DescribeInstances action"
        ));
        assert_eq!(
            (call.who, call.action.as_str()),
            (some(session), "ec2:DescribeInstances")
        );
        assert_eq!(call.resource, None);
        assert_eq!(
            call.reason,
            some("because no identity-based policy allows the ec2:DescribeInstances action")
        );
        let forbidden = denied(&format!(
            "User: {session} is not authorized to perform: ec2:DescribeImages on resource: * with an explicit deny in a \
             service control policy."
        ));
        assert_eq!(forbidden.resource, None);
        assert_eq!(
            forbidden.reason,
            some("with an explicit deny in a service control policy")
        );
        let bare = denied("You are not authorized to perform this operation.");
        assert_eq!(
            (bare.who, bare.action.as_str(), bare.resource, bare.reason),
            (None, "ec2:DescribeInstances", None, None)
        );
    }

    #[test]
    fn only_a_refusal_is_one() {
        let error = CloudError::new(&actions::DESCRIBE_INSTANCES, "", ErrorKind::Throttled, "User: x");
        assert_eq!(error.denial(), None);
    }
}
