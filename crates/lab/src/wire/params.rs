//! The parameters of the Query protocols: `Filter.1.Value.2=…` is a tree, flattened.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::str::FromStr;

use super::ApiError;

/// Parameters by full name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Params {
    /// What the names of these are prefixed with in the request, for errors.
    prefix: String,
    values: BTreeMap<String, String>,
    /// Names that somebody has asked for; one with a dot at its end stands for all below it.
    asked: RefCell<BTreeSet<String>>,
}

impl Params {
    /// From the body of a form, or a query string.
    pub(crate) fn parse(form: &[u8]) -> Self {
        Self {
            values: form_urlencoded::parse(form).into_owned().collect(),
            ..Self::default()
        }
    }

    /// Adds those of `other` that are not here yet.
    pub(crate) fn merge(&mut self, other: Params) {
        for (name, value) in other.values {
            self.values.entry(name).or_insert(value);
        }
    }

    /// All of them, sorted by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// One value. An empty one counts as given.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.asked.borrow_mut().insert(name.to_owned());
        self.values.get(name).map(String::as_str)
    }

    /// One value that is not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name).ok_or_else(|| ApiError::missing(&self.full(name)))
    }

    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name) {
            None => Ok(None),
            Some(value) if value.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(value) if value.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(value) => Err(ApiError::invalid(&self.full(name), value)),
        }
    }

    /// A flag that is false when it is not given.
    pub(crate) fn is_set(&self, name: &str) -> Result<bool, ApiError> {
        Ok(self.flag(name)?.unwrap_or(false))
    }

    pub(crate) fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        let Some(value) = self.text(name) else { return Ok(None) };
        value
            .parse()
            .map(Some)
            .map_err(|_| ApiError::invalid(&self.full(name), value))
    }

    /// One of `allowed`.
    pub(crate) fn one_of<'a>(&'a self, name: &str, allowed: &[&str]) -> Result<Option<&'a str>, ApiError> {
        match self.text(name) {
            Some(value) if !allowed.contains(&value) => Err(ApiError::invalid(&self.full(name), value)),
            other => Ok(other),
        }
    }

    /// `Name.1`, `Name.2`, … in the order of the numbers.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        let mut found: Vec<(u32, &str)> = self
            .under(name)
            .filter_map(|(rest, value)| Some((rest.parse().ok()?, value)))
            .collect();
        found.sort_by_key(|&(number, _)| number);
        found.into_iter().map(|(_, value)| value).collect()
    }

    /// As [`Self::list`], where an empty list is an error.
    pub(crate) fn required_list(&self, name: &str) -> Result<Vec<&str>, ApiError> {
        let list = self.list(name);
        if list.is_empty() {
            return Err(ApiError::missing(&self.full(name)));
        }
        Ok(list)
    }

    /// `Name.1.…`, `Name.2.…` in the order of the numbers.
    pub(crate) fn structs(&self, name: &str) -> Vec<Params> {
        let mut found: BTreeMap<u32, Params> = BTreeMap::new();
        for (rest, value) in self.under(name) {
            let (number, member) = rest.split_once('.').unwrap_or((rest, ""));
            let Ok(number) = number.parse::<u32>() else { continue };
            let entry = found.entry(number).or_insert_with(|| Params {
                prefix: format!("{}.{number}.", self.full(name)),
                ..Params::default()
            });
            entry.values.insert(member.to_owned(), value.to_owned());
        }
        found.into_values().collect()
    }

    /// `Name.…`
    pub(crate) fn sub(&self, name: &str) -> Params {
        Params {
            prefix: format!("{}.", self.full(name)),
            values: self
                .under(name)
                .map(|(rest, value)| (rest.to_owned(), value.to_owned()))
                .collect(),
            ..Self::default()
        }
    }

    /// The names that nobody has asked for: what the request says there was not listened to.
    pub(crate) fn ignored(&self) -> Vec<String> {
        let asked = self.asked.borrow();
        let below = |name: &str| name.match_indices('.').any(|(dot, _)| asked.contains(&name[..=dot]));
        let names = self.values.keys().filter(|name| !asked.contains(*name) && !below(name));
        names.cloned().collect()
    }

    /// The name as the client wrote it.
    pub(crate) fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn under<'a>(&'a self, name: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let prefix = format!("{name}.");
        self.asked.borrow_mut().insert(prefix.clone());
        let start = (Bound::Included(prefix.clone()), Bound::Unbounded);
        self.values
            .range(start)
            .map_while(move |(key, value)| Some((key.strip_prefix(&prefix)?, value.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_in_the_order_of_their_numbers() {
        let params = Params::parse(b"Id.10=j&Id.2=b&Id.1=a&Idle.1=x");
        assert_eq!(params.list("Id"), ["a", "b", "j"]);
        assert_eq!(params.list("Name"), Vec::<&str>::new());
    }

    #[test]
    fn structures_nest() {
        let params =
            Params::parse(b"Filter.1.Name=tag%3AName&Filter.1.Value.1=a+b&Filter.1.Value.2=c&Filter.2.Name=state");
        let filters = params.structs("Filter");
        assert_eq!(filters.len(), 2);
        assert_eq!(filters[0].get("Name"), Some("tag:Name"));
        assert_eq!(filters[0].list("Value"), ["a b", "c"]);
        assert_eq!(
            filters[1].required("Value").unwrap_err().message,
            "The request must contain the parameter Filter.2.Value"
        );
    }

    #[test]
    fn what_nobody_asked_for_is_known() {
        let params = Params::parse(b"Action=X&Id.1=a&Filter.1.Name=b&Colour=red&Size.Of=1");
        params.get("Action");
        params.list("Id");
        params.structs("Filter");
        assert_eq!(params.ignored(), ["Colour", "Size.Of"]);
    }

    #[test]
    fn values_are_checked() {
        let params = Params::parse(b"DryRun=maybe&MaxResults=ten&Empty=");
        assert_eq!(params.flag("DryRun").unwrap_err().code, "InvalidParameterValue");
        assert_eq!(
            params.parsed::<u32>("MaxResults").unwrap_err().code,
            "InvalidParameterValue"
        );
        assert_eq!(params.required("Empty").unwrap_err().code, "MissingParameter");
        assert_eq!(params.get("Empty"), Some(""));
    }
}
