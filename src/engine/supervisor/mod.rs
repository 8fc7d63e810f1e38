//! The process that owns the truth about a lab: it builds, writes the journal,
//! answers the API and ends the lab.

mod actor;
mod converge;
mod faults;
mod journal;
mod load_alert;
mod log;
mod main;
mod monitor;
mod reader;
mod scenario;
mod sweep;

pub use converge::{NOT_CONVERGED, STANDS};
pub use main::main;
