//! How sure a median is, also of a series that ended because it was sure enough.
//!
//! The interval of a median is between two order statistics: how many of the values lie below the
//! median is binomial with one half, whatever their distribution (David and Nagaraja, *Order
//! Statistics*, §7.1), so what it covers is known and not approximated.
//!
//! A series with `--until` looks at its interval after numbers of trials that are known beforehand
//! and ends at the first that is narrow enough. The intervals of all looks are made to hold at once
//! (repeated confidence intervals: Jennison and Turnbull, *Group Sequential Methods*, ch. 9), each
//! with an equal part of the error, so that the one at which the series ended holds, too.

use super::trials::Terms;

/// How often an interval may miss the median.
const ALPHA: f64 = 0.05;
/// The first look of a series that ends when it is precise.
const FIRST: u32 = 10;

/// After how many trials it is looked whether a series of at most so many is precise: after 10,
/// then after half as many again, and after the last.
pub(super) fn schedule(trials: u32) -> Vec<u32> {
    let next = |&look: &u32| look.checked_add(look / 2).filter(|&next| next < trials);
    let first = (FIRST < trials).then_some(FIRST);
    let before_last = std::iter::successors(first, next);
    before_last
        .chain((trials >= FIRST).then_some(trials))
        .collect()
}

/// The level of each interval by itself with which all that are looked at hold together at 95 %.
/// One is more than there are looks: a series may also be ended from outside, between two.
pub(super) fn level(terms: Terms) -> f64 {
    match terms.until_ci {
        None => 1.0 - ALPHA,
        Some(_) => 1.0 - ALPHA / (schedule(terms.trials).len() + 1) as f64,
    }
}

/// The narrowest interval between two order statistics, the same number of values outside on
/// either side, that covers the median at `level`. `None`: not even the range does.
pub(super) fn median_interval(sorted: &[f64], level: f64) -> Option<(f64, f64)> {
    let n = sorted.len();
    let tail = (1.0 - level) / 2.0;
    // Of a long series the first terms vanish, which is as good as what they are.
    let mut term = (-(n as f64) * std::f64::consts::LN_2).max(-1e6);
    let (mut outside, mut below) = (0, 0.0);
    for k in 0..n / 2 {
        below += term.exp();
        if below > tail {
            break;
        }
        outside = k + 1;
        term += ((n - k) as f64 / (k + 1) as f64).ln();
    }
    let low = outside.checked_sub(1)?;
    Some((*sorted.get(low)?, *sorted.get(n - outside)?))
}

