//! What the speaker has put into the kernel's forwarding table.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::units::IfName;

/// One way out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NextHop {
    /// The neighbour.
    pub gateway: IpAddr,
    /// The interface that reaches it.
    pub interface: IfName,
}

/// A change of the forwarding table. Each replaces what the speaker had put
/// there for the same prefix; removing what is already gone is not an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum FibChange {
    /// Forward to these next hops, at least one, best path first.
    Install {
        /// The destination.
        prefix: IpNet,
        /// More than one means equal-cost multipath.
        next_hops: Vec<NextHop>,
    },
    /// Drop what no more specific route takes.
    Blackhole {
        /// The destination.
        prefix: IpNet,
    },
    /// Forget the prefix.
    Remove {
        /// The destination.
        prefix: IpNet,
    },
}

impl FibChange {
    /// The destination concerned.
    pub const fn prefix(&self) -> IpNet {
        match self {
            Self::Install { prefix, .. } | Self::Blackhole { prefix } | Self::Remove { prefix } => {
                *prefix
            }
        }
    }
}

/// What the kernel holds, as far as we know.
#[derive(Debug, Default)]
pub(super) struct Fib {
    installed: BTreeMap<IpNet, Arc<Vec<NextHop>>>,
    /// Entries that the kernel dropped by itself, or may have.
    stale: BTreeSet<IpNet>,
    /// Equal lists are kept once.
    lists: BTreeSet<Arc<Vec<NextHop>>>,
}

impl Fib {
    /// The change that makes the kernel hold `desired` (empty: a blackhole);
    /// none if it does already.
    pub(super) fn sync(
        &mut self,
        prefix: IpNet,
        desired: Option<Vec<NextHop>>,
    ) -> Option<FibChange> {
        let stale = !self.stale.is_empty() && self.stale.remove(&prefix);
        let Some(desired) = desired else {
            let known = self.installed.remove(&prefix).is_some();
            return (known || stale).then_some(FibChange::Remove { prefix });
        };
        let same = self
            .installed
            .get(&prefix)
            .is_some_and(|held| **held == desired);
        if same && !stale {
            return None;
        }
        let list = self.intern(desired);
        let change = if list.is_empty() {
            FibChange::Blackhole { prefix }
        } else {
            FibChange::Install {
                prefix,
                next_hops: (*list).clone(),
            }
        };
        self.installed.insert(prefix, list);
        Some(change)
    }

    /// Notes that the kernel has dropped every route over these interfaces, and
    /// says which.
    pub(super) fn lose(&mut self, interfaces: &BTreeSet<IfName>) -> Vec<IpNet> {
        if interfaces.is_empty() {
            return Vec::new();
        }
        let uses = |list: &[NextHop]| list.iter().any(|hop| interfaces.contains(&hop.interface));
        let lost: Vec<IpNet> = self
            .installed
            .iter()
            .filter(|(_, list)| uses(list))
            .map(|(prefix, _)| *prefix)
            .collect();
        self.stale.extend(&lost);
        lost
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&IpNet, &[NextHop])> {
        self.installed
            .iter()
            .map(|(prefix, list)| (prefix, list.as_slice()))
    }

    fn intern(&mut self, list: Vec<NextHop>) -> Arc<Vec<NextHop>> {
        if let Some(known) = self.lists.get(&list) {
            return Arc::clone(known);
        }
        let list = Arc::new(list);
        self.lists.insert(Arc::clone(&list));
        list
    }
}
