//! backhoe: network labs that are compiled like programs.
//!
//! ```text
//!  lab.yaml ──spec──▶ model ──plan──▶ ops, files, processes ──engine/os──▶ kernel, daemons
//!                       │                   ▲                                   │
//!                       └──── scenario ─────┘ (a fault is a small plan)         │ probes, netlink, captures
//!                                                                               ▼
//!      report ◀── measure ◀─────────────── event journal ◀──────────────── observations
//! ```
//!
//! Four rooms are pure: they know no clock, socket, file or process, and their
//! randomness is a seed that somebody hands them.
//!
//! * [`lab`]: what the user wants, from text to a printable plan.
//! * [`proto`]: BGP and BFD without I/O.
//! * [`emu`]: the link emulator: a packet and an instant in, a packet and an instant out.
//! * [`results`]: what happened and what it means.
//!
//! Three touch the world.
//!
//! * [`os`]: the only door to the kernel.
//! * [`engine`]: a lab that lives.
//! * [`cli`]: the user's terminal.
//!
//! [`units`] is the vocabulary all of them share. Which room may name which is
//! a test: `tests/layering.rs`.

/// The release, and where it is known the commit that it was built from: `0.1.0+g1a2b3c4d5e6f`.
pub const VERSION: &str = env!("BACKHOE_VERSION");

pub mod cli;
pub mod emu;
pub mod engine;
pub mod lab;
pub mod os;
pub mod proto;
pub mod results;
pub mod units;
