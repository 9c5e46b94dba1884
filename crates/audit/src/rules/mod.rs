//! What is looked for: one file for each rule.
//!
//! A rule is a pure function of what is known of an instance. It writes no sentences: its findings carry the values that it
//! documents, and the reports have the texts for its id. [`all`] is what the documentation and the reports' catalogue are
//! checked against.

mod address_lost_on_stop;
mod already_dead;
mod auto_recovery;
mod events;
mod instance_store_root;
mod long_uptime;
mod no_kernel_id;
mod not_nitro_ready;
mod other_kernel_image;
mod previous_generation;
mod pv_grub;
mod ramdisk_image;
mod reboot_migration;
#[cfg(test)]
pub(crate) mod testing;

use std::collections::BTreeMap;

use crate::facts::Facts;
use crate::model::{Evidence, Finding, Level, Value};

/// A rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its stable id.
    pub id: &'static str,
    /// How much its findings matter, if nothing makes them matter more or less.
    pub level: Level,
    /// Names of the values of its findings and what they are. Those with a `?` may be missing.
    pub values: &'static [(&'static str, &'static str)],
    /// Where more about it can be read.
    pub link: &'static str,
    /// What it sees of an instance.
    pub check: fn(&Facts) -> Vec<Finding>,
}

/// All of them.
pub fn all() -> &'static [Rule] {
    &[
        already_dead::RULE,
        pv_grub::OLD,
        pv_grub::FOURTH,
        pv_grub::FIFTH,
        other_kernel_image::RULE,
        ramdisk_image::RULE,
        no_kernel_id::RULE,
        events::REBOOT,
        events::SYSTEM_REBOOT,
        events::MAINTENANCE,
        events::RETIREMENT,
        events::STOP,
        auto_recovery::RULE,
        reboot_migration::RULE,
        instance_store_root::RULE,
        long_uptime::RULE,
        previous_generation::RULE,
        not_nitro_ready::RULE,
        address_lost_on_stop::RULE,
    ]
}

/// All that the rules see of an instance, the worst first.
pub fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = all().iter().flat_map(|rule| (rule.check)(facts)).collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    findings
}

impl Rule {
    fn finding(&self, level: Level) -> Finding {
        Finding {
            rule: self.id.to_owned(),
            level,
            values: BTreeMap::new(),
            evidence: Vec::new(),
            command: None,
            link: self.link.to_owned(),
        }
    }
}

impl Finding {
    fn with(mut self, name: &str, value: Value) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }

    fn maybe(self, name: &str, value: Option<Value>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    fn because(mut self, evidence: Evidence) -> Self {
        self.evidence.push(evidence);
        self
    }

    fn command(mut self, command: String) -> Self {
        self.command = Some(command);
        self
    }
}

/// A word of a rule's own.
fn word(word: &str) -> Value {
    Value::Word(word.to_owned())
}

fn text(text: impl ToString) -> Value {
    Value::Text(text.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_there_once_and_links_lead_somewhere() {
        let ids: BTreeSet<_> = all().iter().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), all().len());
        for rule in all() {
            assert!(rule.link.starts_with("https://"), "{}", rule.id);
        }
    }

    /// Whatever a rule finds has the values that it documents, and no others.
    #[test]
    fn findings_have_the_values_that_are_documented() {
        let mut seen = BTreeSet::new();
        for facts in testing::many() {
            for rule in all() {
                for finding in (rule.check)(&facts) {
                    assert_eq!(finding.rule, rule.id);
                    seen.insert(rule.id);
                    for (name, _) in rule.values.iter().filter(|(name, _)| !name.ends_with('?')) {
                        assert!(finding.values.contains_key(*name), "{} lacks {name}", rule.id);
                    }
                    for name in finding.values.keys() {
                        let known = rule.values.iter().any(|(known, _)| known.trim_end_matches('?') == name);
                        assert!(known, "{} does not document {name}", rule.id);
                    }
                    assert!(!finding.evidence.is_empty(), "{} has no evidence", rule.id);
                }
            }
        }
        let unseen: Vec<_> = all()
            .iter()
            .map(|rule| rule.id)
            .filter(|id| !seen.contains(id))
            .collect();
        assert_eq!(unseen, [""; 0], "rules that nothing here triggers");
    }

    #[test]
    fn a_healthy_nitro_instance_has_nothing() {
        assert_eq!(check(&testing::nitro()), []);
    }
}
