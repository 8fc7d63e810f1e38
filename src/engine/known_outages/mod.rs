//! Outages whose true length is known, beside what is reported of them. The wire
//! itself drops everything for a window that it times; the probes, the records and
//! the measurement that every run uses say how long traffic was gone. The truth owes
//! nothing to the receiving side: it is the window, and the numbers the wire dropped.

mod load;
mod report;
mod rig;
mod slice;

pub use report::{Cell, Load, Measured, Report, Verdict};
pub use rig::{Options, run};
