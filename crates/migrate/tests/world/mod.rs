//! A lab without machines, a way into it, and hosts that do as they are asked: what every test of runs needs.

#![allow(dead_code, reason = "no test uses all of it")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use comeback_cloud::ids::InstanceId;
use comeback_cloud::model::UserData;
use comeback_cloud::{Call, Filter, Keys, Observer, Options, Outcome, Polling, Region, Session};
use comeback_lab::{Lab, Scenario, Serving};
use comeback_migrate::action::{Action, Context, Patience};
use comeback_migrate::actions;
use comeback_migrate::engine::{Engine, OnFailure, RunError, Watch};
use comeback_migrate::finalize::Keep;
use comeback_migrate::hosts::{Converted, Door, Host, HostError, Hosts, Job};
use comeback_migrate::journal::{Head, Journal};
use comeback_migrate::plan::Plan;
use comeback_migrate::plan::{Wishes, make};
use comeback_migrate::progress::{Event, Reporter};
use comeback_migrate::run::{RunId, State};
use comeback_migrate::store::Store;
use tokio::sync::{Notify, Semaphore};

/// Whatever takes longer than this in a lab without machines never ends.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How many labs at a time.
const AT_ONCE: usize = 4;

/// A lab, and a folder for runs.
pub struct World {
    pub lab: Lab,
    _serving: Serving,
    url: String,
    keys: Keys,
    folder: tempfile::TempDir,
    pub reporter: Arc<Told>,
}

/// What was told.
#[derive(Debug, Default)]
pub struct Told(std::sync::Mutex<Vec<Event>>);

impl Reporter for Told {
    fn tell(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Told {
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }

    pub fn failures(&self) -> Vec<String> {
        let failures = self.events().into_iter().filter_map(|event| match event {
            Event::Failed { action, error, .. } => Some(format!("{action}: {error}")),
            _ => None,
        });
        failures.collect()
    }
}

impl World {
    pub fn new(scenario: &str) -> Self {
        Self::with(|builder| builder.scenario(Scenario::load(scenario).unwrap()))
    }

    pub fn with(build: impl FnOnce(comeback_lab::Builder) -> comeback_lab::Builder) -> Self {
        let lab = build(Lab::builder().instant().seed(7)).build().unwrap();
        let serving = lab.serve(0).unwrap();
        let keys = lab.keys().remove(0);
        // Nobody here tests whether the disk keeps what it was told to keep: memory is as good, and has no sync to wait for.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        Self {
            url: serving.url(),
            _serving: serving,
            keys: Keys {
                access_key: keys.access_key,
                secret_key: keys.secret_key,
            },
            lab,
            folder: folder.unwrap(),
            reporter: Arc::default(),
        }
    }

    pub async fn region(&self, observer: Option<Arc<dyn Observer>>) -> Region {
        let polling = Polling {
            first: Duration::from_millis(1),
            longest: Duration::from_millis(20),
            grace: Duration::from_millis(200),
        };
        self.region_with(polling, observer).await
    }

    pub async fn region_with(&self, polling: Polling, observer: Option<Arc<dyn Observer>>) -> Region {
        let session = Session::load(Options {
            region: Some("ap-northeast-1".parse().unwrap()),
            share: 1.0,
            polling,
            backoff: Duration::from_millis(1),
            observer,
            endpoint: Some(self.url.clone()),
            keys: Some(self.keys.clone()),
            ..Options::default()
        })
        .await
        .unwrap();
        session.region(&session.default_region().unwrap())
    }

    pub fn store(&self) -> Store {
        Store::open(self.folder.path()).unwrap()
    }

    /// The id of the instance of this name.
    pub async fn id(&self, name: &str) -> InstanceId {
        let region = self.region(None).await;
        let named = [
            Filter::new("tag:Name", [name]),
            Filter::new("instance-state-name", ["running", "stopped"]),
        ];
        let named = region.instances_where(&named).await.unwrap();
        named[0].id.clone()
    }

    pub async fn plan(&self, name: &str, wishes: &Wishes) -> Plan {
        let region = self.region(None).await;
        let id = self.id(name).await;
        make::make(&region, &[id], wishes).await.unwrap().remove(0).unwrap()
    }

    /// A context of a run, and the run's name.
    pub async fn context(&self, plan: &Plan, run: &RunId, killer: Option<&Arc<Killer>>) -> Context {
        let observer = killer.map(|killer| Arc::clone(killer) as Arc<dyn Observer>);
        let region = self.region(observer).await;
        self.context_in(plan, run, region, killer)
    }

    pub fn context_in(&self, plan: &Plan, run: &RunId, region: Region, killer: Option<&Arc<Killer>>) -> Context {
        let hosts = Arc::new(Obliging {
            killer: killer.cloned(),
        });
        let mut context = Context::new(run.clone(), plan.clone(), region, hosts, self.store().folder(run));
        context.patience = impatient();
        context.start_source = true;
        context.reporter = self.reporter.clone();
        context
    }

