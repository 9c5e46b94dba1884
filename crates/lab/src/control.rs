//! What the person who runs the lab sees and does, beside AWS's protocols: `/lab/…`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Keys;
use crate::backend::Condition;
use crate::engine::instance::{Instance, State};
use crate::engine::{Region, World, machine, settle};
use crate::fault::Fault;
use crate::policy::Policy;
use crate::reply::Reply;
use crate::service::{Request, Service};

/// What there is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The scenario that it began with.
    pub scenario: String,
    /// Whether it has no machines.
    pub instant: bool,
    /// What time it is in the lab.
    pub now: jiff::Timestamp,
    /// Those that are not terminated.
    pub instances: Vec<StatusInstance>,
    /// How many volumes there are.
    pub volumes: usize,
    /// How many snapshots the accounts have.
    pub snapshots: usize,
    /// Faults that are set.
    pub faults: Vec<Fault>,
}

/// An instance, for a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusInstance {
    /// Account.
    pub account: String,
    /// Region.
    pub region: String,
    /// `i-…`
    pub id: String,
    /// Tag `Name`.
    pub name: String,
    /// Instance type.
    pub kind: String,
    /// `hvm` or `paravirtual`
    pub virtualization: String,
    /// As the API says.
    pub state: String,
    /// How its machine is doing: `up`, `booting`, `off`, or the line that shows that it will not come up.
    pub condition: String,
    /// Where it is reached.
    pub address: String,
    /// The next scheduled event.
    pub event: String,
}

fn name_of(region: &Region, id: &str) -> String {
    let tags = region.tags.get(id);
    tags.and_then(|tags| tags.get("Name")).cloned().unwrap_or_default()
}

fn status_of(world: &World, region: &Region, instance: &Instance) -> StatusInstance {
    let condition = match machine::condition(world, region, instance) {
        _ if instance.state != State::Running => "off".to_owned(),
        Condition::Off => "off".to_owned(),
        Condition::Booting => "booting".to_owned(),
        Condition::Up => "up".to_owned(),
        Condition::Dead { line } => format!("dead: {line}"),
    };
    let event = instance
        .events
        .iter()
        .filter(|event| event.is_open())
        .min_by_key(|event| event.not_before);
    StatusInstance {
        account: region.account.clone(),
        region: region.name.clone(),
        id: instance.id.clone(),
        name: name_of(region, &instance.id),
        kind: instance.kind.clone(),
        virtualization: instance.virtualization.name().to_owned(),
        state: instance.state.name().to_owned(),
        condition,
        address: region
            .public_of(instance)
            .map(|address| address.to_string())
            .unwrap_or_default(),
        event: event
            .map(|event| format!("{} on {}", event.code.name(), event.not_before.strftime("%Y-%m-%d")))
            .unwrap_or_default(),
    }
}

impl Service {
    pub(crate) fn keys(&self) -> Vec<Keys> {
        let saved = self.accounts().saved();
        let keys = saved.keys.into_values().filter(|key| key.token.is_none());
        let mut keys: Vec<Keys> = keys
            .map(|key| Keys {
                account: key.account,
                access_key: key.id,
                secret_key: key.secret,
            })
            .collect();
        keys.sort_by(|one, other| one.account.cmp(&other.account));
        keys
    }

    pub(crate) fn set_policy(&self, name: &str, policy: Option<Policy>) -> bool {
        let found = self.accounts().set_policies(name, policy.into_iter().collect());
        self.dirty.store(true, std::sync::atomic::Ordering::SeqCst);
        found
    }

    pub(crate) fn status(&self) -> Status {
        let mut status = Status {
            scenario: self.scenario.clone(),
            instant: self.world.instant,
            now: self.world.now(),
            instances: Vec::new(),
            volumes: 0,
            snapshots: 0,
            faults: self.world.faults.list(),
        };
        self.each_region(|world, region| {
            let living = region
                .instances
                .values()
                .filter(|instance| instance.state != State::Terminated);
            status
                .instances
                .extend(living.map(|instance| status_of(world, region, instance)));
            status.volumes += region.volumes.len();
            status.snapshots += region
                .snapshots
                .values()
                .filter(|snapshot| snapshot.owner_alias.is_none())
                .count();
        });
        status.instances.sort_by(|one, other| {
            (&one.account, &one.region, &one.name).cmp(&(&other.account, &other.region, &other.name))
        });
        status
    }

    pub(crate) fn fire(&self, name: &str) -> Option<String> {
        let fired = self.each_region(|world, region| {
            let found = region.instances.values().find_map(|instance| {
                let mut open = instance.events.iter().filter(|event| event.is_open());
                let event = if instance.id == name || name_of(region, &instance.id) == name {
                    open.min_by_key(|event| event.not_before)
                } else {
                    open.find(|event| event.id == name)
                };
                Some((instance.id.clone(), event?.id.clone()))
            });
            let (instance, event) = found?;
            settle::fire(world, region, &instance, &event);
            Some(instance)
        });
        self.dirty.store(true, std::sync::atomic::Ordering::SeqCst);
        fired.into_iter().flatten().next()
    }

