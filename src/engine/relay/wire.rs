//! One direction of a wired link: a ring it reads, a lane, a transmitter.

use std::collections::VecDeque;

use crate::{
    emu::{GateState, Lane, Mark, Packet, Passing, Reason, Shape},
    engine::{
        capture::{Glimpse, Recorder},
        sink::EventSink,
    },
    lab::model,
    os::packet_ring::{OwnedFrame, Ring, Sent, Transmitter},
    results::capture::Verdict,
    units::{ProbeHeader, Rate},
};

use super::{
    flows::{Fate, FlowKey, Flows},
    observe::{Passage, Seen, Transport, Watcher, ethernet},
    pool::Pool,
};

/// Frames that may wait for the kernel to have a buffer again.
const BACKLOG: usize = 1024;

/// A probe's flow, its VLAN where it was seen (0: none), and its sequence number.
pub(in crate::engine) type ProbeId = (FlowKey, u32);

/// The plan's shape in the emulator's words.
pub(super) fn shape(plan: &model::Shape) -> Shape {
    Shape {
        delay: plan.delay,
        jitter: plan.jitter,
        distribution: plan.distribution,
        loss: plan.loss,
        loss_burst: plan.loss_burst,
        duplicate: plan.duplicate,
        corrupt: plan.corrupt,
        reorder: plan.reorder,
        rate: plan.rate,
        queue: plan.queue,
    }
}

/// A frame on its way.
#[derive(Debug)]
pub(super) struct Parcel {
    frame: OwnedFrame,
    about: About,
}

/// What is known of a frame once it is on its way.
#[derive(Debug, Clone, Copy)]
struct About {
    wire_bytes: u32,
    probe: Option<ProbeId>,
    /// A bit of it was turned over: whoever it is for will refuse it.
    is_damaged: bool,
}

impl Parcel {
    fn new(mut frame: OwnedFrame, about: About, mark: Mark) -> Self {
        if let Some(draw) = mark.damage {
            frame.damage(draw);
        }
        let is_damaged = mark.damage.is_some();
        let about = About {
            is_damaged,
            ..about
        };
        Self { frame, about }
    }
}

/// A frame that takes longer to send than this is not sent as one, nanoseconds.
const LONGEST_BURST: u64 = 1_000_000;

/// Whether the packets of an offloaded frame travel one by one: each meets a
/// fate of its own, or all together would be a burst that no slow link sends.
fn is_cut_up(shape: &Shape, wire_bytes: u32) -> bool {
    let slow = |rate: Rate| {
        u64::from(wire_bytes) * 8 * 1_000_000_000 / rate.bits_per_second() > LONGEST_BURST
    };
    shape.is_by_packet() || shape.rate.is_some_and(slow)
}

/// The moment a batch of frames is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Now.
    pub(super) now: u64,
    /// The probe run whose packets are logged.
    pub(super) run: u64,
}

/// One direction of a link.
#[derive(Debug)]
pub(super) struct Direction {
    pub(super) link: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) ring: Ring,
    pub(super) lane: Lane<Parcel>,
    pub(super) flows: Flows,
    /// Frames the kernel would never take, and frames that overflowed the backlog.
    pub(super) refused: u64,
    pub(super) ring_drops: u64,
    /// For when the thread has its latest appointment with the lane; `u64::MAX`: none.
    pub(super) scheduled: u64,
    /// The recorder's number of it.
    pub(super) track: u32,
    out: Transmitter,
    backlog: VecDeque<Parcel>,
    watcher: Watcher,
    sink: EventSink,
}

impl Direction {
    pub(super) fn new(
        names: [&str; 3],
        (ring, out): (Ring, Transmitter),
        lane: Lane<Parcel>,
        sink: &EventSink,
    ) -> Self {
        let [link, from, to] = names;
        Self {
            link: link.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            ring,
            lane,
            flows: Flows::default(),
            refused: 0,
            ring_drops: 0,
            scheduled: u64::MAX,
            track: 0,
            out,
            backlog: VecDeque::new(),
            watcher: Watcher::new(link, from, to, sink.clone()),
            sink: sink.clone(),
        }
    }

