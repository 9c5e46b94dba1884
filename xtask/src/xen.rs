//! A real Xen on any machine: QEMU's software emulation runs the hypervisor, a Debian dom0 and, inside, the guest.
//!
//! QEMU loads Xen as a multiboot kernel with dom0's kernel and initramfs as modules. The guest's disk is dom0's second disk,
//! found by its serial number. Once Xen's services are up, a unit of dom0 starts the guest that the kernel command line
//! describes and joins its console to that of the machine. A PV guest is booted by pygrub, which reads the guest's own
//! `menu.lst` as PV-GRUB does on EC2 (PV-GRUB itself is not in Debian). An HVM guest is booted by hvmloader and SeaBIOS from
//! an emulated IDE disk; its kernel then sees a Xen disk, `xvda`. QEMU emulates AMD's SVM, which is what Xen needs for it.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use crate::console::{self, Watch};
use crate::guests::files::{self, Content};
use crate::guests::recipe::{Initramfs, Rootfs, Suite};
use crate::guests::rootfs;
use crate::image::{FileSystem, Owner};
use crate::{cache, packages, run};

/// Counts up when this file changes what it makes.
const VERSION: u32 = 1;
/// Bytes of dom0's disk.
const DOM0_SIZE: u64 = 3 << 30;
const DOM0_UUID: &str = "a4d2d1b4-6d3c-4b52-8d1a-0c0a11ba0000";
/// What a getty says.
const LOGIN: &str = "login:";
/// What dom0 prints before it starts the guest. All that follows is the guest's console, or why there is none.
const STARTS: &str = "xen-rig: the guest starts";
/// What dom0 prints when the guest is gone.
const ENDED: &str = "xen-rig: the guest is gone";

/// How Xen runs the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Paravirtual: the host reads the guest's menu.lst, kernel and initramfs.
    Pv,
    /// With a BIOS: the disk has to boot by itself.
    Hvm,
}

/// A boot under Xen.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// Raw or qcow2 image.
    pub(crate) disk: &'a Path,
    pub(crate) mode: Mode,
    /// Whether the disk has a partition table. EC2 shows a PV guest without one its disk as `xvda1`.
    pub(crate) partitioned: bool,
    /// Let the guest write to its disk; what it writes is dropped otherwise.
    pub(crate) write: bool,
    pub(crate) timeout: Duration,
    /// Where the console of Xen, dom0 and the guest goes as it comes.
    pub(crate) transcript: Option<&'a Path>,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Boot {
    /// Whether the guest came to its login prompt, or to the end of its boot.
    pub(crate) up: bool,
    /// Whether there was a login prompt. A getty that gave up on a slow machine is no failure to boot.
    pub(crate) login: bool,
    /// The guest's console; if it was never started, that of Xen and dom0.
    pub(crate) console: String,
    pub(crate) took: Duration,
}

/// Boots a guest's disk and prints how it gets on.
pub(crate) fn boot(wanted: &Wanted) -> Result<Boot> {
    packages::install(&[packages::Group::Guests, packages::Group::Rehearse])?;
    let dom0 = ready()?;
    let watch = Watch {
        timeout: wanted.timeout,
        milestones: &[
            ("Xen version", "hypervisor"),
            ("Linux version", "dom0's kernel"),
            ("systemd[1]:", "dom0's services"),
            (STARTS, "guest starts"),
            ("Linux version", "guest's kernel"),
            ("systemd[1]:", "guest's services"),
        ],
        after: STARTS,
        success: LOGIN,
        also: &["Multi-User System", "Reached target Graphical Interface"],
        failures: &[ENDED, "Kernel panic", "Rebooting in", "emergency mode"],
        transcript: wanted.transcript,
    };
    let seen = console::watch(&mut qemu(&dom0, wanted)?, &watch)?;
    let console = seen
        .text
        .split_once(STARTS)
        .map_or(seen.text.as_str(), |(_, guest)| guest);
    let login = seen.success && console.contains(LOGIN);
    Ok(Boot {
        login,
        up: seen.success,
        console: console.trim_start().to_owned(),
        took: seen.took,
    })
}

