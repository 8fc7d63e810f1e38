//! An outage as the sum of its phases.

use super::{
    input::Transition,
    result::{Outage, Parts, Phases},
    stats,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The sum of the phases and the outage may differ by this much at the median, milliseconds.
const MEDIAN_MS: f64 = 1.0;
/// The same of 99 in 100 trials.
const P99_MS: f64 = 3.0;

/// The parts of an outage that was seen to be noticed and to end. `first_loss_ms` is the send time
/// of its first lost packet; `ripple_ms` how long a packet takes from the sender to the pivot, by
/// which recovery seen from the sender comes before the pivot's.
///
/// Each part is what the phase's instant adds to the one before, and none is negative: where
/// observers disagree about the order, the sum is more than the outage, and shows it.
pub(super) fn of(phases: &Phases, first_loss_ms: f64, ripple_ms: f64) -> Option<Parts> {
    let detected = phases.detected?;
    let recovered = phases.recovered? + ripple_ms;
    let mut reached = 0.0;
    let mut part = |at: f64| {
        let length = f64::max(at - reached, 0.0);
        reached = at;
        length
    };
    let in_flight_ms = -first_loss_ms - ripple_ms;
    let detection_ms = part(detected);
    let news_ms = phases.updated.map(&mut part);
    let fib_ms = phases.fib.map(&mut part);
    let first_packet_ms = part(recovered);
    let between = news_ms.unwrap_or(0.0) + fib_ms.unwrap_or(0.0);
    Some(Parts {
        in_flight_ms,
        detection_ms,
        news_ms,
        fib_ms,
        first_packet_ms,
        sum_ms: in_flight_ms + detection_ms + between + first_packet_ms,
    })
}

/// The phases of many trials: what each takes, and whether they add up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseSums {
    /// Trials whose phases were seen.
    pub trials: usize,
    /// Trials with an outage of which it was not seen who noticed.
    pub unseen: usize,
    /// Median time until some node noticed, milliseconds.
    pub detection_ms: f64,
    /// Median time from there until the news had reached the pivot; absent: the pivot noticed itself.
    pub news_ms: Option<f64>,
    /// Median time from there until the pivot's table had changed, where that was seen.
    pub fib_ms: Option<f64>,
    /// Median time from there until a packet went through.
    pub first_packet_ms: f64,
    /// Median of the difference between the sum of the phases and the outage, its sign apart.
    pub difference_median_ms: f64,
    /// Its 99th percentile.
    pub difference_p99_ms: f64,
    /// Whether these are at most 1 and 3 ms.
    pub add_up: bool,
}

/// Folds the outages of one flow after one fault; `None`: no phases were seen of any.
pub(super) fn sums(outages: &[&Outage]) -> Option<PhaseSums> {
    let hit = outages
        .iter()
        .filter(|o| o.transition == Transition::Initial && o.lost > 0);
    let (seen, unseen): (Vec<&Outage>, Vec<&Outage>) = hit.partition(|o| o.parts.is_some());
    let median = |part: fn(&Parts) -> Option<f64>| {
        let all = seen.iter().filter_map(|o| part(o.parts.as_ref()?));
        stats::quantile(&stats::sorted(all.collect()), 0.5)
    };
    let apart = seen.iter().filter_map(|o| {
        let parts = o.parts.as_ref()?;
        Some((parts.sum_ms - o.duration_ms).abs())
    });
    let apart = stats::sorted(apart.collect());
    let (half, p99) = (
        stats::quantile(&apart, 0.5)?,
        stats::quantile(&apart, 0.99)?,
    );
    Some(PhaseSums {
        trials: seen.len(),
        unseen: unseen.len(),
        detection_ms: median(|p| Some(p.detection_ms))?,
        news_ms: median(|p| p.news_ms),
        fib_ms: median(|p| p.fib_ms),
        first_packet_ms: median(|p| Some(p.first_packet_ms))?,
        difference_median_ms: half,
        difference_p99_ms: p99,
        add_up: half <= MEDIAN_MS && p99 <= P99_MS,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phases(seen: [Option<f64>; 4]) -> Phases {
        let [detected, updated, fib, recovered] = seen;
        Phases {
            detected,
            updated,
            fib,
            recovered,
        }
    }

    #[test]
    fn the_parts_of_an_orderly_failover_add_up_to_the_outage() {
        // Lost from 1 ms before the cut on; the pivot is 1 ms behind the sender.
        let seen = phases([Some(740.0), Some(741.5), Some(742.0), Some(741.2)]);
        let parts = of(&seen, -1.0, 1.0).unwrap();
        assert!((parts.sum_ms - 742.2).abs() < 1e-9, "{parts:?}");
        assert_eq!((parts.news_ms, parts.fib_ms), (Some(1.5), Some(0.5)));
        assert!((parts.first_packet_ms - 0.2).abs() < 1e-9, "{parts:?}");
    }

    #[test]
    fn what_was_not_seen_is_in_the_next_part() {
        let parts = of(&phases([Some(740.0), None, None, Some(742.0)]), 0.5, 0.0).unwrap();
        assert_eq!((parts.news_ms, parts.fib_ms), (None, None));
        assert_eq!((parts.first_packet_ms, parts.sum_ms), (2.0, 741.5));
        assert_eq!(of(&phases([None, None, None, Some(7.0)]), 0.0, 0.0), None);
        assert_eq!(of(&phases([Some(7.0), None, None, None]), 0.0, 0.0), None);
    }

    #[test]
    fn disorder_makes_the_sum_longer_than_the_outage() {
        let seen = phases([Some(740.0), None, Some(746.0), Some(741.0)]);
        assert_eq!(of(&seen, 0.0, 0.0).unwrap().sum_ms, 746.0);
    }
}
