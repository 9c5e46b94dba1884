//! A public address that is lent until the next stop.

use comeback_cloud::model::InstanceState;

use super::{Rule, text};
use crate::facts::{Facts, seen};
use crate::model::{Effect, Finding, Level};

pub(super) const RULE: Rule = Rule {
    id: "address-lost-on-stop",
    level: Level::Info,
    values: &[("addresses", "text: the addresses, separated by commas")],
    link: "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-instance-addressing.html",
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let machine = &facts.machine;
    if machine.lent_addresses.is_empty() || machine.state != InstanceState::Running {
        return Vec::new();
    }
    let addresses: Vec<String> = machine.lent_addresses.iter().map(ToString::to_string).collect();
    let addresses = addresses.join(", ");
    // A paravirtual instance has to be stopped to be brought to HVM.
    let stops = |effect| matches!(effect, Effect::Stop | Effect::LossOfRoot);
    let will_stop = machine.is_paravirtual() || facts.deadlines().iter().any(|deadline| stops(deadline.effect));
    let level = if will_stop { Level::Medium } else { RULE.level };
    vec![
        RULE.finding(level)
            .with("addresses", text(&addresses))
            .because(seen(
                "DescribeInstances",
                "NetworkInterfaces.Association.IpOwnerId",
                "amazon",
            ))
            .because(seen("DescribeInstances", "PublicIpAddress", addresses)),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::rules::testing::{nitro, of, old, with_event};

    #[test]
    fn a_lent_address_matters_when_a_stop_is_ahead() {
        assert_eq!(of(RULE, &old()), [], "it has none");
        let lent = |mut facts: Facts| {
            facts.machine.lent_addresses = vec!["203.0.113.9".parse().unwrap()];
            facts
        };
        assert_eq!(of(RULE, &lent(nitro()))[0].level, Level::Info);
        assert_eq!(of(RULE, &lent(old()))[0].level, Level::Medium);
        assert_eq!(
            of(RULE, &lent(with_event(nitro(), "instance-stop", 9)))[0].level,
            Level::Medium
        );
        assert_eq!(
            of(RULE, &lent(with_event(nitro(), "system-reboot", 9)))[0].level,
            Level::Info
        );
        let mut stopped = lent(old());
        stopped.machine.state = InstanceState::Stopped;
        assert_eq!(of(RULE, &stopped), []);
    }
}
