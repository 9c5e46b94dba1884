//! QEMU's command line.

use std::ffi::OsString;
use std::path::Path;

use serde_json::{Value, json};

use super::super::{Disk, Machine, Platform};
use super::chain::Chain;
use super::{Settings, forward};

/// Id of the network in QEMU.
pub(super) const NETWORK: &str = "net";
/// The least memory that a guest starts with, in MiB.
const LEAST_MEMORY: u32 = 256;

/// All arguments; `folder` holds what this boot is made from and its sockets.
pub(super) fn arguments(
    machine: &Machine,
    chain: &Chain,
    settings: &Settings,
    folder: &Path,
    kvm: bool,
) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = [
        "-name",
        "comeback-lab",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-vga",
        "std",
        "-machine",
        "pc",
        "-smp",
        "1",
        "-rtc",
        "base=utc",
        "-boot",
        "strict=on",
        "-S",
        // A guest that has switched itself off stays, so that its last words are read.
        "-no-shutdown",
        "-chardev",
        "stdio,id=serial,signal=off,mux=off",
        "-serial",
        "chardev:serial",
        "-device",
        "isa-debugcon,iobase=0x402,chardev=firmware",
        "-mon",
        "chardev=qmp,mode=control",
    ]
    .map(OsString::from)
    .into();
    let mut add = |option: &str, value: OsString| arguments.extend([option.into(), value]);
    let (accelerator, cpu) = if kvm {
        ("kvm", "host")
    } else {
        ("tcg,thread=multi", "max")
    };
    add("-accel", accelerator.into());
    add("-cpu", cpu.into());
    let memory = machine
        .memory_mib
        .clamp(LEAST_MEMORY, settings.most_memory_mib.max(LEAST_MEMORY));
    add("-m", memory.to_string().into());
    // The folder's name is the backend's own choice but for what is above it.
    let path = |name: &str| folder.join(name).to_string_lossy().replace(',', ",,");
    add("-chardev", format!("file,id=firmware,path={}", path("firmware")).into());
    add("-chardev", format!("socket,id=qmp,path={}", path("qmp")).into());

    if let Chain::Kernel { initrd, append, .. } = chain {
        add("-kernel", folder.join("kernel").into());
        if *initrd {
            add("-initrd", folder.join("initrd").into());
        }
        add("-append", append.into());
        // Its reset has to come by PV-GRUB again.
        add("-action", "reboot=shutdown".into());
    } else {
        let seed = json!({
            "driver": "raw", "node-name": "seed", "read-only": true,
            "file": { "driver": "file", "filename": folder.join("seed"), "read-only": true },
        });
        add("-blockdev", seed.to_string().into());
        add("-device", "virtio-blk-pci,drive=seed,id=d-seed,serial=seed".into());
    }
    if let Some(root) = &machine.root {
        add("-blockdev", block_node(root).to_string().into());
        let (drive, boots) = (node(&root.volume), "bootindex=0");
        add(
            "-device",
            match machine.platform {
                Platform::XenHvm => {
                    format!("ide-hd,bus=ide.0,unit=0,drive={drive},id=d-{drive},serial={drive},{boots}")
                }
                Platform::Nitro => format!("nvme,drive={drive},id=d-{drive},serial={drive},{boots}"),
                Platform::PvGrub { .. } | Platform::OtherKernel => {
                    format!("virtio-blk-pci,drive={drive},id=d-{drive},serial={drive}")
                }
            }
            .into(),
        );
    }
    for disk in &machine.disks {
        add("-blockdev", block_node(disk).to_string().into());
        let drive = node(&disk.volume);
        let driver = driver(machine.platform);
        add(
            "-device",
            format!("{driver},drive={drive},id=d-{drive},serial={drive}").into(),
        );
    }
    let mut network = format!("user,id={NETWORK},restrict=on");
    for rule in forward::rules(&machine.addresses, &machine.ports, settings.ssh_port) {
        network.push_str(&format!(",hostfwd={rule}"));
    }
    add("-netdev", network.into());
    // Without a boot ROM: the firmware need not try the network.
    add(
        "-device",
        format!("virtio-net-pci,netdev={NETWORK},mac={},romfile=", machine.mac).into(),
    );
    arguments
}

