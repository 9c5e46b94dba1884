//! interfaces(5) of Debian's ifupdown.

use super::{NetworkKind, NetworkSetting, with_line_ending};
use crate::text::lines;

/// One setting for each `iface` stanza.
pub(super) fn parse(path: &str, content: &[u8]) -> Vec<NetworkSetting> {
    let mut settings: Vec<NetworkSetting> = Vec::new();
    let mut within = false;
    for line in lines(content) {
        let words = line.words();
        let Some(first) = words.first() else {
            continue;
        };
        match first.value.as_str() {
            comment if comment.starts_with('#') => continue,
            "iface" => {
                let span = with_line_ending(content, line.span());
                let mut setting = NetworkSetting::new(path, NetworkKind::Interfaces, line.number, span);
                setting.interface = words.get(1).cloned();
                setting.dhcp = words.iter().skip(2).any(|word| word.value == "dhcp");
                settings.push(setting);
                within = true;
                continue;
            }
            "mapping" | "source" | "source-directory" | "rename" => within = false,
            word if word == "auto" || word.starts_with("allow-") || word.starts_with("no-") => within = false,
            _ => {}
        }
        let Some(setting) = settings.last_mut().filter(|_| within) else {
            continue;
        };
        setting.span.end = with_line_ending(content, line.span()).end;
        if matches!(first.value.as_str(), "hwaddress" | "hwaddr") {
            setting.mac = words.iter().skip(1).find(|word| word.value != "ether").cloned();
            setting.mac_key = Some(first.value.clone());
        }
    }
    settings
}
