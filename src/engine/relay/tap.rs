//! A tunnel's interface, watched in both directions and never touched.

use anyhow::Context as _;

use crate::{
    engine::{
        capture::{Glimpse, Recorder},
        sink::EventSink,
    },
    os::{
        clock::{self, ClockPair},
        netns::NetnsFd,
        packet_ring::{Geometry, Ring},
    },
    results::{
        capture::{Link, LinkKind, Verdict},
        event::WireFlowLog,
    },
    units::{IfName, NodeName},
};

use super::{
    flows::{Fate, Flows},
    observe::{Passage, Watcher, network},
    wire::probe_of,
};

/// A tap only watches.
const TAP_RING: usize = 4 << 20;
/// A kernel stamp older than this is not believed, nanoseconds.
const OLDEST: u64 = 10_000_000_000;

/// An interface inside a node that is watched in both directions, never touched.
#[derive(Debug)]
pub struct TapConfig {
    /// The tunnel's name.
    pub name: String,
    /// The node whose interface it is.
    pub node: NodeName,
    /// The node at the other end.
    pub peer: NodeName,
    /// The interface.
    pub interface: IfName,
    /// The node's namespace.
    pub netns: NetnsFd,
}

/// A tunnel's interface, watched in both directions.
#[derive(Debug)]
pub(in crate::engine) struct Tap {
    name: String,
    /// The node whose interface it is, and its peer.
    ends: [String; 2],
    ring: Ring,
    /// From `ends[0]` and from `ends[1]`.
    watchers: [Watcher; 2],
    flows: [Flows; 2],
    drops: u64,
    /// The recorder's number of what `ends[0]` sends; the other way is the next.
    track: u32,
}

/// Opens all taps.
pub(in crate::engine) fn open(taps: &[TapConfig], sink: &EventSink) -> anyhow::Result<Vec<Tap>> {
    taps.iter()
        .map(|tap| {
            let geometry = Geometry::tap(TAP_RING);
            let ring = tap
                .netns
                .run(|| Ring::open(tap.interface.as_str(), geometry))
                .with_context(|| format!("watching {} in {}", tap.interface, tap.node))?;
            let (node, peer) = (tap.node.as_str(), tap.peer.as_str());
            let watcher = |from, to| Watcher::new(&tap.name, from, to, sink.clone());
            Ok(Tap {
                name: tap.name.clone(),
                ends: [node.to_owned(), peer.to_owned()],
                ring,
                watchers: [watcher(node, peer), watcher(peer, node)],
                flows: [Flows::default(), Flows::default()],
                drops: 0,
                track: 0,
            })
        })
        .collect()
}

impl Tap {
    /// What to poll for.
    pub(in crate::engine) fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Will be recorded as a link of its own.
    pub(in crate::engine) fn record(&mut self, recorder: &mut Recorder) {
        self.track = recorder.open(|| Link {
            name: self.name.clone(),
            ends: self.ends.clone(),
            kind: LinkKind::Ip,
        });
    }

    /// Takes note of at most `batch` packets; `run` is the probe run whose
    /// packets are logged, `error` whether the poll said that there is one.
    pub(in crate::engine) fn drain(
        &mut self,
        batch: usize,
        (run, clock, error): (u64, ClockPair, bool),
        recorder: &mut Recorder,
    ) {
        if error {
            let _ = self.ring.take_error();
        }
        for _ in 0..batch {
            let now = clock::mono_ns();
            let Some(frame) = self.ring.next_frame() else {
                return;
            };
            let at = believe(clock.to_mono(frame.stamp_real_ns), now);
            let track = self.track + u32::from(!frame.outgoing);
            recorder.see(track, &Glimpse::new(&frame, at, Verdict::Passed));
            let Some(seen) = network(frame.bytes, frame.protocol, 0) else {
                continue;
            };
            let [mine, theirs] = &mut self.flows;
            let [my_watcher, their_watcher] = &mut self.watchers;
            let (flows, watcher) = if frame.outgoing {
                (mine, my_watcher)
            } else {
                (theirs, their_watcher)
            };
            if let Some((flow, sequence)) = probe_of(&seen, run) {
                flows.record(flow, sequence, Fate::Carried);
            }
            watcher.see(&seen, Passage { at, dropped: false });
        }
    }

    /// Forgets all probes.
    pub(in crate::engine) fn clear(&mut self) {
        self.flows.iter_mut().for_each(Flows::clear);
    }

    /// What became of the probes.
    pub(in crate::engine) fn logs(&self) -> Vec<WireFlowLog> {
        let ([a, b], [from_a, from_b]) = (&self.ends, &self.flows);
        let mut logs = from_a.logs(&self.name, a, b);
        logs.extend(from_b.logs(&self.name, b, a));
        logs
    }

    /// Says so when packets went unseen since the last call.
    pub(in crate::engine) fn report_drops(&mut self, sink: &EventSink) {
        let drops = self.ring.drops();
        if drops > self.drops {
            let lost = drops - self.drops;
            let text = format!("{lost} packets on tunnel {} went unseen", self.name);
            self.drops = drops;
            sink.warn("tap-behind", text, false);
        }
    }
}

/// A link whose packets are Ethernet frames.
pub(in crate::engine) fn ethernet_link(name: &str, ends: [&str; 2]) -> Link {
    Link {
        name: name.to_owned(),
        ends: ends.map(str::to_owned),
        kind: LinkKind::Ethernet,
    }
}

/// A stamp that cannot be right is replaced by now.
pub(in crate::engine) fn believe(stamp: u64, now: u64) -> u64 {
    if stamp > now || now - stamp > OLDEST {
        now
    } else {
        stamp
    }
}

/// Samples the clocks anew; a step of CLOCK_REALTIME makes packet stamps wrong.
pub(in crate::engine) fn follow(clock: &mut ClockPair, sink: &EventSink) {
    let now = ClockPair::sample();
    if let Some(step) = now.stepped_since(clock) {
        sink.clock_stepped(step);
    }
    *clock = now;
}
