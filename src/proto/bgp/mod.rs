//! BGP-4 without I/O: the wire format, one session's state machine, and the
//! tables with their decisions. [`speaker`](crate::proto::speaker) joins them.

pub mod decision;
pub mod export;
pub mod fsm;
pub mod policy;
pub mod rib;
pub mod wire;
