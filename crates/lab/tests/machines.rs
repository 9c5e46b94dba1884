//! Instances that really boot: the incident's guest as PV under two releases of PV-GRUB, and the host on both HVM platforms.
//!
//! These take minutes, so they are ignored by a plain `cargo test`; `cargo xtask test` builds the guests and runs them, one
//! at a time. It names the guests in `COMEBACK_GUESTS`, one `name=path` a line, and the private key that they let in in
//! `COMEBACK_SSH_KEY`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use comeback_lab::backend::qemu::{Qemu, Settings};
use comeback_lab::backend::{Backend, Condition, Disk, Machine, Platform};

const INSTANCE: &str = "i-0123456789abcdef0";
const SSH_PORT: u16 = 2222;
const XZ: &str = "xc_dom_probe_bzimage_kernel: unknown compression format";

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("run by `cargo xtask test`, which sets {name}"))
}

fn guest(name: &str) -> PathBuf {
    let guests = variable("COMEBACK_GUESTS");
    let line = guests
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    PathBuf::from(line.unwrap_or_else(|| panic!("no guest {name} in COMEBACK_GUESTS")))
}

/// A lab with one machine, and time since it was started.
struct Lab {
    folder: tempfile::TempDir,
    qemu: Qemu,
    machine: Machine,
    host_keys: PathBuf,
}

impl Lab {
    fn new(name: &str, platform: Platform, address: [u8; 4]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("comeback-lab-")
            .tempdir_in("/var/tmp")
            .unwrap();
        let disk = folder.path().join("root.img");
        let copied = Command::new("cp")
            .args(["--sparse=always", "--reflink=auto"])
            .args([&guest(name), &disk])
            .status()
            .unwrap();
        assert!(copied.success());
        let qemu = Qemu::new(Settings {
            ssh_port: SSH_PORT,
            ..Settings::new(folder.path().join("machines"))
        })
        .unwrap();
        let public = std::fs::read_to_string(variable("COMEBACK_SSH_KEY") + ".pub").unwrap();
        let machine = Machine {
            instance: INSTANCE.to_owned(),
            platform,
            memory_mib: 512,
            root: Some(Disk {
                volume: "vol-00000000000000001".to_owned(),
                path: disk,
                device: "/dev/sda1".to_owned(),
            }),
            disks: Vec::new(),
            user_data: None,
            hostname: "ip-10-0-0-5".to_owned(),
            ssh_keys: vec![public.trim().to_owned()],
            addresses: vec![Ipv4Addr::from(address)],
            ports: vec![22, 8080],
            mac: "0a:00:00:00:00:05".to_owned(),
            first_boot_unchecked: false,
        };
        let host_keys = folder.path().join("known_hosts");
        Self {
            folder,
            qemu,
            machine,
            host_keys,
        }
    }

    fn start(&self) {
        self.qemu.start(&self.machine).unwrap();
    }