    /// Takes one frame from the ring through the lane; false when there was
    /// none. `to_mono` converts the kernel's stamps.
    pub(super) fn take_frame(
        &mut self,
        moment: Moment,
        (pool, recorder): (&mut Pool, &mut Recorder),
        to_mono: impl Fn(u64) -> u64,
    ) -> bool {
        let Some(frame) = self.ring.next_frame() else {
            return false;
        };
        let at = to_mono(frame.stamp_real_ns);
        let vlan = frame.vlan.map_or(0, |tag| tag.tci & 0x0fff);
        let seen = ethernet(frame.bytes, vlan);
        let probe = seen.as_ref().and_then(|seen| probe_of(seen, moment.run));
        let tag = if frame.vlan.is_some() { 4 } else { 0 };
        let wire_bytes = frame.vnet.wire_bytes(frame.bytes) + tag;
        if frame.vnet.is_segmented() && is_cut_up(self.lane.shape(), wire_bytes) {
            let packets = frame.to_owned_frame().into_packets();
            let dropped = self.lane.gate().at(at) == GateState::Silent;
            if let Some(seen) = seen {
                self.watcher.see(&seen, Passage { at, dropped });
            }
            let verdict = match dropped {
                true => Verdict::Cut,
                false => Verdict::Passed,
            };
            recorder.see(self.track, &Glimpse::new(&frame, at, verdict));
            drop(frame);
            self.take_packets(packets, at);
            return true;
        }
        let packet = Packet {
            bytes: wire_bytes,
            flow: probe.map(|((flow, _), _)| flow),
        };
        let about = About {
            wire_bytes,
            probe,
            is_damaged: false,
        };
        let mut was_damaged = false;
        let room = frame.bytes.len() + 4;
        let now = (tag == 0 && self.backlog.is_empty()).then_some(moment.now);
        let passing = self.lane.pass(packet, at, now, |mark| {
            was_damaged |= mark.damage.is_some();
            Parcel::new(frame.copy_into(pool.take(room)), about, mark)
        });
        let mut unsent = None;
        match passing {
            Passing::Now => {
                let sent = self.out.send(&frame.vnet, frame.bytes);
                unsent = settle(sent, &mut self.lane, &mut self.flows, about).map(|failure| {
                    let copy = frame.copy_into(pool.take(room));
                    (failure, Parcel::new(copy, about, Mark { damage: None }))
                });
            }
            Passing::Waits(_) => {}
            Passing::Drop(reason) => {
                if let Some((flow, sequence)) = probe {
                    self.flows.record(flow, sequence, Fate::Dropped(reason));
                }
            }
        }
        if let Some(seen) = seen {
            let dropped = was_damaged || matches!(passing, Passing::Drop(_));
            self.watcher.see(&seen, Passage { at, dropped });
        }
        // After it has gone on, which this must not delay.
        let verdict = verdict(passing, was_damaged);
        recorder.see(self.track, &Glimpse::new(&frame, at, verdict));
        drop(frame);
        if let Some((failure, parcel)) = unsent {
            self.unsent(failure, parcel);
            self.retry(pool);
        }
        true
    }

    /// Takes the packets of an offloaded frame through the lane one by one.
    fn take_packets(&mut self, packets: Vec<OwnedFrame>, at: u64) {
        for frame in packets {
            let bytes = u32::try_from(frame.bytes.len()).unwrap_or(u32::MAX);
            let about = About {
                wire_bytes: bytes,
                probe: None,
                is_damaged: false,
            };
            let packet = Packet { bytes, flow: None };
            self.lane
                .offer(packet, at, |mark| Parcel::new(frame.clone(), about, mark));
        }
    }

