//! From a lab that stands to one that lives.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, anyhow};

use super::{daemons::Daemons, faults::Applied, losses::Baseline, tunnels::Tunnels};
use crate::{
    engine::{
        board::{self, Board, Item},
        capture::{About, Captures},
        deploy,
        init::RunDir,
        instrument::Namespaces,
        observe::{NodeWatch, Watcher},
        probe::BarePair,
        sink::EventSink,
        wire::{self, Lateness, TapConfig, Wire, WireChoice, WireConfig},
    },
    lab::{
        model::{Fault, StepKind},
        op::{Netns, Op},
        plan::Plan,
    },
    os::{clock, fib_watch::RECEIVE_BUFFER, kernel::Linux, netns::NetnsFd, process::PidFd},
    results::event::{EventKind, MonoNs, WireFlowLog},
    units::NodeName,
};

/// How long routing daemons are kept from starting for the sake of tunnels: less than what
/// waiting in vain would save.
const TUNNELS_FIRST: Duration = Duration::from_millis(500);

/// How a lab is brought to life.
#[derive(Debug, Clone)]
pub struct LiveOptions {
    /// Seed of the wires' randomness.
    pub seed: u64,
    /// Which backend carries the links.
    pub wire: WireChoice,
    /// When the command was started, for the time the user feels.
    pub command_started: MonoNs,
    /// What is captured of the links.
    pub(in crate::engine) capture: About,
}

/// A living lab. Fields end in the order they are declared: what observes first,
/// then what is observed.
#[derive(Debug)]
pub struct Live {
    /// Held for its thread.
    _watcher: Watcher,
    pub(super) daemons: Mutex<Daemons>,
    pub(super) tunnels: Tunnels,
    pub(super) wire: Option<Wire>,
    pub(super) captures: Option<Captures>,
    pub(super) applied: Mutex<Applied>,
    losses: Mutex<Baseline>,
    pub(super) kernel: Mutex<Linux>,
    pub(super) holders: BTreeMap<NodeName, PidFd>,
    pub(super) board: Arc<Board>,
    namespaces: Namespaces,
    /// Whether it has converged and its links have been measured.
    stands: AtomicBool,
    plan: Plan,
    sink: EventSink,
    run_dir: RunDir,
}

impl Live {
    /// Brings the lab to life. To be called from a thread that lives as long as
    /// the lab: its child processes die with it.
    ///
    /// # Errors
    /// What could not be started, and why.
    pub fn start(
        lab: deploy::Lab,
        board: Arc<Board>,
        options: LiveOptions,
    ) -> anyhow::Result<Self> {
        let wire = lab.wire().map(NetnsFd::try_clone).transpose()?;
        let deploy::Lab {
            plan,
            nodes,
            kernel,
            sink,
            run_dir,
            guardian,
        } = lab;
        guardian.install();
        let mut namespaces = Namespaces::new();
        let mut holders = BTreeMap::new();
        for (name, node) in nodes {
            namespaces.insert(name.clone(), node.netns);
            holders.insert(name, node.holder);
        }
        let rising = Tunnels::spawn(&plan, (&holders, &namespaces), &run_dir)?;
        // While the tunnels' processes start, the wire waits for its rings and the
        // kernels are asked for what is there.
        let (wire, watcher) = std::thread::scope(|scope| {
            let wire = scope.spawn(|| {
                let wire = wire.map(|netns| {
                    let config = WireConfig {
                        wires: plan.wires.clone(),
                        taps: Vec::new(),
                        run: 0,
                        seed: options.seed,
                    };
                    let choice = (options.wire, drops_numbers(&plan));
                    wire::start(config, &netns, choice, sink.clone())
                });
                wire.transpose()
            });
            let watcher = watch(&plan, &namespaces, &sink);
            (wire.join(), watcher)
        });
        let watcher = watcher?;
        let wire = wire.map_err(|_| anyhow!("starting the wire panicked"))??;
        let captures = capture(options.capture, wire.as_ref(), &run_dir)?;
        let tunnels = rising.ready(&sink)?;
        sink.now(EventKind::Built {
            nodes: plan.nodes.len(),
            links: plan.wires.len() + plan.direct.len(),
            tunnels: plan.tunnels.len(),
            wire: wire.as_ref().map_or("none", Wire::name).to_owned(),
            wireguard: tunnels.backend(),
            ms: clock::mono_ns().saturating_sub(options.command_started) as f64 / 1e6,
        });
        let mut live = Self {
            _watcher: watcher,
            daemons: Mutex::default(),
            tunnels,
            wire,
            captures,
            applied: Mutex::default(),
            losses: Mutex::default(),
            kernel: Mutex::new(kernel),
            holders,
            board,
            namespaces,
            stands: AtomicBool::new(false),
            plan,
            sink,
            run_dir,
        };
        let charons = Daemons::charons(&live)?;
        live.tap(|_| true)?;
        live.tunnels_first()?;
        live.daemons = Mutex::new(Daemons::start(&live, charons)?);
        Ok(live)
    }