    /// Waits until the machine is as wanted, and says how long that took.
    #[track_caller]
    fn wait(&self, seconds: u64, what: &str, wanted: impl Fn(&Condition) -> bool) -> Condition {
        let started = Instant::now();
        loop {
            let condition = self.qemu.condition(INSTANCE);
            if wanted(&condition) {
                println!("{what} after {:.0} s", started.elapsed().as_secs_f64());
                return condition;
            }
            // What is dead may still be switched off.
            let dead = matches!(condition, Condition::Dead { .. }) && !wanted(&Condition::Off);
            if dead || started.elapsed() > Duration::from_secs(seconds) {
                let console = self.qemu.console(INSTANCE);
                panic!("{what}: {condition:?}\n{}", String::from_utf8_lossy(&console));
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    fn ssh_once(&self, user: &str, address: Ipv4Addr, command: &str) -> Output {
        Command::new("ssh")
            .args([
                "-F",
                "none",
                "-o",
                "BatchMode=yes",
                "-o",
                "ConnectTimeout=5",
                "-o",
                "LogLevel=ERROR",
            ])
            .args(["-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=accept-new"])
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", self.host_keys.display()))
            .args(["-i", &variable("COMEBACK_SSH_KEY"), "-p", &SSH_PORT.to_string()])
            .args([&format!("{user}@{address}"), command])
            .output()
            .unwrap()
    }

    /// Runs a command in the guest, trying again until its SSH server answers.
    #[track_caller]
    fn ssh(&self, user: &str, command: &str) -> String {
        let started = Instant::now();
        loop {
            let output = self.ssh_once(user, self.machine.addresses[0], command);
            if output.status.success() {
                println!("$ {command}  # after {:.0} s", started.elapsed().as_secs_f64());
                return String::from_utf8(output.stdout).unwrap();
            }
            // 255 is ssh's own.
            let done = output.status.code() != Some(255) || started.elapsed() > Duration::from_secs(300);
            assert!(
                !done,
                "{command}: {output:?}\n{}",
                String::from_utf8_lossy(&self.qemu.console(INSTANCE))
            );
            thread::sleep(Duration::from_secs(1));
        }
    }

    /// Waits until PV-GRUB 1.03 has met the guest's kernel.
    #[track_caller]
    fn wait_for_death(&self) {
        let started = Instant::now();
        let line = loop {
            match self.qemu.condition(INSTANCE) {
                Condition::Dead { line } => break line,
                _ => assert!(started.elapsed() < Duration::from_secs(120), "{}", self.console()),
            }
            thread::sleep(Duration::from_millis(200));
        };
        println!("dead after {:.0} s", started.elapsed().as_secs_f64());
        assert!(line.contains(XZ), "{line}");
        assert!(
            self.console().contains("\nError 9: Unknown boot failure\n"),
            "{}",
            self.console()
        );
    }

    fn console(&self) -> String {
        String::from_utf8_lossy(&self.qemu.console(INSTANCE)).into_owned()
    }
}

/// What the guest's service answers.
fn page(address: Ipv4Addr) -> String {
    let mut stream = TcpStream::connect((address, 8080)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    // The service does not read the request to its end, so that the connection may end in a reset.
    let _ = stream.read_to_string(&mut text);
    text
}

fn sparse(path: &Path, length: u64) {
    std::fs::File::create(path).unwrap().set_len(length).unwrap();
}

#[test]
#[ignore = "boots guests for minutes: cargo xtask test"]
fn tokyo_dies_by_its_reboot_and_lives_with_a_newer_pv_grub() {
    let with = |minor| Platform::PvGrub {
        version: (1, minor),
        hd00: false,
        bits: 64,
    };
    let mut lab = Lab::new("tokyo", with(3), [127, 9, 1, 5]);
    // It has been running since its kernel was another.
    lab.machine.first_boot_unchecked = true;
    let second = Disk {
        volume: "vol-00000000000000002".to_owned(),
        path: lab.folder.path().join("second.img"),
        device: "/dev/sdf".to_owned(),
    };
    sparse(&second.path, 64 << 20);
    lab.machine.disks = vec![second];
    lab.start();
    lab.wait(300, "login as PV", |condition| *condition == Condition::Up);
    let sums = lab.ssh("root", "cd /srv/data && sha256sum -c SHA256SUMS");
    assert_eq!(sums, "orders.bin: OK\nledger.bin: OK\nodd.bin: OK\n");
    let links = lab.ssh(
        "root",
        "readlink -f /dev/xvda1 /dev/xvdf /dev/sdf; udevadm info -q symlink /dev/vdb",
    );
    assert!(links.starts_with("/dev/vda\n/dev/vdb\n/dev/vdb\n"), "{links}");
    assert!(links.contains("xvdf"), "the guest's own udev does not know: {links}");
    let page = page(lab.machine.addresses[0]);
    assert!(page.contains("  ledger.bin\n"), "{page}");
    assert!(lab.console().starts_with("Xen Minimal OS!"), "{}", lab.console());

    // The guest's own reboot goes by PV-GRUB 1.03, which cannot unpack its kernel.
    lab.ssh("root", "touch /srv/written && sync && systemctl --no-block reboot");
    lab.wait_for_death();
    assert!(!lab.ssh_once("root", lab.machine.addresses[0], "true").status.success());

    // A power cycle of what is dead already.
    lab.machine.platform = with(4);
    lab.machine.first_boot_unchecked = false;
    lab.qemu.reboot(&lab.machine).unwrap();
    thread::sleep(Duration::from_secs(2));
    lab.wait(300, "login with 1.04", |condition| *condition == Condition::Up);
    lab.ssh("root", "test -e /srv/written");

    // A power cycle from outside, by the power button.
    lab.machine.platform = with(3);
    lab.qemu.reboot(&lab.machine).unwrap();
    lab.wait_for_death();
    lab.qemu.stop(INSTANCE, false).unwrap();
    lab.wait(10, "off", |condition| *condition == Condition::Off);
}

fn host(platform: Platform, address: [u8; 4]) {
    let mut lab = Lab::new("lab-host", platform, address);
    let key = lab.folder.path().join("host-key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
        .arg(&key)
        .status()
        .unwrap();
    assert!(made.success());
    let private = std::fs::read_to_string(&key).unwrap();
    let public = std::fs::read_to_string(lab.folder.path().join("host-key.pub")).unwrap();
    let indented: String = private.lines().map(|line| format!("    {line}\n")).collect();
    let text = format!(
        "#cloud-config\nssh_keys:\n  ed25519_private: |\n{indented}  ed25519_public: {}\n",
        public.trim()
    );
    lab.machine.user_data = Some(text.into_bytes());
    // Pinned: no other key is taken.
    let (first, second) = (lab.machine.addresses[0], Ipv4Addr::new(127, 9, 3, address[3]));
    let pins: String = [first, second]
        .map(|address| format!("[{address}]:{SSH_PORT} {public}"))
        .concat();
    std::fs::write(&lab.host_keys, pins).unwrap();

    lab.start();
    let said = lab.ssh("admin", "sudo id -u; hostname");
    assert_eq!(said, "0\nip-10-0-0-5\n");
    let picture = lab.qemu.screenshot(INSTANCE).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));

    let disk = Disk {
        volume: "vol-00000000000000002".to_owned(),
        path: lab.folder.path().join("second.img"),
        device: "/dev/sdf".to_owned(),
    };
    sparse(&disk.path, 64 << 20);
    let serials = "lsblk --nodeps --noheadings --output SERIAL,SIZE";
    lab.qemu.attach(INSTANCE, &disk).unwrap();
    let seen = |wanted: bool| {
        let started = Instant::now();
        loop {
            let said = lab.ssh("admin", serials);
            if said.contains("vol00000000000000002") == wanted {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{said}");
        }
    };
    seen(true);
    let device = "/dev/$(lsblk --nodeps --noheadings --output NAME,SERIAL | sed -n 's/ *vol00000000000000002//p')";
    lab.ssh(
        "admin",
        &format!("echo written in the guest | sudo dd of={device} conv=fsync status=none"),
    );
    lab.qemu.detach(INSTANCE, &disk.volume).unwrap();
    seen(false);
    let mut start = [0; 20];
    std::fs::File::open(&disk.path).unwrap().read_exact(&mut start).unwrap();
    assert_eq!(start, *b"written in the guest");

    lab.qemu.addresses(INSTANCE, &[second]).unwrap();
    assert!(!lab.ssh_once("admin", first, "true").status.success());
    assert!(lab.ssh_once("admin", second, "true").status.success());

    lab.qemu.stop(INSTANCE, false).unwrap();
    lab.wait(100, "off by its power button", |condition| *condition == Condition::Off);
    assert!(lab.console().contains("reboot: Power down"), "{}", lab.console());
}

#[test]
#[ignore = "boots guests for minutes: cargo xtask test"]
fn the_host_on_nitro() {
    host(Platform::Nitro, [127, 9, 1, 6]);
}

#[test]
#[ignore = "boots guests for minutes: cargo xtask test"]
fn the_host_on_xen_hvm() {
    host(Platform::XenHvm, [127, 9, 1, 7]);
}
