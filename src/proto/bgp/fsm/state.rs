//! The names of the states.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The states of RFC 4271 §8.2.2.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum State {
    /// Stopped: no connection is made or taken.
    #[default]
    Idle,
    /// A TCP connection is being opened.
    Connect,
    /// Waiting for the peer to connect, or for the next attempt.
    Active,
    /// Our OPEN is sent, the peer's is awaited.
    OpenSent,
    /// Both OPENs are exchanged, the peer's KEEPALIVE is awaited.
    OpenConfirm,
    /// Routes flow.
    Established,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Idle => "Idle",
            Self::Connect => "Connect",
            Self::Active => "Active",
            Self::OpenSent => "OpenSent",
            Self::OpenConfirm => "OpenConfirm",
            Self::Established => "Established",
        })
    }
}
