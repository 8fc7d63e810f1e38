//! One flow through one transition: loss, paths, delays, order.

use super::{
    account::{Accounts, Situation},
    bar,
    flow::{Fate, FlowView},
    goodness, parts,
    phases::{self, Story},
    residue,
    result::{DelayStats, LossPeriod, Outage},
    rfc, settling,
    topology::Map,
    ways::Ways,
    window::Window,
};
use crate::results::event::Event;

/// How far back delays before an event are looked at.
const DELAY_WINDOW_NS: u64 = 2_000_000_000;

/// What all outages of a run are told from.
pub(super) struct Scene<'a> {
    pub(super) map: &'a Map<'a>,
    /// In time order.
    pub(super) events: &'a [Event],
    pub(super) windows: &'a [Window],
}

/// An outage together with what quality checks need.
pub(super) struct Told {
    pub(super) outage: Outage,
    /// Lost packets nobody accounts for.
    pub(super) unaccounted: u64,
    /// The time between the first loss of the last period and the next delivery differs from the
    /// loss count by this much, milliseconds.
    pub(super) mismatch_ms: f64,
    /// Phases are this far out of order, milliseconds.
    pub(super) disorder_ms: f64,
    /// TTL before and after, when it changed although the path did not.
    pub(super) ttl_changed: Option<(u8, u8)>,
}

/// Measures the flow in window `index`; `owners` as [`super::window::owners`] gives them.
pub(super) fn tell(
    scene: &Scene<'_>,
    view: &FlowView<'_>,
    account: &Accounts<'_>,
    owners: &[Option<usize>],
    (index, window): (usize, &Window),
) -> Told {
    let mine = |seq: u32| owners.get(seq as usize).copied().flatten() == Some(index);
    let seqs: Vec<u32> = view.seqs().filter(|&s| mine(s)).collect();
    let with = |fate: Fate| -> Vec<u32> {
        seqs.iter()
            .copied()
            .filter(|&s| view.fate(s) == Some(fate))
            .collect()
    };
    let lost = with(Fate::Lost);
    let crowded = with(Fate::Crowded).len() as u64;
    let ways = Ways::find(view, window, &seqs, lost.last().copied());
    let story = phases::tell(scene, view, window, &ways);
    let periods = loss_periods(view, window, &seqs);
    let situation = Situation {
        window: Some(window),
        paths: [&ways.before, &ways.after],
    };
    let split = account.split(view, &situation, &lost);
    let dropped: Vec<u32> = seqs
        .iter()
        .copied()
        .filter(|&s| view.dropped_by_wire(s))
        .collect();
    let contradicted = dropped.iter().any(|&s| view.is_delivered(s));
    let mismatch_ms = mismatch_ms(view, &seqs, &periods);
    let disorder_ms = story.disorder_ms;
    let parts = periods
        .first()
        .and_then(|first| parts::of(&story.phases, first.start_ms, story.ripple_ms));
    let ttl_changed = ways.ttl_changed;
    let unsent = with(Fate::Unsent).len() as u64;
    let mut outage = assemble(view, window, ways, story, &seqs, lost.len() as u64);
    outage.parts = parts;
    if let Some(parts) = &parts {
        outage.detection_share =
            Some(parts.detection_ms / parts.since_fault_ms().max(f64::EPSILON));
    }
    outage.unexplained = residue::of(scene, window, &outage);
    outage.resolution_ms = bar::of(view, &seqs, &periods);
    outage.unsent = unsent;
    outage.lost += crowded;
    outage.queue_dropped = crowded;
    outage.recovered &= crowded == 0 || !outage.hops_after.is_empty();
    outage.at_end = settling::at_end(view, window, &seqs);
    outage.sent = seqs.len() as u64 - unsent;
    outage.lost_declared = with(Fate::LostDeclared).len() as u64;
    outage.loss_periods = periods;
    outage.path_before = scene.map.name(&outage.hops_before);
    outage.path_after = scene.map.name(&outage.hops_after);
    outage.reordered = view.reordered.iter().filter(|&&s| mine(s)).count() as u64;
    outage.duplicated = view.duplicates.iter().filter(|&&s| mine(s)).count() as u64;
    outage.wire_dropped = dropped.len() as u64;
    outage.wire_dropped_by = view.droppers(&dropped);
    outage.node_dropped = split.by_node;
    outage.silent_neighbours = split.neighbours;
    outage.no_way = split.no_way;
    outage.node_drops = split.drops;
    outage.wire_agrees = split.by_nobody == 0 && !contradicted;
    rfc::count(&mut outage);
    Told {
        outage,
        unaccounted: split.by_nobody,
        mismatch_ms,
        disorder_ms,
        ttl_changed,
    }
}

