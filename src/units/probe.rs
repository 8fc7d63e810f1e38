//! The probe packet's payload: what a sender writes, and a receiver or a wire recognises.

/// First bytes of every probe payload.
pub const PROBE_MAGIC: [u8; 8] = *b"bkhprobe";

/// Bytes the header takes; the rest of the payload is zero.
pub const PROBE_HEADER_LEN: usize = 32;

/// The UDP destination port of the first flow; flow `n` uses this plus `n`.
pub const PROBE_PORT_BASE: u16 = 20_000;

/// The header of a probe packet; big-endian on the wire:
/// magic (8), run id (8), flow (2), zero (2), sequence (4), send time (8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeHeader {
    /// Tells this run's probes from strays of another.
    pub run: u64,
    /// The flow's number.
    pub flow: u16,
    /// Sequence number from 0.
    pub seq: u32,
    /// CLOCK_MONOTONIC nanoseconds just before sending.
    pub sent_ns: u64,
}

impl ProbeHeader {
    /// Writes the header into the beginning of `payload`; false when it does not fit.
    pub fn encode(&self, payload: &mut [u8]) -> bool {
        let Some(out) = payload.get_mut(..PROBE_HEADER_LEN) else {
            return false;
        };
        out[..8].copy_from_slice(&PROBE_MAGIC);
        out[8..16].copy_from_slice(&self.run.to_be_bytes());
        out[16..18].copy_from_slice(&self.flow.to_be_bytes());
        out[18..20].fill(0);
        out[20..24].copy_from_slice(&self.seq.to_be_bytes());
        out[24..32].copy_from_slice(&self.sent_ns.to_be_bytes());
        true
    }

    /// Reads a UDP payload; `None` when it is not a probe's.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let (magic, rest) = payload.split_first_chunk::<8>()?;
        if *magic != PROBE_MAGIC {
            return None;
        }
        let (run, rest) = rest.split_first_chunk::<8>()?;
        let (flow, rest) = rest.split_first_chunk::<2>()?;
        let (_, rest) = rest.split_first_chunk::<2>()?;
        let (seq, rest) = rest.split_first_chunk::<4>()?;
        let (sent, _) = rest.split_first_chunk::<8>()?;
        Some(Self {
            run: u64::from_be_bytes(*run),
            flow: u16::from_be_bytes(*flow),
            seq: u32::from_be_bytes(*seq),
            sent_ns: u64::from_be_bytes(*sent),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_the_wire_and_strays_are_refused() {
        let header = ProbeHeader {
            run: 7,
            flow: 2,
            seq: 99,
            sent_ns: 123_456_789,
        };
        let mut payload = [0u8; 100];
        assert!(header.encode(&mut payload));
        assert_eq!(ProbeHeader::decode(&payload), Some(header));
        assert_eq!(ProbeHeader::decode(&payload[..31]), None);
        payload[0] ^= 1;
        assert_eq!(ProbeHeader::decode(&payload), None);
        assert!(!header.encode(&mut [0u8; 31]));
    }
}
