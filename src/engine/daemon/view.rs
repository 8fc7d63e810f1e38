//! One form for what every daemon says of its sessions.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::proto::speaker::{RouteSource, RouteStatus};

/// A daemon that was asked has said nothing for this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its routing daemon has not answered within {0:?}")]
pub struct NoAnswer(pub Duration);

/// What a node's daemon says of itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NodeView {
    /// BGP sessions.
    pub bgp: Vec<BgpView>,
    /// BFD sessions.
    pub bfd: Vec<BfdView>,
}

/// One BGP session at one end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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

/// One path to one prefix in a daemon's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteView {
    /// The route table it is in, where the daemon has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The destination.
    pub prefix: IpNet,
    /// The path the decision process chose.
    pub best: bool,
    /// One of the paths used for forwarding; the best one included.
    pub multipath: bool,
    /// Whether the daemon considers it at all.
    pub reachable: bool,
    /// NEXT_HOP; none for a route of its own.
    pub next_hop: Option<IpAddr>,
    /// AS_PATH as text.
    pub as_path: String,
    /// LOCAL_PREF, where the daemon says.
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC, if any.
    pub med: Option<u32>,
    /// RFC 1997 communities; none where the daemon's table does not say.
    pub communities: Option<Vec<String>>,
    /// The session it came over; none for a route of its own.
    pub from: Option<String>,
    /// `local`, `ebgp` or `ibgp`.
    pub source: String,
}

impl From<&RouteStatus> for RouteView {
    fn from(route: &RouteStatus) -> Self {
        Self {
            table: route.table.as_ref().map(ToString::to_string),
            prefix: route.prefix,
            best: route.best,
            multipath: route.multipath,
            reachable: route.reachable,
            next_hop: route.next_hop,
            as_path: route.as_path.clone(),
            local_pref: Some(route.local_pref),
            med: route.med,
            communities: Some(route.communities.iter().map(ToString::to_string).collect()),
            from: route.from.as_ref().map(ToString::to_string),
            source: match route.source {
                RouteSource::Local => "local",
                RouteSource::Ebgp => "ebgp",
                RouteSource::Ibgp => "ibgp",
            }
            .to_owned(),
        }
    }
}
