//! Independent choices from a seed. Every effect of a lane draws from a stream
//! of its own, so that changing one does not reshuffle the others.

use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use crate::units::Percent;

/// One stream of choices.
#[derive(Debug, Clone)]
pub(super) struct Chance(ChaCha8Rng);

impl Chance {
    /// Stream `stream` of `seed`.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// Whether the next packet is chosen at this probability.
    pub(super) fn takes(&mut self, probability: Percent) -> bool {
        self.of(probability.millionths().into(), 1_000_000)
    }

    /// Whether the next packet is chosen, as `chosen` of `all` are.
    pub(super) fn of(&mut self, chosen: u64, all: u64) -> bool {
        chosen > 0 && (chosen >= all || self.0.random_range(0..all) < chosen)
    }

    /// Any number, all as likely.
    pub(super) fn number(&mut self) -> u64 {
        self.0.random()
    }

    /// A number from `low` to `high`, all as likely.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0.random_range(low..=high)
    }

    /// A number above 0 and below 1.
    pub(super) fn fraction(&mut self) -> f64 {
        // 53 bits fill a double's mantissa; half a step keeps off both ends.
        ((self.number() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }
}
