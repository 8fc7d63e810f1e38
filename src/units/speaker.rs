//! The configuration of an embedded speaker: what a plan writes and a speaker reads.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Asn, IfName, NodeName, Policy, RegionName, RouteTableName, SessionName, Span};

/// One speaker: a node's BGP and BFD.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeakerConfig {
    /// The node it runs in.
    pub node: NodeName,
    /// Its autonomous system.
    pub asn: Asn,
    /// BGP Identifier (RFC 6286).
    pub router_id: Ipv4Addr,
    /// The VRF all of it is in; `None`: the main table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vrf: Option<VrfConfig>,
    /// Whose rules choose among the paths to a prefix.
    #[serde(default, skip_serializing_if = "RouteChoice::is_standard")]
    pub choice: RouteChoice,
    /// How many equally good paths are installed; at least 1.
    pub multipath: u8,
    /// What it originates.
    pub originate: Vec<Origination>,
    /// Static routes that compete with learned ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statics: Vec<StaticPath>,
    /// Route tables of a transit gateway's, what a Direct Connect gateway does for each
    /// Region, or a location's for each gateway behind it. None: everything is in one table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<RouteTable>,
    /// Its sessions.
    pub peers: Vec<PeerConfig>,
}

impl SpeakerConfig {
    /// The static routes of one family.
    pub fn statics_of(&self, family: Family) -> impl Iterator<Item = &StaticPath> {
        let of = move |route: &&StaticPath| Family::of(&route.prefix) == family;
        self.statics.iter().filter(of)
    }

    /// Its static routes, each with the number of those to the same prefix that are preferred to
    /// it: with a multipath of one they are used one after the other, otherwise at once.
    pub fn ranked_statics(&self) -> Vec<(&StaticPath, u8)> {
        let rank = |index: usize, route: &StaticPath| {
            let before = self.statics.iter().take(index);
            let same = before.filter(|other| other.prefix == route.prefix).count();
            match self.multipath {
                0 | 1 => u8::try_from(same).unwrap_or(u8::MAX).min(MAX_RANK),
                _ => 0,
            }
        };
        let all = self.statics.iter().enumerate();
        all.map(|(index, route)| (route, rank(index, route)))
            .collect()
    }
}

/// Daemons have no room for more preferences.
const MAX_RANK: u8 = 9;

/// A table of a gateway that has several. Each chooses for itself among the paths that are
/// propagated into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteTable {
    /// Its name.
    pub name: RouteTableName,
    /// The number of the kernel's table that it is written into.
    pub table: u8,
    /// The Region whose traffic it routes, where that has a say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<RegionName>,
    /// Sessions of the attachments that are associated with it: they are told what is in it.
    pub associated: Vec<SessionName>,
    /// Sessions of the attachments that propagate into it.
    pub propagated: Vec<SessionName>,
    /// Its static routes, and the ranges of the VPCs that propagate into it.
    pub statics: Vec<StaticPath>,
}

/// A VRF as a speaker needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VrfConfig {
    /// Its device: sockets are bound to it.
    pub device: IfName,
    /// Its routing table.
    pub table: u8,
}

/// Whose rules choose among the paths to one prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum RouteChoice {
    /// RFC 4271 §9.1.
    #[default]
    Standard,
    /// A virtual private gateway's (Site-to-Site VPN User Guide, "Route tables and
    /// route priority").
    Vgw,
    /// Direct Connect's, at a location and in a Direct Connect gateway (Direct Connect
    /// User Guide, "Routing policies and BGP communities").
    DirectConnect,
    /// A VPC's route table: what is written before what its vgw propagates (VPC User
    /// Guide, "Route priority").
    Vpc,
    /// A transit gateway's (Transit Gateway Guide, "Route evaluation order").
    Tgw {
        /// Its option "VPN ECMP support".
        vpn_ecmp: bool,
    },
}

impl RouteChoice {
    /// Whether it is RFC 4271's.
    pub fn is_standard(&self) -> bool {
        *self == Self::Standard
    }
}

/// How a path reaches a gateway of AWS's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attachment {
    /// An attached VPC.
    Vpc,
    /// Direct Connect: a VIF, or the Direct Connect gateway behind which it is.
    DirectConnect,
    /// A transit gateway's Connect attachment.
    Connect,
    /// A VPN with private addresses, over Direct Connect.
    PrivateIpVpn,
    /// A VPN over the internet.
    Vpn,
    /// Another transit gateway.
    Peering,
}

