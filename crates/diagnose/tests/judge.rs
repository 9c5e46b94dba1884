//! What is told of instances in all states that a caller of a night meets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use comeback_cloud::ids::RegionName;
use comeback_cloud::kernels::{self, Successor, Version};
use comeback_cloud::model::{
    Architecture, AutoRecovery, Check, CheckState, Instance, InstanceState, Lifecycle, MaintenanceOptions, Monitoring,
    Placement, RootDeviceType, Status, Tags, Tenancy, Virtualization, Volume, VolumeState,
};
use comeback_cloud::prices;
use comeback_convert::platform::Platform;
use comeback_convert::verdict::{Assessment, Outcome, Verdict};
use comeback_diagnose::{Diagnosis, Disk, Health, Seen, Way, judge};
use jiff::{SignedDuration, Timestamp};

const PV_GRUB: &str = "Xen Minimal OS!\n  cmd_line: root=/dev/sda1 ro 4\nvbd 2049 is hd0\n  Booting 'Debian'\n\nroot  (hd0)\n Filesystem type is ext2fs, using whole disk\n";
const XZ: &str = "kernel  /boot/vmlinuz-3.16.0-4-amd64 root=/dev/xvda ro\nERROR Invalid kernel: xc_dom_probe_bzimage_kernel: unknown compression format\nxc_dom_parse_image returned -1\n\nError 9: Unknown boot failure\n";
const FSCK: &str =
    "[    0.000000] Linux version 3.2.0\n/dev/xvda1 has gone 361 days without being checked, check forced.\n";

fn now() -> Timestamp {
    "2018-01-04T12:00:00Z".parse().unwrap()
}

fn ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

fn check(state: CheckState, since: Option<i64>) -> Check {
    Check {
        state,
        impaired_since: since.map(ago),
    }
}

/// A PV instance on PV-GRUB 1.03 whose guest does not answer since so many minutes.
fn dead(minutes: i64, console: &str) -> Seen {
    let region: RegionName = "ap-northeast-1".parse().unwrap();
    let kernel = "aki-44992845".parse().unwrap();
    let instance = instance();
    Seen {
        kernel: Some(kernels::identify(&region, &kernel, None)),
        status: Some(Status {
            instance: instance.id.clone(),
            state: InstanceState::Running,
            system: check(CheckState::Ok, None),
            guest: check(CheckState::Impaired, Some(minutes)),
            events: Vec::new(),
        }),
        console: Some(console.as_bytes().to_vec()),
        volumes: vec![volume(8)],
        successor: Some(Successor {
            kernel: "aki-7077ab11".parse().unwrap(),
            name: "pv-grub-hd0_1.05-x86_64.gz".to_owned(),
            version: Version { major: 1, minor: 5 },
        }),
        hourly: prices::hourly("m3.medium", &region),
        disk: None,
        now: now(),
        unread: Vec::new(),
        instance,
        region,
    }
}

fn well(console: &str) -> Seen {
    let mut seen = dead(0, console);
    seen.status.as_mut().unwrap().guest = check(CheckState::Ok, None);
    seen
}

fn hvm(mut seen: Seen) -> Seen {
    seen.instance.virtualization = Virtualization::Hvm;
    seen.instance.kernel = None;
    seen.kernel = None;
    seen.successor = None;
    seen
}

fn stopped(mut seen: Seen) -> Seen {
    seen.instance.state = InstanceState::Stopped;
    seen.instance.state_transition_reason = Some("User initiated (2018-01-04 11:00:00 GMT)".to_owned());
    let status = seen.status.as_mut().unwrap();
    status.guest = check(CheckState::NotApplicable, None);
    status.system = check(CheckState::NotApplicable, None);
    seen
}

fn disk(old: Outcome, new: Outcome) -> Disk {
    let verdicts = [(Platform::PvGrub103, old), (Platform::PvGrub105, new)].map(|(platform, outcome)| Verdict {
        platform,
        outcome,
        decided_by: Vec::new(),
    });
    Disk {
        name: "copy.img".to_owned(),
        assessment: Assessment {
            verdicts: verdicts.to_vec(),
            findings: Vec::new(),
        },
    }
}

#[track_caller]
fn is(seen: &Seen, problem: &str, way: Way) -> Diagnosis {
    let diagnosis = judge(seen);
    let id = diagnosis.problem.as_ref().map_or("-", |problem| problem.id);
    assert_eq!((id, diagnosis.advice.way), (problem, way), "{diagnosis:#?}");
    diagnosis
}

