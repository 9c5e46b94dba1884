//! The state as two runs of the same kind have it in common.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::engine::Region;
use crate::engine::instance::State;

/// Fields that differ from run to run and mean nothing: times, tokens, counters, random names.
const LEFT_OUT: &[&str] = &[
    "due",
    "since",
    "created",
    "started",
    "launched",
    "powered",
    "ended",
    "leaving",
    "tokens",
    "public_given",
    "hosts",
    "host",
    "mac",
    "reservation",
    "transition",
    "reason",
    "client_token",
];

/// A region in its normal form.
pub(crate) fn region(region: &Region) -> Value {
    let gone = |id: &str| {
        let instance = region.instances.get(id);
        instance.is_none_or(|instance| instance.state == State::Terminated)
    };
    let name = |id: &str| {
        let tags = region.tags.get(id);
        tags.and_then(|tags| tags.get("Name")).cloned().unwrap_or_default()
    };
    let Ok(Value::Object(mut all)) = serde_json::to_value(region) else {
        return Value::Null;
    };
    for kind in ["images", "snapshots"] {
        if let Some(Value::Object(things)) = all.get_mut(kind) {
            // What everybody sees is not the account's.
            things.retain(|_, thing| thing.get("owner_alias").is_none_or(Value::is_null));
        }
    }
    if let Some(Value::Object(instances)) = all.get_mut("instances") {
        instances.retain(|id, _| !gone(id));
    }
    let tags: Map<String, Value> = match all.remove("tags") {
        Some(Value::Object(tags)) => tags,
        _ => Map::new(),
    };
    let mut numbers = Numbers::default();
    // Instances are told apart by their names, and everything that hangs on them by them.
    let mut normal = Map::new();
    for kind in [
        "vpcs",
        "subnets",
        "groups",
        "keys",
        "instances",
        "volumes",
        "interfaces",
        "addresses",
        "snapshots",
        "images",
        "target_groups",
    ] {
        let Some(Value::Object(things)) = all.remove(kind) else {
            continue;
        };
        let mut things: Vec<(String, Value)> = things
            .into_iter()
            .map(|(id, mut thing)| {
                strip(&mut thing);
                if let (Some(tags), Value::Object(fields)) = (tags.get(&id), &mut thing)
                    && tags.as_object().is_some_and(|tags| !tags.is_empty())
                {
                    fields.insert("tags".to_owned(), tags.clone());
                }
                (id, thing)
            })
            .collect();
        // The order must not depend on random ids: names first, then what they look like without ids that are not known yet.
        things.sort_by_cached_key(|(id, thing)| (name(id), numbers.known_only(thing).to_string()));
        let listed: Vec<Value> = things.into_iter().map(|(_, thing)| numbers.renumber(thing)).collect();
        normal.insert(kind.to_owned(), Value::Array(listed));
    }
    Value::Object(normal)
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !LEFT_OUT.contains(&name.as_str()));
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// Ids and addresses in the order in which they were met.
#[derive(Debug, Default)]
struct Numbers(BTreeMap<String, String>);

impl Numbers {
    /// Replaces ids by their numbers, and gives numbers to new ones.
    fn renumber(&mut self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.number(text)),
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.renumber(item)).collect()),
            Value::Object(fields) => {
                // The thing's own id comes first.
                let mut fields: Vec<(String, Value)> = fields.into_iter().collect();
                fields.sort_by_key(|(name, _)| name != "id");
                Value::Object(
                    fields
                        .into_iter()
                        .map(|(name, value)| (name, self.renumber(value)))
                        .collect(),
                )
            }
            other => other,
        }
    }

    fn number(&mut self, text: String) -> String {
        if let Some(known) = self.0.get(&text) {
            return known.clone();
        }
        let Some(kind) = kind(&text) else { return text };
        let count = self
            .0
            .values()
            .filter(|known| known.rsplit_once('#').is_some_and(|(known, _)| known == kind))
            .count();
        let numbered = format!("{kind}#{}", count + 1);
        self.0.insert(text, numbered.clone());
        numbered
    }

    /// The value with the ids that have numbers, and the kinds of those that have none.
    fn known_only(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(match (self.0.get(text), kind(text)) {
                (Some(known), _) => known.clone(),
                (None, Some(kind)) => kind.to_owned(),
                (None, None) => text.clone(),
            }),
            Value::Array(items) => items.iter().map(|item| self.known_only(item)).collect(),
            Value::Object(fields) => {
                let known = fields
                    .iter()
                    .map(|(name, value)| (name.clone(), self.known_only(value)));
                Value::Object(known.collect())
            }
            other => other.clone(),
        }
    }
}

/// The prefix of an id, or `address`.
fn kind(text: &str) -> Option<&str> {
    if text.parse::<std::net::Ipv4Addr>().is_ok() {
        return Some("address");
    }
    let (prefix, digits) = text.rsplit_once('-')?;
    let is_id = digits.len() == 17 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then_some(prefix)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_numbered_as_they_are_met() {
        let mut numbers = Numbers::default();
        let value = json!({
            "volume": "vol-0123456789abcdef0", "id": "i-0123456789abcdef0", "again": "vol-0123456789abcdef0",
            "address": "127.16.0.10", "image": "ami-12345678",
        });
        assert_eq!(
            numbers.renumber(value),
            json!({
                "id": "i#1", "volume": "vol#1", "again": "vol#1", "address": "address#1", "image": "ami-12345678",
            })
        );
    }
}
