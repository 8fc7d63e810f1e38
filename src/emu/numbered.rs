//! Numbered drops: exactly the next `k` packets of each flow vanish, which is
//! how an instrument's loss count is checked against a known truth.

use std::collections::BTreeMap;

use super::Ns;

/// How many packets of each flow are still to be dropped.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbered {
    /// Packets sent before this instant are spared.
    since: Ns,
    /// For each flow.
    packets: u32,
    /// Dropped so far.
    dropped: BTreeMap<u16, u32>,
}

impl Numbered {
    /// Drops the next `packets` of each flow that are sent at `now` or later;
    /// what an earlier call still had to drop is forgotten.
    pub(super) fn arm(&mut self, now: Ns, packets: u32) {
        *self = Self {
            since: now,
            packets,
            dropped: BTreeMap::new(),
        };
    }

    /// Whether a packet of `flow` sent at `now` is one of them.
    pub(super) fn takes(&mut self, flow: u16, now: Ns) -> bool {
        if self.packets == 0 || now < self.since {
            return false;
        }
        let dropped = self.dropped.entry(flow).or_insert(0);
        if *dropped == self.packets {
            return false;
        }
        *dropped += 1;
        true
    }
}
