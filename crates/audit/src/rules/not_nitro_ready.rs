//! An HVM instance on Xen that a change to a Nitro type would leave without network, as far as metadata shows.

use comeback_cloud::model::Architecture;

use super::{Rule, word};
use crate::facts::{Facts, seen};
use crate::model::{Finding, Level};

pub(super) const RULE: Rule = Rule {
    id: "not-nitro-ready",
    level: Level::Low,
    values: &[(
        "reason",
        "word: `no-ena` if ENA is not switched on, `32-bit` if the guest has 32 bits",
    )],
    link: "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/migrating-latest-types.html",
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let machine = &facts.machine;
    if machine.is_paravirtual() || !facts.is_xen() {
        return Vec::new();
    }
    if machine.architecture == Architecture::I386 {
        // No driver helps it: no Nitro type runs 32 bits.
        let evidence = seen("DescribeInstances", "Architecture", &machine.architecture);
        return vec![
            RULE.finding(RULE.level)
                .with("reason", word("32-bit"))
                .because(evidence),
        ];
    }
    if machine.ena {
        return Vec::new();
    }
    let evidence = seen("DescribeInstances", "EnaSupport", machine.ena);
    vec![
        RULE.finding(RULE.level)
            .with("reason", word("no-ena"))
            .because(evidence),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{nitro, of, old, xen};

    #[test]
    fn what_is_not_ready_is_told_with_its_reason() {
        assert_eq!(of(RULE, &xen()), [], "it has ENA");
        assert_eq!(of(RULE, &old()), [], "a paravirtual one has other troubles");
        let mut facts = xen();
        facts.machine.ena = false;
        assert_eq!(of(RULE, &facts)[0].values["reason"], word("no-ena"));
        facts.machine.architecture = Architecture::I386;
        assert_eq!(of(RULE, &facts)[0].values["reason"], word("32-bit"));
        let mut on_nitro = nitro();
        on_nitro.machine.ena = false;
        assert_eq!(of(RULE, &on_nitro), []);
    }

    #[test]
    fn a_type_that_was_not_read_is_known_by_its_family() {
        let mut facts = xen();
        facts.machine.ena = false;
        facts.kind = None;
        assert_eq!(of(RULE, &facts).len(), 1);
        facts.machine.instance_type = "m5.large".to_owned();
        assert_eq!(of(RULE, &facts), []);
    }
}
