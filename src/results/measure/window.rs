//! Transitions in time, and which of them each packet belongs to.

use super::{
    flow::{Fate, FlowView},
    input::Transition,
};
use crate::results::event::{Event, EventKind, MonoNs};

/// How many delivered packets before an event say what was normal.
const BASELINE: usize = 100;
/// Added to the largest delay seen before a fault, at least: a packet in flight at the cut may be
/// later still. Where delays scatter by more, so much is added.
const IN_FLIGHT_SLACK_NS: u64 = 100_000;

/// One transition: from a fault or restore to the next one, or to the end of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) transition: Transition,
    pub(super) label: String,
    pub(super) fault: String,
    pub(super) target: String,
    /// Of a cut by tag, all links that fell with it; of others none, the target says it.
    pub(super) links: Vec<String>,
    /// Of a cut by tag, all nodes that died of it.
    pub(super) nodes: Vec<String>,
    pub(super) before: MonoNs,
    pub(super) after: MonoNs,
    pub(super) end: MonoNs,
}

impl Window {
    /// Middle of the bracket: zero of every `_ms` in the result.
    pub(super) fn zero(&self) -> MonoNs {
        self.before + self.after.saturating_sub(self.before) / 2
    }

    /// The names of what the fault hit.
    pub(super) fn hits(&self) -> impl Iterator<Item = &str> {
        let all = self.links.iter().chain(&self.nodes);
        std::iter::once(self.target.as_str()).chain(all.map(String::as_str))
    }

    /// Milliseconds from the event to `at`.
    pub(super) fn ms(&self, at: MonoNs) -> f64 {
        (at.cast_signed() - self.zero().cast_signed()) as f64 / 1e6
    }
}

/// The transitions of a run, from its events in time order. `end` is the end of the run.
pub(super) fn windows(events: &[Event], end: MonoNs) -> Vec<Window> {
    let mut windows: Vec<Window> = events
        .iter()
        .filter_map(|event| {
            let transition = match &event.kind {
                EventKind::FaultApplied { .. } => Transition::Initial,
                _ => Transition::Reversion,
            };
            let (EventKind::FaultApplied {
                label,
                fault,
                target,
                links,
                nodes,
                before,
                after,
            }
            | EventKind::FaultRestored {
                label,
                fault,
                target,
                links,
                nodes,
                before,
                after,
            }) = &event.kind
            else {
                return None;
            };
            Some(Window {
                transition,
                label: label.clone(),
                fault: fault.clone(),
                target: target.clone(),
                links: links.clone(),
                nodes: nodes.clone(),
                before: *before,
                after: *after,
                end,
            })
        })
        .collect();
    windows.sort_by_key(|w| w.before);
    let starts: Vec<MonoNs> = windows.iter().map(|w| w.before).collect();
    for (window, &next) in windows.iter_mut().zip(starts.iter().skip(1)) {
        window.end = next;
    }
    windows
}

/// The window of each sequence number (an index into `windows`); `None`: before the first.
///
/// A packet belongs to the transition in which it was sent. Loss that began within one one-way
/// delay before a fault is the fault's: those packets were on their way to the cut. In the same
/// way packets that were on their way when a restore let them through are the restore's.
pub(super) fn owners(view: &FlowView<'_>, windows: &[Window]) -> Vec<Option<usize>> {
    let mut owners = Vec::with_capacity(view.fates.len());
    let mut current = None;
    for seq in view.seqs() {
        if let Some(sent) = view.sent_at(seq) {
            current = windows.partition_point(|w| w.before <= sent).checked_sub(1);
        }
        owners.push(current);
    }
    for (index, window) in windows.iter().enumerate() {
        match window.transition {
            Transition::Initial => claim_in_flight(view, window, index, &mut owners),
            Transition::Reversion => claim_let_through(view, window, index, &mut owners),
        }
    }
    owners
}

fn claim_in_flight(
    view: &FlowView<'_>,
    window: &Window,
    index: usize,
    owners: &mut [Option<usize>],
) {
    let usual = baseline(view, window.before).into_iter();
    let mut delays: Vec<i64> = usual.filter_map(|seq| view.delay_ns(seq)).collect();
    delays.sort_unstable();
    let median = delays.get(delays.len() / 2).copied().unwrap_or(0);
    let reach = delays.last().map_or(0, |&slowest| {
        let scatter = slowest.saturating_sub(median).max(0).cast_unsigned();
        slowest.max(0).cast_unsigned() + scatter.max(IN_FLIGHT_SLACK_NS)
    });
    let earliest = window.before.saturating_sub(reach);
    let mut run_is_ours = false;
    let mut in_run = false;
    for seq in view.seqs() {
        let Some(sent) = view.sent_at(seq) else {
            continue;
        };
        if sent >= window.before {
            break;
        }
        match view.fate(seq) {
            Some(Fate::Lost) => {
                run_is_ours = if in_run {
                    run_is_ours
                } else {
                    sent >= earliest
                };
                in_run = true;
                if let (true, Some(owner)) = (run_is_ours, owners.get_mut(seq as usize)) {
                    *owner = Some(index);
                }
            }
            Some(Fate::Delivered { .. }) => in_run = false,
            Some(Fate::Crowded | Fate::LostDeclared | Fate::Unsent) | None => {}
        }
    }
}

/// Behind a loss, what arrived only after the restore, by the way that the loss had taken away.
fn claim_let_through(
    view: &FlowView<'_>,
    window: &Window,
    index: usize,
    owners: &mut [Option<usize>],
) {
    let earlier = |seq: &u32| view.sent_at(*seq).is_some_and(|at| at < window.before);
    let mut through = Vec::new();
    let mut lost = None;
    for seq in view.seqs().rev().filter(earlier) {
        match view.fate(seq) {
            Some(Fate::Delivered { at, .. }) if at >= window.before => through.push(seq),
            Some(Fate::Delivered { .. }) => return,
            Some(Fate::Lost) => {
                lost = Some(seq);
                break;
            }
            Some(Fate::Crowded | Fate::LostDeclared | Fate::Unsent) | None => {}
        }
    }
    let delivered = |lost: u32| (0..lost).rev().find(|&seq| view.is_delivered(seq));
    let Some(path) = lost.and_then(delivered).map(|seq| view.path_of(seq)) else {
        return;
    };
    if through.iter().any(|&seq| view.path_of(seq) != path) {
        return;
    }
    for seq in through {
        if let Some(owner) = owners.get_mut(seq as usize) {
            *owner = Some(index);
        }
    }
}

/// The last delivered packets sent before `instant`, newest first.
pub(super) fn baseline(view: &FlowView<'_>, instant: MonoNs) -> Vec<u32> {
    let seqs = view.seqs().rev();
    seqs.filter(|&s| view.sent_at(s).is_some_and(|at| at < instant) && view.is_delivered(s))
        .take(BASELINE)
        .collect()
}
