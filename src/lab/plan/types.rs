//! The plan's own types: data only, serialisable, in the order things are built.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::config::swanctl::KEY;
use crate::{
    lab::{
        model::{Expect, Isolated, LoadExpect, Shape, StepKind, Tag, Transport},
        op::{Inbound, MAIN_TABLE, Netns, Op},
    },
    units::{
        Asn, BfdConfig, Bytes, HealthCheck, IfName, LabName, LacpRate, LinkName, LoadName,
        NodeName, ProbeName, RouteTableName, ServiceConfig, SessionName, Span, SpeakerConfig,
        TunnelCap, TunnelName,
    },
};

/// A lab, ready to be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The lab's name.
    pub lab: LabName,
    /// Its timers run this many times faster than the lab file says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timers_scaled: Option<u32>,
    /// Namespaces with a life of their own, hosts included, in build order.
    pub nodes: Vec<NodePlan>,
    /// Kernel operations in order: namespaces, veths, addresses, sysctls, up, static routes.
    pub ops: Vec<Op>,
    /// Links that run through the hidden wire namespace.
    pub wires: Vec<WirePlan>,
    /// Links proven to be neither shaped nor cut: plain veth pairs.
    pub direct: Vec<DirectPlan>,
    /// Bundles of links.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lags: Vec<LagPlan>,
    /// What falls together when a tag is cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<TagPlan>,
    /// VPN tunnels.
    pub tunnels: Vec<TunnelPlan>,
    /// Routing sessions, as seen from outside: what readiness and status look at.
    pub sessions: Vec<SessionPlan>,
    /// Several hosts behind one name or address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServicePlan>,
    /// Probe flows, two for each probe, one each way.
    pub flows: Vec<FlowPlan>,
    /// Background load.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load: Vec<LoadPlan>,
    /// Probes whose packets must not arrive, with their lines in the file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub isolated: BTreeMap<ProbeName, (u32, Isolated)>,
    /// The scenario's steps. They need no compiling and stay in the model's words.
    pub scenario: Vec<StepKind>,
    /// What must hold afterwards.
    pub expect: Vec<Expect>,
    /// The same of loads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load_expect: Vec<LoadExpect>,
    /// Warnings every report repeats: simplifications, and what the file's reader warned of.
    pub notes: Vec<String>,
    /// What stands in for something else or is modelled, in words. A result says it of the
    /// tunnels and sessions concerned.
    #[serde(default)]
    pub stand_ins: Vec<String>,
}

/// A namespace with a host name, a private /run and perhaps a routing daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePlan {
    /// Its name, also its host name.
    pub name: NodeName,
    /// The word of the lab file (`data-center`, `vgw`, `host`, …).
    pub kind: String,
    /// For a host or an IPsec endpoint: the node it stands behind.
    pub behind: Option<NodeName>,
    /// What it runs.
    pub daemon: DaemonPlan,
    /// Text files inside its mount namespace, by absolute path: `/etc/hosts`,
    /// `/etc/frr/frr.conf`, … Shown by `backhoe plan`.
    pub files: BTreeMap<String, String>,
}

impl NodePlan {
    /// Where the private key that one of its files holds came from, if it is the user's own.
    /// What the lab makes up is no secret; what the user brought may be.
    pub fn own_key(&self, path: &str) -> Option<&str> {
        match &self.daemon {
            DaemonPlan::Charon(charon) if path == KEY => charon.own_key.as_deref(),
            DaemonPlan::None
            | DaemonPlan::Embedded(_)
            | DaemonPlan::Frr { .. }
            | DaemonPlan::Bird { .. }
            | DaemonPlan::Charon(_)
            | DaemonPlan::Service(_) => None,
        }
    }
}

/// The routing daemon of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DaemonPlan {
    /// Nothing runs here (hosts, switches, static routers).
    None,
    /// Our own speaker.
    Embedded(SpeakerConfig),
    /// FRR with the configuration at `/etc/frr/frr.conf` among the node's files.
    Frr {
        /// Whether the user wrote the configuration; backhoe then changes nothing in it.
        own_config: bool,
        /// Which daemons beside zebra: `bgpd`, `bfdd`, `ospfd`, `staticd`, ….
        daemons: Vec<String>,
        /// Where it is installed; `None`: where packages put it.
        install: Option<String>,
    },
    /// BIRD with the configuration at `/run/bird/bird.conf` among the node's files.
    Bird {
        /// Whether the user wrote the configuration; backhoe then changes nothing in it.
        own_config: bool,
        /// The program; `None`: where packages put it.
        install: Option<String>,
    },
    /// strongSwan's charon for one end of one tunnel, configured by
    /// `/etc/strongswan.conf` and `/etc/swanctl/swanctl.conf` among the node's files.
    Charon(CharonPlan),
    /// What a host serves: names by DNS, ports for health checks.
    Service(ServiceConfig),
}

