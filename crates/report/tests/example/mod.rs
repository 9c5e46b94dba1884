//! An audit as there could be one: two clients, the Tokyo instance of January 2018, an account that could not be entered, a
//! throttled region, a part left out, a silenced finding, and every level.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test binary uses a part of it, and a test fails by panicking"
)]

use std::collections::BTreeMap;

use comeback_audit::model::{
    Act, Advice, Audit, Coverage, Deadline, Denied, Effect, Entry, Evidence, Finding, Gap, Ledger, Level, Money,
    SCHEMA, Silenced, Subject, Successor, Unread, Value,
};
use comeback_cloud::ids::{AccountId, EventId, InstanceId, KernelId, RegionName};
use comeback_cloud::model::{EventCode, InstanceState, RootDeviceType, Virtualization};
use comeback_report::{PlanView, Report, RunState, RunView};
use jiff::Timestamp;

pub const FIRST: &str = "青葉商事";
pub const SECOND: &str = "Example Books";

/// When the audit began.
pub fn started() -> Timestamp {
    time("2018-01-02T00:15:00Z")
}

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn usd(micros: i64) -> Money {
    Money {
        micros,
        currency: "USD".to_owned(),
    }
}

pub fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub fn word(text: &str) -> Value {
    Value::Word(text.to_owned())
}

pub fn finding(rule: &str, level: Level, values: &[(&str, Value)], evidence: &[(&str, &str, &str)]) -> Finding {
    Finding {
        rule: rule.to_owned(),
        level,
        values: values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        evidence: evidence
            .iter()
            .map(|(source, field, value)| Evidence {
                source: (*source).to_owned(),
                field: (*field).to_owned(),
                value: (*value).to_owned(),
            })
            .collect(),
        command: None,
        link: "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/UserProvidedKernels.html".to_owned(),
    }
}

/// An instance without findings; the callers say what is wrong with it.
pub fn subject(client: &str, account: &str, region: &str, id: &str, name: &str) -> Subject {
    Subject {
        client: Some(client.to_owned()),
        account: AccountId::from_api(account),
        region: RegionName::from_api(region),
        zone: format!("{region}a"),
        id: InstanceId::from_api(id),
        name: Some(name.to_owned()),
        instance_type: "m1.small".to_owned(),
        state: InstanceState::Running,
        virtualization: Virtualization::Paravirtual,
        kernel: Some(KernelId::from_api("aki-44992845")),
        root: RootDeviceType::Ebs,
        launched: Some(time("2013-04-11T02:00:00Z")),
        risk: Level::Info,
        deadline: None,
        advice: Advice {
            act: Act::Know,
            by: None,
            command: None,
        },
        hourly: Some(usd(61_000)),
        successor: Some(Successor {
            instance_type: "t3.small".to_owned(),
            monthly_difference: Some(usd(-24_700_000)),
        }),
        findings: Vec::new(),
    }
}

fn old_grub(level: Level) -> Finding {
    finding(
        "pv-grub-1.03",
        level,
        &[
            ("kernel", text("aki-44992845")),
            ("name", text("pv-grub-hd0_1.03-x86_64.gz")),
            ("version", text("1.03")),
            ("known", word("image")),
        ],
        &[
            ("DescribeInstances", "KernelId", "aki-44992845"),
            ("DescribeImages", "Name", "pv-grub-hd0_1.03-x86_64.gz"),
        ],
    )
}

fn tokyo_reboot() -> (Deadline, Finding) {
    let (begins, ends, movable) = (
        time("2018-01-04T12:00:00Z"),
        time("2018-01-04T18:00:00Z"),
        time("2018-01-11T12:00:00Z"),
    );
    let deadline = Deadline {
        event: Some(EventId::from_api("instance-event-0d59937288b749b32")),
        code: EventCode::SystemReboot,
        effect: Effect::RebootNewHost,
        not_before: Some(begins),
        not_after: Some(ends),
        movable_until: Some(movable),
    };
    let finding = finding(
        "event-system-reboot",
        Level::Critical,
        &[
            ("event", text("instance-event-0d59937288b749b32")),
            ("code", text("system-reboot")),
            ("effect", word("reboot-new-host")),
            ("not-before", Value::Time(begins)),
            ("not-after", Value::Time(ends)),
            ("movable-until", Value::Time(movable)),
        ],
        &[("DescribeInstanceStatus", "Events[].Code", "system-reboot")],
    );
    (deadline, finding)
}

