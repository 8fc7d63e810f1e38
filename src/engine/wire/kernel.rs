//! The kernel's backend: the supervisor's side.
//!
//! What enters one end of a wire is redirected to the other end, whose netem
//! delays it and whose token bucket holds it back. A cut is a filter in front
//! of the redirection, so that what has entered is on its way and arrives.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Sender, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context as _, anyhow};

use crate::{
    emu::{LaneStats, Reason},
    engine::{
        capture::Recorder,
        relay::{Bracket, Lateness, LinkCounters, Links, lane_seed, open_rings, open_taps},
        sink::EventSink,
    },
    lab::{model::Shape, plan::WirePlan},
    os::{
        clock,
        netns::NetnsFd,
        packet_ring::Geometry,
        poller::Waker,
        qdisc::{LinkStatistics, NetemLoss, QdiscOp, Qdiscs, Statistics},
    },
    results::event::WireFlowLog,
    units::{LinkName, NodeName, Percent},
};

use super::{
    TapConfig, WireConfig,
    shape::{bucket, longest_flight, netem, open_bucket},
    watch::{Command, Direction, Mailbox, Manner, Watch},
};

/// Kernel memory for all rings together, where each still gets its smallest. On a
/// machine with one processor the thread that empties them may wait for a second
/// while a daemon starts or a sender catches up.
const RINGS_TOTAL: usize = 96 << 20;
/// A ring's size: 62 packets a megabyte.
const RING_SIZES: (usize, usize) = (2 << 20, 16 << 20);
/// How long a question may take: the thread answers between two turns.
const PATIENCE: Duration = Duration::from_secs(5);

/// A wire carried by the kernel. Dropping it ends the watching; the links
/// stay as they are until their namespace ends.
#[derive(Debug)]
pub struct KernelWire {
    sink: EventSink,
    control: Mutex<Control>,
    commands: Sender<Command>,
    posted: Arc<AtomicU64>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
    /// The sending nodes of directions `2 * n` and `2 * n + 1` of each link.
    links: Links,
}

/// The kernel's side of it.
#[derive(Debug)]
struct Control {
    qdiscs: Qdiscs,
    lanes: Vec<Lane>,
    /// What interfaces had counted when the wire began.
    baseline: Statistics,
}

/// One direction.
#[derive(Debug)]
struct Lane {
    link: String,
    from: String,
    to: String,
    /// Interface where it enters.
    entrance: u32,
    /// Interface where it leaves.
    exit: u32,
    mtu: u64,
    seed: u64,
    is_closed: bool,
    has_rate: bool,
    /// Whether random loss was ever declared.
    is_lossy: bool,
}

/// Makes the kernel carry every wire and starts the thread that watches.
pub(super) fn spawn(
    config: WireConfig,
    wire_ns: &NetnsFd,
    sink: EventSink,
) -> anyhow::Result<KernelWire> {
    let links = Links::new(&config.wires)?;
    let mut lanes = lanes(&config);
    let mut qdiscs = Qdiscs::open(wire_ns).context("traffic control")?;
    let directions = open_directions(&config, wire_ns, &sink)?;
    let taps = open_taps(&config.taps, &sink)?;
    let baseline = qdiscs.statistics().context("reading counters")?;
    let shapes = config.wires.iter().flat_map(|wire| &wire.shape);
    qdiscs.apply(&laying(&mut lanes, shapes))?;
    let (commands, receiver) = channel();
    let posted = Arc::new(AtomicU64::new(0));
    let waker = Waker::new().context("making the watch's waker")?;
    let mailbox = Mailbox {
        commands: receiver,
        posted: Arc::clone(&posted),
        waker: waker.clone(),
    };
    let watch = Watch::new(directions, taps, mailbox, config.run, sink.clone())
        .context("polling the wires")?;
    let thread = std::thread::Builder::new()
        .name("wire-watch".to_owned())
        .spawn(move || watch.run())
        .context("starting the watch's thread")?;
    Ok(KernelWire {
        sink,
        control: Mutex::new(Control {
            qdiscs,
            lanes,
            baseline,
        }),
        commands,
        posted,
        waker,
        thread: Some(thread),
        links,
    })
}

