//! Waits: one describe for all who wait, however many they are.
//!
//! Hundreds of runs wait at the same time for instances to stop and snapshots to complete. A loop for each of them would
//! use up the rate of the account. Here everyone who waits says what for, and whoever has the turn asks for all of them
//! in one call (up to 1000 names) and tells the others. There is no task in the background: a wait that is dropped leaves
//! nothing behind, and another takes over its turn.

use crate::{
    calls::{Action, actions},
    error::{CloudError, ErrorKind},
    ids::{ImageId, InstanceId, SnapshotId, VolumeId},
    model::{Image, Instance, Snapshot, Status, Volume},
};
use std::{
    collections::BTreeMap,
    fmt::{Debug, Display},
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// How often waits look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Polling {
    /// Time between two looks at first, and again whenever something has changed.
    pub first: Duration,
    /// Time between two looks in the end; each is half again as long as the one before.
    pub longest: Duration,
    /// How long a thing may be missing from the answers before it counts as not there: describes lag behind changes.
    pub grace: Duration,
}

impl Default for Polling {
    fn default() -> Polling {
        Polling {
            first: Duration::from_secs(2),
            longest: Duration::from_secs(15),
            grace: Duration::from_secs(90),
        }
    }
}

/// How soon someone wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// At once. Those who come while a look is under way share the next one.
    Now,
    /// When the next look is due.
    Wait,
}

/// A kind of thing that can be waited for.
pub(crate) trait Watched: Clone + Debug + PartialEq + Send + Sync + 'static {
    /// Its name.
    type Id: Clone + Display + Debug + Ord + Send + Sync + 'static;
    /// The call that reads it.
    const ACTION: &'static Action;

    fn id(&self) -> Self::Id;
    /// Its state in a few words, for the message of a timeout.
    fn state(&self) -> String;
}

/// Who reads things of a kind.
pub(crate) trait Reader<W: Watched>: Sync {
    /// Reads all of those that are there. One that is missing is no error.
    fn read(&self, ids: Vec<W::Id>) -> impl Future<Output = Result<Vec<W>, CloudError>> + Send;
}

/// All waits for one kind of thing in one account and region.
#[derive(Debug)]
pub(crate) struct Hub<W: Watched> {
    polling: Polling,
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State<W>>,
    /// Number of the last look.
    looks: watch::Sender<u64>,
}

#[derive(Debug)]
struct State<W: Watched> {
    waited_for: BTreeMap<W::Id, Entry<W>>,
    /// Number of looks that have begun.
    begun: u64,
    last_look: Option<Instant>,
    interval: Duration,
}

#[derive(Debug)]
struct Entry<W> {
    waiters: usize,
    /// The look that `seen` is of; 0 before the first.
    look: u64,
    seen: Result<Option<Arc<W>>, CloudError>,
}

