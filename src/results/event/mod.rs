//! Everything that happens in a run, typed; one JSON object a line in `journal.jsonl`.
//! Every report is a fold over these events and the probes' packet records.

mod journal;
mod kinds;
mod packets;

pub use journal::*;
pub use kinds::*;
pub use packets::*;
