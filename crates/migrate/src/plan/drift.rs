//! Whether a plan is stale: what has changed of the source since it was made, field by field.

use serde_json::Value;

use super::Source;

/// Fields that change by themselves and decide nothing.
const VOLATILE: &[&str] = &[
    "instance.launch_time",
    "instance.state_transition_reason",
    "instance.state_reason",
    "instance.public_dns",
    "instance.monitoring",
];

/// A field that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// Where it is, such as `instance.block_devices[vol-0123].device`.
    pub field: String,
    /// What the plan has.
    pub was: String,
    /// What the account says now.
    pub is: String,
}

/// Every field of the source that differs from the plan's.
pub fn between(planned: &Source, now: &Source) -> Vec<Drift> {
    let value = |source: &Source| serde_json::to_value(source).unwrap_or(Value::Null);
    let mut drifts = Vec::new();
    compare("", &value(planned), &value(now), &mut drifts);
    drifts
}

fn compare(path: &str, was: &Value, is: &Value, drifts: &mut Vec<Drift>) {
    if was == is || VOLATILE.contains(&path) {
        return;
    }
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => {
            let mut keys: Vec<_> = was.keys().chain(is.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                let of = |object: &serde_json::Map<String, Value>| object.get(key).cloned().unwrap_or(Value::Null);
                compare(&path, &of(was), &of(is), drifts);
            }
        }
        (Value::Array(was), Value::Array(is)) if is_by_key(was) && is_by_key(is) => {
            // AWS promises no order. What is in such a list is known by its name, not by its place.
            let find = |array: &[Value], key: &str| array.iter().find(|item| key_of(item) == Some(key)).cloned();
            let mut keys: Vec<_> = was.iter().chain(is).filter_map(key_of).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let (was, is) = (find(was, key), find(is, key));
                compare(
                    &format!("{path}[{key}]"),
                    &was.unwrap_or(Value::Null),
                    &is.unwrap_or(Value::Null),
                    drifts,
                );
            }
        }
        (Value::Array(was), Value::Array(is)) => {
            for index in 0..was.len().max(is.len()) {
                let of = |array: &[Value]| array.get(index).cloned().unwrap_or(Value::Null);
                compare(&format!("{path}[{index}]"), &of(was), &of(is), drifts);
            }
        }
        _ => drifts.push(Drift {
            field: path.to_owned(),
            was: shown(path, was),
            is: shown(path, is),
        }),
    }
}

/// What an item of a list is known by.
fn key_of(item: &Value) -> Option<&str> {
    ["id", "volume", "allocation", "private", "code"]
        .into_iter()
        .find_map(|key| item.get(key)?.as_str())
}

/// Whether each item of a list has a name of its own.
fn is_by_key(items: &[Value]) -> bool {
    let keys: std::collections::BTreeSet<_> = items.iter().filter_map(key_of).collect();
    keys.len() == items.len()
}

/// A value for people. User data may hold secrets, and is not shown.
fn shown(path: &str, value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        _ if path.ends_with("user_data") => "other user data".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn drifts(was: &Value, is: &Value) -> Vec<String> {
        let mut drifts = Vec::new();
        compare("", was, is, &mut drifts);
        drifts
            .into_iter()
            .map(|drift| format!("{}: {} -> {}", drift.field, drift.was, drift.is))
            .collect()
    }

    #[test]
    fn each_field_is_named() {
        let was = json!({"instance": {"type": "m3.medium", "tags": {"a": "1"}, "launch_time": 1, "groups": [{"id": "sg-1"}]}});
        let is = json!({"instance": {"type": "m3.large", "tags": {"b": "2"}, "launch_time": 2, "groups": [{"id": "sg-2"}, {"id": "sg-3"}]}});
        assert_eq!(drifts(&was, &was), [""; 0]);
        assert_eq!(
            drifts(&was, &is),
            [
                "instance.groups[sg-1]: {\"id\":\"sg-1\"} -> nothing",
                "instance.groups[sg-2]: nothing -> {\"id\":\"sg-2\"}",
                "instance.groups[sg-3]: nothing -> {\"id\":\"sg-3\"}",
                "instance.tags.a: 1 -> nothing",
                "instance.tags.b: nothing -> 2",
                "instance.type: m3.medium -> m3.large",
            ]
        );
        let secret = drifts(
            &json!({"attributes": {"user_data": "aGk="}}),
            &json!({"attributes": {"user_data": "aG8="}}),
        );
        assert_eq!(secret, ["attributes.user_data: other user data -> other user data"]);
    }

    #[test]
    fn order_is_no_change() {
        let device = |volume: &str, name: &str| json!({"device": name, "volume": volume});
        let was = json!({"block_devices": [device("vol-1", "sda1"), device("vol-2", "sdf")]});
        let turned = json!({"block_devices": [device("vol-2", "sdf"), device("vol-1", "sda1")]});
        assert_eq!(drifts(&was, &turned), [""; 0]);
        let moved = json!({"block_devices": [device("vol-2", "sdg"), device("vol-1", "sda1")]});
        assert_eq!(drifts(&was, &moved), ["block_devices[vol-2].device: sdf -> sdg"]);
        // Without names of their own, places count.
        assert_eq!(drifts(&json!({"a": ["x", "y"]}), &json!({"a": ["y", "x"]})).len(), 2);
        let twice = json!({"a": [{"id": "i-1", "port": 1}, {"id": "i-1", "port": 2}]});
        let once = json!({"a": [{"id": "i-1", "port": 1}, {"id": "i-1", "port": 3}]});
        assert_eq!(drifts(&twice, &once), ["a[1].port: 2 -> 3"]);
    }
}