impl<W: Watched> Hub<W> {
    pub(crate) fn new(polling: Polling) -> Hub<W> {
        Hub {
            polling,
            turn: tokio::sync::Mutex::default(),
            state: Mutex::new(State {
                waited_for: BTreeMap::new(),
                begun: 0,
                last_look: None,
                interval: polling.first,
            }),
            looks: watch::Sender::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `judge` makes something of what is seen of `id`; it is given nothing where the thing is missing.
    /// Missing for longer than the grace time, after `judge` had nothing to say to that, it is an error.
    pub(crate) async fn when<T>(
        &self,
        reader: &impl Reader<W>,
        id: &W::Id,
        within: Duration,
        pace: Pace,
        mut judge: impl FnMut(Option<&W>) -> Option<T> + Send,
    ) -> Result<T, CloudError> {
        let begun = Instant::now();
        let deadline = begun + within;
        let mut looks = self.looks.subscribe();
        let (_place, mut judged) = Place::take(self, id);
        let mut last_state = None;
        let mut missing_since = begun;
        loop {
            looks.borrow_and_update();
            if let Some((look, seen)) = self.news(id, judged) {
                judged = look;
                let seen = seen?;
                if let Some(result) = judge(seen.as_deref()) {
                    return Ok(result);
                }
                match &seen {
                    Some(value) => {
                        last_state = Some(value.state());
                        missing_since = Instant::now();
                    }
                    None if missing_since.elapsed() >= self.polling.grace => {
                        let message = format!("{id} is not there");
                        return Err(CloudError::new(W::ACTION, id.to_string(), ErrorKind::NotFound, message));
                    }
                    None => {}
                }
            }
            tokio::select! {
                biased;
                _ = looks.changed() => {}
                looked = self.take_turn(reader, pace) => looked?,
                () = sleep_until(deadline) => return Err(late::<W>(id, within, last_state)),
            }
        }
    }

    /// What was seen of `id` since the look `judged`.
    #[allow(clippy::type_complexity)]
    fn news(&self, id: &W::Id, judged: u64) -> Option<(u64, Result<Option<Arc<W>>, CloudError>)> {
        let state = self.lock();
        let entry = state.waited_for.get(id)?;
        (entry.look > judged).then(|| (entry.look, entry.seen.clone()))
    }

    /// Waits for the time, unless it is for someone who looks now, and for the turn, and looks for all.
    async fn take_turn(&self, reader: &impl Reader<W>, pace: Pace) -> Result<(), CloudError> {
        if pace == Pace::Wait {
            // Looked at again after waking: someone new may have shortened the interval. The turn is not held meanwhile, as
            // someone who looks now may want it.
            while let Some(due) = self.due() {
                sleep_until(due.min(Instant::now() + self.polling.first)).await;
            }
        }
        let _turn = self.turn.lock().await;
        if pace == Pace::Wait && self.due().is_some() {
            // Another has looked while this one waited for the turn.
            return Ok(());
        }
        let (look, ids) = {
            let mut state = self.lock();
            state.begun += 1;
            (state.begun, state.waited_for.keys().cloned().collect::<Vec<W::Id>>())
        };
        let seen = reader.read(ids.clone()).await;
        self.publish(look, &ids, seen);
        Ok(())
    }

    /// When the next look is due, if that is still to come.
    fn due(&self) -> Option<Instant> {
        let state = self.lock();
        let due = state.last_look.map(|last| last + state.interval)?;
        (due > Instant::now()).then_some(due)
    }

    fn publish(&self, look: u64, ids: &[W::Id], seen: Result<Vec<W>, CloudError>) {
        let mut state = self.lock();
        state.last_look = Some(Instant::now());
        let mut changed = false;
        match seen {
            Ok(values) => {
                let mut values: BTreeMap<W::Id, Arc<W>> =
                    values.into_iter().map(|value| (value.id(), Arc::new(value))).collect();
                for id in ids {
                    if let Some(entry) = state.waited_for.get_mut(id) {
                        let seen = Ok(values.remove(id));
                        changed |= entry.look > 0 && entry.seen != seen;
                        *entry = Entry {
                            waiters: entry.waiters,
                            look,
                            seen,
                        };
                    }
                }
            }
            // It passes by itself, and the next look will tell.
            Err(error) if error.is_transient() => {}
            Err(error) => {
                for id in ids {
                    if let Some(entry) = state.waited_for.get_mut(id) {
                        *entry = Entry {
                            waiters: entry.waiters,
                            look,
                            seen: Err(error.clone()),
                        };
                    }
                }
            }
        }
        state.interval = if changed {
            self.polling.first
        } else {
            (state.interval * 3 / 2).min(self.polling.longest)
        };
        drop(state);
        self.looks.send_replace(look);
    }
}

fn late<W: Watched>(id: &W::Id, within: Duration, last_state: Option<String>) -> CloudError {
    let seen = match last_state {
        Some(state) => format!("it was last seen {state}"),
        None => "it was never seen".to_owned(),
    };
    let message = format!("waited {} s: {seen}", within.as_secs());
    CloudError::new(W::ACTION, id.to_string(), ErrorKind::Late, message)
}

/// A place among those who wait; given up when dropped.
struct Place<'a, W: Watched> {
    hub: &'a Hub<W>,
    id: W::Id,
}

impl<'a, W: Watched> Place<'a, W> {
    /// The place, and the number of the last look that began before it was taken: what that one sees may be older than
    /// what the one who waits has just changed.
    fn take(hub: &'a Hub<W>, id: &W::Id) -> (Place<'a, W>, u64) {
        let mut state = hub.lock();
        state.interval = hub.polling.first;
        let entry = state.waited_for.entry(id.clone()).or_insert(Entry {
            waiters: 0,
            look: 0,
            seen: Ok(None),
        });
        entry.waiters += 1;
        (Place { hub, id: id.clone() }, state.begun)
    }
}

impl<W: Watched> Drop for Place<'_, W> {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        if let Some(entry) = state.waited_for.get_mut(&self.id) {
            entry.waiters -= 1;
            if entry.waiters == 0 {
                state.waited_for.remove(&self.id);
            }
        }
    }
}

/// The waits of one account and region.
#[derive(Debug)]
pub(crate) struct Poller {
    pub(crate) instances: Hub<Instance>,
    pub(crate) volumes: Hub<Volume>,
    pub(crate) snapshots: Hub<Snapshot>,
    pub(crate) statuses: Hub<Status>,
    pub(crate) images: Hub<Image>,
}

impl Poller {
    pub(crate) fn new(polling: Polling) -> Poller {
        Poller {
            instances: Hub::new(polling),
            volumes: Hub::new(polling),
            snapshots: Hub::new(polling),
            statuses: Hub::new(polling),
            images: Hub::new(polling),
        }
    }
}

impl Watched for Instance {
    type Id = InstanceId;
    const ACTION: &'static Action = &actions::DESCRIBE_INSTANCES;

    fn id(&self) -> InstanceId {
        self.id.clone()
    }

    fn state(&self) -> String {
        self.state.to_string()
    }
}

impl Watched for Volume {
    type Id = VolumeId;
    const ACTION: &'static Action = &actions::DESCRIBE_VOLUMES;

    fn id(&self) -> VolumeId {
        self.id.clone()
    }

    fn state(&self) -> String {
        let mut state = self.state.to_string();
        for attachment in &self.attachments {
            let instance = attachment.instance.as_ref().map_or("a service", InstanceId::as_str);
            state += &format!(", {} {instance}", attachment.state);
        }
        state
    }
}

impl Watched for Snapshot {
    type Id = SnapshotId;
    const ACTION: &'static Action = &actions::DESCRIBE_SNAPSHOTS;

    fn id(&self) -> SnapshotId {
        self.id.clone()
    }

    fn state(&self) -> String {
        format!("{} at {} %", self.state, self.progress)
    }
}

impl Watched for Status {
    type Id = InstanceId;
    const ACTION: &'static Action = &actions::DESCRIBE_INSTANCE_STATUS;

    fn id(&self) -> InstanceId {
        self.instance.clone()
    }

    fn state(&self) -> String {
        format!(
            "{}, system check {}, instance check {}",
            self.state, self.system.state, self.guest.state
        )
    }
}

impl Watched for Image {
    type Id = ImageId;
    const ACTION: &'static Action = &actions::DESCRIBE_IMAGES;

    fn id(&self) -> ImageId {
        ImageId::from_api(self.id.clone())
    }

    fn state(&self) -> String {
        self.state.to_string()
    }
}
