//! Audits of a lab: what is found, what is told of what could not be read, and how many calls it took.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod estate;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use comeback_audit::audit;
use comeback_audit::model::{Audit, Coverage, Level, Unread, Value};
use comeback_audit::policy;
use comeback_audit::progress::{Event, Progress};
use comeback_audit::read::Reading;
use comeback_audit::scope::{self, Scope, Way};
use comeback_audit::silence::Silences;
use comeback_cloud::policy::{Needs, document};
use comeback_cloud::{Keys, Options};
use comeback_lab::{Fault, FaultKind, Lab, Scenario, Serving};
use estate::{named, organization, rules_of};

struct World {
    lab: Lab,
    serving: Serving,
}

impl World {
    fn new() -> Self {
        let scenario = Scenario::load("clients").unwrap();
        let lab = Lab::builder().instant().seed(7).scenario(scenario).build().unwrap();
        let serving = lab.serve(0).unwrap();
        Self { lab, serving }
    }

    fn reading(&self) -> Reading {
        let keys = self.lab.keys().remove(0);
        assert_eq!(keys.account, "111122223333");
        Reading {
            options: Options {
                endpoint: Some(self.serving.url()),
                keys: Some(Keys {
                    access_key: keys.access_key,
                    secret_key: keys.secret_key,
                }),
                region: Some("ap-northeast-1".parse().unwrap()),
                backoff: Duration::from_millis(1),
                ..Options::default()
            },
        }
    }

    async fn audit(&self, scope: &Scope) -> Audit {
        self.audit_with(scope, &Silences::default()).await
    }

    async fn audit_with(&self, scope: &Scope, silences: &Silences) -> Audit {
        audit::run(scope, &self.reading(), silences, Arc::new(())).await
    }

    fn total(&self, action: &str) -> u64 {
        self.lab.calls().get(action).map_or(0, |calls| calls.total)
    }
}

fn own(regions: &[&str]) -> Scope {
    Scope {
        ways: vec![Way::default()],
        regions: regions.iter().map(|name| name.parse().unwrap()).collect(),
    }
}

#[tokio::test]
async fn all_holds_that_holds_of_every_ec2() {
    let world = World::new();
    estate::holds(&world.audit(&organization()).await);
}

#[tokio::test]
async fn the_ledger_tells_what_was_read_and_what_was_not() {
    let world = World::new();
    let audit = world.audit(&organization()).await;
    let ledger = &audit.ledger;
    let of = |account: &str| {
        let entries = ledger
            .entries
            .iter()
            .filter(|entry| entry.account.as_ref().is_some_and(|id| id.as_str() == account));
        entries.collect::<Vec<_>>()
    };
    assert_eq!(of("111122223333").len(), 17, "each region has an entry");
    let off: Vec<_> = of("111122223333")
        .into_iter()
        .filter(|entry| entry.coverage == Coverage::NotEnabled)
        .collect();
    assert_eq!(off.len(), 1);
    assert_eq!(off[0].region.as_ref().unwrap().as_str(), "eu-north-1");
    assert!(of("444455556666").iter().all(|entry| entry.coverage == Coverage::Read));
    assert_eq!(audit.instances[0].client.as_deref(), Some("Maintenance"));
}

#[tokio::test]
async fn all_calls_are_counted() {
    let world = World::new();
    let audit = world.audit(&organization()).await;
    assert_eq!(audit.ledger.calls["ec2:DescribeInstances"], 33, "one for each region");
    for (name, count) in &audit.ledger.calls {
        let short = name.split(':').next_back().unwrap();
        // Whoever may not take on a role does not get so far as to ask who they are.
        let missed = u64::from(short == "GetCallerIdentity");
        assert_eq!(world.total(short), count - missed, "{short} as the lab has counted it");
    }
    assert_eq!(world.lab.ignored(), [""; 0], "parameters that the lab does not know");
}

