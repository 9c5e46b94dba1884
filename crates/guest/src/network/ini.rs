//! Files of sections: systemd's `.link` and `.network`, and the connections of NetworkManager.

use super::{NetworkKind, NetworkSetting, spanned};
use crate::text::lines;

/// The setting in a file.
pub(super) fn parse(path: &str, kind: NetworkKind, content: &[u8]) -> NetworkSetting {
    let mut setting = NetworkSetting::new(path, kind, 1, 0..content.len());
    let mut section = String::new();
    for line in lines(content) {
        let text = line.bytes.trim_ascii();
        if let Some(name) = text.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) {
            section = String::from_utf8_lossy(name).to_ascii_lowercase();
            continue;
        }
        let Some(equals) = line.bytes.iter().position(|&byte| byte == b'=') else {
            continue;
        };
        let (Some(key), Some(raw)) = (line.bytes.get(..equals), line.bytes.get(equals + 1..)) else {
            continue;
        };
        let blanks = raw.len() - raw.trim_ascii_start().len();
        let from = line.start + equals + 1 + blanks;
        let Some(value) = spanned(content, from..from + raw.trim_ascii().len(), line.number) else {
            continue;
        };
        let key = String::from_utf8_lossy(key.trim_ascii()).into_owned();
        match (section.as_str(), key.as_str()) {
            ("match", "MACAddress" | "PermanentMACAddress") => {
                setting.mac_key = Some(key);
                setting.mac = Some(value);
            }
            ("link", "MACAddress") | ("ethernet" | "802-3-ethernet", "mac-address" | "cloned-mac-address")
                if setting.mac.is_none() =>
            {
                setting.mac_key = Some(key);
                setting.mac = Some(value);
            }
            // A `.link` file gives the name, a `.network` file asks for it.
            ("link", "Name") => setting.interface = Some(value),
            ("match", "Name") if kind == NetworkKind::SystemdNetwork => setting.interface = Some(value),
            ("connection", "interface-name") => setting.interface = Some(value),
            ("network", "DHCP") => {
                setting.dhcp = matches!(value.value.as_str(), "yes" | "true" | "ipv4" | "both" | "v4");
            }
            ("ipv4", "method") => setting.dhcp = value.value == "auto",
            _ => {}
        }
    }
    setting
}
