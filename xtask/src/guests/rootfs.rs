//! The inside of a guest as a tar file, made by `mmdebstrap` and shared by all recipes that agree on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::recipe::{Initramfs, Rootfs};
use crate::{cache, run};

/// Counts up when this file changes what it makes.
const VERSION: u32 = 2;

/// What every guest has. Nothing that a boot does not need, so that it is quick under emulation.
const BASE: &[&str] = &["e2fsprogs", "kmod", "systemd-sysv", "udev"];

/// Drivers that no EC2 instance has a use for: two thirds of a kernel package, and a good part of what udev loads at boot.
const NO_DRIVERS: &[&str] = &[
    "arch/x86/kvm",
    "sound",
    "drivers/{block/floppy,bluetooth,char/ppdev,comedi,crypto,edac,firewire,gpu,hid,hwmon,i2c,iio,infiniband,input}",
    "drivers/{isdn,leds,media,mfd,mtd,parport,platform,pps,staging,thunderbolt,usb,video}",
    "drivers/net/{can,dsa,usb,wireless,wwan}",
    "drivers/net/ethernet/{broadcom,chelsio,mellanox,netronome,qlogic,sfc}",
    "drivers/scsi/{be2iscsi,bfa,lpfc,megaraid,mpt3sas,qla2xxx}",
];

/// Password of root, for the probe that logs in on the serial console.
pub(crate) const PASSWORD: &str = "comeback";

/// The tar file, built if the cache does not have it.
pub(crate) fn ready(rootfs: &Rootfs) -> Result<PathBuf> {
    let key = cache::sha256(format!("{VERSION} {}", serde_json::to_string(rootfs)?).as_bytes());
    let path = cache::folder("rootfs")?.join(format!("{}-{}.tar", rootfs.suite.name(), &key[..12]));
    cache::ready(path, |folder| {
        println!(
            "{}: installing Debian with {}",
            rootfs.suite.name(),
            rootfs.kernels.join(" and ")
        );
        let [tar, dpkg] = ["rootfs.tar", "dpkg.cfg"].map(|name| folder.join(name));
        fs::write(&dpkg, dpkg_options()).with_context(|| format!("writing {}", dpkg.display()))?;
        run::quietly(command(rootfs, &dpkg).arg(rootfs.suite.name()).arg(&tar))
            .with_context(|| format!("installing {} into a folder", rootfs.suite.name()))?;
        Ok(tar)
    })
}

/// What dpkg leaves out, and that it asks no questions about the settings that are there before their packages.
fn dpkg_options() -> String {
    let mut text = "force-confold\nforce-unsafe-io\n".to_owned();
    for folder in ["doc", "man", "locale", "i18n"] {
        text.push_str(&format!("path-exclude=/usr/share/{folder}/*\n"));
    }
    for path in NO_DRIVERS.iter().flat_map(|pattern| alternatives(pattern)) {
        // Before Debian 13, packages have it in /lib.
        for top in ["/lib", "/usr/lib"] {
            text.push_str(&format!("path-exclude={top}/modules/*/kernel/{path}*\n"));
        }
    }
    text
}

/// `mmdebstrap` with all but suite and target.
fn command(rootfs: &Rootfs, dpkg: &Path) -> Command {
    let mut command = Command::new("mmdebstrap");
    command
        .args(["--variant=minbase", "--components=main"])
        .arg(format!("--dpkgopt={}", dpkg.display()));
    let mut packages: Vec<_> = BASE.to_vec();
    packages.extend(rootfs.kernels.iter().chain(&rootfs.packages).map(String::as_str));
    packages.push(if rootfs.initramfs == Initramfs::Dracut {
        "dracut"
    } else {
        "initramfs-tools"
    });
    command.arg(format!("--include={}", packages.join(",")));
    for (path, text) in initramfs_settings(&rootfs.initramfs) {
        command.arg(format!(
            "--essential-hook=mkdir -p \"$(dirname \"$1{path}\")\"; printf '{text}' > \"$1{path}\""
        ));
    }
    if !rootfs.later.is_empty() {
        command.arg(format!(
            "--customize-hook=APT_CONFIG=\"$MMDEBSTRAP_APT_CONFIG\" apt-get --yes install \
             -oDPkg::Chroot-Directory=\"$1\" {}",
            rootfs.later.join(" ")
        ));
    }
    command.arg(format!(
        "--customize-hook=echo root:{PASSWORD} | chroot \"$1\" chpasswd"
    ));
    command
}

/// `a/{b,c}` as `a/b` and `a/c`.
fn alternatives(pattern: &str) -> Vec<String> {
    match pattern.strip_suffix('}').and_then(|pattern| pattern.split_once('{')) {
        Some((before, names)) => names.split(',').map(|name| format!("{before}{name}")).collect(),
        None => vec![pattern.to_owned()],
    }
}

/// Path and `printf` format of each file that says what goes into the initramfs.
fn initramfs_settings(initramfs: &Initramfs) -> Vec<(&'static str, String)> {
    match initramfs {
        Initramfs::Most => Vec::new(),
        Initramfs::List(modules) => vec![
            ("/etc/initramfs-tools/conf.d/modules", "MODULES=list\\n".to_owned()),
            ("/etc/initramfs-tools/modules", format!("{}\\n", modules.join("\\n"))),
        ],
        Initramfs::Dracut => {
            vec![(
                "/etc/dracut.conf.d/10-any-machine.conf",
                "hostonly=no\\nhostonly_cmdline=no\\n".to_owned(),
            )]
        }
    }
}

/// Names of the files in `/boot`.
pub(crate) fn boot_files(tar: &Path) -> Result<Vec<String>> {
    let list = run::text(
        Command::new("tar")
            .args(["--list", "--wildcards", "--file"])
            .arg(tar)
            .arg("./boot/*"),
    )?;
    Ok(list
        .lines()
        .filter_map(|line| line.strip_prefix("./boot/"))
        .map(str::to_owned)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::super::recipe::tests::sample;
    use super::*;

    fn arguments(rootfs: &Rootfs) -> Vec<String> {
        command(rootfs, Path::new("dpkg.cfg"))
            .get_args()
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn alternatives_are_spelled_out() {
        assert_eq!(alternatives("sound"), ["sound"]);
        assert_eq!(
            alternatives("drivers/net/{can,usb}"),
            ["drivers/net/can", "drivers/net/usb"]
        );
    }

    #[test]
    fn packages_and_initramfs() {
        let mut rootfs = sample().rootfs;
        rootfs.packages = vec!["ifupdown".to_owned()];
        rootfs.later = vec!["grub-legacy".to_owned()];
        let include = "--include=e2fsprogs,kmod,systemd-sysv,udev,linux-image-amd64,ifupdown,initramfs-tools";
        assert!(
            arguments(&rootfs).contains(&include.to_owned()),
            "{:?}",
            arguments(&rootfs)
        );

        let later =
            |argument: &String| argument.ends_with("apt-get --yes install -oDPkg::Chroot-Directory=\"$1\" grub-legacy");
        assert!(arguments(&rootfs).iter().any(later), "{:?}", arguments(&rootfs));

        rootfs.initramfs = Initramfs::List(vec!["xen-blkfront".to_owned(), "ext4".to_owned()]);
        let mut hooks = arguments(&rootfs)
            .into_iter()
            .filter(|argument| argument.starts_with("--essential-hook"));
        let expected = "printf 'xen-blkfront\\next4\\n' > \"$1/etc/initramfs-tools/modules\"";
        assert!(hooks.next_back().unwrap().ends_with(expected));
    }
}
