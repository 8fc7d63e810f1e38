//! The thread: wait for frames, commands and due instants; move frames.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender},
    },
};

use crate::{
    emu::{GateState, Shape},
    engine::{capture::Recorder, sink::EventSink},
    os::{
        clock::{self, ClockPair},
        poller::{Poller, Ready, Waker},
        sched,
    },
    results::event::WireFlowLog,
};

use super::{
    flows::Flows,
    handle::LinkCounters,
    lateness::{Lateness, Punctuality},
    pool::Pool,
    tap::{Tap, believe, ethernet_link, follow},
    wire::{Direction, Moment},
};

/// Frames taken from one ring before others get their turn.
const BATCH: usize = 32;
/// How often rings are looked at again before the kernel is asked.
const ROUNDS: usize = 8;
/// Between looks at clocks and drop counters, nanoseconds.
const HOUSEKEEPING: u64 = 1_000_000_000;
/// Before a frame the kernel had no buffer for is offered again, nanoseconds.
const RETRY: u64 = 50_000;
/// Below the protocol speakers' own threads, above everything ordinary.
const FIFO_PRIORITY: u8 = 40;

/// What the thread can be asked. Directions are numbered as they were given.
#[derive(Debug)]
pub(super) enum Command {
    Gate {
        directions: Vec<usize>,
        at: u64,
        state: GateState,
    },
    Numbered {
        directions: Vec<usize>,
        at: u64,
        packets: u32,
    },
    Reshape(Vec<(usize, Shape)>),
    /// Lets nothing more in and everything out, now.
    Darken {
        directions: Vec<usize>,
        at: u64,
        done: Sender<()>,
    },
    ResetFlows(u64),
    Tap(Vec<Tap>, Sender<std::io::Result<()>>),
    Counters(Sender<Vec<LinkCounters>>),
    FlowLogs(Sender<Vec<WireFlowLog>>),
    Lateness(Sender<Lateness>),
    /// Records what passes from now on.
    Capture(Recorder),
    /// Hands over what has been recorded.
    FlushCapture(Sender<()>),
    Stop,
}

/// The receiving end of commands. `posted` grows after each send, so that the
/// thread notices a command between any two frames at the price of one load.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) commands: Receiver<Command>,
    pub(super) posted: Arc<AtomicU64>,
    pub(super) waker: Waker,
}

/// Everything the thread owns.
#[derive(Debug)]
pub(super) struct Worker {
    directions: Vec<Direction>,
    taps: Vec<Tap>,
    mailbox: Mailbox,
    taken: u64,
    poller: Poller,
    /// Room for the poller's answers.
    ready: Vec<Ready>,
    run: u64,
    sink: EventSink,
    clock: ClockPair,
    punctuality: Punctuality,
    pool: Pool,
    recorder: Recorder,
    /// The first due instant of every lane that has something in flight.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    housekeeping: u64,
    stopping: bool,
}

const WAKER_TOKEN: u64 = u64::MAX;

