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

pub(super) use packet::{Seen, Transport, ethernet, network};
pub(super) use watcher::{Passage, Watcher};
