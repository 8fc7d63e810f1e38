//! Background load over a series of trials.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    input::Transition,
    load::{LoadPhase, LoadResult},
    result::RunResult,
    stats,
};

/// One load in one phase, over all trials whose figures are the lab's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadSummary {
    /// The load's name.
    pub load: String,
    /// Sending host.
    pub from: String,
    /// Receiving host.
    pub to: String,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The step's label; `start` before the first fault.
    pub label: String,
    /// Whether it follows the fault or its restore.
    pub transition: Transition,
    /// Trials that count.
    pub trials: usize,
    /// Trials that do not: not trusted, or limited by something that is no part of the lab.
    pub left_out: usize,
    /// What arrived, bits a second.
    pub throughput_bps: LoadRange,
    /// The same in the phase's last two seconds.
    pub at_end_bps: LoadRange,
    /// Of these trials, those in which that was no steady state.
    pub at_end_unsettled: usize,
    /// That in percent of what it was before the first fault.
    pub share_of_before_percent: Option<LoadRange>,
    /// The longest time in which nothing arrived.
    pub longest_stall_ms: LoadRange,
    /// RFC 6349 §4.1 TCP Transfer Time Ratio.
    pub transfer_time_ratio: Option<LoadRange>,
    /// RFC 6349 §4.2 TCP Efficiency.
    pub tcp_efficiency_percent: Option<LoadRange>,
    /// RFC 6349 §4.3 Buffer Delay.
    pub buffer_delay_percent: Option<LoadRange>,
    /// UDP packets lost.
    pub loss_percent: Option<LoadRange>,
}

/// A figure over trials.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadRange {
    /// Smallest.
    pub min: f64,
    /// Median.
    pub median: f64,
    /// Largest.
    pub max: f64,
}

impl LoadRange {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let sorted = stats::sorted(values.collect());
        Some(Self {
            min: *sorted.first()?,
            median: stats::quantile(&sorted, 0.5)?,
            max: *sorted.last()?,
        })
    }
}

/// Folds the loads of trials, in the order of the first trial's phases.
pub(super) fn of_series(trials: &[RunResult]) -> Vec<LoadSummary> {
    let mut order = Vec::new();
    let mut groups: BTreeMap<_, Vec<(&LoadResult, &LoadPhase)>> = BTreeMap::new();
    for load in trials.iter().flat_map(|run| &run.load) {
        for phase in &load.phases {
            let key = (load.load.as_str(), phase.label.as_str(), phase.transition);
            let group = groups.entry(key).or_default();
            if group.is_empty() {
                order.push(key);
            }
            group.push((load, phase));
        }
    }
    let each = order.iter().filter_map(|key| fold(groups.get(key)?));
    each.collect()
}

fn fold(all: &[(&LoadResult, &LoadPhase)]) -> Option<LoadSummary> {
    let (first, phase) = all.first()?;
    let counted = || all.iter().filter(|(load, _)| load.trusted);
    let range = |of: fn(&LoadPhase) -> Option<f64>| {
        LoadRange::of(counted().filter_map(|(_, phase)| of(phase)))
    };
    let trials = counted().count();
    Some(LoadSummary {
        load: first.load.clone(),
        from: first.from.clone(),
        to: first.to.clone(),
        protocol: first.inputs.protocol.clone(),
        label: phase.label.clone(),
        transition: phase.transition,
        trials,
        left_out: all.len() - trials,
        throughput_bps: range(|p| Some(p.throughput_bps as f64))?,
        at_end_bps: range(|p| Some(p.at_end_bps as f64))?,
        at_end_unsettled: counted()
            .filter(|(_, phase)| phase.at_end_settling.doubt().is_some())
            .count(),
        share_of_before_percent: range(|p| p.share_of_before_percent),
        longest_stall_ms: range(|p| Some(p.longest_stall_ms))?,
        transfer_time_ratio: range(|p| p.rfc6349.as_ref()?.transfer_time_ratio),
        tcp_efficiency_percent: range(|p| p.rfc6349.as_ref()?.tcp_efficiency_percent),
        buffer_delay_percent: range(|p| p.rfc6349.as_ref()?.buffer_delay_percent),
        loss_percent: range(|p| p.udp.as_ref()?.loss_percent),
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{measure, tests::load},
        *,
    };

    #[test]
    fn a_load_over_trials_is_its_median_and_its_range() {
        let run = measure(&load::loaded());
        let trials: Vec<RunResult> = (0..5)
            .map(|n| {
                let mut run = run.clone();
                for load in &mut run.load {
                    load.trusted = n != 4;
                    for phase in &mut load.phases {
                        phase.throughput_bps = 1_000_000 * (n + 1);
                    }
                }
                run
            })
            .collect();
        let all = of_series(&trials);
        let phases: usize = run.load.iter().map(|load| load.phases.len()).sum();
        assert!(phases > 0 && all.len() == phases, "{all:?}");
        for one in &all {
            assert_eq!((one.trials, one.left_out), (4, 1), "{one:?}");
            let LoadRange { min, median, max } = one.throughput_bps;
            assert_eq!((min, median, max), (1e6, 2.5e6, 4e6));
        }
        assert_eq!(of_series(&[]), []);
        let mut doubted = trials;
        for load in doubted.iter_mut().flat_map(|run| &mut run.load) {
            load.trusted = false;
        }
        assert_eq!(of_series(&doubted), [], "nothing counts, nothing is told");
    }
}
