//! Putting scheduled events off.

use comeback_cloud::Region;
use comeback_cloud::ids::{EventId, InstanceId};
use comeback_cloud::model::{Event, EventCode, Status};
use jiff::{SignedDuration, Timestamp};

use super::StopgapError;

/// EC2 wants the new time to be at least this far ahead
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/schedevents_actions_reboot.html>).
const LEAST_NOTICE: SignedDuration = SignedDuration::from_mins(60);
/// An event that begins sooner than this cannot be put off any more (same source).
const TOO_LATE: SignedDuration = SignedDuration::from_mins(5);

/// An event and the time to which it is put off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postponement {
    /// The event.
    pub event: EventId,
    /// What it is.
    pub code: EventCode,
    /// When it would begin; nothing where EC2 does not tell.
    pub from: Option<Timestamp>,
    /// When it shall begin.
    pub to: Timestamp,
    /// The last time that AWS allows.
    pub deadline: Timestamp,
}

/// What can be put off: one event, or all that can be. To the time that is wished for, or as late as AWS allows.
///
/// # Errors
/// [`StopgapError::Refused`] with the reason, when there is nothing that can be put off to that time.
pub fn plan(
    status: &Status,
    event: Option<&EventId>,
    to: Option<Timestamp>,
    now: Timestamp,
) -> Result<Vec<Postponement>, StopgapError> {
    let instance = &status.instance;
    let due: Vec<&Event> = status.due_events().collect();
    if due.is_empty() {
        return Err(StopgapError::refused(
            format!("nothing is scheduled for {instance}"),
            "there is nothing to put off",
        ));
    }
    let asked: Vec<&Event> = match event {
        None => due,
        Some(id) => due.iter().copied().filter(|due| due.id.as_ref() == Some(id)).collect(),
    };
    if let (true, Some(id)) = (asked.is_empty(), event) {
        return Err(StopgapError::refused(
            format!("{instance} has no event {id} that is still to come"),
            format!("`comeback diagnose {instance}` lists its events"),
        ));
    }
    let mut refusals = Vec::new();
    let mut plans = Vec::new();
    for event in asked {
        match one(event, to, now) {
            Ok(plan) => plans.push(plan),
            Err(why) => refusals.push(format!("{}: {why}", named(event))),
        }
    }
    if plans.is_empty() {
        return Err(StopgapError::refused(
            refusals.join("; "),
            format!("`comeback plan {instance}`: migrate it before then; or `comeback hold {instance}`"),
        ));
    }
    plans.sort_by_key(|plan| plan.from);
    Ok(plans)
}

fn named(event: &Event) -> String {
    match &event.id {
        Some(id) => format!("{} {id}", event.code),
        None => event.code.to_string(),
    }
}

fn one(event: &Event, to: Option<Timestamp>, now: Timestamp) -> Result<Postponement, String> {
    let Some(id) = event.id.clone() else {
        return Err("it has no name by which EC2 could be asked".to_owned());
    };
    let Some(deadline) = event.deadline else {
        return Err("AWS does not let it be put off".to_owned());
    };
    if event.not_before.is_some_and(|at| at.duration_since(now) < TOO_LATE) {
        return Err("it begins within five minutes, too soon to be put off".to_owned());
    }
    let to = to.unwrap_or(deadline);
    if to > deadline {
        return Err(format!("it can be put off to {deadline} at the latest"));
    }
    if event.not_before.is_some_and(|at| to <= at) {
        return Err(match to == deadline {
            true => "it stands at the last time that AWS allows".to_owned(),
            false => format!("{to} is no later than it begins now"),
        });
    }
    if to.duration_since(now) < LEAST_NOTICE {
        return Err(format!("{to} is less than an hour ahead, which AWS wants at least"));
    }
    Ok(Postponement {
        event: id,
        code: event.code.clone(),
        from: event.not_before,
        to,
        deadline,
    })
}