    pub async fn begin(&self, plan: &Plan, run: &RunId, killer: Option<&Arc<Killer>>) -> Engine {
        let context = self.context(plan, run, killer).await;
        let watch = killer.map(|killer| Arc::clone(killer) as Arc<dyn Watch>);
        let value = serde_json::to_value(plan).unwrap();
        Engine::begin(self.journal(), context, &value, watch).await.unwrap()
    }

    pub async fn take_up(&self, plan: &Plan, run: &RunId) -> Engine {
        let context = self.context(plan, run, None).await;
        Engine::take_up(self.journal(), context, None).unwrap()
    }

    pub fn journal(&self) -> Journal {
        self.store().journal().clone()
    }

    pub fn is_known(&self, run: &RunId) -> bool {
        self.journal().runs().unwrap().iter().any(|Head { id, .. }| id == run)
    }

    /// Everything in the account, as far as two labs can agree on it. Left out is what a stop and a start do and nothing can
    /// undo: a retirement is done with, and the guest has booted since.
    pub fn state(&self) -> serde_json::Value {
        let mut state = self.lab.snapshot_of_state();
        forget_boots(&mut state);
        state
    }

    /// Deletes what is left over, and gives the state of the account then.
    pub async fn finalized(&self, plan: &Plan, run: &RunId) -> serde_json::Value {
        let mut engine = self.take_up(plan, run).await;
        let decision = engine
            .decide(Keep::default())
            .await
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.reporter.failures()));
        let done = engine.finalize(&decision).await.unwrap();
        assert_eq!(done, State::Finalized, "{:?}", self.reporter.failures());
        self.state()
    }
}

fn forget_boots(state: &mut serde_json::Value) {
    match state {
        serde_json::Value::Object(object) => {
            if object.contains_key("unchecked") {
                object.remove("unchecked");
                object.remove("events");
            }
            object.values_mut().for_each(forget_boots);
        }
        serde_json::Value::Array(array) => array.iter_mut().for_each(forget_boots),
        _ => {}
    }
}

pub fn run_id() -> RunId {
    RunId::new(jiff::civil::date(2017, 12, 29))
}

/// Wishes that need no machine to answer.
pub fn wishes() -> Wishes {
    let mut wishes = Wishes::default();
    wishes.verify.within_s = 0;
    wishes
}

pub fn actions_of(plan: &Plan) -> Vec<Box<dyn Action>> {
    actions::all(plan)
}

pub fn impatient() -> Patience {
    Patience {
        shutdown: Duration::from_millis(300),
        change: Duration::from_millis(600),
        snapshot: Duration::from_millis(600),
        host: Duration::from_millis(300),
        transient: Duration::from_millis(400),
        capacity: Duration::from_millis(100),
        consistency: Duration::from_millis(150),
        pause: Duration::from_millis(2),
        lease: Duration::from_secs(3600),
    }
}

/// Stops the program at one of all the points where it can be stopped: around each call, each write to the journal, and each
/// thing that is asked of a host. It never comes back from there; whoever waits for [`Killer::killed`] drops the rest.
#[derive(Debug, Default)]
pub struct Killer {
    at: Option<usize>,
    points: AtomicUsize,
    dead: Notify,
}

impl Killer {
    /// Only counts.
    pub fn counting() -> Arc<Self> {
        Arc::default()
    }

    pub fn at(point: usize) -> Arc<Self> {
        Arc::new(Self {
            at: Some(point),
            ..Self::default()
        })
    }

    pub fn points(&self) -> usize {
        self.points.load(Ordering::SeqCst)
    }

    pub async fn killed(&self) {
        self.dead.notified().await;
    }

