//! The supervisor's side: starting a relay and asking it things.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Sender, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use sha2::{Digest, Sha256};

use crate::{
    emu::{GateState, Lane, LaneStats},
    engine::{capture::Recorder, sink::EventSink},
    lab::{model::Shape, plan::WirePlan},
    os::{
        clock,
        netns::NetnsFd,
        packet_ring::{Geometry, Ring},
        poller::Waker,
    },
    results::event::{MonoNs, WireFlowLog},
    units::{LinkName, NodeName},
};

use super::{
    lateness::Lateness,
    links::Links,
    tap::{self, TapConfig},
    wire::{Direction, shape},
    worker::{Command, Mailbox, Worker},
};

/// The thread's name in `/proc`, by which a guardian outside can find it.
pub const THREAD_NAME: &str = "relay";

/// Kernel memory for all rings together, where each still gets its smallest.
const RINGS_TOTAL: usize = 96 << 20;
/// A ring's size: 31 frames a megabyte.
const RING_SIZES: (usize, usize) = (2 << 20, 16 << 20);
/// How long a question may take: the thread answers between two frames.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a backend of the wire is to do.
#[derive(Debug)]
pub struct WireConfig {
    /// The links; their ends exist in the wire namespace.
    pub wires: Vec<WirePlan>,
    /// Tunnel interfaces to watch.
    pub taps: Vec<TapConfig>,
    /// The probe run whose packets are logged.
    pub run: u64,
    /// Seed of loss and jitter; each direction of each link derives its own.
    pub seed: u64,
}

/// Clock readings just before and just after an operation. Frames received
/// before `before` met the old state, frames received after `after` the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bracket {
    /// Just before.
    pub before: MonoNs,
    /// Just after.
    pub after: MonoNs,
}

/// What one direction of a link has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkCounters {
    /// The link.
    pub link: String,
    /// Sending node.
    pub from: String,
    /// Receiving node.
    pub to: String,
    /// Offered, delivered and dropped by reason.
    pub stats: LaneStats,
    /// Frames lost before the relay saw them, because it fell behind.
    pub ring_drops: u64,
    /// Frames the kernel would not take back; they also count as `overrun`.
    pub refused: u64,
    /// Packets on their way.
    pub in_flight: usize,
    /// Bytes waiting for the rate.
    pub queued_bytes: u64,
}

/// A running relay. Dropping it stops it; all wired links are dead then.
#[derive(Debug)]
pub struct Relay {
    sink: EventSink,
    commands: Sender<Command>,
    posted: Arc<AtomicU64>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
    /// The sending nodes of directions `2 * n` and `2 * n + 1` of each link.
    links: Links,
}

/// Opens a ring on every wire's ends and starts the thread. The interfaces
/// must exist; they may still be down.
///
/// # Errors
/// An interface is missing, or the kernel refuses a packet socket or its ring.
pub fn spawn(config: WireConfig, wire_ns: &NetnsFd, sink: EventSink) -> anyhow::Result<Relay> {
    let links = Links::new(&config.wires)?;
    let directions = open_directions(&config, wire_ns, &sink)?;
    let taps = tap::open(&config.taps, &sink)?;
    let (commands, receiver) = channel();
    let posted = Arc::new(AtomicU64::new(0));
    let waker = Waker::new().context("making the relay's waker")?;
    let mailbox = Mailbox {
        commands: receiver,
        posted: Arc::clone(&posted),
        waker: waker.clone(),
    };
    let worker = Worker::new(directions, taps, mailbox, config.run, sink.clone())
        .context("polling the wires")?;
    let thread = std::thread::Builder::new()
        .name(THREAD_NAME.to_owned())
        .spawn(move || worker.run())
        .context("starting the relay's thread")?;
    Ok(Relay {
        sink,
        commands,
        posted,
        waker,
        thread: Some(thread),
        links,
    })
}

