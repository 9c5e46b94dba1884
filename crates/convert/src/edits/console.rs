//! Logins: whoever could log in on Xen's console can log in on the serial one.

use comeback_guest::console::{Login, LoginKind};

use super::text::{Replacement, line_around};
use super::{Action, Edits, FileChange, Reason};
use crate::rules::console::{SERIAL, serial_login};

pub(super) fn edit(edits: &mut Edits) {
    let guest = edits.guest;
    if !serial_login(guest) {
        let xen = guest
            .consoles
            .logins
            .iter()
            .find(|login| matches!(login.device.as_str(), "hvc0" | "xvc0"));
        if let Some(login) = xen {
            match login.kind {
                LoginKind::Inittab => inittab(edits, login),
                LoginKind::Upstart | LoginKind::EventD => job(edits, login),
                // systemd's generator starts a login on every console of the kernel.
                LoginKind::SystemdUnit => {}
            }
        }
    }
    let Some(securetty) = &guest.consoles.securetty else {
        return;
    };
    if securetty.devices.iter().any(|device| device.value == SERIAL) {
        return;
    }
    let content = edits.content(&securetty.path);
    if content.is_empty() {
        return;
    }
    let line = content.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let text = if content.ends_with(b"\n") {
        format!("{SERIAL}\n")
    } else {
        format!("\n{SERIAL}\n")
    };
    let at = content.len();
    let path = securetty.path.clone();
    edits.push(
        &path,
        Replacement::insert(
            at,
            text,
            line,
            "root may log in on Xen's console, and shall on the serial one",
        ),
    );
}

/// A copy of the line for Xen's console, with another id and another device.
fn inittab(edits: &mut Edits, login: &Login) {
    let (Some(written), content) = (&login.written, edits.content(&login.path)) else {
        return;
    };
    let line = line_around(content, written.span.start);
    let text = content.get(line.clone()).unwrap_or_default();
    let id_end = text.iter().position(|&byte| byte == b':').unwrap_or(0);
    let device = written.span.start - line.start..written.span.end - line.start;
    let made = [
        Replacement::new(0..id_end, "S0", 0, ""),
        Replacement::new(device, SERIAL, 0, ""),
    ];
    let mut copy = b"\n".to_vec();
    copy.extend(super::replace(text, &made));
    let reason = format!("a login on {} needs its like on {SERIAL}", login.device);
    let at = line.end;
    edits.push(&login.path, Replacement::insert(at, copy, login.line, reason));
}

/// A copy of the job for Xen's console.
fn job(edits: &mut Edits, login: &Login) {
    let content = edits.content(&login.path);
    let Some((folder, name)) = login.path.rsplit_once('/') else {
        return;
    };
    let text = String::from_utf8_lossy(content).replace(&login.device, SERIAL);
    if content.is_empty() || !name.contains(&login.device) {
        return;
    }
    let path = format!("{folder}/{}", name.replace(&login.device, SERIAL));
    edits.created.push(FileChange {
        path,
        action: Action::Create {
            content: text.into_bytes(),
            mode: 0o644,
        },
        reasons: vec![Reason {
            line: None,
            text: format!("a login on {} needs its like on {SERIAL}", login.device),
        }],
    });
}
