//! How fast calls may be made: a part of what AWS allows, so that the account's own automation is not starved.
//!
//! EC2 gives every account a token bucket for each action and region, and further buckets for the number of instances
//! that are launched, started, stopped and terminated
//! (<https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>). The buckets here have the documented
//! sizes, times the share that this program may take. Who waits longest is served first; who gives up waiting has taken
//! nothing.
//!
//! When AWS throttles all the same, others are using the account's rate: the bucket then gives half of its rate, half
//! of that at the next time, and comes back to the full one within a minute.

use crate::calls::{Action, Rate, actions};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How many tokens a bucket holds and how many it gets back each second.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Limit {
    capacity: f64,
    refill: f64,
}

const fn limit(capacity: f64, refill: f64) -> Limit {
    Limit { capacity, refill }
}

/// Documented buckets of requests.
fn requests(rate: Rate) -> Limit {
    match rate {
        Rate::Read => limit(100.0, 20.0),
        Rate::Change => limit(50.0, 5.0),
        Rate::Launch => limit(5.0, 2.0),
        Rate::Bulk => limit(100.0, 5.0),
        Rate::Tag => limit(100.0, 10.0),
        // Elastic Load Balancing documents 40 and 10 for reads; STS and Systems Manager allow more.
        Rate::Other => limit(40.0, 10.0),
    }
}

/// Documented buckets of instances, for the actions that have one.
fn resources(action: &Action) -> Option<Limit> {
    if action == &actions::RUN_INSTANCES || action == &actions::START_INSTANCES {
        Some(limit(1000.0, 2.0))
    } else if action == &actions::STOP_INSTANCES || action == &actions::TERMINATE_INSTANCES {
        Some(limit(1000.0, 20.0))
    } else {
        None
    }
}

/// The least part of its rate to which throttling brings a bucket down.
const SLOWEST: f64 = 1.0 / 16.0;
/// After this time without throttling a bucket is back at its full rate.
const RECOVERY: Duration = Duration::from_secs(60);

/// The budget of one account in one region.
#[derive(Debug)]
pub(crate) struct Budget {
    share: f64,
    buckets: Mutex<BTreeMap<(&'static str, Kind), Arc<Bucket>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Requests,
    Resources,
}

impl Budget {
    /// A budget of a part (more than 0, at most 1) of the documented rates.
    pub(crate) fn new(share: f64) -> Budget {
        Budget {
            share,
            buckets: Mutex::default(),
        }
    }

    /// Waits until the call may be made, and takes it from the budget. `resources` is the number of instances that it
    /// starts or stops.
    pub(crate) async fn take(&self, action: &'static Action, resources_used: u32) {
        if let Some(limit) = resources(action) {
            self.bucket(action, Kind::Resources, limit)
                .take(f64::from(resources_used.max(1)))
                .await;
        }
        self.bucket(action, Kind::Requests, requests(action.rate))
            .take(1.0)
            .await;
    }

    /// AWS throttled the call.
    pub(crate) fn throttled(&self, action: &'static Action) {
        self.bucket(action, Kind::Requests, requests(action.rate)).throttled();
    }

    fn bucket(&self, action: &'static Action, kind: Kind, limit: Limit) -> Arc<Bucket> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(
            buckets
                .entry((action.name, kind))
                .or_insert_with(|| Arc::new(Bucket::new(limit, self.share))),
        )
    }
}

#[derive(Debug)]
struct Bucket {
    /// Held by the one who is next. Its waiters are served in the order in which they came.
    turn: tokio::sync::Mutex<()>,
    level: Mutex<Level>,
    limit: Limit,
}

#[derive(Debug)]
struct Level {
    tokens: f64,
    /// When `tokens` and `factor` were right.
    at: Instant,
    /// The part of the rate that is used, 1 unless AWS throttled.
    factor: f64,
}

impl Bucket {
    fn new(limit: Limit, share: f64) -> Bucket {
        // One call must fit, or nothing would ever be allowed.
        let limit = Limit {
            capacity: (limit.capacity * share).max(1.0),
            refill: limit.refill * share,
        };
        let level = Level {
            tokens: limit.capacity,
            at: Instant::now(),
            factor: 1.0,
        };
        Bucket {
            turn: tokio::sync::Mutex::default(),
            level: Mutex::new(level),
            limit,
        }
    }

    async fn take(&self, tokens: f64) {
        // More than the bucket holds would never be there: the whole bucket has to do.
        let tokens = tokens.min(self.limit.capacity);
        let _turn = self.turn.lock().await;
        while let Some(wait) = self.try_take(tokens) {
            sleep(wait).await;
        }
    }

