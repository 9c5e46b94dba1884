//! Paravirtual on a PV-GRUB, by its version.
//!
//! Up to 1.03 it reads menu.lst in one place only, knows no GPT, and cannot unpack kernels that are compressed by xz; no
//! version can unpack lz4 and zstd. A kernel that an upgrade has installed since may be the one that it cannot start.

use super::{Rule, text, word};
use crate::facts::{Facts, seen};
use crate::model::{Effect, Evidence, Finding, Level};
use comeback_cloud::kernels::{Kernel, Known, Version};

const VALUES: &[(&str, &str)] = &[
    ("kernel", "text: the kernel image"),
    ("name", "text: the image's name"),
    ("version", "text: the version of PV-GRUB, such as 1.03"),
    (
        "known",
        "word: `image` if the image was read, `table` if it is from the built-in table",
    ),
    (
        "confidence?",
        "word: how sure the table is: `official`, `observed`, `documented`, `secondary`",
    ),
];
const LINK: &str = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/UserProvidedKernels.html";

/// 1.03 and earlier.
pub(super) const OLD: Rule = Rule {
    id: "pv-grub-1.03",
    level: Level::High,
    values: VALUES,
    link: LINK,
    check: |facts| check(&OLD, facts, |version| version <= Version::LAST_OLD),
};

/// 1.04.
pub(super) const FOURTH: Rule = Rule {
    id: "pv-grub-1.04",
    level: Level::Medium,
    values: VALUES,
    link: LINK,
    check: |facts| check(&FOURTH, facts, |version| version == Version { major: 1, minor: 4 }),
};

/// 1.05 and whatever comes after it.
pub(super) const FIFTH: Rule = Rule {
    id: "pv-grub-1.05",
    level: Level::Medium,
    values: VALUES,
    link: LINK,
    check: |facts| check(&FIFTH, facts, |version| version > Version { major: 1, minor: 4 }),
};

fn check(rule: &Rule, facts: &Facts, is_meant: impl Fn(Version) -> bool) -> Vec<Finding> {
    let (Some(Kernel::PvGrub { version, name, known }), Some(id)) = (&facts.kernel, &facts.machine.kernel) else {
        return Vec::new();
    };
    if !facts.machine.is_paravirtual() || !is_meant(*version) {
        return Vec::new();
    }
    let level = if rule.id == OLD.id {
        doubtful_level(facts)
    } else {
        rule.level
    };
    let finding = rule
        .finding(level)
        .with("kernel", text(id))
        .with("name", text(name))
        .with("version", text(version))
        .because(seen("DescribeInstances", "KernelId", id))
        .command(facts.command("migrate"));
    let name = |source: &str| Evidence {
        source: source.to_owned(),
        field: "Name".to_owned(),
        value: name.clone(),
    };
    vec![match known {
        Known::Image => finding.with("known", word("image")).because(name("DescribeImages")),
        Known::Table(confidence) => finding
            .with("known", word("table"))
            .with("confidence", word(confidence))
            .because(name("built-in table")),
    }]
}

/// How much it matters when nothing speaks for the next boot: more when that boot has a date.
pub(super) fn doubtful_level(facts: &Facts) -> Level {
    let boots = |effect| {
        matches!(
            effect,
            Effect::RebootInPlace | Effect::RebootNewHost | Effect::Stop | Effect::LossOfRoot
        )
    };
    if facts.deadlines().iter().any(|deadline| boots(deadline.effect)) {
        Level::Critical
    } else {
        Level::High
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use comeback_cloud::model::EventStage;

    use super::*;
    use crate::model::Value;
    use crate::rules::testing::{nitro, of, old, pv, with_event};
    use comeback_cloud::kernels::identify;

    #[test]
    fn each_version_has_its_rule() {
        let seen = |facts: &Facts| -> Vec<String> {
            [OLD, FOURTH, FIFTH]
                .iter()
                .flat_map(|rule| of(*rule, facts))
                .map(|finding| finding.rule)
                .collect()
        };
        // 1.01, 1.02, 1.03: the last one is at the border.
        for kernel in ["aki-d409a2d5", "aki-ee5df7ef", "aki-44992845"] {
            assert_eq!(seen(&pv(kernel)), ["pv-grub-1.03"], "{kernel}");
        }
        assert_eq!(seen(&pv("aki-176bf516")), ["pv-grub-1.04"]);
        assert_eq!(seen(&pv("aki-7077ab11")), ["pv-grub-1.05"]);
        assert_eq!(seen(&pv("aki-00000001")), [""; 0]);
        assert_eq!(seen(&nitro()), [""; 0]);
    }

    #[test]
    fn a_reboot_with_a_date_makes_it_critical() {
        assert_eq!(of(OLD, &old())[0].level, Level::High);
        for code in [
            "instance-reboot",
            "system-reboot",
            "instance-retirement",
            "instance-stop",
        ] {
            assert_eq!(
                of(OLD, &with_event(old(), code, 50))[0].level,
                Level::Critical,
                "{code}"
            );
        }
        // Only network or power for a moment, so it may pass.
        assert_eq!(
            of(OLD, &with_event(old(), "system-maintenance", 50))[0].level,
            Level::High
        );
        for stage in [EventStage::Completed, EventStage::Canceled] {
            let mut over = with_event(old(), "system-reboot", 50);
            over.status.as_mut().unwrap().events[0].stage = stage;
            assert_eq!(of(OLD, &over)[0].level, Level::High, "{stage:?} is not due");
        }
        assert_eq!(
            of(FOURTH, &with_event(pv("aki-176bf516"), "system-reboot", 50))[0].level,
            Level::Medium
        );
    }

    #[test]
    fn how_it_is_known_is_told() {
        let by_table = of(OLD, &old()).remove(0);
        assert_eq!(by_table.values["confidence"], Value::Word("observed".to_owned()));
        assert_eq!(by_table.evidence[1].source, "built-in table");
        let mut facts = old();
        let id = facts.machine.kernel.clone().unwrap();
        facts.kernel = Some(identify(&facts.region, &id, Some("pv-grub-hd0_1.03-x86_64.gz")));
        let by_image = of(OLD, &facts).remove(0);
        assert_eq!(by_image.values["known"], Value::Word("image".to_owned()));
        assert_eq!(by_image.evidence[1].source, "DescribeImages");
        assert!(!by_image.values.contains_key("confidence"));
    }
}