#[test]
fn an_old_pv_grub_and_a_kernel_it_cannot_unpack() {
    let killed = dead(120, &format!("{PV_GRUB}{XZ}"));
    let diagnosis = is(&killed, "pv-kernel-compression", Way::BumpKernel);
    let problem = diagnosis.problem.unwrap();
    assert!(problem.evidence[0].text.contains("unknown compression format"));
    assert_eq!(problem.evidence[0].source, "console");
    assert!(!diagnosis.waiting.right);
    let outage = diagnosis.outage.unwrap();
    assert_eq!((outage.since, outage.seconds), (ago(120), 7200));
    // m3.medium is 0.096 USD an hour in Tokyo.
    assert_eq!(outage.cost.unwrap().micros, 192_000);
    assert!(diagnosis.advice.commands[0].starts_with("comeback rescue i-"));

    // Where a newer one is not known to be enough, the nine steps are.
    let unnamed = dead(120, &format!("{PV_GRUB}{}", XZ.split_once('\n').unwrap().1));
    is(&unnamed, "pv-kernel-compression", Way::NineSteps);
    let lz4 = dead(120, &format!("{PV_GRUB}{}", XZ.replace("3.16.0-4", "5.3.0-23")));
    is(&lz4, "pv-kernel-compression", Way::NineSteps);
    let mut none = killed.clone();
    none.successor = None;
    is(&none, "pv-kernel-compression", Way::NineSteps);
    let mut new = killed.clone();
    new.kernel = Some(kernels::identify(&new.region, &"aki-176bf516".parse().unwrap(), None));
    is(&new, "pv-kernel-compression", Way::NineSteps);

    // The disk knows better than the console.
    let mut with_disk = killed.clone();
    with_disk.disk = Some(disk(Outcome::DoesNotBoot, Outcome::DoesNotBoot));
    is(&with_disk, "pv-kernel-compression", Way::NineSteps);
    let mut with_disk = unnamed;
    with_disk.disk = Some(disk(Outcome::DoesNotBoot, Outcome::Boots));
    let diagnosis = is(&with_disk, "pv-kernel-compression", Way::BumpKernel);
    assert!(diagnosis.advice.why.contains("copy.img"), "{}", diagnosis.advice.why);
}

#[test]
fn a_forced_check_looks_like_death() {
    let diagnosis = is(&dead(10, FSCK), "fsck-running", Way::Wait);
    assert!(diagnosis.waiting.right);
    // A quarter of an hour to boot, and 8 GiB at 40 MiB a second.
    let limit = ago(10) + SignedDuration::from_mins(15) + SignedDuration::from_secs(204);
    assert_eq!(diagnosis.waiting.until, Some(limit));
    let mut large = dead(60, FSCK);
    large.volumes.push(volume(1000));
    assert!(
        is(&large, "fsck-running", Way::Wait).waiting.right,
        "a large volume takes hours"
    );
    let late = is(&dead(60, FSCK), "fsck-running", Way::NineSteps);
    assert!(
        !late.waiting.right && late.waiting.why.contains("over"),
        "{}",
        late.waiting.why
    );
    // At its border.
    let mut border = dead(10, FSCK);
    border.now = limit;
    assert!(!judge(&border).waiting.right);
    border.now = limit - SignedDuration::from_secs(1);
    assert!(judge(&border).waiting.right);
}

#[test]
fn silence_is_given_time() {
    is(&dead(5, ""), "no-console", Way::Wait);
    is(&dead(30, ""), "no-console", Way::NineSteps);
    is(
        &dead(30, "[    0.000000] Linux version 3.2.0\n"),
        "kernel-stands-still",
        Way::NineSteps,
    );
    is(&hvm(dead(30, "")), "no-console", Way::LookInside);
    let handed = format!("{PV_GRUB}close blk: backend=/local/domain/0/backend/vbd/11/2049\n");
    is(&dead(30, &handed), "pv-handed-over", Way::NineSteps);
    is(&dead(30, PV_GRUB), "pv-grub-stands-still", Way::NineSteps);
    let waits = "[    0.000000] Linux version 3.2.0\nWaiting for root device /dev/xvda1...\n";
    is(&dead(5, waits), "root-device-waits", Way::Wait);
    is(&dead(30, waits), "root-device-waits", Way::NineSteps);
    let mut unread = dead(30, "");
    unread.console = None;
    unread.unread.push("the console could not be read: denied".to_owned());
    let diagnosis = is(&unread, "unanswered", Way::NineSteps);
    assert!(diagnosis.notes[0].contains("denied"));
}

