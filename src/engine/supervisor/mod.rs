//! The process that owns the truth about a lab: it builds, writes the journal,
//! serves the API and ends the lab.

mod main;

pub use main::main;
