//! The ways a result may be wrong, each with advice.

use std::collections::BTreeSet;

use super::{
    flow::{Fate, FlowView},
    input::{DropCause, Quality, RunInput, Transition, TunnelDrops},
    load::LoadResult,
    outage::{Scene, Told},
    placed,
    residue::Unexplained,
    result::{FlowResult, Outage, Warning},
    window::Window,
};
use crate::{
    lab::model::KNOWN_DEFECT,
    results::event::{Event, EventKind, MonoNs},
};

/// A REALTIME clock that moved by this much against MONOTONIC spoils kernel stamps.
const CLOCK_STEP_NS: u64 = 1_000_000;
/// How far back delivery must have been whole before a fault.
const QUIET_NS: u64 = 1_000_000_000;
/// Times derived from different observations may differ by this much.
const TOLERANCE_MS: f64 = 2.0;

/// Collects warnings; the same code about the same flow is said once.
#[derive(Default)]
pub(super) struct Warnings {
    /// There was background load, which fills queues before any fault.
    pub(super) loaded: bool,
    list: Vec<Warning>,
    said: BTreeSet<(String, Option<u16>, String)>,
}

impl Warnings {
    pub(super) fn about(&mut self, flow: Option<u16>, code: &str, untrusted: bool, text: String) {
        // The engine may have warned of the same thing while it happened: its sentence stands.
        let known = flow.is_none() && self.list.iter().any(|w| w.code == code && w.flow.is_none());
        let repeats = matches!(
            code,
            "modelled"
                | "stand-in"
                | "note"
                | "known-defect"
                | "tunnel-overflow"
                | "tunnel-drops"
                | "tunnel-cap"
                | "load-limited"
                | "load-broken"
        );
        if (!known || repeats) && self.said.insert((code.to_owned(), flow, text.clone())) {
            self.list.push(Warning {
                code: code.to_owned(),
                text,
                untrusted,
                flow,
            });
        }
    }

    fn run(&mut self, code: &str, untrusted: bool, text: impl Into<String>) {
        self.about(None, code, untrusted, text.into());
    }

    /// One line for what was said of several in the same words: `dc1: …` and `vgw: …`
    /// become `dc1, vgw: …`.
    pub(super) fn finish(self) -> Vec<Warning> {
        let mut all: Vec<Warning> = Vec::new();
        for warning in self.list {
            let same = all.iter_mut().find_map(|known| {
                let alike = (&known.code, known.untrusted, known.flow)
                    == (&warning.code, warning.untrusted, None);
                let (who, what) = known.text.split_once(": ")?;
                let (more, the_same) = warning.text.split_once(": ")?;
                let joined = format!("{who}, {more}: {what}");
                let once = warning.flow.is_none() && alike && what == the_same;
                once.then_some((known, joined))
            });
            match same {
                Some((known, joined)) => known.text = joined,
                None => all.push(warning),
            }
        }
        all
    }
}

/// Warnings about the run as a whole.
pub(super) fn of_run(input: &RunInput, scene: &Scene<'_>, warnings: &mut Warnings) {
    for event in scene.events {
        if let EventKind::Warning {
            code,
            text,
            untrusted,
        } = &event.kind
        {
            let said = warnings.said.insert((code.clone(), None, text.clone()));
            if said {
                let text = match placed::is_placed(code) {
                    true => {
                        let when = placed::when(scene.events, scene.windows, (code, text));
                        format!("{text} ({when})")
                    }
                    false => text.clone(),
                };
                warnings.list.push(Warning {
                    code: code.clone(),
                    text,
                    untrusted: *untrusted,
                    flow: None,
                });
            }
        }
    }
    of_instrument(&input.quality, input, warnings);
    if !finished(scene.events) {
        warnings.run(
            "interrupted",
            true,
            "the run did not complete, so packets may have been on their way when it ended; run it again",
        );
    }
    for session in input.topology.sessions.iter().filter(|s| s.modelled) {
        warnings.run(
            "modelled",
            false,
            format!(
                "`{}` ({} to {}): a model of AWS's inside, for which AWS publishes no figure; convergence across it is this lab's, not AWS's",
                session.name, session.nodes[0], session.nodes[1]
            ),
        );
    }
    for drops in &input.tunnel_drops {
        of_tunnel(drops, warnings);
    }
    for tunnel in &input.topology.tunnels {
        if let Some(stand_in) = &tunnel.stand_in {
            warnings.run(
                "stand-in",
                false,
                format!(
                    "tunnel `{}`: {stand_in}; rekeying and dead-peer detection differ",
                    tunnel.name
                ),
            );
        }
    }
    for note in &input.notes {
        match note.strip_prefix(KNOWN_DEFECT) {
            Some(defect) => warnings.run("known-defect", false, defect),
            None => warnings.run("note", false, note.as_str()),
        }
    }
    if let Some(first) = scene.windows.first() {
        bfd_before(scene, first.before, warnings);
    }
}

