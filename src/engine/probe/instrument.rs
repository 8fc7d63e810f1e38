//! Starting, watching and reading the instrument.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

use crate::{
    engine::{
        probe::{
            flow::{FlowState, LiveFlow, Recovery},
            receiver::{self, Heard, RecvFlow},
            resolver::Resolver,
            sender::{self, Choice, SendFlow, Sent},
            turn::Turns,
        },
        sink::EventSink,
    },
    lab::plan::FlowPlan,
    os::{
        clock,
        netns::NetnsFd,
        udp_probe::{RecvSocket, SendSocket, header_bytes},
    },
    results::event::{EventKind, FlowLog, MonoNs, Turn},
    units::{NodeName, PROBE_HEADER_LEN, ProbeName},
};

/// Between opening the sockets and the first packet: the kernel switches
/// packet stamping on in the background.
const HEAD_START_NS: u64 = 10_000_000;
/// How often [`Probes::drain`] looks.
const DRAIN_POLL_NS: u64 = 2_000_000;

/// What to probe.
#[derive(Debug)]
pub struct ProbeConfig<'a> {
    /// The flows.
    pub flows: &'a [FlowPlan],
    /// Number carried in every packet, fresh for each trial.
    pub run: u64,
    /// The namespaces of the flows' ends.
    pub netns: &'a BTreeMap<NodeName, NetnsFd>,
}

/// How far the instrument itself can be trusted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProbeQuality {
    /// Sends, refused ones included.
    pub sends: u64,
    /// Sends the kernel refused.
    pub unsent: u64,
    /// Median lateness of a send, microseconds.
    pub pacing_p50_us: f64,
    /// 99th percentile of it.
    pub pacing_p99_us: f64,
    /// The latest send.
    pub pacing_max_us: f64,
    /// Packets that arrived but found the receiver's socket full.
    pub socket_drops: u64,
    /// Packets that arrived and were no probe of this run.
    pub strays: u64,
    /// Packets stamped when read instead of by the kernel.
    pub unstamped: u64,
    /// Largest error of an arrival time, microseconds.
    pub clock_error_us: f64,
    /// The largest step of CLOCK_REALTIME, nanoseconds: arrival times are wrong by it; 0: none.
    pub clock_step_ns: u64,
    /// The sender ran with SCHED_FIFO.
    pub realtime: bool,
}

/// Flows being probed. Dropping it stops both threads.
#[derive(Debug)]
pub struct Probes {
    plans: Vec<FlowPlan>,
    states: Vec<Arc<FlowState>>,
    stop_sending: Arc<AtomicBool>,
    stop_receiving: Arc<AtomicBool>,
    sender: Option<JoinHandle<Sent>>,
    receiver: Option<JoinHandle<std::io::Result<Heard>>>,
    sent: Option<Sent>,
    sink: EventSink,
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sent").finish_non_exhaustive()
    }
}

