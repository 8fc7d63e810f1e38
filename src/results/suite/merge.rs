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
    /// Two that do not belong together, and what may differ.
    #[error("{0} and {1} are of {2}, or another number of shards")]
    Different(String, String, &'static str),
    /// One part twice.
    #[error("shard {0} is there twice: {1} and {2}")]
    Twice(Shard, String, String),
    /// Some parts were not given.
    #[error("shards are missing: {}", .0.iter().map(Shard::to_string).collect::<Vec<_>>().join(", "))]
    Missing(Vec<Shard>),
    /// A part that ended before its last piece of work: how, how many were done, and what they are.
    #[error("{0} {1}: {2} of its {3} {4}")]
    Unfinished(String, &'static str, usize, usize, &'static str),
}

/// What may be a part of a whole.
pub trait Sharded: Sized {
    /// What two parts are of that do not belong together.
    const DIFFERENT: &'static str;
    /// What happened to a part that is not finished.
    const ENDED: &'static str;
    /// What its finished pieces of work have.
    const DONE: &'static str;

    /// Which part it is, if it is one.
    fn shard(&self) -> Option<Shard>;
    /// What all parts of one whole have in common.
    fn selection(&self) -> &str;
    /// Pieces of work of the whole.
    fn selected(&self) -> usize;
    /// Pieces of its own work that are done.
    fn done(&self) -> usize;
    /// Whether it was ended from outside.
    fn interrupted(&self) -> bool {
        false
    }
}

/// The parts in order, each with its name, and at least one; all of them are there, once.
///
/// # Errors
/// The parts make no whole.
pub fn in_order<T: Sharded>(parts: Vec<(String, T)>) -> Result<Vec<T>, MergeError> {
    let part = |(name, part): (String, T)| match part.shard() {
        Some(shard) => Ok((name, shard, part)),
        None => Err(MergeError::Whole(name)),
    };
    let mut parts: Vec<(String, Shard, T)> =
        parts.into_iter().map(part).collect::<Result<_, _>>()?;
    parts.sort_by_key(|(_, shard, _)| shard.number);
    let Some((first_name, first_shard, first)) = parts.first() else {
        return Err(MergeError::Nothing);
    };
    for (name, shard, part) in &parts {
        if shard.of != first_shard.of || part.selection() != first.selection() {
            let (one, other) = (first_name.clone(), name.clone());
            return Err(MergeError::Different(one, other, T::DIFFERENT));
        }
        let own = (0..part.selected()).filter(|&index| shard.has(index));
        let (done, all) = (part.done(), own.count());
        if part.interrupted() || done != all {
            let name = name.clone();
            return Err(MergeError::Unfinished(name, T::ENDED, done, all, T::DONE));
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
    Ok(parts.into_iter().map(|(_, _, part)| part).collect())
}

impl Sharded for Suite {
    const DIFFERENT: &'static str = "different selections: other lab files, another --filter";
    const ENDED: &'static str = "ended early";
    const DONE: &'static str = "labs have a verdict";

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
        self.labs.len()
    }
}

/// What one run of all would have said, of the parts and their names; its time is the sum of
/// theirs.
///
/// # Errors
/// The parts make no whole.
pub fn merge(parts: Vec<(String, Suite)>) -> Result<Suite, MergeError> {
    let mut parts = in_order(parts)?.into_iter();
    let mut whole = parts.next().ok_or(MergeError::Nothing)?;
    whole.shard = None;
    for suite in parts {
        whole.began_realtime_ns = whole.began_realtime_ns.min(suite.began_realtime_ns);
        whole.seconds += suite.seconds;
        whole.labs.extend(suite.labs);
    }
    whole.labs.sort_by_key(|lab| lab.index);
    whole.count();
    Ok(whole)
}