    pub(crate) fn console(&self, name: &str) -> Option<Vec<u8>> {
        let consoles = self.each_region(|world, region| {
            let found = region
                .instances
                .values()
                .find(|instance| instance.id == name || name_of(region, &instance.id) == name);
            found.map(|instance| machine::console(world, instance))
        });
        consoles.into_iter().flatten().next()
    }

    pub(crate) fn normal_state(&self) -> Value {
        let regions = self.each_region(|_, region| {
            (
                format!("{}/{}", region.account, region.name),
                crate::normal::region(region),
            )
        });
        Value::Object(regions.into_iter().collect())
    }

    /// Answers a request of the person who runs the lab. Nobody signs these: they come from this machine, and a page in a browser
    /// cannot send them, as their host has to be a loopback address and their content type cannot come from a form.
    pub(crate) fn control(&self, request: &Request) -> Reply {
        let host = request
            .headers
            .get("host")
            .and_then(|host| host.to_str().ok())
            .unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let is_json = request
            .headers
            .get("content-type")
            .is_some_and(|kind| kind == "application/json");
        if !(host.starts_with("127.") || host == "localhost") || request.headers.contains_key("origin") {
            return json_reply(403, &json!({ "error": "only from this machine" }));
        }
        let body: Value = match (request.method.as_str(), request.body.is_empty()) {
            ("GET", _) => Value::Null,
            (_, true) if is_json => Value::Null,
            (_, false) if is_json => match serde_json::from_slice(&request.body) {
                Ok(body) => body,
                Err(error) => return json_reply(400, &json!({ "error": format!("the body is no JSON: {error}") })),
            },
            _ => return json_reply(415, &json!({ "error": "the content type has to be application/json" })),
        };
        if request.method == "POST" {
            self.dirty.store(true, std::sync::atomic::Ordering::SeqCst);
        }
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/lab/status") => json_reply(200, &json!(self.status())),
            ("GET", "/lab/calls") => json_reply(200, &json!(self.calls())),
            ("GET", "/lab/ignored") => json_reply(200, &json!(self.ignored())),
            ("GET", "/lab/state") => json_reply(200, &self.normal_state()),
            ("GET", "/lab/keys") => {
                let keys: Vec<Value> = self
                    .keys()
                    .into_iter()
                    .map(|keys| json!({ "account": keys.account, "access_key": keys.access_key, "secret_key": keys.secret_key }))
                    .collect();
                json_reply(200, &json!(keys))
            }
            ("GET", "/lab/faults") => json_reply(200, &json!(self.world.faults.list())),
            ("POST", "/lab/faults") => match serde_json::from_value::<Fault>(body) {
                Ok(fault) => json_reply(200, &json!({ "id": self.world.faults.set(fault) })),
                Err(error) => json_reply(400, &json!({ "error": format!("that is no fault: {error}") })),
            },
            ("POST", "/lab/faults/clear") => {
                let cleared = self.world.faults.clear(body.get("id").and_then(Value::as_u64));
                json_reply(200, &json!({ "cleared": cleared }))
            }
            ("POST", "/lab/fire") => match text("name").and_then(|name| self.fire(name)) {
                Some(instance) => json_reply(200, &json!({ "instance": instance })),
                None => json_reply(
                    404,
                    &json!({ "error": "no instance of this name has such an event ahead" }),
                ),
            },
            ("POST", "/lab/console") => match text("name").and_then(|name| self.console(name)) {
                Some(console) => Reply {
                    content_type: "text/plain",
                    body: console,
                    ..json_reply(200, &Value::Null)
                },
                None => json_reply(404, &json!({ "error": "there is no such instance" })),
            },
            ("POST", "/lab/policy") => {
                let policy = text("document").map(Policy::parse).transpose();
                match (policy, text("key")) {
                    (Err(error), _) => json_reply(400, &json!({ "error": error })),
                    (Ok(policy), Some(key)) if self.set_policy(key, policy.clone()) => {
                        json_reply(200, &json!({ "limited": policy.is_some() }))
                    }
                    _ => json_reply(404, &json!({ "error": "there is no such access key or role" })),
                }
            }
            ("POST", "/lab/down") => {
                self.ending.notify_one();
                json_reply(200, &json!({ "ending": true }))
            }
            _ => json_reply(404, &json!({ "error": "there is no such page" })),
        }
    }
}

fn json_reply(status: u16, body: &Value) -> Reply {
    Reply {
        status,
        content_type: "application/json",
        body: body.to_string().into_bytes(),
        delay: Duration::ZERO,
        lost: false,
    }
}