impl Probes {
    /// Opens every socket, then begins to receive and to send.
    ///
    /// Fails when a flow names an unknown node, is too small for its header or
    /// too large for UDP, or when a socket cannot be opened (the address is
    /// not there, the port is taken).
    pub fn start(config: &ProbeConfig<'_>, sink: EventSink) -> anyhow::Result<Self> {
        let mut senders = Vec::new();
        let mut receivers = Vec::new();
        let mut sockets = Vec::new();
        let mut states = Vec::new();
        let mut shared = Shared::default();
        for plan in config.flows {
            let state = Arc::new(FlowState::default());
            let what = || {
                format!(
                    "flow {} of probe {} ({} → {})",
                    plan.id, plan.probe, plan.from, plan.to
                )
            };
            let turns = shared.of(plan, config).with_context(what)?;
            for (endpoint, socket) in open_receivers(plan, config)
                .with_context(what)?
                .into_iter()
                .enumerate()
            {
                sockets.push(socket);
                let towards = plan.service.as_ref().is_some_and(|service| service.towards);
                let turns = turns.clone().filter(|_| towards);
                receivers.push(RecvFlow {
                    state: Arc::clone(&state),
                    id: plan.id,
                    endpoint: turns.map(|turns| (turns, endpoint)),
                });
            }
            senders.push(open_sender(plan, config, (&state, turns)).with_context(what)?);
            states.push(state);
        }
        // Before anything is sent it must be known where to.
        let resolvers = shared.resolve(config.run, &sink)?;
        let stop_sending = Arc::new(AtomicBool::new(false));
        let stop_receiving = Arc::new(AtomicBool::new(false));
        let run = config.run;
        let receiver = {
            let (stop, sink) = (Arc::clone(&stop_receiving), sink.clone());
            thread::Builder::new()
                .name("probe-receiver".to_owned())
                .spawn(move || receiver::run(&sockets, &receivers, run, &stop, &sink))
                .context("starting the probe receiver")?
        };
        let mut probes = Self {
            plans: config.flows.to_vec(),
            states,
            stop_sending: Arc::clone(&stop_sending),
            stop_receiving,
            sender: None,
            receiver: Some(receiver),
            sent: None,
            sink: sink.clone(),
        };
        let start = clock::mono_ns() + HEAD_START_NS;
        sink.at(
            start,
            EventKind::ProbesStarted {
                flows: config.flows.len(),
                rate: config.flows.iter().map(|flow| u64::from(flow.rate)).sum(),
            },
        );
        let sender = thread::Builder::new()
            .name("probe-sender".to_owned())
            .spawn(move || sender::run(&senders, run, start, &stop_sending, &sink))
            .context("starting the probe sender")?;
        probes.sender = Some(sender);
        for (resolver, kept_ns) in resolvers {
            let (stop, sink) = (Arc::clone(&probes.stop_sending), probes.sink.clone());
            thread::Builder::new()
                .name("resolver".to_owned())
                .spawn(move || resolver.run(kept_ns, &stop, &sink))
                .context("starting a resolver")?;
        }
        Ok(probes)
    }

    /// The flow's counters as they stand; `None` for a flow that is not probed.
    pub fn flow(&self, id: u16) -> Option<LiveFlow> {
        self.state(id).map(|(_, state)| state.live())
    }

    /// Distinct packets of a flow that were sent after `after` and have arrived.
    pub fn deliveries_after(&self, id: u16, after: MonoNs) -> u64 {
        self.state(id)
            .map_or(0, |(_, state)| state.deliveries_after(after))
    }

    /// Whether a flow works now and has since some instant after `after`: the
    /// newest packets form an unbroken run of at least `consecutive`, all sent
    /// after `after`, and nothing that should have arrived by now is missing
    /// behind them. Under declared random loss an unbroken run may never come.
    pub fn recovered_since(&self, id: u16, after: MonoNs, consecutive: u32) -> Option<Recovery> {
        let (plan, state) = self.state(id)?;
        let run = state.run_after(after)?;
        let live = state.live();
        let behind = live.sent.saturating_sub(u64::from(live.highest_seq?) + 1);
        // Packets in flight, with room for a longer path, the receiver's batches
        // and a busy host.
        let excused_ns = 2 * live.last_delay_ns + 50_000_000;
        let excused = u128::from(excused_ns) * u128::from(plan.rate) / 1_000_000_000 + 1;
        (run.length >= consecutive && u128::from(behind) <= excused).then_some(run)
    }

    /// Stops sending and waits until the sender has stopped.
    pub fn stop_sending(&mut self) -> anyhow::Result<()> {
        self.stop_sending.store(true, Ordering::Relaxed);
        if let Some(sender) = self.sender.take() {
            let sent = sender
                .join()
                .map_err(|_| anyhow!("the probe sender panicked"))?;
            self.sent = Some(sent);
        }
        Ok(())
    }

    /// Lets packets in flight arrive: returns when all have, else after `longest`.
    /// Returns whether all arrived. Call after [`Probes::stop_sending`].
    pub fn drain(&self, longest: Duration) -> bool {
        let deadline = clock::mono_ns() + longest.as_nanos() as u64;
        loop {
            let now = clock::mono_ns();
            let complete = self.states.iter().all(|state| state.all_delivered());
            if complete || now >= deadline {
                return complete;
            }
            clock::sleep_until(deadline.min(now + DRAIN_POLL_NS));
        }
    }

