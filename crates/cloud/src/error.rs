//! What can go wrong with a call, in kinds that a program can act on and words that a person can.

mod denial;

pub use denial::Denial;
use denial::denied_action;

use crate::calls::{action::Action, actions};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::operation::RequestId;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::{client::result::SdkError, http::Response};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::error::Error as StdError;

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.line())]
pub struct CloudError {
    /// The call, such as `ec2:StopInstances`. Its text is what an IAM policy calls it.
    pub action: &'static Action,
    /// What it was about: names of instances, volumes, …
    pub resource: String,
    /// What went wrong.
    pub kind: ErrorKind,
    /// What AWS said, or what happened on the way there.
    pub message: String,
    /// The request, as AWS support asks for it.
    pub request_id: Option<String>,
}

/// What went wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The thing is not there, or not yet: a describe can lag behind a change by seconds.
    NotFound,
    /// Too many calls. It was not carried out.
    Throttled,
    /// The credentials do not allow `action`. It was not carried out.
    Denied {
        /// The permission that is missing, which can differ from the call's own (`iam:PassRole`).
        action: String,
        /// AWS's code for it: `UnauthorizedOperation` of EC2, `AccessDenied` of others.
        code: Box<str>,
    },
    /// The thing is in a state in which this cannot be done.
    IncorrectState,
    /// The thing, or the name for it, is taken.
    InUse,
    /// It is there already, or the token was used for something else.
    AlreadyExists,
    /// AWS has no room for it at the moment.
    Capacity,
    /// The account has reached a quota.
    LimitExceeded,
    /// It cannot be done with these things at all.
    Unsupported,
    /// The request was wrong.
    InvalidParameter,
    /// It was a dry run, and would have been carried out.
    DryRun,
    /// AWS failed (5xx). Whether it was carried out is unknown.
    Server,
    /// The connection broke after it was made. Whether it was carried out is unknown.
    Network,
    /// No answer came in time. Whether it was carried out is unknown.
    Timeout,
    /// No connection was made: it was not carried out.
    Unreachable,
    /// There are no credentials, or they are no longer good.
    Credentials,
    /// What was waited for did not come in time. Nothing was called.
    Late,
    /// Another code of AWS.
    Other(String),
}

impl CloudError {
    pub(crate) fn new(
        action: &'static Action,
        resource: impl Into<String>,
        kind: ErrorKind,
        message: impl Into<String>,
    ) -> CloudError {
        CloudError {
            action,
            resource: resource.into(),
            kind,
            message: message.into(),
            request_id: None,
        }
    }

