//! Statistics over few numbers: quantiles, and bootstrap confidence intervals.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The `q` quantile of ascending `sorted`, interpolating linearly between order statistics
/// (Hyndman and Fan's type 7). `None` when there is nothing.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = q.clamp(0.0, 1.0) * last as f64;
    let low = *sorted.get(position.floor() as usize)?;
    let high = *sorted.get(position.ceil() as usize)?;
    Some(low + (high - low) * position.fract())
}

/// Sorts by value; NaN goes last.
pub fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// Percentile bootstrap interval of the `q` quantile: `rounds` resamples with replacement, the
/// middle `confidence` of their quantiles. The same seed gives the same interval. `None` for
/// fewer than two values, of which nothing can be said.
pub fn bootstrap(
    values: &[f64],
    q: f64,
    confidence: f64,
    rounds: usize,
    seed: u64,
) -> Option<(f64, f64)> {
    if values.len() < 2 || rounds == 0 {
        return None;
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut estimates = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let resample = (0..values.len())
            .filter_map(|_| values.get(random.random_range(0..values.len())).copied())
            .collect();
        estimates.extend(quantile(&sorted(resample), q));
    }
    let estimates = sorted(estimates);
    let tail = (1.0 - confidence.clamp(0.0, 1.0)) / 2.0;
    Some((
        quantile(&estimates, tail)?,
        quantile(&estimates, 1.0 - tail)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate() {
        let values = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(quantile(&values, 0.5), Some(2.5));
        assert_eq!(quantile(&values, 0.0), Some(1.0));
        assert_eq!(quantile(&values, 1.0), Some(4.0));
        assert_eq!(quantile(&[7.0], 0.99), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn a_bootstrap_is_repeatable_and_brackets_the_estimate() {
        let values: Vec<f64> = (0..30).map(f64::from).collect();
        let interval = bootstrap(&values, 0.5, 0.95, 1000, 7).unwrap();
        assert_eq!(bootstrap(&values, 0.5, 0.95, 1000, 7), Some(interval));
        assert!(
            interval.0 < 14.5 && 14.5 < interval.1 && interval.0 > 5.0 && interval.1 < 25.0,
            "{interval:?}"
        );
        assert_eq!(bootstrap(&[1.0], 0.5, 0.95, 1000, 7), None);
        assert_eq!(
            bootstrap(&[3.0, 3.0, 3.0], 0.5, 0.95, 50, 7),
            Some((3.0, 3.0))
        );
    }
}
