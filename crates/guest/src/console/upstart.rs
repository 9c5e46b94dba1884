//! Jobs of upstart: `exec /sbin/getty -8 38400 hvc0`.

use super::{Login, LoginKind, MAX_LOGINS, device, device_of};
use crate::text::{Spanned, lines};

/// The logins that a job starts on devices that it names.
pub(super) fn parse(path: &str, kind: LoginKind, content: &[u8]) -> Vec<Login> {
    let mut logins = Vec::new();
    for line in lines(content) {
        let words = line.words();
        let command = match words.first().map(|word| word.value.as_str()) {
            // The upstart of /etc/event.d has `respawn /sbin/getty …` in one.
            Some("exec" | "respawn") => words.get(1..).unwrap_or_default(),
            // Within `script`.
            Some(program) if program.contains("getty") => &words,
            _ => continue,
        };
        // `exec getty …` may stand behind `respawn`.
        let command = match command.first() {
            Some(word) if word.value == "exec" => command.get(1..).unwrap_or_default(),
            _ => command,
        };
        if let Some(written) = device_of(command)
            && logins.len() < MAX_LOGINS
        {
            logins.push(Login {
                device: written.value.clone(),
                kind,
                path: path.to_owned(),
                written: Some(written),
                line: line.number,
            });
        }
    }
    logins
}

/// Whether the job is never started by itself.
pub(super) fn is_manual(content: &[u8]) -> bool {
    lines(content).any(|line| line.bytes.trim_ascii() == b"manual")
}

/// Whether this is the job of RHEL 6 that takes the device from the kernel's last `console=`.
pub(super) fn is_serial_job(job: &str, content: &[u8]) -> bool {
    job == "serial" && lines(content).any(|line| line.text().contains("fedora.serial-console-available"))
}

/// The devices of `ACTIVE_CONSOLES`; those of a pattern (`/dev/tty[1-6]`) are left out.
pub(super) fn active(path: &str, content: &[u8], value: &Spanned<String>) -> Vec<Login> {
    let Some(text) = content.get(value.span.clone()) else {
        return Vec::new();
    };
    let line = crate::text::Line {
        number: value.line,
        start: value.span.start,
        bytes: text,
    };
    line.words()
        .into_iter()
        .filter_map(|word| {
            let name = device(&word.value)?.to_owned();
            let skipped = word.value.len() - name.len();
            Some(Login {
                device: name.clone(),
                kind: LoginKind::Upstart,
                path: path.to_owned(),
                line: word.line,
                written: Some(Spanned {
                    value: name,
                    span: word.span.start + skipped..word.span.end,
                    line: word.line,
                }),
            })
        })
        .collect()
}
