//! A transit gateway's route tables, and what is attached to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use ipnet::IpNet;

use super::{Kind, Lab, SessionKind};
use crate::units::{LinkName, NodeName, RouteTableName, SessionName};

/// Route tables by name.
pub type RouteTables = BTreeMap<RouteTableName, TgwTable>;

/// One route table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TgwTable {
    /// The attachments whose packets it routes. Each is in exactly one table's.
    pub associated: BTreeSet<TgwAttachment>,
    /// The attachments whose routes it takes. Never a peering.
    pub propagated: BTreeSet<TgwAttachment>,
    /// Its static routes; `None`: a blackhole.
    pub routes: BTreeMap<IpNet, Option<TgwAttachment>>,
}

/// Something attached to a transit gateway.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TgwAttachment {
    /// A VPC.
    Vpc(NodeName),
    /// A Direct Connect gateway.
    Dxgw(NodeName),
    /// A VPN, with all its tunnels.
    Vpn(SessionName),
    /// The transit gateway at the other end of this link.
    Peering(LinkName, NodeName),
}

impl TgwAttachment {
    /// How the lab file names it.
    pub fn name(&self) -> &str {
        match self {
            Self::Vpc(node) | Self::Dxgw(node) | Self::Peering(_, node) => node.as_str(),
            Self::Vpn(session) => session.as_str(),
        }
    }
}

impl fmt::Display for TgwAttachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Lab {
    /// Whether a node is a transit gateway.
    pub fn is_tgw(&self, name: &NodeName) -> bool {
        let kind = self.nodes.get(name).map(|node| &node.kind);
        kind.is_some_and(Kind::is_tgw)
    }

    /// Whether a node is a Direct Connect gateway.
    pub fn is_dxgw(&self, name: &NodeName) -> bool {
        let kind = self.nodes.get(name).map(|node| &node.kind);
        kind.is_some_and(|kind| matches!(kind, Kind::Dxgw { .. }))
    }

    /// The route tables of a transit gateway; none: it has the default one, in which
    /// everything is.
    pub fn route_tables(&self, name: &NodeName) -> Option<&RouteTables> {
        let Kind::Tgw { tables, .. } = &self.nodes.get(name)?.kind else {
            return None;
        };
        (!tables.is_empty()).then_some(tables)
    }

    /// What is attached to a transit gateway.
    pub fn tgw_attachments(&self, tgw: &NodeName) -> Vec<TgwAttachment> {
        let nodes = self.nodes.iter();
        let nodes = nodes.filter_map(|(name, node)| {
            if matches!(&node.kind, Kind::Vpc { attach, .. } if attach == tgw) {
                return Some(TgwAttachment::Vpc(name.clone()));
            }
            let is_dxgw =
                matches!(&node.kind, Kind::Dxgw { associations } if associations.contains_key(tgw));
            is_dxgw.then(|| TgwAttachment::Dxgw(name.clone()))
        });
        let vpns = self.sessions.iter().filter(|(_, session)| {
            matches!(session.kind, SessionKind::Vpn(_)) && session.ends.contains(tgw)
        });
        let peerings = self.links.iter().filter_map(|(name, link)| {
            let other = link.ends.iter().find(|end| *end != tgw)?;
            let is_one = link.ends.contains(tgw) && self.is_tgw(other);
            is_one.then(|| TgwAttachment::Peering(name.clone(), other.clone()))
        });
        nodes
            .chain(vpns.map(|(name, _)| TgwAttachment::Vpn(name.clone())))
            .chain(peerings)
            .collect()
    }
}
