//! Everything that happens in a run, typed; one JSON object a line in `journal.jsonl`.
//! Every report is a fold over these events and the probes' packet records, which are files
//! beside the journal that it names.

mod journal;
mod kinds;
mod load;
mod packets;
mod records;
mod standing;
mod table;

pub use journal::*;
pub use kinds::*;
pub use load::*;
pub use packets::*;
pub use records::*;
pub use standing::*;