    /// Whether the same call may well succeed a little later.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Throttled | ErrorKind::Server | ErrorKind::Network | ErrorKind::Timeout | ErrorKind::Unreachable
        )
    }

    /// Whether the thing may have been changed although the call failed: the account has to be asked.
    pub fn outcome_unknown(&self) -> bool {
        self.action.changes && matches!(self.kind, ErrorKind::Server | ErrorKind::Network | ErrorKind::Timeout)
    }

    /// Whether the thing is not there.
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }

    /// What a person can do about it.
    pub fn help(&self) -> String {
        match &self.kind {
            ErrorKind::NotFound => {
                "check the name, the region and the account; what was made a moment ago can take seconds to be seen"
                    .into()
            }
            ErrorKind::Throttled => {
                "other programs use up the account's rate: try again later, or take a smaller share of it".into()
            }
            ErrorKind::Denied { action, .. } if action == actions::ASSUME_ROLE.name => format!(
                "make the role if it is not there, let its trust policy name these credentials, and allow them {action} on it"
            ),
            ErrorKind::Denied { action, .. } => {
                format!("allow {action} for these credentials; `comeback iam-policy` prints all that a command needs")
            }
            ErrorKind::IncorrectState => "wait until the thing has come to rest, then try again".into(),
            ErrorKind::InUse => "free it, or take another one".into(),
            ErrorKind::AlreadyExists => "use the one that is there, or another name".into(),
            ErrorKind::Capacity => "try again later, or take another instance type or availability zone".into(),
            ErrorKind::LimitExceeded => "raise the quota in Service Quotas, or remove what is not needed".into(),
            ErrorKind::Unsupported => "take another instance type, image or volume type".into(),
            ErrorKind::InvalidParameter => {
                "this is a mistake in the request, not in the account: please report it".into()
            }
            ErrorKind::DryRun => "nothing: it would have been carried out".into(),
            ErrorKind::Server | ErrorKind::Network | ErrorKind::Timeout if self.action.changes => {
                "it may have been carried out: look at the resource before trying again".into()
            }
            ErrorKind::Server => "try again; AWS reports the state of its services at health.aws.amazon.com".into(),
            ErrorKind::Network | ErrorKind::Timeout | ErrorKind::Unreachable => {
                "check the network, proxy and AWS_ENDPOINT_URL, then try again".into()
            }
            ErrorKind::Credentials => {
                "sign in again (`aws sso login`), or choose other credentials with AWS_PROFILE or --profile".into()
            }
            ErrorKind::Late => "look at the resource: it may still get there, or be stuck".into(),
            ErrorKind::Other(_) => {
                "see the message, and the request at AWS support if it does not explain itself".into()
            }
        }
    }

    fn line(&self) -> String {
        let mut line = if self.resource.is_empty() {
            format!("{}: ", self.action)
        } else {
            format!("{} ({}): ", self.action, self.resource)
        };
        match &self.kind {
            ErrorKind::Denied { action, code } if action != self.action.name => {
                line += &format!("{action} is not allowed ({code}): ");
            }
            ErrorKind::Denied { code, .. } => line += &format!("not allowed ({code}): "),
            ErrorKind::Other(code) => line += &format!("{code}: "),
            _ => {}
        }
        line += &self.message;
        if let Some(id) = &self.request_id {
            line += &format!(" (request {id})");
        }
        line
    }

    /// Reads what the SDK says. Of an error below the service's own answer only its texts are kept.
    pub(crate) fn from_sdk<E>(action: &'static Action, resource: &str, error: &SdkError<E, Response>) -> CloudError
    where
        E: StdError + ProvideErrorMetadata + 'static,
    {
        if let Some(refused) = role_error(error) {
            return refused;
        }
        let status = error.raw_response().map(|response| response.status().as_u16());
        let request_id = error
            .raw_response()
            .and_then(|response| response.request_id().map(str::to_owned))
            .or_else(|| service_request_id(error));
        let (kind, message) = match error {
            SdkError::ServiceError(service) => {
                let code = service.err().code().unwrap_or_default();
                let said = service.err().message().unwrap_or_default();
                (
                    kind_of(action, code, said, status.unwrap_or(0)),
                    shown(code, said, status),
                )
            }
            SdkError::TimeoutError(_) => (ErrorKind::Timeout, "no answer in time".to_owned()),
            SdkError::ResponseError(_) => match status {
                Some(status) if status >= 500 => (ErrorKind::Server, format!("HTTP status {status}")),
                _ => (
                    ErrorKind::Network,
                    format!("the answer could not be read: {}", causes(error)),
                ),
            },
            SdkError::ConstructionFailure(_) if !is_credentials(error) => (ErrorKind::InvalidParameter, causes(error)),
            _ if is_credentials(error) => (ErrorKind::Credentials, credentials_text(error)),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => (ErrorKind::Timeout, causes(error)),
            _ if never_connected(error) => (ErrorKind::Unreachable, causes(error)),
            _ => (ErrorKind::Network, causes(error)),
        };
        CloudError {
            action,
            resource: resource.to_owned(),
            kind,
            message,
            request_id,
        }
    }
}

fn service_request_id<E: StdError + ProvideErrorMetadata>(error: &SdkError<E, Response>) -> Option<String> {
    error.meta().extra("aws_request_id").map(str::to_owned)
}

/// The message, without the encoded part that EC2 adds to refusals: it is long, and holds the whole request.
fn shown(code: &str, message: &str, status: Option<u16>) -> String {
    let text = message
        .split(" Encoded authorization failure message")
        .next()
        .unwrap_or_default()
        .trim();
    match (text.is_empty(), code.is_empty()) {
        (false, _) => text.to_owned(),
        (true, false) => code.to_owned(),
        (true, true) => format!(
            "HTTP status {}",
            status.map_or_else(|| "unknown".to_owned(), |s| s.to_string())
        ),
    }
}