impl Worker {
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
            ready: Vec::new(),
            run,
            sink,
            clock: ClockPair::sample(),
            punctuality: Punctuality::new(),
            pool: Pool::default(),
            recorder: Recorder::default(),
            due: BinaryHeap::new(),
            housekeeping: 0,
            stopping: false,
        })
    }

    /// Runs until told to stop.
    pub(super) fn run(mut self) {
        self.pool = Pool::ready();
        if let Err(error) = sched::tight_timers() {
            let text = format!("the relay's timers may be 50 µs late: {error}");
            self.sink.warn("loose-timers", text, false);
        }
        if let Err(error) = sched::try_fifo(FIFO_PRIORITY) {
            let text = format!(
                "relay: no realtime priority ({error}), so under load packets leave late by milliseconds"
            );
            self.sink.warn("no-realtime", text, false);
        }
        while !self.stopping {
            if let Err(error) = self.turn() {
                let text = format!("the relay stopped, all wired links are dead: {error}");
                self.sink.warn("relay-stopped", text, true);
                return;
            }
        }
    }

    fn turn(&mut self) -> std::io::Result<()> {
        let now = clock::mono_ns();
        if now >= self.housekeeping {
            self.housekeep(now);
        }
        let wake = self.next_wake(now);
        let asked = wake.min(self.housekeeping);
        let mut ready = std::mem::take(&mut self.ready);
        ready.extend(self.poller.wait(Some(asked))?);
        let woken = clock::mono_ns();
        let on_time = ready.is_empty() && asked == wake && asked > now && woken >= asked;
        self.obey();
        // What the thread was woken for goes now, however quickly it woke.
        let handed = self.release_due(if on_time {
            asked + self.punctuality.lead()
        } else {
            0
        });
        if let Some(handed) = handed.filter(|_| on_time) {
            self.punctuality.woke(asked, handed);
        }
        self.attend(&ready);
        self.recorder.tick(woken);
        ready.clear();
        self.ready = ready;
        for direction in &mut self.directions {
            if direction.has_backlog() {
                direction.retry(&mut self.pool);
            }
        }
        Ok(())
    }

    /// Takes what is in the rings that `ready` names, and what arrives in them
    /// meanwhile: looking at a ring is cheaper than asking the kernel.
    fn attend(&mut self, ready: &[Ready]) {
        for round in 0..ROUNDS {
            let mut any = false;
            for ready in ready {
                let index = usize::try_from(ready.token).unwrap_or(usize::MAX);
                if ready.token == WAKER_TOKEN {
                    if round == 0 {
                        self.mailbox.waker.rest();
                    }
                } else if index < self.directions.len() {
                    any |= self.drain_direction(index, ready.error && round == 0);
                    self.release_due(0);
                } else if round == 0 {
                    self.drain_tap(index - self.directions.len(), ready.error);
                }
            }
            if !any {
                return;
            }
        }
    }

    /// When a lane or a backlog needs attention next.
    fn next_wake(&self, now: u64) -> u64 {
        let due = self.due.peek().map_or(u64::MAX, |Reverse((at, _))| {
            at.saturating_sub(self.punctuality.lead())
        });
        if self.directions.iter().any(Direction::has_backlog) {
            due.min(now + RETRY)
        } else {
            due
        }
    }

    /// Whether there was anything.
    fn drain_direction(&mut self, index: usize, error: bool) -> bool {
        for taken in 0..BATCH {
            let Some(direction) = self.directions.get(index) else {
                return false;
            };
            if error && taken == 0 {
                // ENETDOWN: the end was set down; the socket revives with it.
                let _ = direction.ring.take_error();
            }
            if !direction.ring.is_ready() {
                return taken > 0;
            }
            // Only now: a frame received after a command was posted must find
            // the command obeyed.
            self.obey();
            let moment = Moment {
                now: clock::mono_ns(),
                run: self.run,
            };
            let clock = self.clock;
            let Some(direction) = self.directions.get_mut(index) else {
                return false;
            };
            let tools = (&mut self.pool, &mut self.recorder);
            direction.take_frame(moment, tools, |real| {
                believe(clock.to_mono(real), moment.now)
            });
            self.schedule(index);
        }
        true
    }

    fn drain_tap(&mut self, index: usize, error: bool) {
        if let Some(tap) = self.taps.get_mut(index) {
            let recorder = &mut self.recorder;
            tap.drain(BATCH, (self.run, self.clock, error), recorder);
        }
    }

    /// Makes sure that the direction is looked at when it is due next.
    fn schedule(&mut self, index: usize) {
        if let Some(direction) = self.directions.get_mut(index)
            && let Some(at) = direction.lane.next_deadline()
            && at < direction.scheduled
        {
            direction.scheduled = at;
            self.due.push(Reverse((at, index)));
        }
    }

    /// Hands on what is due: by `until`, and what comes so soon that a sleep
    /// would end behind it. Returns when the first of it had been handed on.
    fn release_due(&mut self, until: u64) -> Option<u64> {
        let mut first = None;
        let mut now = clock::mono_ns();
        while let Some(&Reverse((at, index))) = self.due.peek() {
            let horizon = until.max(now + self.punctuality.lead() / 2);
            if at > horizon {
                break;
            }
            self.due.pop();
            let Some(direction) = self.directions.get_mut(index) else {
                break;
            };
            if at != direction.scheduled {
                // An earlier one has taken its place.
                continue;
            }
            if let Some((due, parcel)) = direction.lane.poll(horizon) {
                direction.release(parcel, &mut self.pool);
                now = clock::mono_ns();
                self.punctuality.released(due, now);
                first.get_or_insert(now);
            }
            direction.scheduled = u64::MAX;
            self.schedule(index);
        }
        first
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

    fn execute(&mut self, command: Command) {
        match command {
            Command::Gate {
                directions,
                at,
                state,
            } => {
                for index in directions {
                    if let Some(direction) = self.directions.get_mut(index) {
                        direction.lane.set_gate(at, state);
                    }
                }
            }
            Command::Numbered {
                directions,
                at,
                packets,
            } => {
                for index in directions {
                    if let Some(direction) = self.directions.get_mut(index) {
                        direction.lane.drop_numbered(at, packets);
                    }
                }
            }
            Command::Darken {
                directions,
                at,
                done,
            } => {
                for index in directions {
                    if let Some(direction) = self.directions.get_mut(index) {
                        direction.lane.set_gate(at, GateState::Silent);
                        while let Some((_, parcel)) = direction.lane.poll(u64::MAX) {
                            direction.release(parcel, &mut self.pool);
                        }
                        direction.scheduled = u64::MAX;
                    }
                }
                // A caller that gave up waiting has dropped the receiver.
                let _ = done.send(());
            }
            Command::Reshape(shapes) => {
                for (index, shape) in shapes {
                    if let Some(direction) = self.directions.get_mut(index) {
                        direction.lane.reshape(shape);
                    }
                }
            }
            Command::ResetFlows(run) => {
                self.run = run;
                let wires = self.directions.iter_mut().map(|wire| &mut wire.flows);
                wires.for_each(Flows::clear);
                self.taps.iter_mut().for_each(Tap::clear);
                self.punctuality.begin();
            }
            Command::Tap(taps, reply) => drop(reply.send(self.add_taps(taps))),
            // A caller that gave up waiting has dropped the receiver.
            Command::Counters(reply) => drop(reply.send(self.counters())),
            Command::FlowLogs(reply) => drop(reply.send(self.flow_logs())),
            Command::Lateness(reply) => drop(reply.send(self.punctuality.summary())),
            Command::Capture(recorder) => self.capture(recorder),
            Command::FlushCapture(reply) => {
                self.recorder.flush();
                let _ = reply.send(());
            }
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
            self.poller
                .add(tap.ring(), (self.directions.len() + self.taps.len()) as u64)?;
            tap.record(&mut self.recorder);
            self.taps.push(tap);
        }
        Ok(())
    }

    fn counters(&mut self) -> Vec<LinkCounters> {
        let now = clock::mono_ns();
        self.directions
            .iter_mut()
            .map(|direction| {
                direction.ring_drops = direction.ring.drops();
                LinkCounters {
                    link: direction.link.clone(),
                    from: direction.from.clone(),
                    to: direction.to.clone(),
                    stats: direction.lane.stats(),
                    ring_drops: direction.ring_drops,
                    refused: direction.refused,
                    in_flight: direction.lane.in_flight(),
                    queued_bytes: direction.lane.queued_bytes(now),
                }
            })
            .collect()
    }

    fn flow_logs(&self) -> Vec<WireFlowLog> {
        let wires = self
            .directions
            .iter()
            .flat_map(|wire| wire.flows.logs(&wire.link, &wire.from, &wire.to));
        let taps = self.taps.iter().flat_map(Tap::logs);
        wires.chain(taps).collect()
    }

    /// Follows CLOCK_REALTIME and reports frames the rings had no room for.
    fn housekeep(&mut self, now: u64) {
        self.housekeeping = now + HOUSEKEEPING;
        follow(&mut self.clock, &self.sink);
        for direction in &mut self.directions {
            let drops = direction.ring.drops();
            if drops > direction.ring_drops {
                let text = format!(
                    "the relay fell behind: {} frames lost on link {} from {}",
                    drops - direction.ring_drops,
                    direction.link,
                    direction.from
                );
                direction.ring_drops = drops;
                self.sink.warn("relay-behind", text, true);
            }
        }
        for tap in &mut self.taps {
            tap.report_drops(&self.sink);
        }
    }
}
