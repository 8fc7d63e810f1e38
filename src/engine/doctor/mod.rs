//! What this host can do, what backhoe will use for each need, and the one
//! command that improves it.

mod facts;
mod findings;

pub use facts::{facts, suites};
pub use findings::{Finding, Verdict, findings};