/// What a volume is called in QEMU, and its serial number in the guest: EC2's is its id without the dash.
pub(super) fn node(volume: &str) -> String {
    volume.chars().filter(char::is_ascii_alphanumeric).take(20).collect()
}

/// The device that a volume other than the root is in the guest.
pub(super) const fn driver(platform: Platform) -> &'static str {
    match platform {
        Platform::Nitro => "nvme",
        Platform::XenHvm | Platform::PvGrub { .. } | Platform::OtherKernel => "virtio-blk-pci",
    }
}

/// A volume's file. What the guest flushes is on the disk; what it discards becomes holes.
pub(super) fn block_node(disk: &Disk) -> Value {
    json!({
        "driver": "raw", "node-name": node(&disk.volume), "discard": "unmap",
        "file": { "driver": "file", "filename": disk.path, "locking": "on", "discard": "unmap" },
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn line(platform: Platform, chain: &Chain) -> String {
        let disk = |volume: &str, device: &str| Disk {
            volume: volume.to_owned(),
            path: format!("/volumes/{volume}").into(),
            device: device.to_owned(),
        };
        let machine = Machine {
            instance: "i-0123456789abcdef0".to_owned(),
            platform,
            memory_mib: 4096,
            root: Some(disk("vol-00000000000000001", "/dev/sda1")),
            disks: vec![disk("vol-00000000000000002", "/dev/sdf")],
            user_data: None,
            hostname: "host".to_owned(),
            ssh_keys: Vec::new(),
            addresses: vec![Ipv4Addr::new(127, 1, 0, 5)],
            ports: vec![22, 8080],
            mac: "0a:00:00:00:00:01".to_owned(),
            first_boot_unchecked: false,
        };
        let settings = Settings {
            ssh_port: 2222,
            ..Settings::new("/lab")
        };
        let arguments = arguments(&machine, chain, &settings, Path::new("/lab/a,b"), false);
        arguments.join(" ".as_ref()).into_string().unwrap()
    }

    #[test]
    fn guests_reach_nothing_and_are_reached_on_loopback() {
        let line = line(Platform::Nitro, &Chain::Firmware);
        let network = "user,id=net,restrict=on,hostfwd=tcp:127.1.0.5:2222-:22,hostfwd=tcp:127.1.0.5:8080-:8080";
        assert!(line.contains(network), "{line}");
        assert!(line.contains("-m 512 "), "{line}");
        assert!(line.contains("path=/lab/a,,b/qmp"), "{line}");
    }

    #[test]
    fn disks_of_each_platform() {
        let nitro = line(Platform::Nitro, &Chain::Firmware);
        assert!(nitro.contains(
            "nvme,drive=vol00000000000000001,id=d-vol00000000000000001,serial=vol00000000000000001,bootindex=0"
        ));
        assert!(nitro.contains("nvme,drive=vol00000000000000002,"));
        assert!(nitro.contains("drive=seed"));
        let xen = line(Platform::XenHvm, &Chain::Firmware);
        assert!(xen.contains("ide-hd,bus=ide.0,unit=0,drive=vol00000000000000001,"));
        assert!(xen.contains("virtio-blk-pci,drive=vol00000000000000002,"));
        let kernel = Chain::Kernel {
            initrd: true,
            append: "root=/dev/vda".to_owned(),
            said: String::new(),
        };
        let pv_grub = Platform::PvGrub {
            version: (1, 3),
            hd00: false,
            bits: 64,
        };
        let pv = line(pv_grub, &kernel);
        assert!(
            pv.contains(
                "-kernel /lab/a,b/kernel -initrd /lab/a,b/initrd -append root=/dev/vda -action reboot=shutdown"
            )
        );
        assert!(!pv.contains("drive=seed"), "{pv}");
    }
}
