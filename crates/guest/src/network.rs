//! Network settings, and which of them are bound to a MAC address or to the name of an interface.
//!
//! A converted guest gets another network card with another address: whatever is bound to the old one fails.

mod ifcfg;
mod ini;
mod interfaces;
mod netplan;
mod udev;

use std::ops::Range;

use comeback_disk::tree::{FileTree, Kind};
use serde::Serialize;

use crate::text::Spanned;

/// The kind of file that a setting is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkKind {
    /// A udev rule that names an interface: `70-persistent-net.rules`.
    UdevRule,
    /// `ifcfg-eth0` of Red Hat (`/etc/sysconfig/network-scripts`).
    Ifcfg,
    /// `ifcfg-eth0` of SUSE (`/etc/sysconfig/network`).
    SuseIfcfg,
    /// A stanza of `/etc/network/interfaces`.
    Interfaces,
    /// An interface in netplan's YAML, or in cloud-init's network configuration.
    Netplan,
    /// A systemd `.link` file.
    SystemdLink,
    /// A systemd `.network` file.
    SystemdNetwork,
    /// A connection of NetworkManager.
    NetworkManager,
}

/// One setting of one interface.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NetworkSetting {
    /// Path within the guest.
    pub path: String,
    /// What kind of file it is in.
    pub kind: NetworkKind,
    /// The name of the interface that it sets up, or that it gives.
    pub interface: Option<Spanned<String>>,
    /// The address that it is bound to. The span is that of the value, without quotes.
    pub mac: Option<Spanned<String>>,
    /// The key that binds it: `HWADDR`, `MACADDR`, `hwaddress`, `ATTR{address}`, `macaddress`, `MACAddress`.
    pub mac_key: Option<String>,
    /// First line of the rule, stanza, section or file, from 1.
    pub line: usize,
    /// The bytes of the rule, stanza, section or file, with the last line ending.
    #[serde(skip)]
    pub span: Range<usize>,
    /// Whether the address comes by DHCP.
    pub dhcp: bool,
}

/// How interfaces get their names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Naming {
    /// Rules that write `70-persistent-net.rules` anew for every card that is seen.
    pub generators: Vec<String>,
    /// systemd's rule for predictable names (`ens5` for `eth0`), unless it is masked.
    pub predictable: Option<String>,
    /// Dell's biosdevname.
    pub biosdevname: Option<String>,
}

/// All network settings of a guest.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Network {
    /// The settings, file by file.
    pub settings: Vec<NetworkSetting>,
    /// How interfaces get their names, but for what the kernel's command line says.
    pub naming: Naming,
    /// Files that could not be read, with the reason.
    pub unreadable: Vec<(String, String)>,
}

/// The largest file that is read, in bytes.
const MAX_SIZE: u64 = 256 << 10;
/// The most files of a folder that are read.
const MAX_FILES: usize = 500;
/// The most settings that are kept.
const MAX_SETTINGS: usize = 5_000;

/// The folders that hold settings.
const FOLDERS: [(&str, NetworkKind); 11] = [
    ("/etc/udev/rules.d", NetworkKind::UdevRule),
    ("/etc/sysconfig/network-scripts", NetworkKind::Ifcfg),
    ("/etc/sysconfig/network", NetworkKind::SuseIfcfg),
    ("/etc/network/interfaces.d", NetworkKind::Interfaces),
    ("/etc/netplan", NetworkKind::Netplan),
    ("/etc/cloud/cloud.cfg.d", NetworkKind::Netplan),
    ("/etc/systemd/network", NetworkKind::SystemdLink),
    ("/etc/systemd/network", NetworkKind::SystemdNetwork),
    ("/etc/NetworkManager/system-connections", NetworkKind::NetworkManager),
    ("/usr/lib/systemd/network", NetworkKind::SystemdLink),
    ("/usr/lib/systemd/network", NetworkKind::SystemdNetwork),
];

/// Where udev rules are, those that count more first.
const RULES: [&str; 3] = ["/etc/udev/rules.d", "/lib/udev/rules.d", "/usr/lib/udev/rules.d"];

impl NetworkSetting {
    fn new(path: &str, kind: NetworkKind, line: usize, span: Range<usize>) -> NetworkSetting {
        NetworkSetting {
            path: path.to_owned(),
            kind,
            interface: None,
            mac: None,
            mac_key: None,
            line,
            span,
            dhcp: false,
        }
    }
}