/// A static route that competes with learned paths to the same prefix. Usable while
/// its next hop is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticPath {
    /// The destination.
    pub prefix: IpNet,
    /// Where it leads.
    pub to: StaticHop,
    /// Propagated by this attachment; `None`: written by somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propagated: Option<Attachment>,
    /// A floating static route: whatever is learned is preferred.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub floating: bool,
}

/// Where a static route leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StaticHop {
    /// To this neighbour.
    Via(IpAddr),
    /// Nowhere: what no longer prefix takes is dropped.
    Blackhole,
}

/// A prefix the speaker originates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origination {
    /// The prefix.
    pub prefix: IpNet,
    /// Whether a blackhole route backs it in the kernel (a summary); otherwise
    /// the kernel is assumed to reach it already (a connected or static route).
    pub blackhole: bool,
    /// Originate only while a route strictly inside this prefix is known.
    pub while_known: Option<IpNet>,
}

/// An address family (RFC 4760).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// AFI 1, SAFI 1.
    Ipv4Unicast,
    /// AFI 2, SAFI 1.
    Ipv6Unicast,
}

impl Family {
    /// The family a prefix belongs to.
    pub const fn of(prefix: &IpNet) -> Self {
        match prefix {
            IpNet::V4(_) => Self::Ipv4Unicast,
            IpNet::V6(_) => Self::Ipv6Unicast,
        }
    }
}

/// One BGP session as one end sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerConfig {
    /// The session's name, the same at both ends.
    pub session: SessionName,
    /// Our address.
    pub local: IpAddr,
    /// The peer's address.
    pub remote: IpAddr,
    /// The interface that reaches the peer; carrier loss on it ends an external
    /// session at once.
    pub interface: Option<IfName>,
    /// Our AS on this session, where it is not the speaker's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_asn: Option<Asn>,
    /// The peer's AS; equal to ours means iBGP.
    pub remote_asn: Asn,
    /// How the peer is attached, where this speaker is a gateway of AWS's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment: Option<Attachment>,
    /// The Region that the location at the far end is associated with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<RegionName>,
    /// Between gateways of AWS's: routes pass as they are. No AS is put in front and
    /// none expected there (as with a route server, RFC 7947 §2.2.2), a MED stays, and
    /// what came from one such peer may go to another.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub transparent: bool,
    /// Families to negotiate; the transport's own family may be absent.
    pub families: Vec<Family>,
    /// Offered hold time in whole seconds; zero or at least 3 s (RFC 4271 §4.2).
    pub hold: Span,
    /// Keepalive interval before negotiation shortens it.
    pub keepalive: Span,
    /// ConnectRetryTime (RFC 4271 §8): a pending attempt is given up and tried anew.
    pub connect_retry: Span,
    /// IP TTL of BGP packets; 1 for a directly connected external peer.
    pub ttl: u8,
    /// Wait for the peer to connect.
    pub passive: bool,
    /// TCP-MD5 key (RFC 2385).
    pub md5: Option<String>,
    /// BFD beside the session.
    pub bfd: Option<BfdConfig>,
    /// Graceful restart (RFC 4724): the restart time offered, in whole seconds; `None`: not
    /// offered, and not granted either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graceful_restart: Option<Span>,
    /// Advertise ourselves as NEXT_HOP to this internal peer.
    pub next_hop_self: bool,
    /// Next hop of the family that the transport does not carry, on our side.
    pub next_hop_other_family: Option<IpAddr>,
    /// More accepted prefixes than this end the session (RFC 4486 Cease 1).
    pub max_prefix: Option<u32>,
    /// What we take from the peer.
    pub import: Policy,
    /// What we give it.
    pub export: Policy,
}

impl PeerConfig {
    /// The AS that a speaker of AS `own` has on this session.
    pub fn asn(&self, own: Asn) -> Asn {
        self.local_asn.unwrap_or(own)
    }

    /// Whether a speaker of AS `own` treats the peer as external.
    pub fn is_external(&self, own: Asn) -> bool {
        self.transparent || self.remote_asn != self.asn(own)
    }

    /// The next hop to announce for `family`, where the transport does not carry it.
    pub fn foreign_next_hop(&self, family: Family) -> Option<IpAddr> {
        let transport = match self.local {
            IpAddr::V4(_) => Family::Ipv4Unicast,
            IpAddr::V6(_) => Family::Ipv6Unicast,
        };
        self.next_hop_other_family.filter(|_| transport != family)
    }
}

/// BFD timers of one end (RFC 5880 §6.8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BfdConfig {
    /// DesiredMinTxInterval.
    pub min_tx: Span,
    /// RequiredMinRxInterval.
    pub min_rx: Span,
    /// DetectMult; never 0.
    pub multiplier: u8,
}
