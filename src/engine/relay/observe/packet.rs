//! From a frame to its transport payload.

use std::net::IpAddr;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// A packet with everything around it read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Seen<'a> {
    pub(in crate::engine) vlan: u16,
    pub(in crate::engine) source: IpAddr,
    pub(in crate::engine) destination: IpAddr,
    pub(in crate::engine) transport: Transport<'a>,
}

/// The transports that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Transport<'a> {
    Udp {
        to: u16,
        payload: &'a [u8],
    },
    Tcp {
        from: u16,
        to: u16,
        sequence: u32,
        flags: u8,
        payload: &'a [u8],
        /// Bytes of payload on the wire; more than `payload` where the capture was short.
        length: u32,
    },
}

impl Transport<'_> {
    /// The flag of a connection's first segment.
    pub(in crate::engine) const SYN: u8 = 2;
}

/// Reads an Ethernet frame; `vlan` is the number of a tag that was taken out, or 0.
pub(in crate::engine) fn ethernet(frame: &[u8], vlan: u16) -> Option<Seen<'_>> {
    let mut vlan = vlan;
    let mut rest = frame.get(12..)?;
    loop {
        let (kind, after) = u16_at_front(rest)?;
        match kind {
            0x8100 | 0x88a8 => {
                let (tag, after) = u16_at_front(after)?;
                vlan = tag & 0x0fff;
                rest = after;
            }
            kind => return network(after, kind, vlan),
        }
    }
}

/// Reads a packet from its network header on.
pub(in crate::engine) fn network(packet: &[u8], kind: u16, vlan: u16) -> Option<Seen<'_>> {
    match kind {
        IPV4 => ipv4(packet, vlan),
        IPV6 => ipv6(packet, vlan),
        _ => None,
    }
}

fn ipv4(packet: &[u8], vlan: u16) -> Option<Seen<'_>> {
    let header = packet.first_chunk::<20>()?;
    let options = usize::from(header[0] & 0x0f) * 4;
    let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff;
    if header[0] >> 4 != 4 || options < 20 || fragment != 0 {
        return None;
    }
    // A length of 0 stands for one beyond 65535, which only offloads make.
    let total = match usize::from(u16::from_be_bytes([header[2], header[3]])) {
        0 => packet.len(),
        total => total,
    };
    let rest = packet.get(options..total.min(packet.len()))?;
    let address = |at: usize| {
        packet
            .get(at..)?
            .first_chunk::<4>()
            .map(|&a| IpAddr::from(a))
    };
    Some(Seen {
        vlan,
        source: address(12)?,
        destination: address(16)?,
        transport: transport(header[9], rest, total.checked_sub(options)?)?,
    })
}

fn ipv6(packet: &[u8], vlan: u16) -> Option<Seen<'_>> {
    let header = packet.first_chunk::<40>()?;
    if header[0] >> 4 != 6 {
        return None;
    }
    let mut length = match usize::from(u16::from_be_bytes([header[4], header[5]])) {
        0 => packet.len() - 40,
        length => length,
    };
    let mut rest = packet.get(40..packet.len().min(40 + length))?;
    let mut next = header[6];
    // Hop-by-hop, routing and destination options: next header, length in
    // units of 8 bytes without the first.
    while matches!(next, 0 | 43 | 60) {
        let &[following, units] = rest.first_chunk::<2>()?;
        let skip = (usize::from(units) + 1) * 8;
        rest = rest.get(skip..)?;
        length = length.checked_sub(skip)?;
        next = following;
    }
    let address = |at: usize| {
        packet
            .get(at..)?
            .first_chunk::<16>()
            .map(|&a| IpAddr::from(a))
    };
    Some(Seen {
        vlan,
        source: address(8)?,
        destination: address(24)?,
        transport: transport(next, rest, length)?,
    })
}

fn transport(protocol: u8, segment: &[u8], length: usize) -> Option<Transport<'_>> {
    match protocol {
        17 => {
            let header = segment.first_chunk::<8>()?;
            let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
            Some(Transport::Udp {
                to: u16::from_be_bytes([header[2], header[3]]),
                payload: segment.get(8..length.clamp(8, segment.len()))?,
            })
        }
        6 => {
            let header = segment.first_chunk::<20>()?;
            let offset = usize::from(header[12] >> 4) * 4;
            if offset < 20 {
                return None;
            }
            let [_, _, _, _, s0, s1, s2, s3, ..] = *header;
            Some(Transport::Tcp {
                from: u16::from_be_bytes([header[0], header[1]]),
                to: u16::from_be_bytes([header[2], header[3]]),
                sequence: u32::from_be_bytes([s0, s1, s2, s3]),
                flags: header[13],
                payload: segment.get(offset..)?,
                length: u32::try_from(length.checked_sub(offset)?).ok()?,
            })
        }
        _ => None,
    }
}

fn u16_at_front(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (front, rest) = bytes.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*front), rest))
}