/// Sorts the codes of EC2 (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>), Elastic Load
/// Balancing, Systems Manager and STS.
fn kind_of(action: &Action, code: &str, message: &str, status: u16) -> ErrorKind {
    match code {
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "SlowDown"
        | "EC2ThrottledException"
        | "Client.RequestLimitExceeded"
        | "BandwidthLimitExceeded" => ErrorKind::Throttled,
        "UnauthorizedOperation"
        | "AccessDenied"
        | "AccessDeniedException"
        | "Client.UnauthorizedOperation"
        | "Blocked" => ErrorKind::Denied {
            action: denied_action(action, message),
            code: code.into(),
        },
        "AuthFailure"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "MissingAuthenticationToken"
        | "OptInRequired"
        | "IncompleteSignature" => {
            if code == "AuthFailure" && message.contains("not authorized for") {
                ErrorKind::Denied {
                    action: denied_action(action, message),
                    code: code.into(),
                }
            } else {
                ErrorKind::Credentials
            }
        }
        "DryRunOperation" => ErrorKind::DryRun,
        "IncorrectState"
        | "IncorrectInstanceState"
        | "InvalidVolume.ZoneMismatch"
        | "InvalidInstanceState"
        | "IncorrectModificationState"
        | "InvalidInstanceID.NotLinkable"
        | "InstanceNotReady"
        | "OperationNotPermitted"
        | "InvalidAttachment.InvalidState" => ErrorKind::IncorrectState,
        "VolumeInUse"
        | "InvalidIPAddress.InUse"
        | "InvalidSnapshot.InUse"
        | "InvalidGroup.InUse"
        | "AddressInUse"
        | "InvalidNetworkInterface.InUse"
        | "InvalidPlacementGroup.InUse"
        | "DependencyViolation"
        | "Resource.AlreadyAssociated"
        | "ResourceInUse"
        | "InvalidDevice.InUse"
        | "ResourceInUseException" => ErrorKind::InUse,
        "IdempotentParameterMismatch"
        | "InvalidAMIName.Duplicate"
        | "InvalidKeyPair.Duplicate"
        | "InvalidGroup.Duplicate"
        | "InvalidPermission.Duplicate"
        | "IdempotentInstanceTerminated"
        | "ResourceAlreadyExists" => ErrorKind::AlreadyExists,
        "InsufficientInstanceCapacity"
        | "InsufficientHostCapacity"
        | "InsufficientVolumeCapacity"
        | "InsufficientAddressCapacity"
        | "InsufficientCapacity"
        | "InsufficientReservedInstanceCapacity"
        | "InsufficientFreeAddressesInSubnet" => ErrorKind::Capacity,
        "Unsupported"
        | "UnsupportedOperation"
        | "UnsupportedInstanceTypeOnHost"
        | "UnsupportedHostConfiguration"
        | "InvalidAction"
        | "UnknownOperationException"
        | "UnsupportedHibernationConfiguration" => ErrorKind::Unsupported,
        "InvalidParameterValue" if message.contains("already in use") => ErrorKind::InUse,
        "InternalError" | "InternalFailure" | "ServiceUnavailable" | "Unavailable" | "ServerInternal" => {
            ErrorKind::Server
        }
        _ if code.ends_with(".NotFound")
            || code.ends_with("NotFound")
            || code.ends_with("NotFoundException")
            || code == "InvalidAMIID.Unavailable"
            || code == "ParameterNotFound"
            || code == "InvalidInstanceID" =>
        {
            ErrorKind::NotFound
        }
        _ if code.ends_with("LimitExceeded") || code.contains("LimitExceeded") || code.starts_with("TooMany") => {
            ErrorKind::LimitExceeded
        }
        _ if code.ends_with(".Malformed")
            || code.starts_with("InvalidParameter")
            || code.starts_with("MissingParameter")
            || code.starts_with("Validation")
            || code.starts_with("UnknownParameter")
            || matches!(
                code,
                "InvalidInput" | "InvalidRequest" | "MalformedQueryString" | "InvalidNextToken"
            ) =>
        {
            ErrorKind::InvalidParameter
        }
        _ if status >= 500 => ErrorKind::Server,
        _ => ErrorKind::Other(if code.is_empty() {
            format!("HTTP status {status}")
        } else {
            code.to_owned()
        }),
    }
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

fn is_credentials<E: StdError + 'static>(error: &SdkError<E, Response>) -> bool {
    chain(error).any(|cause| cause.is::<CredentialsError>())
}

/// What STS said, where a call was not made because its role could not be taken on.
fn role_error<E: StdError + 'static>(error: &SdkError<E, Response>) -> Option<CloudError> {
    let refused = chain(error)
        .skip_while(|cause| !cause.is::<CredentialsError>())
        .find_map(|cause| cause.downcast_ref::<AssumeRoleError>())?;
    let action = &actions::ASSUME_ROLE;
    let code = refused.code().filter(|code| !code.is_empty())?;
    let said = refused.message().unwrap_or_default();
    Some(CloudError {
        action,
        resource: String::new(),
        // Of a failure of the service itself the code says so.
        kind: kind_of(action, code, said, 0),
        message: shown(code, said, None),
        request_id: refused.request_id().map(str::to_owned),
    })
}

/// What the chain of credential providers says. Their errors hold file names, profiles and addresses, no credential.
fn credentials_text<E: StdError + 'static>(error: &SdkError<E, Response>) -> String {
    let mut texts: Vec<String> = Vec::new();
    for cause in chain(error).skip_while(|cause| !cause.is::<CredentialsError>()) {
        let text = match cause.downcast_ref::<CredentialsError>() {
            Some(CredentialsError::CredentialsNotLoaded(_)) => {
                return "there are no credentials in the environment, in the files of the AWS command line, or from a role of this \
                        machine"
                    .to_owned();
            }
            // It only says that something else has failed.
            Some(_) if cause.source().is_some() => continue,
            _ => cause.to_string(),
        };
        if texts.last() != Some(&text) {
            texts.push(text);
        }
    }
    texts.join(": ")
}

fn never_connected<E: StdError + 'static>(error: &SdkError<E, Response>) -> bool {
    chain(error).any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| {
            matches!(
                io.kind(),
                std::io::ErrorKind::ConnectionRefused
                    | std::io::ErrorKind::HostUnreachable
                    | std::io::ErrorKind::NetworkUnreachable
                    | std::io::ErrorKind::AddrNotAvailable
            )
        }) || cause.to_string().contains("dns error")
    })
}

/// The causes of an error, outermost first, each once.
fn causes<E: StdError + 'static>(error: &SdkError<E, Response>) -> String {
    let mut texts: Vec<String> = Vec::new();
    for cause in chain(error) {
        let text = cause.to_string();
        if texts.last() != Some(&text) {
            texts.push(text);
        }
    }
    texts.join(": ")
}
