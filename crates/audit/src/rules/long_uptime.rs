//! Started long ago: a kernel that was installed since has never been booted.

use comeback_cloud::model::InstanceState;
use jiff::SignedDuration;

use super::Rule;
use crate::facts::{Facts, seen};
use crate::model::{Finding, Level, Value};

/// From when on it is long.
const LONG: SignedDuration = SignedDuration::from_hours(365 * 24);

pub(super) const RULE: Rule = Rule {
    id: "long-uptime",
    level: Level::Low,
    values: &[
        (
            "launched",
            "time: when it was last started; reboots since are not known",
        ),
        ("uptime", "seconds: since then"),
    ],
    link: "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-reboot.html",
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let Some(launched) = facts
        .machine
        .launched
        .filter(|_| facts.machine.state == InstanceState::Running)
    else {
        return Vec::new();
    };
    let uptime = facts.now.duration_since(launched);
    if uptime <= LONG {
        return Vec::new();
    }
    let level = if facts.machine.is_paravirtual() {
        Level::Medium
    } else {
        RULE.level
    };
    vec![
        RULE.finding(level)
            .with("launched", Value::Time(launched))
            .with("uptime", Value::Seconds(uptime.as_secs()))
            .because(seen("DescribeInstances", "LaunchTime", launched)),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::rules::testing::{after, nitro, of, old};

    #[test]
    fn a_year_is_not_long_and_a_second_more_is() {
        let year = after(-365 * 24);
        for (mut facts, level) in [(nitro(), Level::Low), (old(), Level::Medium)] {
            facts.machine.launched = Some(year);
            assert_eq!(of(RULE, &facts), []);
            facts.machine.launched = Some(year.checked_sub(SignedDuration::from_secs(1)).unwrap());
            assert_eq!(of(RULE, &facts)[0].level, level);
            facts.machine.state = InstanceState::Stopped;
            assert_eq!(of(RULE, &facts), []);
        }
    }
}
