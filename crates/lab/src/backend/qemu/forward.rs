//! Which loopback ports lead into a guest.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};

/// The loopback port that leads to a guest's port.
const fn outside(port: u16, ssh_port: u16) -> u16 {
    if port == 22 { ssh_port } else { port }
}

/// Rules as QEMU has them: `tcp:127.1.0.5:2222-:22`.
pub(super) fn rules(addresses: &[Ipv4Addr], ports: &[u16], ssh_port: u16) -> Vec<String> {
    let pairs = addresses
        .iter()
        .flat_map(|address| ports.iter().map(move |port| (address, *port)));
    pairs
        .map(|(address, port)| format!("tcp:{address}:{}-:{port}", outside(port, ssh_port)))
        .collect()
}

/// The part of a rule that names it when it is removed.
pub(super) fn name(rule: &str) -> &str {
    rule.split_once('-').map_or(rule, |(name, _)| name)
}

/// Checks that all ports can be had, as QEMU's own words for it do not say what to do.
///
/// # Errors
/// For the first port that cannot be bound.
pub(super) fn check(addresses: &[Ipv4Addr], ports: &[u16], ssh_port: u16) -> io::Result<()> {
    for address in addresses {
        if !address.is_loopback() {
            return Err(io::Error::other(format!(
                "{address} is no loopback address, and machines are reached on nothing else"
            )));
        }
        for port in ports.iter().map(|port| outside(*port, ssh_port)) {
            let place = SocketAddrV4::new(*address, port);
            TcpListener::bind(place).map_err(|error| match error.kind() {
                io::ErrorKind::PermissionDenied => io::Error::other(format!(
                    "only root may listen on {place}: start the lab with `comeback lab up --ssh-port 2222`, or any port above \
                     1023, and leave other ports below 1024 out"
                )),
                io::ErrorKind::AddrInUse => io::Error::other(format!(
                    "{place} is taken by another program (`ss -ltnp` names it): end it, or give the instance another address"
                )),
                _ => io::Error::new(error.kind(), format!("listening on {place}: {error}")),
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_has_a_port_of_its_own() {
        let address = Ipv4Addr::new(127, 1, 0, 5);
        let rules = rules(&[address], &[22, 80], 2222);
        assert_eq!(rules, ["tcp:127.1.0.5:2222-:22", "tcp:127.1.0.5:80-:80"]);
        assert_eq!(name(&rules[0]), "tcp:127.1.0.5:2222");
    }

    #[test]
    fn a_port_that_is_taken_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = check(&[Ipv4Addr::LOCALHOST], &[port], 22).unwrap_err().to_string();
        assert!(error.contains(&format!("127.0.0.1:{port} is taken")), "{error}");
        let error = check(&[Ipv4Addr::new(10, 0, 0, 5)], &[22], 22).unwrap_err().to_string();
        assert!(error.contains("no loopback address"), "{error}");
    }
}
