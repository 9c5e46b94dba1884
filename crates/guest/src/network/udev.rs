//! udev rules that name interfaces, as `75-persistent-net-generator.rules` wrote them.

use super::{NetworkKind, NetworkSetting, spanned};
use crate::text::lines;

/// The rules of a file that give an interface a name.
pub(super) fn parse(path: &str, content: &[u8]) -> Vec<NetworkSetting> {
    let mut settings = Vec::new();
    let mut start: Option<(usize, usize)> = None;
    for line in lines(content) {
        let (first, number) = *start.get_or_insert((line.start, line.number));
        if line.bytes.ends_with(b"\\") {
            continue;
        }
        start = None;
        let end = line.span().end;
        settings.extend(rule(path, content, first..end, number));
    }
    settings
}

fn rule(path: &str, content: &[u8], span: std::ops::Range<usize>, line: usize) -> Option<NetworkSetting> {
    let bytes = content.get(span.clone())?;
    if bytes.trim_ascii_start().starts_with(b"#") {
        return None;
    }
    let mut setting = NetworkSetting::new(
        path,
        NetworkKind::UdevRule,
        line,
        super::with_line_ending(content, span.clone()),
    );
    let mut rest = 0;
    // Each part is `KEY=="value"`, `KEY="value"` and so on; values have no quotes inside.
    while let Some(open) = position(bytes, rest, b'"') {
        let Some(close) = position(bytes, open + 1, b'"') else {
            break;
        };
        let key = String::from_utf8_lossy(bytes.get(rest..open)?).into_owned();
        let key = key.trim_matches(|c: char| c == ',' || c == '\\' || c.is_whitespace());
        let value = span.start + open + 1..span.start + close;
        let number = line + bytes.get(..open)?.iter().filter(|&&byte| byte == b'\n').count();
        match key.split_at(key.find(['=', '!', '+', ':']).unwrap_or(key.len())) {
            (name, "==") if name.ends_with("{address}") => {
                setting.mac_key = Some(name.to_owned());
                setting.mac = spanned(content, value, number);
            }
            ("NAME", "=" | ":=") => setting.interface = spanned(content, value, number),
            ("SUBSYSTEM", "==") if content.get(value.clone()) != Some(b"net".as_slice()) => return None,
            _ => {}
        }
        rest = close + 1;
    }
    setting.interface.is_some().then_some(setting)
}

fn position(bytes: &[u8], from: usize, wanted: u8) -> Option<usize> {
    let found = bytes.get(from..)?.iter().position(|&byte| byte == wanted)?;
    Some(from + found)
}