/// Everything that follows from the paths and the story; counts are filled in by the caller.
fn assemble(
    view: &FlowView<'_>,
    window: &Window,
    ways: Ways,
    story: Story,
    seqs: &[u32],
    lost: u64,
) -> Outage {
    let duration_ms = lost as f64 * view.gap_ms();
    let (delay_before, delay_after) = delays(view, window, &ways, seqs);
    let additive = delay_before
        .zip(delay_after)
        .map(|(b, a)| a.p50_ms - b.p50_ms);
    let shorter_ms = additive
        .filter(|_| ways.changed())
        .map_or(0.0, |a| (-a).max(0.0));
    Outage {
        probe: view.log.probe.clone(),
        flow: view.log.id,
        from: view.log.from.clone(),
        to: view.log.to.clone(),
        fault: window.fault.clone(),
        target: window.target.clone(),
        label: window.label.clone(),
        transition: window.transition,
        trusted: true,
        sent: 0,
        lost,
        lost_declared: 0,
        unsent: 0,
        duration_ms,
        resolution_ms: view.gap_ms(),
        loss_periods: Vec::new(),
        recovered: lost == 0 || ways.recovered.is_some(),
        path_before: None,
        path_after: None,
        path_changed: ways.changed(),
        path_changed_ms: ways.switched.map(|at| window.ms(at)),
        phases_ms: story.phases,
        pivot: story.pivot,
        critical_path: story.critical,
        modelled: story.modelled,
        as_predicted: story.predicted.as_ref().and_then(|predicted| {
            let detected = story.phases.detected?;
            Some(goodness::is_within(detected, predicted))
        }),
        predicted: story.predicted,
        detection_share: story.detection_share,
        parts: None,
        unexplained: None,
        dns: story.dns,
        reordered: 0,
        reordered_expected: (shorter_ms / view.gap_ms()).round() as u64,
        duplicated: 0,
        delay_before,
        delay_after,
        queue_dropped: 0,
        at_end: None,
        additive_backup_delay_ms: additive,
        wire_dropped: 0,
        wire_dropped_by: Vec::new(),
        node_dropped: 0,
        silent_neighbours: Vec::new(),
        no_way: Vec::new(),
        node_drops: Vec::new(),
        wire_agrees: false,
        rfc6412: rfc::of_flow(view, window, (&ways, seqs), duration_ms),
        hops_before: ways.before,
        hops_after: ways.after,
    }
}

fn loss_periods(view: &FlowView<'_>, window: &Window, seqs: &[u32]) -> Vec<LossPeriod> {
    let mut periods: Vec<LossPeriod> = Vec::new();
    let mut open = false;
    for &seq in seqs {
        match (view.fate(seq), view.sent_at(seq)) {
            (Some(Fate::Lost), Some(sent)) => {
                match periods.last_mut().filter(|_| open) {
                    Some(period) => {
                        period.end = seq;
                        period.lost += 1;
                    }
                    None => periods.push(LossPeriod {
                        start: seq,
                        end: seq,
                        lost: 1,
                        start_ms: window.ms(sent),
                        duration_ms: 0.0,
                    }),
                }
                open = true;
            }
            (Some(Fate::Delivered { .. }), _) => open = false,
            // A packet that was never on the way, or that declared loss took, says nothing
            // about whether the path was whole.
            _ => {}
        }
    }
    for period in &mut periods {
        period.duration_ms = period.lost as f64 * view.gap_ms();
    }
    periods
}

fn delays(
    view: &FlowView<'_>,
    window: &Window,
    ways: &Ways,
    seqs: &[u32],
) -> (Option<DelayStats>, Option<DelayStats>) {
    let from = window.before.saturating_sub(DELAY_WINDOW_NS);
    let earlier = view.seqs().filter(|&s| {
        view.sent_at(s)
            .is_some_and(|at| (from..window.before).contains(&at))
            && view.path_of(s).is_some()
            && view.path_of(s) == ways.before_path
    });
    let settled = ways.recovered.max(ways.switched).unwrap_or(window.after);
    let later = seqs.iter().copied().filter(|&s| {
        view.sent_at(s).is_some_and(|at| at >= settled)
            && view.path_of(s).is_some()
            && view.path_of(s) == ways.after_path
    });
    (view.delays(earlier), view.delays(later))
}

/// How far the senders' clock and the loss count disagree about the last loss period.
fn mismatch_ms(view: &FlowView<'_>, seqs: &[u32], periods: &[LossPeriod]) -> f64 {
    let Some(last) = periods.last() else {
        return 0.0;
    };
    let next = seqs
        .iter()
        .copied()
        .find(|&s| s > last.end && view.is_delivered(s));
    let Some((next, from, to)) =
        next.and_then(|next| Some((next, view.sent_at(last.start)?, view.sent_at(next)?)))
    else {
        return 0.0;
    };
    let counted = f64::from(next - last.start) * view.gap_ms();
    (to.saturating_sub(from) as f64 / 1e6 - counted).abs()
}
