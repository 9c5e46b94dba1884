//! Virtual private clouds, subnets, security groups, key pairs.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// A region's virtual private cloud. Its addresses are loopback addresses, so that each leads to its machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Vpc {
    pub(crate) id: String,
    /// 127.N.0.0/16
    pub(crate) octet: u8,
}

impl Vpc {
    pub(crate) fn cidr(&self) -> String {
        format!("127.{}.0.0/16", self.octet)
    }
}

/// A subnet, one per availability zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subnet {
    pub(crate) id: String,
    pub(crate) vpc: String,
    pub(crate) zone: String,
    pub(crate) base: Ipv4Addr,
    /// Length of the prefix.
    pub(crate) prefix: u8,
    /// Whether an instance is given a public address unless it says otherwise.
    pub(crate) public: bool,
}

impl Subnet {
    /// How many addresses it has; the first four and the last are AWS's.
    pub(crate) fn size(&self) -> u32 {
        1 << (32 - u32::from(self.prefix))
    }

    pub(crate) fn contains(&self, address: Ipv4Addr) -> bool {
        let (base, address) = (u32::from(self.base), u32::from(address));
        address >= base + 4 && address < base + self.size() - 1
    }

    /// The first usable address that is not in `taken`.
    pub(crate) fn free(&self, taken: impl Fn(Ipv4Addr) -> bool) -> Option<Ipv4Addr> {
        (10..self.size() - 1)
            .map(|offset| Ipv4Addr::from(u32::from(self.base) + offset))
            .find(|&address| !taken(address))
    }
}

/// A rule of a security group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rule {
    /// `tcp`, `udp`, `icmp` or `-1`
    pub(crate) protocol: String,
    pub(crate) from: Option<i32>,
    pub(crate) to: Option<i32>,
    pub(crate) ranges: Vec<String>,
    pub(crate) groups: Vec<String>,
}

/// A security group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SecurityGroup {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) vpc: String,
    pub(crate) ingress: Vec<Rule>,
}

/// A key pair's public half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyPair {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) fingerprint: String,
    /// In OpenSSH's form, if there is one.
    pub(crate) public: String,
    pub(crate) created: jiff::Timestamp,
}

/// Tags of one resource.
pub(crate) type Tags = BTreeMap<String, String>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnet_gives_out_what_is_free() {
        let subnet = Subnet {
            id: "subnet-1".into(),
            vpc: "vpc-1".into(),
            zone: "z".into(),
            base: Ipv4Addr::new(127, 16, 16, 0),
            prefix: 28,
            public: true,
        };
        assert_eq!(subnet.free(|_| false), Some(Ipv4Addr::new(127, 16, 16, 10)));
        assert_eq!(
            subnet.free(|address| address.octets()[3] < 14),
            Some(Ipv4Addr::new(127, 16, 16, 14))
        );
        assert_eq!(subnet.free(|_| true), None);
        assert!(!subnet.contains(Ipv4Addr::new(127, 16, 16, 3)) && !subnet.contains(Ipv4Addr::new(127, 16, 16, 15)));
    }
}