/// What `cargo xtask xen` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Raw or qcow2 image.
    disk: PathBuf,
    /// How Xen runs the guest.
    #[arg(long = "as", default_value = "pv")]
    mode: Mode,
    /// Whether the disk has a partition table [default: as its first sector says].
    #[arg(long)]
    partitioned: Option<bool>,
    /// Let the guest write to its disk; what it writes is dropped otherwise.
    #[arg(long)]
    write: bool,
    /// Seconds after which to give up.
    #[arg(long, default_value_t = 900)]
    timeout: u64,
    /// Write the console of Xen, dom0 and the guest to this file.
    #[arg(long)]
    transcript: Option<PathBuf>,
}

/// `cargo xtask xen`.
pub(crate) fn command(arguments: &Arguments) -> Result<()> {
    let Arguments {
        disk,
        mode,
        partitioned,
        write,
        timeout,
        transcript,
    } = arguments;
    let boot = boot(&Wanted {
        disk,
        mode: *mode,
        partitioned: partitioned.map_or_else(|| is_partitioned(disk), Ok)?,
        write: *write,
        timeout: Duration::from_secs(*timeout),
        transcript: transcript.as_deref(),
    })?;
    if !boot.up {
        println!("{}", boot.console);
    }
    ensure!(boot.up, "not up after {} s", boot.took.as_secs());
    println!(
        "{} after {} s",
        if boot.login { "login prompt" } else { "boot finished" },
        boot.took.as_secs()
    );
    Ok(())
}

/// The machine that Xen runs on.
fn qemu(dom0: &Path, wanted: &Wanted) -> Result<Command> {
    let disk = wanted
        .disk
        .canonicalize()
        .with_context(|| format!("finding {}", wanted.disk.display()))?;
    let kind = match wanted.mode {
        Mode::Pv => "pv",
        Mode::Hvm => "hvm",
    };
    let device = match (wanted.mode, wanted.partitioned) {
        (Mode::Hvm, _) => "hda",
        (Mode::Pv, true) => "xvda",
        (Mode::Pv, false) => "xvda1",
    };
    let at = |name: &str| dom0.join(name).display().to_string();
    let (kernel, initrd) = (at("vmlinuz"), at("initrd.img"));
    ensure!(
        !kernel.contains([',', ' ']),
        "{kernel}: QEMU takes no module whose path has a comma or a space"
    );

    // dom0's systemd is silent, so that no target that it reaches passes for one of the guest's.
    let mut command = Command::new("qemu-system-x86_64");
    // dom0's kernel crashes on the processor that QEMU calls max.
    command.args(["-accel", "tcg", "-cpu", "qemu64,+svm,+npt", "-smp", "2", "-m", "3584"]);
    command.args([
        "-display",
        "none",
        "-monitor",
        "none",
        "-serial",
        "stdio",
        "-nic",
        "none",
        "-no-reboot",
    ]);
    command.args(["-kernel", &at("xen")]);
    command.args(["-append", "console=com1 com1=115200,8n1 dom0_mem=1536M noreboot"]);
    command.arg("-initrd").arg(format!(
        "{kernel} root=LABEL=dom0 ro console=hvc0 systemd.show_status=false rig.kind={kind} rig.device={device},{initrd}"
    ));
    command.arg("-drive").arg(format!(
        "file={},format=raw,if=none,id=dom0,snapshot=on",
        escape(&at("disk"))
    ));
    command.args(["-device", "ide-hd,drive=dom0,bus=ide.0,serial=dom0"]);
    command.arg("-drive").arg(format!(
        "file={},format={},if=none,id=guest,snapshot={}",
        escape(&disk.display().to_string()),
        if is_qcow2(&disk)? { "qcow2" } else { "raw" },
        if wanted.write { "off" } else { "on" },
    ));
    command.args(["-device", "ide-hd,drive=guest,bus=ide.1,serial=guest"]);
    command.stdin(Stdio::null());
    Ok(command)
}

/// A comma in an option's value is doubled.
fn escape(value: &str) -> String {
    value.replace(',', ",,")
}

