//! Random, independent loss from a seed.

use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use crate::units::Percent;

/// The lane's source of chance; loss and jitter draw from separate streams, so
/// that changing one does not reshuffle the other.
#[derive(Debug, Clone)]
pub(super) struct Loss {
    rng: ChaCha8Rng,
}

impl Loss {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// Whether the next packet is lost at this probability.
    pub(super) fn takes(&mut self, probability: Percent) -> bool {
        probability.millionths() > 0
            && self.rng.random_range(0..1_000_000) < probability.millionths()
    }
}
