//! What the kernel postpones, done here: cutting an offloaded frame into the
//! packets it stands for, finishing a checksum, and damaging a packet so that
//! its checksum finds it.

use super::frame::{OwnedFrame, VnetHeader};

const ETHERTYPE_VLAN: [[u8; 2]; 2] = [[0x81, 0], [0x88, 0xa8]];
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Where TCP and UDP keep their checksum.
const TCP_CHECKSUM: usize = 16;
const UDP_CHECKSUM: usize = 6;

/// Where a frame's headers lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    network: usize,
    is_v6: bool,
    transport: usize,
    protocol: u8,
    payload: usize,
}

impl Layout {
    /// Of a TCP or UDP packet over IP without extension headers.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let mut network = 14;
        while ETHERTYPE_VLAN.contains(bytes.get(network - 2..network)?.try_into().ok()?) {
            network += 4;
        }
        let (is_v6, transport, protocol) = match bytes.get(network)? >> 4 {
            4 => {
                let header = usize::from(bytes.get(network)? & 0x0f) * 4;
                (false, network + header, *bytes.get(network + 9)?)
            }
            6 => (true, network + 40, *bytes.get(network + 6)?),
            _ => return None,
        };
        let payload = match protocol {
            TCP => transport + usize::from(bytes.get(transport + 12)? >> 4) * 4,
            UDP => transport + 8,
            _ => return None,
        };
        (payload <= bytes.len()).then_some(Self {
            network,
            is_v6,
            transport,
            protocol,
            payload,
        })
    }

    /// Bytes of all headers.
    pub(super) fn headers(&self) -> usize {
        self.payload
    }
}

impl OwnedFrame {
    /// The packets an offloaded frame stands for, in order; itself when it is one.
    pub fn into_packets(self) -> Vec<Self> {
        match self.packets() {
            Some(packets) => packets,
            None => vec![self],
        }
    }

    fn packets(&self) -> Option<Vec<Self>> {
        let size = usize::from(self.vnet.segment_size());
        if !self.vnet.is_segmented() || size == 0 {
            return None;
        }
        let layout = Layout::of(&self.bytes)?;
        let (headers, payload) = self.bytes.split_at_checked(layout.payload)?;
        let count = payload.len().div_ceil(size);
        payload
            .chunks(size)
            .enumerate()
            .map(|(n, chunk)| {
                let mut bytes = Vec::with_capacity(headers.len() + chunk.len());
                bytes.extend_from_slice(headers);
                bytes.extend_from_slice(chunk);
                adapt(&mut bytes, &layout, n, (n * size, n + 1 == count))?;
                let checksum = if layout.protocol == TCP {
                    TCP_CHECKSUM
                } else {
                    UDP_CHECKSUM
                };
                let vnet = VnetHeader::unfinished(layout.transport, checksum);
                Some(Self { vnet, bytes })
            })
            .collect()
    }

