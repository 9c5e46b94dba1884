//! What has to be found in the accounts of the lab's scenario `clients`, whoever plays EC2.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use comeback_audit::model::{Act, Audit, Coverage, Level, Subject, Unread, Value};
use comeback_audit::rules;
use comeback_audit::scope::{Scope, Way};

/// All accounts of the organization, entered by the role that the scenario has.
pub fn organization() -> Scope {
    let way = Way {
        organization_role: Some("audit".to_owned()),
        ..Way::default()
    };
    Scope {
        ways: vec![way],
        regions: Vec::new(),
    }
}

/// What is said about an instance of that name.
pub fn named<'a>(audit: &'a Audit, name: &str) -> &'a Subject {
    let found = audit
        .instances
        .iter()
        .find(|subject| subject.name.as_deref() == Some(name));
    found.unwrap_or_else(|| panic!("nothing is said about {name}"))
}

/// The rules that an instance falls under, by name.
pub fn rules_of(subject: &Subject) -> Vec<&str> {
    let mut rules: Vec<&str> = subject.findings.iter().map(|finding| finding.rule.as_str()).collect();
    rules.sort_unstable();
    rules
}

/// All of it.
pub fn holds(audit: &Audit) {
    every_instance_has_its_findings(audit);
    what_dies_first_is_first_and_each_is_told_what_to_do(audit);
    the_ledger_tells_what_was_not_read(audit);
    few_calls_are_made(audit);
}

fn every_instance_has_its_findings(audit: &Audit) {
    let expected: BTreeMap<&str, (Level, &[&str])> = [
        (
            "shop",
            (
                Level::Critical,
                &[
                    "event-system-reboot",
                    "long-uptime",
                    "previous-generation",
                    "pv-grub-1.03",
                ][..],
            ),
        ),
        (
            "shop-tomorrow",
            (
                Level::Critical,
                &[
                    "address-lost-on-stop",
                    "auto-recovery",
                    "event-system-reboot",
                    "previous-generation",
                    "pv-grub-1.03",
                    "reboot-migration",
                ],
            ),
        ),
        ("fourth", (Level::Medium, &["previous-generation", "pv-grub-1.04"])),
        ("fifth", (Level::Medium, &["previous-generation", "pv-grub-1.05"])),
        (
            "own-kernel",
            (
                Level::High,
                &[
                    "auto-recovery",
                    "other-kernel-image",
                    "previous-generation",
                    "ramdisk-image",
                ],
            ),
        ),
        ("no-kernel", (Level::High, &["no-kernel-id", "previous-generation"])),
        (
            "dead",
            (
                Level::Critical,
                &["already-dead", "previous-generation", "pv-grub-1.03"],
            ),
        ),
        (
            "on-the-host",
            (
                Level::Critical,
                &[
                    "event-retirement",
                    "instance-store-root",
                    "previous-generation",
                    "pv-grub-1.04",
                ],
            ),
        ),
        ("lent-address", (Level::Info, &["address-lost-on-stop"])),
        (
            "to-be-stopped",
            (Level::Medium, &["event-maintenance", "event-reboot", "event-stop"]),
        ),
        ("up-for-years", (Level::Low, &["long-uptime"])),
        ("unready", (Level::Low, &["not-nitro-ready"])),
        (
            "=cmd|' /C calc'!A0",
            (Level::High, &["previous-generation", "pv-grub-1.03"]),
        ),
    ]
    .into();
    for (name, (level, rules)) in &expected {
        let subject = named(audit, name);
        assert_eq!((subject.risk, rules_of(subject).as_slice()), (*level, *rules), "{name}");
    }
    assert_eq!(
        audit.instances.len(),
        expected.len(),
        "nothing is said about the healthy one"
    );
    let triggered: BTreeSet<&str> = expected.values().flat_map(|(_, rules)| rules.iter().copied()).collect();
    for rule in rules::all() {
        assert!(
            triggered.contains(rule.id),
            "no instance of the scenario triggers {}",
            rule.id
        );
    }
}

