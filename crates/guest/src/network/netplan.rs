//! Netplan's YAML, and cloud-init's network configuration of versions 1 and 2, as far as block style goes: netplan's own
//! writers, cloud-init and curtin write nothing else.

use std::ops::Range;

use super::{NetworkKind, NetworkSetting, spanned, with_line_ending};
use crate::text::{Spanned, lines};

/// The groups whose keys are interfaces.
const GROUPS: [&str; 5] = ["ethernets", "bonds", "bridges", "vlans", "wifis"];

/// The deepest nesting that is followed.
const MAX_DEPTH: usize = 32;

/// One setting for each interface.
pub(super) fn parse(path: &str, content: &[u8]) -> Vec<NetworkSetting> {
    let mut settings: Vec<NetworkSetting> = Vec::new();
    // The keys above the current line, with their indentation.
    let mut above: Vec<(usize, String)> = Vec::new();
    // The indentation of the interface that is being read.
    let mut current: Option<usize> = None;
    for line in lines(content) {
        let text = line.bytes;
        let blanks = text.iter().take_while(|&&byte| byte == b' ').count();
        let body = text.get(blanks..).unwrap_or_default();
        if body.is_empty() || body.starts_with(b"#") {
            continue;
        }
        let item = body.starts_with(b"- ");
        let dash = if item {
            1 + body.iter().skip(1).take_while(|&&byte| byte == b' ').count()
        } else {
            0
        };
        let indent = blanks + dash;
        while above.last().is_some_and(|(depth, _)| *depth >= indent) {
            above.pop();
        }
        // What stands no deeper than the interface's own keys ends it; so does the next item of its list.
        if current.is_some_and(|depth| indent < depth || item && indent == depth) {
            current = None;
        }
        let Some((key, value)) = entry(content, line.start + indent, line.span().end, line.number) else {
            continue;
        };
        let parent = above.last().map(|(_, key)| key.as_str());
        let begins = match parent {
            Some(group) if GROUPS.contains(&group) => value.is_none(),
            // Version 1 of cloud-init's format is a list of devices.
            Some("config") => item,
            _ => false,
        };
        if begins {
            let span = with_line_ending(content, line.span());
            let mut setting = NetworkSetting::new(path, NetworkKind::Netplan, line.number, span);
            if !item {
                setting.interface = Some(key.clone());
            }
            settings.push(setting);
            current = Some(if item { indent } else { indent + 1 });
        }
        if let (Some(setting), Some(_)) = (settings.last_mut(), current) {
            setting.span.end = with_line_ending(content, line.span()).end;
            field(setting, parent, &key.value, value);
        }
        if above.len() < MAX_DEPTH {
            above.push((indent, key.value));
        }
    }
    settings
}

fn field(setting: &mut NetworkSetting, parent: Option<&str>, key: &str, value: Option<Spanned<String>>) {
    let Some(value) = value else {
        return;
    };
    match key {
        // What is matched counts more than an address that is set.
        "macaddress" | "mac_address" if setting.mac.is_none() || parent == Some("match") => {
            setting.mac = Some(value);
            setting.mac_key = Some(key.to_owned());
        }
        "set-name" => setting.interface = Some(value),
        "name" if setting.interface.is_none() => setting.interface = Some(value),
        "dhcp4" => setting.dhcp = matches!(value.value.as_str(), "true" | "yes" | "on"),
        "type" if matches!(value.value.as_str(), "dhcp" | "dhcp4") => setting.dhcp = true,
        _ => {}
    }
}

/// Key and value of a line; the value is none where the line ends after the colon.
fn entry(content: &[u8], from: usize, to: usize, line: usize) -> Option<(Spanned<String>, Option<Spanned<String>>)> {
    let text = content.get(from..to)?;
    let colon = (0..text.len())
        .find(|&at| text.get(at) == Some(&b':') && text.get(at + 1).is_none_or(|next| next.is_ascii_whitespace()))?;
    let key = unquoted(content, from..from + colon, line)?;
    let rest = text.get(colon + 1..)?;
    let comment = rest.windows(2).position(|pair| pair == b" #").unwrap_or(rest.len());
    let rest = rest.get(..comment)?;
    let blanks = rest.len() - rest.trim_ascii_start().len();
    let start = from + colon + 1 + blanks;
    let value = unquoted(content, start..start + rest.trim_ascii().len(), line);
    Some((key, value.filter(|value| !value.value.is_empty())))
}

/// The text without the quotes around it.
fn unquoted(content: &[u8], span: Range<usize>, line: usize) -> Option<Spanned<String>> {
    let text = content.get(span.clone())?;
    let quoted = text.len() >= 2 && matches!(text.first(), Some(b'"' | b'\'')) && text.first() == text.last();
    let span = if quoted { span.start + 1..span.end - 1 } else { span };
    spanned(content, span, line)
}
