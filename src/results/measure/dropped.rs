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
    NoWay { node: String, too_large: bool },
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
            Dropped::NoWay { node, too_large } => {
                let same = |known: &&mut NoWay| known.node == node && known.too_large == too_large;
                match self.no_way.iter_mut().find(same) {
                    Some(known) => known.dropped += 1,
                    None => self.no_way.push(NoWay {
                        no_transit: map.topology.no_transit.contains(&node),
                        node,
                        too_large,
                        dropped: 1,
                    }),
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
