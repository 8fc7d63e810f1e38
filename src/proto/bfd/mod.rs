//! Bidirectional Forwarding Detection: RFC 5880 in asynchronous mode, for the
//! single-hop sessions of RFC 5881. Without authentication and the Echo function.

mod session;
mod wire;

pub use session::{
    BfdConfigError, BfdEvent, Counters, Discard, Negotiated, Session, SessionConfig, SessionStatus,
};
pub use wire::{Diag, PACKET_LEN, Packet, PacketError, State};
