//! One way for all calls: budget, observer, the call itself, and whether it is made again.

use super::{Action, Call, Observer, Outcome};
use crate::{
    budget::Budget,
    error::{CloudError, ErrorKind},
    ids::{AccountId, RegionName},
};
use aws_sdk_ec2::operation::RequestId;
use aws_smithy_runtime_api::{client::result::SdkError, http::Response};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::{
    future::Future,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

/// What a call is about.
#[derive(Debug)]
pub(crate) struct Ask {
    action: &'static Action,
    resource: String,
    token: Option<String>,
    instances: u32,
}

impl Ask {
    pub(crate) fn new(action: &'static Action, resource: impl Into<String>) -> Ask {
        Ask {
            action,
            resource: resource.into(),
            token: None,
            instances: 1,
        }
    }

    /// The call carries a token: repeated, it has the effect of one.
    pub(crate) fn token(mut self, token: &str) -> Ask {
        self.token = Some(token.to_owned());
        self
    }

    /// The number of instances it starts or stops.
    pub(crate) fn instances(mut self, count: u32) -> Ask {
        self.instances = count;
        self
    }
}

/// Makes the calls of one account and region.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) account: Option<AccountId>,
    pub(crate) region: RegionName,
    pub(crate) budget: Arc<Budget>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    /// Pause before the second attempt; each further one is twice as long.
    pub(crate) backoff: Duration,
}

/// Attempts at a call that fails on its way or at AWS.
const ATTEMPTS: u32 = 4;
/// Attempts at a call that is throttled. It does no harm to wait for long: the bucket slows down each time.
const THROTTLED_ATTEMPTS: u32 = 10;
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Caller {
    /// Makes a call. `send` sends it once; the SDK's own retries are off, so that every attempt takes from the budget and
    /// is seen by the observer. A call whose outcome is unknown is made again only where twice is as good as once.
    pub(crate) async fn call<T, E, F>(&self, ask: Ask, send: impl Fn() -> F) -> Result<T, CloudError>
    where
        T: RequestId,
        E: std::error::Error + ProvideErrorMetadata + 'static,
        F: Future<Output = Result<T, SdkError<E, Response>>>,
    {
        let mut call = Call {
            action: ask.action,
            account: self.account.clone(),
            region: self.region.clone(),
            resource: ask.resource,
            token: ask.token,
            attempt: 1,
        };
        loop {
            self.budget.take(call.action, ask.instances).await;
            if let Some(observer) = &self.observer {
                observer.before(&call).await;
            }
            // In a box, as the SDK's futures are large, and hundreds of callers wait at the same time.
            let answer = match Box::pin(send()).await {
                Ok(answer) => Ok(answer),
                // The error is read here, as its type differs from call to call and is large.
                Err(error) => Err(CloudError::from_sdk(call.action, &call.resource, &error)),
            };
            let outcome = match &answer {
                Ok(answer) => Outcome::Done {
                    request_id: answer.request_id().map(str::to_owned),
                },
                Err(error) => Outcome::Failed(error.clone()),
            };
            log(&call, &outcome);
            if let Some(observer) = &self.observer {
                observer.after(&call, &outcome).await;
            }
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if error.kind == ErrorKind::Throttled {
                self.budget.throttled(call.action);
            }
            if !again(&call, &error) {
                return Err(error);
            }
            tokio::time::sleep(pause(self.backoff, call.attempt)).await;
            call.attempt += 1;
        }
    }
}

fn again(call: &Call, error: &CloudError) -> bool {
    if !error.is_transient() {
        return false;
    }
    let limit = if error.kind == ErrorKind::Throttled {
        THROTTLED_ATTEMPTS
    } else {
        ATTEMPTS
    };
    let safe = !error.outcome_unknown() || call.action.repeatable || call.token.is_some();
    safe && call.attempt < limit
}

/// Doubles with each attempt, and is between half and all of that, so that those who failed together do not come back
/// together.
fn pause(backoff: Duration, attempt: u32) -> Duration {
    let full = backoff
        .saturating_mul(1 << attempt.saturating_sub(1).min(16))
        .min(LONGEST_PAUSE);
    let random = RandomState::new().hash_one(attempt) % 1000;
    full / 2 + full.mul_f64(random as f64 / 2000.0)
}

fn log(call: &Call, outcome: &Outcome) {
    let (action, region, resource) = (call.action.name, call.region.as_str(), call.resource.as_str());
    match outcome {
        Outcome::Done { request_id } => {
            tracing::debug!(action, region, resource, attempt = call.attempt, request_id, "done");
        }
        Outcome::Failed(error) => {
            tracing::debug!(action, region, resource, attempt = call.attempt, kind = ?error.kind, request_id = error.request_id, "failed: {}", error.message);
        }
    }
}