/// More than this between the count and the clock is worth a word.
const MISMATCH_MS: f64 = 3.0;
fn of_instrument(quality: &Quality, input: &RunInput, warnings: &mut Warnings) {
    if !quality.realtime {
        warnings.run(
            "no-realtime",
            false,
            "probes and wires ran without realtime priority, so a busy host can delay them; run as root or raise RLIMIT_RTPRIO",
        );
    }
    of_host(quality, input, warnings);
    let rate = input.flows.iter().map(|f| f.rate).max().unwrap_or(0).max(1);
    let gap_us = 1e6 / f64::from(rate);
    if let Some(p99) = quality.pacing_p99_us.filter(|&p99| p99 > gap_us / 2.0) {
        warnings.run(
            "pacing-late",
            false,
            format!(
                "1 packet in 100 left {:.2} ms late or more, over half the {:.2} ms between packets; what that cost is in each outage's error bar; lower the probes' rate or free the host",
                p99 / 1000.0,
                gap_us / 1000.0
            ),
        );
    }
    if quality.clock_step_ns > CLOCK_STEP_NS {
        warnings.run(
            "clock-step",
            true,
            format!(
                "the wall clock was stepped by {:.1} ms during the run, which spoils the kernel's packet stamps; stop whatever sets the clock and run again",
                quality.clock_step_ns as f64 / 1e6
            ),
        );
    }
    if quality.capture_drops > 0 {
        warnings.run(
            "capture-drops",
            false,
            format!(
                "the capture of control traffic missed {} packets, so a phase may be missing or late; loss counts do not depend on it; free the host",
                quality.capture_drops
            ),
        );
    }
}

/// Frames later than this, 1 in 100, make links longer than declared by more than
/// the millisecond that probes usually resolve.
const WIRE_LATE_US: f64 = 1_000.0;
/// Daemons have no realtime priority: where something waits for a processor for
/// this share of the time, their reactions are the host's as well.
const CPU_WAITED: f64 = 0.5;

/// A hypervisor that takes this share of the processors' time is worth a word by itself; a fifth of
/// it where the host was late anyway.
const CPU_STOLEN: f64 = 0.05;

/// What a busy host does to the links and the daemons; of the probes `pacing-late` tells.
fn of_host(quality: &Quality, input: &RunInput, warnings: &mut Warnings) {
    let mut reasons = Vec::new();
    let late = quality.wire_late_p99_us.filter(|&p99| p99 > WIRE_LATE_US);
    if let Some(p99) = late {
        reasons.push(format!(
            "1 frame in 100 left its link {:.1} ms late or more",
            p99 / 1e3
        ));
    }
    let stall = quality.wire_late_max_us.zip(bfd_patience_us(input));
    let stall = stall.filter(|(latest, patience)| latest >= patience);
    if let Some((latest, patience)) = stall {
        reasons.push(format!(
            "one left {:.0} ms late, and {:.0} ms without a packet can bring BFD down, so the host may have been measured in place of the fault",
            latest / 1e3,
            patience / 1e3
        ));
    }
    if let Some(share) = quality.cpu_waited.filter(|&share| share >= CPU_WAITED) {
        reasons.push(format!(
            "for {:.0} % of the run something had to wait for a processor, and daemons may have been slower for it",
            share * 100.0
        ));
    }
    let enough = match reasons.is_empty() {
        true => CPU_STOLEN,
        false => CPU_STOLEN / 5.0,
    };
    let stolen = quality.cpu_stolen.filter(|&share| share >= enough);
    if let Some(share) = stolen {
        reasons.push(format!(
            "its hypervisor kept {:.0} % of the processors' time for others (steal), which nothing that runs here can help",
            share * 100.0
        ));
    }
    let elsewhere = match stolen {
        Some(_) => ", or take a host that shares its processors with nobody",
        None => "",
    };
    if !reasons.is_empty() {
        warnings.run(
            "host-overload",
            stall.is_some(),
            format!(
                "the host was busy: {}; stop other work, lower the probes' rate, or run as root for realtime priority{elsewhere}",
                reasons.join("; ")
            ),
        );
    }
}

