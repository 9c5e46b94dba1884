//! Consoles: where the guest can be watched, and where one can log in when the network is dead.

use comeback_guest::inspect::Guest;

use super::{only, started};
use crate::finding::{Effect, Evidence, Finding};
use crate::platform::Platform;

/// The serial console that EC2 shows, and that `rehearse` judges.
pub(crate) const SERIAL: &str = "ttyS0";

/// Whether a `console=` value names this device.
pub(crate) fn names(value: &str, device: &str) -> bool {
    value.split(',').next() == Some(device)
}

/// Whether somebody can log in on the serial console after the move.
pub(crate) fn serial_login(guest: &Guest) -> bool {
    guest.consoles.automatic.is_some() || guest.consoles.logins.iter().any(|login| login.device == SERIAL)
}

pub(super) fn check(guest: &Guest, found: &mut Vec<Finding>) {
    for (entry, platforms) in started(guest) {
        let Some(kernel) = &entry.kernel else {
            continue;
        };
        let consoles: Vec<&str> = entry.cmdline.all("console").map(|console| console.value).collect();
        let at = Evidence::line(
            &entry.menu,
            kernel.written.line,
            format!("console={}", consoles.join(" console=")),
        );
        let hvm = only(&platforms, true);
        if !hvm.is_empty() && !consoles.iter().any(|value| names(value, SERIAL)) {
            found.push(
                Finding::new(
                    "console-serial-missing",
                    "the kernel does not speak to the serial console: on HVM nothing is seen of its boot",
                )
                .at(at.clone())
                .remedy("run `comeback convert`, which adds console=tty0 console=ttyS0")
                .on(&hvm, Effect::Warns),
            );
        }
        let pv = only(&platforms, false);
        let xen = |value: &&&str| names(value, "hvc0") || names(value, "xvc0") || names(value, "tty1");
        if !pv.is_empty() && !consoles.is_empty() && consoles.iter().find(xen).is_none() {
            found.push(
                Finding::new(
                    "console-xen-missing",
                    "the kernel does not speak to Xen's console: on PV nothing is seen of its boot",
                )
                .at(at)
                .on(&pv, Effect::Warns),
            );
        }
    }
    if !serial_login(guest) {
        found.push(
            Finding::new(
                "console-no-login",
                "nobody can log in on the serial console after the move",
            )
            .at_all(
                guest
                    .consoles
                    .logins
                    .iter()
                    .map(|login| Evidence::line(&login.path, login.line, &login.device)),
            )
            .remedy("run `comeback convert`, which adds a login where it finds one on Xen's console")
            .on(&Platform::HVM, Effect::Warns),
        );
    }
    if let Some(securetty) = &guest.consoles.securetty
        && !securetty.devices.iter().any(|device| device.value == SERIAL)
    {
        found.push(
            Finding::new("console-root-refused", "root may not log in on the serial console")
                .at(Evidence::file(&securetty.path, format!("{SERIAL} is not listed")))
                .remedy("run `comeback convert`, which lists it"),
        );
    }
}
