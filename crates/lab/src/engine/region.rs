//! Everything that an account has in a region.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::image::Image;
use super::instance::Instance;
use super::interface::Interface;
use super::network::{KeyPair, SecurityGroup, Subnet, Tags, Vpc};
use super::target_group::TargetGroup;
use super::volume::{Snapshot, Volume};
use crate::wire::ApiError;

/// An account's part of a region.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Region {
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) zones: Vec<String>,
    /// Regions that the account has not switched on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) off: Vec<String>,
    pub(crate) instances: BTreeMap<String, Instance>,
    pub(crate) volumes: BTreeMap<String, Volume>,
    pub(crate) snapshots: BTreeMap<String, Snapshot>,
    pub(crate) images: BTreeMap<String, Image>,
    pub(crate) interfaces: BTreeMap<String, Interface>,
    pub(crate) addresses: BTreeMap<String, Address>,
    pub(crate) vpcs: BTreeMap<String, Vpc>,
    pub(crate) subnets: BTreeMap<String, Subnet>,
    pub(crate) groups: BTreeMap<String, SecurityGroup>,
    pub(crate) keys: BTreeMap<String, KeyPair>,
    pub(crate) tags: BTreeMap<String, Tags>,
    pub(crate) target_groups: BTreeMap<String, TargetGroup>,
    /// Answers by action and client token.
    pub(crate) tokens: BTreeMap<String, Answered>,
    /// How many public addresses were given out.
    pub(crate) public_given: u32,
    /// How many hosts were used.
    pub(crate) hosts: u32,
}

/// An answer that is given again to the same client token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answered {
    /// Digest of the parameters.
    pub(crate) digest: String,
    pub(crate) body: String,
}

/// The zones of a region, by their letters.
pub(crate) fn zones(region: &str) -> Vec<String> {
    let letters: &[&str] = match region {
        "ap-northeast-1" => &["a", "c", "d"],
        "us-east-1" => &["a", "b", "c", "d", "e", "f"],
        "us-west-1" | "ca-central-1" => &["a", "b"],
        "us-west-2" => &["a", "b", "c", "d"],
        _ => &["a", "b", "c"],
    };
    letters.iter().map(|letter| format!("{region}{letter}")).collect()
}

