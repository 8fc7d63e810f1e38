//! How a node stood at a quiet moment: by its daemon and by its kernel.

use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a node's daemon and kernel say of their sessions and of the ways to where probes go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct NodeStanding {
    /// The node.
    pub node: String,
    /// Its BGP sessions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bgp: Vec<BgpStanding>,
    /// Its BFD sessions; one that the daemon does not have is not among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bfd: Vec<BfdStanding>,
    /// BGP's paths to probes' ends; of a very large table none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathStanding>,
    /// The kernel's route to each of those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteStanding>,
}

/// One BGP session, as its daemon says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BgpStanding {
    /// The session.
    pub session: String,
    /// RFC 4271 state name.
    pub state: String,
    /// Negotiated hold time, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_ms: Option<u64>,
    /// Prefixes accepted from the peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<u64>,
    /// Prefixes advertised to the peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advertised: Option<u64>,
    /// Why it last ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One BFD session, as its daemon says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BfdStanding {
    /// The session it guards.
    pub session: String,
    /// `AdminDown`, `Down`, `Init`, `Up`.
    pub state: String,
}

/// One path in BGP's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PathStanding {
    /// The destination.
    #[schemars(with = "String")]
    pub prefix: IpNet,
    /// The path the decision process chose.
    pub best: bool,
    /// Whether it was considered at all.
    pub reachable: bool,
    /// NEXT_HOP; none for a route of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<IpAddr>,
    /// AS_PATH as text.
    pub as_path: String,
    /// LOCAL_PREF, where the daemon says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub med: Option<u32>,
    /// The session it came over; none for a route of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// `local`, `ebgp` or `ibgp`.
    pub source: String,
}

/// Where the kernel would send a packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RouteStanding {
    /// Its destination.
    pub to: IpAddr,
    /// The route's prefix; absent: there is no route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub prefix: Option<IpNet>,
    /// Who put it there (rtnetlink's `rtm_protocol`): `bgp`, `static`, `connected`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The link or tunnel it leaves by, or its interface's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<String>,
}