fn lanes(config: &WireConfig) -> Vec<Lane> {
    let mut lanes = Vec::with_capacity(2 * config.wires.len());
    for wire in &config.wires {
        let [a, b] = &wire.ends;
        for (near, far) in [(a, b), (b, a)] {
            let names = names(wire, near.node.as_str(), far.node.as_str());
            lanes.push(Lane {
                link: names[0].to_owned(),
                from: names[1].to_owned(),
                to: names[2].to_owned(),
                entrance: near.wire_index,
                exit: far.wire_index,
                mtu: wire.mtu.get(),
                seed: lane_seed(config.seed, names),
                is_closed: false,
                has_rate: false,
                is_lossy: false,
            });
        }
    }
    lanes
}

fn names<'a>(wire: &'a WirePlan, from: &'a str, to: &'a str) -> [&'a str; 3] {
    [wire.link.as_str(), from, to]
}

/// Queues first: a packet must not pass a link that is not shaped yet.
fn laying<'a>(lanes: &mut [Lane], shapes: impl Iterator<Item = &'a Shape>) -> Vec<QdiscOp> {
    let mut ops = Vec::new();
    for (lane, shape) in lanes.iter_mut().zip(shapes) {
        let dev = lane.exit;
        let netem = netem(shape, lane.seed);
        lane.is_lossy = netem.loss != NetemLoss::default();
        ops.push(QdiscOp::AddNetem { dev, netem });
        if let Some(bucket) = bucket(shape, lane.mtu) {
            lane.has_rate = true;
            ops.push(QdiscOp::AddRate { dev, bucket });
        }
    }
    for lane in lanes {
        let (dev, to) = (lane.entrance, lane.exit);
        ops.push(QdiscOp::AddEntrance { dev });
        ops.push(QdiscOp::AddRedirect { dev, to });
    }
    ops
}

fn manner(shape: &Shape) -> Manner {
    let is_fixed =
        shape.jitter.as_nanos() == 0 && shape.rate.is_none() && shape.reorder == Percent::default();
    Manner {
        longest_flight: longest_flight(shape),
        otherwise: if shape.loss.millionths() > 0 || shape.corrupt.millionths() > 0 {
            Reason::Loss
        } else if shape.rate.is_some() {
            Reason::Queue
        } else {
            Reason::Cut
        },
        corrupts: shape.corrupt.millionths() > 0,
        exact_delay: is_fixed.then(|| shape.delay.as_nanos()),
    }
}

fn open_directions(
    config: &WireConfig,
    wire_ns: &NetnsFd,
    sink: &EventSink,
) -> anyhow::Result<Vec<Direction>> {
    let share = RINGS_TOTAL / (2 * config.wires.len()).max(1);
    let geometry = Geometry::watch(share.clamp(RING_SIZES.0, RING_SIZES.1));
    let mut rings = open_rings(&config.wires, wire_ns, geometry)?.into_iter();
    let mut directions = Vec::with_capacity(2 * config.wires.len());
    for wire in &config.wires {
        let [a, b] = wire.ends.each_ref().map(|end| end.node.as_str());
        for ((from, to), shape) in [(a, b), (b, a)].into_iter().zip(&wire.shape) {
            let ring = rings.next().context("fewer rings than wire ends")?;
            directions.push(Direction::new(
                names(wire, from, to),
                ring,
                manner(shape),
                sink,
            ));
        }
    }
    Ok(directions)
}

impl KernelWire {
    /// As [`Wire::silence`](super::Wire::silence).
    pub(super) fn silence(
        &self,
        link: &LinkName,
        from: Option<&NodeName>,
    ) -> anyhow::Result<Bracket> {
        self.gate(&self.links.directions(link, from)?, true)
    }

    /// As [`Wire::restore`](super::Wire::restore).
    pub(super) fn restore(
        &self,
        link: &LinkName,
        from: Option<&NodeName>,
    ) -> anyhow::Result<Bracket> {
        self.gate(&self.links.directions(link, from)?, false)
    }

    /// As [`Wire::silence_many`](super::Wire::silence_many).
    pub(super) fn silence_many(&self, links: &[LinkName]) -> anyhow::Result<Bracket> {
        self.gate(&self.links.many(links)?, true)
    }

    /// As [`Wire::restore_many`](super::Wire::restore_many).
    pub(super) fn restore_many(&self, links: &[LinkName]) -> anyhow::Result<Bracket> {
        self.gate(&self.links.many(links)?, false)
    }

