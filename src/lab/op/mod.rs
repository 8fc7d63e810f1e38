//! What can be asked of the kernel, as data. An operation prints the way `ip`
//! would be typed, so a plan can be read, compared and tested without a kernel.

mod display;

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::units::{Bytes, IfName, NodeName};

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
    /// Make an interface a bridge port.
    SetMaster {
        /// Where.
        netns: Netns,
        /// The port.
        dev: IfName,
        /// The bridge.
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
    /// Take an interface down.
    SetDown {
        /// Where.
        netns: Netns,
        /// Interface.
        dev: IfName,
    },
    /// Add a static route.
    AddRoute {
        /// Where.
        netns: Netns,
        /// Destination.
        prefix: IpNet,
        /// How it is reached.
        to: RouteTarget,
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
    /// The namespace the operation acts in (of a veth: that of its first end).
    pub fn netns(&self) -> &Netns {
        match self {
            Self::AddNetns { netns }
            | Self::Sysctl { netns, .. }
            | Self::AddBridge { netns, .. }
            | Self::SetMaster { netns, .. }
            | Self::AddAddress { netns, .. }
            | Self::SetUp { netns, .. }
            | Self::SetDown { netns, .. }
            | Self::AddRoute { netns, .. } => netns,
            Self::AddVeth { a, .. } => &a.netns,
        }
    }
}
