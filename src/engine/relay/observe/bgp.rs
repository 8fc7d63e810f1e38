//! BGP messages, read for what an onlooker wants to know of them.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The port one side of every connection has.
pub(super) const PORT: u16 = 179;
/// Marker, length and type (RFC 4271 §4.1).
pub(super) const HEADER: usize = 19;

const MARKER: [u8; 16] = [0xff; 16];

/// A message, as far as it is reported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Message {
    pub(super) name: &'static str,
    pub(super) announced: Vec<IpNet>,
    pub(super) withdrawn: Vec<IpNet>,
    /// Code and subcode of a NOTIFICATION.
    pub(super) code: Option<(u8, u8)>,
}

/// The name of a KEEPALIVE, of which only the first is news.
pub(super) const KEEPALIVE: &str = "KEEPALIVE";

/// Where the first message, or what may become one, begins in `bytes`.
pub(super) fn find(bytes: &[u8]) -> usize {
    (0..bytes.len())
        .find(|&at| bytes.get(at..).is_some_and(may_begin))
        .unwrap_or(bytes.len())
}

/// Whether a message may begin here, as far as the bytes go.
fn may_begin(bytes: &[u8]) -> bool {
    let marker = bytes.len().min(MARKER.len());
    if bytes.get(..marker) != MARKER.get(..marker) {
        return false;
    }
    let length = bytes.get(16..18).and_then(<[u8]>::first_chunk::<2>);
    let long_enough = length.is_none_or(|&l| usize::from(u16::from_be_bytes(l)) >= HEADER);
    long_enough && bytes.get(18).is_none_or(|kind| (1..=5).contains(kind))
}

/// The length of the message that begins here; `None` while it cannot be told.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let header = bytes.first_chunk::<HEADER>()?;
    Some(usize::from(u16::from_be_bytes([header[16], header[17]])))
}

/// Reads one whole message.
pub(super) fn read(message: &[u8]) -> Option<Message> {
    let (header, body) = message.split_first_chunk::<HEADER>()?;
    let named = |name| Message {
        name,
        ..Message::default()
    };
    Some(match header[18] {
        1 => named("OPEN"),
        2 => update(body),
        3 => Message {
            code: body.first_chunk::<2>().map(|&[code, sub]| (code, sub)),
            ..named("NOTIFICATION")
        },
        4 => named(KEEPALIVE),
        5 => named("ROUTE-REFRESH"),
        _ => return None,
    })
}

/// An UPDATE; of a malformed one, what can be read.
fn update(body: &[u8]) -> Message {
    let mut message = Message {
        name: "UPDATE",
        ..Message::default()
    };
    let Some((withdrawn, rest)) = counted(body) else {
        return message;
    };
    message.withdrawn = prefixes(withdrawn, Afi::V4);
    let Some((mut attributes, announced)) = counted(rest) else {
        return message;
    };
    message.announced = prefixes(announced, Afi::V4);
    while let Some((kind, value, rest)) = attribute(attributes) {
        match kind {
            14 => message.announced.extend(reach(value).unwrap_or_default()),
            15 => message.withdrawn.extend(unreach(value).unwrap_or_default()),
            _ => {}
        }
        attributes = rest;
    }
    message
}

/// A field behind its two-octet length.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// Type, value and what follows (RFC 4271 §4.3).
fn attribute(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    const EXTENDED: u8 = 0x10;
    let (&[flags, kind], rest) = bytes.split_first_chunk::<2>()?;
    let (value, rest) = if flags & EXTENDED != 0 {
        counted(rest)?
    } else {
        let (&length, rest) = rest.split_first()?;
        rest.split_at_checked(usize::from(length))?
    };
    Some((kind, value, rest))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Afi {
    V4,
    V6,
}

/// Address family of unicast routes; others are not reported.
fn unicast(bytes: &[u8]) -> Option<(Afi, &[u8])> {
    match bytes.split_first_chunk::<3>()? {
        ([0, 1, 1], rest) => Some((Afi::V4, rest)),
        ([0, 2, 1], rest) => Some((Afi::V6, rest)),
        _ => None,
    }
}

/// MP_REACH_NLRI (RFC 4760 §3).
fn reach(value: &[u8]) -> Option<Vec<IpNet>> {
    let (afi, rest) = unicast(value)?;
    let (&next_hop, rest) = rest.split_first()?;
    let routes = rest.get(usize::from(next_hop) + 1..)?;
    Some(prefixes(routes, afi))
}

/// MP_UNREACH_NLRI (RFC 4760 §4).
fn unreach(value: &[u8]) -> Option<Vec<IpNet>> {
    let (afi, routes) = unicast(value)?;
    Some(prefixes(routes, afi))
}

/// The prefixes of a field. Whether path identifiers (RFC 7911) precede them
/// was negotiated in both directions, of which this sees one; but read without
/// them, a small identifier is a row of default routes, and nobody sends the
/// default twice in one field.
fn prefixes(bytes: &[u8], afi: Afi) -> Vec<IpNet> {
    let plain = read_prefixes(bytes, afi, 0);
    let defaults = |routes: &Vec<IpNet>| routes.iter().filter(|net| net.prefix_len() == 0).count();
    match plain {
        Some(routes) if defaults(&routes) < 2 => routes,
        plain => read_prefixes(bytes, afi, 4).or(plain).unwrap_or_default(),
    }
}

/// All of the field or nothing; `skip` bytes precede each prefix.
fn read_prefixes(mut bytes: &[u8], afi: Afi, skip: usize) -> Option<Vec<IpNet>> {
    let mut routes = Vec::new();
    while !bytes.is_empty() {
        let (&bits, rest) = bytes.get(skip..)?.split_first()?;
        let (address, rest) = rest.split_at_checked(usize::from(bits).div_ceil(8))?;
        let net = match afi {
            Afi::V4 => {
                let address = Ipv4Addr::from(padded::<4>(address)?);
                IpNet::V4(Ipv4Net::new(address, bits).ok()?.trunc())
            }
            Afi::V6 => {
                let address = Ipv6Addr::from(padded::<16>(address)?);
                IpNet::V6(Ipv6Net::new(address, bits).ok()?.trunc())
            }
        };
        routes.push(net);
        bytes = rest;
    }
    Some(routes)
}

fn padded<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let mut address = [0; N];
    address.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(address)
}