#[test]
fn each_failure_of_a_paravirtual_guest_has_its_way() {
    for (console, problem, way) in [
        (
            "Error 15: File not found",
            "boot-menu-names-missing-file",
            Way::LookInside,
        ),
        (
            "Error 17: Cannot mount selected partition",
            "grub-legacy-error",
            Way::NineSteps,
        ),
        (
            "ERROR Invalid kernel: elf_xen_note_check: ERROR",
            "pv-invalid-kernel",
            Way::NineSteps,
        ),
        (
            "xc_dom_compat_check: guest type xen-3.0-x86_32p not supported by xen kernel, sorry",
            "pv-wrong-word-size",
            Way::NineSteps,
        ),
        ("ERROR: mmu_update failed with rc=-22", "pv-mmu-update", Way::BumpKernel),
        ("grubdom> ", "pv-no-boot-menu", Way::BumpKernel),
        (
            "[    0.000000] Linux version 3.2.0\nKernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(8,1)",
            "vfs-unable-to-mount-root",
            Way::NineSteps,
        ),
        (
            "[    0.000000] Linux version 3.2.0\nALERT!  /dev/xvda1 does not exist.  Dropping to a shell!\n(initramfs) ",
            "root-device-missing",
            Way::NineSteps,
        ),
        (
            "[    0.000000] Linux version 3.2.0\nfsck.ext3: No such file or directory while trying to open /dev/sdh\nGive root password for maintenance",
            "fsck-device-missing",
            Way::LookInside,
        ),
        (
            "[    0.000000] Linux version 2.6.32\nUnable to load SELinux Policy. Machine is in enforcing mode. Halting now.",
            "selinux-policy",
            Way::LookInside,
        ),
    ] {
        let diagnosis = is(&dead(60, &format!("{PV_GRUB}{console}\n")), problem, way);
        let shown = &diagnosis.problem.unwrap().evidence[0].text;
        assert!(console.contains(shown.trim()), "{shown} is not in {console}");
    }
}

#[test]
fn harmless_noise_is_told_and_is_nothing() {
    let noise = format!(
        "{PV_GRUB}Tpmfront:Error Unable to read device/vtpm/0/backend-id during tpmfront initialization! error = ENOENT\n\
         [    0.000000] Linux version 3.2.0\nACPI in unprivileged domain disabled\nrtc_cmos: unable to open rtc device (rtc0)\nweb1 login: "
    );
    let diagnosis = judge(&well(&noise));
    assert_eq!((diagnosis.health, diagnosis.advice.way), (Health::Well, Way::Nothing));
    let ids: Vec<_> = diagnosis.harmless.iter().map(|sign| sign.id).collect();
    assert_eq!(ids, ["tpm-front", "acpi-noise", "no-rtc"]);
    assert!(diagnosis.outage.is_none());
    assert!(
        diagnosis.notes.iter().any(|note| note.contains("do not reboot")),
        "{:?}",
        diagnosis.notes
    );
    assert!(
        diagnosis.notes.iter().any(|note| note.contains("comeback hold")),
        "{:?}",
        diagnosis.notes
    );
}

#[test]
fn an_old_console_says_nothing_against_checks_that_pass() {
    let diagnosis = judge(&well(&format!("{PV_GRUB}{XZ}")));
    assert_eq!((diagnosis.health, diagnosis.problem), (Health::Well, None));
}

#[test]
fn one_that_comes_up_is_waited_for() {
    let mut coming = well("");
    coming.status.as_mut().unwrap().guest.state = CheckState::Initializing;
    coming.instance.launch_time = Some(ago(3));
    let diagnosis = judge(&coming);
    assert_eq!((diagnosis.health, diagnosis.advice.way), (Health::Coming, Way::Wait));
    // The console is before the checks.
    coming.console = Some(format!("{PV_GRUB}{XZ}").into_bytes());
    is(&coming, "pv-kernel-compression", Way::BumpKernel);
}

#[test]
fn one_that_booted_and_does_not_answer() {
    let login = "[    0.000000] Linux version 3.2.0\nweb1 login: \n";
    is(&dead(60, login), "booted-and-silent", Way::NineSteps);
    is(&hvm(dead(60, login)), "booted-and-silent", Way::Reboot);
    let memory = format!("{login}Out of memory: Kill process 1 (mysqld)\n");
    is(&hvm(dead(60, &memory)), "out-of-memory", Way::Reboot);
    let network = login.replace("web1", "No DHCPOFFERS received.\nweb1");
    is(&hvm(dead(60, &network)), "network-not-up", Way::LookInside);
    let panic = format!("{login}[ 99.9] Kernel panic - not syncing: Fatal exception\n");
    is(&hvm(dead(60, &panic)), "kernel-panic", Way::LookInside);
}

#[test]
fn hosts_fail_too() {
    let mut seen = dead(60, "");
    seen.status.as_mut().unwrap().system = check(CheckState::Impaired, Some(90));
    let diagnosis = is(&seen, "host-impaired", Way::NineSteps);
    assert_eq!(diagnosis.outage.unwrap().since, ago(90), "since the first of both");
    is(&hvm(seen), "host-impaired", Way::StopStart);
}

