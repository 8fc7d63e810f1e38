//! Reordering: some packets take none of the delay and overtake the others.

use crate::units::Percent;

use super::chance::Chance;

const STREAM: u64 = 3;

/// What lets packets overtake.
#[derive(Debug, Clone)]
pub(super) struct Reorder(Chance);

impl Reorder {
    pub(super) fn new(seed: u64) -> Self {
        Self(Chance::new(seed, STREAM))
    }

    /// Whether the next packet overtakes.
    pub(super) fn takes(&mut self, share: Percent) -> bool {
        self.0.takes(share)
    }
}
