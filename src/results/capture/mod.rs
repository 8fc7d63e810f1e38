//! Captures of links in pcapng: what is written while packets pass, and what is added once a
//! run has been measured. Bytes in, bytes out.

mod file;
mod finish;
mod notes;

#[cfg(test)]
mod tests;

pub use file::{CaptureError, CaptureFile, Link, LinkKind, Packet, Verdict};
pub use finish::{Additions, finish};
pub use notes::{Note, notes};