    /// Stops everything and hands over the logs, in the order of the plan.
    pub fn finish(mut self) -> anyhow::Result<(Vec<FlowLog>, ProbeQuality)> {
        self.stop_sending()?;
        self.stop_receiving.store(true, Ordering::Release);
        let Some(receiver) = self.receiver.take() else {
            bail!("the probe receiver never ran");
        };
        let heard = receiver
            .join()
            .map_err(|_| anyhow!("the probe receiver panicked"))?
            .context("receiving probes")?;
        let sent = self.sent.take().context("the probe sender never ran")?;
        let quality = self.quality(&sent, &heard);
        self.warn_about(&quality);
        let logs = self
            .plans
            .iter()
            .zip(&self.states)
            .zip(sent.times.into_iter().zip(sent.turns))
            .map(|((plan, state), (times, turns))| FlowLog {
                id: plan.id,
                probe: plan.probe.to_string(),
                from: plan.from.to_string(),
                to: plan.to.to_string(),
                rate: plan.rate,
                size: plan.size,
                sent: times,
                received: state.take_arrivals(),
                turns: named(plan, &turns),
            })
            .collect();
        Ok((logs, quality))
    }

    fn quality(&self, sent: &Sent, heard: &Heard) -> ProbeQuality {
        let us = |ns: u64| ns as f64 / 1e3;
        ProbeQuality {
            sends: sent.lateness.total(),
            unsent: self.states.iter().map(|state| state.unsent()).sum(),
            pacing_p50_us: us(sent.lateness.quantile(0.5)),
            pacing_p99_us: us(sent.lateness.quantile(0.99)),
            pacing_max_us: us(sent.lateness.max()),
            socket_drops: heard.dropped,
            strays: heard.strays,
            unstamped: heard.unstamped,
            clock_error_us: us(heard.clock_error_ns),
            clock_step_ns: heard.step_ns,
            realtime: sent.realtime,
        }
    }

    fn warn_about(&self, quality: &ProbeQuality) {
        if quality.socket_drops > 0 {
            self.sink.warn(
                "probe-drops",
                format!(
                    "{} probes reached their host but not the receiver: its socket was full",
                    quality.socket_drops
                ),
                true,
            );
        }
        let fastest = self.plans.iter().map(|plan| plan.rate).max().unwrap_or(1);
        let interval_us = 1e6 / f64::from(fastest.max(1));
        if quality.pacing_p99_us > interval_us {
            self.sink.warn(
                "probe-pacing",
                format!(
                    "1 probe in 100 left more than {:.1} ms late: this host is too busy for one every {:.1} ms",
                    quality.pacing_p99_us / 1e3,
                    interval_us / 1e3
                ),
                false,
            );
        }
    }

    fn state(&self, id: u16) -> Option<(&FlowPlan, &FlowState)> {
        self.plans
            .iter()
            .zip(&self.states)
            .find(|(plan, _)| plan.id == id)
            .map(|(plan, state)| (plan, state.as_ref()))
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        self.stop_sending.store(true, Ordering::Relaxed);
        self.stop_receiving.store(true, Ordering::Release);
    }
}

/// What the two flows of a probe to a service share.
#[derive(Default)]
struct Shared {
    turns: BTreeMap<ProbeName, Arc<Turns>>,
    resolvers: Vec<Resolver>,
}

impl Shared {
    /// The choice of endpoints of this flow's probe; none where both ends are hosts.
    fn of(
        &mut self,
        plan: &FlowPlan,
        config: &ProbeConfig<'_>,
    ) -> anyhow::Result<Option<Arc<Turns>>> {
        let Some(service) = &plan.service else {
            return Ok(None);
        };
        if let Some(turns) = self.turns.get(&plan.probe) {
            return Ok(Some(Arc::clone(turns)));
        }
        let turns = Arc::new(Turns::new(
            plan.probe.clone(),
            service.name.clone(),
            service.endpoints.clone(),
        ));
        self.turns.insert(plan.probe.clone(), Arc::clone(&turns));
        if let Some(server) = service.resolver {
            let client = if service.towards {
                &plan.from
            } else {
                &plan.to
            };
            let who = (plan.probe.clone(), client.clone(), service.name.clone());
            let resolver = namespace(config, client)?
                .run(|| Resolver::open(who, server, Arc::clone(&turns)))
                .with_context(|| format!("opening the resolver of {client}"))?;
            self.resolvers.push(resolver);
        }
        Ok(Some(turns))
    }

