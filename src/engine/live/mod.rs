//! A lab that lives: wires that carry, tunnels, daemons, and every kernel
//! watched. Scenario and API both act on it; it acts on nothing by itself.

mod capacity;
mod captures;
mod daemons;
mod faults;
mod inspect;
mod lab;
mod losses;
mod maintenance;
mod metrics;
mod silence;
mod standing;
mod status;
mod tunnels;
mod ways;

pub use faults::AppliedFault;
pub use lab::{Live, LiveOptions};
pub use metrics::{Measure, Reading, Series};
pub use silence::{Conflict, Unresponsive};
pub use status::{
    AlertStatus, BfdState, FaultStatus, LabStatus, LinkCounts, LinkMeasured, LinkStatus,
    NodeStatus, SessionStatus, TunnelState,
};
pub use ways::Kernels;