    /// Waits until the tunnels are up, or for [`TUNNELS_FIRST`]. A SYN that meets a tunnel
    /// without keys is lost, and TCP repeats it after a second (RFC 6298 §2).
    fn tunnels_first(&self) -> anyhow::Result<()> {
        let mut tunnels = board::wanted(&self.plan);
        tunnels.retain(|item| matches!(item, Item::Tunnel { .. }));
        self.board.wait(&tunnels, TUNNELS_FIRST, |_| ())?;
        Ok(())
    }

    /// Watches those tunnels that are `wanted`, by their name and the node of their
    /// watched end: a new interface is not the old one, although it has its name.
    pub(super) fn tap(&self, wanted: impl Fn(&TapConfig) -> bool) -> anyhow::Result<()> {
        let Some(wire) = &self.wire else {
            return Ok(());
        };
        let mut taps = taps(&self.plan, &self.namespaces)?;
        taps.retain(wanted);
        wire.tap(&taps)
    }

    /// The plan it was built from.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where observations go.
    pub fn sink(&self) -> &EventSink {
        &self.sink
    }

    /// What is known to be up.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Whether it has converged once, and nothing but its own traffic is on its links.
    pub fn stands(&self) -> bool {
        self.stands.load(Ordering::Relaxed)
    }

    /// Says that it does.
    pub fn has_converged(&self) {
        self.stands.store(true, Ordering::Relaxed);
    }

    /// The process that holds each node.
    pub fn holders(&self) -> impl Iterator<Item = (&NodeName, &PidFd)> {
        self.holders.iter()
    }

    /// Every routing program that runs: node, name, process.
    ///
    /// # Errors
    /// A process handle could not be duplicated.
    pub fn programs(&self) -> std::io::Result<Vec<(NodeName, String, PidFd)>> {
        let daemons = self.daemons.lock().unwrap_or_else(PoisonError::into_inner);
        daemons
            .iter()
            .flat_map(|(node, daemon)| {
                daemon
                    .programs()
                    .into_iter()
                    .map(move |(name, process)| (node, name, process))
            })
            .map(|(node, name, process)| Ok((node.clone(), name, process.try_clone()?)))
            .collect()
    }

    /// The nodes' network namespaces.
    pub fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// Where the run's files go.
    pub fn run_dir(&self) -> &RunDir {
        &self.run_dir
    }

    /// Forgets the wires' counts of probes and follows probe run `run`.
    pub fn begin_counting(&self, run: u64) {
        if let Some(wire) = &self.wire {
            wire.reset_flows(run);
        }
        if let Some(captures) = &self.captures {
            captures.follow(run);
        }
        let losses = self.losses();
        *self.losses.lock().unwrap_or_else(PoisonError::into_inner) = losses;
    }

    pub(super) fn baseline(&self) -> Baseline {
        let losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        losses.clone()
    }

    /// What every wire and tunnel saw of every flow.
    pub fn flow_logs(&self) -> Vec<WireFlowLog> {
        self.wire.as_ref().map(Wire::flow_logs).unwrap_or_default()
    }

    /// How punctual the wire has been since probes were begun, where there is one.
    pub fn lateness(&self) -> Option<Lateness> {
        let lateness = self.wire.as_ref().map(Wire::lateness)?;
        (lateness.count > 0).then_some(lateness)
    }

    /// Packets the wires could not look at.
    pub fn capture_drops(&self) -> u64 {
        self.wire
            .as_ref()
            .map(|wire| wire.counters().iter().map(|link| link.ring_drops).sum())
            .unwrap_or(0)
    }

