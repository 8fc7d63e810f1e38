//! The plan's own types: data only, serialisable, in the order things are built.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{
    lab::op::Op,
    units::{
        Asn, BfdConfig, Bytes, IfName, LabName, LinkName, NodeName, Percent, ProbeName, Rate,
        SessionName, Span, SpeakerConfig, TunnelName,
    },
};

/// A lab, ready to be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The lab's name.
    pub lab: LabName,
    /// Namespaces with a life of their own, hosts included, in build order.
    pub nodes: Vec<NodePlan>,
    /// Kernel operations in order: namespaces, veths, addresses, sysctls, up, static routes.
    pub ops: Vec<Op>,
    /// Links that run through the hidden wire namespace.
    pub wires: Vec<WirePlan>,
    /// Links proven to be neither shaped nor cut: plain veth pairs.
    pub direct: Vec<DirectPlan>,
    /// VPN tunnels.
    pub tunnels: Vec<TunnelPlan>,
    /// Routing sessions, as seen from outside: what readiness and status look at.
    pub sessions: Vec<SessionPlan>,
    /// Probe flows, two for each probe, one each way.
    pub flows: Vec<FlowPlan>,
    /// The scenario's steps.
    pub scenario: Vec<StepPlan>,
    /// What must hold afterwards.
    pub expect: Vec<ExpectPlan>,
    /// Warnings every report repeats (stand-ins, simplifications, modelled parts).
    pub notes: Vec<String>,
}

/// A namespace with a host name, a private /run and perhaps a routing daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePlan {
    /// Its name, also its host name.
    pub name: NodeName,
    /// The word of the lab file (`data-center`, `vgw`, `host`, …).
    pub kind: String,
    /// For a host: the node it stands behind.
    pub behind: Option<NodeName>,
    /// What it runs.
    pub daemon: DaemonPlan,
    /// Text files inside its mount namespace, by absolute path: `/etc/hosts`,
    /// `/etc/frr/frr.conf`, … Shown by `backhoe plan`.
    pub files: BTreeMap<String, String>,
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
    },
}

/// A link through the wire: node A ▸ veth ▸ wire ▸ veth ▸ node B.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WirePlan {
    /// The link's name.
    pub link: LinkName,
    /// Its two ends, as declared.
    pub ends: [WireEnd; 2],
    /// Shaping from `ends[0]` to `ends[1]` and back.
    pub shape: [ShapePlan; 2],
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

/// What one direction of a link does to packets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShapePlan {
    /// One-way delay.
    pub delay: Span,
    /// Uniform variation around the delay, at most the delay itself.
    pub jitter: Span,
    /// Random independent loss.
    pub loss: Percent,
    /// Serialisation rate.
    pub rate: Option<Rate>,
    /// Bytes that may wait for the rate before packets are dropped; `None`: 100 ms at the rate.
    pub queue: Option<Bytes>,
}

impl ShapePlan {
    /// Whether packets pass unchanged and at once.
    pub fn is_transparent(&self) -> bool {
        self.delay == Span::ZERO
            && self.jitter == Span::ZERO
            && self.loss == Percent::default()
            && self.rate.is_none()
    }
}

/// A link that is a plain veth pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectPlan {
    /// The link's name.
    pub link: LinkName,
    /// Node and interface at each end.
    pub ends: [(NodeName, IfName); 2],
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
    /// A link.
    Link(LinkName),
    /// A tunnel.
    Tunnel(TunnelName),
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
    /// Its two ends.
    pub ends: [SessionEnd; 2],
    /// Hold time offered by each end.
    pub hold: [Span; 2],
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
}

/// One step of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepPlan {
    /// Apply a fault.
    Fault {
        /// What `expect` and `restore` call it: `cut`, or the name the file gives.
        label: String,
        /// The fault.
        fault: FaultPlan,
    },
    /// Undo the named fault.
    Restore {
        /// The fault's label.
        label: String,
    },
    /// Wait until a probe's both flows are delivered without loss again.
    WaitRecovered {
        /// The probe.
        probe: ProbeName,
        /// Deadline.
        within: Span,
    },
    /// Let time pass while probes run.
    Sleep(Span),
}

/// A fault, in the words of the cut taxonomy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultPlan {
    /// Packets vanish; carrier stays up. `from: None` both ways, else only packets sent by that node.
    Silent {
        /// The link.
        link: LinkName,
        /// The sending node of the only direction that is cut.
        from: Option<NodeName>,
    },
    /// Loss of light; `at: None` at both ends, else only that node sees it (nothing passes either way).
    Carrier {
        /// The link.
        link: LinkName,
        /// The node that sees it.
        at: Option<NodeName>,
    },
    /// The wire drops exactly the next `packets` numbered probe packets of each flow it carries.
    DropNumbered {
        /// The link.
        link: LinkName,
        /// How many of each flow.
        packets: u32,
    },
    /// AWS's StartBgpFailoverTest: the AWS end closes the session with a NOTIFICATION; light stays on.
    BgpShutdown {
        /// The session.
        session: SessionName,
        /// The node that shuts it down.
        node: NodeName,
    },
    /// SIGKILL of a node's daemons.
    Kill {
        /// The node.
        node: NodeName,
    },
    /// SIGSTOP of a node's daemons.
    Freeze {
        /// The node.
        node: NodeName,
    },
    /// All wires of the node fall silent, then its processes are killed.
    NodeDeath {
        /// The node.
        node: NodeName,
        /// Its links.
        links: Vec<LinkName>,
    },
    /// The link's shape changes.
    Degrade {
        /// The link.
        link: LinkName,
        /// The new shape, both ways.
        shape: [ShapePlan; 2],
    },
}

impl FaultPlan {
    /// The taxonomy's word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Silent { from: None, .. } => "silent",
            Self::Silent { from: Some(_), .. } => "one-way",
            Self::Carrier { .. } => "carrier",
            Self::DropNumbered { .. } => "drop",
            Self::BgpShutdown { .. } => "bgp-shutdown",
            Self::Kill { .. } => "kill",
            Self::Freeze { .. } => "freeze",
            Self::NodeDeath { .. } => "node",
            Self::Degrade { .. } => "degrade",
        }
    }

    /// What it hits.
    pub fn target(&self) -> &str {
        match self {
            Self::Silent { link, .. }
            | Self::Carrier { link, .. }
            | Self::DropNumbered { link, .. }
            | Self::Degrade { link, .. } => link.as_str(),
            Self::BgpShutdown { session, .. } => session.as_str(),
            Self::Kill { node } | Self::Freeze { node } | Self::NodeDeath { node, .. } => {
                node.as_str()
            }
        }
    }
}

/// One expectation about one probe after one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectPlan {
    /// The fault's label for its initial transition, or `restore` of it.
    pub after: ExpectAfter,
    /// The probe; both its flows must satisfy it.
    pub probe: ProbeName,
    /// Longest outage.
    pub outage_max: Option<Span>,
    /// Exactly this many lost (0 on a clean reversion).
    pub lost: Option<u64>,
    /// The session carrying the traffic afterwards.
    pub via: Option<SessionName>,
    /// Line of the lab file, for reports.
    pub line: u32,
}

/// The transition an expectation speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpectAfter {
    /// The initial transition of the fault with this label.
    Fault(String),
    /// The reversion after the fault with this label was restored.
    Restore(String),
}
