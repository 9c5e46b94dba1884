//! The documented request rates of EC2, as token buckets per account, region and action.
//!
//! Source: "Request throttling for the Amazon EC2 API". A describe that is neither filtered nor paginated has a smaller bucket.

use std::collections::BTreeMap;
use std::sync::Mutex;

use jiff::Timestamp;

use crate::wire::Params;

/// Capacity and refill per second.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rate {
    capacity: f64,
    refill: f64,
}

/// Describes that are limited harder when they ask for everything at once.
const HEAVY: &[&str] = &[
    "DescribeInstances",
    "DescribeInstanceStatus",
    "DescribeVolumes",
    "DescribeSnapshots",
    "DescribeNetworkInterfaces",
    "DescribeSecurityGroups",
];

/// The name of the bucket that a request takes from, and its rate.
fn bucket(action: &str, params: &Params) -> (String, Rate) {
    let rate = |capacity: u32, refill: u32| Rate {
        capacity: capacity.into(),
        refill: refill.into(),
    };
    let reads = ["Describe", "Get", "List"].iter().any(|verb| action.starts_with(verb));
    let narrowed = params.get("MaxResults").is_some()
        || params.get("NextToken").is_some()
        || params
            .iter()
            .any(|(name, _)| name.starts_with("Filter.") || name.contains("Id."));
    match action {
        _ if HEAVY.contains(&action) && !narrowed => (format!("{action} (all)"), rate(50, 10)),
        _ if reads => (action.to_owned(), rate(100, 20)),
        "RunInstances" | "StartInstances" => (action.to_owned(), rate(5, 2)),
        "TerminateInstances" | "CreateSnapshot" | "CreateSnapshots" | "CreateVolume" | "DeleteVolume"
        | "DeregisterImage" => (action.to_owned(), rate(100, 5)),
        "CreateTags" => (action.to_owned(), rate(100, 10)),
        _ => (action.to_owned(), rate(50, 5)),
    }
}

/// The buckets of resources: a call takes as many tokens as it names instances.
fn resources(action: &str, params: &Params) -> Option<(String, Rate, f64)> {
    let refill = match action {
        "RunInstances" | "StartInstances" => 2.0,
        "StopInstances" | "TerminateInstances" => 20.0,
        _ => return None,
    };
    let count = if action == "RunInstances" {
        params.get("MaxCount").and_then(|count| count.parse().ok()).unwrap_or(1)
    } else {
        u32::try_from(params.list("InstanceId").len()).unwrap_or(u32::MAX)
    };
    let rate = Rate {
        capacity: 1000.0,
        refill,
    };
    Some((format!("{action} (resources)"), rate, count.into()))
}

/// All buckets.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// What part of the documented rates is granted; none if requests are not limited.
    factor: Option<f64>,
    /// Tokens and when they were counted.
    buckets: Mutex<BTreeMap<(String, String), (f64, Timestamp)>>,
}

impl Throttle {
    pub(crate) fn new(factor: Option<f64>) -> Self {
        Self {
            factor,
            buckets: Mutex::new(BTreeMap::new()),
        }
    }

    /// Whether the request may go on. `place` is the account and the region.
    pub(crate) fn admits(&self, place: &str, action: &str, params: &Params, now: Timestamp) -> bool {
        let Some(factor) = self.factor else { return true };
        let mut buckets = crate::lock(&self.buckets);
        let (name, rate) = bucket(action, params);
        let wanted = std::iter::once((name, rate, 1.0)).chain(resources(action, params));
        let mut after = Vec::new();
        for (name, rate, tokens) in wanted {
            let key = (place.to_owned(), name);
            let (level, counted) = buckets.get(&key).copied().unwrap_or((rate.capacity * factor, now));
            let seconds = now.duration_since(counted).as_secs_f64().max(0.0);
            let level = (level + seconds * rate.refill * factor).min((rate.capacity * factor).max(1.0));
            if level < tokens {
                return false;
            }
            after.push((key, (level - tokens, now)));
        }
        buckets.extend(after);
        true
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn admitted(throttle: &Throttle, action: &str, form: &str, now: Timestamp, tries: usize) -> usize {
        let params = Params::parse(form.as_bytes());
        (0..tries)
            .filter(|_| throttle.admits("1/r", action, &params, now))
            .count()
    }

    #[test]
    fn rates_are_those_of_the_documentation() {
        let throttle = Throttle::new(Some(1.0));
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(admitted(&throttle, "RunInstances", "", now, 9), 5);
        assert_eq!(admitted(&throttle, "AttachVolume", "", now, 99), 50);
        assert_eq!(admitted(&throttle, "CreateVolume", "", now, 200), 100);
        assert_eq!(admitted(&throttle, "DescribeInstances", "", now, 200), 50);
        assert_eq!(
            admitted(&throttle, "DescribeInstances", "MaxResults=1000", now, 200),
            100
        );
        assert_eq!(
            admitted(&throttle, "DescribeInstances", "InstanceId.1=i-1", now, 200),
            0
        );
        let later = now.checked_add(SignedDuration::from_secs(2)).unwrap();
        assert_eq!(admitted(&throttle, "RunInstances", "", later, 9), 4);
        assert_eq!(admitted(&throttle, "DescribeInstances", "", later, 200), 20);
    }

    #[test]
    fn instances_count_one_by_one() {
        let throttle = Throttle::new(Some(1.0));
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let ids: Vec<String> = (1..=600)
            .map(|number| format!("InstanceId.{number}=i-{number}"))
            .collect();
        assert_eq!(admitted(&throttle, "StopInstances", &ids.join("&"), now, 3), 1);
    }

    #[test]
    fn without_a_factor_everything_goes() {
        let throttle = Throttle::new(None);
        assert_eq!(
            admitted(&throttle, "RunInstances", "", Timestamp::UNIX_EPOCH, 1000),
            1000
        );
    }
}
