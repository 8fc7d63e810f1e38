//! Windows of silence on a wire between two nodes, and what is reported of each.

use std::{
    collections::BTreeMap, sync::mpsc::Receiver, thread::available_parallelism, time::Duration,
};

use anyhow::bail;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    load::Busy,
    report::{Cell, Load, Measured, Report},
    slice,
};
use crate::{
    engine::{
        conformance::{LINK, Pair, Side},
        probe::{ProbeConfig, Probes},
        scenario,
        sink::EventSink,
        wire::WireChoice,
    },
    lab::{model::Shape, plan::FlowPlan},
    os::{clock, host, netns::NetnsFd, pressure::Ticks, sched},
    results::{
        event::{Event, EventKind, FlowLog, MonoNs, WireFlowLog},
        measure::{
            DeclaredShape, FlowAddresses, LinkInput, Outage, Quality, RunInput, Topology, measure,
        },
    },
    units::{LinkName, NodeName, PROBE_PORT_BASE, ProbeName, Span},
};

/// What to measure.
#[derive(Debug, Clone)]
pub struct Options {
    /// The windows, in the order in which they come.
    pub windows: Vec<Duration>,
    /// Probes a second, each way.
    pub rates: Vec<u32>,
    /// What else the processors have to do.
    pub loads: Vec<Load>,
    /// Windows of each length at each rate under each load.
    pub trials: u32,
    /// Of the windows' instants.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            windows: [500, 2_000, 5_000, 20_000, 100_000, 1_000_000]
                .map(Duration::from_micros)
                .to_vec(),
            rates: vec![1_000, 10_000, 50_000],
            loads: vec![Load::Idle, Load::Busy],
            trials: 14,
            seed: 20_261_122,
        }
    }
}

const MS: u64 = 1_000_000;
/// Traffic that is looked at before and behind each window.
const MARGIN: u64 = 50 * MS;
/// Between the order and its window: an ordinary thread gives it, perhaps on a busy host.
const LEAD: u64 = 20 * MS;
/// A window begins at random within so long a time: longer than any gap between probes.
const PHASE: u64 = 5 * MS;
/// Bytes of each packet.
const SIZE: u16 = 200;
const DELAY: Span = Span::from_millis(0);
const DRAIN: Duration = Duration::from_millis(500);
/// Real-time priority of whoever orders the windows, below what carries them out.
const PRIORITY: u8 = 3;
/// How long the first packets may take.
const WITHIN: u64 = 10_000 * MS;

/// Measures. The calling process must be allowed to make network namespaces;
/// `progress` hears of each load and rate before its turn.
///
/// # Errors
/// The rig could not be built, or nothing passes it.
pub fn run(options: &Options, progress: &mut dyn FnMut(&str)) -> anyhow::Result<Report> {
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let mut cells = Vec::new();
    for &load in &options.loads {
        let _busy = match load {
            Load::Idle => None,
            Load::Busy => Some(Busy::start()?),
        };
        for &rate in &options.rates {
            progress(&format!("{load}, {rate} packets a second each way"));
            let rig = Rig::build(rate)?;
            let mut measured = Vec::new();
            for _ in 0..options.trials {
                measured.extend(rig.series(&options.windows, &mut random)?);
            }
            cells.extend(options.windows.iter().map(|&window| Cell {
                load,
                rate,
                window_us: window.as_micros() as u64,
                outages: {
                    let mine = measured.iter().filter(|(of, _)| *of == window);
                    mine.map(|(_, measured)| measured.clone()).collect()
                },
            }));
        }
    }
    Ok(Report {
        kernel: host::release(),
        processors: available_parallelism().map_or(1, usize::from),
        realtime: sched::may_be_realtime(),
        trials: options.trials,
        cells,
    })
}

/// Ticks that the hypervisor has taken from the processors so far; none where that is not told.
fn stolen() -> u64 {
    Ticks::now().map_or(0, |ticks| ticks.stolen)
}

/// A wire between two nodes, and the flows across it.
struct Rig {
    pair: Pair,
    link: LinkName,
    flows: [FlowPlan; 2],
    netns: BTreeMap<NodeName, NetnsFd>,
}

/// A window of the wire, on the run's clock.
#[derive(Debug, Clone, Copy)]
struct Window {
    length: Duration,
    begin: MonoNs,
    end: MonoNs,
    /// Ticks that the hypervisor took meanwhile.
    stolen: u64,
}

/// All that several windows left behind.
struct Records {
    flows: Vec<FlowLog>,
    wires: Vec<WireFlowLog>,
    warnings: Vec<Event>,
    quality: Quality,
}

impl Rig {
    fn build(rate: u32) -> anyhow::Result<Self> {
        let shape = Shape {
            delay: DELAY,
            ..Shape::default()
        };
        let pair = Pair::wired(WireChoice::Relay, [shape.clone(), shape], 1500)?;
        let mut netns = BTreeMap::new();
        for side in Side::BOTH {
            netns.insert(NodeName::new(side.word())?, pair.netns(side)?.try_clone()?);
        }
        let flow = |id: u16, from: Side| -> anyhow::Result<FlowPlan> {
            Ok(FlowPlan {
                id,
                probe: ProbeName::new("known")?,
                from: NodeName::new(from.word())?,
                to: NodeName::new(from.other().word())?,
                source: from.address(false),
                destination: from.other().address(false),
                port: PROBE_PORT_BASE + id,
                rate,
                size: SIZE,
                service: None,
                dont_fragment: false,
            })
        };
        Ok(Self {
            link: LinkName::new(LINK)?,
            flows: [flow(0, Side::A)?, flow(1, Side::B)?],
            netns,
            pair,
        })
    }