/// The shortest stall of a link that can end a BFD session by itself: the packet
/// before it came an interval earlier.
fn bfd_patience_us(input: &RunInput) -> Option<f64> {
    let sessions = input.topology.sessions.iter().filter_map(|s| s.bfd);
    let ends = sessions.flat_map(|[a, b]| [(a, b), (b, a)]);
    let patience = ends.map(|(from, to)| {
        let interval = from.min_tx.max(to.min_rx).as_micros();
        interval * u64::from(from.multiplier).saturating_sub(1)
    });
    patience.min().map(|us| us as f64)
}

fn finished(events: &[Event]) -> bool {
    events.iter().rev().find_map(|e| match &e.kind {
        EventKind::RunFinished { outcome } => Some(outcome == "completed"),
        _ => None,
    }) != Some(false)
}

/// A cut before BFD is Up everywhere measures the hold timer instead.
fn bfd_before(scene: &Scene<'_>, fault: MonoNs, warnings: &mut Warnings) {
    for session in scene
        .map
        .topology
        .sessions
        .iter()
        .filter(|s| s.bfd.is_some())
    {
        let mut states = std::collections::BTreeMap::new();
        for event in scene.events.iter().take_while(|e| e.at < fault) {
            match &event.kind {
                EventKind::Bfd {
                    session: s,
                    node,
                    state,
                    ..
                } if *s == session.name => states.insert(node, state),
                EventKind::WireBfd {
                    link,
                    vlan,
                    from,
                    state,
                    ..
                } if *link == session.over && session.may_be_tagged(*vlan) => {
                    states.insert(from, state)
                }
                _ => None,
            };
        }
        let up = !states.is_empty() && states.values().all(|s| s.eq_ignore_ascii_case("up"));
        if !up {
            warnings.run(
                "bfd-not-up",
                true,
                format!(
                    "BFD of `{}` was not seen Up before the first fault, so the hold timer may have been measured in its place; wait for BFD first",
                    session.name
                ),
            );
        }
    }
}

/// Warnings about one flow in one transition. `several`: there is more than one probe.
/// `awaited`: its traffic is to come back within the transition.
pub(super) fn of_outage(
    view: &FlowView<'_>,
    window: &Window,
    told: &Told,
    (several, awaited, warnings): (bool, bool, &mut Warnings),
) {
    let o = &told.outage;
    let probe = if several {
        format!("{}: ", o.probe)
    } else {
        String::new()
    };
    let name = format!("{probe}{} → {} after {}", o.from, o.to, title(o));
    let loaded = warnings.loaded;
    let mut warn = |code: &str, untrusted: bool, text: String| {
        warnings.about(Some(o.flow), code, untrusted, format!("{name}: {text}"));
    };
    let (lost, sent) = quiet_loss(view, window, loaded);
    if window.transition == Transition::Initial && lost > 0 {
        warn(
            "not-lossless-before",
            true,
            format!(
                "{lost} of {sent} packets were lost in the last second before the fault, so the outage is not the fault's alone; find that loss first"
            ),
        );
    }
    if awaited && !o.recovered {
        warn(
            "not-recovered",
            false,
            format!(
                "nothing was delivered after the last loss; {} lost is a lower bound; give the scenario a longer wait",
                o.lost
            ),
        );
    }
    let gone = o.lost - o.queue_dropped;
    if (1..=2).contains(&gone) {
        warn(
            "outage-below-resolution",
            false,
            format!(
                "{gone} lost is no more than the resolution of {} ms can tell; raise the probe's rate",
                (o.resolution_ms * 100.0).round() / 100.0
            ),
        );
    }
    if o.unsent > 0 {
        warn(
            "unsent",
            false,
            format!(
                "the sender's kernel refused {} packets; they are neither sent nor lost, so the outage may be longer than counted",
                o.unsent
            ),
        );
    }
    if told.disorder_ms > TOLERANCE_MS {
        warn(
            "phase-order",
            false,
            format!(
                "phases were observed {:.1} ms out of order; the host was busy, or a daemon reports late",
                told.disorder_ms
            ),
        );
    }
    if told.mismatch_ms > MISMATCH_MS {
        warn(
            "phase-outage",
            false,
            format!(
                "the last loss period and the send times around it differ by {:.1} ms; the sender did not keep its pace",
                told.mismatch_ms
            ),
        );
    }
    if let Some(unexplained) = &o.unexplained {
        warn("unexplained", false, residue_text(unexplained));
    }
    if let Some((before, after)) = told.ttl_changed {
        warn(
            "ttl-disagrees",
            false,
            format!(
                "packets arrived with TTL {after} in place of {before}, yet the wires saw one and the same path; a link no wire sees may have changed"
            ),
        );
    }
}