/// The instances, ranked.
fn instances() -> Vec<Subject> {
    let mut dead = subject(FIRST, "111122223333", "ap-northeast-1", "i-0b22a22eec53b9321", "web-2");
    dead.risk = Level::Critical;
    dead.advice = Advice {
        act: Act::Rescue,
        by: None,
        command: Some("comeback rescue i-0b22a22eec53b9321 --region ap-northeast-1".to_owned()),
    };
    dead.findings = vec![
        finding(
            "already-dead",
            Level::Critical,
            &[
                ("check", word("instance")),
                ("since", Value::Time(time("2017-12-30T18:02:00Z"))),
                ("down", Value::Seconds(195_180)),
                ("cost", Value::Money(usd(3_307_000))),
            ],
            &[("DescribeInstanceStatus", "InstanceStatus.Status", "impaired")],
        ),
        old_grub(Level::High),
    ];

    let mut tokyo = subject(
        FIRST,
        "111122223333",
        "ap-northeast-1",
        "i-0a11b22cc33dd44ee",
        "本番 web-1",
    );
    let (deadline, reboot) = tokyo_reboot();
    tokyo.risk = Level::Critical;
    tokyo.deadline = Some(deadline);
    tokyo.advice = Advice {
        act: Act::Migrate,
        by: Some(time("2018-01-04T12:00:00Z")),
        command: Some("comeback migrate i-0a11b22cc33dd44ee --region ap-northeast-1".to_owned()),
    };
    tokyo.findings = vec![
        reboot,
        old_grub(Level::Critical),
        finding(
            "reboot-migration",
            Level::Medium,
            &[("due", word("yes"))],
            &[("DescribeInstances", "MaintenanceOptions.RebootMigration", "default")],
        ),
        finding("auto-recovery", Level::Low, &[], &[]),
        finding(
            "long-uptime",
            Level::Low,
            &[
                ("launched", Value::Time(time("2013-04-11T02:00:00Z"))),
                ("uptime", Value::Seconds(149_206_500)),
            ],
            &[("DescribeInstances", "LaunchTime", "2013-04-11T02:00:00Z")],
        ),
        finding(
            "previous-generation",
            Level::Low,
            &[
                ("type", text("m1.small")),
                ("target", text("t3.small")),
                ("saving", Value::Money(usd(24_700_000))),
            ],
            &[("DescribeInstances", "InstanceType", "m1.small")],
        ),
        finding(
            "address-lost-on-stop",
            Level::Info,
            &[("addresses", text("203.0.113.17"))],
            &[],
        ),
    ];
    tokyo.findings[2].command = Some("comeback hold i-0a11b22cc33dd44ee --region ap-northeast-1".to_owned());

    let mut other = subject(SECOND, "444455556666", "us-east-1", "i-5c3e9a01", "legacy-batch");
    other.kernel = Some(KernelId::from_api("aki-0b0b0b0b"));
    other.risk = Level::High;
    other.successor = None;
    other.advice.act = Act::Migrate;
    other.advice.command = Some("comeback migrate i-5c3e9a01 --region us-east-1".to_owned());
    other.findings = vec![
        finding(
            "other-kernel-image",
            Level::High,
            &[("kernel", text("aki-0b0b0b0b")), ("known", word("unknown"))],
            &[("DescribeInstances", "KernelId", "aki-0b0b0b0b")],
        ),
        finding("ramdisk-image", Level::High, &[("ramdisk", text("ari-a51cf9cc"))], &[]),
    ];

    let mut store = subject(SECOND, "444455556666", "us-east-1", "i-7d41aa02", "archive");
    store.root = RootDeviceType::InstanceStore;
    store.kernel = Some(KernelId::from_api("aki-919dcaf8"));
    store.risk = Level::Medium;
    let retires = time("2018-01-19T05:00:00Z");
    store.deadline = Some(Deadline {
        event: None,
        code: EventCode::InstanceRetirement,
        effect: Effect::LossOfRoot,
        not_before: Some(retires),
        not_after: None,
        movable_until: None,
    });
    store.advice = Advice {
        act: Act::SaveData,
        by: Some(retires),
        command: None,
    };
    store.findings = vec![
        finding(
            "instance-store-root",
            Level::Medium,
            &[],
            &[("DescribeInstances", "RootDeviceType", "instance-store")],
        ),
        finding(
            "event-retirement",
            Level::Medium,
            &[
                ("code", text("instance-retirement")),
                ("effect", word("loss-of-root")),
                ("not-before", Value::Time(retires)),
            ],
            &[("DescribeInstanceStatus", "Events[].Code", "instance-retirement")],
        ),
    ];

    let mut xen = subject(SECOND, "444455556666", "eu-west-1", "i-0feedfacecafebeef", "reports");
    xen.virtualization = Virtualization::Hvm;
    xen.kernel = None;
    xen.instance_type = "m3.medium".to_owned();
    xen.risk = Level::Low;
    xen.advice.act = Act::Prepare;
    xen.successor = None;
    xen.findings = vec![finding(
        "not-nitro-ready",
        Level::Low,
        &[("reason", word("no-ena"))],
        &[("DescribeInstances", "EnaSupport", "false")],
    )];

    let mut address = subject(FIRST, "111122223333", "ap-northeast-1", "i-0c0ffee0c0ffee000", "");
    address.name = None;
    address.virtualization = Virtualization::Hvm;
    address.kernel = None;
    address.instance_type = "t3.micro".to_owned();
    address.successor = None;
    address.launched = None;
    address.findings = vec![finding(
        "address-lost-on-stop",
        Level::Info,
        &[("addresses", text("203.0.113.80"))],
        &[],
    )];
    vec![dead, tokyo, other, store, xen, address]
}

