//! The fibre: a constant delay with variation that never reorders.

use crate::units::{Distribution, Span, normal_quantile};

use super::{Ns, chance::Chance};

/// When a packet that left at some instant arrives.
#[derive(Debug, Clone)]
pub(super) struct Fibre {
    chance: Chance,
    last_arrival: Ns,
}

impl Fibre {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            chance: Chance::new(!seed, 0),
            last_arrival: 0,
        }
    }

    /// The arrival of what left at `departure`: `delay` ± `jitter` later, never
    /// before it left, and not before its predecessor.
    pub(super) fn arrival(
        &mut self,
        departure: Ns,
        delay: Span,
        (jitter, distribution): (Span, Distribution),
    ) -> Ns {
        let (delay, jitter) = (delay.as_nanos(), jitter.as_nanos().min(delay.as_nanos()));
        let delay = if jitter == 0 {
            delay
        } else {
            match distribution {
                Distribution::Uniform => self.chance.between(delay - jitter, delay + jitter),
                Distribution::Normal => self.normal(delay, jitter),
            }
        };
        self.last_arrival = self.last_arrival.max(departure.saturating_add(delay));
        self.last_arrival
    }

    fn normal(&mut self, mean: u64, deviation: u64) -> u64 {
        let reach = Distribution::Normal.reach() as f64;
        let deviations = normal_quantile(self.chance.fraction()).clamp(-reach, reach);
        let change = (deviations * deviation as f64).round() as i64;
        mean.saturating_add_signed(change)
    }
}
