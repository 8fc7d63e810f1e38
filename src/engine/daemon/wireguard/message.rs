//! What goes over a tunnel process's control stream.

use serde::{Deserialize, Serialize};

use crate::{
    os::wireguard::{Backend, Drops},
    results::event::MonoNs,
};

/// From the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum TunnelRequest {
    /// Shake hands. An end told so in its configuration begins by itself; where the path
    /// comes up later than the end, an ARP request that is lost then is only repeated
    /// after a second, and every initiation waits for it.
    Begin,
    /// Answered by [`TunnelMessage::Status`] with the same `id`.
    Status {
        /// Repeated in the answer.
        id: u64,
    },
}

/// From a tunnel end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "kebab-case")]
pub enum TunnelMessage {
    /// The interface is up and WireGuard listens.
    Ready {
        /// Which WireGuard.
        backend: Backend,
    },
    /// The first handshake has succeeded: packets pass.
    Handshake {
        /// When it was seen.
        at: MonoNs,
    },
    /// Answer to a status request.
    Status {
        /// The request's number.
        id: u64,
        /// The status.
        status: TunnelStatus,
    },
    /// The end could not be set up, or broke; the process ends.
    Failed {
        /// Why.
        error: String,
    },
}

/// A tunnel end as it says itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelStatus {
    /// Which WireGuard.
    pub backend: Backend,
    /// Whether a handshake is recent enough for packets to pass.
    pub up: bool,
    /// Milliseconds since the last handshake; `None` before the first.
    pub handshake_age_ms: Option<u64>,
    /// Bytes received from the peer.
    pub rx_bytes: u64,
    /// Bytes sent to the peer.
    pub tx_bytes: u64,
    /// Packets it dropped instead of carrying them; the kernel's does not say.
    pub drops: Drops,
}
