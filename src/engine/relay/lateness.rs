//! How punctual the relay is: what it measures of itself and how it makes up
//! for the part that is constant.

/// Width of a histogram bucket, nanoseconds.
const BUCKET: i64 = 2_000;
/// Earliest lateness with a bucket of its own (early releases are negative).
const FLOOR: i64 = -200_000;
/// Buckets: up to 19.8 ms; what is later counts in the last.
const BUCKETS: usize = 10_000;

/// Wake-ups after which the constant part is taken anew.
const CALIBRATE_EVERY: usize = 64;
/// More than this is load, not a constant.
const LARGEST_LEAD: u64 = 120_000;

/// A summary of how late frames were handed on since probes were last begun,
/// nanoseconds; negative is early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lateness {
    /// Releases counted: those that had to wait for their instant.
    pub count: u64,
    /// Median.
    pub p50_ns: i64,
    /// 99th percentile.
    pub p99_ns: i64,
    /// Latest of all.
    pub max_ns: i64,
    /// By how much wake-ups are currently asked for ahead of their instant.
    pub lead_ns: u64,
}

/// Measures and compensates.
#[derive(Debug)]
pub(in crate::engine) struct Punctuality {
    buckets: Vec<u64>,
    count: u64,
    max: i64,
    wakeups: Vec<u64>,
    lead: u64,
}

impl Punctuality {
    pub(in crate::engine) fn new() -> Self {
        Self {
            buckets: vec![0; BUCKETS],
            count: 0,
            max: i64::MIN,
            wakeups: Vec::with_capacity(CALIBRATE_EVERY),
            lead: 0,
        }
    }

    /// Counts releases anew; what is known of wake-ups stays.
    pub(in crate::engine) fn begin(&mut self) {
        self.buckets.fill(0);
        self.count = 0;
        self.max = i64::MIN;
    }

    /// A frame due at `due` had been handed to the kernel at `now`.
    pub(in crate::engine) fn released(&mut self, due: u64, now: u64) {
        let late = now.cast_signed().saturating_sub(due.cast_signed());
        let bucket = ((late - FLOOR) / BUCKET).clamp(0, BUCKETS as i64 - 1);
        if let Some(bucket) = usize::try_from(bucket)
            .ok()
            .and_then(|n| self.buckets.get_mut(n))
        {
            *bucket += 1;
        }
        self.count += 1;
        self.max = self.max.max(late);
    }

    /// A timer was asked for at `asked`; at `now` the frame it was for had been
    /// handed to the kernel. The constant part is all of it: the wake-up of an
    /// idle processor, and the way into the kernel.
    pub(in crate::engine) fn woke(&mut self, asked: u64, now: u64) {
        self.wakeups.push(now.saturating_sub(asked));
        if self.wakeups.len() == CALIBRATE_EVERY {
            self.wakeups.sort_unstable();
            let median = self.wakeups.get(CALIBRATE_EVERY / 2).copied().unwrap_or(0);
            self.lead = median.min(LARGEST_LEAD);
            self.wakeups.clear();
        }
    }

    /// How far ahead of its instant a wake-up is asked for.
    pub(in crate::engine) fn lead(&self) -> u64 {
        self.lead
    }

    pub(in crate::engine) fn summary(&self) -> Lateness {
        if self.count == 0 {
            return Lateness {
                lead_ns: self.lead,
                ..Lateness::default()
            };
        }
        Lateness {
            count: self.count,
            p50_ns: self.quantile(0.5),
            p99_ns: self.quantile(0.99),
            max_ns: self.max,
            lead_ns: self.lead,
        }
    }

    fn quantile(&self, q: f64) -> i64 {
        let rank = (self.count as f64 * q).ceil() as u64;
        let mut below = 0;
        for (n, count) in (0i64..).zip(&self.buckets) {
            below += count;
            // The last bucket has no upper end.
            if below >= rank.max(1) && n < BUCKETS as i64 - 1 {
                return FLOOR + n * BUCKET + BUCKET / 2;
            }
        }
        self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_come_within_a_bucket() {
        let mut punctuality = Punctuality::new();
        for late in 1..=1000u64 {
            punctuality.released(1_000_000, 1_000_000 + late * 100);
        }
        let summary = punctuality.summary();
        assert!((summary.p50_ns - 50_000).abs() <= BUCKET);
        assert!((summary.p99_ns - 99_000).abs() <= BUCKET);
        assert_eq!((summary.max_ns, summary.count), (100_000, 1000));
        punctuality.begin();
        assert_eq!(punctuality.summary(), Lateness::default());
        punctuality.released(1_000_000, 1_030_000);
        assert_eq!(punctuality.summary().max_ns, 30_000);
    }

    #[test]
    fn the_lead_is_the_median_of_wake_ups_and_bounded() {
        let mut punctuality = Punctuality::new();
        for n in 0..CALIBRATE_EVERY as u64 {
            punctuality.woke(1_000, 1_000 + if n % 4 == 0 { 5_000_000 } else { 40_000 });
        }
        assert_eq!(punctuality.lead(), 40_000);
        for _ in 0..CALIBRATE_EVERY {
            punctuality.woke(0, 9_000_000);
        }
        assert_eq!(punctuality.lead(), LARGEST_LEAD);
    }
}
