//! Routes without a way left, kept in the kernel a moment longer. Neighbours that
//! have not read the withdrawal yet still send packets here, and the old next hop
//! is the best place for them: it may work after all, and where it does not, the
//! link that fails them is the one that failed.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use ipnet::IpNet;

use crate::proto::speaker::FibChange;

/// Longer than a neighbour takes to read a withdrawal, much shorter than any hold time.
const KEPT: Duration = Duration::from_millis(200);

/// What is to be removed, and when.
#[derive(Debug, Default)]
pub(super) struct Retired(BTreeMap<IpNet, Instant>);

impl Retired {
    /// Takes removals out of `changes`; a prefix with a new way is no longer retired.
    pub(super) fn sort_out(&mut self, changes: &mut Vec<FibChange>, now: Instant) {
        changes.retain(|change| match change {
            FibChange::Remove { prefix } => {
                self.0.insert(*prefix, now + KEPT);
                false
            }
            FibChange::Install { prefix, .. } | FibChange::Blackhole { prefix } => {
                self.0.remove(prefix);
                true
            }
        });
    }

    /// When the next removal is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.values().min().copied()
    }

    /// The removals that are due.
    pub(super) fn due(&mut self, now: Instant) -> Vec<FibChange> {
        let due: Vec<IpNet> = self
            .0
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(prefix, _)| *prefix)
            .collect();
        for prefix in &due {
            self.0.remove(prefix);
        }
        due.into_iter()
            .map(|prefix| FibChange::Remove { prefix })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::clock;

    #[test]
    fn a_removal_waits_and_a_new_way_cancels_it() {
        let now = clock::now();
        let prefix: IpNet = "10.0.0.0/15".parse().unwrap();
        let mut retired = Retired::default();
        let mut changes = vec![FibChange::Remove { prefix }];
        retired.sort_out(&mut changes, now);
        assert_eq!(changes, []);
        assert_eq!(retired.due(now), []);
        assert_eq!(retired.due(now + KEPT), [FibChange::Remove { prefix }]);

        retired.sort_out(&mut vec![FibChange::Remove { prefix }], now);
        let mut changes = vec![FibChange::Install {
            prefix,
            next_hops: vec![],
        }];
        retired.sort_out(&mut changes, now);
        assert_eq!(changes.len(), 1);
        assert_eq!(retired.deadline(), None);
    }
}
