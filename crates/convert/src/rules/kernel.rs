//! The kernel that is started: what it can run on, and what it can drive before the root file system is mounted.

use comeback_guest::boot::BootEntry;
use comeback_guest::compression::Compression;
use comeback_guest::drivers::{Driver, Where};
use comeback_guest::inspect::Guest;
use comeback_guest::kernel::image::Architecture;
use comeback_guest::kernels::{ImageFile, Kernel, Reading};
use comeback_guest::tri::Tri;

use super::{only, started};
use crate::finding::{Effect, Evidence, Finding};
use crate::platform::Platform;

pub(super) fn check(guest: &Guest, found: &mut Vec<Finding>) {
    for (entry, platforms) in started(guest) {
        let Some(kernel) = guest.kernel_of(entry) else {
            continue;
        };
        let name = Name::of(kernel, entry);
        image(kernel, &name, &platforms, found);
        runs(kernel, &name, &platforms, found);
        initramfs(kernel, entry, &name, &platforms, found);
        for platform in platforms {
            drivers(kernel, entry, &name, platform, found);
        }
    }
    newest(guest, found);
}

/// How a kernel is called in messages.
struct Name {
    path: String,
    text: String,
}

impl Name {
    fn of(kernel: &Kernel, entry: &BootEntry) -> Self {
        let path = entry.kernel.as_ref().map(|file| file.path.clone()).unwrap_or_default();
        Name {
            text: format!("kernel {}", kernel.release.as_deref().unwrap_or(&path)),
            path,
        }
    }
}

fn image(kernel: &Kernel, name: &Name, platforms: &[Platform], found: &mut Vec<Finding>) {
    let content = kernel.image.as_ref().map(|image: &ImageFile| &image.content);
    let image = match content {
        Some(Reading::Read(image)) => image,
        Some(Reading::Failed(reason)) => {
            found.push(
                Finding::new("kernel-unreadable", format!("{} cannot be read", name.text))
                    .at(Evidence::file(&name.path, reason))
                    .remedy("install the kernel again, or let the boot menu name another")
                    .on(platforms, Effect::Blocks),
            );
            return;
        }
        None => return,
    };
    let at = |compression: Compression| Evidence::file(&name.path, format!("compressed with {}", compression.name()));
    let pv = only(platforms, false);
    match image.compression {
        Compression::Lz4 | Compression::Zstd => found.push(
            Finding::new(
                "kernel-compression-pv-grub",
                format!("no PV-GRUB can unpack {}", name.text),
            )
            .at(at(image.compression))
            .remedy("convert to HVM, where the kernel unpacks itself")
            .on(&pv, Effect::Blocks),
        ),
        Compression::Xz if pv.contains(&Platform::PvGrub103) => found.push(
            Finding::new(
                "kernel-compression-pv-grub",
                format!("PV-GRUB 1.03 and earlier cannot unpack {}", name.text),
            )
            .at(at(image.compression))
            .remedy("use PV-GRUB 1.04 or later, or convert to HVM, where the kernel unpacks itself")
            .on(&[Platform::PvGrub103], Effect::Blocks),
        ),
        Compression::Unknown if !pv.is_empty() => found.push(
            Finding::new(
                "kernel-compression-unknown",
                format!("how {} is compressed is not known", name.text),
            )
            .at(at(image.compression))
            .on(&pv, Effect::Unknown),
        ),
        _ => {}
    }
}

