//! The parts of a sweep as the whole.

use std::collections::BTreeSet;

use super::model::Sweep;
use crate::results::suite::{MergeError, Shard, Sharded, in_order};

impl Sharded for Sweep {
    const DIFFERENT: &'static str = "different sweeps: another lab file, other options";
    const ENDED: &'static str = "was interrupted";
    const DONE: &'static str = "experiments have an outcome";

    fn shard(&self) -> Option<Shard> {
        self.shard
    }

    fn selection(&self) -> &str {
        &self.selection
    }

    fn selected(&self) -> usize {
        self.selected
    }

    fn done(&self) -> usize {
        let made = self.experiments.iter().filter(|one| one.same_as.is_none());
        let made: BTreeSet<usize> = made.map(|one| one.index).collect();
        made.len()
    }

    fn interrupted(&self) -> bool {
        self.interrupted
    }
}

/// What one sweep of all would have said, of the parts and their names; its time is the sum of
/// theirs. What it says has yet to be concluded from its experiments.
///
/// # Errors
/// The parts make no whole.
pub fn merge(parts: Vec<(String, Sweep)>) -> Result<Sweep, MergeError> {
    let mut parts = in_order(parts)?.into_iter();
    let mut whole = parts.next().ok_or(MergeError::Nothing)?;
    whole.shard = None;
    for sweep in parts {
        whole.began_realtime_ns = whole.began_realtime_ns.min(sweep.began_realtime_ns);
        whole.seconds += sweep.seconds;
        whole.labs_built += sweep.labs_built;
        whole.rebuilt.extend(sweep.rebuilt);
        whole.experiments.extend(sweep.experiments);
    }
    whole
        .experiments
        .sort_by_key(|one| (one.index, one.same_as));
    Ok(whole)
}