    /// Has every name answered once; with each, for how long that is kept, nanoseconds. A client's
    /// answer may be of any age when something fails: the first ones are kept for a random part
    /// of their TTL, as if they had been asked for earlier.
    fn resolve(self, random: u64, sink: &EventSink) -> anyhow::Result<Vec<(Resolver, u64)>> {
        let mut random = ChaCha12Rng::seed_from_u64(random);
        let first = |mut resolver: Resolver| {
            let kept = resolver.first(sink)?;
            Ok((resolver, random.random_range(0..kept.max(1))))
        };
        self.resolvers.into_iter().map(first).collect()
    }
}

/// The sender's choices by endpoint.
fn named(plan: &FlowPlan, turns: &[(u32, usize)]) -> Vec<Turn> {
    let Some(service) = &plan.service else {
        return Vec::new();
    };
    let turn = |(seq, at): &(u32, usize)| {
        let target = service.endpoints.get(*at)?;
        Some(Turn {
            seq: *seq,
            endpoint: target.host.to_string(),
            address: target.address,
        })
    };
    turns.iter().filter_map(turn).collect()
}

fn open_sender(
    plan: &FlowPlan,
    config: &ProbeConfig<'_>,
    (state, turns): (&Arc<FlowState>, Option<Arc<Turns>>),
) -> anyhow::Result<SendFlow> {
    let payload = usize::from(plan.size)
        .checked_sub(header_bytes(plan.destination))
        .filter(|payload| *payload >= PROBE_HEADER_LEN)
        .with_context(|| {
            let least = header_bytes(plan.destination) + PROBE_HEADER_LEN;
            format!(
                "a probe packet of {} bytes is too small, {least} is the least",
                plan.size
            )
        })?;
    if plan.source.is_ipv4() != plan.destination.is_ipv4() {
        bail!(
            "{} and {} are of different families",
            plan.source,
            plan.destination
        );
    }
    let open = |node: &NodeName, source, destination| {
        let to = SocketAddr::new(destination, plan.port);
        namespace(config, node)?
            .run(|| SendSocket::open(source, to, plan.dont_fragment))
            .with_context(|| format!("opening the sender at {source}"))
    };
    let sockets = match &plan.service {
        None => vec![open(&plan.from, plan.source, plan.destination)?],
        Some(service) => {
            let each = service.endpoints.iter().map(|end| match service.towards {
                true => open(&plan.from, plan.source, end.address),
                false => open(&end.host, end.address, plan.destination),
            });
            each.collect::<anyhow::Result<_>>()?
        }
    };
    let towards = plan.service.as_ref().is_some_and(|service| service.towards);
    let by_name = plan.service.as_ref().is_some_and(|s| s.resolver.is_some());
    let choice = turns.and_then(|turns| match towards {
        // Where a packet to an anycast address goes is not the client's choice.
        true => by_name.then_some(Choice::Used(turns)),
        false => Some(Choice::Serving(turns)),
    });
    Ok(SendFlow {
        sockets,
        choice,
        state: Arc::clone(state),
        id: plan.id,
        rate: plan.rate,
        payload,
    })
}

/// One socket at the destination; at every endpoint where that is a service.
fn open_receivers(plan: &FlowPlan, config: &ProbeConfig<'_>) -> anyhow::Result<Vec<RecvSocket>> {
    let open = |node: &NodeName, address| {
        let local = SocketAddr::new(address, plan.port);
        namespace(config, node)?
            .run(|| RecvSocket::open(local))
            .with_context(|| format!("opening the receiver at {local}"))
    };
    match plan.service.as_ref().filter(|service| service.towards) {
        None => Ok(vec![open(&plan.to, plan.destination)?]),
        Some(service) => {
            let ends = service.endpoints.iter();
            ends.map(|end| open(&end.host, end.address)).collect()
        }
    }
}

fn namespace<'a>(config: &ProbeConfig<'a>, node: &NodeName) -> anyhow::Result<&'a NetnsFd> {
    config
        .netns
        .get(node)
        .with_context(|| format!("no namespace is called {node}"))
}
