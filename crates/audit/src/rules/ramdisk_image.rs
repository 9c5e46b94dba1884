//! Paravirtual with a RAM disk image: PV-GRUB takes none, so the kernel is not on the disk.

use super::{Rule, pv_grub, text};
use crate::facts::{Facts, seen};
use crate::model::{Finding, Level};

pub(super) const RULE: Rule = Rule {
    id: "ramdisk-image",
    level: Level::High,
    values: &[("ramdisk", "text: the RAM disk image")],
    link: "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/UserProvidedKernels.html",
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let Some(ramdisk) = facts
        .machine
        .ramdisk
        .as_ref()
        .filter(|_| facts.machine.is_paravirtual())
    else {
        return Vec::new();
    };
    vec![
        RULE.finding(pv_grub::doubtful_level(facts))
            .with("ramdisk", text(ramdisk))
            .because(seen("DescribeInstances", "RamdiskId", ramdisk))
            .command(facts.command("plan")),
    ]
}

#[cfg(test)]
mod tests {
    use comeback_cloud::ids::RamdiskId;

    use super::*;
    use crate::rules::testing::{nitro, of, old, with_event};

    #[test]
    fn a_ramdisk_image_is_told_of_a_paravirtual_instance() {
        assert_eq!(of(RULE, &old()), []);
        let mut facts = old();
        facts.machine.ramdisk = Some(RamdiskId::from_api("ari-2a9d8b2b"));
        assert_eq!(of(RULE, &facts)[0].level, Level::High);
        assert_eq!(
            of(RULE, &with_event(facts, "instance-stop", 1))[0].level,
            Level::Critical
        );
        let mut hvm = nitro();
        hvm.machine.ramdisk = Some(RamdiskId::from_api("ari-2a9d8b2b"));
        assert_eq!(of(RULE, &hvm), []);
    }
}
