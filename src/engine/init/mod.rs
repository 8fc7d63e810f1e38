//! How a lab comes to life and why it cannot leak.
//!
//! ```text
//!  command ─ launch ─▶ outer ─ clone(USER|PID|NS|NET|UTS|IPC) ─▶ init (PID 1) ─ fork ─▶ supervisor
//!                       │ binds the API socket in the host's        │ private mounts      │ nodes, daemons,
//!                       │ namespace, stays outside, guards          │ reaps               │ API, journal
//! ```
//!
//! Nothing pins the namespaces but these processes. Each asks the kernel to be
//! killed with its parent (the outer one only while a command waits for it), and
//! with PID 1 the kernel kills everything in the lab.

mod guardian;
mod launch;
mod outer;
mod pid1;
mod report;
mod run_dir;
mod spec;

pub use guardian::Guardian;
pub use launch::{Launched, SUBCOMMAND, launch};
pub use outer::internal_lab;
pub use pid1::Context;
pub use report::{LaunchError, Ready, Reporter, Timings};
pub use run_dir::{RunDir, TOPOLOGY};
pub use spec::{Goal, LaunchSpec, Mode, Origin, RunOptions};
