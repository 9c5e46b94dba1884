//! AWS Organizations: which accounts there are. JSON, protocol `awsJson1.1`.
//!
//! All accounts of a lab are one organization, and the first of them manages it.

use base64::Engine as _;
use serde_json::{Value, json};

use crate::accounts::{Member, Saved};
use crate::wire::ApiError;

/// Accounts of one page, at most, and if nothing is said.
const PAGE: usize = 20;

/// Carries out an action for the caller of this account.
pub(crate) fn call(saved: &Saved, account: &str, action: &str, body: &[u8]) -> Result<Value, ApiError> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::new("SerializationException", format!("the body is no JSON: {error}")))?;
    if saved.organization.first().is_none_or(|first| first.id != account) {
        return Err(ApiError::new(
            "AccessDeniedException",
            "You don't have permissions to access this resource.",
        ));
    }
    match action {
        "ListAccounts" => list(&saved.organization, &body),
        other => Err(ApiError::new(
            "UnknownOperationException",
            format!("The lab does not have {other} of Organizations"),
        )),
    }
}

fn list(members: &[Member], body: &Value) -> Result<Value, ApiError> {
    let invalid = |what: &str| ApiError::new("InvalidInputException", format!("You provided an invalid {what}."));
    let most = match body.get("MaxResults") {
        None | Some(Value::Null) => PAGE,
        Some(value) => value
            .as_u64()
            .and_then(|most| usize::try_from(most).ok())
            .filter(|most| (1..=PAGE).contains(most))
            .ok_or_else(|| invalid("MaxResults"))?,
    };
    let begin = match body.get("NextToken").and_then(Value::as_str) {
        None => 0,
        Some(token) => {
            let decoded = base64::engine::general_purpose::URL_SAFE.decode(token).ok();
            let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
            text.and_then(|text| text.parse().ok())
                .ok_or_else(|| invalid("NextToken"))?
        }
    };
    let manager = members.first().map_or("", |first| first.id.as_str());
    let shown: Vec<Value> = members
        .iter()
        .skip(begin)
        .take(most)
        .map(|member| show(manager, member))
        .collect();
    let end = begin.saturating_add(most);
    let mut answer = json!({ "Accounts": shown });
    if end < members.len() {
        answer["NextToken"] = base64::engine::general_purpose::URL_SAFE.encode(end.to_string()).into();
    }
    Ok(answer)
}

fn show(manager: &str, member: &Member) -> Value {
    let status = if member.suspended { "SUSPENDED" } else { "ACTIVE" };
    json!({
        "Id": member.id,
        "Arn": format!("arn:aws:organizations::{manager}:account/o-lab0000000/{}", member.id),
        "Email": format!("{}@example.com", member.id),
        "Name": member.name,
        "Status": status,
        "State": status,
        "JoinedMethod": if member.id == manager { "INVITED" } else { "CREATED" },
        "JoinedTimestamp": 1_400_000_000.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(count: usize) -> Saved {
        let member = |number: usize| Member {
            id: format!("{number:012}"),
            name: format!("client {number}"),
            suspended: number == 3,
            off: Vec::new(),
        };
        Saved {
            organization: (1..=count).map(member).collect(),
            ..Saved::default()
        }
    }

    #[test]
    fn accounts_come_in_pages_each_once() {
        let saved = saved(45);
        let mut seen = Vec::new();
        let mut body = json!({});
        loop {
            let answer = call(&saved, "000000000001", "ListAccounts", body.to_string().as_bytes()).unwrap();
            for account in answer["Accounts"].as_array().unwrap() {
                let suspended = account["Status"] == "SUSPENDED";
                assert_eq!(suspended, account["Id"] == "000000000003");
                seen.push(account["Id"].as_str().unwrap().to_owned());
            }
            match answer.get("NextToken") {
                Some(token) => body = json!({ "NextToken": token }),
                None => break,
            }
        }
        assert_eq!(
            seen,
            saved
                .organization
                .iter()
                .map(|member| member.id.clone())
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn only_the_manager_is_told() {
        let error = call(&saved(2), "000000000002", "ListAccounts", b"{}").unwrap_err();
        assert_eq!(error.code, "AccessDeniedException");
        let error = call(&saved(2), "000000000001", "ListAccounts", br#"{"MaxResults": 21}"#).unwrap_err();
        assert_eq!(error.code, "InvalidInputException");
    }
}