fn residue_text(found: &Unexplained) -> String {
    let Unexplained {
        ms,
        after,
        after_ms,
        ..
    } = found;
    let meanwhile = match found.meanwhile.as_ref().zip(found.meanwhile_ms) {
        Some((what, at)) => format!(
            "the last thing that changed on the new path meanwhile is {what}, after {at:.0} ms"
        ),
        None => "nothing that is watched changed on the new path meanwhile".to_owned(),
    };
    format!(
        "{ms:.0} ms of the outage, between {after} (after {after_ms:.0} ms) and the first packet through, are explained by no phase; {meanwhile}; look at the journal between the two, and free the host if it was busy"
    )
}

/// `cut` or `the restore of cut`.
pub(super) fn title(outage: &Outage) -> String {
    match outage.transition {
        Transition::Initial => outage.label.clone(),
        Transition::Reversion => format!("the restore of {}", outage.label),
    }
}

/// Lost and sent in the last seconds before a fault, except what was on its way to the cut and,
/// under background load, what queues had no room for: that is no outage.
fn quiet_loss(view: &FlowView<'_>, window: &Window, loaded: bool) -> (usize, usize) {
    let from = window.before.saturating_sub(QUIET_NS);
    let inside = view.seqs().filter(|&s| {
        view.sent_at(s)
            .is_some_and(|at| (from..window.before).contains(&at))
    });
    let seqs: Vec<u32> = inside.collect();
    let owners = super::window::owners(view, std::slice::from_ref(window));
    let ours = |s: &&u32| owners.get(**s as usize).copied().flatten().is_none();
    let is_lost = |s: &&u32| match view.fate(**s) {
        Some(Fate::Crowded) => !loaded,
        _ => view.is_lost(**s),
    };
    let lost = seqs.iter().filter(is_lost).filter(ours);
    (lost.count(), seqs.len())
}

/// What an end of a tunnel dropped.
fn of_tunnel(drops: &TunnelDrops, warnings: &mut Warnings) {
    let TunnelDrops {
        tunnel,
        node,
        reason,
        count,
        cause,
    } = drops;
    let said = format!("{count} packets dropped by tunnel `{tunnel}` at {node}: {reason}");
    match cause {
        DropCause::Network => {}
        DropCause::Tunnel => warnings.run("tunnel-drops", false, said),
        DropCause::Cap => warnings.run("tunnel-cap", false, said),
        DropCause::Host => {
            let advice = "its process did not get to run; free the host and run it again";
            warnings.run("tunnel-overflow", true, format!("{said}, as {advice}"));
        }
    }
}

/// Background load that was limited by something else than the lab.
pub(super) fn of_load(load: &[LoadResult], warnings: &mut Warnings) {
    for load in load {
        if let Some(why) = &load.limited_by {
            let text = format!("load {}: {why}; its figures are not the lab's", load.load);
            warnings.about(None, "load-limited", false, text);
        }
        for broken in &load.broken {
            let text = format!("load {}: a connection ended: {broken}", load.load);
            warnings.about(None, "load-broken", false, text);
        }
    }
}

/// Warnings about one flow's bookkeeping.
pub(super) fn of_flow(flow: &FlowResult, several: bool, warnings: &mut Warnings) {
    let probe = if several {
        format!("{}: ", flow.probe)
    } else {
        String::new()
    };
    let missing = flow.sent.saturating_sub(flow.received);
    let counted = flow.wire_cut + flow.wire_loss + flow.wire_queue + flow.node_dropped;
    if missing != counted || flow.unaccounted > 0 || flow.contradicted > 0 {
        warnings.about(Some(flow.flow), "wire-disagrees", true, format!(
            "{probe}{} → {}: {missing} packets did not arrive, but wires and nodes account for {counted} ({} of them in vain, {} missing unexplained); the instrument itself lost packets, so lower the rate or free the host",
            flow.from, flow.to, flow.contradicted, flow.unaccounted
        ));
    }
    if flow.stray > 0 {
        warnings.about(Some(flow.flow), "stray", false, format!(
            "{probe}{} → {}: {} arrivals carry numbers that were never sent; another run's packets, or a sender's log cut short",
            flow.from, flow.to, flow.stray
        ));
    }
}
