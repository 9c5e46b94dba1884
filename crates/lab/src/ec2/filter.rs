//! Filters and pages of describes.

use std::ops::RangeInclusive;

use base64::Engine as _;

use crate::pattern::fits;
use crate::wire::{ApiError, Params};

/// `Filter.N`: all have to hold, of each one value is enough.
#[derive(Debug)]
pub(super) struct Filters(Vec<(String, Vec<String>)>);

impl Filters {
    pub(super) fn parse(params: &Params) -> Result<Self, ApiError> {
        let mut filters = Vec::new();
        for filter in params.structs("Filter") {
            let name = filter.required("Name")?.to_owned();
            let values: Vec<String> = filter.list("Value").into_iter().map(str::to_owned).collect();
            if values.is_empty() {
                return Err(ApiError::new(
                    "InvalidParameterValue",
                    format!("The filter '{name}' needs at least one value"),
                ));
            }
            filters.push((name, values));
        }
        Ok(Self(filters))
    }

    /// Whether something fits. `values_of` tells what it has for a filter, nothing if there is no such filter.
    pub(super) fn keep(&self, values_of: impl Fn(&str) -> Option<Vec<String>>) -> Result<bool, ApiError> {
        for (name, wanted) in &self.0 {
            let found = values_of(name).ok_or_else(|| unknown(name))?;
            if !found
                .iter()
                .any(|value| wanted.iter().any(|pattern| fits(pattern, value)))
            {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn unknown(name: &str) -> ApiError {
    ApiError::new("InvalidParameterValue", format!("The filter '{name}' is invalid"))
}

/// The page sizes of most describes.
pub(super) const SIZES: RangeInclusive<usize> = 5..=1000;

/// One value for a filter.
pub(super) fn one(value: impl ToString) -> Option<Vec<String>> {
    Some(vec![value.to_string()])
}

/// None or one value for a filter.
pub(super) fn maybe(value: Option<impl ToString>) -> Option<Vec<String>> {
    Some(value.map(|value| value.to_string()).into_iter().collect())
}

/// Ids that cannot be given together with a page size, and what the error calls them. Documented for instances and interfaces,
/// reported for networks and images.
const NOT_WITH_PAGES: &[(&str, &str)] = &[
    ("InstanceId", "instancesSet"),
    ("NetworkInterfaceId", "networkInterfaceIdSet"),
    ("VpcId", "VpcIds"),
    ("ImageId", "imageIdsSet"),
];

/// A page of things that are sorted by their keys, and the token of the next one. The token is the last key that was shown, so
/// that a page is right even if things come and go in between.
pub(super) fn page<T>(
    params: &Params,
    things: Vec<T>,
    key: impl Fn(&T) -> &str,
    sizes: RangeInclusive<usize>,
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let most: Option<usize> = params.parsed("MaxResults")?;
    if let Some(most) = most {
        if !sizes.contains(&most) {
            return Err(ApiError::new(
                "InvalidParameterValue",
                format!(
                    "Value ( {most} ) for parameter maxResults is invalid. Expecting a value between {} and {}.",
                    sizes.start(),
                    sizes.end()
                ),
            ));
        }
        if let Some((_, set)) = NOT_WITH_PAGES.iter().find(|(ids, _)| !params.list(ids).is_empty()) {
            return Err(ApiError::combination(format!(
                "The parameter {set} cannot be used with the parameter maxResults"
            )));
        }
    }
    let after = params.text("NextToken").map(decode).transpose()?;
    let mut rest: Vec<T> = things
        .into_iter()
        .filter(|thing| after.as_deref().is_none_or(|after| key(thing) > after))
        .collect();
    let most = most.unwrap_or(usize::MAX);
    let more = rest.len() > most;
    rest.truncate(most);
    let next = rest.last().filter(|_| more).map(|last| encode(key(last)));
    Ok((rest, next))
}

fn encode(key: &str) -> String {
    base64::engine::general_purpose::URL_SAFE.encode(format!("after {key}"))
}

fn decode(token: &str) -> Result<String, ApiError> {
    let decoded = base64::engine::general_purpose::URL_SAFE.decode(token).ok();
    decoded
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| text.strip_prefix("after ").map(str::to_owned))
        .ok_or_else(|| ApiError::new("InvalidNextToken", "The token is invalid."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(name: &str) -> Option<Vec<String>> {
        match name {
            "state" => one("in-use"),
            "ids" => Some(vec!["a1".to_owned(), "b2".to_owned()]),
            _ => None,
        }
    }

    fn keeps(form: &str) -> Result<bool, ApiError> {
        Filters::parse(&Params::parse(form.as_bytes()))?.keep(values)
    }

    #[test]
    fn filters_hold_together() {
        assert!(keeps("").unwrap());
        assert!(keeps("Filter.1.Name=state&Filter.1.Value.1=x&Filter.1.Value.2=in-*").unwrap());
        assert!(!keeps("Filter.1.Name=state&Filter.1.Value.1=in-use&Filter.2.Name=ids&Filter.2.Value.1=c*").unwrap());
        assert_eq!(
            keeps("Filter.1.Name=colour&Filter.1.Value.1=x").unwrap_err().code,
            "InvalidParameterValue"
        );
    }

    #[test]
    fn pages_show_everything_once() {
        let all: Vec<String> = (0..23).map(|number| format!("i-{number:02}")).collect();
        let mut seen = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let form = format!("MaxResults=5&NextToken={}", token.unwrap_or_default());
            let params = Params::parse(form.as_bytes());
            let (shown, next) = page(&params, all.clone(), |id| id.as_str(), SIZES).unwrap();
            seen.extend(shown);
            token = next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, all);
        let bad = Params::parse(b"NextToken=zz");
        assert_eq!(
            page(&bad, all.clone(), |id| id.as_str(), SIZES).unwrap_err().code,
            "InvalidNextToken"
        );
        let both = Params::parse(b"MaxResults=5&InstanceId.1=i-01");
        assert_eq!(
            page(&both, all.clone(), |id| id.as_str(), SIZES).unwrap_err().code,
            "InvalidParameterCombination"
        );
        let few = Params::parse(b"MaxResults=2");
        assert_eq!(
            page(&few, all, |id| id.as_str(), SIZES).unwrap_err().code,
            "InvalidParameterValue"
        );
    }
}