fn entry(client: &str, account: Option<&str>, region: Option<&str>, coverage: Coverage, instances: u64) -> Entry {
    let role = account.unwrap_or("777788889999");
    Entry {
        client: Some(client.to_owned()),
        account: account.map(AccountId::from_api),
        via: format!("arn:aws:iam::{role}:role/comeback-audit"),
        region: region.map(RegionName::from_api),
        coverage,
        instances,
        gaps: Vec::new(),
    }
}

fn ledger() -> Ledger {
    let read = || Coverage::Read;
    let mut paris = entry(FIRST, Some("111122223333"), Some("eu-west-3"), read(), 3);
    paris.gaps.push(Gap {
        action: "DescribeImages".to_owned(),
        why: Unread::Denied,
        detail:
            "ec2:DescribeImages: not allowed (UnauthorizedOperation): You are not authorized to perform this operation."
                .to_owned(),
        denied: Some(Denied {
            who: Some("arn:aws:sts::111122223333:assumed-role/comeback-audit/comeback".to_owned()),
            action: "ec2:DescribeImages".to_owned(),
            resource: None,
            reason: Some("with an explicit deny in a service control policy".to_owned()),
            code: "UnauthorizedOperation".to_owned(),
        }),
    });
    Ledger {
        entries: vec![
            entry(FIRST, Some("111122223333"), Some("ap-northeast-1"), read(), 41),
            entry(FIRST, Some("111122223333"), Some("ap-east-1"), Coverage::NotEnabled, 0),
            paris,
            entry(FIRST, Some("111122223333"), Some("us-west-2"), read(), 0),
            entry(SECOND, Some("444455556666"), Some("eu-west-1"), read(), 7),
            entry(SECOND, Some("444455556666"), Some("us-east-1"), read(), 12),
            entry(
                SECOND,
                Some("444455556666"),
                Some("sa-east-1"),
                Coverage::Unread {
                    why: Unread::Throttled,
                    detail: "RequestLimitExceeded: Request limit exceeded.".to_owned(),
                    denied: None,
                },
                0,
            ),
            entry(
                SECOND,
                None,
                None,
                Coverage::Unread {
                    why: Unread::Denied,
                    detail: "sts:AssumeRole: not allowed (AccessDenied): not authorized to perform sts:AssumeRole"
                        .to_owned(),
                    denied: Some(Denied {
                        who: Some("arn:aws:iam::999900001111:user/audit".to_owned()),
                        action: "sts:AssumeRole".to_owned(),
                        resource: Some("arn:aws:iam::777788889999:role/comeback-audit".to_owned()),
                        reason: None,
                        code: "AccessDenied".to_owned(),
                    }),
                },
                0,
            ),
        ],
        calls: BTreeMap::from([
            ("AssumeRole".to_owned(), 3),
            ("DescribeImages".to_owned(), 4),
            ("DescribeInstanceStatus".to_owned(), 7),
            ("DescribeInstances".to_owned(), 7),
            ("DescribeRegions".to_owned(), 2),
        ]),
    }
}

/// The whole audit.
pub fn audit() -> Audit {
    Audit {
        schema: SCHEMA,
        program: "0.1.0".to_owned(),
        started: started(),
        finished: time("2018-01-02T00:15:08Z"),
        ledger: ledger(),
        instances: instances(),
        silenced: vec![Silenced {
            client: Some(FIRST.to_owned()),
            account: AccountId::from_api("111122223333"),
            region: RegionName::from_api("ap-northeast-1"),
            instance: InstanceId::from_api("i-0dead0beef0dead00"),
            name: Some("staging".to_owned()),
            finding: finding(
                "pv-grub-1.05",
                Level::Medium,
                &[
                    ("kernel", text("aki-7077ab11")),
                    ("name", text("pv-grub-hd0_1.05-x86_64.gz")),
                    ("version", text("1.05")),
                    ("known", word("table")),
                    ("confidence", word("official")),
                ],
                &[],
            ),
            reason: "2018年2月に廃止予定".to_owned(),
            until: jiff::civil::date(2018, 2, 28),
        }],
    }
}