    /// As [`Wire::reshape`](super::Wire::reshape).
    pub(super) fn reshape(&self, link: &LinkName, shapes: &[Shape; 2]) -> anyhow::Result<Bracket> {
        let directions = self.links.directions(link, None)?;
        let mut control = self.control();
        let mut ops = Vec::new();
        let mut manners = Vec::new();
        for (&index, shape) in directions.iter().zip(shapes) {
            if let Some(lane) = control.lanes.get_mut(index) {
                ops.extend(reshaping(lane, shape));
                manners.push((index, manner(shape)));
            }
        }
        let before = clock::mono_ns();
        self.send(Command::Reshaped(manners))?;
        control.qdiscs.apply(&ops)?;
        let after = clock::mono_ns();
        Ok(Bracket { before, after })
    }

    /// As [`Wire::darken`](super::Wire::darken).
    pub(super) fn darken(&self, link: &LinkName) -> anyhow::Result<()> {
        let directions = self.links.directions(link, None)?;
        let at = self.gate(&directions, true)?;
        let on = false;
        self.post(Command::Light { directions, on, at })
    }

    /// As [`Wire::relight`](super::Wire::relight).
    pub(super) fn relight(&self, link: &LinkName) -> anyhow::Result<()> {
        let directions = self.links.directions(link, None)?;
        let at = self.gate(&directions, false)?;
        let on = true;
        self.post(Command::Light { directions, on, at })
    }

    /// As [`Wire::tap`](super::Wire::tap).
    pub(super) fn tap(&self, taps: &[TapConfig]) -> anyhow::Result<()> {
        let taps = open_taps(taps, &self.sink)?;
        self.ask(|reply| Command::Tap(taps, reply))
            .ok_or_else(|| anyhow!("the wire is watched no longer"))?
            .context("watching the tunnels")
    }

    /// Where each direction's counts come from: offered, what entered; delivered,
    /// what left behind all queues; drops, those queues; cut, the rest.
    pub(super) fn counters(&self) -> Vec<LinkCounters> {
        let unseen = self.ask(Command::Unseen).unwrap_or_default();
        let mut control = self.control();
        let Ok(statistics) = control.qdiscs.statistics() else {
            return Vec::new();
        };
        let of = |dev: u32| {
            let now = statistics.get(&dev).copied().unwrap_or_default();
            let then = control.baseline.get(&dev).copied().unwrap_or_default();
            (now, then)
        };
        let lanes = control.lanes.iter().enumerate();
        lanes
            .map(|(n, lane)| {
                let (exit, _) = of(lane.exit);
                LinkCounters {
                    link: lane.link.clone(),
                    from: lane.from.clone(),
                    to: lane.to.clone(),
                    stats: counts(of(lane.entrance), of(lane.exit), lane.is_lossy),
                    ring_drops: unseen.get(n).copied().unwrap_or(0),
                    refused: 0,
                    in_flight: exit.queued as usize,
                    queued_bytes: u64::from(exit.rate_backlog),
                }
            })
            .collect()
    }

    /// As [`Wire::flow_logs`](super::Wire::flow_logs).
    pub(super) fn flow_logs(&self) -> Vec<WireFlowLog> {
        self.ask(Command::FlowLogs).unwrap_or_default()
    }

    /// As [`Wire::reset_flows`](super::Wire::reset_flows).
    pub(super) fn reset_flows(&self, run: u64) {
        // A dead thread has reported itself.
        let _ = self.post(Command::ResetFlows(run));
    }

    /// As [`Wire::lateness`](super::Wire::lateness).
    pub(super) fn lateness(&self) -> Lateness {
        self.ask(Command::Lateness).unwrap_or_default()
    }

    /// As [`Wire::capture`](super::Wire::capture).
    pub(super) fn capture(&self, recorder: Recorder) -> anyhow::Result<()> {
        self.post(Command::Capture(recorder))
    }

    /// As [`Wire::flush_capture`](super::Wire::flush_capture).
    pub(super) fn flush_capture(&self) {
        // A dead thread has reported itself.
        let _ = self.ask(Command::FlushCapture);
    }

