//! A paravirtual instance that AWS moves to another host by itself when its own fails.

use comeback_cloud::model::{AutoRecovery, InstanceState};

use super::Rule;
use crate::facts::{Facts, seen};
use crate::model::{Finding, Level};

pub(super) const RULE: Rule = Rule {
    id: "auto-recovery",
    level: Level::Low,
    values: &[],
    link: "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-recover.html",
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let machine = &facts.machine;
    // What has its root on the host is not recovered.
    let is_meant =
        machine.is_paravirtual() && machine.state == InstanceState::Running && !machine.is_on_instance_store();
    if !is_meant || machine.auto_recovery == AutoRecovery::Disabled {
        return Vec::new();
    }
    let level = if facts.is_doubtful() { Level::Medium } else { RULE.level };
    let evidence = seen(
        "DescribeInstances",
        "MaintenanceOptions.AutoRecovery",
        &machine.auto_recovery,
    );
    vec![RULE.finding(level).because(evidence).command(facts.command("hold"))]
}

#[cfg(test)]
mod tests {
    use comeback_cloud::model::RootDeviceType;

    use super::*;
    use crate::rules::testing::{nitro, of, old, pv};

    #[test]
    fn what_could_be_moved_by_itself_is_told() {
        assert_eq!(of(RULE, &old()), [], "it is switched off");
        assert_eq!(of(RULE, &nitro()), [], "it is proven to boot");
        for (mut facts, level) in [(old(), Level::Medium), (pv("aki-176bf516"), Level::Low)] {
            facts.machine.auto_recovery = AutoRecovery::Default;
            assert_eq!(of(RULE, &facts)[0].level, level);
            facts.machine.root = RootDeviceType::InstanceStore;
            assert_eq!(of(RULE, &facts), []);
            facts.machine.root = RootDeviceType::Ebs;
            facts.machine.state = InstanceState::Stopped;
            assert_eq!(of(RULE, &facts), []);
        }
    }
}
