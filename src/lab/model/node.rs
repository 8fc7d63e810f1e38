//! Nodes, the hosts behind them, and static routes.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use ipnet::{IpNet, Ipv4Net};

use super::{Announce, RouteTables, Subnets};
use crate::units::{Asn, HostName, IfName, LinkName, NodeName, RegionName, Suite};

/// A declared node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Its AS. Always there for a `vgw`, `dxgw` and `tgw`, and for a `router` or `data-center`
    /// that is an end of a session. Never there for other kinds: a
    /// `dx-location` speaks with the AS of its VIF's gateway.
    pub asn: Option<Asn>,
    /// What speaks for it. `None` for every kind but `router`, `data-center` and
    /// those of AWS that speak; `Embedded` for the latter, and for a `vpc` into whose
    /// table routes are propagated one by one.
    pub daemon: Daemon,
    /// The BGP Identifier, where the file sets it.
    pub router_id: Option<Ipv4Addr>,
    /// VRFs of a router by name.
    pub vrfs: BTreeMap<IfName, Vrf>,
    /// How many equally good paths are installed; at least 1.
    pub multipath: u8,
    /// Prefixes originated beside those that `announce` lists; what explicit
    /// export rules work on. Null-routed locally where nothing longer exists.
    pub originate: Vec<Announce>,
    /// Hosts behind the node, each in a namespace of its own.
    pub hosts: BTreeMap<HostName, Host>,
    /// Static routes of the node itself.
    pub routes: Vec<StaticRoute>,
    /// Where it is and whose it is.
    pub tags: Tags,
    /// The Region of a `vgw` or `tgw`, or that a `dx-location` is associated with.
    pub region: Option<RegionName>,
    /// nftables rules of the user's own, in force before its daemons start.
    pub firewall: Option<OwnConfig>,
    /// Line of the file.
    pub line: u32,
}

/// A VRF: what of the node is in a routing table of its own. Nothing is in two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vrf {
    /// Links of the node, and LAGs; tagged VIFs go with their circuit.
    pub links: Vec<LinkName>,
    /// Hosts behind the node; those that share a network are all in it.
    pub hosts: Vec<HostName>,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A machine on its own, attached by links; it forwards nothing. With
    /// exactly one link to a router its default route leads there, unless
    /// `routes` says otherwise.
    Host,
    /// A plain router.
    Router,
    /// A bridge: its links are its ports, and it has no address.
    Switch,
    /// The customer's router and what is behind it.
    DataCenter,
    /// The internet: forwards between its links, knows their addresses, no BGP.
    Internet,
    /// A Direct Connect location: AWS's router at the far end of the circuit.
    DxLocation,
    /// A virtual private gateway.
    Vgw,
    /// A Direct Connect gateway: between VIFs and the gateways of VPCs.
    Dxgw {
        /// The gateways associated with it, all vgws or all tgws, each linked to it by
        /// exactly one link, with its allowed prefixes. Of a vgw: what its VPC's ranges
        /// must be inside of to be advertised; none means all are. Of a tgw: what is
        /// advertised for it.
        associations: BTreeMap<NodeName, Vec<IpNet>>,
    },
    /// A transit gateway.
    Tgw {
        /// Its option "VPN ECMP support".
        vpn_ecmp: bool,
        /// Its route tables; none: the default one, with which everything is associated
        /// and into which everything propagates.
        tables: RouteTables,
        /// Its CIDR block, from which the outer addresses of private-IP VPNs are taken.
        cidr: Option<Ipv4Net>,
    },
    /// AWS's public network, and the services in it: what a public VIF leads to.
    AwsPublic {
        /// Where it is, as seen from the locations of the lab.
        scope: Scope,
        /// What AWS announces of it: public, at least one.
        prefixes: Vec<IpNet>,
    },
    /// A virtual private cloud.
    Vpc {
        /// The `vgw` or `tgw` it is attached to.
        attach: NodeName,
        /// Whether it tells a tgw's route table its ranges. Always at a vgw.
        propagate: bool,
        /// Its address ranges: at least one IPv4, at most one IPv6 (/56).
        cidrs: Vec<IpNet>,
        /// Its subnets; each of its hosts is in one of them, if there are any.
        subnets: Subnets,
    },
}

