//! One direction of a TCP connection, put in order: bytes that BGP messages
//! are cut from. It sees what the receiver gets, so it waits for
//! retransmissions as the receiver does, and counts none of them twice.

use std::collections::BTreeMap;

use super::bgp::{self, HEADER};

/// Bytes that may wait behind a hole before the hole is given up.
const HELD_BYTES: usize = 256 << 10;
/// How long a hole may last before it is given up, nanoseconds: the bytes may
/// have passed unseen, and then nobody sends them again.
const HELD_FOR: u64 = 5_000_000_000;

/// A segment with payload.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment<'a> {
    /// When it was seen, nanoseconds.
    pub(super) at: u64,
    pub(super) sequence: u32,
    pub(super) payload: &'a [u8],
    /// Bytes it had on the wire; more than `payload` where the capture was short.
    pub(super) length: u32,
}

impl Segment<'_> {
    fn end(&self) -> u32 {
        self.sequence.wrapping_add(self.length)
    }
}

/// The state of one direction.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The next byte's number; unknown until a SYN or a message is seen.
    next: Option<u32>,
    /// The beginning of a message whose rest has not come.
    partial: Vec<u8>,
    /// What came behind a hole, by distance from `next` at that time.
    held: BTreeMap<u32, Vec<u8>>,
    held_since: Option<u64>,
    /// The end of what was already reported as dropped.
    dropped_until: Option<u32>,
}

/// Whether `a` lies before `b` in sequence space.
fn before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() < 0
}

impl Stream {
    /// A SYN with this sequence number: a new connection begins.
    pub(super) fn open(&mut self, sequence: u32) {
        *self = Self {
            next: Some(sequence.wrapping_add(1)),
            ..Self::default()
        };
    }

    /// A segment that passes. Calls `message` with each message it completes.
    pub(super) fn pass(&mut self, segment: Segment<'_>, message: &mut dyn FnMut(&[u8])) {
        if segment.length == 0 {
            return;
        }
        let Some(next) = self.next else {
            self.resume(segment);
            self.cut_messages(message);
            return;
        };
        if before(next, segment.sequence) {
            self.hold(segment, message);
            return;
        }
        let old = next.wrapping_sub(segment.sequence);
        if old >= segment.length {
            return;
        }
        let fresh = usize::try_from(old)
            .ok()
            .and_then(|old| segment.payload.get(old..));
        self.append(fresh.unwrap_or_default(), segment);
        self.fill_from_held();
        self.cut_messages(message);
    }

    /// A segment that the wire drops. Reports its messages once, and forgets
    /// them: what its receiver has seen does not change.
    pub(super) fn dropped(&mut self, segment: Segment<'_>, message: &mut dyn FnMut(&[u8])) {
        let end = segment.end();
        let known = self.dropped_until.is_some_and(|until| !before(until, end));
        let passed = self.next.is_some_and(|next| !before(next, end));
        if segment.length == 0 || known || passed {
            return;
        }
        self.dropped_until = Some(end);
        let contiguous = self.next == Some(segment.sequence);
        let mut scratch = Self {
            partial: if contiguous {
                self.partial.clone()
            } else {
                Vec::new()
            },
            ..Self::default()
        };
        scratch.partial.extend_from_slice(segment.payload);
        scratch.cut_messages(message);
    }

    /// Begins, or begins again, in the middle of a connection.
    fn resume(&mut self, segment: Segment<'_>) {
        self.partial.clear();
        let whole = bgp::find(segment.payload);
        self.append(segment.payload.get(whole..).unwrap_or_default(), segment);
    }

    fn append(&mut self, bytes: &[u8], segment: Segment<'_>) {
        self.partial.extend_from_slice(bytes);
        let short = segment.payload.len() < segment.length as usize;
        self.next = (!short).then(|| segment.end());
        if short {
            self.held.clear();
        }
    }

    fn hold(&mut self, segment: Segment<'_>, message: &mut dyn FnMut(&[u8])) {
        let since = *self.held_since.get_or_insert(segment.at);
        let waiting: usize = self.held.values().map(Vec::len).sum();
        let hopeless = waiting + segment.payload.len() > HELD_BYTES
            || segment.at.saturating_sub(since) > HELD_FOR
            || segment.payload.len() < segment.length as usize;
        if !hopeless {
            let held = self.held.entry(segment.sequence).or_default();
            if held.len() < segment.payload.len() {
                *held = segment.payload.to_vec();
            }
            return;
        }
        // What waited is read for what it is, from its first whole message on.
        let first = self.next.unwrap_or(segment.sequence);
        let mut held: Vec<_> = std::mem::take(&mut self.held).into_iter().collect();
        held.sort_by_key(|(sequence, _)| sequence.wrapping_sub(first));
        self.held_since = None;
        self.next = None;
        for (sequence, payload) in &held {
            let length = u32::try_from(payload.len()).unwrap_or(0);
            let part = Segment {
                at: segment.at,
                sequence: *sequence,
                payload,
                length,
            };
            // A second hole among them: begin again behind it.
            if self.next.is_some_and(|next| before(next, *sequence)) {
                self.next = None;
            }
            self.pass(part, message);
        }
        if self.next.is_some_and(|next| before(next, segment.sequence)) {
            self.next = None;
        }
        self.pass(segment, message);
    }

    /// Appends what waited behind a hole that has closed.
    fn fill_from_held(&mut self) {
        while let Some(next) = self.next {
            let ready = self
                .held
                .keys()
                .copied()
                .find(|&sequence| !before(next, sequence));
            let Some(sequence) = ready else {
                break;
            };
            let Some(payload) = self.held.remove(&sequence) else {
                break;
            };
            let old = next.wrapping_sub(sequence) as usize;
            if let Some(fresh) = payload.get(old..) {
                self.partial.extend_from_slice(fresh);
                self.next = Some(next.wrapping_add(u32::try_from(fresh.len()).unwrap_or(0)));
            }
        }
        if self.held.is_empty() {
            self.held_since = None;
        }
    }

    /// Cuts whole messages off the front of what is there.
    fn cut_messages(&mut self, message: &mut dyn FnMut(&[u8])) {
        let mut rest = self.partial.as_slice();
        loop {
            // In step this finds the message at 0; out of step, the next one.
            rest = rest.get(bgp::find(rest)..).unwrap_or_default();
            let Some(length) = bgp::length(rest) else {
                break;
            };
            let Some((whole, after)) = rest.split_at_checked(length) else {
                break;
            };
            message(whole);
            rest = after;
        }
        let kept = rest.len().min(HEADER + usize::from(u16::MAX));
        let from = self.partial.len() - kept;
        self.partial.drain(..from);
    }
}