/// The regions that the lab has.
pub(crate) const NAMES: &[&str] = &[
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

impl Region {
    /// An account's region with its default network. `octet` is that of 127.N.0.0/16.
    pub(crate) fn new(account: &str, name: &str, octet: u8, mut id: impl FnMut(&str) -> String) -> Self {
        let mut region = Self {
            account: account.to_owned(),
            name: name.to_owned(),
            zones: zones(name),
            hosts: 1,
            ..Self::default()
        };
        let vpc = Vpc { id: id("vpc"), octet };
        for (third, zone) in (0_u8..).step_by(16).zip(&region.zones) {
            let subnet = Subnet {
                id: id("subnet"),
                vpc: vpc.id.clone(),
                zone: zone.clone(),
                base: Ipv4Addr::new(127, octet, third, 0),
                prefix: 20,
                public: true,
            };
            region.subnets.insert(subnet.id.clone(), subnet);
        }
        let group = SecurityGroup {
            id: id("sg"),
            name: "default".to_owned(),
            description: "default VPC security group".to_owned(),
            vpc: vpc.id.clone(),
            ingress: Vec::new(),
        };
        region.groups.insert(group.id.clone(), group);
        region.vpcs.insert(vpc.id.clone(), vpc);
        region
    }

    pub(crate) fn instance(&self, id: &str) -> Result<&Instance, ApiError> {
        check_id("i", id, "InvalidInstanceID.Malformed")?;
        self.instances
            .get(id)
            .ok_or_else(|| ApiError::not_found("InvalidInstanceID.NotFound", "instance ID", id))
    }

    pub(crate) fn instance_mut(&mut self, id: &str) -> Result<&mut Instance, ApiError> {
        self.instance(id)?;
        self.instances
            .get_mut(id)
            .ok_or_else(|| ApiError::not_found("InvalidInstanceID.NotFound", "instance ID", id))
    }

    pub(crate) fn volume(&self, id: &str) -> Result<&Volume, ApiError> {
        check_id("vol", id, "InvalidVolumeID.Malformed")?;
        self.volumes
            .get(id)
            .ok_or_else(|| ApiError::new("InvalidVolume.NotFound", format!("The volume '{id}' does not exist.")))
    }

    pub(crate) fn volume_mut(&mut self, id: &str) -> Result<&mut Volume, ApiError> {
        self.volume(id)?;
        self.volumes
            .get_mut(id)
            .ok_or_else(|| ApiError::new("InvalidVolume.NotFound", format!("The volume '{id}' does not exist.")))
    }

    pub(crate) fn snapshot(&self, id: &str) -> Result<&Snapshot, ApiError> {
        check_id("snap", id, "InvalidSnapshotID.Malformed")?;
        self.snapshots.get(id).ok_or_else(|| {
            ApiError::new(
                "InvalidSnapshot.NotFound",
                format!("The snapshot '{id}' does not exist."),
            )
        })
    }

    pub(crate) fn image(&self, id: &str) -> Result<&Image, ApiError> {
        check_id("ami", id, "InvalidAMIID.Malformed")?;
        self.images
            .get(id)
            .ok_or_else(|| ApiError::new("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist")))
    }

    pub(crate) fn interface(&self, id: &str) -> Result<&Interface, ApiError> {
        self.interfaces
            .get(id)
            .ok_or_else(|| ApiError::not_found("InvalidNetworkInterfaceID.NotFound", "networkInterface ID", id))
    }

    pub(crate) fn interface_mut(&mut self, id: &str) -> Result<&mut Interface, ApiError> {
        self.interfaces
            .get_mut(id)
            .ok_or_else(|| ApiError::not_found("InvalidNetworkInterfaceID.NotFound", "networkInterface ID", id))
    }

    pub(crate) fn subnet(&self, id: &str) -> Result<&Subnet, ApiError> {
        self.subnets
            .get(id)
            .ok_or_else(|| ApiError::not_found("InvalidSubnetID.NotFound", "subnet ID", id))
    }

    pub(crate) fn group(&self, id: &str) -> Result<&SecurityGroup, ApiError> {
        self.groups
            .get(id)
            .ok_or_else(|| ApiError::not_found("InvalidGroup.NotFound", "security group", id))
    }

    /// The volumes that are attached to an instance, or are about to be.
    pub(crate) fn volumes_of<'a>(&'a self, instance: &'a str) -> impl Iterator<Item = &'a Volume> {
        self.volumes
            .values()
            .filter(move |volume| volume.instance() == Some(instance))
    }

    /// The volume that an instance starts from: the one that is attached at its root device.
    pub(crate) fn root_of(&self, instance: &Instance) -> Option<&Volume> {
        self.volumes.values().find(|volume| {
            let at = volume.attachment.as_ref();
            at.is_some_and(|at| at.instance == instance.id && at.device == instance.root_device)
        })
    }

    /// An instance's interfaces, the primary one first.
    pub(crate) fn interfaces_of(&self, instance: &str) -> Vec<&Interface> {
        let mut found: Vec<&Interface> = self
            .interfaces
            .values()
            .filter(|interface| interface.instance() == Some(instance))
            .collect();
        found.sort_by_key(|interface| interface.attachment.as_ref().map(|attachment| attachment.index));
        found
    }

    /// The Elastic IP that leads to a private address of an interface.
    pub(crate) fn elastic(&self, interface: &str, private: Ipv4Addr) -> Option<&Address> {
        self.addresses.values().find(|address| {
            address
                .association
                .as_ref()
                .is_some_and(|to| to.interface == interface && to.private == private)
        })
    }

    /// The address at which an instance is seen from outside: its Elastic IP, else the one that it was given.
    pub(crate) fn public_of(&self, instance: &Instance) -> Option<Ipv4Addr> {
        let primary = self.interfaces_of(&instance.id).into_iter().next();
        primary
            .and_then(|interface| self.elastic(&interface.id, interface.primary()?))
            .map(|address| address.public)
            .or(instance.public)
    }

    /// All addresses that lead to an instance.
    pub(crate) fn addresses_of(&self, instance: &Instance) -> Vec<Ipv4Addr> {
        let interfaces = self.interfaces_of(&instance.id);
        let private = interfaces
            .iter()
            .flat_map(|interface| interface.addresses.iter().copied());
        let public = interfaces.iter().flat_map(|interface| {
            interface
                .addresses
                .iter()
                .filter_map(|&address| self.elastic(&interface.id, address))
                .map(|elastic| elastic.public)
        });
        let all: BTreeSet<Ipv4Addr> = private.chain(public).chain(instance.public).collect();
        all.into_iter().collect()
    }

    /// Whether a private address belongs to an interface already.
    pub(crate) fn is_taken(&self, address: Ipv4Addr) -> bool {
        self.interfaces
            .values()
            .any(|interface| interface.addresses.contains(&address))
    }

    /// An address that is free in a subnet: `wanted`, or any.
    pub(crate) fn free_address(&self, subnet: &Subnet, wanted: Option<Ipv4Addr>) -> Result<Ipv4Addr, ApiError> {
        match wanted {
            Some(address) if !subnet.contains(address) => Err(ApiError::new(
                "InvalidParameterValue",
                format!("Address {address} does not fall within the subnet's address range"),
            )),
            Some(address) if self.is_taken(address) => Err(ApiError::new(
                "InvalidIPAddress.InUse",
                format!("Address {address} is in use."),
            )),
            Some(address) => Ok(address),
            None => subnet.free(|address| self.is_taken(address)).ok_or_else(|| {
                ApiError::new(
                    "InsufficientFreeAddressesInSubnet",
                    format!("There are not enough free addresses in subnet '{}'", subnet.id),
                )
            }),
        }
    }

    /// An address of the region's public range, 127.(N+100).0.0/16 for the network 127.N.0.0/16.
    pub(crate) fn new_public(&mut self) -> Ipv4Addr {
        self.public_given += 1;
        let octet = self.vpcs.values().next().map_or(16, |vpc| vpc.octet);
        let [_, _, third, fourth] = (self.public_given + 256).to_be_bytes();
        Ipv4Addr::new(127, octet.saturating_add(100), third, fourth)
    }

    /// The number of a host that nobody was on.
    pub(crate) fn new_host(&mut self) -> u32 {
        self.hosts += 1;
        self.hosts
    }

    pub(crate) fn tags_of<'a>(&'a self, id: &str) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.tags
            .get(id)
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// Whether an id looks like one of its kind: `i-` and 8 or 17 hexadecimal digits.
pub(crate) fn check_id(kind: &str, id: &str, code: &'static str) -> Result<(), ApiError> {
    let digits = id.strip_prefix(kind).and_then(|rest| rest.strip_prefix('-'));
    let good = digits
        .is_some_and(|digits| matches!(digits.len(), 8 | 17) && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if good {
        return Ok(());
    }
    let message = match kind {
        "i" => format!("Invalid id: \"{id}\""),
        _ => format!("Invalid id: \"{id}\" (expecting \"{kind}-...\")"),
    };
    Err(ApiError::new(code, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region() -> Region {
        let mut number = 0_u64;
        Region::new("111122223333", "ap-northeast-1", 16, |kind| {
            number += 1;
            format!("{kind}-{number:017x}")
        })
    }

    #[test]
    fn each_zone_has_a_subnet_of_its_own() {
        let region = region();
        let bases: BTreeSet<Ipv4Addr> = region.subnets.values().map(|subnet| subnet.base).collect();
        assert_eq!(bases.len(), 3);
        assert_eq!(
            region
                .subnets
                .values()
                .filter(|subnet| subnet.zone == "ap-northeast-1a")
                .count(),
            1
        );
    }

    #[test]
    fn public_addresses_differ() {
        let mut region = region();
        let first = region.new_public();
        assert_eq!(first, Ipv4Addr::new(127, 116, 1, 1));
        assert_ne!(first, region.new_public());
    }

    #[test]
    fn ids_are_checked() {
        let region = region();
        assert_eq!(
            region.instance("i-xyz").unwrap_err().code,
            "InvalidInstanceID.Malformed"
        );
        assert_eq!(
            region.instance("i-12345678").unwrap_err().code,
            "InvalidInstanceID.NotFound"
        );
        assert_eq!(
            region.volume("vol-12345678").unwrap_err().code,
            "InvalidVolume.NotFound"
        );
    }
}
