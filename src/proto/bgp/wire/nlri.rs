//! Prefixes on the wire (RFC 4271 §4.3, RFC 4760 §5).

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::cursor::Cursor;
use crate::units::Family;

/// SAFI of unicast forwarding.
pub(super) const UNICAST: u8 = 1;

/// The family's AFI.
pub(super) const fn afi(family: Family) -> u16 {
    match family {
        Family::Ipv4Unicast => 1,
        Family::Ipv6Unicast => 2,
    }
}

/// The family of an AFI and a SAFI.
pub(super) const fn family_from(afi: u16, safi: u8) -> Option<Family> {
    match (afi, safi) {
        (1, UNICAST) => Some(Family::Ipv4Unicast),
        (2, UNICAST) => Some(Family::Ipv6Unicast),
        _ => None,
    }
}

/// Reads prefixes to the end; none if any is malformed (RFC 7606 §5.3).
pub(super) fn decode(bytes: &[u8], family: Family) -> Option<Vec<IpNet>> {
    let mut cursor = Cursor::new(bytes);
    let mut prefixes = Vec::with_capacity(bytes.len() / 4);
    while !cursor.is_empty() {
        prefixes.push(decode_one(&mut cursor, family)?);
    }
    Some(prefixes)
}

fn decode_one(cursor: &mut Cursor<'_>, family: Family) -> Option<IpNet> {
    let length = cursor.u8()?;
    let bytes = cursor.take(usize::from(length).div_ceil(8))?;
    // The bits beyond the length are irrelevant (RFC 4271 §4.3).
    match family {
        Family::Ipv4Unicast => {
            let mut octets = [0; 4];
            octets.get_mut(..bytes.len())?.copy_from_slice(bytes);
            let net = Ipv4Net::new(Ipv4Addr::from(octets), length).ok()?;
            Some(IpNet::V4(net.trunc()))
        }
        Family::Ipv6Unicast => {
            let mut octets = [0; 16];
            octets.get_mut(..bytes.len())?.copy_from_slice(bytes);
            let net = Ipv6Net::new(Ipv6Addr::from(octets), length).ok()?;
            Some(IpNet::V6(net.trunc()))
        }
    }
}

/// Appends one prefix.
pub(super) fn encode(out: &mut Vec<u8>, prefix: &IpNet) {
    let bytes = usize::from(prefix.prefix_len()).div_ceil(8);
    out.push(prefix.prefix_len());
    match prefix {
        IpNet::V4(net) => {
            let octets = net.network().octets();
            out.extend_from_slice(octets.get(..bytes).unwrap_or(&octets));
        }
        IpNet::V6(net) => {
            let octets = net.network().octets();
            out.extend_from_slice(octets.get(..bytes).unwrap_or(&octets));
        }
    }
}

/// Bytes one prefix takes.
pub(super) fn encoded_bytes(prefix: &IpNet) -> usize {
    1 + usize::from(prefix.prefix_len()).div_ceil(8)
}
