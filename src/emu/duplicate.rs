//! Duplication: a packet goes on its way twice, each copy with its own jitter.

use crate::units::Percent;

use super::chance::Chance;

const STREAM: u64 = 1;

/// What doubles packets.
#[derive(Debug, Clone)]
pub(super) struct Duplicate(Chance);

impl Duplicate {
    pub(super) fn new(seed: u64) -> Self {
        Self(Chance::new(seed, STREAM))
    }

    /// How often the next packet goes on its way.
    pub(super) fn copies(&mut self, share: Percent) -> usize {
        if self.0.takes(share) { 2 } else { 1 }
    }
}
