//! The thread that watches wires the kernel carries: it never touches a packet.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
    mpsc::{Receiver, Sender},
};

use crate::{
    emu::Reason,
    engine::{
        capture::{Glimpse, Recorder},
        relay::{
            Bracket, Lateness, Passage, ProbeId, Punctuality, Tap, Watcher, believe, ethernet,
            ethernet_link, follow, probe_of,
        },
        sink::EventSink,
    },
    os::{
        clock::{self, ClockPair},
        packet_ring::Ring,
        poller::{Poller, Waker},
    },
    results::{capture::Verdict, event::WireFlowLog},
};

use super::ledger::{Ledger, Why};

/// Packets taken from one ring before others get their turn.
const BATCH: usize = 64;
/// Between looks at clocks, drop counters and what never left, nanoseconds.
const HOUSEKEEPING: u64 = 250_000_000;
const WAKER_TOKEN: u64 = u64::MAX;

/// What the thread can be told and asked. Directions `2 * n` and `2 * n + 1`
/// are those from the first and from the second end of wire `n`.
#[derive(Debug)]
pub(super) enum Command {
    /// An operation on gates is about to happen.
    Gating {
        directions: Vec<usize>,
        close: bool,
        before: u64,
    },
    /// It has happened.
    Gated {
        directions: Vec<usize>,
        close: bool,
        after: u64,
    },
    /// Light was lost, or came back, at an end of these.
    Light {
        directions: Vec<usize>,
        on: bool,
        at: Bracket,
    },
    Reshaped(Vec<(usize, Manner)>),
    Tap(Vec<Tap>, Sender<std::io::Result<()>>),
    ResetFlows(u64),
    FlowLogs(Sender<Vec<WireFlowLog>>),
    Lateness(Sender<Lateness>),
    /// Records what enters from now on.
    Capture(Recorder),
    /// Hands over what has been recorded.
    FlushCapture(Sender<()>),
    /// Packets each direction's rings had no room for.
    Unseen(Sender<Vec<u64>>),
    Stop,
}

/// What the thread must know of a direction's shape.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// How long a packet may be on its way, nanoseconds.
    pub(super) longest_flight: u64,
    /// Why packets vanish while nothing is cut.
    pub(super) otherwise: Reason,
    /// Whether some packets leave damaged.
    pub(super) corrupts: bool,
    /// How long every packet is on its way, if that is the same for all.
    pub(super) exact_delay: Option<u64>,
}

/// One direction of a wire, as it is watched.
#[derive(Debug)]
pub(super) struct Direction {
    pub(super) link: String,
    pub(super) from: String,
    pub(super) to: String,
    /// At the end where this direction enters; the other's packets leave by it.
    pub(super) ring: Ring,
    pub(super) manner: Manner,
    ledger: Ledger,
    watcher: Watcher,
    unseen: u64,
    /// The recorder's number of it.
    track: u32,
}

impl Direction {
    pub(super) fn new(
        [link, from, to]: [&str; 3],
        ring: Ring,
        manner: Manner,
        sink: &EventSink,
    ) -> Self {
        Self {
            link: link.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            ring,
            manner,
            ledger: Ledger::new(manner.longest_flight, manner.otherwise),
            watcher: Watcher::new(link, from, to, sink.clone()),
            unseen: 0,
            track: 0,
        }
    }
}

/// The receiving end of commands; `posted` grows after each.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) commands: Receiver<Command>,
    pub(super) posted: Arc<AtomicU64>,
    pub(super) waker: Waker,
}

/// Everything the thread owns.
#[derive(Debug)]
pub(super) struct Watch {
    directions: Vec<Direction>,
    taps: Vec<Tap>,
    mailbox: Mailbox,
    taken: u64,
    poller: Poller,
    run: u64,
    sink: EventSink,
    clock: ClockPair,
    punctuality: Punctuality,
    recorder: Recorder,
    housekeeping: u64,
    stopping: bool,
}

/// What one frame told.
struct Sighting {
    outgoing: bool,
    probe: Option<ProbeId>,
    at: u64,
}

impl Watch {
    pub(super) fn new(
        directions: Vec<Direction>,
        taps: Vec<Tap>,
        mailbox: Mailbox,
        run: u64,
        sink: EventSink,
    ) -> std::io::Result<Self> {
        let poller = Poller::new()?;
        poller.add(&mailbox.waker, WAKER_TOKEN)?;
        let rings = directions.iter().map(|direction| &direction.ring);
        for (token, ring) in (0u64..).zip(rings.chain(taps.iter().map(Tap::ring))) {
            poller.add(ring, token)?;
        }
        Ok(Self {
            directions,
            taps,
            mailbox,
            taken: 0,
            poller,
            run,
            sink,
            clock: ClockPair::sample(),
            punctuality: Punctuality::new(),
            recorder: Recorder::default(),
            housekeeping: 0,
            stopping: false,
        })
    }

