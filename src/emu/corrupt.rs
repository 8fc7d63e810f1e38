//! Corruption: one bit of a packet is turned over. Which one is for the driver
//! to say, who knows where a checksum will find it.

use crate::units::Percent;

use super::chance::Chance;

const STREAM: u64 = 2;

/// What damages packets.
#[derive(Debug, Clone)]
pub(super) struct Corrupt(Chance);

impl Corrupt {
    pub(super) fn new(seed: u64) -> Self {
        Self(Chance::new(seed, STREAM))
    }

    /// Of a packet that is damaged, a number to choose the bit by.
    pub(super) fn damage(&mut self, share: Percent) -> Option<u64> {
        self.0.takes(share).then(|| self.0.number())
    }
}
