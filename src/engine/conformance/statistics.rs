//! Figures of samples.

use crate::units::{Distribution, normal_quantile};

/// The value below which the share `q` of all lies; 0 of nothing.
pub(super) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let rank = (sorted.len() as f64 * q).ceil() as usize;
    let at = rank.clamp(1, sorted.len().max(1)) - 1;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

pub(super) fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

pub(super) fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() as f64 - 1.0)).sqrt()
}

/// The largest difference between the samples' distribution and a declared one
/// (Kolmogorov and Smirnov's statistic).
pub(super) fn distance(
    sorted: &[f64],
    (mean, jitter): (f64, f64),
    distribution: Distribution,
) -> f64 {
    let count = sorted.len() as f64;
    let differences = sorted.iter().enumerate().map(|(n, value)| {
        let deviation = (value - mean) / jitter;
        let expected = match distribution {
            Distribution::Uniform => ((deviation + 1.0) / 2.0).clamp(0.0, 1.0),
            Distribution::Normal => below(deviation),
        };
        let (before, after) = (n as f64 / count, (n + 1) as f64 / count);
        (expected - before).abs().max((expected - after).abs())
    });
    differences.fold(0.0, f64::max)
}

/// The share of a standard normal distribution below `x`: the quantile's
/// inverse, by halving.
fn below(x: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        if normal_quantile(middle) < x {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// Lengths of the runs of numbers below `sent` that are not in `seen`, which ascends.
pub(super) fn gaps(seen: &[u32], sent: u32) -> Vec<u32> {
    let mut next = 0;
    let mut gaps = Vec::new();
    for &number in seen.iter().chain([&sent]) {
        if number > next {
            gaps.push(number - next);
        }
        next = next.max(number.saturating_add(1));
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_means_and_gaps() {
        let values = sorted(vec![3.0, 1.0, 2.0, 4.0]);
        assert_eq!(quantile(&values, 0.5), 2.0);
        assert_eq!(quantile(&values, 0.99), 4.0);
        assert!(quantile(&[], 0.5).is_nan());
        assert_eq!(mean(&values), 2.5);
        assert!((deviation(&values) - 1.29).abs() < 0.01);
        assert_eq!(gaps(&[0, 1, 4, 5], 8), [2, 2]);
        assert_eq!(gaps(&[], 3), [3]);
        assert_eq!(gaps(&[0, 0, 1], 2), Vec::<u32>::new());
    }

    #[test]
    fn the_distance_tells_a_bell_from_a_box() {
        let at = |n: u32| (f64::from(n) + 0.5) / 1000.0;
        let even: Vec<f64> = (0..1000)
            .map(|n| 10.0 + 2.0 * (2.0 * at(n) - 1.0))
            .collect();
        let bell: Vec<f64> = (0..1000)
            .map(|n| 10.0 + 2.0 * normal_quantile(at(n)))
            .collect();
        let parameters = (10.0, 2.0);
        assert!(distance(&even, parameters, Distribution::Uniform) < 0.002);
        assert!(distance(&bell, parameters, Distribution::Normal) < 0.002);
        assert!(distance(&even, parameters, Distribution::Normal) > 0.1);
        assert!(distance(&bell, parameters, Distribution::Uniform) > 0.1);
    }
}
