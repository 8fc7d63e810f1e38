//! The process that owns the truth about a lab: it builds, writes the journal,
//! answers the API and ends the lab.

mod actor;
mod journal;
mod log;
mod main;
mod scenario;

pub use main::main;
