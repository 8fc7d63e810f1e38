//! A transit gateway's route tables: what the speaker is told of them, and which table the
//! kernel asks for packets of which attachment.

use super::{super::net::Net, Leg, PlanError};
use crate::{
    lab::{
        model::{Kind, TgwAttachment, TgwTable},
        op::{Inbound, Netns, Op, VRF_TABLES},
    },
    units::{
        Attachment, IfName, NodeName, RouteTable, RouteTableName, SessionName, StaticHop,
        StaticPath,
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
            });
        }
        tables.push(RouteTable {
            name: name.clone(),
            table: number,
            associated: sessions(&table.associated),
            propagated: sessions(&table.propagated),
            statics,
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

/// What comes in by an attachment is routed by the table it is associated with, and by no
/// other.
pub(in crate::lab::plan) fn rules(net: &Net<'_>) -> Vec<Op> {
    let mut ops = Vec::new();
    for tgw in net.lab.nodes.keys() {
        for (table, _, of) in numbered(net, tgw) {
            let attachments = of.associated.iter();
            for dev in attachments.flat_map(|one| interfaces(net, tgw, one)) {
                let rule = |inbound| Op::AddRule {
                    netns: Netns::Node(tgw.clone()),
                    dev: dev.clone(),
                    inbound,
                };
                for ipv6 in [false, true]
                    .into_iter()
                    .take(1 + usize::from(net.has_ipv6))
                {
                    ops.push(rule(Inbound::By { table, ipv6 }));
                    ops.push(rule(Inbound::NoOther { ipv6 }));
                }
            }
        }
    }
    ops
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
