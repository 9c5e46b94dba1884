//! A paravirtual instance that a reboot of one's own moves to another host, as a `system-reboot` is due.
//!
//! "Just reboot it ourselves, to be safe" is the dangerous act then.

use comeback_cloud::model::{EventCode, InstanceState, RebootMigration};

use super::{Rule, word};
use crate::facts::{Facts, seen};
use crate::model::{Finding, Level};

pub(super) const RULE: Rule = Rule {
    id: "reboot-migration",
    level: Level::Low,
    values: &[(
        "due",
        "word: `yes` if a system-reboot is due, so that it holds now; `no` if it would only hold then",
    )],
    link: "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/schedevents_actions_reboot.html",
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let machine = &facts.machine;
    if !machine.is_paravirtual() || machine.state != InstanceState::Running {
        return Vec::new();
    }
    let due = facts
        .deadlines()
        .iter()
        .any(|deadline| deadline.code == EventCode::SystemReboot);
    let setting = match &machine.reboot_migration {
        Some(RebootMigration::Disabled) => return Vec::new(),
        Some(setting) => setting.as_str(),
        // It is on unless somebody has switched it off, but that matters only once there is something to move it for.
        None if due => "",
        None => return Vec::new(),
    };
    let level = if due { Level::High } else { RULE.level };
    vec![
        RULE.finding(level)
            .with("due", word(if due { "yes" } else { "no" }))
            .because(seen("DescribeInstances", "MaintenanceOptions.RebootMigration", setting))
            .command(facts.command("hold")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{nitro, of, old, with_event};

    #[test]
    fn it_matters_while_a_system_reboot_is_due() {
        let mut facts = old();
        assert_eq!(of(RULE, &facts), [], "it is switched off");
        facts.machine.reboot_migration = Some(RebootMigration::Default);
        assert_eq!(of(RULE, &facts)[0].level, Level::Low);
        assert_eq!(
            of(RULE, &with_event(facts.clone(), "instance-reboot", 9))[0].level,
            Level::Low
        );
        assert_eq!(
            of(RULE, &with_event(facts.clone(), "system-reboot", 9))[0].level,
            Level::High
        );
        facts.machine.reboot_migration = None;
        assert_eq!(of(RULE, &facts), []);
        assert_eq!(of(RULE, &with_event(facts, "system-reboot", 9))[0].level, Level::High);
        assert_eq!(of(RULE, &with_event(nitro(), "system-reboot", 9)), []);
    }
}
