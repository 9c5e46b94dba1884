//! Network settings that hold on to the old card.

use comeback_guest::inspect::Guest;
use comeback_guest::network::{NetworkKind, NetworkSetting};

use super::started;
use crate::finding::{Effect, Evidence, Finding};
use crate::platform::Platform;

/// Whether a setting keeps the interface down, or gives it another name, when the card has another address.
pub(crate) fn is_bound(setting: &NetworkSetting) -> bool {
    let Some(mac) = &setting.mac else {
        return false;
    };
    match setting.kind {
        // `hwaddress` and `MACADDR` set an address instead of asking for one; on EC2 that cuts the network off, too.
        NetworkKind::Interfaces | NetworkKind::Ifcfg | NetworkKind::SuseIfcfg | NetworkKind::UdevRule => true,
        NetworkKind::Netplan | NetworkKind::SystemdLink | NetworkKind::SystemdNetwork | NetworkKind::NetworkManager => {
            !mac.value.is_empty()
        }
    }
}

/// What cloud-init writes anew when it finds itself on another instance.
const CLOUD_INIT: &str = "/etc/netplan/50-cloud-init.yaml";

/// Whether a binding can be commented out. Where it is what a section matches by, an empty match would be left, which
/// means every interface to some programs and none to others.
pub(crate) fn can_be_dropped(setting: &NetworkSetting) -> bool {
    match setting.kind {
        NetworkKind::Interfaces
        | NetworkKind::Ifcfg
        | NetworkKind::SuseIfcfg
        | NetworkKind::UdevRule
        | NetworkKind::NetworkManager => true,
        NetworkKind::Netplan | NetworkKind::SystemdLink | NetworkKind::SystemdNetwork => false,
    }
}

/// The names of interfaces that settings ask for and that predictable naming would not give.
pub(crate) fn classic_names(guest: &Guest) -> impl Iterator<Item = &NetworkSetting> {
    guest.network.settings.iter().filter(|setting| {
        let name = setting.interface.as_ref().map(|interface| interface.value.as_str());
        setting.kind != NetworkKind::UdevRule && name.is_some_and(|name| name.starts_with("eth"))
    })
}

/// Whether the interface may be called `ens5` instead of `eth0` where it is not Xen's.
pub(crate) fn renames(guest: &Guest) -> bool {
    guest.network.naming.predictable.is_some()
}

pub(super) fn check(guest: &Guest, found: &mut Vec<Finding>) {
    for setting in guest.network.settings.iter().filter(|setting| is_bound(setting)) {
        let mac = setting.mac.as_ref().map(|mac| mac.value.as_str()).unwrap_or_default();
        let key = setting.mac_key.as_deref().unwrap_or("address");
        let line = setting.mac.as_ref().map_or(setting.line, |mac| mac.line);
        let at = Evidence::line(&setting.path, line, format!("{key} {mac}"));
        found.push(if setting.path == CLOUD_INIT {
            Finding::new("net-mac-cloud-init", "network settings are bound to the old card's address, and cloud-init writes them anew on another instance")
                .at(at)
        } else if can_be_dropped(setting) {
            Finding::new("net-mac-bound", "network settings are bound to the old card's address: the new one stays down or gets another name")
                .at(at)
                .remedy("run `comeback convert`, which drops the binding")
                .on(&Platform::HVM, Effect::Blocks)
        } else {
            Finding::new("net-mac-matched", "network settings are chosen by the old card's address: the new one stays down or gets another name")
                .at(at)
                .remedy(format!("in the guest, match the card by its name or driver instead in line {line} of {}", setting.path))
                .on(&Platform::HVM, Effect::Blocks)
        });
    }
    if !renames(guest) {
        return;
    }
    let Some((entry, _)) = started(guest)
        .into_iter()
        .find(|(_, platforms)| platforms.contains(&Platform::Nitro))
    else {
        return;
    };
    if entry
        .cmdline
        .last("net.ifnames")
        .is_some_and(|value| value.value == "0")
    {
        return;
    }
    let settings: Vec<Evidence> = classic_names(guest)
        .map(|setting| {
            let name = setting
                .interface
                .as_ref()
                .map(|interface| interface.value.as_str())
                .unwrap_or_default();
            Evidence::line(&setting.path, setting.line, name)
        })
        .collect();
    if !settings.is_empty() {
        found.push(
            Finding::new(
                "net-interface-name",
                "network settings are for eth0, which is called ens5 on Nitro",
            )
            .at_all(settings)
            .remedy("run `comeback convert --target nitro`, which adds net.ifnames=0 to the kernel's command line")
            .on(&[Platform::Nitro], Effect::Blocks),
        );
    }
}
