//! What needs no QEMU: machines that PV-GRUB starts nothing on, and machines that cannot be started.

use std::net::TcpListener;
use std::thread;
use std::time::Instant;

use comeback_testkit::{golden, image};

use super::super::Platform;
use super::*;

const INSTANCE: &str = "i-0123456789abcdef0";

/// A backend, and a machine whose kernel PV-GRUB 1.03 cannot unpack.
fn lab() -> (tempfile::TempDir, Qemu, Machine) {
    let folder = tempfile::tempdir().unwrap();
    let guest = golden::load(&golden::repository_folder().join("debian-8")).unwrap();
    let root = folder.path().join("guest");
    guest.materialise(&root).unwrap();
    let machine = Machine {
        instance: INSTANCE.to_owned(),
        platform: Platform::PvGrub {
            version: (1, 3),
            hd00: false,
            bits: 64,
        },
        memory_mib: 615,
        root: Some(Disk {
            volume: "vol-00000000000000001".to_owned(),
            path: image::build_ext(&root, &guest.description).unwrap(),
            device: "/dev/sda1".to_owned(),
        }),
        disks: Vec::new(),
        user_data: None,
        hostname: "ip-10-0-0-5".to_owned(),
        ssh_keys: Vec::new(),
        addresses: Vec::new(),
        ports: vec![22],
        mac: "0a:00:00:00:00:05".to_owned(),
        first_boot_unchecked: false,
    };
    let qemu = Qemu::new(Settings::new(folder.path().join("machines"))).unwrap();
    (folder, qemu, machine)
}

#[track_caller]
fn wait_for(qemu: &Qemu, wanted: impl Fn(&Condition) -> bool) {
    let started = Instant::now();
    while !wanted(&qemu.condition(INSTANCE)) {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{:?}",
            qemu.condition(INSTANCE)
        );
        thread::sleep(Duration::from_millis(10));
    }
}

fn is_dead(condition: &Condition) -> bool {
    matches!(condition, Condition::Dead { line } if line.contains("unknown compression format"))
}

#[test]
fn what_pv_grub_refuses_is_dead_until_it_is_switched_off() {
    let (_folder, qemu, mut machine) = lab();
    assert_eq!(qemu.condition(INSTANCE), Condition::Off);
    qemu.start(&machine).unwrap();
    assert!(is_dead(&qemu.condition(INSTANCE)));
    let console = String::from_utf8(qemu.console(INSTANCE)).unwrap();
    assert!(console.ends_with("Press any key to continue..."), "{console}");
    assert!(qemu.start(&machine).unwrap_err().to_string().contains("it is running"));
    assert!(qemu.screenshot(INSTANCE).is_err());

    // Without power, volumes and addresses are there at the next start.
    let mut data = machine.root.clone().unwrap();
    data.volume = "vol-00000000000000002".to_owned();
    qemu.attach(INSTANCE, &data).unwrap();
    qemu.detach(INSTANCE, &data.volume).unwrap();
    qemu.addresses(INSTANCE, &[Ipv4Addr::LOCALHOST]).unwrap();
    qemu.freeze(INSTANCE, true).unwrap();

    // It does not get better by a reboot, unless it reboots to something else.
    qemu.reboot(&machine).unwrap();
    wait_for(&qemu, is_dead);
    machine.platform = Platform::PvGrub {
        version: (1, 5),
        hd00: false,
        bits: 32,
    };
    qemu.reboot(&machine).unwrap();
    wait_for(
        &qemu,
        |condition| matches!(condition, Condition::Dead { line } if line == "can only boot x86 32 PAE kernels, not xen-3.0-x86_64"),
    );
    qemu.stop(INSTANCE, false).unwrap();
    wait_for(&qemu, |condition| *condition == Condition::Off);
    qemu.stop(INSTANCE, true).unwrap();
    qemu.start(&machine).unwrap();
    drop(qemu);
}

#[test]
fn what_cannot_be_started_says_why() {
    let (folder, qemu, mut machine) = lab();
    machine.platform = Platform::Nitro;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    machine.addresses = vec![Ipv4Addr::LOCALHOST];
    machine.ports = vec![taken.local_addr().unwrap().port()];
    let error = qemu.start(&machine).unwrap_err().to_string();
    assert!(error.contains("is taken by another program"), "{error}");
    assert_eq!(qemu.condition(INSTANCE), Condition::Off);

    machine.root = None;
    let error = qemu.start(&machine).unwrap_err().to_string();
    assert!(error.contains("no root volume"), "{error}");
    assert!(qemu.attach("i-none", &lab().2.root.unwrap()).is_err());
    let left = std::fs::read_dir(folder.path().join("machines")).unwrap().count();
    assert_eq!(left, 0, "a boot that failed has left something behind");
}
