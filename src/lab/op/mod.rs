//! What can be asked of the kernel, as data. An operation prints the way `ip`
//! would be typed, so a plan can be read, compared and tested without a kernel.

mod display;

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::units::{Bytes, HashPolicy, IfName, LacpRate, NodeName, TunnelCap};

/// How often a bond looks at its members' carrier, milliseconds.
pub const BOND_MIIMON_MS: u32 = 10;

/// Priorities of [`Inbound`]'s rules: prefixes, then all others. After what is the
/// node's own, before the tables.
pub const INBOUND_PRIORITIES: [u32; 2] = [100, 200];

/// Priority of [`Inbound::Own`]'s rules: after the main table.
pub const OWN_PRIORITY: u32 = 32_800;

/// The kernel's main table.
pub const MAIN_TABLE: u8 = 254;

/// Tables of a router's VRFs, or of the route tables of a transit gateway or of a VPC's subnets:
/// the first has the first number.
pub const VRF_TABLES: std::ops::RangeInclusive<u8> = 101..=199;

/// A network namespace of the lab.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Netns {
    /// A node's or host's own namespace.
    Node(NodeName),
    /// The hidden namespace that no node owns, where links are shaped and cut.
    Wire,
}

/// One end of a veth pair, placed in its namespace at creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VethEnd {
    /// Where the end lives from the start; it is never moved.
    pub netns: Netns,
    /// Its name there.
    pub name: IfName,
    /// Its ifindex, unique in the whole lab: with equal indexes at the two ends
    /// the kernel reports carrier loss hundreds of milliseconds late.
    pub index: u32,
}

/// One request to the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// Create a network namespace.
    AddNetns {
        /// Which.
        netns: Netns,
    },
    /// Write a sysctl inside a namespace; `key` is dotted (`net.ipv4.ip_forward`).
    Sysctl {
        /// Where.
        netns: Netns,
        /// Dotted name.
        key: String,
        /// Value as text.
        value: String,
    },
    /// Create a veth pair with both ends in place and one queue each way.
    AddVeth {
        /// One end.
        a: VethEnd,
        /// The other end.
        b: VethEnd,
        /// MTU of both ends.
        mtu: Bytes,
    },
    /// Create a bridge (a `switch` node's only device).
    AddBridge {
        /// Where.
        netns: Netns,
        /// Name.
        name: IfName,
        /// Explicit ifindex, unique in the lab.
        index: u32,
    },
    /// Create an 802.1Q interface on top of another.
    AddVlan {
        /// Where.
        netns: Netns,
        /// Name.
        name: IfName,
        /// Explicit ifindex, unique in the lab.
        index: u32,
        /// The interface whose frames are tagged.
        parent: IfName,
        /// The tag, 1 to 4094.
        id: u16,
        /// Its own MTU; the tag is not part of it.
        mtu: Bytes,
    },
    /// Create a bond of mode 802.3ad, LACP active. Its members come by `SetMaster`,
    /// while they are down.
    AddBond {
        /// Where.
        netns: Netns,
        /// Name.
        name: IfName,
        /// Explicit ifindex, unique in the lab.
        index: u32,
        /// Its MTU, which its members take over.
        mtu: Bytes,
        /// How often the partner is asked to send.
        lacp: LacpRate,
        /// It has no carrier with fewer members in its aggregator.
        min_links: u8,
        /// What chooses a packet's member.
        hash: HashPolicy,
    },
    /// Create a VRF: a routing table for its members.
    AddVrf {
        /// Where.
        netns: Netns,
        /// Name.
        name: IfName,
        /// Explicit ifindex, unique in the lab.
        index: u32,
        /// The table's number.
        table: u8,
    },
    /// Make an interface, which is down, a member of a bridge, bond or VRF.
    SetMaster {
        /// Where.
        netns: Netns,
        /// The member.
        dev: IfName,
        /// The bridge, bond or VRF.
        master: IfName,
    },
    /// Add an address.
    AddAddress {
        /// Where.
        netns: Netns,
        /// Interface.
        dev: IfName,
        /// Address with its prefix length.
        address: IpNet,
    },
    /// Bring an interface up. `lo` is an interface like any other.
    SetUp {
        /// Where.
        netns: Netns,
        /// Interface.
        dev: IfName,
    },
    /// Clamp the MSS that TCP's SYNs offer when they are forwarded through an
    /// interface, either way (nftables). It goes by the interface's name, so that one
    /// which is not there yet, or comes back, is clamped as well.
    ClampMss {
        /// Where.
        netns: Netns,
        /// Interface.
        dev: IfName,
        /// Of IPv6; otherwise of IPv4.
        ipv6: bool,
        /// The largest segment that may be offered, bytes.
        mss: u16,
    },
    /// Drop what comes in by an interface beyond a cap, and count it (nftables). Each of the two
    /// limits lets what it takes in a second through at once, since nftables counts bytes so. It
    /// goes by the interface's name, as [`Self::ClampMss`] does.
    CapTunnel {
        /// Where.
        netns: Netns,
        /// Interface.
        dev: IfName,
        /// What it lets through.
        cap: TunnelCap,
    },
    /// Take an interface down.
    SetDown {
        /// Where.
        netns: Netns,
        /// Interface.
        dev: IfName,
    },
    /// Add a rule for packets that come in by an interface.
    AddRule {
        /// Where.
        netns: Netns,
        /// Interface.
        dev: IfName,
        /// The rule.
        inbound: Inbound,
    },
    /// Add a static route.
    AddRoute {
        /// Where.
        netns: Netns,
        /// Destination.
        prefix: IpNet,
        /// How it is reached.
        to: RouteTarget,
        /// A VRF's table; `None`: the main one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        table: Option<u8>,
    },
}