/// Plans for it.
pub fn plans() -> Vec<PlanView> {
    vec![PlanView {
        client: Some(FIRST.to_owned()),
        instance: "i-0a11b22cc33dd44ee".to_owned(),
        name: Some("本番 web-1".to_owned()),
        from: "m1.small".to_owned(),
        to: "t3.small".to_owned(),
        monthly_difference: Some(usd(-24_700_000)),
        downtime_usual_s: 540,
        downtime_longest_s: 2_400,
        cost: Some(usd(420_000)),
        findings: vec!["The private address 10.0.0.17 changes".to_owned()],
    }]
}

/// Migrations of it.
pub fn runs() -> Vec<RunView> {
    vec![RunView {
        client: Some(FIRST.to_owned()),
        id: "20180101-batch-1-7f3a".to_owned(),
        instance: "i-0ba7c4ba7c4ba7c40".to_owned(),
        state: RunState::Done,
        started: time("2018-01-01T15:00:00Z"),
        downtime_s: Some(498),
    }]
}

/// What is shown of all that.
pub fn report<'a>(audit: &'a Audit, plans: &'a [PlanView], runs: &'a [RunView]) -> Report<'a> {
    Report { audit, plans, runs }
}

/// Texts that somebody could put into a tag.
pub fn hostile() -> Vec<String> {
    vec![
        "=cmd|' /C calc'!A0".to_owned(),
        "<script>alert(1)</script>".to_owned(),
        "\"><img src=x onerror=alert(1)>".to_owned(),
        "\u{202e}gpj.exe".to_owned(),
        "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m".to_owned(),
        "x".repeat(10_240),
        "a|b `c` **d** [e](javascript:alert(1))\n# heading\n```".to_owned(),
        "]]> \0 <![CDATA[".to_owned(),
        "x\r\nEND:VEVENT\r\nBEGIN:VEVENT".to_owned(),
        "<!channel> <@U123> @everyone".to_owned(),
        "{ $kernel } {{ 7*7 }} {% raw %}".to_owned(),
    ]
}

/// The audit with a hostile text wherever somebody else's text can be.
pub fn with(hostile: &str) -> Audit {
    let mut audit = audit();
    let owned = || hostile.to_owned();
    audit.program = owned();
    for subject in &mut audit.instances {
        subject.client = Some(owned());
        subject.name = Some(owned());
        subject.zone = owned();
        subject.instance_type = owned();
        subject.kernel = Some(KernelId::from_api(owned()));
        subject.state = InstanceState::Other(owned());
        subject.virtualization = Virtualization::Other(owned());
        subject.advice.command = Some(owned());
        if let Some(deadline) = &mut subject.deadline {
            deadline.event = Some(EventId::from_api(owned()));
        }
        for finding in &mut subject.findings {
            finding.link = owned();
            finding.command = Some(owned());
            for value in finding.values.values_mut() {
                if matches!(value, Value::Text(_) | Value::Word(_)) {
                    *value = Value::Text(owned());
                }
            }
            finding.evidence.push(Evidence {
                source: owned(),
                field: owned(),
                value: owned(),
            });
        }
        subject
            .findings
            .push(finding(hostile, Level::Info, &[("a", word(hostile))], &[]));
    }
    for silenced in &mut audit.silenced {
        silenced.reason = owned();
        silenced.name = Some(owned());
    }
    for entry in &mut audit.ledger.entries {
        entry.client = Some(owned());
        entry.via = owned();
        let hostile_denial = |denied: &mut Option<Denied>| {
            if let Some(denied) = denied {
                denied.who = Some(owned());
                denied.resource = Some(owned());
                denied.reason = Some(owned());
                denied.code = owned();
            }
        };
        if let Coverage::Unread { detail, denied, .. } = &mut entry.coverage {
            *detail = owned();
            hostile_denial(denied);
        }
        for gap in &mut entry.gaps {
            gap.action = owned();
            gap.detail = owned();
            hostile_denial(&mut gap.denied);
        }
    }
    audit.ledger.calls.insert(owned(), 1);
    audit
}
