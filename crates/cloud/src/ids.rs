//! Names that AWS gives to things, each its own type, so that a snapshot is never asked for as a volume.
//!
//! Reading one from a person's text ([`FromStr`](std::str::FromStr)) checks its form: a prefix and 8 or, since 2018, 17
//! hexadecimal digits
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html>). What the account itself answers is taken as
//! it is.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A text that is not the name it was given as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{value}\" is not {what}: expected {expected}")]
pub struct IdError {
    /// What was given.
    pub value: String,
    /// What it should have been, with its article.
    pub what: &'static str,
    /// The form that is expected.
    pub expected: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $expected:literal, $form:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The name as AWS answered it. Its form is not checked: nothing is to break over a new kind of name.
            pub fn from_api(name: impl Into<String>) -> $name {
                $name(name.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<$name, IdError> {
                let form: fn(&str) -> bool = $form;
                if form(text) {
                    return Ok($name(text.to_owned()));
                }
                Err(IdError { value: text.to_owned(), what: $what, expected: $expected })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

/// `PREFIX-` and hexadecimal digits in lower case.
fn hex_id(text: &str, prefix: &str) -> bool {
    let Some(digits) = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-')) else {
        return false;
    };
    matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

id!(
    /// An instance, `i-…`.
    InstanceId, "an instance", "i- and 8 or 17 hexadecimal digits", |t| hex_id(t, "i")
);
id!(
    /// A volume, `vol-…`.
    VolumeId, "a volume", "vol- and 8 or 17 hexadecimal digits", |t| hex_id(t, "vol")
);
id!(
    /// A snapshot, `snap-…`.
    SnapshotId, "a snapshot", "snap- and 8 or 17 hexadecimal digits", |t| hex_id(t, "snap")
);
id!(
    /// An image of a machine, `ami-…`. Kernel and RAM disk images have names of their own in the same list.
    ImageId, "an image", "ami- and 8 or 17 hexadecimal digits", |t| hex_id(t, "ami")
);
id!(
    /// A kernel image of paravirtual instances, `aki-…`.
    KernelId, "a kernel image", "aki- and 8 or 17 hexadecimal digits", |t| hex_id(t, "aki")
);
id!(
    /// A RAM disk image of paravirtual instances, `ari-…`.
    RamdiskId, "a RAM disk image", "ari- and 8 or 17 hexadecimal digits", |t| hex_id(t, "ari")
);
id!(
    /// A subnet, `subnet-…`.
    SubnetId, "a subnet", "subnet- and 8 or 17 hexadecimal digits", |t| hex_id(t, "subnet")
);
id!(
    /// A virtual private cloud, `vpc-…`.
    VpcId, "a VPC", "vpc- and 8 or 17 hexadecimal digits", |t| hex_id(t, "vpc")
);
id!(
    /// A network interface, `eni-…`.
    InterfaceId, "a network interface", "eni- and 8 or 17 hexadecimal digits", |t| hex_id(t, "eni")
);
id!(
    /// What ties a network interface to an instance, `eni-attach-…`.
    AttachmentId, "an attachment of a network interface", "eni-attach- and 8 or 17 hexadecimal digits",
    |t| hex_id(t, "eni-attach")
);
id!(
    /// An Elastic IP address, `eipalloc-…`.
    AllocationId, "an Elastic IP address", "eipalloc- and 8 or 17 hexadecimal digits", |t| hex_id(t, "eipalloc")
);
id!(
    /// What ties an Elastic IP address to an interface, `eipassoc-…`.
    AssociationId, "an association of an address", "eipassoc- and 8 or 17 hexadecimal digits", |t| hex_id(t, "eipassoc")
);
id!(
    /// A security group, `sg-…`.
    GroupId, "a security group", "sg- and 8 or 17 hexadecimal digits", |t| hex_id(t, "sg")
);
id!(
    /// A scheduled event of an instance, `instance-event-…`.
    EventId, "a scheduled event", "instance-event- and hexadecimal digits",
    |t| t.strip_prefix("instance-event-").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_hexdigit()))
);
id!(
    /// A target group of a load balancer.
    TargetGroupArn, "a target group", "arn:…:elasticloadbalancing:…:targetgroup/…",
    |t| t.starts_with("arn:") && t.contains(":elasticloadbalancing:") && t.contains(":targetgroup/")
);
id!(
    /// An account, twelve digits.
    AccountId, "an account", "twelve digits", |t| t.len() == 12 && t.bytes().all(|b| b.is_ascii_digit())
);
id!(
    /// A region, such as `ap-northeast-1`.
    RegionName, "a region", "a name such as ap-northeast-1", is_region
);

/// At least three words of small letters with a number at the end (`us-gov-west-1`).
fn is_region(text: &str) -> bool {
    let words: Vec<&str> = text.split('-').collect();
    let Some((last, front)) = words.split_last() else {
        return false;
    };
    front.len() >= 2
        && front
            .iter()
            .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
        && !last.is_empty()
        && last.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lengths_of_ids_are_read_and_others_are_refused() {
        for good in ["i-1a2b3c4d", "i-0123456789abcdef0"] {
            assert_eq!(good.parse::<InstanceId>().expect(good).to_string(), good);
        }
        for bad in [
            "",
            "i-",
            "i-1a2b3c4",
            "i-1A2B3C4D",
            "vol-1a2b3c4d",
            "i-1a2b3c4g",
            "i1a2b3c4d",
            "i-1a2b3c4d ",
        ] {
            let error = bad.parse::<InstanceId>().expect_err(bad);
            assert!(error.to_string().contains("is not an instance: expected i-"), "{error}");
        }
        assert!("eni-attach-1a2b3c4d".parse::<AttachmentId>().is_ok());
        assert!("eni-attach-1a2b3c4d".parse::<InterfaceId>().is_err());
    }

    #[test]
    fn regions_and_accounts_have_their_forms() {
        for good in ["ap-northeast-1", "us-gov-west-1", "us-iso-east-1"] {
            assert!(good.parse::<RegionName>().is_ok(), "{good}");
        }
        for bad in ["tokyo", "ap-northeast", "ap-northeast-1a", "-1", "AP-NORTHEAST-1"] {
            assert!(bad.parse::<RegionName>().is_err(), "{bad}");
        }
        assert!("123456789012".parse::<AccountId>().is_ok());
        assert!("12345678901".parse::<AccountId>().is_err());
    }

    #[test]
    fn ids_are_plain_text_in_json() {
        let id: VolumeId = serde_json::from_str("\"vol-1a2b3c4d\"").expect("text");
        assert_eq!(serde_json::to_string(&id).expect("json"), "\"vol-1a2b3c4d\"");
    }
}
