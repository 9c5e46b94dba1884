//! What is done with a request between the wire and the action.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::accounts::{Accounts, Key};
use crate::caller::Caller;
use crate::engine::instance::State as InstanceState;
use crate::engine::region::{Answered, NAMES};
use crate::engine::{Region, World, machine, settle};
use crate::fault::{FaultKind, Faults, Subject, throttled};
use crate::files::Files;
use crate::reply::{Dialect, Reply, refuse, success};
use crate::state::State;
use crate::throttle::Throttle;
use crate::wire::sigv4::{Authorization, Signed};
use crate::wire::{ApiError, Params, Xml};
use crate::{Builder, LabError, Scenario, Timings, autoscaling, ec2, elbv2, organizations, scenario, ssm, sts};

/// How far back describes can be made to lag.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(10);

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// A region and what it was lately, for describes that lag.
#[derive(Debug, Default)]
struct Place {
    region: Region,
    /// States and the times at which they ended.
    past: VecDeque<(Timestamp, Region)>,
}

/// Places by account and region.
type Places = BTreeMap<(String, String), Arc<Mutex<Place>>>;

/// How often an action was called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// All calls with a valid signature.
    pub total: u64,
    /// Those that were answered with an error.
    pub errors: u64,
    /// Those that came too fast.
    pub throttled: u64,
}

/// The lab's inside.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) world: World,
    pub(crate) scenario: String,
    accounts: Accounts,
    places: Mutex<Places>,
    throttle: Throttle,
    rates: Option<f64>,
    calls: Mutex<BTreeMap<String, Calls>>,
    /// Parameters that no action has listened to, as `Action Parameter`.
    ignored: Mutex<BTreeSet<String>>,
    folder: Option<PathBuf>,
    /// Whether there are changes that are not saved.
    pub(crate) dirty: AtomicBool,
    /// Held while the state is written.
    saving: Mutex<()>,
    /// Whether the lab was told to end.
    pub(crate) ending: tokio::sync::Notify,
}

