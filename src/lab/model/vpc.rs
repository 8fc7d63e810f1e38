//! A VPC's subnets and their route tables, and what keeps them.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{Kind, Lab};
use crate::units::{LinkName, NodeName, SubnetName};

/// Most subnets of a VPC that have tables of their own: the kernel's tables have numbers.
pub const MAX_SUBNET_TABLES: usize = 99;

/// Subnets by name. None: the networks of the VPC's hosts are all there is, and have one table.
pub type Subnets = BTreeMap<SubnetName, Subnet>;

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// Its ranges, at most one of each family: inside the VPC's and no other subnet's.
    pub cidrs: Vec<IpNet>,
    /// A route table of its own; none: the VPC's main one.
    pub table: Option<SubnetTable>,
}

/// A route table that a subnet is associated with. The VPC's own ranges are local in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SubnetTable {
    /// Whether the VPC's vgw propagates its routes into it. Never at a tgw.
    pub propagation: bool,
    /// Its static routes, none into the VPC's own ranges.
    pub routes: BTreeMap<IpNet, SubnetTarget>,
}

/// Where a static route of a subnet's table leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubnetTarget {
    /// To the vgw or tgw that the VPC is attached to.
    Gateway,
    /// Over this peering.
    Peering(LinkName),
}

impl Lab {
    /// The links of a VPC: peerings with other VPCs.
    pub fn peerings(&self, vpc: &NodeName) -> impl Iterator<Item = &LinkName> {
        let of = self.links.iter();
        of.filter(move |(_, link)| link.ends.contains(vpc))
            .map(|(name, _)| name)
    }

    /// The subnets of a VPC that have a route table of their own.
    pub fn subnet_tables(
        &self,
        vpc: &NodeName,
    ) -> impl Iterator<Item = (&SubnetName, &Subnet, &SubnetTable)> {
        let subnets = self.nodes.get(vpc).and_then(|node| {
            let Kind::Vpc { subnets, .. } = &node.kind else {
                return None;
            };
            Some(subnets)
        });
        let all = subnets.into_iter().flatten();
        all.filter_map(|(name, subnet)| Some((name, subnet, subnet.table.as_ref()?)))
    }

    /// The vgw whose routes are propagated into a VPC's tables one by one. Where nothing
    /// else is in its only table, a default route says the same, and the answer is none.
    pub fn propagates_to(&self, vpc: &NodeName) -> Option<&NodeName> {
        let node = self.nodes.get(vpc)?;
        let Kind::Vpc { attach, .. } = &node.kind else {
            return None;
        };
        let is_vgw = self.nodes.get(attach)?.kind == Kind::Vgw;
        let has_more = !node.routes.is_empty()
            || self.peerings(vpc).next().is_some()
            || self.subnet_tables(vpc).next().is_some();
        (is_vgw && has_more).then_some(attach)
    }

    /// The gateway of a VPC whose tables have several things in them, so that somebody has to
    /// keep them.
    pub fn keeps_tables(&self, vpc: &NodeName) -> Option<&NodeName> {
        let Kind::Vpc { attach, .. } = &self.nodes.get(vpc)?.kind else {
            return None;
        };
        let has_tables = self.subnet_tables(vpc).next().is_some();
        self.propagates_to(vpc)
            .or_else(|| has_tables.then_some(attach))
    }
}