    /// Sends a parcel that is due.
    pub(super) fn release(&mut self, parcel: Parcel, pool: &mut Pool) {
        if !self.backlog.is_empty() {
            self.unsent(Failure::Later, parcel);
            return;
        }
        let sent = self.out.send(&parcel.frame.vnet, &parcel.frame.bytes);
        match settle(sent, &mut self.lane, &mut self.flows, parcel.about) {
            None => pool.give(parcel.frame.bytes),
            Some(failure) => self.unsent(failure, parcel),
        }
    }

    /// Offers what the kernel had no buffer for again.
    pub(super) fn retry(&mut self, pool: &mut Pool) {
        while let Some(parcel) = self.backlog.pop_front() {
            let sent = self.out.send(&parcel.frame.vnet, &parcel.frame.bytes);
            match settle(sent, &mut self.lane, &mut self.flows, parcel.about) {
                None => pool.give(parcel.frame.bytes),
                Some(Failure::Later) => {
                    self.backlog.push_front(parcel);
                    return;
                }
                Some(failure) => self.unsent(failure, parcel),
            }
        }
    }

    /// Whether frames wait for the kernel.
    pub(super) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    fn unsent(&mut self, failure: Failure, parcel: Parcel) {
        let why = match failure {
            Failure::Later if self.backlog.len() < BACKLOG => {
                self.backlog.push_back(parcel);
                return;
            }
            Failure::Later => "the kernel has had no buffer for a thousand frames".to_owned(),
            Failure::Refused(why) => why,
        };
        if let Some((flow, sequence)) = parcel.about.probe {
            let fate = Fate::Dropped(Reason::Overrun);
            self.flows.record(flow, sequence, fate);
        }
        self.lane.discarded(parcel.about.wire_bytes);
        self.refused += 1;
        if self.refused == 1 {
            let text = format!(
                "link {} lost a frame from {} to {} by itself: {why}",
                self.link, self.from, self.to
            );
            self.sink.warn("relay-refused", text, true);
        }
    }
}

/// What is known of a frame's fate once the lane has judged it.
fn verdict(passing: Passing, was_damaged: bool) -> Verdict {
    match passing {
        Passing::Drop(Reason::Cut) => Verdict::Cut,
        Passing::Drop(Reason::Loss) => Verdict::Loss,
        Passing::Drop(Reason::Queue) => Verdict::Queue,
        Passing::Drop(Reason::Overrun) => Verdict::Overrun,
        Passing::Now | Passing::Waits(_) if was_damaged => Verdict::Damaged,
        Passing::Now | Passing::Waits(_) => Verdict::Passed,
    }
}

enum Failure {
    Later,
    Refused(String),
}

/// Books a send; returns what still has to be dealt with.
fn settle(sent: Sent, lane: &mut Lane<Parcel>, flows: &mut Flows, about: About) -> Option<Failure> {
    let fate = match sent {
        Sent::Yes if about.is_damaged => Fate::Dropped(Reason::Loss),
        Sent::Yes => Fate::Carried,
        // The far end has no light: nothing it could receive with.
        Sent::Down => {
            lane.undelivered(about.wire_bytes);
            Fate::Dropped(Reason::Cut)
        }
        Sent::Later => return Some(Failure::Later),
        Sent::Refused(error) => return Some(Failure::Refused(error.to_string())),
    };
    if let Some((flow, sequence)) = about.probe {
        flows.record(flow, sequence, fate);
    }
    None
}

/// The flow and sequence number of a probe of this run.
pub(in crate::engine) fn probe_of(seen: &Seen<'_>, run: u64) -> Option<ProbeId> {
    match seen.transport {
        Transport::Udp { payload, .. } => ProbeHeader::decode(payload)
            .filter(|header| header.run == run)
            .map(|header| ((header.flow, seen.vlan), header.seq)),
        Transport::Tcp { .. } => None,
    }
}
