//! Which way a flow went before a transition and which way it ended up going.

use super::{
    flow::{Fate, FlowView},
    result::Hop,
    window::{Window, baseline},
};
use crate::results::event::MonoNs;

/// How many of the last delivered packets say which path was taken, before a transition
/// and at its end.
const LAST: usize = 20;

/// The two paths of one flow in one transition, and when it passed from one to the other.
pub(super) struct Ways {
    /// Index of the path before, among the flow's paths.
    pub(super) before_path: Option<usize>,
    /// Index of the path afterwards; `None` when nothing was delivered after the last loss.
    pub(super) after_path: Option<usize>,
    pub(super) before: Vec<Hop>,
    pub(super) after: Vec<Hop>,
    /// Send time of the first packet that the path afterwards delivered after the last loss;
    /// `None` without loss.
    pub(super) recovered: Option<MonoNs>,
    /// Send time of the packet from which on everything delivered took the new path.
    pub(super) switched: Option<MonoNs>,
    /// Send time of the first packet delivered by the new path.
    pub(super) first_on_new: Option<MonoNs>,
    /// Arrival TTL before and after, when it changed although the path did not.
    pub(super) ttl_changed: Option<(u8, u8)>,
}

impl Ways {
    /// `seqs` are the transition's packets, `last_lost` the last lost of them.
    pub(super) fn find(
        view: &FlowView<'_>,
        window: &Window,
        seqs: &[u32],
        last_lost: Option<u32>,
    ) -> Self {
        let earlier = baseline(view, window.before);
        let delivered: Vec<u32> = seqs
            .iter()
            .copied()
            .filter(|&s| view.is_delivered(s))
            .collect();
        let tail: Vec<u32> = delivered
            .iter()
            .copied()
            .filter(|&s| last_lost.is_none_or(|lost| s > lost))
            .collect();
        let latest = tail
            .get(tail.len().saturating_sub(LAST)..)
            .unwrap_or_default();
        let before_path = view.majority_path(&latest_before(view, &earlier, seqs));
        let after_path = view.majority_path(latest);
        let on_new = |&&s: &&u32| view.path_of(s) == after_path;
        let send = |seq: &u32| view.sent_at(*seq);
        let recovered = last_lost.and_then(|_| tail.iter().find(on_new).and_then(send));
        let (mut switched, mut first_on_new, mut ttl_changed) = (None, None, None);
        match (before_path, after_path) {
            (Some(before), Some(after)) if before != after => {
                switched = delivered
                    .iter()
                    .rev()
                    .take_while(on_new)
                    .last()
                    .and_then(send);
                first_on_new = delivered.iter().find(on_new).and_then(send);
            }
            (Some(_), Some(_)) => {
                ttl_changed = view
                    .majority_ttl(&earlier)
                    .zip(view.majority_ttl(latest))
                    .filter(|(before, after)| before != after);
            }
            _ => {}
        }
        let hops = |path: Option<usize>| {
            path.and_then(|p| view.paths.get(p))
                .cloned()
                .unwrap_or_default()
        };
        Self {
            before: hops(before_path),
            after: hops(after_path),
            before_path,
            after_path,
            recovered,
            switched,
            first_on_new,
            ttl_changed,
        }
    }

    /// The path afterwards is known and another one.
    pub(super) fn changed(&self) -> bool {
        self.switched.is_some()
    }

    /// When the flow had got to where it ended: after the loss, or without loss at the switch.
    pub(super) fn settled(&self) -> Option<MonoNs> {
        self.recovered.or(self.switched)
    }
}

/// Those of `earlier` (newest first) that say which path was taken last: after a
/// change shortly before, most of them still tell of the path before that.
fn latest_before(view: &FlowView<'_>, earlier: &[u32], seqs: &[u32]) -> Vec<u32> {
    let latest = earlier.get(..LAST.min(earlier.len())).unwrap_or_default();
    let (Some(&oldest), Some(&first)) = (latest.last(), seqs.first()) else {
        return latest.to_vec();
    };
    // Loss of the transition before ends what was so until then.
    let mut between = (oldest..first).rev();
    let lost = between.find(|&seq| view.fate(seq) == Some(Fate::Lost));
    let since = |seq: &u32| lost.is_none_or(|lost| *seq > lost);
    let fresh: Vec<u32> = latest.iter().copied().filter(since).collect();
    if fresh.is_empty() {
        latest.to_vec()
    } else {
        fresh
    }
}
