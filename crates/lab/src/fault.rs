//! Faults on demand: what AWS does on a bad day.

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::pattern::fits;
use crate::wire::ApiError;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FaultKind {
    /// The answer takes longer.
    Latency {
        /// By that much.
        milliseconds: u64,
    },
    /// `RequestLimitExceeded`, whatever the rate.
    Throttle,
    /// `InternalError`, HTTP 500; nothing is carried out.
    Internal,
    /// `Unavailable`, HTTP 503; nothing is carried out.
    Unavailable,
    /// `InsufficientInstanceCapacity` of `RunInstances` and `StartInstances`.
    Capacity,
    /// An error of any code; nothing is carried out.
    Refuse {
        /// Such as `UnauthorizedOperation`.
        code: String,
        /// What the person reads.
        message: String,
    },
    /// The request is not carried out, and the connection closes without an answer.
    Dropped,
    /// The request is carried out, and the connection closes without an answer.
    Lost,
    /// Describes show what was there that long ago.
    Lag {
        /// By that much.
        milliseconds: u64,
    },
    /// An attachment stays `attaching`.
    StuckAttaching,
    /// A detachment stays `busy`.
    StuckDetaching,
    /// The instance never passes its status checks. This one holds as long as it is set.
    Impaired,
    /// `AttachVolume` is told that the device name is in use.
    BusyDevice,
    /// The key of an encrypted volume may not be used: an instance does not start, a volume is not made.
    Kms,
    /// A snapshot ends as `error`.
    SnapshotError,
}

/// A fault and when it strikes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Given by the lab.
    #[serde(default)]
    pub id: u64,
    /// What goes wrong.
    #[serde(flatten)]
    pub kind: FaultKind,
    /// Which actions, as a pattern.
    #[serde(default = "anything")]
    pub action: String,
    /// A pattern that one of the values in the request has to fit, such as an id, a device name, or an instance type.
    #[serde(default = "anything")]
    pub resource: String,
    /// Which region, as a pattern.
    #[serde(default = "anything")]
    pub region: String,
    /// How many matching requests are spared first.
    #[serde(default)]
    pub skip: u64,
    /// How often it strikes; always if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Of how many of the matching requests, 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
}

fn anything() -> String {
    "*".to_owned()
}

fn always() -> f64 {
    1.0
}

impl Fault {
    /// A fault that strikes every request.
    pub fn new(kind: FaultKind) -> Self {
        Self {
            id: 0,
            kind,
            action: anything(),
            resource: anything(),
            region: anything(),
            skip: 0,
            count: None,
            probability: always(),
        }
    }

    /// Only these actions (a pattern).
    #[must_use]
    pub fn action(mut self, pattern: &str) -> Self {
        pattern.clone_into(&mut self.action);
        self
    }

    /// Only requests that name this resource (a pattern).
    #[must_use]
    pub fn resource(mut self, pattern: &str) -> Self {
        pattern.clone_into(&mut self.resource);
        self
    }

    /// Only so often.
    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// Not the first `skip` matching requests.
    #[must_use]
    pub fn skip(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    /// Only a part of the matching requests.
    #[must_use]
    pub fn probability(mut self, probability: f64) -> Self {
        self.probability = probability;
        self
    }

    fn matches(&self, subject: &Subject<'_>) -> bool {
        fits(&self.action, subject.action)
            && fits(&self.region, subject.region)
            && (self.resource == "*" || subject.resources.iter().any(|resource| fits(&self.resource, resource)))
    }
}

/// What a fault may strike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) action: &'a str,
    pub(crate) region: &'a str,
    pub(crate) resources: &'a [&'a str],
}

/// The faults that are set.
#[derive(Debug)]
pub struct Faults {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    faults: Vec<Fault>,
    last: u64,
    random: fastrand::Rng,
}

impl Faults {
    /// None yet. The seed decides about probabilities.
    pub fn new(seed: u64) -> Self {
        Self {
            inner: Mutex::new(Inner {
                faults: Vec::new(),
                last: 0,
                random: fastrand::Rng::with_seed(seed),
            }),
        }
    }

    /// Sets a fault, and gives back its id.
    pub fn set(&self, mut fault: Fault) -> u64 {
        let mut inner = crate::lock(&self.inner);
        inner.last += 1;
        fault.id = inner.last;
        inner.faults.push(fault);
        inner.last
    }

    /// Takes a fault away, or all of them. Says how many were there.
    pub fn clear(&self, id: Option<u64>) -> usize {
        let mut inner = crate::lock(&self.inner);
        let before = inner.faults.len();
        inner.faults.retain(|fault| id.is_some_and(|id| fault.id != id));
        before - inner.faults.len()
    }

