//! What else is worth knowing of a system before it is moved.

use comeback_guest::inspect::Guest;

use crate::finding::{Effect, Evidence, Finding};
use crate::platform::Platform;

pub(super) fn check(guest: &Guest, found: &mut Vec<Finding>) {
    match &guest.release {
        Some(release) => found.push(
            Finding::new("release", format!("the guest is {}", release.name))
                .at(Evidence::file(&release.evidence, &release.name)),
        ),
        None => found.push(Finding::new("release-unknown", "no file says which distribution the guest is").warning()),
    }
    if let Some(selinux) = &guest.selinux
        && let Some(mode) = selinux.mode.as_ref().filter(|mode| mode.value == "enforcing")
    {
        found.push(
            Finding::new(
                "selinux-enforcing",
                "SELinux is enforcing: files that comeback writes keep or get labels",
            )
            .at(Evidence::line(
                &selinux.path,
                mode.line,
                format!("SELINUX={}", mode.value),
            )),
        );
    }
    let missing: Vec<&str> = guest
        .entries
        .iter()
        .flat_map(|entry| entry.missing())
        .map(|file| file.path.as_str())
        .collect();
    let mut images = guest.kernels.iter().filter_map(|kernel| kernel.image.as_ref());
    if images.all(|image| missing.contains(&image.path.as_str())) {
        found.push(
            Finding::new(
                "kernel-none",
                "there is no kernel on this disk; on PV it may have come from an AKI that is no PV-GRUB",
            )
            .at(Evidence::file("/boot", "no kernel image"))
            .remedy("install a kernel in the guest first")
            .on(&Platform::ALL, Effect::Blocks),
        );
    }
    for (path, reason) in &guest.unreadable {
        found.push(
            Finding::new("file-unreadable", "a file that matters cannot be read")
                .at(Evidence::file(path, reason))
                .warning(),
        );
    }
    if let Some(map) = guest.texts.get("/boot/grub/device.map") {
        let text = String::from_utf8_lossy(map);
        if text
            .lines()
            .any(|line| line.contains("/dev/sd") || line.contains("/dev/xvd"))
        {
            found.push(
                Finding::new(
                    "device-map",
                    "GRUB's device.map names disks that have other names after the move",
                )
                .at(Evidence::file(
                    "/boot/grub/device.map",
                    text.lines().next().unwrap_or_default(),
                ))
                .remedy("remove the file before grub-install is run on the target"),
            );
        }
    }
}
