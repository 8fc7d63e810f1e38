//! The side of the thread that sees the packets. It copies, and makes no system call but to
//! hand over a full buffer.

use std::sync::mpsc::{Receiver, Sender};

use crate::{
    os::packet_ring::{Frame, VlanTag},
    results::capture::{Link, LinkKind, Verdict},
};

use super::{Capture, control::is_control, writer::Message};

/// Of a packet that is not whole: enough for two tags, IPv6, UDP and a probe's header.
const BEGINNING: usize = 128;
/// Of a packet that is: more than any interface sends as one.
const WHOLE: usize = 65_000;
/// A buffer's size, and how many there are: 8 MB, which the disk may be behind.
const BUFFER: usize = 256 << 10;
const BUFFERS: usize = 32;
/// A buffer that is not full is handed over after so long, nanoseconds.
const PATIENCE: u64 = 200_000_000;

/// A packet as it is seen entering a link.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Glimpse<'a> {
    /// When, on CLOCK_MONOTONIC.
    pub(in crate::engine) at: u64,
    /// From its Ethernet or IP header on.
    pub(in crate::engine) bytes: &'a [u8],
    /// The tag that the kernel took out.
    pub(in crate::engine) vlan: Option<VlanTag>,
    /// What became of it.
    pub(in crate::engine) verdict: Verdict,
}

impl<'a> Glimpse<'a> {
    /// Of a frame that came at `at`.
    pub(in crate::engine) fn new(frame: &Frame<'a>, at: u64, verdict: Verdict) -> Self {
        Self {
            at,
            bytes: frame.bytes,
            vlan: frame.vlan,
            verdict,
        }
    }
}

/// Records what passes; or nothing.
#[derive(Debug, Default)]
pub(in crate::engine) struct Recorder(Option<Box<Tape>>);

#[derive(Debug)]
struct Tape {
    capture: Capture,
    /// What is missing since the last packet that is not, by direction.
    directions: Vec<Way>,
    buffer: Option<Vec<u8>>,
    /// When the first packet of the buffer was seen.
    since: u64,
    free: Receiver<Vec<u8>>,
    out: Sender<Message>,
}

#[derive(Debug)]
struct Way {
    ethernet: bool,
    missed: u32,
}

/// What stands in front of a packet in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) at: u64,
    /// Bytes of the packet.
    pub(super) length: u32,
    pub(super) missed: u32,
    pub(super) direction: u32,
    /// Bytes that follow.
    pub(super) captured: u16,
    /// Its place in [`Verdict::ALL`].
    pub(super) verdict: u8,
    pub(super) control: bool,
}

impl Header {
    pub(super) const LENGTH: usize = 24;

    fn encode(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..8].copy_from_slice(&self.at.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.length.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.missed.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.direction.to_le_bytes());
        bytes[20..22].copy_from_slice(&self.captured.to_le_bytes());
        bytes[22] = self.verdict;
        bytes[23] = u8::from(self.control);
        bytes
    }

    /// The next packet of a buffer, and the rest of it.
    pub(super) fn take(buffer: &[u8]) -> Option<(Self, &[u8], &[u8])> {
        let (at, rest) = buffer.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (missed, rest) = rest.split_first_chunk()?;
        let (direction, rest) = rest.split_first_chunk()?;
        let (captured, rest) = rest.split_first_chunk()?;
        let (&[verdict, control], rest) = rest.split_first_chunk()?;
        let header = Self {
            at: u64::from_le_bytes(*at),
            length: u32::from_le_bytes(*length),
            missed: u32::from_le_bytes(*missed),
            direction: u32::from_le_bytes(*direction),
            captured: u16::from_le_bytes(*captured),
            verdict,
            control: control != 0,
        };
        let (bytes, rest) = rest.split_at_checked(usize::from(header.captured))?;
        Some((header, bytes, rest))
    }
}

impl Recorder {
    /// Records what `capture` wants; full buffers go to `out`, which gives them back by the
    /// sender returned, along with the first ones.
    pub(super) fn new(capture: Capture, out: Sender<Message>) -> (Self, Sender<Vec<u8>>) {
        let (back, free) = std::sync::mpsc::channel();
        for _ in 0..BUFFERS {
            // A page fault waits for the process's memory map: the memory is really there.
            let mut buffer = vec![1; BUFFER];
            buffer.clear();
            // The other end is below.
            let _ = back.send(buffer);
        }
        let tape = Tape {
            capture,
            directions: Vec::new(),
            buffer: None,
            since: 0,
            free,
            out,
        };
        (Self(Some(Box::new(tape))), back)
    }

