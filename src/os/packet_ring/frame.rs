//! A frame as the kernel hands it over, and as it is handed back.

use std::sync::atomic::{AtomicU32, Ordering};

use super::segment::{Layout, is_intact};

/// The kernel's `struct virtio_net_hdr`, native-endian: what checksum and
/// segmentation work is still to be done on the frame behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VnetHeader(pub(super) [u8; Self::LEN]);

impl VnetHeader {
    /// Bytes it takes.
    pub const LEN: usize = 10;

    const NEEDS_CSUM: u8 = 1;
    const GSO_NONE: u8 = 0;

    fn field(&self, at: usize) -> u16 {
        u16::from_ne_bytes([self.0[at], self.0[at + 1]])
    }

    fn set_field(&mut self, at: usize, value: u16) {
        self.0[at..at + 2].copy_from_slice(&value.to_ne_bytes());
    }

    /// The bytes a frame takes on a wire once the kernel's segmentation
    /// offload has cut it up: every segment repeats the headers.
    pub fn wire_bytes(&self, frame: &[u8]) -> u32 {
        let (len, segment) = (frame.len(), usize::from(self.segment_size()));
        let len32 = u32::try_from(len).unwrap_or(u32::MAX);
        if !self.is_segmented() || segment == 0 {
            return len32;
        }
        // The kernel's `hdr_len` is a hint that may count payload, too.
        let Some(headers) = Layout::of(frame).map(|layout| layout.headers()) else {
            return len32;
        };
        let further = (len - headers).div_ceil(segment).saturating_sub(1);
        len32.saturating_add(u32::try_from(further * headers).unwrap_or(u32::MAX))
    }

    /// Payload bytes of each packet of a segmented frame.
    pub(super) fn segment_size(&self) -> u16 {
        self.field(4)
    }

    /// Of a packet whose checksum is still to be computed: where what it covers
    /// begins, and where it goes, counted from there.
    pub(super) fn unfinished(start: usize, offset: usize) -> Self {
        let mut header = Self::default();
        header.0[0] = Self::NEEDS_CSUM;
        header.set_field(6, start as u16);
        header.set_field(8, offset as u16);
        header
    }

    /// Where an unfinished checksum begins and goes.
    pub(super) fn unfinished_checksum(&self) -> Option<(usize, usize)> {
        (self.0[0] & Self::NEEDS_CSUM != 0)
            .then(|| (usize::from(self.field(6)), usize::from(self.field(8))))
    }

    #[cfg(test)]
    pub(super) fn segmented(mut self, kind: u8, size: u16) -> Self {
        self.0[1] = kind;
        self.set_field(4, size);
        self
    }

    /// Whether several packets travel as this one frame.
    pub fn is_segmented(&self) -> bool {
        self.0[1] != Self::GSO_NONE
    }

    /// Accounts for `inserted` bytes put in front of the network header.
    fn shift(&mut self, inserted: u16) {
        if self.0[0] & Self::NEEDS_CSUM != 0 {
            self.set_field(6, self.field(6).saturating_add(inserted));
        }
        if self.field(2) != 0 {
            self.set_field(2, self.field(2).saturating_add(inserted));
        }
    }
}

/// An 802.1Q tag that the kernel took out of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VlanTag {
    /// EtherType of the tag, 0x8100 or 0x88a8.
    pub tpid: u16,
    /// Priority and VLAN number.
    pub tci: u16,
}

/// A received frame, still in the ring; dropping it gives the slot back.
#[derive(Debug)]
pub struct Frame<'a> {
    pub(super) slot: &'a AtomicU32,
    /// Postponed checksum and segmentation work.
    pub vnet: VnetHeader,
    /// The frame from its Ethernet header on, or from its network header on
    /// when the ring was opened with [`Geometry`](super::Geometry)'s `cooked`.
    pub bytes: &'a [u8],
    /// The tag the kernel took out, if any.
    pub vlan: Option<VlanTag>,
    /// When the kernel got it, CLOCK_REALTIME nanoseconds.
    pub stamp_real_ns: u64,
    /// Whether the ring's slot was too short for all of it.
    pub truncated: bool,
    /// Whether the interface's own namespace sent it.
    pub outgoing: bool,
    /// EtherType the kernel found.
    pub protocol: u16,
    /// Whether the checksum is complete, not left to the kernel.
    pub is_finished: bool,
}

