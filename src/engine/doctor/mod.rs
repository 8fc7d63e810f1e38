//! What this host can do, what backhoe will use for each need, and the one
//! command that improves it.

mod facts;
mod finding;
mod findings;
mod kernel;
mod machine;
mod text;

pub use facts::{facts, suites};
pub use finding::{Finding, Verdict};
pub use findings::{fatal, findings};
pub use text::text;
