//! A location before several gateways: each has a route table of its own there, so that what
//! belongs to one VIF's gateway is neither told nor sent to another's.

use super::{super::net::Net, Leg, PlanError, legs::vifs, route_tables::families};
use crate::{
    lab::{
        model::Lab,
        op::{Inbound, Netns, Op, VRF_TABLES},
    },
    units::{IfName, NodeName, RouteTable, RouteTableName, SessionName},
};

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

/// One table a gateway, of its VIFs and of the way to it; none where there is one gateway.
pub(super) fn tables(
    net: &Net<'_>,
    legs: &[Leg],
    location: &NodeName,
) -> Result<Vec<RouteTable>, PlanError> {
    let gateways: Vec<&NodeName> = gateways(net.lab, location).collect();
    if gateways.len() < 2 {
        return Ok(Vec::new());
    }
    let mut tables = Vec::new();
    for (index, gateway) in gateways.into_iter().enumerate() {
        let number = VRF_TABLES.clone().nth(index).ok_or_else(|| {
            PlanError::Broken(format!("that `{location}` is before few gateways"))
        })?;
        let sessions: Vec<SessionName> = legs
            .iter()
            .filter(|leg| !leg.modelled)
            .filter(|leg| {
                let session = net.lab.sessions.get(&leg.declared);
                let vif = session.and_then(|session| session.vif());
                leg.ends[1].node == *location && vif.is_some_and(|vif| vif.gateway == *gateway)
            })
            .map(|leg| leg.session.clone())
            .chain(inside(legs, location, gateway))
            .collect();
        tables.push(RouteTable {
            name: RouteTableName::new(gateway.as_str())?,
            table: number,
            region: None,
            associated: sessions.clone(),
            propagated: sessions,
            statics: Vec::new(),
        });
    }
    Ok(tables)
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
