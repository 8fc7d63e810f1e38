//! Several links that act as one.

use ipnet::IpNet;

use crate::units::{Bytes, HashPolicy, LacpRate, LinkName, NodeName};

/// Most members of a LAG between routers of the user's own: what implementations
/// of LACP commonly bundle.
pub const MAX_MEMBERS: usize = 8;

/// A link aggregation group (IEEE 802.1AX): links between the same two nodes,
/// bundled by LACP, with one address at each end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lag {
    /// Its members, two or more, in no other LAG; of one rate and one MTU, and
    /// without addresses of their own.
    pub links: Vec<LinkName>,
    /// The two nodes, as its first member declares them.
    pub ends: [NodeName; 2],
    /// With fewer members in the aggregate the LAG is down at both ends; at most
    /// as many as it has members.
    pub min_links: u8,
    /// How often each end asks the other for LACPDUs.
    pub lacp: [LacpRate; 2],
    /// What chooses the member that carries a packet.
    pub hash: HashPolicy,
    /// Largest IP packet: its members'.
    pub mtu: Bytes,
    /// Addresses of each end, as those of a link.
    pub addresses: [Vec<IpNet>; 2],
    /// Line of the file.
    pub line: u32,
}