impl Drop for Frame<'_> {
    fn drop(&mut self) {
        self.slot.store(libc::TP_STATUS_KERNEL, Ordering::Release);
    }
}

impl Frame<'_> {
    /// Whether no finished TCP or UDP checksum is wrong.
    pub fn is_intact(&self) -> bool {
        !self.is_finished || is_intact(self.bytes)
    }

    /// A copy that outlives the slot, with its VLAN tag back in place.
    pub fn to_owned_frame(&self) -> OwnedFrame {
        self.copy_into(Vec::with_capacity(self.bytes.len() + 4))
    }

    /// The same, in a buffer that is there already.
    pub fn copy_into(&self, mut bytes: Vec<u8>) -> OwnedFrame {
        let mut vnet = self.vnet;
        bytes.clear();
        match (self.vlan, self.bytes.split_at_checked(12)) {
            (Some(tag), Some((addresses, rest))) => {
                vnet.shift(4);
                bytes.extend_from_slice(addresses);
                bytes.extend_from_slice(&tag.tpid.to_be_bytes());
                bytes.extend_from_slice(&tag.tci.to_be_bytes());
                bytes.extend_from_slice(rest);
            }
            _ => bytes.extend_from_slice(self.bytes),
        }
        OwnedFrame { vnet, bytes }
    }
}

/// A frame ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedFrame {
    /// Checksum and segmentation work left to the kernel.
    pub vnet: VnetHeader,
    /// The frame from its Ethernet header on.
    pub bytes: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(flags: u8, gso: u8, fields: [u16; 4]) -> VnetHeader {
        let mut header = VnetHeader::default();
        header.0[0] = flags;
        header.0[1] = gso;
        for (n, value) in fields.into_iter().enumerate() {
            header.set_field(2 + 2 * n, value);
        }
        header
    }

    #[test]
    fn segments_repeat_their_headers_on_the_wire() {
        let mut frame = vec![0; 66 + 2_996];
        frame[12..15].copy_from_slice(&[8, 0, 0x45]);
        frame[23] = 6;
        frame[46] = 0x80;
        assert_eq!(VnetHeader::default().wire_bytes(&frame[..1_514]), 1_514);
        // 66 bytes of headers, 3 segments of 1448, 1448 and 100 bytes, whatever
        // the kernel's hint says.
        let gso = header(1, 1, [2_000, 1_448, 34, 16]);
        assert_eq!(gso.wire_bytes(&frame), 66 + 2_996 + 2 * 66);
        assert_eq!(gso.wire_bytes(&frame[..10]), 10, "nonsense stays harmless");
    }

    #[test]
    fn a_tag_goes_back_and_the_checksum_moves_with_it() {
        let slot = AtomicU32::new(1);
        let bytes: Vec<u8> = (0..40).collect();
        let frame = Frame {
            slot: &slot,
            vnet: header(1, 1, [54, 1_448, 34, 16]),
            bytes: &bytes,
            vlan: Some(VlanTag {
                tpid: 0x8100,
                tci: 101,
            }),
            stamp_real_ns: 0,
            truncated: false,
            outgoing: false,
            protocol: 0x0800,
            is_finished: false,
        };
        let owned = frame.to_owned_frame();
        assert_eq!(owned.bytes[..12], bytes[..12]);
        assert_eq!(owned.bytes[12..16], [0x81, 0, 0, 101]);
        assert_eq!(owned.bytes[16..], bytes[12..]);
        assert_eq!(owned.vnet, header(1, 1, [58, 1_448, 38, 16]));
        drop(frame);
        assert_eq!(slot.load(Ordering::Acquire), libc::TP_STATUS_KERNEL);
    }
}
