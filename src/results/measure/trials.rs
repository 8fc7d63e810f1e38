//! Many runs of one scenario as distributions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{input::Transition, result::RunResult, stats};

/// Resamples behind each confidence interval.
const ROUNDS: usize = 2000;

/// One flow's outage in one transition, over all trusted trials.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// The probe.
    pub probe: String,
    /// Sender.
    pub from: String,
    /// Receiver.
    pub to: String,
    /// The step's label.
    pub label: String,
    /// Fault or restore.
    pub transition: Transition,
    /// Trials measured and trusted.
    pub trials: usize,
    /// Trials left out: untrusted or not recovered.
    pub left_out: usize,
    /// Outages of all trials in order, milliseconds: outliers stay visible.
    pub durations_ms: Vec<f64>,
    /// Smallest.
    pub min_ms: f64,
    /// Median.
    pub median_ms: f64,
    /// Bootstrap 95 % interval of the median; absent for a single trial.
    pub median_ci95_ms: Option<(f64, f64)>,
    /// 95th percentile.
    pub p95_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// Largest.
    pub max_ms: f64,
}

/// Folds trials into distributions, ordered by label, transition, probe and direction. Only
/// trusted and recovered outages count; the others are counted apart. The seed makes the
/// intervals repeatable.
pub fn distributions(trials: &[RunResult], seed: u64) -> Vec<Distribution> {
    let mut groups: BTreeMap<_, (Vec<f64>, usize)> = BTreeMap::new();
    for outage in trials.iter().flat_map(|t| &t.outages) {
        let key = (
            outage.label.as_str(),
            outage.transition,
            outage.probe.as_str(),
            outage.from.as_str(),
            outage.to.as_str(),
        );
        let (durations, left_out) = groups.entry(key).or_default();
        if outage.trusted && outage.recovered {
            durations.push(outage.duration_ms);
        } else {
            *left_out += 1;
        }
    }
    let groups = groups.into_iter();
    groups
        .filter_map(
            |((label, transition, probe, from, to), (durations_ms, left_out))| {
                let sorted = stats::sorted(durations_ms.clone());
                let at = |q| stats::quantile(&sorted, q);
                Some(Distribution {
                    probe: probe.to_owned(),
                    from: from.to_owned(),
                    to: to.to_owned(),
                    label: label.to_owned(),
                    transition,
                    trials: sorted.len(),
                    left_out,
                    min_ms: at(0.0)?,
                    median_ms: at(0.5)?,
                    median_ci95_ms: stats::bootstrap(&sorted, 0.5, 0.95, ROUNDS, seed),
                    p95_ms: at(0.95)?,
                    p99_ms: at(0.99)?,
                    max_ms: at(1.0)?,
                    durations_ms,
                })
            },
        )
        .collect()
}