impl Kind {
    /// The word of the lab file.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Router => "router",
            Self::Switch => "switch",
            Self::DataCenter => "data-center",
            Self::Internet => "internet",
            Self::DxLocation => "dx-location",
            Self::Vgw => "vgw",
            Self::Dxgw { .. } => "dxgw",
            Self::Tgw { .. } => "tgw",
            Self::AwsPublic { .. } => "aws-public",
            Self::Vpc { .. } => "vpc",
        }
    }

    /// Whether it is a router of the user's own: what may be at either end of any session.
    pub fn is_router(&self) -> bool {
        matches!(self, Self::Router | Self::DataCenter)
    }

    /// Whether AWS runs it.
    pub fn is_aws(&self) -> bool {
        self.speaks_for_aws() || matches!(self, Self::Vpc { .. })
    }

    /// The same of a kind's word.
    pub fn is_word_of_aws(word: &str) -> bool {
        matches!(
            word,
            "dx-location" | "vgw" | "dxgw" | "tgw" | "aws-public" | "vpc"
        )
    }

    /// Whether it is AWS's and speaks BGP.
    pub fn speaks_for_aws(&self) -> bool {
        matches!(
            self,
            Self::DxLocation
                | Self::Vgw
                | Self::Dxgw { .. }
                | Self::Tgw { .. }
                | Self::AwsPublic { .. }
        )
    }

    /// Whether it is a transit gateway.
    pub fn is_tgw(&self) -> bool {
        matches!(self, Self::Tgw { .. })
    }

    /// Whether AWS's VPNs end there.
    pub fn has_aws_vpn(&self) -> bool {
        matches!(self, Self::Vgw | Self::Tgw { .. })
    }
}

/// Where a part of AWS's public network is, as seen from a Direct Connect location (Direct
/// Connect User Guide, "Routing policies and BGP communities").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// In the Region that the location is associated with.
    Region,
    /// On the same continent.
    Continent,
    /// Anywhere else.
    Global,
}

impl Scope {
    /// In the order of [`Scope`].
    pub const WORDS: [&'static str; 3] = ["region", "continent", "global"];

    /// Reads a word of [`Self::WORDS`].
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "region" => Some(Self::Region),
            "continent" => Some(Self::Continent),
            "global" => Some(Self::Global),
            _ => None,
        }
    }
}

/// What speaks BGP and BFD for a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Daemon {
    /// Nothing: static routes only.
    None,
    /// backhoe's own speaker.
    Embedded,
    /// A routing suite of somebody else's.
    External(External),
}

/// Which suite, of which installation, with whose configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct External {
    /// What it is.
    pub suite: Suite,
    /// Where it is installed: for FRR the installation's directory, for BIRD the
    /// program; absolute. `None`: what the host's packages have installed.
    pub install: Option<String>,
    /// The user's own configuration; `None`: generated.
    pub config: Option<OwnConfig>,
}

/// How a plan's note begins that is of a defect of the installed release that changes failover.
pub const KNOWN_DEFECT: &str = "known defect: ";

/// A daemon's configuration that the user wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnConfig {
    /// The file's path as the lab file has it: relative to the lab file.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A host behind a node. Its gateway, the node's own address towards it, is the
/// first address of its network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// One or two addresses, at most one of each family, IPv4 first; never the
    /// network's own, first (gateway) or broadcast address.
    pub addresses: Vec<IpNet>,
    /// Line of the file.
    pub line: u32,
}

/// A static route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticRoute {
    /// Destination.
    pub prefix: IpNet,
    /// How it is reached.
    pub via: Via,
    /// Line of the file.
    pub line: u32,
}

/// Where a static route leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// An address of the destination's family.
    Address(IpAddr),
    /// Whoever is at the other end of this link of the node.
    Link(LinkName),
    /// Nowhere.
    Blackhole,
}

/// Free words for grouping, in the file's own spelling.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tags {
    /// Whose it is.
    pub provider: Option<String>,
    /// Direct Connect location or building.
    pub location: Option<String>,
    /// The customer's site.
    pub site: Option<String>,
}