/// How often the range of `n` values holds the median of what they are drawn from.
pub fn range_covers(n: usize) -> f64 {
    1.0 - 2.0_f64.powi(1 - i32::try_from(n).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::{
        super::{
            goodness::predicted_curve,
            result::{Prediction, Spacing},
            stats,
        },
        *,
    };

    fn terms(trials: u32, until: Option<&str>) -> Terms {
        Terms {
            trials,
            until_ci: until.map(|share| share.parse().unwrap()),
            seed: 1,
        }
    }

    #[test]
    fn looks_are_known_beforehand_and_the_last_trial_is_one() {
        assert_eq!(schedule(9), [0; 0]);
        assert_eq!(schedule(10), [10]);
        assert_eq!(schedule(11), [10, 11]);
        assert_eq!(schedule(50), [10, 15, 22, 33, 49, 50]);
        let all = schedule(1000);
        assert_eq!((all.len(), all.last()), (13, Some(&1000)));
        assert!(schedule(u32::MAX).windows(2).all(|two| two[0] < two[1]));
    }

    #[test]
    fn an_interval_covers_what_the_binomial_distribution_says() {
        let values = |n: u32| (1..=n).map(f64::from).collect::<Vec<f64>>();
        // 2 (1/2)^5 is 6 %, 2 (1/2)^6 is 3 %.
        assert_eq!(median_interval(&values(5), 0.95), None);
        assert_eq!(median_interval(&values(6), 0.95), Some((1.0, 6.0)));
        assert_eq!(median_interval(&values(8), 0.95), Some((1.0, 8.0)));
        assert_eq!(median_interval(&values(9), 0.95), Some((2.0, 8.0)));
        // The tables of order statistics' intervals: 6 and 15 of 20, 40 and 61 of 100.
        assert_eq!(median_interval(&values(20), 0.95), Some((6.0, 15.0)));
        assert_eq!(median_interval(&values(100), 0.95), Some((40.0, 61.0)));
        let (low, high) = median_interval(&values(100_000), 0.95).unwrap();
        assert!(
            (49_690.0 - low).abs() < 2.0 && (50_311.0 - high).abs() < 2.0,
            "{low} {high}"
        );
        assert_eq!(median_interval(&[], 0.95), None);
        assert_eq!((range_covers(5), range_covers(2)), (0.9375, 0.5));
    }

    fn prediction(
        by: &str,
        [min_ms, max_ms]: [f64; 2],
        jitters: [f64; 2],
        interval: f64,
    ) -> Prediction {
        Prediction {
            by: by.to_owned(),
            timers: by.to_owned(),
            min_ms,
            max_ms,
            delay_ms: 0.0,
            without_bfd_ms: None,
            spread: Some(Spacing {
                interval_ms: interval,
                interval_jitter_ms: jitters[0],
                timeout_jitter_ms: jitters[1],
            }),
            quantiles: None,
        }
    }

    /// What a share of cuts has been detected after.
    fn at(curve: &[(f64, f64)], share: f64) -> f64 {
        let end = curve.partition_point(|(_, p)| *p < share).max(1);
        let ((x0, p0), (x1, p1)) = (curve[end - 1], curve[end]);
        x0 + (x1 - x0) * (share - p0) / (p1 - p0)
    }

    /// How often the last interval holds the median when a series ends as soon as half of it is
    /// within 5 % of the median, and after how many trials it ends on average.
    fn covered(curve: &[(f64, f64)], looks: &[u32], level: f64) -> (f64, f64) {
        const SERIES: u32 = 2_000;
        let truth = at(curve, 0.5);
        let (mut held, mut trials) = (0, 0);
        for seed in 0..SERIES {
            let mut random = ChaCha8Rng::seed_from_u64(u64::from(seed));
            let mut values = Vec::new();
            for &look in looks {
                while values.len() < look as usize {
                    values.push(at(curve, random.random_range(0.0..1.0)));
                }
                let sorted = stats::sorted(values.clone());
                let median = stats::quantile(&sorted, 0.5).unwrap();
                let Some((low, high)) = median_interval(&sorted, level) else {
                    continue;
                };
                if (high - low) / 2.0 <= 0.05 * median || Some(&look) == looks.last() {
                    held += u32::from((low..=high).contains(&truth));
                    trials += look;
                    break;
                }
            }
        }
        (
            f64::from(held) / f64::from(SERIES),
            f64::from(trials) / f64::from(SERIES),
        )
    }

    /// Of BFD 300 ms x 3 and 50 ms x 3, and of hold timers whose keepalives are jittered, whose
    /// timer is, and of which nothing is.
    #[test]
    fn the_interval_at_which_a_series_ended_holds_as_often_as_it_says() {
        let all = [
            prediction("bfd", [600.0, 904.0], [75.0, 0.0], 300.0),
            prediction("bfd", [100.0, 154.0], [12.5, 0.0], 50.0),
            prediction("hold", [60_000.0, 90_000.0], [7_500.0, 0.0], 30_000.0),
            prediction("hold", [37_500.0, 90_000.0], [7_500.0, 22_500.0], 30_000.0),
            prediction("hold", [2_000.0, 3_000.0], [0.0, 0.0], 1_000.0),
        ];
        let asked = terms(1000, Some("5%"));
        for predicted in all {
            let curve = predicted_curve(&predicted).unwrap();
            let (share, trials) = covered(&curve, &schedule(1000), level(asked));
            assert!(share >= 0.94, "{predicted:?}: {share} after {trials}");
            assert!(trials < 400.0, "{predicted:?}: {share} after {trials}");
        }
    }

    /// What the schedule is for: who looks after every trial, at 95 %, and ends when he likes what
    /// he sees, is wrong more often.
    #[test]
    fn looking_after_every_trial_would_be_wrong_more_often() {
        let curve = predicted_curve(&prediction("bfd", [600.0, 904.0], [75.0, 0.0], 300.0));
        let each: Vec<u32> = (6..=200).collect();
        let (share, _) = covered(&curve.unwrap(), &each, level(terms(200, None)));
        assert!(share < 0.93, "{share}");
    }
}
