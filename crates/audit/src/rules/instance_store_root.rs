//! The root is on the host's own disks: it cannot outlive the host, be stopped, or be migrated.

use super::Rule;
use crate::facts::{Facts, seen};
use crate::model::{Effect, Finding, Level};

pub(super) const RULE: Rule = Rule {
    id: "instance-store-root",
    level: Level::Medium,
    values: &[],
    link: "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/RootDeviceStorage.html",
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    if !facts.machine.is_on_instance_store() {
        return Vec::new();
    }
    let level = if facts
        .deadlines()
        .iter()
        .any(|deadline| deadline.effect == Effect::LossOfRoot)
    {
        Level::Critical
    } else if facts.machine.is_paravirtual() {
        Level::High
    } else {
        RULE.level
    };
    vec![
        RULE.finding(level)
            .because(seen("DescribeInstances", "RootDeviceType", &facts.machine.root)),
    ]
}

#[cfg(test)]
mod tests {
    use comeback_cloud::model::RootDeviceType;

    use super::*;
    use crate::rules::testing::{nitro, of, old, with_event};

    #[test]
    fn a_root_on_the_host_is_told_and_weighs_more_when_it_goes() {
        assert_eq!(of(RULE, &nitro()), []);
        for (mut facts, level) in [(nitro(), Level::Medium), (old(), Level::High)] {
            facts.machine.root = RootDeviceType::InstanceStore;
            assert_eq!(of(RULE, &facts)[0].level, level);
            assert_eq!(
                of(RULE, &with_event(facts.clone(), "instance-reboot", 9))[0].level,
                level
            );
            assert_eq!(
                of(RULE, &with_event(facts, "instance-retirement", 9))[0].level,
                Level::Critical
            );
        }
    }
}
