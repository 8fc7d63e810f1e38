//! From everything a run left behind to its result.

use std::collections::BTreeMap;

use super::{
    account::{self, Accounts, Situation},
    alerts, calibration, caps, causes, expect,
    flow::{Fate, FlowView},
    further,
    input::{RunInput, Transition},
    load, load_expect,
    load_path::Paths,
    outage::{self, Scene, Told},
    quality::{self, Warnings},
    result::{
        Build, Converged, FlowResult, Hop, Instrument, LinkResult, Outage, RESULT_FORMAT,
        RunResult, Steady, Taken, TransitionResult, Unmeasured, WaitMissed, Warning,
    },
    rfc,
    topology::Map,
    versions,
    window::{self, Window},
};
use crate::results::event::{Event, EventKind, FlowLog, MonoNs};

/// Before and without any fault.
const NOWHERE: Situation<'static> = Situation {
    window: None,
    paths: [&[], &[]],
};

/// Measures one run.
pub fn measure(input: &RunInput) -> RunResult {
    let input = &*caps::booked(input);
    let mut events = input.events.clone();
    events.sort_by_key(|e| e.at);
    let map = Map::new(&input.topology);
    let windows = window::windows(&events, end_of_run(&events, input));
    let scene = Scene {
        map: &map,
        events: &events,
        windows: &windows,
    };
    let mut warnings = Warnings::default();
    warnings.loaded = !input.load.is_empty();
    quality::of_run(input, &scene, &mut warnings);
    let mut result = from_events(&input.lab, &scene);
    losses(input, &mut result.links);
    calibration::warn((result.instrument.as_ref(), &result.links), &mut warnings);
    let mut told: Vec<(usize, Told)> = Vec::new();
    let is_measured = |log: &&FlowLog| !input.isolated.contains_key(&log.probe);
    let mut probes = input.flows.iter().filter(is_measured).map(|log| &log.probe);
    let first = probes.next();
    let several = probes.any(|probe| Some(probe) != first);
    let counted = account::counted(input, &map);
    for log in input.flows.iter().filter(is_measured) {
        let view = FlowView::new(log, &input.wires, &map);
        let owners = window::owners(&view, &windows);
        let account = Accounts::new(&map, &events, &view, &counted);
        let mut node_dropped = 0;
        let mut unaccounted = 0;
        for (index, window) in windows.iter().enumerate() {
            let one = outage::tell(&scene, &view, &account, &owners, (index, window));
            let awaited = !expect::is_to_stay_away(&input.expectations, &one.outage);
            quality::of_outage(&view, window, &one, (several, awaited, &mut warnings));
            node_dropped += one.outage.node_dropped;
            unaccounted += one.unaccounted;
            told.push((index, one));
        }
        let early = early_lost(&view, &owners);
        let before = account.split(&view, &NOWHERE, &early);
        let flow = flow_result(
            &view,
            node_dropped + before.by_node,
            unaccounted + before.by_nobody,
        );
        quality::of_flow(&flow, several, &mut warnings);
        result.steady.push(steady(&view, &owners, &scene));
        result.flows.push(flow);
    }
    told.sort_by_key(|(index, one)| (*index, one.outage.flow));
    result.alerts = alerts::find(&scene, &told);
    result.outages = told.into_iter().map(|(_, one)| one.outage).collect();
    result.inputs = rfc::inputs(input, &result.flows, scene.events);
    let outages = result.outages.chunks(result.flows.len().max(1));
    for (transition, outages) in result.transitions.iter_mut().zip(outages) {
        transition.benchmarks = rfc::benchmarks(transition, outages, &result.flows);
    }
    under_load(input, &scene, &mut result, &mut warnings);
    calibration::coarse(&input.expectations, &result.outages, &mut warnings);
    result.warnings = warnings.finish();
    let ended = ended(input, &scene, &counted);
    judge(input, (&map, &ended), &mut result);
    result.causes = causes::find(input, &scene, &result);
    result
}

/// Where flows ended that must not arrive, as far as nodes tell.
fn ended(input: &RunInput, scene: &Scene<'_>, counted: &account::Counted) -> BTreeMap<u16, String> {
    let isolated = input.flows.iter();
    let isolated = isolated.filter(|log| input.isolated.contains_key(&log.probe));
    let of = |log: &FlowLog| {
        let view = FlowView::new(log, &input.wires, scene.map);
        let lost = view
            .seqs()
            .filter(|seq| view.fate(*seq) == Some(Fate::Lost));
        let account = Accounts::new(scene.map, scene.events, &view, counted);
        let split = account.split(&view, &NOWHERE, &lost.collect::<Vec<_>>());
        Some((log.id, split.mostly()?))
    };
    isolated.filter_map(of).collect()
}

