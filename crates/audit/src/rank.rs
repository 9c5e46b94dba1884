//! What comes first, and what to do about it.

use std::cmp::{Ordering, Reverse};

use jiff::Timestamp;

use crate::facts::Facts;
use crate::model::{ALREADY_DEAD, Act, Advice, Deadline, Effect, Finding, Level, Subject};

/// Days that an instance without an event is reckoned to have.
const WITHOUT_DATE: f64 = 365.0;
const DAY: f64 = 86_400.0;
/// An event that is nearer than this is put off first, where that is possible: a migration wants to be prepared.
const NEAR: f64 = 7.0;

/// What is at stake. One level is worth ten of the one below it: an instance that certainly dies in ten days is as urgent as
/// one that may die tomorrow.
fn weight(level: Level) -> f64 {
    match level {
        Level::Critical => 10_000.0,
        Level::High => 1_000.0,
        Level::Medium => 100.0,
        Level::Low => 10.0,
        Level::Info => 1.0,
    }
}

/// Days until something begins, none if it has begun.
fn days(at: Timestamp, now: Timestamp) -> f64 {
    (at.duration_since(now).as_secs_f64() / DAY).max(0.0)
}

/// Whether it is dead already, then risk over the days left.
fn urgency(subject: &Subject, now: Timestamp) -> (bool, f64) {
    let left = match &subject.deadline {
        // An event without a time may begin at once.
        Some(deadline) => deadline.not_before.map_or(0.0, |at| days(at, now)),
        None => WITHOUT_DATE,
    };
    (subject.is_dead(), weight(subject.risk) / (left + 1.0))
}

/// Puts first what dies first, of these what costs most while it is away.
pub fn sort(subjects: &mut [Subject], now: Timestamp) {
    subjects.sort_by(|one, other| {
        let (one_dead, one_urgency) = urgency(one, now);
        let (other_dead, other_urgency) = urgency(other, now);
        let price = |subject: &Subject| subject.hourly.as_ref().map_or(0, |money| money.micros);
        (other_dead.cmp(&one_dead))
            .then(other_urgency.partial_cmp(&one_urgency).unwrap_or(Ordering::Equal))
            .then(Reverse(price(one)).cmp(&Reverse(price(other))))
            .then_with(|| (&one.account, &one.region, &one.id).cmp(&(&other.account, &other.region, &other.id)))
    });
}

/// An instance with what is left of its findings; nothing without any.
pub fn subject(facts: &Facts, findings: Vec<Finding>) -> Option<Subject> {
    let risk = findings.iter().map(|finding| finding.level).max()?;
    let deadline = facts.deadlines().into_iter().next();
    let machine = &facts.machine;
    Some(Subject {
        client: facts.place.client.clone(),
        account: facts.place.account.clone(),
        region: facts.region.clone(),
        zone: machine.zone.clone(),
        id: machine.id.clone(),
        name: machine.name().map(str::to_owned),
        instance_type: machine.instance_type.clone(),
        state: machine.state.clone(),
        virtualization: machine.virtualization.clone(),
        kernel: machine.kernel.clone(),
        root: machine.root.clone(),
        launched: machine.launched,
        risk,
        advice: advice(facts, deadline.as_ref(), &findings),
        deadline,
        hourly: facts.hourly.clone(),
        successor: facts.successor.clone(),
        findings,
    })
}