/// What becomes of packets that come in by an interface. Their own rules come before the
/// routing tables, prefixes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inbound {
    /// Those to this prefix are routed.
    To(IpNet),
    /// All are routed by this table.
    By {
        /// Its number.
        table: u8,
        /// Of IPv6; otherwise of IPv4.
        ipv6: bool,
    },
    /// No others are; their sender is told so.
    NoOther {
        /// Of IPv6; otherwise of IPv4.
        ipv6: bool,
    },
    /// Of `lo`: the node's own packets that the main table has no route for are routed by this
    /// one.
    Own {
        /// Its number.
        table: u8,
        /// Of IPv6; otherwise of IPv4.
        ipv6: bool,
    },
}

/// Where a static route leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteTarget {
    /// Through a gateway on a connected network.
    Via(IpAddr),
    /// Dropped without an ICMP answer.
    Blackhole,
}

impl Op {
    /// The routing table that a rule leads to, or a route is in, unless it is the main one.
    pub fn table(&self) -> Option<u8> {
        match self {
            Self::AddRoute { table, .. } => *table,
            Self::AddRule { inbound, .. } => match inbound {
                Inbound::By { table, .. } | Inbound::Own { table, .. } => Some(*table),
                Inbound::To(_) | Inbound::NoOther { .. } => None,
            },
            Self::AddNetns { .. }
            | Self::Sysctl { .. }
            | Self::AddVeth { .. }
            | Self::AddBridge { .. }
            | Self::AddVlan { .. }
            | Self::AddBond { .. }
            | Self::AddVrf { .. }
            | Self::SetMaster { .. }
            | Self::AddAddress { .. }
            | Self::SetUp { .. }
            | Self::SetDown { .. }
            | Self::ClampMss { .. }
            | Self::CapTunnel { .. } => None,
        }
    }

    /// The namespace the operation acts in (of a veth: that of its first end).
    pub fn netns(&self) -> &Netns {
        match self {
            Self::AddNetns { netns }
            | Self::Sysctl { netns, .. }
            | Self::AddBridge { netns, .. }
            | Self::AddVlan { netns, .. }
            | Self::AddBond { netns, .. }
            | Self::AddVrf { netns, .. }
            | Self::SetMaster { netns, .. }
            | Self::AddAddress { netns, .. }
            | Self::SetUp { netns, .. }
            | Self::SetDown { netns, .. }
            | Self::ClampMss { netns, .. }
            | Self::CapTunnel { netns, .. }
            | Self::AddRule { netns, .. }
            | Self::AddRoute { netns, .. } => netns,
            Self::AddVeth { a, .. } => &a.netns,
        }
    }
}