/// The IKE daemon of one end of one IPsec tunnel. It has a namespace of its own,
/// the outer side; the tunnel's interface is in the router's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CharonPlan {
    /// The tunnel.
    pub tunnel: TunnelName,
    /// The router that the tunnel's interface belongs to.
    pub node: NodeName,
    /// The interface there.
    pub interface: IfName,
    /// Its ifindex, unique in the lab.
    pub index: u32,
    /// The id of its XFRM interface: the same as in the child's configuration.
    pub if_id: u32,
    /// Inside addresses of this end.
    pub inside: Vec<IpNet>,
    /// Largest inner packet.
    pub mtu: Bytes,
    /// What encrypts.
    pub backend: IpsecBackend,
    /// Whether this end begins.
    pub initiates: bool,
    /// The file that the user wrote as swanctl.conf, as the lab file calls it;
    /// backhoe changes nothing in it.
    pub own_config: Option<String>,
    /// The file with the private key that the user brought for this end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_key: Option<String>,
}

/// What encrypts an IPsec tunnel's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IpsecBackend {
    /// The kernel's ESP, routed into by an XFRM interface.
    Kernel,
    /// strongSwan's own ESP in user space, behind a TUN device.
    Libipsec,
}

impl std::fmt::Display for IpsecBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Kernel => "kernel ESP",
            Self::Libipsec => "libipsec",
        })
    }
}

/// A link through the wire: node A ▸ veth ▸ wire ▸ veth ▸ node B.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WirePlan {
    /// The link's name.
    pub link: LinkName,
    /// Its two ends, as declared.
    pub ends: [WireEnd; 2],
    /// Shaping from `ends[0]` to `ends[1]` and back.
    pub shape: [Shape; 2],
    /// Largest packet.
    pub mtu: Bytes,
}

/// One end of a wired link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireEnd {
    /// The node.
    pub node: NodeName,
    /// The node's interface.
    pub node_if: IfName,
    /// Its ifindex in the node.
    pub node_index: u32,
    /// The wire's interface, in the wire namespace.
    pub wire_if: IfName,
    /// Its ifindex there.
    pub wire_index: u32,
}

/// A link that is a plain veth pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectPlan {
    /// The link's name.
    pub link: LinkName,
    /// Node and interface at each end.
    pub ends: [(NodeName, IfName); 2],
}

/// Links bundled by LACP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LagPlan {
    /// Its name.
    pub lag: LinkName,
    /// Its members.
    pub links: Vec<LinkName>,
    /// With fewer members in the aggregate it is down.
    pub min_links: u8,
    /// Its two ends, as its first member declares them.
    pub ends: [LagEnd; 2],
}

/// A tag's value and what carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagPlan {
    /// The tag.
    pub tag: Tag,
    /// Its value, in the file's own spelling.
    pub value: String,
    /// The links that carry it, and all links of the nodes that do.
    pub links: Vec<LinkName>,
    /// The machines that carry it.
    pub nodes: Vec<NodeName>,
}

/// One end of a LAG.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LagEnd {
    /// The node.
    pub node: NodeName,
    /// The bond.
    pub interface: IfName,
    /// Its members' interfaces, in the order of the LAG's links.
    pub members: Vec<IfName>,
    /// How often it asks for LACPDUs.
    pub lacp: LacpRate,
}

/// A point-to-point VPN tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelPlan {
    /// Its name.
    pub tunnel: TunnelName,
    /// The two ends.
    pub ends: [TunnelEnd; 2],
    /// Largest inner packet.
    pub mtu: Bytes,
    /// The links by which each end sends its outer packets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub underlay: Vec<LinkName>,
    /// What makes it.
    pub by: TunnelBy,
    /// What AWS's gateway lets through; none between routers of the user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<TunnelCap>,
}

