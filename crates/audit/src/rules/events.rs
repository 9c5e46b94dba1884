//! What AWS has scheduled, and what it does to this very instance. One rule for each kind of event.

use comeback_cloud::model::EventCode;

use super::{Rule, text, word};
use crate::facts::{Facts, seen};
use crate::model::{Deadline, Effect, Finding, Level, Value};

const VALUES: &[(&str, &str)] = &[
    ("event?", "text: its name in EC2; some old events have none"),
    ("code", "text: what AWS calls it"),
    (
        "effect",
        "word: what it does: `reboot-in-place`, `reboot-new-host`, `stop`, `loss-of-root`, `interruption`, `unknown`",
    ),
    ("not-before?", "time: it does not begin before"),
    ("not-after?", "time: it is over by then"),
    ("left?", "seconds: until it begins; negative when that has passed"),
    (
        "movable-until?",
        "time: the last one to which it can be moved; missing if it cannot be",
    ),
];
const LINK: &str = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-instances-status-check_sched.html";

/// A reboot where it is.
pub(super) const REBOOT: Rule = Rule {
    id: "event-reboot",
    level: Level::Low,
    values: VALUES,
    link: LINK,
    check: |facts| check(&REBOOT, facts, |code| *code == EventCode::InstanceReboot),
};

/// A reboot onto another host.
pub(super) const SYSTEM_REBOOT: Rule = Rule {
    id: "event-system-reboot",
    level: Level::Low,
    values: VALUES,
    link: LINK,
    check: |facts| check(&SYSTEM_REBOOT, facts, |code| *code == EventCode::SystemReboot),
};

/// Work on the host, or something that this program does not know.
pub(super) const MAINTENANCE: Rule = Rule {
    id: "event-maintenance",
    level: Level::Low,
    values: VALUES,
    link: LINK,
    check: |facts| {
        check(&MAINTENANCE, facts, |code| {
            matches!(code, EventCode::SystemMaintenance | EventCode::Other(_))
        })
    },
};

/// The host is given up.
pub(super) const RETIREMENT: Rule = Rule {
    id: "event-retirement",
    level: Level::Medium,
    values: VALUES,
    link: LINK,
    check: |facts| check(&RETIREMENT, facts, |code| *code == EventCode::InstanceRetirement),
};

/// It is stopped.
pub(super) const STOP: Rule = Rule {
    id: "event-stop",
    level: Level::Medium,
    values: VALUES,
    link: LINK,
    check: |facts| check(&STOP, facts, |code| *code == EventCode::InstanceStop),
};

fn check(rule: &Rule, facts: &Facts, is_meant: impl Fn(&EventCode) -> bool) -> Vec<Finding> {
    let deadlines = facts.deadlines();
    let meant = deadlines.iter().filter(|deadline| is_meant(&deadline.code));
    meant.map(|deadline| finding(rule, facts, deadline)).collect()
}

fn finding(rule: &Rule, facts: &Facts, deadline: &Deadline) -> Finding {
    let call = "DescribeInstanceStatus";
    let mut finding = rule
        .finding(level(rule, facts, deadline.effect))
        .maybe("event", deadline.event.as_ref().map(text))
        .with("code", text(&deadline.code))
        .with("effect", word(effect(deadline.effect)))
        .maybe("not-before", deadline.not_before.map(Value::Time))
        .maybe("not-after", deadline.not_after.map(Value::Time))
        .maybe(
            "left",
            deadline
                .not_before
                .map(|at| Value::Seconds(at.duration_since(facts.now).as_secs())),
        )
        .maybe("movable-until", deadline.movable_until.map(Value::Time))
        .because(seen(call, "Events.Code", &deadline.code));
    if let Some(at) = deadline.not_before {
        finding = finding.because(seen(call, "Events.NotBefore", at));
    }
    if let Some(at) = deadline.movable_until {
        finding = finding
            .because(seen(call, "Events.NotBeforeDeadline", at))
            .command(facts.command("postpone"));
    }
    finding
}

