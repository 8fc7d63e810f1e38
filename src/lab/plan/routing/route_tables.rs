//! Route tables of gateways that have several, a transit gateway's first of all: what the
//! speaker is told of them, and which table the kernel asks for packets of which attachment.

use super::{super::net::Net, Leg, PlanError, locations, subnets};
use crate::{
    lab::{
        model::{Kind, TgwAttachment, TgwTable},
        op::{Inbound, Netns, Op, VRF_TABLES},
    },
    units::{
        Attachment, IfName, NodeName, RegionName, RouteTable, RouteTableName, SessionName,
        StaticHop, StaticPath,
    },
};

/// The tables of a transit gateway that has several things to tell apart, with the numbers of
/// the kernel's. It has no VRFs, whose numbers these could be.
fn numbered<'a>(
    net: &'a Net<'_>,
    tgw: &NodeName,
) -> impl Iterator<Item = (u8, &'a RouteTableName, &'a TgwTable)> + use<'a> {
    let tables = net.lab.route_tables(tgw).into_iter().flatten();
    VRF_TABLES
        .zip(tables)
        .map(|(number, (name, table))| (number, name, table))
}

/// The tables as the speaker needs them; none where there is the default one.
pub(super) fn route_tables(
    net: &Net<'_>,
    legs: &[Leg],
    tgw: &NodeName,
) -> Result<Vec<RouteTable>, PlanError> {
    let mut tables = Vec::new();
    for (number, name, table) in numbered(net, tgw) {
        let sessions = |of: &std::collections::BTreeSet<TgwAttachment>| {
            of.iter()
                .flat_map(|attachment| sessions_of(legs, tgw, attachment))
                .collect()
        };
        let mut statics = Vec::new();
        for attachment in &table.propagated {
            statics.extend(ranges(net, tgw, attachment));
        }
        for (prefix, to) in &table.routes {
            let to = match to {
                None => StaticHop::Blackhole,
                Some(attachment) => next_hop(net, tgw, attachment, prefix)?,
            };
            statics.push(StaticPath {
                prefix: *prefix,
                to,
                propagated: None,
                floating: false,
            });
        }
        tables.push(RouteTable {
            name: name.clone(),
            table: number,
            region: None,
            associated: sessions(&table.associated),
            propagated: sessions(&table.propagated),
            statics,
        });
    }
    Ok(tables)
}

/// What a Direct Connect gateway does for traffic of each Region, where gateways behind it are
/// in Regions, and what it does for traffic from its VIFs. All know the same, and choose
/// for themselves.
pub(super) fn regional(
    net: &Net<'_>,
    legs: &[Leg],
    (dxgw, statics): (&NodeName, &[StaticPath]),
) -> Result<Vec<RouteTable>, PlanError> {
    let mut tables: Vec<RouteTable> = Vec::new();
    let region_of = |node: &NodeName| net.lab.nodes.get(node)?.region.clone();
    let is_dxgw = |node: &NodeName| {
        let kind = net.lab.nodes.get(node).map(|node| &node.kind);
        matches!(kind, Some(Kind::Dxgw { associations }) if associations.keys().any(|one| region_of(one).is_some()))
    };
    if !is_dxgw(dxgw) {
        return Ok(tables);
    }
    let ends = legs.iter().filter_map(|leg| {
        let side = leg.ends.iter().position(|end| end.node == *dxgw)?;
        Some((&leg.session, &leg.ends[1 - side].node))
    });
    let ends: Vec<_> = ends.collect();
    for &(session, far) in &ends {
        let is_location = net
            .lab
            .nodes
            .get(far)
            .is_some_and(|node| node.kind == Kind::DxLocation);
        let region = region_of(far).filter(|_| !is_location);
        if let Some(table) = tables.iter_mut().find(|table| table.region == region) {
            table.associated.push(session.clone());
            continue;
        }
        let Some(number) = VRF_TABLES.clone().nth(tables.len()) else {
            return Err(PlanError::Broken(format!("that `{dxgw}` has few Regions")));
        };
        tables.push(RouteTable {
            name: RouteTableName::new(region.as_ref().map_or("vifs", RegionName::as_str))?,
            table: number,
            region,
            associated: vec![session.clone()],
            propagated: ends.iter().map(|(session, _)| (*session).clone()).collect(),
            statics: statics.to_vec(),
        });
    }
    Ok(tables)
}

/// The BGP sessions of an attachment.
fn sessions_of(legs: &[Leg], tgw: &NodeName, attachment: &TgwAttachment) -> Vec<SessionName> {
    let is_of = |leg: &&Leg| match attachment {
        TgwAttachment::Vpc(_) | TgwAttachment::Peering(..) => false,
        TgwAttachment::Dxgw(dxgw) => {
            let ends = || leg.ends.iter().map(|end| &end.node);
            leg.modelled && ends().any(|end| end == tgw) && ends().any(|end| end == dxgw)
        }
        TgwAttachment::Vpn(vpn) => leg.declared == *vpn,
    };
    let found = legs.iter().filter(is_of);
    found.map(|leg| leg.session.clone()).collect()
}