    /// A plain veth pair of the lab on which the instrument can measure itself:
    /// that of the first host behind a node.
    pub fn bare_pair(&self) -> Option<BarePair<'_>> {
        self.plan.direct.iter().find_map(|link| {
            let [a, b] = &link.ends;
            let near = self.address(&a.0, a.1.as_str())?;
            let far = self.address(&b.0, b.1.as_str())?;
            (near.is_ipv4() == far.is_ipv4()).then_some(())?;
            Some(BarePair {
                netns: [self.namespaces.get(&a.0)?, self.namespaces.get(&b.0)?],
                addresses: [near, far],
            })
        })
    }

    fn address(&self, node: &NodeName, dev: &str) -> Option<IpAddr> {
        if self.plan.vrf_of(node, dev).is_some() {
            return None;
        }
        let own = Netns::Node(node.clone());
        self.plan.ops.iter().find_map(|op| match op {
            Op::AddAddress {
                netns,
                dev: on,
                address,
            } if *netns == own && on.as_str() == dev => Some(address.addr()),
            Op::AddAddress { .. }
            | Op::AddNetns { .. }
            | Op::Sysctl { .. }
            | Op::AddVeth { .. }
            | Op::AddBridge { .. }
            | Op::AddVlan { .. }
            | Op::AddBond { .. }
            | Op::AddVrf { .. }
            | Op::SetMaster { .. }
            | Op::SetUp { .. }
            | Op::SetDown { .. }
            | Op::ClampMss { .. }
            | Op::CapTunnel { .. }
            | Op::AddRule { .. }
            | Op::AddRoute { .. } => None,
        })
    }
}

/// Starts what captures the wire, where something is to be captured and there is one.
fn capture(
    about: About,
    wire: Option<&Wire>,
    run_dir: &RunDir,
) -> anyhow::Result<Option<Captures>> {
    let Some(wire) = wire else {
        return Ok(None);
    };
    let started = Captures::start(about, run_dir).context("starting the captures")?;
    let Some((captures, recorder)) = started else {
        return Ok(None);
    };
    wire.capture(recorder)?;
    Ok(Some(captures))
}

/// Every node with interfaces of interest, and what is behind each interface.
fn watch(plan: &Plan, namespaces: &Namespaces, sink: &EventSink) -> anyhow::Result<Watcher> {
    let interest: Vec<IpAddr> = plan
        .flows
        .iter()
        .flat_map(|flow| {
            let service = flow.service.iter().filter(|service| service.towards);
            let endpoints = service.flat_map(|service| &service.endpoints);
            endpoints.map(|end| end.address).chain([flow.destination])
        })
        .collect();
    let nodes = plan
        .nodes
        .iter()
        .filter(|node| node.behind.is_none())
        .filter_map(|node| {
            let netns = namespaces.get(&node.name)?;
            Some(netns.try_clone().map(|netns| NodeWatch {
                node: node.name.clone(),
                netns,
                links: plan.interfaces_of(&node.name),
                tables: plan.table_names(&node.name),
                buffer: RECEIVE_BUFFER,
            }))
        })
        .collect::<std::io::Result<Vec<_>>>()?;
    Watcher::spawn(nodes, &interest, sink.clone())
}

/// Whether a step drops an exact number of packets.
fn drops_numbers(plan: &Plan) -> bool {
    plan.scenario.iter().any(|step| {
        matches!(
            step,
            StepKind::Fault {
                fault: Fault::DropNumbered { .. },
                ..
            }
        )
    })
}

/// Where a tunnel's inside can be seen: at its first end.
fn taps(plan: &Plan, namespaces: &Namespaces) -> anyhow::Result<Vec<TapConfig>> {
    plan.tunnels
        .iter()
        .map(|tunnel| {
            let [near, far] = &tunnel.ends;
            let netns = namespaces
                .get(&near.node)
                .with_context(|| format!("tunnel {} begins nowhere", tunnel.tunnel))?;
            Ok(TapConfig {
                name: tunnel.tunnel.to_string(),
                node: near.node.clone(),
                peer: far.node.clone(),
                interface: near.interface.clone(),
                netns: netns.try_clone()?,
            })
        })
        .collect()
}
