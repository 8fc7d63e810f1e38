//! A VPC whose subnets have route tables of their own: each is a table of the kernel's, to which
//! rules by incoming interface lead what comes from the subnet. The VPC's own ranges come before
//! them, since they are local whatever is written or propagated (VPC User Guide, "Route
//! priority").

use std::collections::BTreeSet;

use super::{
    super::{
        net::{Net, Port},
        statics::default_like,
    },
    Leg, PlanError,
    route_tables::inbound,
};
use crate::{
    lab::{
        model::{Kind, Node, Subnet, SubnetTable, SubnetTarget},
        op::{Inbound, MAIN_TABLE, Netns, Op, VRF_TABLES},
    },
    units::{
        IfName, NodeName, RouteTable, RouteTableName, SessionName, StaticHop, StaticPath,
        SubnetName,
    },
};

/// The tables that subnets have of their own, with the kernel's numbers.
fn numbered<'a>(
    net: &'a Net<'_>,
    vpc: &NodeName,
) -> impl Iterator<Item = (u8, (&'a SubnetName, &'a Subnet, &'a SubnetTable))> + use<'a> {
    VRF_TABLES.zip(net.lab.subnet_tables(vpc).collect::<Vec<_>>())
}

/// The tables as the speaker keeps them, the main one with these static routes first; none where
/// that one is all there is.
pub(super) fn tables(
    net: &Net<'_>,
    legs: &[Leg],
    (vpc, statics): (&NodeName, &[StaticPath]),
) -> Result<Vec<RouteTable>, PlanError> {
    let mut tables = Vec::new();
    for (number, (name, _, table)) in numbered(net, vpc) {
        let mut statics = Vec::new();
        for (prefix, target) in &table.routes {
            statics.push(StaticPath {
                prefix: *prefix,
                to: next_hop(net, vpc, target, prefix)?,
                propagated: None,
                floating: false,
            });
        }
        tables.push(RouteTable {
            name: RouteTableName::new(name.as_str())?,
            table: number,
            region: None,
            associated: Vec::new(),
            propagated: propagation(legs, vpc)
                .filter(|_| table.propagation)
                .collect(),
            statics,
        });
    }
    if !tables.is_empty() {
        let main = RouteTable {
            name: RouteTableName::new("main")?,
            table: MAIN_TABLE,
            region: None,
            associated: Vec::new(),
            propagated: propagation(legs, vpc).collect(),
            statics: statics.to_vec(),
        };
        tables.insert(0, main);
    }
    Ok(tables)
}

/// The session by which a vgw propagates its routes into a VPC's tables.
fn propagation(legs: &[Leg], vpc: &NodeName) -> impl Iterator<Item = SessionName> {
    let of = legs
        .iter()
        .filter(|leg| leg.ends.iter().any(|end| end.node == *vpc));
    of.map(|leg| leg.session.clone())
}

/// The main table of a VPC at a tgw, which propagates nothing: everything goes there, unless
/// the file says otherwise.
pub(super) fn defaults(net: &Net<'_>, vpc: &NodeName, node: &Node) -> Vec<StaticPath> {
    let Kind::Vpc { attach, cidrs, .. } = &node.kind else {
        return Vec::new();
    };
    if !net.lab.is_tgw(attach) {
        return Vec::new();
    }
    let path = |cidr| {
        let prefix = default_like(cidr);
        let written = node.routes.iter().any(|route| route.prefix == prefix);
        let to = next_hop(net, vpc, &SubnetTarget::Gateway, &prefix).ok()?;
        (!written).then_some(StaticPath {
            prefix,
            to,
            propagated: None,
            floating: false,
        })
    };
    let mut paths: Vec<StaticPath> = cidrs.iter().filter_map(path).collect();
    paths.dedup();
    paths
}

fn next_hop(
    net: &Net<'_>,
    vpc: &NodeName,
    target: &SubnetTarget,
    prefix: &ipnet::IpNet,
) -> Result<StaticHop, PlanError> {
    let cable = match target {
        SubnetTarget::Gateway => net.attachments.get(vpc),
        SubnetTarget::Peering(link) => net.links.get(link),
    };
    let port = cable.and_then(|cable| cable.beyond(vpc));
    let address = port.and_then(|port| port.address_like(prefix));
    let address = address
        .ok_or_else(|| PlanError::Broken(format!("that `{vpc}` has a next hop for {prefix}")))?;
    Ok(StaticHop::Via(address.addr()))
}

/// What comes from such a subnet is routed by its table and by no other, but for what is local.
pub(super) fn rules(net: &Net<'_>, vpc: &NodeName) -> Vec<Op> {
    let kind = net.lab.nodes.get(vpc).map(|node| &node.kind);
    let Some(Kind::Vpc { cidrs, .. }) = kind else {
        return Vec::new();
    };
    let mut ops = Vec::new();
    for (number, (_, subnet, _)) in numbered(net, vpc) {
        for dev in interfaces(net, vpc, subnet) {
            ops.extend(cidrs.iter().map(|cidr| Op::AddRule {
                netns: Netns::Node(vpc.clone()),
                dev: dev.clone(),
                inbound: Inbound::To(*cidr),
            }));
            ops.extend(inbound(net, vpc, &dev, number));
        }
    }
    ops
}

/// The VPC's interfaces towards the hosts of a subnet: on a shared network one bridge.
fn interfaces(net: &Net<'_>, vpc: &NodeName, subnet: &Subnet) -> BTreeSet<IfName> {
    let own = net.drops.iter().filter(|(space, cable)| {
        let host = cable.at(space);
        let addresses = host.into_iter().flat_map(|port| &port.addresses);
        let mut addresses = addresses.map(ipnet::IpNet::addr);
        cable.at(vpc).is_some()
            && addresses.any(|address| subnet.cidrs.iter().any(|cidr| cidr.contains(&address)))
    });
    let ports = own.filter_map(|(_, cable)| cable.at(vpc));
    let name = |port: &Port| {
        port.master
            .clone()
            .unwrap_or_else(|| port.interface.clone())
    };
    ports.map(name).collect()
}
