//! A lab that lives: wires that carry, tunnels, daemons, and every kernel
//! watched. Scenario and API both act on it; it acts on nothing by itself.

mod daemons;
mod faults;
mod inspect;
mod lab;
mod losses;
mod silence;
mod status;
mod tunnels;

pub use faults::AppliedFault;
pub use lab::{Live, LiveOptions};
pub use silence::{Conflict, Unresponsive};
pub use status::{
    BfdState, FaultStatus, LabStatus, LinkCounts, LinkMeasured, LinkStatus, NodeStatus,
    SessionStatus, TunnelState,
};