/// What makes a tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TunnelBy {
    /// WireGuard, one process at each end.
    Wireguard,
    /// strongSwan, one charon at each end.
    Ipsec {
        /// What encrypts.
        backend: IpsecBackend,
        /// The namespaces of the two charons.
        endpoints: [NodeName; 2],
    },
}

/// One end of a tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelEnd {
    /// The node.
    pub node: NodeName,
    /// The tunnel's interface in the node.
    pub interface: IfName,
    /// Its ifindex, unique in the lab.
    pub index: u32,
    /// Inside addresses.
    pub inside: Vec<IpNet>,
    /// Outer address and UDP port of this end.
    pub outer: SocketAddr,
}

/// What a session runs over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Medium {
    /// A link or LAG.
    Link(LinkName),
    /// A tunnel.
    Tunnel(TunnelName),
}

impl Medium {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Link(link) => link.as_str(),
            Self::Tunnel(tunnel) => tunnel.as_str(),
        }
    }
}

/// A routing session seen from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionPlan {
    /// Its name.
    pub session: SessionName,
    /// `private-vif`, `vpn`, `ebgp`, `ibgp` or `modelled` (AWS-internal).
    pub kind: String,
    /// What carries it.
    pub over: Medium,
    /// The tag of its frames there, if they have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// Its two ends.
    pub ends: [SessionEnd; 2],
    /// Hold time offered by each end.
    pub hold: [Span; 2],
    /// Time between keepalives each end would have; absent: a third of the hold time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keepalive: Option<[Span; 2]>,
    /// BFD timers of each end, where BFD runs.
    pub bfd: Option<[BfdConfig; 2]>,
    /// Part of AWS's inside, whose real behaviour is not published.
    pub modelled: bool,
}

/// One end of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnd {
    /// The node.
    pub node: NodeName,
    /// Its interface towards the peer.
    pub interface: IfName,
    /// Its address.
    pub address: IpAddr,
    /// Its AS.
    pub asn: Asn,
}

/// One direction of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowPlan {
    /// Number carried in every packet of the flow; unique in the lab.
    pub id: u16,
    /// The probe it belongs to.
    pub probe: ProbeName,
    /// Sending namespace.
    pub from: NodeName,
    /// Receiving namespace.
    pub to: NodeName,
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Destination UDP port; the source port is fresh for each trial.
    pub port: u16,
    /// Packets a second.
    pub rate: u32,
    /// Bytes of the whole IP packet (RFC 6413 §4: IP header and payload).
    pub size: u16,
    /// DF is set (RFC 791 §3.1), whatever routers answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dont_fragment: bool,
    /// Where one end is a service: `from` or `to` is then its name, and the address of that
    /// side is its first endpoint's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceFlow>,
}

/// Background load from one host to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadPlan {
    /// Its name.
    pub load: LoadName,
    /// Sending namespace.
    pub from: NodeName,
    /// Receiving namespace.
    pub to: NodeName,
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Destination port, of TCP or UDP.
    pub port: u16,
    /// What is sent.
    pub transport: Transport,
    /// How often its counters are read.
    pub sampling: Span,
}

/// The end of a flow that may be at several hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceFlow {
    /// The service.
    pub name: NodeName,
    /// Whether the flow goes there; else it comes from there.
    pub towards: bool,
    /// Its endpoints; of a name the primary and the secondary.
    pub endpoints: Vec<ServiceTarget>,
    /// Of a name: whom the client asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolver: Option<SocketAddr>,
}

/// An endpoint as a flow has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceTarget {
    /// The host's namespace.
    pub host: NodeName,
    /// Its address of the flow's family.
    pub address: IpAddr,
}

/// Several hosts behind one name or address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServicePlan {
    /// What it is called.
    pub name: NodeName,
    /// Its endpoints; of a name the primary and the secondary.
    pub endpoints: Vec<FlowEnd>,
    /// How the name is served; `None`: the endpoints have one address (anycast).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsPlan>,
}

/// A host with its addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowEnd {
    /// The host's namespace.
    pub host: NodeName,
    /// Its addresses, at most one of each family.
    pub addresses: Vec<IpAddr>,
}

/// How a name is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsPlan {
    /// Who answers and checks.
    pub server: FlowEnd,
    /// Seconds for which an answer is kept.
    pub ttl: u32,
    /// How endpoints are checked.
    pub check: HealthCheck,
}

