//! inittab(5): lines of `id:levels:action:process`.

use super::{Login, LoginKind, MAX_LOGINS, device_of};
use crate::text::{Line, lines};

pub(super) fn parse(path: &str, content: &[u8]) -> Vec<Login> {
    lines(content)
        .filter_map(|line| entry(path, &line))
        .take(MAX_LOGINS)
        .collect()
}

fn entry(path: &str, line: &Line<'_>) -> Option<Login> {
    if line.bytes.trim_ascii_start().starts_with(b"#") {
        return None;
    }
    let mut colons = line
        .bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b':')
        .map(|(at, _)| at);
    let (_, levels, action) = (colons.next()?, colons.next()?, colons.next()?);
    if !matches!(
        line.bytes.get(levels + 1..action)?,
        b"respawn" | b"once" | b"wait" | b"ondemand"
    ) {
        return None;
    }
    let process = Line {
        number: line.number,
        start: line.start + action + 1,
        bytes: line.bytes.get(action + 1..)?,
    };
    let written = device_of(&process.words())?;
    Some(Login {
        device: written.value.clone(),
        kind: LoginKind::Inittab,
        path: path.to_owned(),
        written: Some(written),
        line: line.number,
    })
}
