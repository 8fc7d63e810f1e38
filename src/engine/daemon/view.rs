//! One form for what every daemon says of its sessions.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// What a node's daemon says of itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NodeView {
    /// BGP sessions.
    pub bgp: Vec<BgpView>,
    /// BFD sessions.
    pub bfd: Vec<BfdView>,
}

/// One BGP session at one end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BgpView {
    /// The peer's address.
    pub remote: IpAddr,
    /// The peer's AS.
    pub remote_asn: u32,
    /// RFC 4271 state name.
    pub state: String,
    /// Milliseconds since the session was established.
    pub uptime_ms: Option<u64>,
    /// Negotiated hold time, milliseconds.
    pub hold_ms: Option<u64>,
    /// Negotiated keepalive interval, milliseconds.
    pub keepalive_ms: Option<u64>,
    /// Prefixes accepted from the peer.
    pub accepted: Option<u64>,
    /// Prefixes advertised to the peer.
    pub advertised: Option<u64>,
    /// Why the session last went down.
    pub reason: Option<String>,
}

impl BgpView {
    /// Whether routes flow.
    pub fn is_established(&self) -> bool {
        self.state == "Established"
    }
}

/// One BFD session at one end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BfdView {
    /// The peer's address.
    pub remote: IpAddr,
    /// `AdminDown`, `Down`, `Init`, `Up`.
    pub state: String,
    /// RFC 5880 diagnostic as text.
    pub diagnostic: Option<String>,
    /// Negotiated transmit interval, microseconds.
    pub tx_us: Option<u64>,
    /// Interval at which the peer's packets are expected, microseconds.
    pub rx_us: Option<u64>,
    /// Detection time, microseconds.
    pub detect_us: Option<u64>,
}
