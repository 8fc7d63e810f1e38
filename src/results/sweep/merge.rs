//! The parts of a sweep as the whole.

use std::collections::BTreeSet;

use super::model::Sweep;
use crate::results::suite::Shard;

/// Parts that make no whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// No part was given.
    #[error("no results to merge")]
    Nothing,
    /// One is not a part.
    #[error("{0} is no shard: it was run without --shard")]
    Whole(String),
    /// Two that do not belong together.
    #[error(
        "{0} and {1} are of different sweeps: another lab file, other options, or another number of shards"
    )]
    Different(String, String),
    /// One part twice.
    #[error("shard {0} is there twice: {1} and {2}")]
    Twice(Shard, String, String),
    /// Some parts were not given.
    #[error("shards are missing: {}", .0.iter().map(Shard::to_string).collect::<Vec<_>>().join(", "))]
    Missing(Vec<Shard>),
    /// A part was ended before its last experiment.
    #[error("{0} was interrupted: {1} of its {2} experiments have an outcome")]
    Unfinished(String, usize, usize),
}

/// What one sweep of all would have said, of the parts and their names; its time is the sum of
/// theirs. What it says has yet to be concluded from its experiments.
///
/// # Errors
/// The parts make no whole.
pub fn merge(parts: Vec<(String, Sweep)>) -> Result<Sweep, MergeError> {
    let part = |(name, sweep): (String, Sweep)| match sweep.shard {
        Some(shard) => Ok((name, shard, sweep)),
        None => Err(MergeError::Whole(name)),
    };
    let mut parts: Vec<(String, Shard, Sweep)> =
        parts.into_iter().map(part).collect::<Result<_, _>>()?;
    parts.sort_by_key(|(_, shard, _)| shard.number);
    let Some((first_name, first_shard, first)) = parts.first() else {
        return Err(MergeError::Nothing);
    };
    for (name, shard, sweep) in &parts {
        if shard.of != first_shard.of || sweep.selection != first.selection {
            return Err(MergeError::Different(first_name.clone(), name.clone()));
        }
        let all = (0..sweep.selected)
            .filter(|&index| shard.has(index))
            .count();
        let made = sweep.experiments.iter().filter(|one| one.same_as.is_none());
        let made: BTreeSet<usize> = made.map(|one| one.index).collect();
        let done = made.len();
        if sweep.interrupted || done != all {
            return Err(MergeError::Unfinished(name.clone(), done, all));
        }
    }
    for pair in parts.windows(2) {
        if let [(one, a, _), (other, b, _)] = pair
            && a == b
        {
            return Err(MergeError::Twice(*a, one.clone(), other.clone()));
        }
    }
    let of = first_shard.of;
    let there = |number| parts.iter().any(|(_, shard, _)| shard.number == number);
    let missing: Vec<Shard> = (1..=of)
        .filter(|&number| !there(number))
        .map(|number| Shard { number, of })
        .collect();
    if !missing.is_empty() {
        return Err(MergeError::Missing(missing));
    }
    let mut whole = Sweep {
        shard: None,
        seconds: 0.0,
        labs_built: 0,
        rebuilt: Vec::new(),
        experiments: Vec::new(),
        ..first.clone()
    };
    for (_, _, sweep) in parts {
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
