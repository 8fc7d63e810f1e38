//! A histogram of nanoseconds with a relative error of at most 1/32 and a
//! fixed, small size. Pure.

const SUB_BITS: u32 = 5;
const SUB: usize = 1 << SUB_BITS;
const BUCKETS: usize = (u64::BITS - SUB_BITS + 1) as usize * SUB;

/// Counts of values, fine where they are small.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Box<[u64]>,
    total: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS].into_boxed_slice(),
            total: 0,
            max: 0,
        }
    }
}

impl Histogram {
    /// Counts one value.
    pub fn record(&mut self, value: u64) {
        if let Some(count) = self.counts.get_mut(bucket(value)) {
            *count += 1;
        }
        self.total += 1;
        self.max = self.max.max(value);
    }

    /// How many values were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The largest value, exactly.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// A value that at least `quantile` (0 to 1) of the counted values do not
    /// exceed: the upper edge of its bucket, 0 when nothing was counted.
    pub fn quantile(&self, quantile: f64) -> u64 {
        let wanted = (self.total as f64 * quantile.clamp(0.0, 1.0))
            .ceil()
            .max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper_edge(index).min(self.max);
            }
        }
        self.max
    }
}

/// Values below `SUB` have a bucket each; above, each power of two has `SUB` buckets.
fn bucket(value: u64) -> usize {
    let magnitude = u64::BITS - value.leading_zeros();
    if magnitude <= SUB_BITS {
        return value as usize;
    }
    let shift = magnitude - SUB_BITS - 1;
    let top = (value >> shift) as usize;
    (shift as usize) * SUB + top
}

fn upper_edge(index: usize) -> u64 {
    if index < 2 * SUB {
        return index as u64;
    }
    let shift = index / SUB - 1;
    let top = (index - shift * SUB) as u64;
    (top << shift) | ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_of_known_values() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.99), 0);
        for value in 1..=1000u64 {
            histogram.record(value * 1000);
        }
        assert_eq!(histogram.total(), 1000);
        assert_eq!(histogram.max(), 1_000_000);
        assert_eq!(histogram.quantile(1.0), 1_000_000);
        let p50 = histogram.quantile(0.5);
        assert!((500_000..=500_000 + 500_000 / 32).contains(&p50), "{p50}");
        let p99 = histogram.quantile(0.99);
        assert!((990_000..=1_000_000).contains(&p99), "{p99}");
    }

    proptest! {
        #[test]
        fn a_bucket_holds_its_value_within_one_thirty_second(value in any::<u64>()) {
            let edge = upper_edge(bucket(value));
            prop_assert!(edge >= value);
            prop_assert!(edge - value <= value / 32);
            prop_assert!(bucket(value) < BUCKETS);
        }

        #[test]
        fn buckets_are_in_order(a in any::<u64>(), b in any::<u64>()) {
            prop_assert_eq!(bucket(a.min(b)) <= bucket(a.max(b)), true);
        }
    }
}
