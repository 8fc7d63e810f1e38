//! A whole BGP speaker without I/O: sessions, tables, decisions, and one ordered
//! stream of actions for a driver to execute.

mod api;
mod machine;
mod status;

pub use crate::proto::bgp::fsm::{ConnId, Origin, State as SessionState};
pub use crate::proto::bgp::rib::{FibChange, Interface, NextHop};
pub use api::{Action, PeerId, SpeakerEvent};
pub use machine::Speaker;
pub use status::{FibStatus, MessageCounters, PeerStatus, RouteSource, RouteStatus, SpeakerStatus};

#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;