fn open_directions(
    config: &WireConfig,
    wire_ns: &NetnsFd,
    sink: &EventSink,
) -> anyhow::Result<Vec<Direction>> {
    let share = RINGS_TOTAL / (2 * config.wires.len()).max(1);
    let geometry = Geometry::relay(share.clamp(RING_SIZES.0, RING_SIZES.1));
    let mut rings = open_rings(&config.wires, wire_ns, geometry)?.into_iter();
    let mut directions = Vec::with_capacity(2 * config.wires.len());
    for wire in &config.wires {
        let (Some(near), Some(far)) = (rings.next(), rings.next()) else {
            bail!("fewer rings than wire ends");
        };
        let out = [far.transmitter(), near.transmitter()];
        let names = wire.ends.each_ref().map(|end| end.node.as_str());
        let [there, back] = [[names[0], names[1]], [names[1], names[0]]];
        let ways = [near, far].into_iter().zip(out).zip([there, back]);
        for ((ports, [from, to]), plan) in ways.zip(&wire.shape) {
            let names = [wire.link.as_str(), from, to];
            let lane = Lane::new(shape(plan), lane_seed(config.seed, names));
            directions.push(Direction::new(names, ports, lane, sink));
        }
    }
    Ok(directions)
}

/// A ring at each end of each wire, in order.
pub(in crate::engine) fn open_rings(
    wires: &[WirePlan],
    wire_ns: &NetnsFd,
    geometry: Geometry,
) -> anyhow::Result<Vec<Ring>> {
    // Each ring costs the kernel a grace period of some milliseconds; together
    // they cost hardly more than one.
    std::thread::scope(|scope| {
        let opening: Vec<_> = wires
            .iter()
            .flat_map(|wire| &wire.ends)
            .map(|end| {
                scope.spawn(move || {
                    wire_ns
                        .run(|| Ring::open(end.wire_if.as_str(), geometry))
                        .with_context(|| format!("opening interface {} of the wire", end.wire_if))
                })
            })
            .collect();
        opening
            .into_iter()
            .map(|ring| {
                ring.join()
                    .unwrap_or_else(|_| Err(anyhow!("a ring's thread panicked")))
            })
            .collect()
    })
}

/// A seed that depends on the link's name and direction, not on the file's order.
pub(in crate::engine) fn lane_seed(seed: u64, [link, from, to]: [&str; 3]) -> u64 {
    let digest = Sha256::new()
        .chain_update(seed.to_be_bytes())
        .chain_update(format!("{link}\n{from}\n{to}"))
        .finalize();
    digest
        .iter()
        .take(8)
        .fold(0, |seed, &byte| seed << 8 | u64::from(byte))
}

impl Relay {
    /// Packets sent on the link vanish from now on, both ways or only those
    /// from the node `from`. What has left arrives.
    ///
    /// # Errors
    /// The link is not wired, `from` is not one of its ends, or the relay has died.
    pub fn silence(&self, link: &LinkName, from: Option<&NodeName>) -> anyhow::Result<Bracket> {
        self.gate(self.links.directions(link, from)?, GateState::Silent)
    }

    /// Undoes [`silence`](Self::silence), both ways or for one sender.
    ///
    /// # Errors
    /// As there.
    pub fn restore(&self, link: &LinkName, from: Option<&NodeName>) -> anyhow::Result<Bracket> {
        self.gate(self.links.directions(link, from)?, GateState::Open)
    }

    /// Packets sent on the link within this time vanish, both ways. Each is judged by the
    /// instant at which the kernel received it, so nobody has to act when the time begins or
    /// ends, and it is as long as it was ordered. It must not have begun.
    ///
    /// # Errors
    /// The link is not wired, or the relay has died.
    pub fn silence_between(
        &self,
        link: &LinkName,
        [begin, end]: [MonoNs; 2],
    ) -> anyhow::Result<()> {
        for (at, state) in [(begin, GateState::Silent), (end, GateState::Open)] {
            let directions = self.links.directions(link, None)?;
            self.send(Command::Gate {
                directions,
                at,
                state,
            })?;
        }
        Ok(())
    }

    /// Silences several links both ways at one instant.
    ///
    /// # Errors
    /// As [`silence`](Self::silence).
    pub fn silence_many(&self, links: &[LinkName]) -> anyhow::Result<Bracket> {
        self.gate(self.links.many(links)?, GateState::Silent)
    }

    /// Restores several links both ways at one instant.
    ///
    /// # Errors
    /// As [`silence`](Self::silence).
    pub fn restore_many(&self, links: &[LinkName]) -> anyhow::Result<Bracket> {
        self.gate(self.links.many(links)?, GateState::Open)
    }