impl Service {
    pub(crate) fn set_up(builder: Builder) -> Result<Self, LabError> {
        let found = match &builder.state {
            Some(folder) => State::load(folder)?,
            None => None,
        };
        let scenario = match (&found, builder.scenario) {
            (_, Some(scenario)) => scenario,
            (Some(state), None) => Scenario::load(&state.scenario).or_else(|_| Scenario::load("tokyo"))?,
            (None, None) => Scenario::load("tokyo")?,
        };
        let instant = match &found {
            Some(state) => state.instant,
            None => builder.instant || builder.backend.is_none(),
        };
        if let Some(folder) = builder.state.as_ref().filter(|_| !instant && builder.backend.is_none()) {
            return Err(LabError::NeedsMachines(folder.clone()));
        }
        let clock = builder.clock.unwrap_or_default();
        let timings = builder.timings.or(scenario.timings);
        let seed = builder.seed;
        let rates = builder
            .rates
            .or(found.as_ref().and_then(|state| state.rates))
            .or(scenario.rates);
        let world = World {
            clock,
            timings: timings.unwrap_or(if instant { Timings::INSTANT } else { Timings::default() }),
            backend: builder
                .backend
                .filter(|_| !instant)
                .unwrap_or_else(crate::instant_backend),
            instant,
            files: Files::new(
                builder.state.clone().filter(|_| !instant),
                builder.guests.unwrap_or_else(crate::guests_folder),
            ),
            faults: Faults::new(seed.unwrap_or(0)),
            random: Mutex::new(seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed)),
        };
        let (name, accounts, regions, faults) = match found {
            Some(state) => (state.scenario, state.accounts, state.regions, state.faults),
            None => {
                let (accounts, regions) = scenario::build(&world, &scenario)?;
                (scenario.name, accounts, regions, scenario.faults)
            }
        };
        for fault in faults {
            world.faults.set(fault);
        }
        let mut places = BTreeMap::new();
        for region in regions {
            power_up(&world, &region);
            let key = (region.account.clone(), region.name.clone());
            let place = Place {
                region,
                past: VecDeque::new(),
            };
            places.insert(key, Arc::new(Mutex::new(place)));
        }
        let service = Self {
            world,
            scenario: name,
            accounts: Accounts::new(accounts),
            places: Mutex::new(places),
            throttle: Throttle::new(rates),
            rates,
            calls: Mutex::new(BTreeMap::new()),
            ignored: Mutex::new(BTreeSet::new()),
            folder: builder.state,
            dirty: AtomicBool::new(true),
            saving: Mutex::new(()),
            ending: tokio::sync::Notify::new(),
        };
        service.save()?;
        Ok(service)
    }

    /// Writes the state, if it has changed and there is a folder for it.
    pub(crate) fn save(&self) -> Result<(), LabError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let _saving = crate::lock(&self.saving);
        if !self.dirty.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        let mut state = State::new(&self.scenario, self.world.instant);
        state.rates = self.rates;
        state.accounts = self.accounts.saved();
        state.faults = self.world.faults.list();
        for place in self.places() {
            state.regions.push(crate::lock(&place).region.clone());
        }
        state
            .save(folder)
            .inspect_err(|_| self.dirty.store(true, Ordering::SeqCst))
    }

    fn places(&self) -> Vec<Arc<Mutex<Place>>> {
        crate::lock(&self.places).values().cloned().collect()
    }

    /// The region of an account, which is made if nobody has used it yet.
    fn place(&self, account: &str, region: &str) -> Result<Arc<Mutex<Place>>, ApiError> {
        let mut places = crate::lock(&self.places);
        let key = (account.to_owned(), region.to_owned());
        if let Some(place) = places.get(&key) {
            return Ok(Arc::clone(place));
        }
        if !NAMES.contains(&region) {
            return Err(ApiError::new(
                "AuthFailure",
                format!("The lab has no region {region}; it has {}", NAMES.join(", ")),
            ));
        }
        let mut region = scenario::new_region(&self.world, account, region, places.len())
            .map_err(|error| ApiError::internal(error.to_string()))?;
        region.off = self.accounts.off(account);
        let place = Arc::new(Mutex::new(Place {
            region,
            past: VecDeque::new(),
        }));
        places.insert(key, Arc::clone(&place));
        Ok(place)
    }

    /// Calls `act` on each region, after letting happen there what is due.
    pub(crate) fn each_region<T>(&self, mut act: impl FnMut(&World, &mut Region) -> T) -> Vec<T> {
        let places = self.places();
        let on_each = places.iter().map(|place| {
            let mut place = crate::lock(place);
            if settle::settle(&self.world, &mut place.region) {
                self.dirty.store(true, Ordering::SeqCst);
            }
            act(&self.world, &mut place.region)
        });
        on_each.collect()
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// How often each action was called.
    pub(crate) fn calls(&self) -> BTreeMap<String, Calls> {
        crate::lock(&self.calls).clone()
    }

    /// Parameters that no action has listened to, as `Action Parameter`.
    pub(crate) fn ignored(&self) -> Vec<String> {
        crate::lock(&self.ignored).iter().cloned().collect()
    }

    /// A parameter that the lab does not know is no error, but it is said.
    fn note_ignored(&self, caller: &Caller<'_>) {
        const EVERYWHERE: &[&str] = &["Action", "Version", "ClientToken", "DryRun", "NextToken"];
        for name in caller.params.ignored() {
            let said = format!("{} {name}", caller.action);
            if !EVERYWHERE.contains(&name.as_str()) && crate::lock(&self.ignored).insert(said.clone()) {
                crate::log(format_args!("a parameter that the lab does not know: {said}"));
            }
        }
    }

    fn count(&self, action: &str, update: impl FnOnce(&mut Calls)) {
        update(crate::lock(&self.calls).entry(action.to_owned()).or_default());
    }

    /// Answers a request of AWS's protocols.
    pub(crate) fn answer(&self, request: &Request) -> Reply {
        let id = uuid::Uuid::new_v4().to_string();
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        let authorization = match header("authorization") {
            Some(text) => Authorization::parse(text),
            None => Err(
                ApiError::new("MissingAuthenticationToken", "Request is missing Authentication Token").with_status(403),
            ),
        };
        let target = header("x-amz-target").unwrap_or_default().to_owned();
        let service = authorization
            .as_ref()
            .map_or("", |authorization| authorization.service.as_str());
        let dialect = match service {
            "sts" => Dialect::Query(sts::NAMESPACE),
            "elasticloadbalancing" => Dialect::Query(elbv2::NAMESPACE),
            "autoscaling" => Dialect::Query(autoscaling::NAMESPACE),
            _ if !target.is_empty() => Dialect::Json,
            _ => Dialect::Ec2,
        };
        let authorization = match authorization {
            Ok(authorization) => authorization,
            Err(error) => return refuse(dialect, &error, &id),
        };
        let key = match self.authenticate(&authorization, request) {
            Ok(key) => key,
            Err(error) => return refuse(dialect, &error, &id),
        };
        let mut params = Params::default();
        if dialect != Dialect::Json {
            params = Params::parse(&request.body);
            params.merge(Params::parse(request.query.as_bytes()));
        }
        let action = match dialect {
            Dialect::Json => target.rsplit('.').next().unwrap_or_default().to_owned(),
            _ => params.get("Action").unwrap_or_default().to_owned(),
        };
        self.count(&action, |calls| calls.total += 1);
        let caller = Caller {
            key: &key,
            region: &authorization.region,
            service: &authorization.service,
            action: &action,
            params: &params,
        };
        let mut reply = self.act(&caller, dialect, &request.body, &id);
        if reply.status >= 400 {
            self.count(&action, |calls| calls.errors += 1);
        }
        let values: Vec<&str> = params.iter().map(|(_, value)| value).collect();
        let subject = caller.subject(&values);
        if reply.status < 400 {
            let lost = self.world.faults.strike(&subject, |kind| *kind == FaultKind::Lost);
            reply.lost |= lost.is_some();
        }
        if let Some(FaultKind::Latency { milliseconds }) = self
            .world
            .faults
            .strike(&subject, |kind| matches!(kind, FaultKind::Latency { .. }))
        {
            reply.delay = Duration::from_millis(milliseconds);
        }
        reply
    }

    fn authenticate(&self, authorization: &Authorization, request: &Request) -> Result<Key, ApiError> {
        let failure = || {
            let (code, status) = match authorization.service.as_str() {
                "ec2" => ("AuthFailure", 401),
                "sts" | "elasticloadbalancing" | "autoscaling" => ("InvalidClientTokenId", 403),
                _ => ("UnrecognizedClientException", 400),
            };
            ApiError::new(code, "AWS was not able to validate the provided access credentials").with_status(status)
        };
        let key = self.accounts.find(&authorization.access_key).ok_or_else(failure)?;
        let signed = Signed {
            method: &request.method,
            path: &request.path,
            query: &request.query,
            headers: &request.headers,
            body: &request.body,
        };
        // Signatures are of the real time, whatever the lab's clock says.
        authorization.verify(&key.secret, &signed, Timestamp::now())?;
        let token = request.headers.get("x-amz-security-token");
        if key.token.as_deref() != token.and_then(|token| token.to_str().ok()) {
            return Err(failure());
        }
        if key.expires.is_some_and(|at| at <= self.world.now()) {
            return Err(
                ApiError::new("ExpiredToken", "The security token included in the request is expired").with_status(403),
            );
        }
        Ok(key)
    }

    /// Rates, faults, and then the action itself.
    fn act(&self, caller: &Caller<'_>, dialect: Dialect, body: &[u8], id: &str) -> Reply {
        let now = self.world.now();
        let place = format!("{}/{}", caller.key.account, caller.region);
        if !self.throttle.admits(&place, caller.action, caller.params, now) {
            self.count(caller.action, |calls| calls.throttled += 1);
            return refuse(dialect, &throttled(), id);
        }
        let values: Vec<&str> = caller.params.iter().map(|(_, value)| value).collect();
        let subject = caller.subject(&values);
        if self
            .world
            .faults
            .strike(&subject, |kind| *kind == FaultKind::Dropped)
            .is_some()
        {
            return Reply {
                lost: true,
                ..refuse(dialect, &ApiError::internal("the connection was dropped"), id)
            };
        }
        if let Some(error) = self.world.faults.refusal(&subject) {
            return refuse(dialect, &error, id);
        }
        match self.carry_out(caller, dialect, body, &subject) {
            Ok(inside) => success(dialect, caller.action, &inside, id),
            Err(error) => refuse(dialect, &error, id),
        }
    }

    fn carry_out(
        &self,
        caller: &Caller<'_>,
        dialect: Dialect,
        body: &[u8],
        subject: &Subject<'_>,
    ) -> Result<String, ApiError> {
        let now = self.world.now();
        let Caller { action, params, .. } = *caller;
        if dialect == Dialect::Query(sts::NAMESPACE) {
            // Nobody needs a permission to ask who they are.
            if action != "GetCallerIdentity" {
                caller.permit(None)?;
            }
            let answer = sts::call(&self.accounts, &caller.key.id, action, params, now)?;
            self.dirty.store(true, Ordering::SeqCst);
            return Ok(answer.as_str().to_owned());
        }
        if caller.service == "organizations" {
            caller.permit(None)?;
            let saved = self.accounts.saved();
            return organizations::call(&saved, &caller.key.account, action, body).map(|answer| answer.to_string());
        }
        if self
            .accounts
            .off(&caller.key.account)
            .iter()
            .any(|off| off == caller.region)
        {
            return Err(ApiError::new(
                "AuthFailure",
                "AWS was not able to validate the provided access credentials",
            )
            .with_status(401));
        }
        let place = self.place(&caller.key.account, caller.region)?;
        let mut place = crate::lock(&place);
        let before = place.region.clone_if(self.lags());
        let mut changed = settle::settle(&self.world, &mut place.region);
        let answer = match dialect {
            Dialect::Json => {
                for name in ssm::names(body) {
                    // Parameters of AWS belong to no account.
                    let arn = format!("arn:aws:ssm:{}::parameter{name}", caller.region);
                    caller.permit_on(Some(&place.region), Some(&arn))?;
                }
                ssm::call(&place.region, action, body).map(|answer| answer.to_string())
            }
            Dialect::Query(_) if caller.service == "autoscaling" => {
                caller.permit(Some(&place.region))?;
                autoscaling::call(&place.region, action, params).map(|xml| xml.as_str().to_owned())
            }
            Dialect::Query(_) => {
                caller.permit(Some(&place.region))?;
                changed |= !elbv2::is_read(action);
                elbv2::call(&mut place.region, action, params).map(|xml| xml.as_str().to_owned())
            }
            Dialect::Ec2 if ec2::is_read(action) => self.read(caller, &mut place, subject, now),
            Dialect::Ec2 => {
                changed = true;
                self.change(caller, &mut place.region, now)
            }
        };
        if changed {
            self.dirty.store(true, Ordering::SeqCst);
            if let Some(before) = before {
                place.past.push_back((now, before));
            }
        }
        while place
            .past
            .front()
            .is_some_and(|(ended, _)| now.duration_since(*ended) > REMEMBERED)
        {
            place.past.pop_front();
        }
        answer
    }

    /// As [`Self::answer`] of a request whose signature is right.
    #[cfg(test)]
    pub(crate) fn ask(&self, access_key: &str, service: &str, region: &str, form: &str) -> Reply {
        let key = self.accounts.find(access_key).expect("an access key of the lab");
        let params = Params::parse(form.as_bytes());
        let caller = Caller {
            key: &key,
            region,
            service,
            action: params.get("Action").unwrap_or_default(),
            params: &params,
        };
        let dialect = match service {
            "sts" => Dialect::Query(sts::NAMESPACE),
            "elasticloadbalancing" => Dialect::Query(elbv2::NAMESPACE),
            "autoscaling" => Dialect::Query(autoscaling::NAMESPACE),
            _ => Dialect::Ec2,
        };
        self.act(&caller, dialect, b"", "request")
    }

    fn lags(&self) -> bool {
        let faults = self.world.faults.list();
        faults.iter().any(|fault| matches!(fault.kind, FaultKind::Lag { .. }))
    }

    /// A describe, which may be shown what was there some time ago.
    fn read(
        &self,
        caller: &Caller<'_>,
        place: &mut Place,
        subject: &Subject<'_>,
        now: Timestamp,
    ) -> Result<String, ApiError> {
        let lag = self
            .world
            .faults
            .strike(subject, |kind| matches!(kind, FaultKind::Lag { .. }));
        let old = match lag {
            Some(FaultKind::Lag { milliseconds }) => {
                let milliseconds = i64::try_from(milliseconds).unwrap_or(i64::MAX);
                let then = now
                    .checked_sub(SignedDuration::from_millis(milliseconds))
                    .unwrap_or(now);
                place
                    .past
                    .iter_mut()
                    .find(|(ended, _)| *ended > then)
                    .map(|(_, region)| region)
            }
            _ => None,
        };
        let region = old.unwrap_or(&mut place.region);
        let handler = ec2::handler(caller.action).ok_or_else(|| sts::unknown_action(caller.action))?;
        caller.permit(Some(region))?;
        caller.dry_run()?;
        let mut call = ec2::Call {
            world: &self.world,
            region,
            params: caller.params,
            action: caller.action,
            now,
        };
        let answer = handler(&mut call)?;
        self.note_ignored(caller);
        Ok(answer.as_str().to_owned())
    }

    /// Something that changes the region, once per client token.
    fn change(&self, caller: &Caller<'_>, region: &mut Region, now: Timestamp) -> Result<String, ApiError> {
        let Caller { action, params, .. } = *caller;
        let handler = ec2::handler(action).ok_or_else(|| sts::unknown_action(action))?;
        caller.permit(Some(region))?;
        caller.dry_run()?;
        let token = params.text("ClientToken").map(|token| format!("{action} {token}"));
        let digest = digest(params);
        if let Some(answered) = token.as_ref().and_then(|token| region.tokens.get(token)) {
            if answered.digest != digest {
                return Err(ApiError::new(
                    "IdempotentParameterMismatch",
                    "The client token you provided is already in use with different parameters",
                ));
            }
            return Ok(answered.body.clone());
        }
        let mut call = ec2::Call {
            world: &self.world,
            region,
            params,
            action,
            now,
        };
        let answer: Xml = handler(&mut call)?;
        self.note_ignored(caller);
        let body = answer.as_str().to_owned();
        if let Some(token) = token {
            let answered = Answered {
                digest,
                body: body.clone(),
            };
            region.tokens.insert(token, answered);
        }
        Ok(body)
    }

    /// Takes the power away from all machines. Their instances stay as they are, so that they are started again next time.
    pub(crate) fn power_off(&self) {
        self.each_region(|world, region| {
            for instance in region.instances.values() {
                if matches!(
                    instance.state,
                    InstanceState::Running | InstanceState::Pending | InstanceState::Stopping
                ) && let Err(error) = world.backend.stop(&instance.id, true)
                {
                    crate::log(format_args!("{error}"));
                }
            }
        });
    }
}

impl Region {
    fn clone_if(&self, wanted: bool) -> Option<Self> {
        wanted.then(|| self.clone())
    }
}

/// Starts the machines of a region that was loaded or made: those of its instances that are running.
fn power_up(world: &World, region: &Region) {
    for instance in region.instances.values() {
        if matches!(instance.state, InstanceState::Running | InstanceState::Pending)
            && let Err(error) = world.backend.start(&machine::machine(world, region, instance))
        {
            crate::log(format_args!("{error}"));
        }
    }
}

/// Of all parameters but those that may differ between tries.
fn digest(params: &Params) -> String {
    let pairs: Vec<String> = params
        .iter()
        .filter(|(name, _)| !matches!(*name, "ClientToken" | "Version" | "DryRun"))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    crate::digest(&pairs.join("&"), 32)
}
