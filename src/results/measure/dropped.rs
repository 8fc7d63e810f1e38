//! What became of lost packets that no wire dropped: by which node, and for what.

use std::net::IpAddr;

use super::{
    result::{NoWay, NodeDrop, NodeDropReason, SilentNeighbour},
    topology::Map,
};

/// Why a node dropped a packet.
pub(super) enum Dropped {
    /// The node, and who did not answer it.
    Neighbour(String, IpAddr),
    /// The node, which knew no way for it, or none for its size, and counted so.
    NoWay {
        node: String,
        too_large: bool,
        /// The sender stands behind the node itself.
        is_own: bool,
        /// The table that the sender's packets are routed by, where there are several.
        table: Option<String>,
    },
    /// What was seen at the node, and of which prefix, link or tunnel.
    Seen {
        node: String,
        reason: NodeDropReason,
        about: Option<String>,
    },
}

impl Dropped {
    pub(super) fn of(node: &str, reason: NodeDropReason, about: Option<&str>) -> Self {
        Self::Seen {
            node: node.to_owned(),
            reason,
            about: about.map(str::to_owned),
        }
    }
}

/// What became of lost packets that no wire dropped.
#[derive(Debug, Default)]
pub(super) struct Split {
    /// A node dropped them.
    pub(super) by_node: u64,
    /// Those of them that a node dropped for want of a neighbour that answers.
    pub(super) neighbours: Vec<SilentNeighbour>,
    /// Those of them that reached a node without a way for them.
    pub(super) no_way: Vec<NoWay>,
    /// All others of them.
    pub(super) drops: Vec<NodeDrop>,
    /// Nobody accounts for them.
    pub(super) by_nobody: u64,
}

impl Split {
    /// Where most of them ended that a node without a way, or with one that leads nowhere, dropped.
    pub(super) fn mostly(&self) -> Option<String> {
        let no_way = self.no_way.iter();
        let no_way = no_way.map(|one| (one.dropped, &one.node, one.why()));
        let seen = self.drops.iter();
        let seen = seen.map(|one| (one.dropped, &one.node, one.why()));
        let (dropped, node, why) = no_way.chain(seen).max_by_key(|(dropped, ..)| *dropped)?;
        Some(format!("{dropped} at {node}: {why}"))
    }

    pub(super) fn add(&mut self, dropped: Option<Dropped>, map: &Map<'_>) {
        let Some(dropped) = dropped else {
            self.by_nobody += 1;
            return;
        };
        self.by_node += 1;
        match dropped {
            Dropped::Neighbour(node, address) => {
                let mut known = self.neighbours.iter_mut();
                match known.find(|known| known.node == node && known.address == address) {
                    Some(known) => known.dropped += 1,
                    None => self.neighbours.push(SilentNeighbour {
                        node,
                        address,
                        dropped: 1,
                    }),
                }
            }
            Dropped::NoWay {
                node,
                too_large,
                is_own,
                table,
            } => {
                let no_transit = !is_own && map.topology.no_transit.contains(&node);
                let fresh = NoWay {
                    node,
                    no_transit,
                    table,
                    too_large,
                    dropped: 1,
                };
                let same = |known: &&mut NoWay| {
                    NoWay {
                        dropped: 1,
                        ..NoWay::clone(known)
                    } == fresh
                };
                match self.no_way.iter_mut().find(same) {
                    Some(known) => known.dropped += 1,
                    None => self.no_way.push(fresh),
                }
            }
            Dropped::Seen {
                node,
                reason,
                about,
            } => {
                let same = |known: &&mut NodeDrop| {
                    known.node == node && known.reason == reason && known.about == about
                };
                match self.drops.iter_mut().find(same) {
                    Some(known) => known.dropped += 1,
                    None => self.drops.push(NodeDrop {
                        node,
                        reason,
                        about,
                        dropped: 1,
                    }),
                }
            }
        }
    }
}

impl NoWay {
    /// Why, in words.
    pub fn why(&self) -> String {
        match (self.too_large, self.no_transit, &self.table) {
            (true, ..) => "too large for the way on, and not to be fragmented".to_owned(),
            (false, true, _) => "a VPC hands nothing on for others".to_owned(),
            (false, false, Some(table)) => format!("no route in route table {table}"),
            (false, false, None) => "no route".to_owned(),
        }
    }
}

impl NodeDrop {
    /// Why, in words.
    pub fn why(&self) -> String {
        let about = self.about.as_deref().unwrap_or("?");
        match self.reason {
            NodeDropReason::NoRoute => "no route".to_owned(),
            NodeDropReason::Blackhole => format!("blackhole route {about}"),
            NodeDropReason::RouteLost => format!("its route moved to {about}"),
            NodeDropReason::NoCarrier => format!("no carrier on {about}"),
            NodeDropReason::Failed => "taken by the fault".to_owned(),
            NodeDropReason::TunnelDown => format!("tunnel {about} down"),
            NodeDropReason::UnderlayCut => format!("into tunnel {about}, whose underlay was cut"),
            NodeDropReason::TunnelDropped => format!("an end of tunnel {about} counted them"),
            NodeDropReason::NotCollecting => format!("{about} not yet in its LAG"),
            NodeDropReason::NoMember => "its LAG had no member".to_owned(),
        }
    }
}
