//! Background load: its ports, and what is at the beginning of each of its UDP packets.

/// The destination port of the first load, of TCP or UDP; load `n` uses this plus `n`.
pub const LOAD_PORT_BASE: u16 = 30_000;

/// First bytes of every UDP payload: no wire takes it for a probe.
const MAGIC: [u8; 8] = *b"bkh-load";

/// Bytes the header takes; the rest of the payload is zero.
pub const LOAD_HEADER_LEN: usize = 16;

/// The header of a UDP packet of a load: magic (8), send time (8), big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadHeader {
    /// CLOCK_MONOTONIC nanoseconds just before sending.
    pub sent_ns: u64,
}

impl LoadHeader {
    /// Writes the header into the beginning of `payload`; false when it does not fit.
    pub fn encode(&self, payload: &mut [u8]) -> bool {
        let Some(out) = payload.get_mut(..LOAD_HEADER_LEN) else {
            return false;
        };
        out[..8].copy_from_slice(&MAGIC);
        out[8..].copy_from_slice(&self.sent_ns.to_be_bytes());
        true
    }

    /// Reads a UDP payload; `None` when it is not a load's.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let (magic, rest) = payload.split_first_chunk::<8>()?;
        let (sent, _) = rest.split_first_chunk::<8>()?;
        (*magic == MAGIC).then(|| Self {
            sent_ns: u64::from_be_bytes(*sent),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::ProbeHeader;

    #[test]
    fn a_packet_of_a_load_is_no_probe() {
        let header = LoadHeader { sent_ns: 123_456 };
        let mut payload = [0u8; 100];
        assert!(header.encode(&mut payload));
        assert_eq!(LoadHeader::decode(&payload), Some(header));
        assert_eq!(ProbeHeader::decode(&payload), None);
        assert_eq!(LoadHeader::decode(&payload[..15]), None);
        payload[0] ^= 1;
        assert_eq!(LoadHeader::decode(&payload), None);
        assert!(!header.encode(&mut [0u8; 15]));
    }
}