fn is_qcow2(disk: &Path) -> Result<bool> {
    let mut magic = [0; 4];
    let mut file = File::open(disk).with_context(|| format!("opening {}", disk.display()))?;
    file.read_exact(&mut magic)
        .with_context(|| format!("reading {}", disk.display()))?;
    Ok(magic == *b"QFI\xfb")
}

/// Whether a raw image has partitions. Boot code in the first sector of an unpartitioned disk leaves the table empty.
pub(crate) fn is_partitioned(disk: &Path) -> Result<bool> {
    if is_qcow2(disk)? {
        bail!("{} is a qcow2 image: say --partitioned true or false", disk.display());
    }
    let mut sector = [0; 512];
    let mut file = File::open(disk).with_context(|| format!("opening {}", disk.display()))?;
    file.seek(SeekFrom::Start(0))
        .and_then(|_| file.read_exact(&mut sector))
        .with_context(|| format!("reading {}", disk.display()))?;
    Ok(has_partitions(&sector))
}

fn has_partitions(sector: &[u8; 512]) -> bool {
    sector[510..] == [0x55, 0xaa]
        && sector[446..510]
            .chunks(16)
            .any(|entry| entry[4] != 0 && entry[8..] != [0; 8])
}

/// The folder with dom0's disk, its kernel and initramfs, and Xen; built if the cache does not have it.
pub(crate) fn ready() -> Result<PathBuf> {
    let rootfs = Rootfs {
        suite: Suite::Bookworm,
        kernels: vec!["linux-image-amd64".to_owned()],
        packages: ["xen-system-amd64", "xen-utils-4.17", "qemu-system-xen", "seabios"]
            .map(str::to_owned)
            .to_vec(),
        later: Vec::new(),
        initramfs: Initramfs::List(
            ["ata_generic", "ata_piix", "sd_mod", "ext4"]
                .map(str::to_owned)
                .to_vec(),
        ),
    };
    let files = overlay();
    let key = cache::sha256(format!("{VERSION} {files:?} {}", serde_json::to_string(&rootfs)?).as_bytes());
    cache::ready(cache::folder("xen")?.join(format!("dom0-{}", &key[..12])), |folder| {
        let tar = rootfs::ready(&rootfs)?;
        println!("xen: making dom0's disk");
        let [root, overlay, made] = ["root", "overlay", "made"].map(|name| folder.join(name));
        for folder in [&root, &overlay, &made] {
            fs::create_dir(folder).with_context(|| format!("creating {}", folder.display()))?;
        }
        let owner = Owner::new(folder)?;
        owner.extract(&tar, &root)?;
        files::write(&files, &overlay)?;
        owner.lay_over(&overlay, &root)?;
        copy_only(&root.join("boot"), "vmlinuz-", &made.join("vmlinuz"))?;
        copy_only(&root.join("boot"), "initrd.img-", &made.join("initrd.img"))?;
        copy_only(&root.join("boot"), "xen-4.17-amd64.gz", &made.join("xen.gz"))?;
        run::quietly(Command::new("gzip").arg("-d").arg(made.join("xen.gz")))?;
        let disk = made.join("disk");
        File::create_new(&disk)
            .and_then(|file| file.set_len(DOM0_SIZE))
            .with_context(|| format!("creating {}", disk.display()))?;
        let wanted = FileSystem {
            start: 0,
            length: DOM0_SIZE,
            mke2fs: &["-t", "ext4"],
            uuid: DOM0_UUID,
            label: Some("dom0"),
        };
        owner.mke2fs(&disk, &wanted, &root)?;
        Ok(made)
    })
}

/// Copies the one file of a folder whose name begins so.
fn copy_only(folder: &Path, prefix: &str, to: &Path) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            found.push(entry.path());
        }
    }
    let [from] = found.as_slice() else {
        bail!("{prefix}* in {}: there are {found:?}", folder.display())
    };
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("copying {}", from.display()))
}