fn advice(facts: &Facts, deadline: Option<&Deadline>, findings: &[Finding]) -> Advice {
    let by = deadline.and_then(|deadline| deadline.not_before);
    let is = |rule: &str| findings.iter().any(|finding| finding.rule == rule);
    let say = |act, by, verb: Option<&str>| Advice {
        act,
        by,
        command: verb.map(|verb| facts.command(verb)),
    };
    if is(ALREADY_DEAD) {
        // It is late already: no date is left to wait for.
        return match facts.machine.is_paravirtual() {
            true => say(Act::Rescue, None, Some("rescue")),
            false => say(Act::Diagnose, None, Some("diagnose")),
        };
    }
    let loses = deadline.is_some_and(|deadline| deadline.effect == Effect::LossOfRoot);
    if facts.machine.is_on_instance_store() && (facts.machine.is_paravirtual() || loses) {
        return say(Act::SaveData, by, None);
    }
    let is_near = by.is_some_and(|at| days(at, facts.now) < NEAR);
    let is_movable = deadline.is_some_and(|deadline| deadline.movable_until.is_some());
    if facts.machine.is_paravirtual() {
        return match is_near && is_movable {
            true => say(Act::Postpone, by, Some("postpone")),
            false => say(Act::Migrate, by, Some("migrate")),
        };
    }
    if is("not-nitro-ready") {
        say(Act::Prepare, None, None)
    } else if is("previous-generation") && facts.successor.is_some() {
        say(Act::ChangeType, None, None)
    } else {
        say(Act::Know, by, None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use comeback_cloud::model::RootDeviceType;

    use super::*;
    use crate::model::Money;
    use crate::rules::check;
    use crate::rules::testing::{after, dead, nitro, now, old, pv, with_event, xen};

    fn made(name: &str, facts: &Facts) -> Subject {
        let mut subject = subject(facts, check(facts)).unwrap();
        subject.name = Some(name.to_owned());
        subject
    }

    fn order(mut subjects: Vec<Subject>) -> Vec<String> {
        sort(&mut subjects, now());
        subjects.into_iter().filter_map(|subject| subject.name).collect()
    }

    #[test]
    fn what_dies_first_comes_first() {
        let mut unready = xen();
        unready.machine.ena = false;
        let subjects = vec![
            made("hvm", &unready),
            made("no date", &old()),
            made("in 40 days", &with_event(old(), "system-reboot", 40 * 24)),
            made(
                "probably boots, tomorrow",
                &with_event(pv("aki-176bf516"), "system-reboot", 24),
            ),
            made("in 2 days", &with_event(old(), "system-reboot", 48)),
            made("dead", &dead(old(), 1)),
        ];
        let expected = [
            "dead",
            "in 2 days",
            "probably boots, tomorrow",
            "in 40 days",
            "no date",
            "hvm",
        ];
        assert_eq!(order(subjects), expected);
    }

    #[test]
    fn of_equals_the_dearer_comes_first_and_the_order_is_always_the_same() {
        let cheap = made("cheap", &old());
        let mut dear = made("dear", &old());
        dear.hourly = Some(Money {
            micros: 1_000_000,
            currency: "USD".to_owned(),
        });
        let mut twin = made("twin", &old());
        twin.id = "i-0123456789abcdef1".parse().unwrap();
        assert_eq!(
            order(vec![twin.clone(), cheap.clone(), dear.clone()]),
            ["dear", "cheap", "twin"]
        );
        assert_eq!(order(vec![cheap, dear, twin]), ["dear", "cheap", "twin"]);
    }

    #[test]
    fn every_instance_has_its_advice() {
        let act = |facts: &Facts| made("x", facts).advice;
        assert_eq!(act(&dead(old(), 1)).act, Act::Rescue);
        assert_eq!(act(&dead(nitro(), 1)).act, Act::Diagnose);
        assert_eq!(act(&old()).act, Act::Migrate);
        // A week is time enough to migrate, less is not.
        let week = act(&with_event(old(), "system-reboot", 7 * 24));
        assert_eq!((week.act, week.by), (Act::Migrate, Some(after(7 * 24))));
        let soon = act(&with_event(old(), "system-reboot", 7 * 24 - 1));
        assert_eq!(soon.act, Act::Postpone);
        assert_eq!(
            soon.command.unwrap(),
            "comeback postpone i-0123456789abcdef0 --region ap-northeast-1"
        );
        let mut on_host = old();
        on_host.machine.root = RootDeviceType::InstanceStore;
        assert_eq!(act(&on_host).act, Act::SaveData);
        let mut unready = xen();
        unready.machine.ena = false;
        assert_eq!(act(&unready).act, Act::Prepare);
        let told = act(&with_event(nitro(), "instance-retirement", 48));
        assert_eq!((told.act, told.by), (Act::Know, Some(after(48))));
    }

    #[test]
    fn commands_go_the_way_that_the_audit_went() {
        let mut facts = old();
        let mut place = (*facts.place).clone();
        place.way = "--role-arn arn:aws:iam::111122223333:role/audit".to_owned();
        facts.place = place.into();
        let command = made("x", &facts).advice.command.unwrap();
        assert!(command.ends_with("--region ap-northeast-1 --role-arn arn:aws:iam::111122223333:role/audit"));
    }

    #[test]
    fn without_findings_there_is_nothing_to_say() {
        assert_eq!(subject(&nitro(), Vec::new()), None);
    }
}
