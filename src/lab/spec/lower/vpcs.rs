//! VPCs' route tables and peerings, and AWS's rules for both (VPC User Guide, "Route
//! priority"; VPC Peering Guide).

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{Lower, Section};
use crate::{
    lab::model::{Daemon, Kind, SubnetTarget, Via},
    units::{LinkName, NodeName},
};

impl Lower<'_> {
    /// What only shows once links are known, and which tables have something to choose.
    pub(super) fn check_vpcs(&mut self) {
        let vpcs: Vec<(NodeName, Vec<IpNet>)> = self
            .lab
            .nodes
            .iter()
            .filter_map(|(name, node)| {
                let Kind::Vpc { cidrs, .. } = &node.kind else {
                    return None;
                };
                Some((name.clone(), cidrs.clone()))
            })
            .collect();
        self.check_pairs_of_vpcs();
        self.check_subnet_tables();
        for (vpc, ranges) in vpcs {
            let peerings: Vec<LinkName> = self.lab.peerings(&vpc).cloned().collect();
            self.check_table(&vpc, &ranges, &peerings);
            self.check_peerings(&vpc, &peerings);
            if self.lab.keeps_tables(&vpc).is_some()
                && let Some(node) = self.lab.nodes.get_mut(&vpc)
            {
                node.daemon = Daemon::Embedded;
            }
        }
    }

    /// Static routes lead over peerings, and none into the VPC's own ranges.
    fn check_table(&mut self, vpc: &NodeName, ranges: &[IpNet], peerings: &[LinkName]) {
        let Some(node) = self.lab.nodes.get(vpc) else {
            return;
        };
        let mut local = Vec::new();
        let mut elsewhere = Vec::new();
        for route in &node.routes {
            if let Some(range) = ranges.iter().find(|range| range.contains(&route.prefix)) {
                local.push((route.prefix, *range));
            }
            // A broken link has been reported where it is.
            let is_broken = |link: &LinkName| {
                self.is_known(Section::Links, link.as_str()) && !self.lab.links.contains_key(link)
            };
            let is_fine = |link: &LinkName| peerings.contains(link) || is_broken(link);
            if !matches!(&route.via, Via::Link(link) if is_fine(link)) {
                elsewhere.push(route.prefix);
            }
        }
        let at = |cx: &Self, prefix: &IpNet| cx.at(Section::Routes, &format!("{vpc} {prefix}"));
        // `default` is one of each family.
        elsewhere.dedup_by_key(|prefix| at(self, prefix));
        for (prefix, range) in local {
            let at = at(self, &prefix);
            let message = format!(
                "`{vpc}` cannot route `{prefix}`: it is in its own range `{range}`, which is local whatever else is written"
            );
            self.f
                .error(at, "aws-local", message)
                .help("a more specific route than the local one leads to appliances only (VPC User Guide, \"Subnet route tables\")");
        }
        for prefix in elsewhere {
            let at = at(self, &prefix);
            self.f
                .error(
                    at,
                    "aws-route",
                    format!("`{vpc}` routes `{prefix}` over something that is no peering of its own"),
                )
                .help("here its routes lead over peerings, links between two vpcs; what its gateway knows is there by itself");
        }
    }

    /// Two VPCs peer once.
    fn check_pairs_of_vpcs(&mut self) {
        let is_vpc = |end: &NodeName| matches!(self.kind(end), Some(Kind::Vpc { .. }));
        let mut first: BTreeMap<[NodeName; 2], LinkName> = BTreeMap::new();
        let mut twice = Vec::new();
        for (name, link) in &self.lab.links {
            if !link.ends.iter().all(is_vpc) {
                continue;
            }
            let mut ends = link.ends.clone();
            ends.sort();
            match first.get(&ends) {
                Some(other) => twice.push((name.clone(), other.clone(), ends)),
                None => drop(first.insert(ends, name.clone())),
            }
        }
        for (name, other, [a, b]) in twice {
            let at = self.at(Section::Links, name.as_str());
            let message = format!(
                "`{other}` and `{name}` both peer `{a}` and `{b}`; AWS has one peering between two VPCs"
            );
            self.f.error(at, "aws-peering", message);
        }
    }

    /// A peering carries what both tables send over it.
    fn check_peerings(&mut self, vpc: &NodeName, peerings: &[LinkName]) {
        for peering in peerings {
            let is_vpc = |end: &NodeName| matches!(self.kind(end), Some(Kind::Vpc { .. }));
            let link = self.lab.links.get(peering);
            // What leads elsewhere has been refused.
            if !link.is_some_and(|link| link.ends.iter().all(is_vpc)) {
                continue;
            }
            let used = self.lab.nodes.get(vpc).is_some_and(|node| {
                let over = |via: &Via| matches!(via, Via::Link(link) if link == peering);
                node.routes.iter().any(|route| over(&route.via))
            });
            let is_over =
                |to: &SubnetTarget| matches!(to, SubnetTarget::Peering(link) if link == peering);
            let used = used
                || self
                    .lab
                    .subnet_tables(vpc)
                    .any(|(_, _, table)| table.routes.values().any(is_over));
            if used {
                continue;
            }
            let at = self.at(Section::Links, peering.as_str());
            let message = format!("`{vpc}` has no route over the peering `{peering}`");
            self.f.warn(at, "aws-peering", message).help(
                "a peering by itself carries nothing: each vpc needs `routes` to the other's range",
            );
        }
    }
}
