//! Running, billed, and not answering.

use comeback_cloud::model::CheckState;

use super::{Rule, word};
use crate::facts::{Facts, seen};
use crate::model::{ALREADY_DEAD, Finding, Level, Money, Value};

pub(super) const RULE: Rule = Rule {
    id: ALREADY_DEAD,
    level: Level::Critical,
    values: &[
        (
            "check",
            "word: `instance`, `system` or `both`: which status check fails",
        ),
        ("since?", "time: since when"),
        ("down?", "seconds: for how long"),
        ("cost?", "money: what it has cost since, on the price list"),
    ],
    link: "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/TroubleshootingInstances.html",
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let Some(status) = facts.status.as_ref().filter(|_| facts.is_dead()) else {
        return Vec::new();
    };
    let fails = |check: &comeback_cloud::model::Check| check.state == CheckState::Impaired;
    let which = match (fails(&status.guest), fails(&status.system)) {
        (true, true) => "both",
        (true, false) => "instance",
        _ => "system",
    };
    let since = [&status.guest, &status.system]
        .into_iter()
        .filter_map(|check| check.impaired_since)
        .min();
    let down = since.map(|since| facts.now.duration_since(since).as_secs().max(0));
    let cost = down.zip(facts.hourly.as_ref()).map(|(seconds, hourly)| {
        Value::Money(Money {
            micros: hourly.micros.saturating_mul(seconds) / 3600,
            currency: hourly.currency.clone(),
        })
    });
    let verb = if facts.machine.is_paravirtual() {
        "rescue"
    } else {
        "diagnose"
    };
    let call = "DescribeInstanceStatus";
    vec![
        RULE.finding(Level::Critical)
            .with("check", word(which))
            .maybe("since", since.map(Value::Time))
            .maybe("down", down.map(Value::Seconds))
            .maybe("cost", cost)
            .because(seen("DescribeInstances", "State", &facts.machine.state))
            .because(seen(call, "InstanceStatus.Status", &status.guest.state))
            .because(seen(call, "SystemStatus.Status", &status.system.state))
            .command(facts.command(verb)),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use comeback_cloud::model::InstanceState;

    use super::*;
    use crate::rules::testing::{after, dead, nitro, now, of, old};

    #[test]
    fn a_dead_instance_is_told_with_what_it_has_cost() {
        let finding = of(RULE, &dead(old(), 10)).remove(0);
        assert_eq!(finding.level, Level::Critical);
        assert_eq!(finding.values["since"], Value::Time(after(-10)));
        assert_eq!(finding.values["down"], Value::Seconds(36_000));
        let cost = Money {
            micros: 1_240_000,
            currency: "USD".to_owned(),
        };
        assert_eq!(finding.values["cost"], Value::Money(cost));
        assert!(finding.command.unwrap().starts_with("comeback rescue i-"));
        let hvm = of(RULE, &dead(nitro(), 1)).remove(0);
        assert!(hvm.command.unwrap().starts_with("comeback diagnose i-"));
    }

    #[test]
    fn one_that_is_only_coming_up_is_not_dead() {
        for state in [CheckState::Initializing, CheckState::InsufficientData, CheckState::Ok] {
            let mut facts = old();
            facts.status.as_mut().unwrap().guest.state = state;
            assert_eq!(of(RULE, &facts), []);
        }
        let mut stopped = dead(old(), 1);
        stopped.machine.state = InstanceState::Stopped;
        assert_eq!(of(RULE, &stopped), []);
        let mut unread = old();
        unread.status = None;
        assert_eq!(of(RULE, &unread), []);
    }

    #[test]
    fn what_began_right_now_has_cost_nothing_and_what_is_unknown_is_left_out() {
        let mut facts = dead(old(), 0);
        let finding = of(RULE, &facts).remove(0);
        assert_eq!(finding.values["since"], Value::Time(now()));
        assert!(matches!(&finding.values["cost"], Value::Money(money) if money.micros == 0));
        facts.hourly = None;
        facts.status.as_mut().unwrap().guest.impaired_since = None;
        let names: Vec<_> = of(RULE, &facts).remove(0).values.into_keys().collect();
        assert_eq!(names, ["check"]);
    }
}