#[tokio::test]
async fn one_region_that_fails_does_not_lose_the_others() {
    for (kind, expected) in [
        (
            FaultKind::Refuse {
                code: "UnauthorizedOperation".to_owned(),
                message: "No.".to_owned(),
            },
            Unread::Denied,
        ),
        (FaultKind::Throttle, Unread::Throttled),
        (FaultKind::Dropped, Unread::Unreachable),
        (FaultKind::Internal, Unread::Failed),
    ] {
        let world = World::new();
        let mut fault = Fault::new(kind).action("DescribeInstances");
        fault.region = "us-east-1".to_owned();
        world.lab.faults().set(fault);
        let scope = own(&["ap-northeast-1", "us-east-1"]);
        let audit = world.audit(&scope).await;
        let entries = &audit.ledger.entries;
        assert_eq!(entries[0].coverage, Coverage::Read);
        assert!(
            matches!(entries[1].coverage, Coverage::Unread { why, .. } if why == expected),
            "{:?}",
            entries[1]
        );
        assert_eq!(audit.instances[0].name.as_deref(), Some("dead"));
    }
}

#[tokio::test]
async fn without_status_the_instances_are_told_and_the_region_is_not_whole() {
    let world = World::new();
    world
        .lab
        .faults()
        .set(Fault::new(FaultKind::Unavailable).action("DescribeInstanceStatus"));
    let audit = world.audit(&own(&["ap-northeast-1"])).await;
    assert!(!audit.ledger.is_complete());
    assert_eq!(audit.ledger.instances(), 9);
    let dead = named(&audit, "dead");
    assert_eq!(rules_of(dead), ["previous-generation", "pv-grub-1.03"]);
    assert_eq!(named(&audit, "shop").deadline, None);
}

#[tokio::test]
async fn without_images_the_table_speaks_and_the_gap_is_told() {
    let world = World::new();
    let refusal = FaultKind::Refuse {
        code: "UnauthorizedOperation".to_owned(),
        message: "You are not authorized to perform this operation.".to_owned(),
    };
    for action in ["DescribeImages", "DescribeInstanceTypes"] {
        world.lab.faults().set(Fault::new(refusal.clone()).action(action));
    }
    let audit = world.audit(&own(&["ap-northeast-1"])).await;
    let entry = &audit.ledger.entries[0];
    assert_eq!(entry.coverage, Coverage::Read);
    let gaps: Vec<_> = entry.gaps.iter().map(|gap| (gap.action.as_str(), gap.why)).collect();
    assert_eq!(
        gaps,
        [
            ("DescribeImages", Unread::Denied),
            ("DescribeInstanceTypes", Unread::Denied)
        ]
    );
    assert!(!audit.ledger.is_complete());
    let finding = &named(&audit, "fourth").findings[0];
    assert_eq!(finding.rule, "pv-grub-1.04");
    assert_eq!(finding.values["known"], Value::Word("table".to_owned()));
}

#[tokio::test]
async fn an_accounts_file_leads_to_its_accounts_once_each() {
    let world = World::new();
    let text = r#"
        [[account]]
        client = "Sakura"
        account = "444455556666"
        role = "audit"
        regions = ["us-east-1"]

        [[account]]
        client = "Sakura again"
        account = "444455556666"
        role = "audit"

        [[account]]
        client = "Closed"
        account = "777788889999"
        role = "audit"
    "#;
    let mut scope = own(&["us-east-1", "eu-west-1"]);
    scope.ways = scope::accounts(text).unwrap();
    let audit = world.audit(&scope).await;
    let told: Vec<String> = audit
        .ledger
        .entries
        .iter()
        .map(|entry| {
            let region = entry.region.as_ref().map_or("-", |region| region.as_str());
            format!(
                "{} {region} {}",
                entry.client.as_deref().unwrap_or_default(),
                entry.instances
            )
        })
        .collect();
    assert_eq!(told, ["Closed - 0", "Sakura us-east-1 4", "Sakura again eu-west-1 1"]);
}

