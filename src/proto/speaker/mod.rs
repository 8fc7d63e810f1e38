//! A whole BGP speaker without I/O: sessions, tables, decisions, and one ordered
//! stream of actions for a driver to execute.

mod api;
mod machine;
mod status;

pub use api::{
    Action, ConnId, FibChange, Interface, NextHop, Origin, PeerId, SessionState, SpeakerEvent,
};
pub use machine::Speaker;
pub use status::{FibStatus, MessageCounters, PeerStatus, RouteSource, RouteStatus, SpeakerStatus};