    /// Will record the two directions of a link: the number of the first, one below that of
    /// the second.
    pub(in crate::engine) fn open(&mut self, link: impl FnOnce() -> Link) -> u32 {
        let Some(tape) = &mut self.0 else {
            return 0;
        };
        let link = link();
        let first = tape.directions.len() as u32;
        let ethernet = link.kind == LinkKind::Ethernet;
        for _ in 0..2 {
            tape.directions.push(Way {
                ethernet,
                missed: 0,
            });
        }
        // Without its writer there is nothing to capture for.
        let _ = tape.out.send(Message::Link(link));
        first
    }

    /// Records a packet.
    pub(in crate::engine) fn see(&mut self, direction: u32, glimpse: &Glimpse<'_>) {
        if let Some(tape) = &mut self.0 {
            tape.see(direction, glimpse);
        }
    }

    /// Hands over what has waited long.
    pub(in crate::engine) fn tick(&mut self, now: u64) {
        if let Some(tape) = &mut self.0
            && tape.buffer.is_some()
            && now.saturating_sub(tape.since) > PATIENCE
        {
            tape.hand_over();
        }
    }

    /// Hands over all there is.
    pub(in crate::engine) fn flush(&mut self) {
        let Some(tape) = &mut self.0 else {
            return;
        };
        tape.hand_over();
        for (direction, way) in (0..).zip(&mut tape.directions) {
            let missed = std::mem::take(&mut way.missed);
            if missed > 0 {
                let _ = tape.out.send(Message::Missed(direction, missed));
            }
        }
    }
}

impl Tape {
    fn see(&mut self, direction: u32, glimpse: &Glimpse<'_>) {
        let Some(way) = self.directions.get_mut(direction as usize) else {
            return;
        };
        let control = is_control(glimpse.bytes, way.ethernet);
        if !control && self.capture != Capture::All {
            return;
        }
        let tag = glimpse.vlan.map_or(0, |_| 4);
        let longest = if control { WHOLE } else { BEGINNING };
        let captured = (glimpse.bytes.len() + tag).min(longest);
        let room = Header::LENGTH + captured;
        let is_full = |buffer: &Vec<u8>| buffer.len() + room > BUFFER;
        if self.buffer.as_ref().is_some_and(is_full) {
            self.hand_over();
        }
        let Some(way) = self.directions.get_mut(direction as usize) else {
            return;
        };
        if self.buffer.is_none() {
            let Ok(buffer) = self.free.try_recv() else {
                way.missed = way.missed.saturating_add(1);
                return;
            };
            self.buffer = Some(buffer);
            self.since = glimpse.at;
        }
        let Some(buffer) = &mut self.buffer else {
            return;
        };
        let verdicts = Verdict::ALL.iter();
        let header = Header {
            at: glimpse.at,
            length: (glimpse.bytes.len() + tag) as u32,
            missed: std::mem::take(&mut way.missed),
            direction,
            captured: captured as u16,
            verdict: verdicts
                .take_while(|verdict| **verdict != glimpse.verdict)
                .count() as u8,
            control,
        };
        buffer.extend_from_slice(&header.encode());
        let end = buffer.len() + captured;
        match (glimpse.vlan, glimpse.bytes.split_at_checked(12)) {
            (Some(tag), Some((addresses, rest))) => {
                buffer.extend_from_slice(addresses);
                buffer.extend_from_slice(&tag.tpid.to_be_bytes());
                buffer.extend_from_slice(&tag.tci.to_be_bytes());
                let left = end.saturating_sub(buffer.len()).min(rest.len());
                buffer.extend_from_slice(rest.get(..left).unwrap_or_default());
            }
            _ => {
                let beginning = glimpse.bytes.get(..captured.min(glimpse.bytes.len()));
                buffer.extend_from_slice(beginning.unwrap_or_default());
            }
        }
        buffer.resize(end, 0);
    }

    fn hand_over(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            // Without its writer there is nothing to capture for.
            let _ = self.out.send(Message::Packets(buffer));
        }
    }
}
