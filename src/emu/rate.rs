//! Serialisation: bits leave one after the other, and what cannot leave yet
//! waits in a queue of limited bytes.

use crate::units::{Bytes, Rate};

use super::Ns;

/// The transmitter of a lane with a rate.
#[derive(Debug, Clone, Default)]
pub(super) struct Transmitter {
    /// When the last accepted bit will have left.
    busy_until: Ns,
    /// What `busy_until` lacks, in 1/rate nanoseconds: without it, rounding
    /// would make short packets at high rates too fast or too slow.
    remainder: u64,
}

impl Transmitter {
    /// Accepts a packet at `now` and says when its last bit will have left, or
    /// refuses it because the queue is full. An idle transmitter takes any packet.
    pub(super) fn accept(
        &mut self,
        bytes: u32,
        now: Ns,
        rate: Rate,
        queue: Option<Bytes>,
    ) -> Option<Ns> {
        if self.busy_until <= now {
            self.busy_until = now;
            self.remainder = 0;
        } else if self.backlog(now, rate) + u64::from(bytes) > limit(rate, queue) {
            return None;
        }
        let numerator = u64::from(bytes) * 8 * 1_000_000_000 + self.remainder;
        self.busy_until += numerator / rate.bits_per_second();
        self.remainder = numerator % rate.bits_per_second();
        Some(self.busy_until)
    }

    /// Bytes accepted that have not left at `now`, rounded up.
    pub(super) fn backlog(&self, now: Ns, rate: Rate) -> u64 {
        let wait = u128::from(self.busy_until.saturating_sub(now));
        (wait * u128::from(rate.bits_per_second())).div_ceil(8_000_000_000) as u64
    }
}

/// Bytes that may wait: what the plan says, or 100 ms at the rate.
fn limit(rate: Rate, queue: Option<Bytes>) -> u64 {
    queue.map_or_else(|| rate.bits_per_second() / 80, Bytes::get)
}
