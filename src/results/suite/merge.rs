//! The parts of a selection as the whole.

use super::{Shard, Suite};

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
        "{0} and {1} are of different selections: other lab files, another --filter, or another number of shards"
    )]
    Different(String, String),
    /// One part twice.
    #[error("shard {0} is there twice: {1} and {2}")]
    Twice(Shard, String, String),
    /// Some parts were not given.
    #[error("shards are missing: {}", .0.iter().map(Shard::to_string).collect::<Vec<_>>().join(", "))]
    Missing(Vec<Shard>),
    /// A part was ended before its last lab.
    #[error("{0} ended early: {1} of its {2} labs have a verdict")]
    Unfinished(String, usize, usize),
}

/// What one run of all would have said, of the parts and their names; its time is the sum of
/// theirs.
pub fn merge(parts: Vec<(String, Suite)>) -> Result<Suite, MergeError> {
    let mut parts: Vec<(String, Shard, Suite)> = parts
        .into_iter()
        .map(|(name, suite)| match suite.shard {
            Some(shard) => Ok((name, shard, suite)),
            None => Err(MergeError::Whole(name)),
        })
        .collect::<Result<_, _>>()?;
    parts.sort_by_key(|(_, shard, _)| shard.number);
    let Some((first_name, first_shard, first)) = parts.first() else {
        return Err(MergeError::Nothing);
    };
    for (name, shard, suite) in &parts {
        if shard.of != first_shard.of || suite.selection != first.selection {
            return Err(MergeError::Different(first_name.clone(), name.clone()));
        }
        let all = (0..suite.selected)
            .filter(|&index| shard.has(index))
            .count();
        if suite.labs.len() != all {
            return Err(MergeError::Unfinished(name.clone(), suite.labs.len(), all));
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
    let mut whole = Suite {
        shard: None,
        seconds: 0.0,
        labs: Vec::new(),
        ..first.clone()
    };
    for (_, _, suite) in parts {
        whole.began_realtime_ns = whole.began_realtime_ns.min(suite.began_realtime_ns);
        whole.seconds += suite.seconds;
        whole.labs.extend(suite.labs);
    }
    whole.labs.sort_by_key(|lab| lab.index);
    whole.count();
    Ok(whole)
}