/// The ranges that a VPC propagates.
fn ranges(net: &Net<'_>, tgw: &NodeName, attachment: &TgwAttachment) -> Vec<StaticPath> {
    let TgwAttachment::Vpc(vpc) = attachment else {
        return Vec::new();
    };
    let kind = net.lab.nodes.get(vpc).map(|node| &node.kind);
    let Some(Kind::Vpc { cidrs, .. }) = kind else {
        return Vec::new();
    };
    let path = |range: &ipnet::IpNet| {
        Some(StaticPath {
            prefix: *range,
            to: next_hop(net, tgw, attachment, range).ok()?,
            propagated: Some(Attachment::Vpc),
            floating: false,
        })
    };
    cidrs.iter().filter_map(path).collect()
}

/// Who takes packets to `prefix` at the far end of an attachment.
fn next_hop(
    net: &Net<'_>,
    tgw: &NodeName,
    attachment: &TgwAttachment,
    prefix: &ipnet::IpNet,
) -> Result<StaticHop, PlanError> {
    let port = match attachment {
        TgwAttachment::Vpc(vpc) => net.attachments.get(vpc).and_then(|cable| cable.at(vpc)),
        TgwAttachment::Peering(link, other) => Some(net.port(link, other)?),
        TgwAttachment::Dxgw(_) | TgwAttachment::Vpn(_) => None,
    };
    let address = port.and_then(|port| port.address_like(prefix));
    let address = address.ok_or_else(|| {
        PlanError::Broken(format!(
            "that `{attachment}` can be the next hop of `{tgw}` to {prefix}"
        ))
    })?;
    Ok(StaticHop::Via(address.addr()))
}

/// What comes in by an attachment, from a Region or by a VIF is routed by its table and by no
/// other.
pub(in crate::lab::plan) fn rules(net: &Net<'_>, legs: &[Leg]) -> Result<Vec<Op>, PlanError> {
    let mut ops = Vec::new();
    for node in net.lab.nodes.keys() {
        let mut tables = regional(net, legs, (node, &[]))?;
        let of_gateways = locations::tables(net, legs, node)?;
        ops.extend(locations::own_rules(net, node, &of_gateways)?);
        tables.extend(of_gateways);
        for table in tables {
            let ends = legs
                .iter()
                .filter(|leg| table.associated.contains(&leg.session));
            let own = ends
                .flat_map(|leg| &leg.ends)
                .filter(|end| end.node == *node);
            for end in own {
                ops.extend(inbound(net, node, &end.interface, table.table));
            }
        }
    }
    for vpc in net.lab.nodes.keys() {
        ops.extend(subnets::rules(net, vpc));
    }
    for tgw in net.lab.nodes.keys() {
        for (table, _, of) in numbered(net, tgw) {
            let attachments = of.associated.iter();
            for dev in attachments.flat_map(|one| interfaces(net, tgw, one)) {
                ops.extend(inbound(net, tgw, &dev, table));
            }
        }
    }
    Ok(ops)
}

pub(super) fn inbound(net: &Net<'_>, node: &NodeName, dev: &IfName, table: u8) -> Vec<Op> {
    let rule = |inbound| Op::AddRule {
        netns: Netns::Node(node.clone()),
        dev: dev.clone(),
        inbound,
    };
    families(net)
        .flat_map(|ipv6| [Inbound::By { table, ipv6 }, Inbound::NoOther { ipv6 }])
        .map(rule)
        .collect()
}

/// Whether of IPv6, for each family in the lab.
pub(super) fn families(net: &Net<'_>) -> impl Iterator<Item = bool> + use<> {
    let has_ipv6 = net.has_ipv6;
    [false, true]
        .into_iter()
        .filter(move |ipv6| !ipv6 || has_ipv6)
}

/// The transit gateway's interfaces towards an attachment.
fn interfaces(net: &Net<'_>, tgw: &NodeName, attachment: &TgwAttachment) -> Vec<IfName> {
    let at_tgw = |link: &crate::units::LinkName| net.port(link, tgw).ok();
    let ports = match attachment {
        TgwAttachment::Vpc(vpc) => {
            let cable = net.attachments.get(vpc);
            cable.and_then(|cable| cable.at(tgw)).into_iter().collect()
        }
        TgwAttachment::Dxgw(dxgw) => super::legs::association(net.lab, dxgw, tgw)
            .ok()
            .and_then(at_tgw)
            .into_iter()
            .collect(),
        TgwAttachment::Peering(link, _) => at_tgw(link).into_iter().collect(),
        TgwAttachment::Vpn(vpn) => net
            .tunnels
            .get(vpn)
            .into_iter()
            .flatten()
            .flat_map(|tunnel| &tunnel.ends)
            .filter(|port| port.node == *tgw)
            .collect::<Vec<_>>(),
    };
    ports
        .into_iter()
        .map(|port| port.interface.clone())
        .collect()
}
