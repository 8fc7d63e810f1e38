//! How well this host keeps time, measured.

use crate::os::{clock, sched};

const READS: u64 = 20_000;
const WAKES: usize = 100;
const PERIOD_NS: u64 = 1_000_000;

/// What a moment's measurement says. A busy host says more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// One look at the clock, nanoseconds.
    pub clock_ns: f64,
    /// How late a thread with ordinary scheduling wakes, median, microseconds.
    pub wake_p50_us: f64,
    /// 99th percentile of it.
    pub wake_p99_us: f64,
}

/// Looks at the clock many times and sleeps a hundred times until the next
/// millisecond: about 0.1 s.
pub fn timing() -> Timing {
    let begin = clock::mono_ns();
    for _ in 0..READS {
        std::hint::black_box(clock::mono_ns());
    }
    let reading = clock::mono_ns().saturating_sub(begin);
    // Refused nowhere; without it the kernel may add 50 µs of its own.
    let _ = sched::tight_timers();
    let mut late: Vec<u64> = (0..WAKES)
        .map(|_| {
            let due = clock::mono_ns() + PERIOD_NS;
            clock::sleep_until(due);
            clock::mono_ns().saturating_sub(due)
        })
        .collect();
    late.sort_unstable();
    let us = |at: usize| late.get(at).map_or(0.0, |ns| *ns as f64 / 1e3);
    Timing {
        clock_ns: reading as f64 / READS as f64,
        wake_p50_us: us(WAKES / 2),
        wake_p99_us: us(WAKES - 1),
    }
}
