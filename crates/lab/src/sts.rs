//! The Security Token Service: who somebody is, and keys of another account.

use crate::accounts::Accounts;
use crate::wire::{ApiError, Params, Xml, iso};

/// Its XML namespace.
pub(crate) const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Carries out an action of the caller who has this access key.
pub(crate) fn call(
    accounts: &Accounts,
    key: &str,
    action: &str,
    params: &Params,
    now: jiff::Timestamp,
) -> Result<Xml, ApiError> {
    let mut xml = Xml::new();
    match action {
        "GetCallerIdentity" => {
            let caller = accounts.find(key).unwrap_or_default();
            xml.text("Arn", &caller.arn)
                .text("UserId", key)
                .text("Account", &caller.account);
        }
        "AssumeRole" => {
            let role = params.required("RoleArn")?;
            let session = params.required("RoleSessionName")?;
            let seconds: i64 = params.parsed("DurationSeconds")?.unwrap_or(3600);
            if !(900..=43_200).contains(&seconds) {
                return Err(ApiError::new(
                    "ValidationError",
                    "DurationSeconds has to be between 900 and 43200",
                ));
            }
            let caller = accounts.find(key).unwrap_or_default();
            let refused = || {
                ApiError::new(
                    "AccessDenied",
                    format!(
                        "User: {} is not authorized to perform: sts:AssumeRole on resource: {role}",
                        caller.arn
                    ),
                )
                .with_status(403)
            };
            let expiration = now
                .checked_add(jiff::SignedDuration::from_secs(seconds))
                .map_err(|error| ApiError::internal(error.to_string()))?;
            let made = accounts.assume(role, session, expiration).ok_or_else(refused)?;
            xml.element("Credentials", |xml| {
                xml.text("AccessKeyId", &made.id)
                    .text("SecretAccessKey", &made.secret)
                    .text("SessionToken", made.token.as_deref().unwrap_or_default())
                    .text("Expiration", iso(expiration));
            })
            .element("AssumedRoleUser", |xml| {
                xml.text(
                    "AssumedRoleId",
                    format!("AROA{}:{session}", crate::digest(role, 17).to_uppercase()),
                )
                .text("Arn", &made.arn);
            });
        }
        other => return Err(unknown_action(other)),
    }
    Ok(xml)
}

/// An action that the lab does not have.
pub(crate) fn unknown_action(action: &str) -> ApiError {
    ApiError::new(
        "InvalidAction",
        format!("The action {action} is not valid for this web service."),
    )
}
