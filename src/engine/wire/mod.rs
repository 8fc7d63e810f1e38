//! Links shaped, cut and watched, by one of two backends behind one contract:
//! the kernel's own netem where it is there, backhoe's [`relay`](super::relay)
//! in user space elsewhere and where only it can do what a scenario asks for.

mod choice;
mod kernel;
mod ledger;
mod shape;
mod watch;

pub use super::relay::{Bracket, Lateness, LinkCounters, TapConfig, WireConfig};
pub use choice::{Wire, WireChoice, start};
pub use kernel::KernelWire;