/// What dom0 has beyond Debian's packages.
fn overlay() -> Vec<(String, Content)> {
    let text = |path: &str, text: String| (path.to_owned(), Content::Text(text));
    let link = |unit: &str, target| (format!("etc/systemd/system/{unit}"), Content::Link(target));
    let mut files = vec![
        text("etc/fstab", "LABEL=dom0 / ext4 defaults 0 0\n".to_owned()),
        text("etc/hostname", "dom0\n".to_owned()),
        text("etc/hosts", "127.0.0.1 localhost dom0\n".to_owned()),
        text("etc/systemd/system/guest.service", UNIT.to_owned()),
        text(
            "usr/local/lib/start-guest",
            START.replace("@STARTS@", STARTS).replace("@ENDED@", ENDED),
        ),
        link("multi-user.target.wants/guest.service", "../guest.service"),
        // The console is the guest's.
        link("serial-getty@hvc0.service", "/dev/null"),
        link("getty@tty1.service", "/dev/null"),
    ];
    files.extend(files::idle());
    files
}

const UNIT: &str = "\
[Unit]
Description=The guest that the kernel command line describes
After=xen.service
Requires=xen.service

[Service]
Type=exec
ExecStart=/bin/sh /usr/local/lib/start-guest
StandardInput=tty
StandardOutput=tty
StandardError=tty
TTYPath=/dev/hvc0
";

const START: &str = "\
for word in $(cat /proc/cmdline); do
    case $word in
        rig.kind=*) kind=${word#*=} ;;
        rig.device=*) device=${word#*=} ;;
    esac
done
case $kind in
    pv) boot='bootloader = \"pygrub\"' port=pv ;;
    hvm) boot='serial = \"pty\"\nhap = 1\nboot = \"c\"\nvga = \"stdvga\"\nvnc = 0' port=serial ;;
esac
printf 'name = \"guest\"\\ntype = \"%s\"\\nmemory = 768\\nvcpus = 1\\non_reboot = \"destroy\"\\non_crash = \"destroy\"\\n' \"$kind\" > /run/guest.cfg
printf 'disk = [\"phy:/dev/disk/by-id/ata-QEMU_HARDDISK_guest,%s,w\"]\\n%b\\n' \"$device\" \"$boot\" >> /run/guest.cfg
echo '@STARTS@'
xl create /run/guest.cfg && xl console -t \"$port\" guest
echo '@ENDED@'
tail -n 30 /var/log/xen/*guest*.log
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_code_is_no_partition() {
        let mut sector = [0; 512];
        sector[..400].fill(0x90);
        assert!(!has_partitions(&sector));
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        assert!(!has_partitions(&sector));
        sector[446 + 16 + 4] = 0x83;
        sector[446 + 16 + 8] = 63;
        assert!(has_partitions(&sector));
    }

    #[test]
    fn guest_script_is_a_shell_script() {
        let script = overlay()
            .into_iter()
            .find(|(path, _)| path.ends_with("start-guest"))
            .map(|(_, content)| content);
        let Some(Content::Text(script)) = script else {
            panic!("no script")
        };
        run::quietly(Command::new("sh").args(["-n", "-c", &script])).unwrap();
        assert!(script.contains(STARTS) && script.contains(ENDED));
    }

    #[test]
    fn how_the_disk_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("a,b.img");
        fs::write(&disk, [0; 512]).unwrap();
        let shown = |mode, partitioned, write| {
            let wanted = Wanted {
                disk: &disk,
                mode,
                partitioned,
                write,
                timeout: Duration::ZERO,
                transcript: None,
            };
            let command = qemu(folder.path(), &wanted).unwrap();
            command
                .get_args()
                .map(|argument| argument.to_string_lossy().into_owned())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let pv = shown(Mode::Pv, false, false);
        assert!(pv.contains("rig.kind=pv rig.device=xvda1,"), "{pv}");
        assert!(pv.contains("a,,b.img,format=raw,if=none,id=guest,snapshot=on"), "{pv}");
        assert!(shown(Mode::Pv, true, false).contains("rig.device=xvda,"));
        assert!(shown(Mode::Hvm, true, true).contains("rig.kind=hvm rig.device=hda,"));
        assert!(shown(Mode::Hvm, true, true).contains("id=guest,snapshot=off"));
    }
}
