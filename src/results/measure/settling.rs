//! Whether a flow had settled when a transition was over.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    flow::{Fate, FlowView},
    result::{AtEnd, DelayStats},
    window::Window,
};

/// How long the end of a transition is.
const END_NS: u64 = 2_000_000_000;
/// A shorter one does not show what a flow settles to.
const SHORTEST_NS: u64 = 1_000_000_000;
/// Median delays of its halves may differ by so much, and by this share of the smaller.
const DRIFT_MS: f64 = 1.0;
const DRIFT_SHARE: f64 = 0.1;
/// Shares lost in its halves may differ by so many standard deviations: one pair in a thousand
/// differs by more though nothing has changed.
const DEVIATIONS: f64 = 3.29;

/// Whether the end of a transition is a steady state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Settling {
    /// One path, no outage, and both halves alike in loss and delay.
    Settled,
    /// The outage, or a change of path, reaches into it.
    Outage,
    /// Loss or delay were still changing: its halves differ.
    Drifting,
    /// It is shorter than a second.
    TooShort,
    /// An older version did not look.
    #[default]
    Unknown,
}

impl Settling {
    /// Why it is no steady state, for a reader; `None`: it is one, or nobody looked.
    pub fn doubt(self) -> Option<&'static str> {
        match self {
            Self::Settled | Self::Unknown => None,
            Self::Outage => Some("the outage reaches into it"),
            Self::Drifting => Some("loss or delay were still changing"),
            Self::TooShort => Some("it is shorter than a second"),
        }
    }
}

/// What the flow was like at the end of the transition.
pub(super) fn at_end(view: &FlowView<'_>, window: &Window, seqs: &[u32]) -> Option<AtEnd> {
    // The run ends after its last packet.
    let last = seqs.iter().rev().find_map(|&seq| view.sent_at(seq))?;
    let from = last.saturating_sub(END_NS).max(window.before);
    let late = |&seq: &u32| view.sent_at(seq).is_some_and(|at| at >= from);
    let late: Vec<u32> = seqs.iter().copied().filter(late).collect();
    Some(AtEnd {
        window_ms: last.saturating_sub(from) as f64 / 1e6,
        sent: late.len() as u64,
        lost: lost(view, &late),
        delay: view.delays(late.iter().copied()),
        settling: settling(view, &late, last - from),
    })
}

fn lost(view: &FlowView<'_>, seqs: &[u32]) -> u64 {
    seqs.iter().filter(|&&seq| view.is_lost(seq)).count() as u64
}

fn settling(view: &FlowView<'_>, seqs: &[u32], length_ns: u64) -> Settling {
    let is_gone = |&seq: &u32| view.fate(seq) == Some(Fate::Lost);
    let mut paths = seqs.iter().filter_map(|&seq| view.path_of(seq));
    let first = paths.next();
    if seqs.iter().any(is_gone) || paths.any(|path| Some(path) != first) {
        return Settling::Outage;
    }
    if length_ns + END_NS / 100 < SHORTEST_NS {
        return Settling::TooShort;
    }
    let (early, late) = seqs.split_at(seqs.len() / 2);
    let [a, b] = [early, late].map(|half| {
        let lost = lost(view, half);
        (
            lost as f64,
            half.len() as f64,
            view.delays(half.iter().copied()),
        )
    });
    let pooled = (a.0 + b.0) / (a.1 + b.1).max(1.0);
    let deviation = (pooled * (1.0 - pooled) * (1.0 / a.1.max(1.0) + 1.0 / b.1.max(1.0))).sqrt();
    let apart = (a.0 / a.1.max(1.0) - b.0 / b.1.max(1.0)).abs();
    match apart > DEVIATIONS * deviation || drifts(a.2, b.2) {
        true => Settling::Drifting,
        false => Settling::Settled,
    }
}

fn drifts(early: Option<DelayStats>, late: Option<DelayStats>) -> bool {
    early.zip(late).is_some_and(|(early, late)| {
        let apart = (early.p50_ms - late.p50_ms).abs();
        apart > DRIFT_MS && apart > DRIFT_SHARE * early.p50_ms.min(late.p50_ms)
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            measure,
            tests::lab::{self, Sim},
        },
        *,
    };

    /// How the end of the cut and of its restore are called, of a flow that fares like this.
    fn of(fate: impl Fn(f64) -> Sim) -> [Settling; 2] {
        let mut input = lab::run(false);
        lab::flow(&mut input, 0, fate);
        let result = measure(&input);
        let mut own = result.outages.iter().filter(|o| o.from == "app");
        [(); 2].map(|()| own.next().unwrap().at_end.unwrap().settling)
    }

    #[test]
    fn an_end_that_the_outage_reaches_into_is_no_steady_state() {
        // The restore lets traffic back 1.6 s before the end, which is 2 s long.
        let usual = of(|at| lab::forth(at, 742));
        assert_eq!(usual, [Settling::Settled, Settling::Outage]);
        let long = of(|at| lab::forth(at, 1_400));
        assert_eq!(long[0], Settling::Outage);
        assert_eq!(of(|at| lab::forth(at, 100_000))[0], Settling::Outage);
        assert!(Settling::Outage.doubt().is_some() && Settling::Settled.doubt().is_none());
    }

    #[test]
    fn a_queue_that_fills_is_drifting_and_one_that_is_full_has_settled() {
        let every = |from: f64, at: f64, nth: f64| match at >= from && at < 3_000.0 {
            true if at.rem_euclid(nth) < 1.0 => Sim::Queue,
            _ => Sim::Prod,
        };
        assert_eq!(of(|at| every(500.0, at, 10.0))[0], Settling::Settled);
        assert_eq!(of(|at| every(2_200.0, at, 10.0))[0], Settling::Drifting);
    }
}