    /// Takes the tokens, or tells how long it takes at least until they are there.
    fn try_take(&self, tokens: f64) -> Option<Duration> {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        level.advance(self.limit);
        // What is left of a millionth by rounding is not worth another wait.
        if level.tokens + 1e-6 >= tokens {
            level.tokens -= tokens;
            return None;
        }
        let seconds = (tokens - level.tokens) / (self.limit.refill * level.factor);
        // A millisecond is what timers can do; while the rate recovers, the wait is looked at again.
        Some(Duration::from_secs_f64(seconds.clamp(0.001, 1.0)))
    }

    fn throttled(&self) {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        level.advance(self.limit);
        level.factor = (level.factor / 2.0).max(SLOWEST);
        level.tokens = level.tokens.min(0.0);
    }
}

impl Level {
    fn advance(&mut self, limit: Limit) {
        let now = Instant::now();
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.tokens = (self.tokens + passed * limit.refill * self.factor).min(limit.capacity);
        self.factor = (self.factor + passed / RECOVERY.as_secs_f64()).min(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn seconds_for(budget: &Budget, action: &'static Action, calls: u32, resources: u32) -> f64 {
        let begun = Instant::now();
        for _ in 0..calls {
            budget.take(action, resources).await;
        }
        begun.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_bucket_is_free_and_then_the_rate_holds() {
        let budget = Budget::new(1.0);
        assert_eq!(seconds_for(&budget, &actions::DESCRIBE_VOLUMES, 100, 0).await, 0.0);
        let seconds = seconds_for(&budget, &actions::DESCRIBE_VOLUMES, 40, 0).await;
        assert!((1.9..2.2).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn half_the_share_is_half_the_rate() {
        let budget = Budget::new(0.5);
        // 2.5 tokens at first, then one each second.
        let seconds = seconds_for(&budget, &actions::RUN_INSTANCES, 12, 1).await;
        assert!((9.4..9.7).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn launches_are_counted_by_instances_too() {
        let budget = Budget::new(1.0);
        budget.take(&actions::RUN_INSTANCES, 1000).await;
        let seconds = seconds_for(&budget, &actions::RUN_INSTANCES, 1, 10).await;
        assert!((4.9..5.2).contains(&seconds), "{seconds}");
        // More than ever fits takes the whole bucket instead of waiting for ever.
        tokio::time::timeout(Duration::from_secs(600), budget.take(&actions::RUN_INSTANCES, 5000))
            .await
            .expect("taken");
    }

    #[tokio::test(start_paused = true)]
    async fn actions_have_buckets_of_their_own() {
        let budget = Budget::new(1.0);
        seconds_for(&budget, &actions::ATTACH_VOLUME, 50, 0).await;
        assert_eq!(seconds_for(&budget, &actions::DETACH_VOLUME, 50, 0).await, 0.0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_to_come_is_served_first_and_who_gives_up_has_taken_nothing() {
        let budget = Arc::new(Budget::new(1.0));
        seconds_for(&budget, &actions::ATTACH_VOLUME, 50, 0).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for number in 0..6 {
            let (budget, order) = (Arc::clone(&budget), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                budget.take(&actions::ATTACH_VOLUME, 0).await;
                order.lock().expect("lock").push(number);
            }));
            tokio::task::yield_now().await;
        }
        tasks.remove(2).abort();
        let begun = Instant::now();
        for task in tasks {
            task.await.expect("task");
        }
        assert_eq!(*order.lock().expect("lock"), [0, 1, 3, 4, 5]);
        assert!(
            (0.9..1.1).contains(&begun.elapsed().as_secs_f64()),
            "{:?}",
            begun.elapsed()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_slows_down_and_is_forgiven() {
        let budget = Budget::new(1.0);
        budget.throttled(&actions::DESCRIBE_VOLUMES);
        budget.throttled(&actions::DESCRIBE_VOLUMES);
        // A quarter of 20 per second, getting better all the time.
        let slow = seconds_for(&budget, &actions::DESCRIBE_VOLUMES, 20, 0).await;
        assert!((3.0..4.1).contains(&slow), "{slow}");
        sleep(RECOVERY).await;
        seconds_for(&budget, &actions::DESCRIBE_VOLUMES, 100, 0).await;
        let seconds = seconds_for(&budget, &actions::DESCRIBE_VOLUMES, 20, 0).await;
        assert!((0.9..1.1).contains(&seconds), "{seconds}");
    }
}