    /// Turns over one bit behind the network header, where a checksum covers
    /// it; `draw` chooses which.
    pub fn damage(&mut self, draw: u64) {
        self.finish_checksum();
        let from = Layout::of(&self.bytes).map_or(14, |layout| layout.transport);
        let from = from.min(self.bytes.len().saturating_sub(1));
        let bits = (self.bytes.len() - from).saturating_mul(8) as u64;
        let bit = draw.checked_rem(bits).unwrap_or(0) as usize;
        if let Some(byte) = self.bytes.get_mut(from + bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
    }

    /// Computes the checksum that was left to the kernel.
    fn finish_checksum(&mut self) {
        let Some((start, offset)) = self.vnet.unfinished_checksum() else {
            return;
        };
        let Some(covered) = self.bytes.get(start..) else {
            return;
        };
        // The field holds the pseudo-header's sum already.
        let sum = match !fold(sum(covered)) {
            0 => 0xffff,
            sum => sum,
        };
        if put(&mut self.bytes, start + offset, &sum.to_be_bytes()).is_some() {
            self.vnet = VnetHeader::default();
        }
    }
}

/// Makes copied headers those of packet `n`, whose payload begins at `at`.
fn adapt(bytes: &mut [u8], layout: &Layout, n: usize, (at, is_last): (usize, bool)) -> Option<()> {
    const FIN_AND_PUSH: u8 = 0x09;
    const CWR: u8 = 0x80;
    let Layout {
        network, transport, ..
    } = *layout;
    let length = |from: usize| u16::try_from(bytes.len() - from).ok();
    let (ip, l4) = (length(network)?, length(transport)?);
    if layout.is_v6 {
        put(bytes, network + 4, &l4.to_be_bytes())?;
    } else {
        put(bytes, network + 2, &ip.to_be_bytes())?;
        let id = u16::from_be_bytes(bytes.get(network + 4..network + 6)?.try_into().ok()?);
        put(bytes, network + 4, &id.wrapping_add(n as u16).to_be_bytes())?;
        put(bytes, network + 10, &[0, 0])?;
        let checksum = !fold(sum(bytes.get(network..transport)?));
        put(bytes, network + 10, &checksum.to_be_bytes())?;
    }
    let checksum_at = if layout.protocol == TCP {
        let sequence = bytes.get(transport + 4..transport + 8)?;
        let sequence = u32::from_be_bytes(sequence.try_into().ok()?).wrapping_add(at as u32);
        put(bytes, transport + 4, &sequence.to_be_bytes())?;
        let flags = bytes.get_mut(transport + 13)?;
        if !is_last {
            *flags &= !FIN_AND_PUSH;
        }
        if n > 0 {
            *flags &= !CWR;
        }
        transport + TCP_CHECKSUM
    } else {
        put(bytes, transport + 4, &l4.to_be_bytes())?;
        transport + UDP_CHECKSUM
    };
    let addresses = if layout.is_v6 {
        network + 8..network + 40
    } else {
        network + 12..network + 20
    };
    let pseudo = sum(bytes.get(addresses)?) + u64::from(layout.protocol) + u64::from(l4);
    put(bytes, checksum_at, &fold(pseudo).to_be_bytes())
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) -> Option<()> {
    bytes.get_mut(at..at + value.len())?.copy_from_slice(value);
    Some(())
}

/// RFC 1071's sum, unfolded.
fn sum(bytes: &[u8]) -> u64 {
    bytes
        .chunks(2)
        .map(|pair| match *pair {
            [high, low] => u64::from(u16::from_be_bytes([high, low])),
            [high] => u64::from(high) << 8,
            _ => 0,
        })
        .sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Whether a finished UDP or TCP checksum is right; anything else is.
pub(super) fn is_intact(bytes: &[u8]) -> bool {
    let check = || {
        let layout = Layout::of(bytes)?;
        let addresses = if layout.is_v6 {
            layout.network + 8..layout.network + 40
        } else {
            layout.network + 12..layout.network + 20
        };
        let covered = bytes.get(layout.transport..)?;
        let pseudo = sum(bytes.get(addresses)?) + u64::from(layout.protocol) + covered.len() as u64;
        Some(fold(pseudo + sum(covered)) == 0xffff)
    };
    check().unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An Ethernet frame with 2 + 2 headers and `length` payload bytes.
    fn offloaded(is_v6: bool, protocol: u8, size: u16, length: usize) -> OwnedFrame {
        let mut bytes = vec![0x02; 12];
        let l4 = if protocol == TCP { 32 } else { 8 };
        if is_v6 {
            bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            bytes.extend(((l4 + length) as u16).to_be_bytes());
            bytes.extend([protocol, 64]);
            bytes.extend((0..32).map(|n| n * 7));
        } else {
            bytes.extend([8, 0, 0x45, 0]);
            bytes.extend(((20 + l4 + length) as u16).to_be_bytes());
            bytes.extend([0xff, 0xff, 0x40, 0, 64, protocol, 0, 0]);
            bytes.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        }
        let transport = bytes.len();
        let mut header = vec![0; l4];
        if protocol == TCP {
            header[4..8].copy_from_slice(&0xffff_ff00_u32.to_be_bytes());
            header[12] = 0x80;
            header[13] = 0x19;
        }
        bytes.extend(header);
        bytes.extend((0..length).map(|n| n as u8));
        let at = if protocol == TCP { 16 } else { 6 };
        let kind = match (protocol, is_v6) {
            (TCP, false) => 1,
            (TCP, true) => 4,
            _ => 5,
        };
        let vnet = VnetHeader::unfinished(transport, at).segmented(kind, size);
        OwnedFrame { vnet, bytes }
    }

    #[test]
    fn packets_carry_all_bytes_once_with_right_headers_and_checksums() {
        for (is_v6, protocol) in [(false, TCP), (true, TCP), (false, UDP), (true, UDP)] {
            let whole = offloaded(is_v6, protocol, 1000, 2500);
            let headers = Layout::of(&whole.bytes).unwrap().payload;
            let mut payload = Vec::new();
            let packets = whole.clone().into_packets();
            assert_eq!(packets.len(), 3);
            for (n, mut packet) in packets.into_iter().enumerate() {
                assert!(!packet.vnet.is_segmented());
                packet.finish_checksum();
                assert!(is_intact(&packet.bytes));
                assert_eq!(packet.vnet, VnetHeader::default());
                let layout = Layout::of(&packet.bytes).unwrap();
                if protocol == TCP {
                    let at = layout.transport;
                    let sequence = &packet.bytes[at + 4..at + 8];
                    let expected = 0xffff_ff00_u32.wrapping_add(1000 * n as u32);
                    assert_eq!(sequence, expected.to_be_bytes());
                    let flags = if n == 2 { 0x19 } else { 0x10 };
                    assert_eq!(packet.bytes[at + 13], flags);
                }
                if !is_v6 {
                    assert_eq!(fold(sum(&packet.bytes[14..34])), 0xffff);
                    let id = u16::from_be_bytes([packet.bytes[18], packet.bytes[19]]);
                    assert_eq!(id, 0xffff_u16.wrapping_add(n as u16));
                }
                payload.extend_from_slice(&packet.bytes[headers..]);
            }
            assert_eq!(payload, whole.bytes[headers..]);
        }
    }

    #[test]
    fn a_damaged_packet_is_found_by_its_checksum_whatever_the_bit() {
        for draw in 0..2_000 {
            for (is_v6, protocol) in [(false, TCP), (true, UDP)] {
                let mut packet = offloaded(is_v6, protocol, 1000, 90)
                    .into_packets()
                    .remove(0);
                packet.damage(draw * 7919);
                assert!(!is_intact(&packet.bytes), "draw {draw}");
            }
        }
    }

    #[test]
    fn what_is_no_offloaded_frame_stays_whole_and_nonsense_is_harmless() {
        let plain = OwnedFrame {
            vnet: VnetHeader::default(),
            bytes: vec![0; 60],
        };
        assert_eq!(plain.clone().into_packets(), std::slice::from_ref(&plain));
        for length in 0..80 {
            let mut frame = offloaded(false, TCP, 10, 100);
            frame.bytes.truncate(length);
            frame.damage(u64::MAX);
            let _ = frame.into_packets();
        }
        let mut empty = plain;
        empty.bytes.clear();
        empty.damage(3);
    }
}
