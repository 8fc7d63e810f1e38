//! Loss from a seed: independent, or in bursts (Gilbert's model: in the good
//! state nothing is lost, in the bad one everything).

use crate::units::{LossBurst, Percent};

use super::chance::Chance;

const STREAM: u64 = 0;

/// What takes packets at random.
#[derive(Debug, Clone)]
pub(super) struct Loss {
    chance: Chance,
    is_bad: bool,
}

impl Loss {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            chance: Chance::new(seed, STREAM),
            is_bad: false,
        }
    }

    /// Whether the next packet is lost, where `share` of all are, in runs of
    /// `burst` on average.
    pub(super) fn takes(&mut self, share: Percent, burst: Option<LossBurst>) -> bool {
        let Some(burst) = burst else {
            self.is_bad = false;
            return self.chance.takes(share);
        };
        let lost = self.is_bad;
        let (share, mean) = (u64::from(share.millionths()), u64::from(burst.packets()));
        // A run ends with probability 1/mean; one begins so often that
        // begin / (begin + end) is the share.
        let turns = if self.is_bad {
            self.chance.of(1, mean)
        } else {
            self.chance.of(share, mean * (1_000_000 - share))
        };
        self.is_bad ^= turns;
        lost
    }
}
