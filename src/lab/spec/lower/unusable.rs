//! Addresses that no interface can have and prefixes that nobody routes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::super::{At, raw::Tree, reader::Findings};

/// What every interface's address may be taken from.
const UNICAST_V4: &str = "take a unicast address, of 10.0.0.0/8 or 192.0.2.0/24 for example";
const UNICAST_V6: &str = "take a unicast address, of fd00::/8 or 2001:db8::/32 for example";

impl Findings {
    /// An interface's address on a link or inside a session.
    pub(super) fn end_address(&mut self, at: At, tree: &Tree, what: &str) -> Option<IpNet> {
        let net = self.address(at, tree, what)?;
        let refused = self.refuse_special(tree.at, net.addr()) || self.refuse_edge(tree.at, &net);
        (!refused).then_some(net)
    }

    /// Whether the address is of no interface; says so.
    pub(super) fn refuse_special(&mut self, at: At, address: IpAddr) -> bool {
        let Some(special) = special(address) else {
            return false;
        };
        let found = self.error(at, "unusable-address", format!("`{address}` is {special}"));
        match address {
            IpAddr::V4(_) => found.help(UNICAST_V4),
            IpAddr::V6(v6) if v6.is_unicast_link_local() => {
                found.help("every interface has one anyway; give it one of fd00::/8 beside it");
            }
            IpAddr::V6(_) => found.help(UNICAST_V6),
        }
        true
    }

    /// The addresses at a network's ends belong to all of it, and a network of
    /// one address has no room for the other end.
    fn refuse_edge(&mut self, at: At, net: &IpNet) -> bool {
        let (length, most) = (net.prefix_len(), net.max_prefix_len());
        if length == most || length < 8 {
            let message = format!(
                "a link's network is a /8 to a /{}, but this is a /{length}",
                most - 1
            );
            self.error(at, "bad-prefix", message);
            return true;
        }
        if length == most - 1 {
            return false;
        }
        let edge = match net {
            IpNet::V4(v4) if v4.addr() == v4.network() => "the network's own address",
            IpNet::V4(v4) if v4.addr() == v4.broadcast() => "the broadcast address",
            IpNet::V6(v6) if v6.addr() == v6.network() => {
                "every router's, the subnet-router anycast address (RFC 4291)"
            }
            IpNet::V4(_) | IpNet::V6(_) => return false,
        };
        let message = format!(
            "`{}` is {edge}; take another address of `{}`",
            net.addr(),
            net.trunc()
        );
        self.error(at, "unusable-address", message);
        true
    }

    /// A prefix that a router may announce or hold a route to.
    pub(super) fn routed_prefix(&mut self, at: At, tree: &Tree, what: &str) -> Option<IpNet> {
        let net = self.prefix(at, tree, what)?;
        if let Some(special) = unrouted(&net) {
            let message = format!("`{what}`: nobody routes `{net}`: it is {special}");
            self.error(tree.at, "unusable-address", message);
        }
        Some(net)
    }
}

/// Whether nobody routes this.
pub(super) fn is_unrouted(net: &IpNet) -> bool {
    unrouted(net).is_some()
}

/// Why no interface has this address.
pub(super) fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => special_v6(v6),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [first, ..] = address.octets();
    match first {
        0 => Some("of \"this network\", 0.0.0.0/8 (RFC 1122)"),
        127 => Some("loopback (RFC 1122)"),
        224..=239 => Some("multicast (RFC 5771)"),
        240..=255 if address.is_broadcast() => Some("the limited broadcast address (RFC 919)"),
        240..=255 => Some("reserved (RFC 1112)"),
        _ => None,
    }
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    let segments = address.segments();
    if address.is_unspecified() {
        Some("the unspecified address (RFC 4291)")
    } else if address.is_loopback() {
        Some("the loopback address (RFC 4291)")
    } else if segments.starts_with(&[0, 0, 0, 0, 0, 0xffff]) {
        Some("IPv4-mapped, which sockets take for IPv4 (RFC 4291)")
    } else if segments.starts_with(&[0; 6]) {
        Some("IPv4-compatible, which is deprecated (RFC 4291)")
    } else if address.is_multicast() {
        Some("multicast (RFC 4291)")
    } else if address.is_unicast_link_local() {
        Some("link-local: it means nothing beyond its own link (RFC 4291)")
    } else {
        None
    }
}

/// Why nobody routes this prefix: all of it lies in a block of special addresses, or it holds
/// the whole block of which sessions have their addresses.
fn unrouted(net: &IpNet) -> Option<&'static str> {
    if let IpNet::V4(v4) = net
        && (8..=16).contains(&v4.prefix_len())
        && v4.contains(&Ipv4Addr::new(169, 254, 0, 0))
    {
        return Some(
            "the home of link-local addresses, 169.254.0.0/16 (RFC 3927), which VIFs and VPNs have inside",
        );
    }
    let block = match net {
        IpNet::V4(v4) if matches!(v4.addr().octets()[0], 0 | 127) => 8,
        IpNet::V4(_) => 4,
        IpNet::V6(v6) if v6.addr().is_multicast() => 8,
        IpNet::V6(v6) if v6.addr().is_unicast_link_local() => 10,
        IpNet::V6(_) => 96,
    };
    (net.prefix_len() >= block)
        .then(|| special(net.addr()))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_special(address: &str) -> bool {
        special(address.parse().unwrap()).is_some()
    }

    #[test]
    fn only_unicast_addresses_with_a_meaning_beyond_the_link_are_usable() {
        for bad in [
            "0.0.0.1",
            "127.0.0.1",
            "224.0.0.5",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::5",
            "::ffff:10.0.0.1",
            "ff02::5",
            "fe80::1",
            "febf::1",
        ] {
            assert!(is_special(bad), "{bad}");
        }
        for good in [
            "1.0.0.1",
            "10.0.0.1",
            "126.255.255.255",
            "128.0.0.1",
            "169.254.6.1",
            "192.0.2.1",
            "198.51.100.1",
            "223.255.255.255",
            "2001:db8::1",
            "fd00::1",
            "fec0::1",
            "::1:0:0:0",
            "64:ff9b::1",
        ] {
            assert!(!is_special(good), "{good}");
        }
    }

    #[test]
    fn a_default_route_is_routed_and_a_martian_is_not() {
        let unrouted = |net: &str| unrouted(&net.parse().unwrap()).is_some();
        for good in [
            "0.0.0.0/0",
            "::/0",
            "0.0.0.0/1",
            "128.0.0.0/1",
            "10.0.0.0/8",
            "::/64",
            "2000::/3",
        ] {
            assert!(!unrouted(good), "{good}");
        }
        for bad in [
            "127.0.0.0/8",
            "224.0.0.0/4",
            "240.0.0.0/5",
            "0.1.0.0/16",
            "ff00::/8",
            "fe80::/64",
            "::1/128",
        ] {
            assert!(unrouted(bad), "{bad}");
        }
    }
}
