//! Subnets and security groups.

use super::Tags;
use crate::ids::{GroupId, SubnetId, VpcId};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Its name.
    pub id: SubnetId,
    /// Its VPC.
    pub vpc: Option<VpcId>,
    /// Its availability zone.
    pub zone: String,
    /// Its addresses, such as `10.0.1.0/24`.
    pub cidr: String,
    /// How many of them are free.
    pub free_addresses: u32,
    /// Whether instances get a public address when nobody says otherwise.
    pub public_ip_on_launch: bool,
    /// Tags.
    pub tags: Tags,
}

/// A security group with what it lets in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// Its name in the account.
    pub id: GroupId,
    /// Its name for people.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its VPC.
    pub vpc: Option<VpcId>,
    /// What it lets in.
    pub ingress: Vec<IngressRule>,
    /// Tags.
    pub tags: Tags,
}

impl SecurityGroup {
    /// Whether a TCP port is open to an address by its ranges. Members of other groups and prefix lists are not looked
    /// through: for those the answer is no.
    pub fn admits_tcp(&self, port: u16, from: IpAddr) -> bool {
        self.ingress
            .iter()
            .any(|rule| rule.covers_tcp(port) && rule.ranges.iter().any(|range| contains(range, from)))
    }
}

/// One rule of what a security group lets in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngressRule {
    /// `tcp`, `udp`, `icmp`, a number, or `-1` for all.
    pub protocol: String,
    /// First port; nothing for all.
    pub from_port: Option<i32>,
    /// Last port; nothing for all.
    pub to_port: Option<i32>,
    /// Address ranges, IPv4 and IPv6, such as `0.0.0.0/0`.
    pub ranges: Vec<String>,
    /// Groups whose members may come in.
    pub groups: Vec<GroupId>,
    /// Prefix lists whose addresses may come in.
    pub prefix_lists: Vec<String>,
}

impl IngressRule {
    /// Whether it is about this TCP port, whoever it lets in.
    pub fn covers_tcp(&self, port: u16) -> bool {
        match self.protocol.as_str() {
            "-1" => true,
            "tcp" | "6" => {
                self.from_port.is_none_or(|first| first <= i32::from(port))
                    && self.to_port.is_none_or(|last| i32::from(port) <= last)
            }
            _ => false,
        }
    }
}

/// Whether a range such as `10.0.0.0/8` holds an address. A range that cannot be read holds none.
fn contains(range: &str, address: IpAddr) -> bool {
    let (base, bits) = range.split_once('/').unwrap_or((range, ""));
    match (base.parse::<IpAddr>(), address) {
        (Ok(IpAddr::V4(base)), IpAddr::V4(address)) => {
            let bits = if bits.is_empty() { Some(32) } else { bits.parse().ok() };
            bits.is_some_and(|bits| same_v4(base, address, bits))
        }
        (Ok(IpAddr::V6(base)), IpAddr::V6(address)) => {
            let bits = if bits.is_empty() { Some(128) } else { bits.parse().ok() };
            bits.is_some_and(|bits| same_v6(base, address, bits))
        }
        _ => false,
    }
}

fn same_v4(a: Ipv4Addr, b: Ipv4Addr, bits: u32) -> bool {
    bits == 0 || (bits <= 32 && (a.to_bits() ^ b.to_bits()) >> (32 - bits) == 0)
}

fn same_v6(a: Ipv6Addr, b: Ipv6Addr, bits: u32) -> bool {
    bits == 0 || (bits <= 128 && (a.to_bits() ^ b.to_bits()) >> (128 - bits) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(protocol: &str, ports: Option<(i32, i32)>, ranges: &[&str]) -> SecurityGroup {
        SecurityGroup {
            id: GroupId::from_api("sg-1a2b3c4d"),
            name: "web".to_owned(),
            description: String::new(),
            vpc: None,
            ingress: vec![IngressRule {
                protocol: protocol.to_owned(),
                from_port: ports.map(|p| p.0),
                to_port: ports.map(|p| p.1),
                ranges: ranges.iter().map(|r| (*r).to_owned()).collect(),
                groups: Vec::new(),
                prefix_lists: Vec::new(),
            }],
            tags: Tags::new(),
        }
    }

    #[test]
    fn a_port_is_open_only_to_addresses_within_a_range() {
        let here: IpAddr = "203.0.113.7".parse().expect("address");
        let there: IpAddr = "203.0.114.7".parse().expect("address");
        let v6: IpAddr = "2001:db8::1".parse().expect("address");
        let office = group("tcp", Some((22, 22)), &["203.0.113.0/24", "2001:db8::/32"]);
        assert!(office.admits_tcp(22, here) && office.admits_tcp(22, v6));
        assert!(!office.admits_tcp(22, there) && !office.admits_tcp(80, here));
        assert!(group("-1", None, &["0.0.0.0/0"]).admits_tcp(22, there));
        assert!(!group("-1", None, &["0.0.0.0/0"]).admits_tcp(22, v6));
        assert!(!group("udp", Some((0, 65535)), &["0.0.0.0/0"]).admits_tcp(22, here));
        for unreadable in ["", "/8", "203.0.113.0/33", "203.0.113.0/x", "everyone"] {
            assert!(
                !group("tcp", Some((22, 22)), &[unreadable]).admits_tcp(22, here),
                "{unreadable}"
            );
        }
    }
}
