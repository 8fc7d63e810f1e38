//! Whether measured detection times are what the timers predict.
//!
//! A cut at a random instant finds the last packet some time in the past. Packets leave at
//! intervals that are jittered between three quarters and the whole of the timer (RFC 5880
//! §6.8.7), so this age has the density `(1 − F(x)) / mean` of a renewal process, where `F` is
//! the distribution of the intervals. Detection comes a multiple of the timer after that packet
//! arrived. Keepalives and hold timers differ from daemon to daemon in what they take off at
//! random: off the interval, off the timer, off neither.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    result::{Prediction, Quantiles, Spacing},
    stats,
};

/// The level at which a disagreement is called a finding.
const ALPHA: f64 = 0.001;
/// Fewer values than this say nothing about a distribution.
const FEWEST: usize = 20;
/// Jitter takes up to this share off an interval.
const JITTER: f64 = 0.25;
/// What a daemon and the clocks may add to the timers' own time, milliseconds.
const PROCESSING_MS: f64 = 3.0;

/// How measured values fit a prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Goodness {
    /// What is predicted: quantiles of the model, milliseconds.
    pub model_p5_ms: f64,
    /// The model's median.
    pub model_median_ms: f64,
    /// The model's 95th percentile.
    pub model_p95_ms: f64,
    /// How many values lie outside the model's range, 3 ms of processing allowed.
    pub outside: usize,
    /// Kolmogorov and Smirnov's statistic: the largest distance between the two distributions.
    pub ks: Option<f64>,
    /// The probability of a distance as large if the model is right.
    pub p_value: Option<f64>,
    /// Whether the values agree with the model: all in range, and p not below 0.001; absent:
    /// fewer than 20 values.
    pub agrees: Option<bool>,
}

/// The model of one timer.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Model {
    /// A packet was on its way at the instant of the cut, and the timer took its whole time: the
    /// latest detection, milliseconds.
    latest: f64,
    /// How packets and timer are spaced.
    spread: Spacing,
}

impl Model {
    fn of(predicted: &Prediction) -> Option<Self> {
        let spread = predicted.spread.or_else(|| assumed(predicted))?;
        // With a multiplier of 1 the jitter is another, and the shortest detection 0.
        let known = spread.interval_ms > 0.0 && predicted.min_ms > 0.0;
        known.then_some(Self {
            latest: predicted.max_ms,
            spread,
        })
    }

    /// From the earliest detection to the latest.
    fn width(self) -> f64 {
        self.spread.interval_ms + self.spread.timeout_jitter_ms
    }

    /// The probability of an age of at most `x`.
    fn age(self, x: f64) -> f64 {
        let whole = self.spread.interval_ms;
        let short = whole - self.spread.interval_jitter_ms;
        let mean = f64::midpoint(whole, short);
        let flat = x.clamp(0.0, short);
        let y = x.clamp(short, whole) - short;
        let bent = match y > 0.0 {
            true => y - y * y / (2.0 * (whole - short)),
            false => 0.0,
        };
        (flat + bent) / mean
    }

    /// The probability of detection after at most `t`.
    fn cdf(self, t: f64) -> f64 {
        /// Points of the timer's own jitter: the age's distribution is smooth.
        const POINTS: u32 = 64;
        let early = self.latest - t;
        let jitter = self.spread.timeout_jitter_ms;
        if jitter <= 0.0 {
            return 1.0 - self.age(early);
        }
        let at = |n: u32| self.age(early - jitter * (f64::from(n) + 0.5) / f64::from(POINTS));
        1.0 - (0..POINTS).map(at).sum::<f64>() / f64::from(POINTS)
    }

    fn quantile(self, q: f64) -> f64 {
        let (mut low, mut high) = (self.latest - self.width(), self.latest);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if self.cdf(middle) < q {
                low = middle;
            } else {
                high = middle;
            }
        }
        f64::midpoint(low, high)
    }
}

/// Of BFD everybody's intervals are jittered; of keepalives that is only what RFC 4271 §10 has.
fn assumed(predicted: &Prediction) -> Option<Spacing> {
    let interval_ms = predicted.max_ms - predicted.delay_ms - predicted.min_ms;
    matches!(predicted.by.as_str(), "bfd" | "hold").then_some(Spacing {
        interval_ms,
        interval_jitter_ms: interval_ms * JITTER,
        timeout_jitter_ms: 0.0,
    })
}

/// How detection spreads over the predicted range. Keepalives of a daemon of which nothing is
/// known are taken to be jittered as RFC 4271 §10 has it; one that does not jitter them detects a
/// fiftieth sooner at the median.
pub(super) fn quantiles(predicted: &Prediction) -> Option<Quantiles> {
    let model = Model::of(predicted)?;
    Some(Quantiles {
        p5_ms: model.quantile(0.05),
        p50_ms: model.quantile(0.5),
        p95_ms: model.quantile(0.95),
    })
}