    /// As [`Wire::is_alive`](super::Wire::is_alive).
    pub(super) fn is_alive(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One system call for all of them. The thread hears of it before and
    /// after: what enters meanwhile may meet either state.
    fn gate(&self, directions: &[usize], close: bool) -> anyhow::Result<Bracket> {
        let mut control = self.control();
        let mut changed = Vec::new();
        let mut ops = Vec::new();
        for &index in directions {
            if let Some(lane) = control.lanes.get_mut(index)
                && lane.is_closed != close
            {
                let dev = lane.entrance;
                lane.is_closed = close;
                changed.push(index);
                ops.push(if close {
                    QdiscOp::AddDrop { dev }
                } else {
                    QdiscOp::RemoveDrop { dev }
                });
            }
        }
        let before = clock::mono_ns();
        self.send(Command::Gating {
            directions: changed.clone(),
            close,
            before,
        })?;
        if let Err(refused) = control.qdiscs.apply(&ops) {
            if close {
                self.reopen(&mut control, changed, before)?;
            }
            return Err(refused.into());
        }
        let after = clock::mono_ns();
        self.post(Command::Gated {
            directions: changed,
            close,
            after,
        })?;
        Ok(Bracket { before, after })
    }

    /// Opens again what was closed beside a direction that could not be: all or none.
    fn reopen(
        &self,
        control: &mut Control,
        directions: Vec<usize>,
        before: u64,
    ) -> anyhow::Result<()> {
        let mut ops = Vec::new();
        for &index in &directions {
            if let Some(lane) = control.lanes.get_mut(index) {
                lane.is_closed = false;
                ops.push(QdiscOp::RemoveDrop { dev: lane.entrance });
            }
        }
        // The one that could not be closed has nothing to be opened.
        let _ = control.qdiscs.apply(&ops);
        let after = clock::mono_ns();
        let closed = directions.clone();
        self.post(Command::Gated {
            directions: closed,
            close: true,
            after,
        })?;
        self.send(Command::Gating {
            directions: directions.clone(),
            close: false,
            before,
        })?;
        self.post(Command::Gated {
            directions,
            close: false,
            after,
        })
    }

    fn send(&self, command: Command) -> anyhow::Result<()> {
        self.commands
            .send(command)
            .map_err(|_| anyhow!("the wire is watched no longer"))?;
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

fn reshaping(lane: &mut Lane, shape: &Shape) -> Vec<QdiscOp> {
    let dev = lane.exit;
    let netem = netem(shape, lane.seed);
    lane.is_lossy |= netem.loss != NetemLoss::default();
    let mut ops = vec![QdiscOp::ChangeNetem { dev, netem }];
    match bucket(shape, lane.mtu) {
        Some(bucket) if lane.has_rate => ops.push(QdiscOp::ChangeRate { dev, bucket }),
        Some(bucket) => {
            lane.has_rate = true;
            ops.push(QdiscOp::AddRate { dev, bucket });
        }
        // Taking it away would lose what waits in it.
        None if lane.has_rate => ops.push(QdiscOp::ChangeRate {
            dev,
            bucket: open_bucket(),
        }),
        None => {}
    }
    ops
}

type Counted = (LinkStatistics, LinkStatistics);

fn counts((near, near_then): Counted, (far, far_then): Counted, is_lossy: bool) -> LaneStats {
    let offered = near.rx_packets.saturating_sub(near_then.rx_packets);
    let delivered = far.tx_packets.saturating_sub(far_then.tx_packets);
    let queue = u64::from(far.rate_drops);
    let dropped = u64::from(far.netem_drops).saturating_sub(queue);
    let (loss, overrun) = if is_lossy { (dropped, 0) } else { (0, dropped) };
    let known = delivered + queue + dropped + u64::from(far.queued);
    LaneStats {
        // The kernel does not count them; they hide as many drops.
        duplicated: delivered.saturating_sub(offered),
        offered,
        offered_bytes: near.rx_bytes.saturating_sub(near_then.rx_bytes),
        delivered,
        delivered_bytes: far.tx_bytes.saturating_sub(far_then.tx_bytes),
        cut: offered.saturating_sub(known),
        loss,
        queue,
        overrun,
    }
}

impl Drop for KernelWire {
    fn drop(&mut self) {
        let _ = self.post(Command::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed, and there is nobody left to tell.
            let _ = thread.join();
        }
    }
}