    /// One window after the other while probes flow; of each what is reported, both ways.
    fn series(
        &self,
        windows: &[Duration],
        random: &mut ChaCha8Rng,
    ) -> anyhow::Result<Vec<(Duration, Measured)>> {
        let run = random.random();
        self.pair.wire()?.reset_flows(run);
        let (sink, events) = EventSink::pair();
        let config = ProbeConfig {
            flows: &self.flows,
            run,
            netns: &self.netns,
        };
        let mut probes = Probes::start(&config, sink)?;
        self.await_first(&probes)?;
        let mut silent = Vec::new();
        // Windows have to be ordered before they begin, on a busy host too.
        let _ = sched::try_fifo(PRIORITY);
        for &length in windows {
            silent.push(self.silence(length, random.random_range(0..PHASE))?);
        }
        let _ = sched::back_to_ordinary();
        probes.stop_sending()?;
        probes.drain(DRAIN);
        let (flows, quality) = probes.finish()?;
        let wire = self.pair.wire()?;
        let records = Records {
            flows,
            wires: wire.flow_logs(),
            warnings: self.warnings(&events),
            quality: scenario::quality(&quality, Some(wire.lateness())),
        };
        let each = silent.into_iter();
        Ok(each
            .flat_map(|window| self.told(&records, window))
            .collect())
    }

    fn await_first(&self, probes: &Probes) -> anyhow::Result<()> {
        let deadline = clock::mono_ns() + WITHIN;
        let heard = |flow: &FlowPlan| probes.flow(flow.id).is_some_and(|live| live.received > 0);
        while !self.flows.iter().all(heard) {
            if clock::mono_ns() > deadline {
                bail!(
                    "no probe has passed the wire within {} s",
                    WITHIN / 1_000 / MS
                );
            }
            clock::sleep_until(clock::mono_ns() + MS);
        }
        Ok(())
    }

    /// Orders a window and lets it pass, with room before and behind it.
    fn silence(&self, length: Duration, phase: u64) -> anyhow::Result<Window> {
        loop {
            let begin = clock::mono_ns() + MARGIN + LEAD + phase;
            let end = begin + length.as_nanos() as u64;
            let before = stolen();
            self.pair
                .wire()?
                .silence_between(&self.link, [begin, end])?;
            // Ordered too late, because this thread had to wait: another one then.
            let in_time = clock::mono_ns() < begin;
            clock::sleep_until(end + MARGIN + LEAD);
            if in_time {
                return Ok(Window {
                    length,
                    begin,
                    end,
                    stolen: stolen().saturating_sub(before),
                });
            }
        }
    }

    fn warnings(&self, probes: &Receiver<Event>) -> Vec<Event> {
        let all = self.pair.events().into_iter().chain(probes.try_iter());
        all.filter(|event| matches!(event.kind, EventKind::Warning { .. }))
            .collect()
    }

    /// What a run whose only fault was this window would report, both ways.
    fn told(&self, records: &Records, window: Window) -> Vec<(Duration, Measured)> {
        let around = [window.begin - MARGIN, window.end + MARGIN];
        let mut flows = Vec::new();
        let mut wires = Vec::new();
        for log in &records.flows {
            let (first, part) = slice::of_flow(log, around);
            let count = part.sent.len() as u32;
            let mine = records.wires.iter().filter(|wire| wire.flow == log.id);
            wires.extend(mine.map(|wire| slice::of_wire(wire, first, count)));
            flows.push(part);
        }
        let mut events = records.warnings.clone();
        events.push(Event {
            at: window.begin,
            kind: EventKind::FaultApplied {
                label: "window".to_owned(),
                fault: "silent".to_owned(),
                target: LINK.to_owned(),
                links: Vec::new(),
                nodes: Vec::new(),
                before: window.begin,
                after: window.begin,
            },
        });
        let result = measure(&RunInput {
            lab: "known-outages".to_owned(),
            events,
            flows,
            wires,
            topology: self.topology(),
            node_drops: BTreeMap::new(),
            tunnel_drops: Vec::new(),
            isolated: BTreeMap::new(),
            load: Vec::new(),
            load_expectations: Vec::new(),
            expectations: Vec::new(),
            quality: records.quality.clone(),
            notes: Vec::new(),
        });
        let spoiled = result.warnings.iter().filter(|warning| warning.untrusted);
        let codes: Vec<String> = spoiled.map(|warning| warning.code.clone()).collect();
        let one = |outage: &Outage| {
            let measured = Measured {
                from: outage.from.clone(),
                true_ms: (window.end - window.begin) as f64 / 1e6,
                reported_ms: outage.duration_ms,
                bar_ms: outage.resolution_ms,
                lost: outage.lost,
                dropped: outage.wire_dropped,
                untrusted_for: match outage.trusted {
                    true => Vec::new(),
                    false => codes.clone(),
                },
                stolen: window.stolen,
            };
            (window.length, measured)
        };
        result.outages.iter().map(one).collect()
    }

    fn topology(&self) -> Topology {
        let declared = DeclaredShape {
            delay: DELAY,
            ..DeclaredShape::default()
        };
        Topology {
            links: vec![LinkInput {
                name: LINK.to_owned(),
                ends: Side::BOTH.map(|side| side.word().to_owned()),
                role: "wire".to_owned(),
                declared: [declared; 2],
            }],
            flows: self
                .flows
                .iter()
                .map(|flow| FlowAddresses {
                    flow: flow.id,
                    source: flow.source,
                    destination: flow.destination,
                })
                .collect(),
            ..Topology::default()
        }
    }
}
