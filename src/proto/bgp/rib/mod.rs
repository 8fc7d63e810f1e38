//! The tables (RFC 4271 §3.2): what each peer said, what was chosen, what each
//! peer was told, and what the kernel holds.
//!
//! Inputs only mark prefixes; [`Rib::flush`] then decides once for each and
//! emits all forwarding changes before the UPDATEs that depend on them.

mod advertise;
mod fib;
mod resolver;
mod table;

pub use fib::{FibChange, NextHop};
pub use resolver::Interface;
pub use table::{Effect, Fault, Rib, Row};

#[cfg(test)]
mod tests;
