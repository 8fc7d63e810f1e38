//! WireGuard tunnels: one process per tunnel end, in its node's namespaces.
//!
//! The process is told everything through one stream, its control: first its
//! configuration, then requests; it answers there and reports what it sees,
//! one JSON object a line. When the stream closes the process ends, and a
//! userspace tunnel ends with it.

mod config;
mod control;
mod message;
mod process;

pub use config::{TunnelEndConfig, tunnel_ends};
pub use control::TunnelControl;
pub use message::{TunnelMessage, TunnelRequest, TunnelStatus};
pub use process::{main, run};
