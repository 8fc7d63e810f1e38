//! The fibre: a constant delay with uniform variation that never reorders.

use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use crate::units::Span;

use super::Ns;

/// When a packet that left at some instant arrives.
#[derive(Debug, Clone)]
pub(super) struct Fibre {
    rng: ChaCha8Rng,
    last_arrival: Ns,
}

impl Fibre {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            last_arrival: 0,
        }
    }

    /// The arrival of what left at `departure`: `delay` ± uniform `jitter`
    /// later, and not before its predecessor.
    pub(super) fn arrival(&mut self, departure: Ns, delay: Span, jitter: Span) -> Ns {
        let (delay, jitter) = (delay.as_nanos(), jitter.as_nanos().min(delay.as_nanos()));
        let delay = if jitter == 0 {
            delay
        } else {
            self.rng.random_range(delay - jitter..=delay + jitter)
        };
        self.last_arrival = self.last_arrival.max(departure.saturating_add(delay));
        self.last_arrival
    }
}