/// The settings in one file.
pub fn parse(path: &str, kind: NetworkKind, content: &[u8]) -> Vec<NetworkSetting> {
    let mut settings = match kind {
        NetworkKind::UdevRule => udev::parse(path, content),
        NetworkKind::Ifcfg | NetworkKind::SuseIfcfg => vec![ifcfg::parse(path, kind, content)],
        NetworkKind::Interfaces => interfaces::parse(path, content),
        NetworkKind::Netplan => netplan::parse(path, content),
        NetworkKind::SystemdLink | NetworkKind::SystemdNetwork | NetworkKind::NetworkManager => {
            vec![ini::parse(path, kind, content)]
        }
    };
    settings.truncate(MAX_SETTINGS);
    settings
}

/// All network settings of a guest.
pub fn read(tree: &dyn FileTree) -> Network {
    let mut network = Network {
        naming: naming(tree),
        ..Network::default()
    };
    let mut files = vec![("/etc/network/interfaces".to_owned(), NetworkKind::Interfaces)];
    for (folder, kind) in FOLDERS {
        let mut names = tree.read_dir(folder).unwrap_or_default();
        names.retain(|name| belongs(name, kind));
        names.truncate(MAX_FILES);
        files.extend(names.into_iter().map(|name| (format!("{folder}/{name}"), kind)));
    }
    for (path, kind) in files {
        match tree.metadata(&path) {
            // A link to /dev/null is how systemd's files are masked.
            Ok(metadata) if metadata.kind != Kind::File => continue,
            Err(error) if error.is_not_found() => continue,
            _ => {}
        }
        match tree.read(&path, MAX_SIZE) {
            Ok(content) => {
                let mut settings = parse(&path, kind, &content);
                // The files that systemd itself brings name no interface.
                settings.retain(|setting| !path.starts_with("/usr/lib/") || setting.mac.is_some());
                network.settings.extend(settings);
                network.settings.truncate(MAX_SETTINGS);
            }
            Err(error) => network.unreadable.push((path, error.to_string())),
        }
    }
    network
}

/// Whether a file of a folder is of the kind that is looked for there.
fn belongs(name: &str, kind: NetworkKind) -> bool {
    match kind {
        NetworkKind::UdevRule => name.ends_with(".rules"),
        NetworkKind::Ifcfg | NetworkKind::SuseIfcfg => {
            // The scripts of these names are those that ifup itself reads past.
            name.starts_with("ifcfg-")
                && !["ifcfg-lo", "ifcfg.template"].contains(&name)
                && ![".bak", ".orig", ".rpmsave", ".rpmnew", "~", ".old"]
                    .iter()
                    .any(|suffix| name.ends_with(suffix))
        }
        // run-parts(8): names of letters, digits, dashes and underscores; newer versions take `.cfg` too.
        NetworkKind::Interfaces => !name.starts_with('.') && !name.ends_with('~') && !name.contains(".dpkg-"),
        NetworkKind::Netplan => name.ends_with(".yaml") || name.ends_with(".cfg") && name.contains("net"),
        NetworkKind::SystemdLink => name.ends_with(".link"),
        NetworkKind::SystemdNetwork => name.ends_with(".network"),
        NetworkKind::NetworkManager => !name.starts_with('.') && !name.ends_with('~'),
    }
}

fn naming(tree: &dyn FileTree) -> Naming {
    let rule = |name: &str| {
        let path = RULES
            .iter()
            .map(|folder| format!("{folder}/{name}"))
            .find(|path| tree.symlink_metadata(path).is_ok())?;
        // A rule is masked by an empty file or a link to /dev/null of its name in /etc.
        tree.metadata(&path)
            .is_ok_and(|metadata| metadata.kind == Kind::File && metadata.size > 0)
            .then_some(path)
    };
    let names = |names: &[&str]| names.iter().find_map(|name| rule(name));
    let generators: Vec<String> = [
        "75-persistent-net-generator.rules",
        "z25_persistent-net.rules",
        "z45_persistent-net-generator.rules",
    ]
    .iter()
    .filter_map(|name| rule(name))
    .collect();
    Naming {
        generators,
        predictable: names(&["80-net-setup-link.rules", "80-net-name-slot.rules"]),
        biosdevname: names(&["71-biosdevname.rules", "72-biosdevname.rules"]),
    }
}

/// The text of a span; none where it is outside the file.
fn spanned(content: &[u8], span: Range<usize>, line: usize) -> Option<Spanned<String>> {
    let value = String::from_utf8_lossy(content.get(span.clone())?).into_owned();
    Some(Spanned { value, span, line })
}

/// A span of lines with the line ending after it.
fn with_line_ending(content: &[u8], span: Range<usize>) -> Range<usize> {
    let rest = content.get(span.end..).unwrap_or_default();
    let ending = if rest.starts_with(b"\r\n") {
        2
    } else {
        usize::from(rest.starts_with(b"\n"))
    };
    span.start..span.end + ending
}

#[cfg(test)]
mod tests;