fn runs(kernel: &Kernel, name: &Name, platforms: &[Platform], found: &mut Vec<Finding>) {
    let reasons = || kernel.reasons.iter().map(Evidence::from);
    let (pv, hvm) = (only(platforms, false), only(platforms, true));
    match kernel.runs_hvm {
        Tri::No if !hvm.is_empty() => found.push(
            Finding::new("kernel-pv-only", format!("{} can run as a paravirtual guest only", name.text))
                .at_all(reasons())
                .remedy("install a kernel that also runs on real hardware (a pvops kernel: RHEL 6, Debian 6, Ubuntu 10.04 -virtual or later) and make it the default")
                .on(&hvm, Effect::Blocks),
        ),
        Tri::Unknown if !hvm.is_empty() => found.push(
            Finding::new("kernel-hvm-unknown", format!("whether {} runs on real hardware is not known", name.text))
                .at(Evidence::file(&name.path, "neither its configuration nor its name says so"))
                .remedy("keep /boot/config-* of the kernel, or boot it with `comeback rehearse`")
                .on(&hvm, Effect::Unknown),
        ),
        _ => {}
    }
    match kernel.runs_pv {
        Tri::No if !pv.is_empty() => found.push(
            Finding::new(
                "kernel-no-pv",
                format!("{} cannot run as a paravirtual guest", name.text),
            )
            .at_all(reasons())
            .remedy("convert to HVM, or make a kernel with CONFIG_XEN_PV the default")
            .on(&pv, Effect::Blocks),
        ),
        Tri::Unknown if !pv.is_empty() => found.push(
            Finding::new(
                "kernel-pv-unknown",
                format!("whether {} runs as a paravirtual guest is not known", name.text),
            )
            .at(Evidence::file(
                &name.path,
                "neither its configuration nor its Xen notes say so",
            ))
            .on(&pv, Effect::Unknown),
        ),
        _ => {}
    }
    match kernel.architecture {
        Some(Architecture::X86) => {
            let finding = Finding::new(
                "kernel-32bit",
                format!("{} is a 32-bit kernel, and every Nitro type is 64-bit", name.text),
            )
            .at(Evidence::file(&name.path, "32-bit x86"))
            .remedy("take a Xen HVM type that supports i386 (`--target xen-hvm`)");
            let nitro: Vec<_> = hvm
                .iter()
                .copied()
                .filter(|&platform| platform == Platform::Nitro)
                .collect();
            found.push(finding.on(&nitro, Effect::Blocks));
        }
        Some(Architecture::X86_64) => {}
        None => found.push(
            Finding::new(
                "kernel-architecture-unknown",
                format!("the processor that {} is for is not known", name.text),
            )
            .at(Evidence::file(&name.path, "no header says so"))
            .on(platforms, Effect::Unknown),
        ),
    }
}

fn initramfs(kernel: &Kernel, entry: &BootEntry, name: &Name, platforms: &[Platform], found: &mut Vec<Finding>) {
    let Some(file) = kernel.initramfs.as_ref().filter(|_| !entry.initrds.is_empty()) else {
        found.push(
            Finding::new(
                "initramfs-none",
                format!(
                    "{} starts without an initramfs: what is not built in is not there",
                    name.text
                ),
            )
            .at(Evidence::line(
                &entry.menu,
                entry.title.line,
                "no initrd line in this entry",
            )),
        );
        return;
    };
    match &file.content {
        Reading::Failed(reason) => found.push(
            Finding::new(
                "initramfs-unreadable",
                format!("the initramfs of {} cannot be listed", name.text),
            )
            .at(Evidence::file(&file.path, reason))
            .remedy("have the guest build it again (update-initramfs -u, dracut -f, mkinitrd)")
            .on(platforms, Effect::Unknown),
        ),
        Reading::Read(content) if content.host_only == Some(true) => found.push(
            Finding::new(
                "initramfs-host-only",
                format!("the initramfs of {} was made for the machine it was made on", name.text),
            )
            .at(Evidence::file(&file.path, "dracut in host-only mode"))
            .warning(),
        ),
        Reading::Read(_) => {}
    }
}

/// How a set of drivers, all of which are needed, is there.
fn together(kernel: &Kernel, drivers: &[Driver], when: impl Fn(&Where) -> Option<bool>) -> Option<bool> {
    let seen: Vec<Option<bool>> = drivers.iter().map(|&driver| when(&kernel.driver(driver))).collect();
    if seen.contains(&Some(false)) {
        Some(false)
    } else if seen.contains(&None) {
        None
    } else {
        Some(true)
    }
}

