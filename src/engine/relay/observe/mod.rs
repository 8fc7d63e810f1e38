//! Reading what passes on a wire: probes, BFD and BGP. Every parser is bounded
//! by the frame and gives up silently on what it does not understand: a wire
//! carries foreign traffic too.

mod bfd;
mod bgp;
mod packet;
mod stream;
#[cfg(test)]
mod tests;
mod watcher;

pub(in crate::engine) use packet::{Seen, Transport, ethernet, network};
pub(in crate::engine) use watcher::{Passage, Watcher};