/// What it means for an instance that may not boot, for a paravirtual one that probably does, and for the others.
fn level(rule: &Rule, facts: &Facts, effect: Effect) -> Level {
    match effect {
        Effect::LossOfRoot => Level::Critical,
        Effect::RebootInPlace | Effect::RebootNewHost | Effect::Stop if facts.is_doubtful() => Level::Critical,
        Effect::Interruption | Effect::Unknown if facts.is_doubtful() => Level::High,
        Effect::Interruption | Effect::Unknown if facts.machine.is_paravirtual() => Level::Medium,
        _ if facts.machine.is_paravirtual() => Level::High,
        _ => rule.level,
    }
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::RebootInPlace => "reboot-in-place",
        Effect::RebootNewHost => "reboot-new-host",
        Effect::Stop => "stop",
        Effect::LossOfRoot => "loss-of-root",
        Effect::Interruption => "interruption",
        Effect::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use comeback_cloud::model::{EventStage, RootDeviceType};
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::rules::testing::{after, nitro, now, of, old, pv, with_event};

    const ALL: [Rule; 5] = [REBOOT, SYSTEM_REBOOT, MAINTENANCE, RETIREMENT, STOP];

    fn seen(facts: &Facts) -> Vec<(String, Value, Level)> {
        let findings = ALL.iter().flat_map(|rule| of(*rule, facts));
        findings
            .map(|finding| (finding.rule, finding.values["effect"].clone(), finding.level))
            .collect()
    }

    #[test]
    fn each_event_has_its_effect_and_its_weight() {
        let cases = [
            (
                "instance-reboot",
                "event-reboot",
                "reboot-in-place",
                [Level::Critical, Level::High, Level::Low],
            ),
            (
                "system-reboot",
                "event-system-reboot",
                "reboot-new-host",
                [Level::Critical, Level::High, Level::Low],
            ),
            (
                "system-maintenance",
                "event-maintenance",
                "interruption",
                [Level::High, Level::Medium, Level::Low],
            ),
            (
                "instance-retirement",
                "event-retirement",
                "stop",
                [Level::Critical, Level::High, Level::Medium],
            ),
            (
                "instance-stop",
                "event-stop",
                "stop",
                [Level::Critical, Level::High, Level::Medium],
            ),
            (
                "new-thing",
                "event-maintenance",
                "unknown",
                [Level::High, Level::Medium, Level::Low],
            ),
        ];
        for (code, rule, effect, levels) in cases {
            for (facts, level) in [old(), pv("aki-176bf516"), nitro()].into_iter().zip(levels) {
                assert_eq!(
                    seen(&with_event(facts, code, 48)),
                    [(rule.to_owned(), word(effect), level)],
                    "{code}"
                );
            }
        }
    }

    #[test]
    fn a_root_on_the_host_is_lost_with_it() {
        for code in ["system-reboot", "instance-retirement", "instance-stop"] {
            let mut facts = with_event(nitro(), code, 48);
            facts.machine.root = RootDeviceType::InstanceStore;
            assert_eq!(seen(&facts)[0].1, word("loss-of-root"), "{code}");
            assert_eq!(seen(&facts)[0].2, Level::Critical, "{code}");
        }
        let mut stays = with_event(nitro(), "instance-reboot", 48);
        stays.machine.root = RootDeviceType::InstanceStore;
        assert_eq!(seen(&stays)[0].1, word("reboot-in-place"));
    }

    #[test]
    fn what_is_done_or_called_off_is_not_due() {
        for stage in [EventStage::Completed, EventStage::Canceled] {
            let mut facts = with_event(old(), "system-reboot", 48);
            facts.status.as_mut().unwrap().events[0].stage = stage;
            assert_eq!(seen(&facts), []);
        }
        assert_eq!(seen(&old()), []);
    }

    fn movable(begins: Timestamp, deadline: Option<Timestamp>) -> Option<Value> {
        let mut facts = with_event(old(), "system-reboot", 48);
        let event = &mut facts.status.as_mut().unwrap().events[0];
        event.not_before = Some(begins);
        event.deadline = deadline;
        let finding = of(SYSTEM_REBOOT, &facts).remove(0);
        let until = finding.values.get("movable-until").cloned();
        assert_eq!(finding.command.is_some(), until.is_some());
        until
    }

    #[test]
    fn it_can_be_moved_until_its_deadline_and_an_hour_ahead_at_least() {
        let minutes = |minutes| now().checked_add(SignedDuration::from_mins(minutes)).unwrap();
        assert_eq!(movable(after(48), Some(after(72))), Some(Value::Time(after(72))));
        assert_eq!(movable(after(48), None), None);
        assert_eq!(movable(minutes(10), Some(now())), None, "the deadline is now");
        assert_eq!(movable(minutes(10), Some(minutes(59))), None);
        assert_eq!(movable(minutes(10), Some(minutes(60))), Some(Value::Time(minutes(60))));
        assert_eq!(
            movable(minutes(4), Some(after(72))),
            None,
            "it begins in less than five minutes"
        );
        assert_eq!(movable(minutes(5), Some(after(72))), Some(Value::Time(after(72))));
        assert_eq!(movable(after(72), Some(after(72))), None, "it is as late as it can be");
    }

    #[test]
    fn one_that_has_begun_is_still_told() {
        let finding = of(SYSTEM_REBOOT, &with_event(old(), "system-reboot", -1)).remove(0);
        assert_eq!(finding.values["left"], Value::Seconds(-3600));
    }
}
