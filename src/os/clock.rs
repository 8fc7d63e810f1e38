//! Clocks. The run's clock is CLOCK_MONOTONIC; the kernel stamps packets with
//! CLOCK_REALTIME, so bracketed pairs of both convert one into the other.
#![expect(
    clippy::disallowed_methods,
    reason = "this is where the world's clock is read"
)]

use std::time::Instant;

use nix::{
    sys::time::TimeSpec,
    time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep},
};

/// A change of the clocks' offset between two looks that no slewing explains, nanoseconds.
pub const CLOCK_STEP_NS: u64 = 1_000_000;

/// CLOCK_MONOTONIC, nanoseconds.
pub fn mono_ns() -> u64 {
    read(ClockId::CLOCK_MONOTONIC)
}

/// CLOCK_REALTIME, nanoseconds since 1970.
pub fn real_ns() -> u64 {
    read(ClockId::CLOCK_REALTIME)
}

fn read(clock: ClockId) -> u64 {
    // Both clocks exist on every Linux, so a failure leaves nothing sensible to do but 0.
    clock_gettime(clock).map_or(0, |t| {
        t.tv_sec().unsigned_abs() * 1_000_000_000 + t.tv_nsec().unsigned_abs()
    })
}

/// The standard library's view of now, for machines that take an `Instant`.
pub fn now() -> Instant {
    Instant::now()
}

/// Sleeps until `deadline_ns` on CLOCK_MONOTONIC; returns early on a signal.
pub fn sleep_until(deadline_ns: u64) {
    let deadline = TimeSpec::new(
        (deadline_ns / 1_000_000_000).cast_signed(),
        (deadline_ns % 1_000_000_000).cast_signed(),
    );
    // Callers look at the clock afterwards, so an interrupted sleep needs no handling.
    let _ = clock_nanosleep(
        ClockId::CLOCK_MONOTONIC,
        ClockNanosleepFlags::TIMER_ABSTIME,
        &deadline,
    );
}

/// An `Instant` together with the same moment in nanoseconds, to convert between them.
#[derive(Debug, Clone, Copy)]
pub struct Epoch {
    instant: Instant,
    ns: u64,
}

impl Epoch {
    /// Samples both views of the monotonic clock.
    pub fn sample() -> Self {
        Self {
            instant: Instant::now(),
            ns: mono_ns(),
        }
    }

    /// The moment of `instant` in nanoseconds on CLOCK_MONOTONIC.
    pub fn ns(&self, instant: Instant) -> u64 {
        match instant.checked_duration_since(self.instant) {
            Some(later) => self.ns + later.as_nanos() as u64,
            None => self.ns - self.instant.duration_since(instant).as_nanos() as u64,
        }
    }

    /// The `Instant` of `ns` on CLOCK_MONOTONIC.
    pub fn instant(&self, ns: u64) -> Instant {
        if ns >= self.ns {
            self.instant + std::time::Duration::from_nanos(ns - self.ns)
        } else {
            self.instant - std::time::Duration::from_nanos(self.ns - ns)
        }
    }
}

/// The offset between CLOCK_REALTIME and CLOCK_MONOTONIC, with its uncertainty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockPair {
    /// `realtime - monotonic`, nanoseconds.
    pub offset_ns: i64,
    /// Half the bracket's width, nanoseconds.
    pub error_ns: u64,
}

impl ClockPair {
    /// Takes the tightest of several bracketed readings.
    pub fn sample() -> Self {
        (0..8)
            .map(|_| {
                let before = mono_ns();
                let real = real_ns();
                let after = mono_ns();
                let middle = before + (after - before) / 2;
                Self {
                    offset_ns: real.cast_signed().wrapping_sub(middle.cast_signed()),
                    error_ns: (after - before).div_ceil(2),
                }
            })
            .min_by_key(|pair| pair.error_ns)
            .unwrap_or(Self {
                offset_ns: 0,
                error_ns: u64::MAX,
            })
    }

    /// By how many nanoseconds CLOCK_REALTIME was stepped since `earlier`, ahead or back;
    /// `None`: by no more than [`CLOCK_STEP_NS`] and both readings' errors, which slewing explains
    /// where the two are fractions of a second apart.
    pub fn stepped_since(&self, earlier: &Self) -> Option<i64> {
        let moved = self.offset_ns.wrapping_sub(earlier.offset_ns);
        let errors = self.error_ns.saturating_add(earlier.error_ns);
        (moved.unsigned_abs() > CLOCK_STEP_NS.saturating_add(errors)).then_some(moved)
    }

    /// Converts a REALTIME stamp to the monotonic clock.
    pub fn to_mono(&self, real_ns: u64) -> u64 {
        real_ns
            .cast_signed()
            .wrapping_sub(self.offset_ns)
            .cast_unsigned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn pair(offset_ns: i64, error_ns: u64) -> ClockPair {
        ClockPair {
            offset_ns,
            error_ns,
        }
    }

    #[test]
    fn a_step_is_more_than_slewing_and_the_readings_errors() {
        let before = pair(1_700_000_000_000_000_000, 200);
        let after = |moved: i64, error_ns| pair(before.offset_ns + moved, error_ns);
        for (moved, error_ns, step) in [
            (0, 200, None),
            // 500 ppm, NTP's fastest slewing, in a tenth of a second.
            (50_000, 200, None),
            (1_000_000, 200, None),
            (1_000_401, 200, Some(1_000_401)),
            (-5_000_000, 200, Some(-5_000_000)),
            // Somebody was preempted between two readings.
            (4_000_000, 3_500_000, None),
            (3_600_000_000_000, 200, Some(3_600_000_000_000)),
        ] {
            assert_eq!(
                after(moved, error_ns).stepped_since(&before),
                step,
                "{moved}"
            );
        }
    }
}
