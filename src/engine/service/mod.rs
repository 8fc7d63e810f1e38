//! What a host serves, as a process of its own in the host's namespaces: names by DNS with
//! health checks behind them, and the ports that such checks connect to. It reads its
//! configuration from a file and tells what it sees over an inherited socket.

mod notice;
mod process;

pub use notice::{FromService, Notice};
pub use process::run;