    /// Those that are set. One that has struck as often as it should is gone.
    pub fn list(&self) -> Vec<Fault> {
        crate::lock(&self.inner).faults.clone()
    }

    /// Whether a fault of this kind strikes now. It is counted.
    pub(crate) fn strike(&self, subject: &Subject<'_>, wanted: impl Fn(&FaultKind) -> bool) -> Option<FaultKind> {
        let mut inner = crate::lock(&self.inner);
        let Inner { faults, random, .. } = &mut *inner;
        for fault in faults.iter_mut() {
            if !wanted(&fault.kind) || !fault.matches(subject) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            if fault.count == Some(0) || (fault.probability < 1.0 && random.f64() >= fault.probability) {
                continue;
            }
            if let Some(count) = &mut fault.count {
                *count -= 1;
            }
            let kind = fault.kind.clone();
            faults.retain(|fault| fault.count != Some(0));
            return Some(kind);
        }
        None
    }

    /// Whether a fault of this kind is set for it. It is not counted.
    pub(crate) fn holds(&self, subject: &Subject<'_>, wanted: &FaultKind) -> bool {
        crate::lock(&self.inner)
            .faults
            .iter()
            .any(|fault| fault.kind == *wanted && fault.matches(subject))
    }

    /// The error that a request ends with before it is carried out.
    pub(crate) fn refusal(&self, subject: &Subject<'_>) -> Option<ApiError> {
        let kind = self.strike(subject, |kind| match kind {
            FaultKind::Throttle | FaultKind::Internal | FaultKind::Unavailable | FaultKind::Refuse { .. } => true,
            FaultKind::Capacity => matches!(subject.action, "RunInstances" | "StartInstances"),
            _ => false,
        })?;
        Some(match kind {
            FaultKind::Throttle => throttled(),
            FaultKind::Unavailable => {
                ApiError::new("Unavailable", "The service is unavailable. Please try again shortly.").with_status(503)
            }
            FaultKind::Capacity => ApiError::new(
                "InsufficientInstanceCapacity",
                "We currently do not have sufficient capacity in the Availability Zone you requested. Our system will be working on \
                 provisioning additional capacity.",
            )
            .with_status(500),
            FaultKind::Refuse { code, message } => ApiError::new(code, message),
            _ => ApiError::new("InternalError", "An internal error has occurred").with_status(500),
        })
    }
}

/// Too many requests.
pub(crate) fn throttled() -> ApiError {
    ApiError::new("RequestLimitExceeded", "Request limit exceeded.").with_status(503)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTACH: Subject<'_> = Subject {
        action: "AttachVolume",
        region: "ap-northeast-1",
        resources: &["vol-1", "/dev/sdf"],
    };

    #[test]
    fn strikes_what_matches_as_often_as_it_should() {
        let faults = Faults::new(0);
        let fault = Fault::new(FaultKind::Internal)
            .action("Attach*")
            .resource("vol-1")
            .skip(1)
            .count(2);
        faults.set(fault);
        let struck: Vec<bool> = (0..5).map(|_| faults.refusal(&ATTACH).is_some()).collect();
        assert_eq!(struck, [false, true, true, false, false]);
        assert!(faults.list().is_empty());
        faults.set(Fault::new(FaultKind::Internal).resource("vol-2"));
        assert_eq!(faults.refusal(&ATTACH), None);
    }

    #[test]
    fn capacity_is_about_starting() {
        let faults = Faults::new(0);
        faults.set(Fault::new(FaultKind::Capacity));
        assert_eq!(faults.refusal(&ATTACH), None);
        let start = Subject {
            action: "StartInstances",
            ..ATTACH
        };
        assert_eq!(faults.refusal(&start).unwrap().code, "InsufficientInstanceCapacity");
    }

    #[test]
    fn same_seed_same_luck() {
        let luck = |seed| -> Vec<bool> {
            let faults = Faults::new(seed);
            faults.set(Fault::new(FaultKind::Throttle).probability(0.5));
            (0..64).map(|_| faults.refusal(&ATTACH).is_some()).collect()
        };
        assert_eq!(luck(7), luck(7));
        assert_ne!(luck(7), luck(8));
        let struck = luck(7).into_iter().filter(|&struck| struck).count();
        assert!((16..48).contains(&struck), "{struck}");
    }

    #[test]
    fn json_is_flat() {
        let fault: Fault =
            serde_json::from_str(r#"{"kind": "latency", "milliseconds": 5, "action": "Describe*"}"#).unwrap();
        assert_eq!(
            fault,
            Fault::new(FaultKind::Latency { milliseconds: 5 }).action("Describe*")
        );
    }
}
