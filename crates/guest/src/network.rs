//! Network settings, and which of them are bound to a MAC address or to the name of an interface.
//!
//! A converted guest gets another network card with another address: whatever is bound to the old one fails.

mod ifcfg;
mod ini;
mod interfaces;
mod netplan;
mod udev;

use std::ops::Range;

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