fn what_dies_first_is_first_and_each_is_told_what_to_do(audit: &Audit) {
    let order: Vec<(&str, Act)> = audit
        .instances
        .iter()
        .take(6)
        .map(|subject| (subject.name.as_deref().unwrap_or_default(), subject.advice.act))
        .collect();
    let expected = [
        ("dead", Act::Rescue),
        ("shop-tomorrow", Act::Postpone),
        ("on-the-host", Act::SaveData),
        ("shop", Act::Migrate),
        ("to-be-stopped", Act::Know),
        ("=cmd|' /C calc'!A0", Act::Migrate),
    ];
    assert_eq!(order, expected);
    let shop = named(audit, "shop");
    let deadline = shop.deadline.as_ref().unwrap();
    assert_eq!(
        deadline.code.as_str(),
        "system-reboot",
        "the one that is over is not told"
    );
    assert_eq!(shop.advice.by, deadline.not_before);
    assert!(deadline.movable_until > deadline.not_before);
    let successor = shop.successor.as_ref().unwrap();
    assert_eq!(successor.instance_type, "t2.medium");
    assert!(successor.monthly_difference.as_ref().unwrap().micros < 0, "it saves");
    // 3 days at 0.385 an hour.
    let dead = named(audit, "dead")
        .findings
        .iter()
        .find(|finding| finding.rule == "already-dead")
        .unwrap();
    let Value::Money(cost) = &dead.values["cost"] else {
        panic!("{dead:?}")
    };
    assert!((27_700_000..27_800_000).contains(&cost.micros), "{cost:?}");
    let far = named(audit, "=cmd|' /C calc'!A0").advice.command.clone().unwrap();
    assert!(
        far.ends_with("--region eu-west-1 --role-arn arn:aws:iam::444455556666:role/audit"),
        "{far}"
    );
}

fn the_ledger_tells_what_was_not_read(audit: &Audit) {
    let ledger = &audit.ledger;
    assert!(!ledger.is_complete());
    assert_eq!(ledger.instances(), 14);
    let of = |account: &str| -> Vec<&Coverage> {
        let entries = ledger.entries.iter();
        let entries = entries.filter(|entry| entry.account.as_ref().is_some_and(|id| id.as_str() == account));
        entries.map(|entry| &entry.coverage).collect()
    };
    for (account, expected) in [("777788889999", Unread::Denied), ("999900001111", Unread::Disabled)] {
        let found = of(account);
        assert!(
            matches!(found.as_slice(), [Coverage::Unread { why, .. }] if *why == expected),
            "{account}: {found:?}"
        );
    }
    // Regions that are not enabled are told, too, and nothing is asked of them.
    let own = of("111122223333");
    assert!(own.contains(&&Coverage::NotEnabled), "{own:?}");
    let others = ["111122223333", "444455556666"].into_iter().flat_map(of);
    let unread: Vec<_> = others
        .filter(|coverage| !matches!(coverage, Coverage::Read | Coverage::NotEnabled))
        .collect();
    assert_eq!(unread, [] as [&Coverage; 0]);
    assert!(ledger.entries.iter().all(|entry| entry.gaps.is_empty()));
}

fn few_calls_are_made(audit: &Audit) {
    let read = audit
        .ledger
        .entries
        .iter()
        .filter(|entry| entry.coverage == Coverage::Read)
        .count();
    // Three regions have instances. Two of these have kernel images, all three have old types.
    let expected: BTreeMap<String, u64> = [
        ("ec2:DescribeImages", 2),
        ("ec2:DescribeInstanceStatus", 3),
        ("ec2:DescribeInstanceTypes", 3),
        ("ec2:DescribeInstances", u64::try_from(read).unwrap()),
        ("ec2:DescribeRegions", 2),
        ("organizations:ListAccounts", 1),
        ("sts:AssumeRole", 2),
        ("sts:GetCallerIdentity", 3),
    ]
    .into_iter()
    .map(|(name, count)| (name.to_owned(), count))
    .collect();
    assert_eq!(audit.ledger.calls, expected);
}