/// Whether the kernel unplugs the emulated disks before it looks for any, so that no IDE driver helps: those with Linux's
/// own drivers do, be they modules or not. Those of Xen's and SUSE's unmodified_drivers, which are built for older kernels,
/// unplug only when they are loaded.
///
/// Source: Linux 3.2 `arch/x86/xen/platform-pci-unplug.c`, `include/xen/platform_pci.h` (`xen_must_unplug_disks`).
fn unplugs_ide(kernel: &Kernel) -> bool {
    let linux_own = match kernel.driver(Driver::XenPlatformPci) {
        Where::BuiltIn { .. } => true,
        Where::Initramfs { path } | Where::ModulesOnly { path } => path.contains("kernel/drivers/xen/"),
        Where::Nowhere { .. } | Where::Unknown { .. } => false,
    };
    linux_own && kernel.driver(Driver::XenBlkfront).anywhere() != Some(false)
}

/// The sets of drivers by which a kernel can reach its disk: one set that is complete is enough.
fn disk_drivers(kernel: &Kernel, platform: Platform) -> &'static [&'static [Driver]] {
    match platform {
        Platform::PvGrub103 | Platform::PvGrub105 => &[&[Driver::XenBlkfront]],
        Platform::XenHvm if unplugs_ide(kernel) => &[&[Driver::XenBlkfront, Driver::XenPlatformPci]],
        Platform::XenHvm => &[
            &[Driver::XenBlkfront, Driver::XenPlatformPci],
            &[Driver::AtaPiix, Driver::SdMod],
            &[Driver::IdePiix],
        ],
        Platform::Nitro => &[&[Driver::Nvme]],
    }
}

/// The sets of drivers by which a kernel can reach the network.
fn network_drivers(platform: Platform) -> &'static [Driver] {
    match platform {
        Platform::PvGrub103 | Platform::PvGrub105 => &[Driver::XenNetfront],
        Platform::XenHvm => &[Driver::XenNetfront, Driver::XenPlatformPci],
        Platform::Nitro => &[Driver::Ena],
    }
}

fn evidence(kernel: &Kernel, driver: Driver, name: &Name) -> Evidence {
    let initramfs = kernel
        .initramfs
        .as_ref()
        .map_or(name.path.as_str(), |file| file.path.as_str());
    let with = |evidence: Evidence| Evidence {
        text: format!("{}: {}", driver.name(), evidence.text),
        ..evidence
    };
    with(match kernel.driver(driver) {
        Where::BuiltIn { evidence } => Evidence {
            text: format!("built in ({})", evidence.text),
            ..Evidence::from(&evidence)
        },
        Where::Initramfs { path } => Evidence::file(initramfs, path),
        Where::ModulesOnly { path } => Evidence::file(path, "a module, but not in the initramfs"),
        Where::Nowhere { evidence } => Evidence::from(&evidence),
        Where::Unknown { reason } => Evidence::file(&name.path, reason),
    })
}

fn drivers(kernel: &Kernel, entry: &BootEntry, name: &Name, platform: Platform, found: &mut Vec<Finding>) {
    let sets = disk_drivers(kernel, platform);
    let before_root = |set: &[Driver]| together(kernel, set, Where::before_root);
    let complete = sets.iter().find(|set| before_root(set) == Some(true));
    let names = |set: &[Driver]| set.iter().map(|driver| driver.name()).collect::<Vec<_>>().join(" and ");
    if let Some(set) = complete {
        found.push(
            Finding::new("disk-driver", format!("{} reaches its disk on {platform}", name.text))
                .at_all(set.iter().map(|&driver| evidence(kernel, driver, name)))
                .on(&[platform], Effect::Supports),
        );
    } else {
        let unknown = sets.iter().any(|set| before_root(set).is_none());
        let wanted = sets.iter().map(|set| names(set)).collect::<Vec<_>>().join(", or ");
        let all = sets.iter().flat_map(|set| set.iter());
        let modules = all
            .clone()
            .any(|&driver| matches!(kernel.driver(driver), Where::ModulesOnly { .. }));
        let initramfs = kernel
            .initramfs
            .as_ref()
            .map_or("an initramfs", |file| file.path.as_str());
        let finding =
            |id, title| Finding::new(id, title).at_all(all.clone().map(|&driver| evidence(kernel, driver, name)));
        found.push(if unknown {
            finding(
                "disk-driver-unknown",
                format!(
                    "whether {} reaches its disk on {platform} is not known: it needs {wanted}",
                    name.text
                ),
            )
            .on(&[platform], Effect::Unknown)
        } else {
            finding(
                "disk-driver-missing",
                format!(
                    "{} cannot reach its disk on {platform}: it needs {wanted} before the root is mounted",
                    name.text
                ),
            )
            .remedy(remedy(kernel, entry, sets, modules, initramfs))
            .on(&[platform], Effect::Blocks)
        });
    }
    let network = network_drivers(platform);
    let at = || network.iter().map(|&driver| evidence(kernel, driver, name));
    found.push(match together(kernel, network, Where::anywhere) {
        Some(true) => Finding::new("net-driver", format!("{} reaches the network on {platform}", name.text))
            .at_all(at())
            .on(&[platform], Effect::Supports),
        Some(false) => Finding::new(
            "net-driver-missing",
            format!(
                "{} cannot reach the network on {platform}: it needs {}",
                name.text,
                names(network)
            ),
        )
        .at_all(at())
        .remedy(format!(
            "install a kernel that has {}, or choose another target",
            names(network)
        ))
        .on(&[platform], Effect::Blocks),
        None => Finding::new(
            "net-driver-unknown",
            format!(
                "whether {} reaches the network on {platform} is not known: it needs {}",
                name.text,
                names(network)
            ),
        )
        .at_all(at())
        .on(&[platform], Effect::Unknown),
    });
}

