//! One part of a selection of labs, so that several hosts divide it.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `number`th of `of` parts, written `2/4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shard {
    /// From 1.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

/// A text that means no part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write `k/n`: part k of n, such as `1/4` to `4/4`")]
pub struct ShardError;

impl Shard {
    /// Whether the selection's lab at `index`, counted from 0, belongs to it. Neighbours go to
    /// different parts: labs of a directory that are alike take alike time.
    pub fn has(self, index: usize) -> bool {
        index % (self.of as usize).max(1) + 1 == self.number as usize
    }
}

impl FromStr for Shard {
    type Err = ShardError;
    fn from_str(text: &str) -> Result<Self, ShardError> {
        let (number, of) = text.split_once('/').ok_or(ShardError)?;
        let [number, of] = [number, of].map(|n| n.trim().parse::<u32>());
        match (number, of) {
            (Ok(number), Ok(of)) if (1..=of).contains(&number) && of <= 10_000 => {
                Ok(Self { number, of })
            }
            _ => Err(ShardError),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}