/// Puts an event off.
///
/// # Errors
/// What the call can fail with.
pub async fn carry_out(region: &Region, instance: &InstanceId, plan: &Postponement) -> Result<(), StopgapError> {
    region.set_event_start(instance, &plan.event, plan.to).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use comeback_cloud::model::{Check, CheckState, EventStage, InstanceState};

    use super::*;

    fn now() -> Timestamp {
        "2017-12-29T00:00:00Z".parse().unwrap()
    }

    fn ahead(minutes: i64) -> Timestamp {
        now() + SignedDuration::from_mins(minutes)
    }

    fn event(id: &str, begins: i64, deadline: Option<i64>) -> Event {
        Event {
            id: Some(id.parse().unwrap()),
            code: EventCode::SystemReboot,
            description: String::new(),
            stage: EventStage::Due,
            not_before: Some(ahead(begins)),
            not_after: None,
            deadline: deadline.map(ahead),
        }
    }

    fn status(events: Vec<Event>) -> Status {
        let check = Check {
            state: CheckState::Ok,
            impaired_since: None,
        };
        Status {
            instance: "i-00000001".parse().unwrap(),
            state: InstanceState::Running,
            system: check.clone(),
            guest: check,
            events,
        }
    }

    fn refused(events: Vec<Event>, to: Option<i64>) -> String {
        let error = plan(&status(events), None, to.map(ahead), now()).unwrap_err();
        assert!(!error.help().is_empty());
        error.to_string()
    }

    const A: &str = "instance-event-00000000000000001";
    const B: &str = "instance-event-00000000000000002";

    #[test]
    fn all_that_can_be_put_off_is_as_late_as_allowed() {
        let mut done = event(A, 10, Some(9000));
        done.stage = EventStage::Completed;
        let status = status(vec![
            event(B, 600, Some(9000)),
            event(A, 300, Some(8000)),
            event(B, 700, None),
            done,
        ]);
        let plans = plan(&status, None, None, now()).unwrap();
        let times: Vec<_> = plans.iter().map(|plan| (plan.from.unwrap(), plan.to)).collect();
        assert_eq!(times, [(ahead(300), ahead(8000)), (ahead(600), ahead(9000))]);
        let one = plan(&status, Some(&B.parse().unwrap()), Some(ahead(8500)), now()).unwrap();
        assert_eq!((one.len(), one[0].to, one[0].deadline), (1, ahead(8500), ahead(9000)));
        let other = "instance-event-00000000000000009".parse().unwrap();
        assert!(
            plan(&status, Some(&other), None, now())
                .unwrap_err()
                .to_string()
                .contains("no event")
        );
    }

    #[test]
    fn what_cannot_be_put_off_says_why_and_at_its_border() {
        assert!(refused(vec![], None).contains("nothing is scheduled"));
        assert!(refused(vec![event(A, 300, None)], None).contains("does not let it"));
        assert!(refused(vec![event(A, 4, Some(9000))], None).contains("five minutes"));
        assert!(plan(&status(vec![event(A, 5, Some(9000))]), None, None, now()).is_ok());
        assert!(refused(vec![event(A, 300, Some(9000))], Some(9001)).contains("at the latest"));
        assert!(plan(&status(vec![event(A, 300, Some(9000))]), None, Some(ahead(9000)), now()).is_ok());
        assert!(refused(vec![event(A, 9000, Some(9000))], None).contains("last time"));
        assert!(refused(vec![event(A, 300, Some(9000))], Some(300)).contains("no later"));
        assert!(refused(vec![event(A, 30, Some(9000))], Some(59)).contains("an hour"));
        assert!(plan(&status(vec![event(A, 30, Some(9000))]), None, Some(ahead(60)), now()).is_ok());
        let mut nameless = event(A, 300, Some(9000));
        nameless.id = None;
        assert!(refused(vec![nameless], None).contains("no name"));
    }
}
