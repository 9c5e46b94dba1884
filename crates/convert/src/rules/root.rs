//! `root=`: whether the kernel, or its initramfs, finds the root file system.

use comeback_guest::boot::BootEntry;
use comeback_guest::inspect::{Guest, RESUME};
use comeback_guest::kernels::Kernel;
use comeback_guest::spec::Spec;
use comeback_guest::tri::Tri;

use super::started;
use crate::finding::{Effect, Evidence, Finding};
use crate::names::{self, Leads};
use crate::platform::Platform;

pub(super) fn check(guest: &Guest, found: &mut Vec<Finding>) {
    for (entry, platforms) in started(guest) {
        let Some(root) = entry.cmdline.last("root") else {
            found.push(
                Finding::new(
                    "root-missing",
                    "the entry has no root=: what the initramfs has built in decides",
                )
                .at(Evidence::line(&entry.menu, entry.title.line, &entry.title.value))
                .remedy("add root=UUID=… to the entry")
                .on(&platforms, Effect::Unknown),
            );
            continue;
        };
        let at = Evidence::line(&entry.menu, root.line, format!("root={}", root.value));
        for &platform in &platforms {
            found.push(judge(guest, entry, &Spec::parse(root.value), platform, at.clone()));
        }
        resume(entry, &platforms, found);
    }
    for resume in &guest.resume {
        if let Some(Spec::Disk(_)) = &resume.device {
            found.push(
                Finding::new(
                    "resume-device",
                    "the initramfs looks for a hibernated system on a device by its name",
                )
                .at(Evidence::line(RESUME, resume.value.line, &resume.value.value))
                .remedy("remove the line, and build the initramfs again")
                .on(&Platform::HVM, Effect::Warns),
            );
        }
    }
}

fn judge(guest: &Guest, entry: &BootEntry, spec: &Spec, platform: Platform, at: Evidence) -> Finding {
    let missing = |title: String| {
        Finding::new("root-not-found", title)
            .at(at.clone())
            .remedy("run `comeback convert`, which writes root=UUID=…")
            .on(&[platform], Effect::Blocks)
    };
    let good = |title: &str| {
        Finding::new("root", title)
            .at(at.clone())
            .on(&[platform], Effect::Supports)
    };
    match names::leads(&guest.disk, spec) {
        Leads::ByIdentity(place) if place.start == guest.disk.root.start => match spec {
            // The kernel itself reads PARTUUID since 2.6.37, and on MBR disks since 3.8.
            Spec::PartUuid(_) => good("the root is named by its partition's UUID"),
            _ => match finder(guest.kernel_of(entry), entry, spec) {
                Tri::Yes => good("the root is named by its own identity, which the initramfs looks for"),
                Tri::No => Finding::new(
                    "root-needs-initramfs",
                    "only an initramfs can find a root by UUID or label, and this entry has none that does",
                )
                .at(at.clone())
                .remedy("name the device, or build an initramfs")
                .on(&[platform], Effect::Blocks),
                Tri::Unknown => Finding::new(
                    "root-finder-unknown",
                    "whether the initramfs can find a root by UUID or label is not known",
                )
                .at(at.clone())
                .on(&[platform], Effect::Unknown),
            },
        },
        Leads::ByName(partition) if partition == guest.disk.root.partition => match spec {
            Spec::Disk(name) if names::exists(&guest.disk, name, platform) => {
                good("the root has this name on the platform")
            }
            _ => missing(format!("on {platform} the root has another name than this")),
        },
        Leads::ByIdentity(_) | Leads::ByName(_) => missing("root= names a file system that is not the root".to_owned()),
        Leads::Elsewhere => match spec {
            Spec::Device(_) => Finding::new("root-unknown", "what this device is cannot be told from the disk alone")
                .at(at)
                .on(&[platform], Effect::Unknown),
            _ => missing("root= names something that is not on this disk".to_owned()),
        },
    }
}

fn finder(kernel: Option<&Kernel>, entry: &BootEntry, spec: &Spec) -> Tri {
    if entry.initrds.is_empty() {
        return Tri::No;
    }
    let content = kernel
        .and_then(|kernel| kernel.initramfs.as_ref())
        .and_then(|file| file.content.ok());
    match (content, spec) {
        (None, _) => Tri::Unknown,
        (Some(content), Spec::Label(_)) => content.finds_label,
        (Some(content), _) => content.finds_uuid,
    }
}

fn resume(entry: &BootEntry, platforms: &[Platform], found: &mut Vec<Finding>) {
    let Some(resume) = entry.cmdline.last("resume") else {
        return;
    };
    if matches!(Spec::parse(resume.value), Spec::Disk(_)) {
        found.push(
            Finding::new(
                "resume-device",
                "the kernel looks for a hibernated system on a device by its name",
            )
            .at(Evidence::line(
                &entry.menu,
                resume.line,
                format!("resume={}", resume.value),
            ))
            .remedy("remove resume= from the entry")
            .on(&super::only(platforms, true), Effect::Warns),
        );
    }
}