/// The predicted distribution as a curve: so many milliseconds, and the probability of detection
/// by then. `None` where nothing is known of it but its range.
pub fn predicted_curve(predicted: &Prediction) -> Option<Vec<(f64, f64)>> {
    /// Straight lines between them are nowhere a thousandth off.
    const POINTS: u32 = 40;
    let model = Model::of(predicted)?;
    let at = |n: u32| {
        let ms = model.latest - model.width() * (1.0 - f64::from(n) / f64::from(POINTS));
        (ms, model.cdf(ms))
    };
    Some((0..=POINTS).map(at).collect())
}

/// Whether detection after so many milliseconds is within what is predicted.
pub(super) fn is_within(detected_ms: f64, predicted: &Prediction) -> bool {
    let range = (predicted.min_ms - PROCESSING_MS)..=(predicted.max_ms + PROCESSING_MS);
    range.contains(&detected_ms)
}

/// Compares detection times, milliseconds, with what is predicted of each. `None` where the
/// prediction has no distribution, or only an assumed one: how a hold timer spreads depends on the
/// daemons at both ends.
pub(super) fn goodness(detected: &[f64], predicted: &Prediction) -> Option<Goodness> {
    let known = predicted.by == "bfd" || predicted.spread.is_some();
    let model = Model::of(predicted).filter(|_| known)?;
    let sorted = stats::sorted(detected.to_vec());
    let range = (model.latest - model.width() - PROCESSING_MS)..=(model.latest + PROCESSING_MS);
    let outside = sorted.iter().filter(|t| !range.contains(t)).count();
    let enough = sorted.len() >= FEWEST;
    let ks = enough.then(|| distance(&sorted, |t| model.cdf(t)));
    let p_value = ks.map(|ks| significance(ks, sorted.len()));
    Some(Goodness {
        model_p5_ms: model.quantile(0.05),
        model_median_ms: model.quantile(0.5),
        model_p95_ms: model.quantile(0.95),
        outside,
        ks,
        p_value,
        agrees: p_value.map(|p| p >= ALPHA && outside == 0),
    })
}

/// The largest distance between the values' distribution and `cdf`.
fn distance(sorted: &[f64], cdf: impl Fn(f64) -> f64) -> f64 {
    let n = sorted.len() as f64;
    let at = |(index, &value): (usize, &f64)| {
        let (below, p) = (index as f64, cdf(value));
        (p - below / n).max((below + 1.0) / n - p)
    };
    sorted.iter().enumerate().map(at).fold(0.0, f64::max)
}

