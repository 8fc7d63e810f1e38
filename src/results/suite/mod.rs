//! Many labs' verdicts: what `backhoe test` found out, and how CI systems want to read it.

mod github;
mod junit;
mod lines;
mod merge;
mod model;
mod shard;

#[cfg(test)]
mod tests;

pub use github::{annotations, summary};
pub use junit::junit;
pub use lines::{conclusion, lines};
pub use merge::{MergeError, Sharded, in_order, merge};
pub use model::{Attempt, Case, FORMAT, Reason, Shortfall, Suite, Verdict, shortfalls};
pub use shard::{Shard, ShardError};