    /// Runs until told to stop.
    pub(super) fn run(mut self) {
        while !self.stopping {
            if let Err(error) = self.turn() {
                let text = format!("wires and tunnels are watched no longer: {error}");
                self.sink.warn("watch-stopped", text, true);
                return;
            }
        }
    }

    fn turn(&mut self) -> std::io::Result<()> {
        let now = clock::mono_ns();
        if now >= self.housekeeping {
            self.housekeep(now);
        }
        let ready: Vec<_> = self.poller.wait(Some(self.housekeeping))?.collect();
        self.obey();
        for ready in ready {
            if ready.token == WAKER_TOKEN {
                self.mailbox.waker.rest();
                continue;
            }
            let index = usize::try_from(ready.token).unwrap_or(usize::MAX);
            if index < self.directions.len() {
                self.drain(index, ready.error, BATCH);
            } else if let Some(tap) = self.taps.get_mut(index - self.directions.len()) {
                let about = (self.run, self.clock, ready.error);
                tap.drain(BATCH, about, &mut self.recorder);
            }
        }
        self.recorder.tick(now);
        Ok(())
    }

    fn drain(&mut self, index: usize, error: bool, batch: usize) {
        for _ in 0..batch {
            let Some(direction) = self.directions.get(index) else {
                return;
            };
            if error {
                // ENETDOWN: the end was set down; the socket revives with it.
                let _ = direction.ring.take_error();
            }
            if !direction.ring.is_ready() {
                return;
            }
            // Only now: a frame that met a gate must find its command obeyed.
            self.obey();
            let Some(sighting) = self.look(index) else {
                return;
            };
            let Some(probe) = sighting.probe else {
                continue;
            };
            // What leaves by this end came in at the other one.
            let of = if sighting.outgoing { index ^ 1 } else { index };
            let Some(direction) = self.directions.get_mut(of) else {
                return;
            };
            if !sighting.outgoing {
                direction.ledger.enters(probe, sighting.at);
            } else if let Some(entered) = direction.ledger.leaves(probe, sighting.at)
                && let Some(delay) = direction.manner.exact_delay
            {
                self.punctuality.released(entered + delay, sighting.at);
            }
        }
    }

    /// Takes the next frame of a ring; control protocols are read as they enter.
    fn look(&mut self, index: usize) -> Option<Sighting> {
        let damaging = self.directions.get(index ^ 1)?.manner.corrupts;
        let Direction {
            ring,
            ledger,
            watcher,
            track,
            ..
        } = self.directions.get_mut(index)?;
        let frame = ring.next_frame()?;
        let at = believe(self.clock.to_mono(frame.stamp_real_ns), clock::mono_ns());
        let vlan = frame.vlan.map_or(0, |tag| tag.tci & 0x0fff);
        let seen = ethernet(frame.bytes, vlan);
        let probe = seen.as_ref().and_then(|seen| probe_of(seen, self.run));
        // What leaves damaged does not arrive: whoever it is for refuses it.
        let refused = damaging && frame.outgoing && !frame.is_intact();
        let probe = probe.filter(|_| !refused);
        if !frame.outgoing {
            let dropped = ledger.is_closed(at);
            // What else the kernel drops shows later.
            let verdict = match dropped {
                true => Verdict::Cut,
                false => Verdict::Passed,
            };
            self.recorder
                .see(*track, &Glimpse::new(&frame, at, verdict));
            if let Some(seen) = seen {
                watcher.see(&seen, Passage { at, dropped });
            }
        }
        Some(Sighting {
            outgoing: frame.outgoing,
            probe,
            at,
        })
    }

    /// Looks at everything that is there: before a question is answered.
    fn drain_all(&mut self) {
        for index in 0..self.directions.len() {
            self.drain(index, false, usize::MAX);
        }
        for tap in &mut self.taps {
            tap.drain(
                usize::MAX,
                (self.run, self.clock, false),
                &mut self.recorder,
            );
        }
    }

    fn obey(&mut self) {
        if self.mailbox.posted.load(Ordering::Acquire) == self.taken {
            return;
        }
        while let Ok(command) = self.mailbox.commands.try_recv() {
            self.taken += 1;
            self.execute(command);
        }
    }

