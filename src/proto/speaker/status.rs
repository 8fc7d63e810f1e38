//! What a speaker says about itself when asked.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{NextHop, SessionState};
use crate::units::{Asn, Community, Family, NodeName, RouteTableName, SessionName, Span};

/// Everything at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeakerStatus {
    /// The node.
    pub node: NodeName,
    /// Its AS.
    pub asn: Asn,
    /// Its BGP Identifier.
    pub router_id: Ipv4Addr,
    /// The sessions, in the order of the configuration.
    pub peers: Vec<PeerStatus>,
    /// Every usable or received path, by prefix, best first.
    pub rib: Vec<RouteStatus>,
    /// What the speaker has put into the kernel.
    pub fib: Vec<FibStatus>,
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Its name.
    pub session: SessionName,
    /// The state of its most advanced connection.
    pub state: SessionState,
    /// Our address.
    pub local: IpAddr,
    /// The peer's address.
    pub remote: IpAddr,
    /// The peer's configured AS.
    pub remote_asn: Asn,
    /// The peer's BGP Identifier, once it has sent an OPEN.
    pub router_id: Option<Ipv4Addr>,
    /// Negotiated hold time while Established; zero means none.
    pub hold: Option<Span>,
    /// Keepalive interval in use, before jitter.
    pub keepalive: Option<Span>,
    /// Negotiated families while Established.
    pub families: Vec<Family>,
    /// Milliseconds since Established.
    pub uptime_ms: Option<u64>,
    /// Prefixes received, before policy.
    pub received: u64,
    /// Of those, accepted by the import policy and free of loops.
    pub accepted: u64,
    /// Prefixes advertised.
    pub advertised: u64,
    /// Why the session, or the last attempt, failed.
    pub last_error: Option<String>,
    /// How often the session left Established.
    pub flaps: u64,
    /// What BFD last said, if it said anything.
    pub bfd_up: Option<bool>,
    /// Messages received.
    pub messages_in: MessageCounters,
    /// Messages sent.
    pub messages_out: MessageCounters,
}

/// Counts of BGP messages by type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MessageCounters {
    /// OPEN.
    pub open: u64,
    /// UPDATE.
    pub update: u64,
    /// NOTIFICATION.
    pub notification: u64,
    /// KEEPALIVE.
    pub keepalive: u64,
    /// ROUTE-REFRESH.
    pub route_refresh: u64,
}

/// Where a route came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteSource {
    /// Originated here.
    Local,
    /// From an external peer.
    Ebgp,
    /// From an internal peer.
    Ibgp,
}

/// One path to one prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteStatus {
    /// The route table it is in, where the speaker has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<RouteTableName>,
    /// The destination.
    pub prefix: IpNet,
    /// The path the decision process chose.
    pub best: bool,
    /// One of the paths used for forwarding; the best one included.
    pub multipath: bool,
    /// Whether the next hop can be reached; an unreachable one is never used.
    pub reachable: bool,
    /// NEXT_HOP; none for a route of our own.
    pub next_hop: Option<IpAddr>,
    /// AS_PATH as text: `65001 65002 {64512,64513}`.
    pub as_path: String,
    /// Degree of preference.
    pub local_pref: u32,
    /// MULTI_EXIT_DISC, if any.
    pub med: Option<u32>,
    /// RFC 1997 communities.
    pub communities: Vec<Community>,
    /// The session it came over; none for a route of our own.
    pub from: Option<SessionName>,
    /// What kind of session that was.
    pub source: RouteSource,
}

/// One entry of the forwarding table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FibStatus {
    /// The route table it is of, where the speaker has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<RouteTableName>,
    /// The destination.
    pub prefix: IpNet,
    /// The ways out; none means blackhole.
    pub next_hops: Vec<NextHop>,
}
