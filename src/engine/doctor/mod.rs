//! What this host can do, what backhoe will use for each need, and the one
//! command that improves it.

mod findings;

pub use findings::{Finding, Verdict, findings};
