//! Instances for the tests of rules.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use comeback_cloud::ids::{AccountId, EventId, InstanceId, KernelId, RamdiskId};
use comeback_cloud::model::{
    Architecture, AutoRecovery, Check, CheckState, Event, EventStage, Hypervisor, InstanceState, InstanceType,
    RebootMigration, RootDeviceType, Status, Support, Virtualization,
};
use jiff::{SignedDuration, Timestamp};

use crate::facts::{Facts, Machine, Place};
use crate::model::{Finding, Money, Successor};
use comeback_cloud::kernels;

/// When all of it is looked at.
pub(crate) fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

pub(crate) fn after(hours: i64) -> Timestamp {
    now().checked_add(SignedDuration::from_hours(hours)).unwrap()
}

fn kind(name: &str, hypervisor: Hypervisor, current: bool) -> InstanceType {
    InstanceType {
        name: name.to_owned(),
        virtualization: vec![Virtualization::Hvm],
        architectures: vec![Architecture::X86_64],
        vcpus: 1,
        memory_mib: 3840,
        ena: Support::Supported,
        nvme: Support::Unsupported,
        hypervisor: Some(hypervisor),
        current_generation: current,
        burstable: false,
        instance_store_gb: 0,
        max_interfaces: 2,
        addresses_per_interface: 6,
        bare_metal: false,
        root_device_types: vec![RootDeviceType::Ebs],
        usage_classes: Vec::new(),
        boot_modes: Vec::new(),
        auto_recovery: true,
    }
}

/// A healthy instance on Nitro that has been up for a month.
pub(crate) fn nitro() -> Facts {
    let id: InstanceId = "i-0123456789abcdef0".parse().unwrap();
    let fine = || Check {
        state: CheckState::Ok,
        impaired_since: None,
    };
    Facts {
        place: Arc::new(Place {
            client: Some("Sakura".to_owned()),
            account: AccountId::from_api("111122223333"),
            tags: BTreeMap::new(),
            way: String::new(),
        }),
        region: "ap-northeast-1".parse().unwrap(),
        machine: Machine {
            id: id.clone(),
            zone: "ap-northeast-1a".to_owned(),
            tags: [("Name".to_owned(), "shop".to_owned())].into(),
            instance_type: "m5.large".to_owned(),
            state: InstanceState::Running,
            virtualization: Virtualization::Hvm,
            architecture: Architecture::X86_64,
            kernel: None,
            ramdisk: None,
            root: RootDeviceType::Ebs,
            launched: Some(after(-30 * 24)),
            auto_recovery: AutoRecovery::Default,
            reboot_migration: Some(RebootMigration::Default),
            ena: true,
            lent_addresses: Vec::new(),
            interfaces: 1,
        },
        status: Some(Status {
            instance: id,
            state: InstanceState::Running,
            system: fine(),
            guest: fine(),
            events: Vec::new(),
        }),
        kernel: None,
        kind: Some(Arc::new(kind("m5.large", Hypervisor::Nitro, true))),
        successor: None,
        hourly: Some(Money {
            micros: 124_000,
            currency: "USD".to_owned(),
        }),
        now: now(),
    }
}

/// The same on Xen, ready for Nitro.
pub(crate) fn xen() -> Facts {
    let mut facts = nitro();
    facts.machine.instance_type = "m4.large".to_owned();
    facts.kind = Some(Arc::new(kind("m4.large", Hypervisor::Xen, true)));
    facts
}

/// A paravirtual instance with this kernel image. What could move it is switched off.
pub(crate) fn pv(kernel: &str) -> Facts {
    let mut facts = nitro();
    facts.machine.instance_type = "m3.medium".to_owned();
    facts.machine.virtualization = Virtualization::Paravirtual;
    facts.machine.auto_recovery = AutoRecovery::Disabled;
    facts.machine.reboot_migration = Some(RebootMigration::Disabled);
    facts.machine.ena = false;
    let kernel = KernelId::from_api(kernel);
    facts.kernel = Some(kernels::identify(&facts.region, &kernel, None));
    facts.machine.kernel = Some(kernel);
    facts.kind = Some(Arc::new(kind("m3.medium", Hypervisor::Xen, false)));
    facts.successor = Some(Successor {
        instance_type: "t2.medium".to_owned(),
        monthly_difference: Some(Money {
            micros: -25_696_000,
            currency: "USD".to_owned(),
        }),
    });
    facts
}

/// On PV-GRUB 1.03.
pub(crate) fn old() -> Facts {
    pv("aki-44992845")
}

/// With an event that begins in so many hours, and can be moved for a fortnight.
pub(crate) fn with_event(mut facts: Facts, code: &str, hours: i64) -> Facts {
    facts.status.as_mut().unwrap().events.push(Event {
        id: Some(EventId::from_api("instance-event-0123456789abcdef0")),
        code: code.into(),
        description: String::new(),
        stage: EventStage::Due,
        not_before: Some(after(hours)),
        not_after: Some(after(hours + 2)),
        deadline: Some(after(hours + 14 * 24)),
    });
    facts
}

/// Running, and not answering since so many hours.
pub(crate) fn dead(mut facts: Facts, hours: i64) -> Facts {
    let guest = &mut facts.status.as_mut().unwrap().guest;
    guest.state = CheckState::Impaired;
    guest.impaired_since = Some(after(-hours));
    facts
}

/// Something for each rule.
pub(crate) fn many() -> Vec<Facts> {
    let mut all = vec![
        nitro(),
        xen(),
        old(),
        pv("aki-176bf516"),
        pv("aki-7077ab11"),
        pv("aki-00000001"),
    ];
    for code in [
        "instance-reboot",
        "system-reboot",
        "system-maintenance",
        "instance-retirement",
        "instance-stop",
        "something-new",
    ] {
        all.push(with_event(old(), code, 100));
        all.push(with_event(nitro(), code, 100));
    }
    all.push(dead(old(), 5));
    let mut strange = pv("aki-44992845");
    strange.machine.ramdisk = Some(RamdiskId::from_api("ari-2a9d8b2b"));
    strange.machine.root = RootDeviceType::InstanceStore;
    strange.machine.auto_recovery = AutoRecovery::Default;
    all.push(strange);
    let mut bare = old();
    bare.machine.kernel = None;
    bare.kernel = None;
    bare.machine.launched = Some(after(-3000 * 24));
    bare.machine.auto_recovery = AutoRecovery::Default;
    bare.machine.reboot_migration = Some(RebootMigration::Default);
    bare.machine.lent_addresses = vec!["203.0.113.9".parse().unwrap()];
    all.push(bare);
    let mut unready = xen();
    unready.machine.ena = false;
    all.push(unready);
    all
}

/// Findings of one rule.
pub(crate) fn of(rule: super::Rule, facts: &Facts) -> Vec<Finding> {
    (rule.check)(facts)
}
