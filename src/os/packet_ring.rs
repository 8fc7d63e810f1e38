//! Packets straight from and to an interface: an AF_PACKET socket with a
//! memory-mapped receive ring (TPACKET_V2: a frame is readable the moment it
//! arrives; version 3 waits for its block), offload headers kept, so that
//! frames whose checksum or segmentation the kernel postponed pass unharmed.
//!
//! A [`Ring`] receives and a [`Transmitter`] sends; both are opened in the
//! namespace of the calling thread and stay there. Everything works inside a
//! user namespace.

mod frame;
mod ring;
mod segment;
mod transmit;

pub use frame::{Frame, OwnedFrame, VlanTag, VnetHeader};
pub use ring::{Geometry, Ring};
pub use transmit::{Sent, Transmitter};