#[test]
fn stopped_and_gone() {
    let diagnosis = is(&stopped(dead(60, "")), "stopped", Way::NineSteps);
    let outage = diagnosis.outage.unwrap();
    assert_eq!(
        (outage.seconds, outage.cost),
        (3600, None),
        "a stopped instance is not billed"
    );
    is(&hvm(stopped(dead(60, ""))), "stopped", Way::Start);
    let failed = is(
        &stopped(dead(60, &format!("{PV_GRUB}{XZ}"))),
        "pv-kernel-compression",
        Way::BumpKernel,
    );
    assert!(failed.problem.unwrap().title.contains("it is stopped"));
    let mut gone = dead(60, "");
    gone.instance.state = InstanceState::Terminated;
    is(&gone, "terminated", Way::NotOurs);
    gone.instance.state = InstanceState::Stopping;
    is(&gone, "stopping", Way::Wait);
}

#[test]
fn what_cannot_be_stopped_or_converted_is_told() {
    let mut store = dead(60, &format!("{PV_GRUB}{XZ}"));
    store.instance.root_device_type = RootDeviceType::InstanceStore;
    let diagnosis = is(&store, "pv-kernel-compression", Way::LookInside);
    assert!(diagnosis.advice.why.contains("lose everything"));
    let mut foreign = dead(60, "");
    foreign.kernel = Some(kernels::Kernel::Unknown);
    is(&foreign, "no-console", Way::LookInside);
}

#[test]
fn a_disk_adds_its_evidence_and_warns_of_the_next_boot() {
    let mut seen = well("web1 login: ");
    seen.disk = Some(disk(Outcome::DoesNotBoot, Outcome::Boots));
    let notes = judge(&seen).notes;
    assert!(
        notes[0].contains("copy.img does not boot with pv-grub-1.03"),
        "{notes:?}"
    );
    seen.disk = Some(disk(Outcome::Boots, Outcome::Boots));
    assert!(!judge(&seen).notes.iter().any(|note| note.contains("do not reboot")));
}

proptest::proptest! {
    /// Whatever is on a console, there is an answer, and a PV instance is never told to start or reboot.
    #[test]
    fn any_console_is_judged(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..2000), minutes in 0_i64..10_000) {
        let mut seen = dead(minutes, "");
        seen.console = Some(bytes);
        let diagnosis = judge(&seen);
        proptest::prop_assert_eq!(diagnosis.health, Health::Wrong);
        proptest::prop_assert!(!matches!(diagnosis.advice.way, Way::Start | Way::StopStart | Way::Reboot | Way::Nothing));
        serde_json::to_string(&diagnosis).unwrap();
    }
}

fn volume(size_gib: u32) -> Volume {
    Volume {
        id: "vol-00000001".parse().unwrap(),
        state: VolumeState::InUse,
        size_gib,
        kind: "standard".to_owned(),
        iops: None,
        throughput: None,
        zone: "ap-northeast-1a".to_owned(),
        snapshot: None,
        encrypted: false,
        kms_key: None,
        multi_attach: false,
        attachments: Vec::new(),
        created: None,
        tags: Tags::new(),
    }
}

fn instance() -> Instance {
    Instance {
        id: "i-00000001".parse().unwrap(),
        state: InstanceState::Running,
        instance_type: "m3.medium".to_owned(),
        virtualization: Virtualization::Paravirtual,
        architecture: Architecture::X86_64,
        hypervisor: Some("xen".to_owned()),
        kernel: Some("aki-44992845".parse().unwrap()),
        ramdisk: None,
        image: None,
        root_device_name: Some("/dev/sda1".to_owned()),
        root_device_type: RootDeviceType::Ebs,
        block_devices: Vec::new(),
        subnet: None,
        vpc: None,
        zone: "ap-northeast-1a".to_owned(),
        private_ip: None,
        private_dns: None,
        public_ip: None,
        public_dns: None,
        key_name: None,
        security_groups: Vec::new(),
        interfaces: Vec::new(),
        iam_profile: None,
        tags: Tags::new(),
        monitoring: Monitoring::Disabled,
        placement: Placement {
            tenancy: Tenancy::Default,
            group: None,
            host: None,
            affinity: None,
            partition: None,
        },
        lifecycle: Lifecycle::Normal,
        product_codes: Vec::new(),
        platform_details: None,
        windows: false,
        launch_time: Some("2014-01-01T00:00:00Z".parse().unwrap()),
        metadata_options: None,
        maintenance_options: MaintenanceOptions {
            auto_recovery: AutoRecovery::Default,
            reboot_migration: None,
        },
        ebs_optimized: false,
        ena_support: false,
        sriov: None,
        source_dest_check: None,
        hibernation: false,
        enclave: false,
        state_reason: None,
        state_transition_reason: None,
        boot_mode: None,
        client_token: None,
    }
}
