//! Paravirtual, and nothing says what loads its kernel.

use super::{Rule, pv_grub};
use crate::facts::{Facts, seen};
use crate::model::{Finding, Level};

pub(super) const RULE: Rule = Rule {
    id: "no-kernel-id",
    level: Level::High,
    values: &[],
    link: "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/UserProvidedKernels.html",
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    if !facts.machine.is_paravirtual() || facts.machine.kernel.is_some() {
        return Vec::new();
    }
    vec![
        RULE.finding(pv_grub::doubtful_level(facts))
            .because(seen(
                "DescribeInstances",
                "VirtualizationType",
                &facts.machine.virtualization,
            ))
            .because(seen("DescribeInstances", "KernelId", ""))
            .command(facts.command("migrate")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{nitro, of, old, with_event};

    #[test]
    fn only_a_paravirtual_instance_needs_a_kernel_image() {
        assert_eq!(of(RULE, &nitro()), []);
        assert_eq!(of(RULE, &old()), []);
        let mut facts = old();
        facts.machine.kernel = None;
        facts.kernel = None;
        assert_eq!(of(RULE, &facts)[0].level, Level::High);
        assert_eq!(
            of(RULE, &with_event(facts, "instance-reboot", 1))[0].level,
            Level::Critical
        );
    }
}