/// The probability of a larger distance among `n` values: Kolmogorov's limit with Stephens'
/// correction for small `n`.
fn significance(distance: f64, n: usize) -> f64 {
    let root = (n as f64).sqrt();
    let x = (root + 0.12 + 0.11 / root) * distance;
    if x < 0.2 {
        return 1.0;
    }
    let term = |k: i32| {
        let sign = if k % 2 == 1 { 1.0 } else { -1.0 };
        sign * (-2.0 * f64::from(k * k) * x * x).exp()
    };
    (2.0 * (1..=100).map(term).sum::<f64>()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn bfd(interval: f64, times: f64, delay_ms: f64) -> Prediction {
        Prediction {
            by: "bfd".to_owned(),
            timers: format!("{interval} ms x {times}"),
            min_ms: interval * (times - 1.0),
            max_ms: interval * times + delay_ms,
            delay_ms,
            without_bfd_ms: None,
            spread: Some(Spacing {
                interval_ms: interval,
                interval_jitter_ms: interval / 4.0,
                timeout_jitter_ms: 0.0,
            }),
            quantiles: None,
        }
    }

    /// Cuts at random instants of a stream of jittered packets.
    fn simulated(n: usize, interval: f64, seed: u64) -> Vec<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut one = || {
            // Long enough after the first packet to have forgotten it.
            let cut = interval * random.random_range(50.0..100.0);
            let mut last = 0.0;
            loop {
                let next = last + interval * random.random_range(0.75..1.0);
                if next > cut {
                    return last + 3.0 * interval + 4.0 - cut;
                }
                last = next;
            }
        };
        (0..n).map(|_| one()).collect()
    }

    #[test]
    fn the_model_has_the_published_quantiles() {
        let fits = goodness(&[], &bfd(300.0, 3.0, 0.0)).unwrap();
        let near = |a: f64, b: f64| (a - b).abs() < 2.0;
        assert!(near(fits.model_p5_ms, 644.0), "{fits:?}");
        assert!(near(fits.model_median_ms, 769.0), "{fits:?}");
        assert!(near(fits.model_p95_ms, 887.0), "{fits:?}");
        assert_eq!((fits.p_value, fits.agrees), (None, None));
    }

    #[test]
    fn the_curve_rises_from_never_to_certain() {
        let model = bfd(300.0, 3.0, 4.0);
        let curve = predicted_curve(&model).unwrap();
        assert_eq!(curve.first().map(|(ms, _)| *ms), Some(604.0));
        assert_eq!(curve.last().copied(), Some((904.0, 1.0)));
        assert!(curve.windows(2).all(|two| two[0].1 < two[1].1), "{curve:?}");
        assert!(curve[0].1.abs() < 1e-9, "{curve:?}");
        let lacp = Prediction {
            by: "lacp".to_owned(),
            spread: None,
            ..model
        };
        assert_eq!(predicted_curve(&lacp), None);
    }

    #[test]
    fn random_cuts_agree_and_locked_ones_do_not() {
        let model = bfd(300.0, 3.0, 4.0);
        for seed in 0..20 {
            let fits = goodness(&simulated(100, 300.0, seed), &model).unwrap();
            assert_eq!(fits.agrees, Some(true), "{seed}: {fits:?}");
        }
        let locked: Vec<f64> = (0..100).map(|n| 880.0 + f64::from(n) / 10.0).collect();
        let fits = goodness(&locked, &model).unwrap();
        assert_eq!((fits.agrees, fits.outside), (Some(false), 0), "{fits:?}");
    }

    #[test]
    fn what_the_timers_cannot_cause_is_counted() {
        let mut values = simulated(100, 300.0, 1);
        values[7] = 950.0;
        let fits = goodness(&values, &bfd(300.0, 3.0, 4.0)).unwrap();
        assert_eq!((fits.agrees, fits.outside), (Some(false), 1));
    }

    #[test]
    fn a_wrong_rejection_is_as_rare_as_it_should_be() {
        let model = bfd(50.0, 3.0, 4.0);
        let rejected = (0..2000).filter(|&seed| {
            let p = goodness(&simulated(40, 50.0, seed), &model).and_then(|g| g.p_value);
            p.is_some_and(|p| p < 0.05)
        });
        // 5 % of 2,000 is 100; three standard deviations are 29.
        let rejected = rejected.count();
        assert!((71..=129).contains(&rejected), "{rejected}");
    }

    #[test]
    fn other_timers_have_a_range_and_no_distribution() {
        let hold = Prediction {
            by: "hold".to_owned(),
            spread: None,
            ..bfd(30_000.0, 3.0, 0.0)
        };
        assert_eq!(goodness(&[70_000.0], &hold), None);
    }

    /// A hold timer of `hold` and keepalives every third of it, with these jitters.
    fn hold(hold: f64, jitters: [f64; 2]) -> Prediction {
        let [keepalive, timer] = jitters;
        Prediction {
            by: "hold".to_owned(),
            timers: "hold".to_owned(),
            min_ms: hold * (2.0 / 3.0 - timer),
            max_ms: hold,
            delay_ms: 0.0,
            without_bfd_ms: None,
            spread: Some(Spacing {
                interval_ms: hold / 3.0,
                interval_jitter_ms: hold / 3.0 * keepalive,
                timeout_jitter_ms: hold * timer,
            }),
            quantiles: None,
        }
    }

    fn expired(n: usize, time: f64, [keepalive, timer]: [f64; 2], seed: u64) -> Vec<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut one = || {
            let cut = time * random.random_range(50.0..100.0);
            let (mut last, mut next) = (0.0, 0.0);
            while next <= cut {
                last = next;
                next += time / 3.0 * (1.0 - random.random_range(0.0..=keepalive));
            }
            last + time * (1.0 - random.random_range(0.0..=timer)) - cut
        };
        (0..n).map(|_| one()).collect()
    }

    /// Each way of timing agrees with its own model, and is told from the others by 400 trials.
    #[test]
    fn hold_timers_are_told_apart_by_what_they_jitter() {
        let ways = [[0.25, 0.0], [0.0, 0.0], [0.25, 0.25]];
        for (seed, way) in (0..).zip(ways) {
            let values = expired(400, 3_000.0, way, seed);
            for model in ways {
                let fits = goodness(&values, &hold(3_000.0, model)).unwrap();
                // 0.75 to 1 and no jitter at all differ by some fiftieths: not by this many trials.
                let apart = (way[1] > 0.0) != (model[1] > 0.0);
                if way == model || apart {
                    assert_eq!(
                        fits.agrees,
                        Some(way == model),
                        "{way:?} {model:?} {fits:?}"
                    );
                }
            }
        }
    }
}