    /// Prepares the loss of light: nothing more enters the link, and what is on
    /// its way is handed over at once, because the kernel delivers nothing to an
    /// interface without carrier. Light that has left arrives.
    ///
    /// # Errors
    /// As [`silence`](Self::silence).
    pub fn darken(&self, link: &LinkName) -> anyhow::Result<()> {
        let directions = self.links.directions(link, None)?;
        let at = clock::mono_ns();
        self.ask(|done| Command::Darken {
            directions,
            at,
            done,
        })
        .ok_or_else(|| anyhow!("the relay has stopped"))
    }

    /// Drops exactly the next `packets` probes of each flow in each direction.
    ///
    /// # Errors
    /// As [`silence`](Self::silence).
    pub fn drop_numbered(&self, link: &LinkName, packets: u32) -> anyhow::Result<Bracket> {
        let directions = self.links.directions(link, None)?;
        self.bracketed(|at| Command::Numbered {
            directions,
            at,
            packets,
        })
    }

    /// Changes what the link does to packets: from its first declared end to
    /// the second, and back. Also undoes itself, given the old shape.
    ///
    /// # Errors
    /// As [`silence`](Self::silence).
    pub fn reshape(&self, link: &LinkName, shapes: &[Shape; 2]) -> anyhow::Result<Bracket> {
        let directions = self.links.directions(link, None)?;
        let shapes = directions
            .into_iter()
            .zip(shapes.iter().map(shape))
            .collect();
        self.bracketed(|_| Command::Reshape(shapes))
    }

    /// What every direction has done so far; empty when the relay has died.
    pub fn counters(&self) -> Vec<LinkCounters> {
        self.ask(Command::Counters).unwrap_or_default()
    }

    /// Where every probe of the run ended, for each direction of each link and
    /// tunnel that saw any; empty when the relay has died.
    pub fn flow_logs(&self) -> Vec<WireFlowLog> {
        self.ask(Command::FlowLogs).unwrap_or_default()
    }

    /// Also watches these tunnels from now on.
    ///
    /// # Errors
    /// An interface that is not there, or a dead relay.
    pub fn tap(&self, taps: &[TapConfig]) -> anyhow::Result<()> {
        let taps = tap::open(taps, &self.sink)?;
        self.ask(|reply| Command::Tap(taps, reply))
            .ok_or_else(|| anyhow!("the relay has stopped"))?
            .context("watching the tunnels")
    }

    /// Forgets all probes and follows another probe run from now on.
    pub fn reset_flows(&self, run: u64) {
        // A dead relay has reported itself.
        let _ = self.post(Command::ResetFlows(run));
    }

    /// How punctual releases have been.
    pub fn lateness(&self) -> Lateness {
        self.ask(Command::Lateness).unwrap_or_default()
    }

    /// Hands every packet to `recorder` from now on.
    ///
    /// # Errors
    /// The relay has died.
    pub(in crate::engine) fn capture(&self, recorder: Recorder) -> anyhow::Result<()> {
        self.post(Command::Capture(recorder))
    }

    /// Hands over what has been recorded so far.
    pub(in crate::engine) fn flush_capture(&self) {
        // A dead relay records nothing.
        let _ = self.ask(Command::FlushCapture);
    }

    /// Whether the thread is still there.
    pub fn is_alive(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }

    /// Ends the thread; frames on their way are lost.
    pub fn stop(self) {
        drop(self);
    }

    fn gate(&self, directions: Vec<usize>, state: GateState) -> anyhow::Result<Bracket> {
        self.bracketed(|at| Command::Gate {
            directions,
            at,
            state,
        })
    }

    /// Posts a command that takes effect at once: the thread looks at the
    /// mailbox after it found a frame and before it judges it.
    fn bracketed(&self, command: impl FnOnce(u64) -> Command) -> anyhow::Result<Bracket> {
        let before = clock::mono_ns();
        self.send(command(before))?;
        let after = clock::mono_ns();
        Ok(Bracket { before, after })
    }

    fn send(&self, command: Command) -> anyhow::Result<()> {
        self.commands
            .send(command)
            .map_err(|_| anyhow!("the relay has stopped"))?;
        self.posted.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn post(&self, command: Command) -> anyhow::Result<()> {
        self.send(command)?;
        self.waker.wake();
        Ok(())
    }

    fn ask<T>(&self, question: impl FnOnce(Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = channel();
        self.post(question(reply)).ok()?;
        answer.recv_timeout(PATIENCE).ok()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.post(Command::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed, and there is nobody left to tell.
            let _ = thread.join();
        }
    }
}
