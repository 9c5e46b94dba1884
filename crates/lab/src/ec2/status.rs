//! Status checks and scheduled events.

use jiff::{SignedDuration, Timestamp};

use super::describe_instances::state;
use super::filter::{Filters, SIZES, one, page};
use super::{Answer, Call};
use crate::backend::Condition;
use crate::engine::event::Event;
use crate::engine::instance::{Instance, State};
use crate::engine::machine;
use crate::wire::{ApiError, Xml, iso};

/// How the checks of an instance stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Checks {
    system: Check,
    instance: Check,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    Ok,
    Impaired,
    Initializing,
    NotApplicable,
}

impl Check {
    fn status(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Impaired => "impaired",
            Self::Initializing => "initializing",
            Self::NotApplicable => "not-applicable",
        }
    }

    fn reachability(self) -> Option<&'static str> {
        match self {
            Self::Ok => Some("passed"),
            Self::Impaired => Some("failed"),
            Self::Initializing => Some("initializing"),
            Self::NotApplicable => None,
        }
    }
}

fn checks(call: &Call<'_>, instance: &Instance) -> Checks {
    let both = |check| Checks {
        system: check,
        instance: check,
    };
    if instance.state == State::Pending {
        return both(Check::Initializing);
    }
    if instance.state != State::Running {
        return both(Check::NotApplicable);
    }
    let instance = match machine::condition(call.world, call.region, instance) {
        Condition::Up => Check::Ok,
        Condition::Dead { .. } => Check::Impaired,
        Condition::Booting | Condition::Off => {
            let since = instance.powered.unwrap_or(instance.launched);
            let waited = call.now.duration_since(since);
            if waited > SignedDuration::from_millis(call.world.timings.grace.into()) {
                Check::Impaired
            } else {
                Check::Initializing
            }
        }
    };
    // The host is well: what fails is what runs on it.
    let system = if instance == Check::Initializing {
        Check::Initializing
    } else {
        Check::Ok
    };
    Checks { system, instance }
}

pub(super) fn describe(call: &mut Call<'_>) -> Answer {
    let ids = call.params.list("InstanceId");
    if ids.len() > 100 {
        return Err(ApiError::new(
            "InvalidParameterValue",
            "You can specify at most 100 instance IDs in a request.",
        ));
    }
    for id in &ids {
        call.region.instance(id)?;
    }
    let all = call.params.is_set("IncludeAllInstances")?;
    let filters = Filters::parse(call.params)?;
    let mut found = Vec::new();
    for instance in call.region.instances.values() {
        if !(ids.is_empty() || ids.contains(&instance.id.as_str())) || !(all || instance.state == State::Running) {
            continue;
        }
        let checks = checks(call, instance);
        if filters.keep(|name| value(instance, checks, name))? {
            found.push((instance, checks));
        }
    }
    let (found, next) = page(call.params, found, |(instance, _)| &instance.id, SIZES)?;
    let mut xml = Xml::new();
    xml.list("instanceStatusSet", found, |xml, (instance, checks)| {
        xml.text("instanceId", &instance.id)
            .text("availabilityZone", &instance.zone);
        xml.list("eventsSet", &instance.events, show_event);
        state(xml, "instanceState", instance.state);
        let since = instance.powered.unwrap_or(instance.launched);
        for (name, check) in [("systemStatus", checks.system), ("instanceStatus", checks.instance)] {
            xml.element(name, |xml| {
                xml.text("status", check.status());
                let Some(reachability) = check.reachability() else {
                    return;
                };
                xml.list("details", [reachability], |xml, status| {
                    xml.text("name", "reachability").text("status", status);
                    if check == Check::Impaired {
                        xml.text("impairedSince", iso(since));
                    }
                });
            });
        }
    });
    xml.opt("nextToken", next);
    Ok(xml)
}

fn value(instance: &Instance, checks: Checks, name: &str) -> Option<Vec<String>> {
    let events = |value: fn(&Event) -> String| Some(instance.events.iter().map(value).collect());
    match name {
        "availability-zone" => one(&instance.zone),
        "event.code" => events(|event| event.code.name().to_owned()),
        "event.description" => events(|event| event.description.clone()),
        "event.instance-event-id" => events(|event| event.id.clone()),
        "event.not-before" => events(|event| iso(event.not_before)),
        "instance-state-code" => one(instance.state.code_and_name().0),
        "instance-state-name" => one(instance.state.name()),
        "instance-status.status" => one(checks.instance.status()),
        "instance-status.reachability" => one(checks.instance.reachability().unwrap_or_default()),
        "system-status.status" => one(checks.system.status()),
        "system-status.reachability" => one(checks.system.reachability().unwrap_or_default()),
        _ => None,
    }
}

fn show_event(xml: &mut Xml, event: &Event) {
    xml.text("instanceEventId", &event.id)
        .text("code", event.code.name())
        .text("description", &event.description)
        .text("notBefore", iso(event.not_before))
        .opt("notAfter", event.not_after.map(iso))
        .opt("notBeforeDeadline", event.deadline.map(iso));
}

/// Puts an event off. The rules are those of the user guide: it has a deadline that has not passed, it does not begin within five
/// minutes, and its new time is at least an hour ahead and before the deadline.
pub(super) fn modify_event(call: &mut Call<'_>) -> Answer {
    let id = call.params.required("InstanceId")?.to_owned();
    let event_id = call.params.required("InstanceEventId")?.to_owned();
    let wanted = call.params.required("NotBefore")?;
    let wanted: Timestamp = wanted.parse().map_err(|_| ApiError::invalid("NotBefore", wanted))?;
    let now = call.now;
    let instance = call.region.instance_mut(&id)?;
    let event = instance
        .events
        .iter_mut()
        .find(|event| event.id == event_id)
        .ok_or_else(|| ApiError::not_found("InvalidInstanceEventId.NotFound", "instance event ID", &event_id))?;
    let refuse = |why: &str| {
        Err(ApiError::new(
            "UnsupportedOperation",
            format!("The event '{event_id}' {why}"),
        ))
    };
    let Some(deadline) = event.deadline.filter(|_| event.is_open()) else {
        return refuse("cannot be rescheduled: it has no deadline, or it is over");
    };
    if deadline <= now {
        return refuse("cannot be rescheduled: its deadline has passed");
    }
    if event.not_before.duration_since(now) < SignedDuration::from_mins(5) {
        return refuse("cannot be rescheduled: it begins within five minutes");
    }
    if wanted.duration_since(now) < SignedDuration::from_mins(60) || wanted > deadline {
        return Err(ApiError::new(
            "InvalidParameterValue",
            format!(
                "The new time has to be at least 60 minutes ahead and not after the deadline {}",
                iso(deadline)
            ),
        ));
    }
    if let Some(end) = event.not_after {
        let length = end.duration_since(event.not_before);
        event.not_after = wanted.checked_add(length).ok();
    }
    event.not_before = wanted;
    let event = event.clone();
    let mut xml = Xml::new();
    xml.element("event", |xml| show_event(xml, &event));
    Ok(xml)
}