/// Background load, by the ways of probes between the same hosts.
fn under_load(
    input: &RunInput,
    scene: &Scene<'_>,
    result: &mut RunResult,
    warnings: &mut Warnings,
) {
    let mut ways: BTreeMap<(String, String), Vec<Vec<Hop>>> = BTreeMap::new();
    for log in &input.flows {
        let ends = [&log.from, &log.to];
        let mut loads = input.load.iter().map(|load| [&load.from, &load.to]);
        let is_between = loads.any(|[from, to]| ends == [from, to] || ends == [to, from]);
        if !is_between || input.isolated.contains_key(&log.probe) {
            continue;
        }
        let view = FlowView::new(log, &input.wires, scene.map);
        let owners = window::owners(&view, scene.windows);
        let outages = result.outages.iter().filter(|o| o.flow == log.id);
        let after = outages.map(|outage| outage.hops_after.clone());
        ways.entry((log.from.clone(), log.to.clone()))
            .or_insert_with(|| {
                let before = way_before(&view, &owners);
                std::iter::once(before).chain(after).collect()
            });
    }
    let paths = Paths::new(scene.map, &result.links, scene.windows, ways);
    result.load = load::measure(input, scene.windows, &paths);
    quality::of_load(&result.load, warnings);
}

fn judge(
    input: &RunInput,
    (map, ended): (&Map<'_>, &BTreeMap<u16, String>),
    result: &mut RunResult,
) {
    result.trusted = !result.warnings.iter().any(|w| w.untrusted);
    for outage in &mut result.outages {
        outage.trusted = !result
            .warnings
            .iter()
            .any(|w| w.untrusted && w.flow.is_none_or(|flow| flow == outage.flow));
    }
    let of_run = |w: &&Warning| w.untrusted && w.flow.is_none();
    let is_sound = !result.warnings.iter().any(|w| of_run(&w));
    for load in &mut result.load {
        load.trusted = is_sound && load.limited_by.is_none();
    }
    let of_load = input.load_expectations.iter();
    let of_load = of_load.map(|e| load_expect::judge(e, &result.load));
    let expectations = input.expectations.iter();
    result.expect = expectations
        .map(|e| expect::judge(e, (&result.steady, &result.outages, &result.alerts), map))
        .chain(of_load)
        .chain(expect::isolated(input, ended))
        .collect();
    // As the file has them, whatever they speak of.
    result.expect.sort_by_key(|e| e.line);
}

fn end_of_run(events: &[Event], input: &RunInput) -> MonoNs {
    let sends = input
        .flows
        .iter()
        .filter_map(|f| f.sent.iter().rev().find_map(|s| *s));
    let last_event = events.last().map(|e| e.at);
    last_event.into_iter().chain(sends).max().unwrap_or(0)
}

/// Everything that the journal alone says.
fn from_events(lab: &str, scene: &Scene<'_>) -> RunResult {
    let mut result = RunResult {
        format: RESULT_FORMAT,
        lab: lab.to_owned(),
        version: None,
        kernel: None,
        daemons: versions::of(scene.events),
        seed: None,
        timers_scaled: None,
        trusted: true,
        outcome: None,
        warnings: Vec::new(),
        build: None,
        instrument: None,
        inputs: None,
        links: Vec::new(),
        unmeasured: Vec::new(),
        converged: None,
        steady: Vec::new(),
        transitions: Vec::new(),
        outages: Vec::new(),
        alerts: Vec::new(),
        flows: Vec::new(),
        load: Vec::new(),
        waits_missed: Vec::new(),
        expect: Vec::new(),
        causes: Vec::new(),
    };
    let mut realtime_offset = None;
    for Event { at, kind } in scene.events {
        if let EventKind::RunStarted { realtime_ns, .. } = kind {
            realtime_offset = Some(realtime_ns.cast_signed().wrapping_sub(at.cast_signed()));
        }
        read_event(kind, &mut result);
    }
    let windows = scene.windows.iter();
    result.transitions = windows
        .map(|w| transition(scene, w, realtime_offset))
        .collect();
    result
}

fn read_event(kind: &EventKind, result: &mut RunResult) {
    match kind {
        EventKind::RunStarted {
            version,
            kernel,
            seed,
            timers_scaled,
            ..
        } => {
            result.version = Some(version.clone());
            result.kernel = Some(kernel.clone());
            result.seed = Some(*seed);
            result.timers_scaled = *timers_scaled;
        }
        EventKind::Built {
            nodes,
            links,
            tunnels,
            wire,
            wireguard,
            ms,
        } => {
            result.build = Some(Build {
                nodes: *nodes,
                links: *links,
                tunnels: *tunnels,
                wire: wire.clone(),
                wireguard: wireguard.clone(),
                ms: *ms,
            });
        }
        EventKind::Converged {
            ms,
            bgp,
            bfd,
            tunnels,
        } => {
            result.converged = Some(Converged {
                ms: *ms,
                bgp: *bgp,
                bfd: *bfd,
                tunnels: *tunnels,
            });
        }
        EventKind::WaitMissed { what, within_ms } => result.waits_missed.push(WaitMissed {
            what: what.clone(),
            within_ms: *within_ms,
        }),
        EventKind::RunFinished { outcome } => result.outcome = Some(outcome.clone()),
        _ => read_calibration(kind, result),
    }
}

fn read_calibration(kind: &EventKind, result: &mut RunResult) {
    match kind {
        EventKind::Calibrated {
            sent,
            lost,
            pacing_p99_us,
            delay_p50_us,
            delay_p99_us,
        } => {
            result.instrument = Some(Instrument {
                sent: *sent,
                lost: *lost,
                pacing_p99_ms: pacing_p99_us / 1000.0,
                delay_p50_ms: delay_p50_us / 1000.0,
                delay_p99_ms: delay_p99_us / 1000.0,
            });
        }
        EventKind::LinkMeasured {
            link,
            from,
            to,
            declared_delay_us,
            delay_p50_us,
            delay_p99_us,
            declared_rate_bps,
            rate_bps,
            rate_plus_minus_bps,
        } => result.links.push(LinkResult {
            link: link.clone(),
            from: from.clone(),
            to: to.clone(),
            declared_delay_ms: declared_delay_us / 1000.0,
            delay_p50_ms: delay_p50_us / 1000.0,
            delay_p99_ms: delay_p99_us / 1000.0,
            declared_rate_bps: *declared_rate_bps,
            rate_bps: *rate_bps,
            rate_plus_minus_bps: *rate_plus_minus_bps,
            declared_loss_percent: 0.0,
            loss_percent: None,
        }),
        EventKind::LinkUnmeasured { link, why } => result.unmeasured.push(Unmeasured {
            link: link.clone(),
            why: why.clone(),
        }),
        _ => {}
    }
}

fn transition(scene: &Scene<'_>, window: &Window, offset: Option<i64>) -> TransitionResult {
    let (bfd_up, bgp_up) = match window.transition {
        Transition::Initial => (None, None),
        Transition::Reversion => came_back(scene, window),
    };
    TransitionResult {
        label: window.label.clone(),
        fault: window.fault.clone(),
        target: window.target.clone(),
        transition: window.transition,
        convergence_event_instant_ns: window.zero(),
        realtime_ns: offset.map(|o| window.zero().cast_signed().wrapping_add(o).cast_unsigned()),
        plus_minus_ms: window.after.saturating_sub(window.before) as f64 / 2e6,
        watched_ms: window.ms(window.end),
        bfd_up_ms: bfd_up.map(|at| window.ms(at)),
        bgp_up_ms: bgp_up.map(|at| window.ms(at)),
        benchmarks: None,
    }
}

/// When the last end of any session came back in this transition, by BFD and by BGP.
fn came_back(scene: &Scene<'_>, window: &Window) -> (Option<MonoNs>, Option<MonoNs>) {
    let (mut bfd, mut bgp) = (None, None);
    let inside = |e: &&Event| (window.before..=window.end).contains(&e.at);
    for event in scene.events.iter().filter(inside) {
        match &event.kind {
            EventKind::Bfd { state, .. } if state.eq_ignore_ascii_case("up") => {
                bfd = Some(event.at);
            }
            EventKind::Session { state, .. } if state.eq_ignore_ascii_case("established") => {
                bgp = Some(event.at);
            }
            _ => {}
        }
    }
    (bfd, bgp)
}

/// The way that most of the packets took that were sent before the first fault.
fn way_before(view: &FlowView<'_>, owners: &[Option<usize>]) -> Vec<Hop> {
    let early = view
        .seqs()
        .filter(|&s| owners.get(s as usize).copied().flatten().is_none());
    let early: Vec<u32> = early.collect();
    let path = view.majority_path(&early).and_then(|p| view.paths.get(p));
    path.cloned().unwrap_or_default()
}

fn early_lost(view: &FlowView<'_>, owners: &[Option<usize>]) -> Vec<u32> {
    let early = view
        .seqs()
        .filter(|&s| owners.get(s as usize).copied().flatten().is_none());
    early
        .filter(|&s| view.fate(s) == Some(Fate::Lost))
        .collect()
}

fn steady(view: &FlowView<'_>, owners: &[Option<usize>], scene: &Scene<'_>) -> Steady {
    let map = scene.map;
    let early = view
        .seqs()
        .filter(|&s| owners.get(s as usize).copied().flatten().is_none());
    let seqs: Vec<u32> = early.collect();
    let count = |fate: Fate| seqs.iter().filter(|&&s| view.fate(s) == Some(fate)).count() as u64;
    let unsent = count(Fate::Unsent);
    let path = view.majority_path(&seqs).and_then(|p| view.paths.get(p));
    Steady {
        flow: view.log.id,
        probe: view.log.probe.clone(),
        from: view.log.from.clone(),
        to: view.log.to.clone(),
        sent: seqs.len() as u64 - unsent,
        lost: count(Fate::Lost) + count(Fate::Crowded),
        lost_declared: count(Fate::LostDeclared),
        unsent,
        path: path.and_then(|hops| map.name(hops)),
        taken: taken(view, &seqs, map),
        delay: view.delays(seqs.iter().copied()),
        carried: further::carried(&view.log.probe, &view.log.from, scene.events),
    }
}

/// Every path that delivered some of `seqs`, the one that most of them took first.
fn taken(view: &FlowView<'_>, seqs: &[u32], map: &Map<'_>) -> Vec<Taken> {
    let mut counts = vec![0; view.paths.len()];
    for &seq in seqs {
        if let Some(count) = view.path_of(seq).and_then(|path| counts.get_mut(path)) {
            *count += 1;
        }
    }
    let all = view
        .paths
        .iter()
        .zip(counts)
        .filter(|(_, count)| *count > 0);
    let mut all: Vec<Taken> = all
        .map(|(hops, delivered)| Taken {
            path: map.name(hops),
            hops: hops.clone(),
            delivered,
        })
        .collect();
    all.sort_by_key(|taken| u64::MAX - taken.delivered);
    all
}

fn flow_result(view: &FlowView<'_>, node_dropped: u64, unaccounted: u64) -> FlowResult {
    let delivered = view.seqs().filter(|&s| view.is_delivered(s));
    let unsent = view.fates.iter().filter(|f| **f == Fate::Unsent).count() as u64;
    let (wire_cut, wire_loss, wire_queue) = view.wire_totals();
    let contradicted = delivered
        .clone()
        .filter(|&s| view.dropped_at_all(s))
        .count() as u64;
    FlowResult {
        flow: view.log.id,
        probe: view.log.probe.clone(),
        from: view.log.from.clone(),
        to: view.log.to.clone(),
        rate: view.log.rate,
        size: view.log.size,
        traffic_start_instant_ns: view.log.sent.iter().find_map(|s| *s),
        sent: view.fates.len() as u64 - unsent,
        received: delivered.count() as u64,
        unsent,
        wire_cut,
        wire_loss,
        wire_queue,
        node_dropped,
        unaccounted,
        contradicted,
        stray: view.stray,
    }
}

/// Whether the outage's flow lost nothing and yet moved: a result of its own.
pub fn moved_without_loss(outage: &Outage) -> bool {
    outage.lost == 0 && outage.path_changed
}

/// Loss of every measured link by the wire's own counters, beside its declaration.
fn losses(input: &RunInput, links: &mut [LinkResult]) {
    let count = |ranges: &[(u32, u32)]| -> u64 {
        ranges
            .iter()
            .map(|(first, last)| u64::from(last - first) + 1)
            .sum()
    };
    for link in links {
        let mine = input
            .wires
            .iter()
            .filter(|wire| wire.link == link.link && wire.from == link.from);
        let (offered, lost) = mine.fold((0, 0), |(offered, lost), wire| {
            let by_loss = count(&wire.loss);
            let all = count(&wire.carried) + count(&wire.cut) + by_loss + count(&wire.queue);
            (offered + all, lost + by_loss)
        });
        link.loss_percent = (offered > 0).then(|| 100.0 * lost as f64 / offered as f64);
        let declared = input.topology.links.iter().find(|l| l.name == link.link);
        if let Some(declared) = declared {
            let side = usize::from(declared.ends.first() != Some(&link.from));
            if let Some(shape) = declared.declared.get(side) {
                link.declared_loss_percent = f64::from(shape.loss.millionths()) / 1e4;
            }
        }
    }
}