fn remedy(kernel: &Kernel, entry: &BootEntry, sets: &[&[Driver]], modules: bool, initramfs: &str) -> String {
    let release = kernel.release.as_deref().unwrap_or("the kernel");
    let wanted = sets
        .first()
        .map(|set| set.iter().map(|driver| driver.name()).collect::<Vec<_>>().join(" "))
        .unwrap_or_default();
    if modules && !entry.initrds.is_empty() {
        format!(
            "have the guest build {initramfs} again with {wanted}: add them to /etc/initramfs-tools/modules and run \
             `update-initramfs -u -k {release}`, or run `dracut -f --add-drivers \"{wanted}\" {initramfs} {release}`"
        )
    } else {
        format!("install a kernel that has {wanted}, make it the default, or choose another target")
    }
}

/// After an update nobody has booted, the default may be older than what is installed.
fn newest(guest: &Guest, found: &mut Vec<Finding>) {
    let started = started(guest);
    let Some(current) = started.iter().find_map(|(entry, _)| guest.kernel_of(entry)) else {
        return;
    };
    let Some(current) = &current.release else {
        return;
    };
    let installed = guest.kernels.iter().filter(|kernel| kernel.image.is_some());
    let newest = installed
        .filter_map(|kernel| kernel.release.as_deref())
        .max_by(|a, b| compare_releases(a, b));
    if let Some(newest) = newest.filter(|newest| compare_releases(newest, current).is_gt()) {
        found.push(
            Finding::new(
                "kernel-not-newest",
                format!("the boot menu starts {current}, while {newest} is installed"),
            )
            .at_all(started.iter().map(|(entry, _)| {
                Evidence::line(
                    &entry.menu,
                    entry.title.line,
                    format!("entry {}: {}", entry.index, entry.title.value),
                )
            }))
            .warning(),
        );
    }
}

/// Orders releases as people do: runs of digits by their value.
fn compare_releases(a: &str, b: &str) -> std::cmp::Ordering {
    fn parts(release: &str) -> Vec<(u64, &str)> {
        release
            .split(|c: char| !c.is_ascii_alphanumeric())
            .map(|part| (part.parse().unwrap_or(0), part))
            .collect()
    }
    parts(a).cmp(&parts(b))
}

#[cfg(test)]
mod tests {
    use super::compare_releases;

    #[test]
    fn releases_are_ordered_by_number() {
        assert!(compare_releases("2.6.32-754.el6", "2.6.32-99.el6").is_gt());
        assert!(compare_releases("3.13.0-9-virtual", "3.13.0-170-virtual").is_lt());
        assert!(compare_releases("6.1.0-18-amd64", "6.1.0-18-amd64").is_eq());
    }
}