impl Plan {
    /// Names of a node's route tables by the kernel's numbers, but for the kernel's main one.
    pub fn table_names(&self, node: &NodeName) -> BTreeMap<u32, String> {
        let daemon = self.node(node.as_str()).map(|node| &node.daemon);
        let Some(DaemonPlan::Embedded(speaker)) = daemon else {
            return BTreeMap::new();
        };
        let tables = speaker.tables.iter();
        let tables = tables.filter(|one| one.table != MAIN_TABLE);
        tables
            .map(|one| (u32::from(one.table), one.name.to_string()))
            .collect()
    }

    /// The route table that routes what a host behind a VPC sends, where subnets have several.
    pub fn table_of_host(&self, host: &NodeName) -> Option<RouteTableName> {
        let vpc = self.node(host.as_str())?.behind.as_ref()?;
        let DaemonPlan::Embedded(speaker) = &self.node(vpc.as_str())?.daemon else {
            return None;
        };
        // Only a VPC's is the kernel's main table by name.
        let main = speaker.tables.iter().find(|one| one.table == MAIN_TABLE)?;
        let own = self.direct.iter().find_map(|link| {
            let at = |node: &NodeName| link.ends.iter().find(|(end, _)| end == node);
            at(host)?;
            at(vpc).map(|(_, dev)| dev)
        })?;
        let here = Netns::Node(vpc.clone());
        let master = self.ops.iter().find_map(|op| {
            let Op::SetMaster { netns, dev, master } = op else {
                return None;
            };
            (*netns == here && dev == own).then_some(master)
        });
        let inbound = master.unwrap_or(own);
        let number = self.ops.iter().find_map(|op| {
            let Op::AddRule {
                netns,
                dev,
                inbound: Inbound::By { table, .. },
            } = op
            else {
                return None;
            };
            (*netns == here && dev == inbound).then_some(*table)
        });
        let mut tables = speaker.tables.iter();
        let found = tables.find(|one| Some(one.table) == number);
        Some(found.unwrap_or(main).name.clone())
    }

    /// The flows of probes whose packets are to arrive.
    pub fn measured_flows(&self) -> impl Iterator<Item = &FlowPlan> {
        let flows = self.flows.iter();
        flows.filter(|flow| !self.isolated.contains_key(&flow.probe))
    }

    /// The node of this name.
    pub fn node(&self, name: &str) -> Option<&NodePlan> {
        self.nodes.iter().find(|node| node.name.as_str() == name)
    }

    /// The VRF an interface of a node is in. Its addresses are then in that VRF's
    /// table only: a socket that is not bound to the VRF cannot have them.
    pub fn vrf_of(&self, node: &NodeName, dev: &str) -> Option<&IfName> {
        let here = Netns::Node(node.clone());
        let is_vrf = |wanted: &IfName| {
            self.ops.iter().any(|op| {
                matches!(op, Op::AddVrf { netns, name, .. } if *netns == here && name == wanted)
            })
        };
        self.ops.iter().find_map(|op| {
            let Op::SetMaster {
                netns,
                dev: member,
                master,
            } = op
            else {
                return None;
            };
            let this = *netns == here && member.as_str() == dev;
            (this && is_vrf(master)).then_some(master)
        })
    }

    /// The VPN connection that a session inside one of its IPsec tunnels belongs to.
    pub fn connection_of<'p>(&self, session: &'p SessionPlan) -> Option<&'p str> {
        let Medium::Tunnel(over) = &session.over else {
            return None;
        };
        let mut tunnels = self.tunnels.iter();
        let tunnel = tunnels.find(|tunnel| tunnel.tunnel == *over)?;
        let (connection, _) = session.session.as_str().rsplit_once('.')?;
        matches!(tunnel.by, TunnelBy::Ipsec { .. }).then_some(connection)
    }

    /// The sessions a name stands for: those in the tunnels of an IPsec VPN, or the session
    /// itself.
    pub fn sessions_of(&self, name: &str) -> Vec<&SessionPlan> {
        let is = |session: &&SessionPlan| {
            session.session.as_str() == name || self.connection_of(session) == Some(name)
        };
        self.sessions.iter().filter(is).collect()
    }

    /// The links a name stands for: a LAG's members, or the link itself.
    pub fn links_of<'p>(&'p self, name: &'p LinkName) -> &'p [LinkName] {
        let lag = self.lags.iter().find(|lag| lag.lag == *name);
        match lag {
            Some(lag) => &lag.links,
            None => std::slice::from_ref(name),
        }
    }
}
