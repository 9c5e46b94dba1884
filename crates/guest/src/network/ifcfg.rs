//! `ifcfg-*` of Red Hat and SUSE: shell assignments.

use super::{NetworkKind, NetworkSetting};
use crate::defaults::{last, shell_assignments};

/// The setting in a file; `name` is the file's own.
pub(super) fn parse(path: &str, kind: NetworkKind, content: &[u8]) -> NetworkSetting {
    let assignments = shell_assignments(content);
    let value = |name| {
        last(&assignments, name)
            .map(|assignment| assignment.value.clone())
            .filter(|value| !value.value.is_empty())
    };
    let mut setting = NetworkSetting::new(path, kind, 1, 0..content.len());
    setting.interface = value("DEVICE");
    for key in ["HWADDR", "MACADDR", "LLADDR"] {
        if let Some(mac) = value(key) {
            setting.mac = Some(mac);
            setting.mac_key = Some(key.to_owned());
            break;
        }
    }
    setting.dhcp = value("BOOTPROTO").is_some_and(|protocol| protocol.value.to_ascii_lowercase().starts_with("dhcp"));
    setting
}