    async fn point(&self) {
        if self.at == Some(self.points.fetch_add(1, Ordering::SeqCst)) {
            self.dead.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Observer for Killer {
    async fn before(&self, _call: &Call) {
        self.point().await;
    }

    async fn after(&self, _call: &Call, _outcome: &Outcome) {
        self.point().await;
    }
}

#[async_trait]
impl Watch for Killer {
    async fn before_write(&self) {
        self.point().await;
    }

    async fn after_write(&self) {
        self.point().await;
    }
}

/// Hosts that answer at once and say that they converted.
#[derive(Debug)]
struct Obliging {
    killer: Option<Arc<Killer>>,
}

impl Obliging {
    async fn point(&self) {
        if let Some(killer) = &self.killer {
            killer.point().await;
        }
    }
}

#[async_trait]
impl Hosts for Obliging {
    fn user_data(&self, _folder: &Path) -> Result<UserData, HostError> {
        Ok(UserData(b"#cloud-config\n".to_vec()))
    }

    fn forget(&self, _folder: &Path) -> Result<(), HostError> {
        Ok(())
    }

    async fn open(&self, _door: &Door, _folder: &Path) -> Result<Box<dyn Host>, HostError> {
        self.point().await;
        Ok(Box::new(Obliging {
            killer: self.killer.clone(),
        }))
    }
}

#[async_trait]
impl Host for Obliging {
    async fn disks(&self) -> Result<Vec<String>, HostError> {
        self.point().await;
        Ok(vec!["/dev/nvme0n1".to_owned()])
    }

    async fn convert(
        &self,
        _job: &Job,
        _folder: &Path,
        progress: &(dyn Fn(String) + Send + Sync),
    ) -> Result<Converted, HostError> {
        self.point().await;
        progress("writing".to_owned());
        self.point().await;
        Ok(Converted {
            device: "/dev/nvme1n1".to_owned(),
            written: true,
            patch_bytes: 192_000,
            verdicts: vec![("nitro".to_owned(), "boots".to_owned())],
        })
    }
}

/// Carries a run out until it ends or is killed.
pub async fn forward_until_killed(world: &World, plan: &Plan, run: &RunId, killer: &Arc<Killer>) -> Option<State> {
    let work = async {
        let mut engine = world.begin(plan, run, Some(killer)).await;
        engine.forward(&actions_of(plan), OnFailure::RollBack).await
    };
    until_killed(work, killer).await
}

/// Takes a run back until it ends or is killed.
pub async fn back_until_killed(world: &World, plan: &Plan, run: &RunId, killer: &Arc<Killer>) -> Option<State> {
    let work = async {
        let context = world.context(plan, run, Some(killer)).await;
        let watch = Arc::clone(killer) as Arc<dyn Watch>;
        let mut engine = Engine::take_up(world.journal(), context, Some(watch)).unwrap();
        engine.back(&actions_of(plan)).await
    };
    until_killed(work, killer).await
}

/// Deletes what a run no longer needs until it ends or is killed.
pub async fn finalize_until_killed(world: &World, plan: &Plan, run: &RunId, killer: &Arc<Killer>) -> Option<State> {
    let work = async {
        let context = world.context(plan, run, Some(killer)).await;
        let watch = Arc::clone(killer) as Arc<dyn Watch>;
        let mut engine = Engine::take_up(world.journal(), context, Some(watch)).unwrap();
        let decision = engine.decide(Keep::default()).await?;
        engine.finalize(&decision).await
    };
    until_killed(work, killer).await
}

pub async fn until_killed(work: impl Future<Output = Result<State, RunError>>, killer: &Killer) -> Option<State> {
    tokio::select! {
        state = work => Some(state.unwrap()),
        () = killer.killed() => None,
        () = tokio::time::sleep(PATIENCE) => panic!("neither ended nor killed"),
    }
}

/// For messages: the places where two states differ.
pub fn differences(was: &serde_json::Value, is: &serde_json::Value) -> Vec<String> {
    fn compare(path: &str, was: &serde_json::Value, is: &serde_json::Value, found: &mut Vec<String>) {
        use serde_json::Value;
        match (was, is) {
            (Value::Object(a), Value::Object(b)) => {
                for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                    let null = Value::Null;
                    compare(
                        &format!("{path}/{key}"),
                        a.get(key).unwrap_or(&null),
                        b.get(key).unwrap_or(&null),
                        found,
                    );
                }
            }
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                for (index, (a, b)) in a.iter().zip(b).enumerate() {
                    compare(&format!("{path}/{index}"), a, b, found);
                }
            }
            _ if was != is => found.push(format!("{path}: {was} -> {is}")),
            _ => {}
        }
    }
    let mut found = Vec::new();
    compare("", was, is, &mut found);
    found
}

/// Tries every case from 0 on, several at a time, and fails with all that failed.
pub async fn sweep<F, R>(points: usize, case: F)
where
    F: Fn(usize) -> R,
    R: Future<Output = Result<(), String>>,
{
    let places = Semaphore::new(AT_ONCE);
    let cases = (0..points).map(|point| {
        let (case, places) = (&case, &places);
        async move {
            let _place = places.acquire().await.unwrap();
            case(point).await.map_err(|error| format!("point {point}: {error}"))
        }
    });
    let failed: Vec<String> = join_all(cases).await.into_iter().filter_map(Result::err).collect();
    assert!(
        failed.is_empty(),
        "{} of {points}\n{}",
        failed.len(),
        failed.iter().take(10).cloned().collect::<Vec<_>>().join("\n")
    );
}

async fn join_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut all = true;
        for (future, result) in &mut waiting {
            if result.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *result = Some(value),
                    std::task::Poll::Pending => all = false,
                }
            }
        }
        if all {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    waiting.into_iter().filter_map(|(_, result)| result).collect()
}
