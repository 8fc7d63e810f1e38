//! The validated lab: what the user wants, with every reference resolved and
//! every rule checked. `spec` is the only place that makes one, so whoever holds
//! a [`Lab`] need not check it again. Plain data: public fields, no behaviour.
//!
//! Arrays of two are aligned with the `ends` of the link or session they belong
//! to: `shape[0]` is what happens to packets sent by `ends[0]`, `timers[1]` are
//! the timers that `ends[1]` offers.

pub mod aws;
mod fast;
mod ipsec;
mod lag;
mod link;
mod load;
mod node;
mod prefixes;
mod routing;
mod scenario;
mod service;
mod session;
mod survives;
mod tgw;
mod vpc;

use std::collections::{BTreeMap, BTreeSet};

pub use fast::{Factor, scaled_words};
pub use ipsec::{
    Authentication, Dpd, EspSizes, For, Ipsec, IpsecTunnel, LIBIPSEC_MTU, Moment, OwnCredentials,
    OwnSwanctl, Proposal, endpoint_name, is_tunnel_of, tunnel_name,
};
pub use lag::{Lag, MAX_MEMBERS};
pub use link::{DEFAULT_MTU, Link, MAX_MTU, MIN_MTU, Shape};
pub use load::{Load, LoadExpect, Transport};
pub use node::{
    Daemon, External, Host, KNOWN_DEFECT, Kind, Node, OwnConfig, Scope, StaticRoute, Tags, Via, Vrf,
};
pub use routing::{Announce, Routing, Rules, Shorthand};
pub use scenario::{
    Alert, Bounds, Endpoint, Expect, ExpectAfter, Fault, Further, How, Isolated, Mechanism, Probe,
    Step, StepKind, Tag,
};
pub use service::{Dns, Service, ServiceBy};
pub use session::{
    BgpTimers, Mss, Session, SessionKind, StaticVpn, TUNNEL_OVERHEAD, Vif, VifKind, Vpn, VpnKind,
};
pub use survives::Survives;
pub use tgw::{RouteTables, TgwAttachment, TgwTable};
pub use vpc::{MAX_SUBNET_TABLES, Subnet, SubnetTable, SubnetTarget, Subnets};

use crate::units::{LabName, LinkName, LoadName, NodeName, ProbeName, SessionName};

/// A lab that holds together.
///
/// Proven of every value:
/// * every name that is mentioned exists and is of the right kind;
/// * node names, and the names `NODE.HOST` of hosts behind nodes, are unique;
/// * links connect two different nodes that may be linked;
/// * no two hosts' networks overlap unless they are the same network behind the same node, or
///   the hosts are of one anycast group;
/// * everything at AWS's end is as AWS has it, or the session says `unlike-aws`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lab {
    /// The lab's name.
    pub name: LabName,
    /// Declared nodes. Hosts behind nodes are inside [`Node::hosts`].
    pub nodes: BTreeMap<NodeName, Node>,
    /// Links between declared nodes.
    pub links: BTreeMap<LinkName, Link>,
    /// Bundles of links, by names that no link has. A session runs over a LAG or
    /// over a link that is in none.
    pub lags: BTreeMap<LinkName, Lag>,
    /// Routing sessions and the VPNs that carry them.
    pub sessions: BTreeMap<SessionName, Session>,
    /// What each node gives and takes on each of its sessions. A node at a
    /// session without an entry here gives nothing and takes everything.
    /// Never holds AWS's side.
    pub routing: BTreeMap<NodeName, BTreeMap<SessionName, Routing>>,
    /// Several hosts behind one name or address, by a name that no node and no host has.
    pub services: BTreeMap<NodeName, Service>,
    /// Probes between hosts.
    pub probes: BTreeMap<ProbeName, Probe>,
    /// Background load, by names that no probe has.
    pub load: BTreeMap<LoadName, Load>,
    /// Steps in order.
    pub scenario: Vec<Step>,
    /// Expectations in the file's order.
    pub expect: Vec<Expect>,
    /// Those of loads.
    pub load_expect: Vec<LoadExpect>,
    /// What a sweep holds the lab to, in the file's order.
    pub survives: Vec<Survives>,
    /// Warnings that every report should repeat.
    pub notes: Vec<String>,
    /// How many times faster its timers run under `--fast`.
    pub fast: Option<Factor>,
    /// Its timers do run that much faster than the file says; see [`Lab::at_fast`].
    pub scaled: Option<Factor>,
}

impl Lab {
    /// The values of a tag, each once, in order.
    pub fn values_of(&self, tag: Tag) -> BTreeSet<&str> {
        let nodes = self.nodes.values().map(|node| &node.tags);
        let links = self.links.values().map(|link| &link.tags);
        nodes.chain(links).filter_map(|tags| tag.of(tags)).collect()
    }

    /// What carries a tag: the links that do, with all links of the nodes that do; and
    /// those nodes, as far as they are machines, which a vpc is not.
    pub fn tagged(&self, tag: Tag, value: &str) -> (Vec<LinkName>, Vec<NodeName>) {
        let has = |tags: &Tags| tag.of(tags) == Some(value);
        let at_tagged = |end: &NodeName| self.nodes.get(end).is_some_and(|node| has(&node.tags));
        let links = self.links.iter();
        let links = links.filter(|(_, link)| has(&link.tags) || link.ends.iter().any(at_tagged));
        let machines = self.nodes.iter();
        let machines =
            machines.filter(|(_, node)| has(&node.tags) && !matches!(node.kind, Kind::Vpc { .. }));
        (
            links.map(|(name, _)| name.clone()).collect(),
            machines.map(|(name, _)| name.clone()).collect(),
        )
    }
}