#[tokio::test]
async fn credentials_of_another_account_are_not_taken_for_the_right_ones() {
    let world = World::new();
    let mut scope = own(&["ap-northeast-1"]);
    scope.ways[0].account = Some("444455556666".parse().unwrap());
    let audit = world.audit(&scope).await;
    let Coverage::Unread { detail, .. } = &audit.ledger.entries[0].coverage else {
        panic!("{audit:?}")
    };
    assert_eq!(
        detail,
        "the credentials are of account 111122223333, expected 444455556666"
    );
    assert_eq!(audit.instances, []);
}

#[tokio::test]
async fn what_is_silenced_is_listed_with_its_reason() {
    let world = World::new();
    let silences = Silences::parse(
        "[[silence]]\nrule = \"pv-grub-1.04\"\ntag = \"Name=four*\"\nreason = \"boots, was tried\"\nuntil = 2999-01-01\n\
         [[silence]]\nrule = \"already-dead\"\nreason = \"long ago\"\nuntil = 2020-01-01\n",
    )
    .unwrap();
    let audit = world.audit_with(&own(&["ap-northeast-1"]), &silences).await;
    assert_eq!(audit.silenced.len(), 1);
    let silenced = &audit.silenced[0];
    assert_eq!(
        (silenced.name.as_deref(), silenced.finding.rule.as_str()),
        (Some("fourth"), "pv-grub-1.04")
    );
    assert_eq!(silenced.reason, "boots, was tried");
    assert_eq!(named(&audit, "fourth").risk, Level::Low, "it is no longer at risk");
    assert_eq!(
        audit.instances[0].name.as_deref(),
        Some("dead"),
        "what has ended does not silence"
    );
}

#[tokio::test]
async fn the_policy_is_enough_and_no_more() {
    let needs = Needs {
        assumed_roles: vec!["arn:*:iam::*:role/audit".to_owned()],
        ..Needs::default()
    };
    let restrict = |world: &World, calls: &[&'static comeback_cloud::Action]| {
        let text = document(calls.iter().copied(), &needs);
        let policy: comeback_lab::Policy = serde_json::from_str(&text).unwrap();
        let key = world.lab.keys().remove(0).access_key;
        assert!(world.lab.set_policy(&key, Some(policy)));
        let text = document(policy::audit(), &Needs::default());
        let role = "arn:aws:iam::444455556666:role/audit";
        assert!(world.lab.set_policy(role, Some(serde_json::from_str(&text).unwrap())));
    };
    let is_whole = |audit: &Audit| {
        let bad = audit.ledger.entries.iter().filter(|entry| {
            let known = ["777788889999", "999900001111"];
            let expected = entry.account.as_ref().is_some_and(|id| known.contains(&id.as_str()));
            !expected && (matches!(entry.coverage, Coverage::Unread { .. }) || !entry.gaps.is_empty())
        });
        bad.count() == 0
    };
    let world = World::new();
    restrict(&world, &policy::organization());
    assert!(is_whole(&world.audit(&organization()).await));
    for missing in policy::organization() {
        let world = World::new();
        let rest: Vec<_> = policy::organization()
            .into_iter()
            .filter(|call| call.name != missing.name)
            .collect();
        restrict(&world, &rest);
        // Only the first account is restricted, and regions are shared with nobody.
        let audit = world.audit(&organization()).await;
        assert!(!is_whole(&audit), "{} is not missed", missing.name);
    }
}

#[derive(Default)]
struct Told(Mutex<Vec<Event>>);

impl Progress for Told {
    fn tell(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

#[tokio::test]
async fn what_is_being_read_is_told() {
    let world = World::new();
    let told = Arc::new(Told::default());
    let progress = Arc::clone(&told) as Arc<dyn Progress>;
    audit::run(
        &own(&["ap-northeast-1"]),
        &world.reading(),
        &Silences::default(),
        progress,
    )
    .await;
    let region = "ap-northeast-1".parse().unwrap();
    let account = "111122223333".parse().unwrap();
    let events = told.0.lock().unwrap().clone();
    assert_eq!(events[0], Event::Begun { ways: 1 });
    assert!(
        events.contains(&Event::Region {
            account,
            region,
            instances: 9,
            whole: true
        }),
        "{events:?}"
    );
}
