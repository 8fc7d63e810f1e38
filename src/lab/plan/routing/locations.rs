//! A location before several gateways: each has a route table of its own there, so that what
//! belongs to one VIF's gateway is neither told nor sent to another's. With SiteLink one has
//! several, by where packets come from.

use super::{super::net::Net, Leg, PlanError, legs::vifs, route_tables::families};
use crate::{
    lab::{
        model::{Lab, Vif},
        op::{Inbound, Netns, Op, VRF_TABLES},
    },
    units::{IfName, NodeName, RouteTable, RouteTableName, SessionName},
};

/// How much of a gateway's name goes into that of a table, before `.sitelink`.
const LONGEST: usize = RouteTableName::MAX - 9;

/// The gateways that VIFs at a location lead to, each once, in the order of the VIFs' names.
pub(super) fn gateways<'a>(
    lab: &'a Lab,
    location: &NodeName,
) -> impl Iterator<Item = &'a NodeName> {
    let mut found: Vec<&NodeName> = Vec::new();
    for (_, vif) in vifs(lab).filter(|(at, _)| *at == location) {
        if !found.contains(&&vif.gateway) {
            found.push(&vif.gateway);
        }
    }
    found.into_iter()
}

/// AWS's own sessions between a location and a gateway.
pub(super) fn inside(
    legs: &[Leg],
    location: &NodeName,
    gateway: &NodeName,
) -> impl Iterator<Item = SessionName> {
    let joins = move |leg: &&Leg| {
        let at = |node: &NodeName| leg.ends.iter().any(|end| end.node == *node);
        leg.modelled && at(location) && at(gateway)
    };
    legs.iter().filter(joins).map(|leg| leg.session.clone())
}

/// What a location tells apart: one table a gateway, of its VIFs and of the way to it. Where one
/// of them has SiteLink the ways in differ as well: what the gateway sends leaves by this
/// location's VIFs, since the gateway has chosen among those of all locations; what a VIF with
/// SiteLink sends may leave by others that have it, or by the gateway; what any other VIF sends
/// goes to the gateway. None where there is one gateway and no SiteLink.
pub(super) fn tables(
    net: &Net<'_>,
    legs: &[Leg],
    location: &NodeName,
) -> Result<Vec<RouteTable>, PlanError> {
    let gateways: Vec<&NodeName> = gateways(net.lab, location).collect();
    let mut tables = Vec::new();
    for gateway in &gateways {
        let vifs = |wanted: bool| -> Vec<SessionName> {
            let of = legs.iter().filter(|leg| !leg.modelled).filter(|leg| {
                let session = net.lab.sessions.get(&leg.declared);
                let vif = session.and_then(|session| session.vif());
                let is_of = |vif: &Vif| vif.gateway == **gateway && vif.sitelink == wanted;
                leg.ends[1].node == *location && vif.is_some_and(is_of)
            });
            of.map(|leg| leg.session.clone()).collect()
        };
        let (linked, others) = (vifs(true), vifs(false));
        let inside: Vec<SessionName> = inside(legs, location, gateway).collect();
        let with = |more: &[SessionName]| [more, &inside].concat();
        let name: String = gateway.as_str().chars().take(LONGEST).collect();
        if !linked.is_empty() {
            let all = [linked.as_slice(), &others].concat();
            tables.push((name.clone(), inside.clone(), all));
            tables.push((
                format!("{name}.sitelink"),
                linked.clone(),
                with(linked.as_slice()),
            ));
            if !others.is_empty() {
                tables.push((format!("{name}.vifs"), others, inside));
            }
        } else if gateways.len() > 1 {
            tables.push((name, with(&others), with(&others)));
        }
    }
    let number = |(index, (name, associated, propagated)): (usize, (String, _, _))| {
        let number = VRF_TABLES.clone().nth(index).ok_or_else(|| {
            PlanError::Broken(format!("that `{location}` is before few gateways"))
        })?;
        Ok(RouteTable {
            name: RouteTableName::new(name)?,
            table: number,
            region: None,
            associated,
            propagated,
            statics: Vec::new(),
        })
    };
    tables.into_iter().enumerate().map(number).collect()
}

/// What the location says itself, an ICMP error to somebody whose packet it cannot forward,
/// finds its way in any of the tables.
pub(super) fn own_rules(
    net: &Net<'_>,
    location: &NodeName,
    tables: &[RouteTable],
) -> Result<Vec<Op>, PlanError> {
    let mut ops = Vec::new();
    for table in tables {
        for ipv6 in families(net) {
            ops.push(Op::AddRule {
                netns: Netns::Node(location.clone()),
                dev: IfName::new("lo")?,
                inbound: Inbound::Own {
                    table: table.table,
                    ipv6,
                },
            });
        }
    }
    Ok(ops)
}
