//! Links between AWS's gateways: what runs over them, and what would go wrong there.

use ipnet::IpNet;

use super::{
    super::{At, reader::an},
    Lower, Section,
    nodes::overlaps,
};
use crate::{
    lab::model::{Kind, TgwAttachment, Via},
    units::{LinkName, NodeName},
};

impl Lower<'_> {
    /// What runs over links between gateways fits them.
    pub(super) fn check_between_gateways(&mut self) {
        if self.links_complete() {
            self.check_unassociated();
        }
        self.check_loops();
    }

    /// A link between a Direct Connect gateway and a gateway of VPCs is an association.
    fn check_unassociated(&mut self) {
        let mut found = Vec::new();
        for (name, link) in &self.lab.links {
            let [a, b] = &link.ends;
            for (dxgw, gateway) in [(a, b), (b, a)] {
                let (Some(Kind::Dxgw { associations }), Some(kind)) =
                    (self.kind(dxgw), self.kind(gateway))
                else {
                    continue;
                };
                // One of nothing has been reported.
                let is_one = kind.has_aws_vpn() && !associations.is_empty();
                if is_one && !associations.contains_key(gateway) {
                    found.push((name.clone(), dxgw.clone(), gateway.clone()));
                }
            }
        }
        for (link, dxgw, gateway) in found {
            let at = self.at(Section::Links, link.as_str());
            let kind = self.kind(&gateway).map_or("gateway", Kind::word);
            let message = format!(
                "`{gateway}`, {}, is not associated with `{dxgw}`: nothing goes over `{link}`",
                an(kind)
            );
            self.f.error(at, "aws-association", message).help(format!(
                "name it in `associate` of `{dxgw}`, or leave the link out"
            ));
        }
    }

    /// An allowed prefix is of a family that somebody behind it has.
    pub(super) fn check_allowed_families(
        &mut self,
        at: At,
        (dxgw, gateway): (&NodeName, &NodeName),
        allowed: &[IpNet],
    ) {
        let is_tgw = self.lab.is_tgw(gateway);
        let carried: Vec<IpNet> = if is_tgw {
            let links = self.links_between(dxgw, gateway);
            let links = links.iter().filter_map(|link| self.lab.links.get(link));
            links.flat_map(|link| link.addresses.concat()).collect()
        } else {
            let ranges = self.lab.nodes.values().filter_map(|node| {
                let Kind::Vpc { attach, cidrs, .. } = &node.kind else {
                    return None;
                };
                (attach == gateway).then(|| cidrs.clone())
            });
            ranges.flatten().collect()
        };
        // Derived addresses are of every family that the lab has.
        if carried.is_empty() {
            return;
        }
        let is_like = |a: &IpNet, b: &IpNet| a.addr().is_ipv4() == b.addr().is_ipv4();
        for prefix in allowed {
            if carried.iter().any(|net| is_like(net, prefix)) {
                continue;
            }
            let family = if prefix.addr().is_ipv4() {
                "IPv4"
            } else {
                "IPv6"
            };
            if is_tgw {
                self.f
                    .error(
                        at,
                        "family",
                        format!("`{dxgw}` cannot reach `{gateway}` for the allowed prefix `{prefix}`: their link has no {family} addresses"),
                    )
                    .help("give its ends one each, or leave `addresses` out");
            } else {
                let message = format!(
                    "allowed prefix `{prefix}` lets nothing by: the vpc at `{gateway}` has no {family} range"
                );
                self.f.warn(at, "aws-allowed", message);
            }
        }
    }

    /// Static routes of a tgw over peerings, of all its tables.
    fn peered_routes(&self, tgw: &NodeName) -> Vec<(IpNet, LinkName)> {
        let node = self.lab.nodes.get(tgw);
        let own = node.map_or(&[][..], |node| &node.routes);
        let own = own.iter().filter_map(|route| match &route.via {
            Via::Link(link) => Some((route.prefix, link.clone())),
            Via::Address(_) | Via::Blackhole => None,
        });
        let tables = self.lab.route_tables(tgw);
        let routes = tables
            .into_iter()
            .flatten()
            .flat_map(|(_, table)| &table.routes);
        let routes = routes.filter_map(|(prefix, to)| {
            let Some(TgwAttachment::Peering(link, _)) = to else {
                return None;
            };
            Some((*prefix, link.clone()))
        });
        own.chain(routes).collect()
    }

    /// Two transit gateways that send each other the same.
    fn check_loops(&mut self) {
        let mut found = Vec::new();
        for (name, link) in &self.lab.links {
            let [a, b] = &link.ends;
            if !(self.lab.is_tgw(a) && self.lab.is_tgw(b)) {
                continue;
            }
            let over = |tgw: &NodeName| {
                let routes = self.peered_routes(tgw);
                let over = routes.into_iter().filter(|(_, over)| over == name);
                over.map(|(prefix, _)| prefix).collect::<Vec<_>>()
            };
            let back = over(b);
            for there in over(a) {
                let Some(back) = back.iter().find(|back| overlaps(back, &there)) else {
                    continue;
                };
                let both = if there.prefix_len() > back.prefix_len() {
                    there
                } else {
                    *back
                };
                let is_known = self.lab.nodes.values().any(|node| {
                    let Kind::Vpc { attach, cidrs, .. } = &node.kind else {
                        return false;
                    };
                    [a, b].contains(&attach) && cidrs.iter().any(|net| net.contains(&both))
                });
                if !is_known {
                    found.push((a.clone(), b.clone(), there, *back));
                }
            }
        }
        for (a, b, there, back) in found {
            let at = self.at(Section::Nodes, a.as_str());
            self.f
                .warn(
                    at,
                    "aws-loop",
                    format!("`{a}` routes `{there}` to `{b}`, and `{b}` routes `{back}` back: what neither knows better goes back and forth until its TTL runs out"),
                )
                .help("give one of them routes to what it alone can reach");
        }
    }
}
