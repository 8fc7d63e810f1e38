//! Routes without a way left, kept in the kernel a moment longer. Neighbours that
//! have not read the withdrawal yet still send packets here, and the old next hop
//! is the best place for them: it may work after all, and where it does not, the
//! link that fails them is the one that failed. But where a shorter prefix has a
//! way, that is the best place, and the longer one must not hide it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use ipnet::IpNet;

use crate::proto::speaker::FibChange;

/// Longer than a neighbour takes to read a withdrawal, much shorter than any hold time.
const KEPT: Duration = Duration::from_millis(200);

/// What is to be removed, and when.
#[derive(Debug, Default)]
pub(super) struct Retired {
    waiting: BTreeMap<IpNet, Instant>,
    /// What leads somewhere.
    ways: BTreeSet<IpNet>,
}

impl Retired {
    /// Takes removals out of `changes` that nothing shorter makes up for; a prefix with a new
    /// way is no longer retired.
    pub(super) fn sort_out(&mut self, changes: &mut Vec<FibChange>, now: Instant) {
        let Self { waiting, ways } = self;
        for change in changes.iter() {
            match change {
                FibChange::Install { prefix, .. } => ways.insert(*prefix),
                FibChange::Remove { prefix } | FibChange::Blackhole { prefix } => {
                    ways.remove(prefix)
                }
            };
        }
        let is_covered = |prefix: &IpNet| {
            let shorter = std::iter::successors(prefix.supernet(), IpNet::supernet);
            shorter.into_iter().any(|net| ways.contains(&net))
        };
        changes.retain(|change| match change {
            FibChange::Remove { prefix } if is_covered(prefix) => {
                waiting.remove(prefix);
                true
            }
            FibChange::Remove { prefix } => {
                waiting.insert(*prefix, now + KEPT);
                false
            }
            FibChange::Install { prefix, .. } | FibChange::Blackhole { prefix } => {
                waiting.remove(prefix);
                true
            }
        });
        waiting.retain(|prefix, _| {
            let is_covered = is_covered(prefix);
            if is_covered {
                changes.push(FibChange::Remove { prefix: *prefix });
            }
            !is_covered
        });
    }

    /// When the next removal is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.values().min().copied()
    }

    /// The removals that are due.
    pub(super) fn due(&mut self, now: Instant) -> Vec<FibChange> {
        let due: Vec<IpNet> = self
            .waiting
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(prefix, _)| *prefix)
            .collect();
        for prefix in &due {
            self.waiting.remove(prefix);
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

    #[test]
    fn what_a_shorter_prefix_makes_up_for_goes_at_once() {
        let now = clock::now();
        let [summary, specific]: [IpNet; 2] =
            ["10.0.0.0/15", "10.0.0.0/16"].map(|net| net.parse().unwrap());
        let install = |prefix| FibChange::Install {
            prefix,
            next_hops: vec![],
        };
        let remove = |prefix| FibChange::Remove { prefix };
        let mut retired = Retired::default();
        let sort_out = |retired: &mut Retired, mut changes: Vec<FibChange>| {
            retired.sort_out(&mut changes, now);
            changes
        };
        sort_out(&mut retired, vec![install(summary), install(specific)]);
        let gone = sort_out(&mut retired, vec![remove(specific)]);
        assert_eq!(gone, [remove(specific)]);
        assert_eq!(retired.deadline(), None);

        // Both go: nothing is left for either.
        sort_out(&mut retired, vec![install(specific)]);
        let gone = sort_out(&mut retired, vec![remove(summary), remove(specific)]);
        assert_eq!(gone, []);
        // The summary is back by another way, and the specific no longer hides it.
        let back = sort_out(&mut retired, vec![install(summary)]);
        assert_eq!(back, [install(summary), remove(specific)]);
        assert_eq!(retired.due(now + KEPT), []);

        // A null route is no way.
        let null = FibChange::Blackhole { prefix: summary };
        sort_out(&mut retired, vec![null, install(specific)]);
        assert_eq!(sort_out(&mut retired, vec![remove(specific)]), []);
        assert_eq!(retired.due(now + KEPT), [remove(specific)]);
    }
}