    fn each(&mut self, directions: &[usize], mut act: impl FnMut(&mut Ledger)) {
        for &index in directions {
            if let Some(direction) = self.directions.get_mut(index) {
                act(&mut direction.ledger);
            }
        }
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::Gating {
                directions,
                close,
                before,
            } => self.each(&directions, |ledger| {
                if close {
                    ledger.closing(Why::Gate, before);
                } else {
                    ledger.opening(Why::Gate, before);
                }
            }),
            Command::Gated {
                directions,
                close,
                after,
            } => self.each(&directions, |ledger| {
                if close {
                    ledger.closed(Why::Gate, after);
                } else {
                    ledger.opened(Why::Gate, after);
                }
            }),
            Command::Light { directions, on, at } => self.each(&directions, |ledger| {
                if on {
                    ledger.opening(Why::Dark, at.before);
                    ledger.opened(Why::Dark, at.after);
                } else {
                    ledger.darkened(at.before, at.after);
                }
            }),
            Command::Reshaped(manners) => {
                for (index, manner) in manners {
                    if let Some(direction) = self.directions.get_mut(index) {
                        direction.manner = manner;
                        let Manner {
                            longest_flight,
                            otherwise,
                            ..
                        } = manner;
                        direction.ledger.reshaped(longest_flight, otherwise);
                    }
                }
            }
            Command::ResetFlows(run) => {
                self.run = run;
                for direction in &mut self.directions {
                    direction.ledger.clear();
                    // What went unseen until now was nobody's probe.
                    direction.unseen = direction.ring.drops();
                }
                self.taps.iter_mut().for_each(Tap::clear);
                self.punctuality.begin();
            }
            // A caller that gave up waiting has dropped the receiver.
            Command::Tap(taps, reply) => drop(reply.send(self.add_taps(taps))),
            Command::FlowLogs(reply) => drop(reply.send(self.flow_logs())),
            Command::Lateness(reply) => drop(reply.send(self.punctuality.summary())),
            Command::Capture(recorder) => self.capture(recorder),
            Command::FlushCapture(reply) => {
                self.drain_all();
                self.recorder.flush();
                let _ = reply.send(());
            }
            Command::Unseen(reply) => drop(reply.send(self.unseen())),
            Command::Stop => self.stopping = true,
        }
    }

    fn capture(&mut self, mut recorder: Recorder) {
        for wire in self.directions.chunks_mut(2) {
            if let [there, back] = wire {
                there.track =
                    recorder.open(|| ethernet_link(&there.link, [&there.from, &there.to]));
                back.track = there.track + 1;
            }
        }
        for tap in &mut self.taps {
            tap.record(&mut recorder);
        }
        self.recorder = recorder;
    }

    fn add_taps(&mut self, taps: Vec<Tap>) -> std::io::Result<()> {
        for mut tap in taps {
            tap.record(&mut self.recorder);
            let token = (self.directions.len() + self.taps.len()) as u64;
            self.poller.add(tap.ring(), token)?;
            self.taps.push(tap);
        }
        Ok(())
    }

    fn flow_logs(&mut self) -> Vec<WireFlowLog> {
        self.drain_all();
        let now = clock::mono_ns();
        let mut logs = Vec::new();
        for direction in &mut self.directions {
            direction.ledger.settle(now);
            let Direction { link, from, to, .. } = &*direction;
            logs.extend(direction.ledger.logs(link, from, to));
        }
        logs.extend(self.taps.iter().flat_map(Tap::logs));
        logs
    }

    fn unseen(&mut self) -> Vec<u64> {
        let rings = self.directions.iter_mut();
        rings.map(|direction| direction.ring.drops()).collect()
    }

    /// Follows CLOCK_REALTIME, reports packets that went unseen and books what
    /// never left.
    fn housekeep(&mut self, now: u64) {
        self.housekeeping = now + HOUSEKEEPING;
        follow(&mut self.clock, &self.sink);
        for direction in &mut self.directions {
            let unseen = direction.ring.drops();
            // Before there are probes, only control packets: the counters tell of those.
            if self.run != 0 && unseen > direction.unseen {
                let text = format!(
                    "{} packets on link {} at {}'s end went unseen: what became of them is not known",
                    unseen - direction.unseen,
                    direction.link,
                    direction.from
                );
                direction.unseen = unseen;
                self.sink.warn("wire-unseen", text, true);
            }
        }
        for tap in &mut self.taps {
            tap.report_drops(&self.sink);
        }
        // Frames still in the rings may be about packets that seem lost.
        self.drain_all();
        let now = clock::mono_ns();
        for direction in &mut self.directions {
            direction.ledger.settle(now);
        }
    }
}
