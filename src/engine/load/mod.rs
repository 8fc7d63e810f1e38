//! Background load: TCP and paced UDP between hosts while a scenario is measured.
//!
//! Sockets are the kernel's own, opened in the hosts' namespaces, so users' congestion control,
//! retransmission and path MTU discovery are the real ones. One thread drives all TCP connections
//! and reads their counters, one sends all UDP, one receives it; all have ordinary priority, so
//! that what measures comes first. Nothing is judged here.

mod instrument;
mod pauses;
mod tcp;
mod udp;

pub use instrument::{Loads, WARM_UP};
