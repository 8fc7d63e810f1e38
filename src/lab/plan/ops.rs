//! Kernel operations in the order the kernel wants them: namespaces, settings,
//! interfaces, addresses, up, routes.

use super::{
    PlanError,
    net::{Bridge, Cable, Net, Port, Vlan, VrfPort, attached},
    routing::{Leg, rules},
    statics::{Static, forwards},
    sysctl::{Role, settings},
};
use crate::{
    lab::{
        model::{Kind, Lag},
        op::{Inbound, Netns, Op, RouteTarget, VethEnd},
    },
    units::{Bytes, IfName, NodeName},
};

pub(super) fn ops(net: &Net<'_>, legs: &[Leg], statics: Vec<Static>) -> Result<Vec<Op>, PlanError> {
    let mut ops = Vec::new();
    let spaces = || {
        let nodes = net.spaces.iter().map(|space| space.name.clone());
        nodes.map(Netns::Node).chain([Netns::Wire])
    };
    ops.extend(spaces().map(|netns| Op::AddNetns { netns }));
    for netns in spaces() {
        for (key, value) in settings(role(net, &netns), net.has_ipv6) {
            ops.push(Op::Sysctl {
                netns: netns.clone(),
                key: key.to_owned(),
                value: value.to_owned(),
            });
        }
    }
    ops.extend(net.bridges.iter().map(add_bridge));
    ops.extend(net.cables().flat_map(add_veths));
    ops.extend(add_bonds(net));
    ops.extend(net.vrfs.iter().map(add_vrf));
    let lo = IfName::new("lo")?;
    for space in &net.spaces {
        ops.push(up(Netns::Node(space.name.clone()), &lo));
    }
    for vrf in &net.vrfs {
        ops.push(up(Netns::Node(vrf.node.clone()), &vrf.interface));
    }
    for port in ports(net) {
        ops.extend(configure(net, port));
    }
    for bridge in &net.bridges {
        let netns = Netns::Node(bridge.node.clone());
        ops.extend(join_vrf(net, &bridge.node, &bridge.interface));
        for &address in &bridge.addresses {
            ops.push(Op::AddAddress {
                netns: netns.clone(),
                dev: bridge.interface.clone(),
                address,
            });
        }
        ops.push(up(netns, &bridge.interface));
    }
    for bond in net.lags.values().flat_map(|cable| &cable.ends) {
        ops.extend(configure(net, bond));
    }
    for vlan in net.vlans.values() {
        for (port, parent) in vlan.ends.iter().zip(&vlan.parents) {
            ops.push(add_vlan(vlan, port, parent));
            ops.extend(configure(net, port));
        }
    }
    for wire in net.cables().filter_map(|cable| cable.wire.as_ref()) {
        ops.extend(wire.ends.iter().map(|(dev, _)| up(Netns::Wire, dev)));
    }
    ops.extend(statics.into_iter().map(|route| Op::AddRoute {
        table: match &route.to {
            RouteTarget::Via(gateway) => net.table_towards(&route.node, gateway),
            RouteTarget::Blackhole => None,
        },
        netns: Netns::Node(route.node),
        prefix: route.prefix,
        to: route.to,
    }));
    ops.extend(no_transit(net));
    ops.extend(rules(net, legs)?);
    Ok(ops)
}

/// A VPC with peerings takes from outside only what is for itself: neither a peering nor a
/// gateway leads through it to another (VPC Peering Guide, "Unsupported VPC peering
/// configurations").
fn no_transit(net: &Net<'_>) -> Vec<Op> {
    let mut ops = Vec::new();
    for (vpc, _, ranges) in attached(net.lab) {
        let peerings: Vec<&Port> = net
            .lab
            .peerings(vpc)
            .filter_map(|link| net.links.get(link)?.at(vpc))
            .collect();
        if peerings.is_empty() {
            continue;
        }
        let attachment = net.attachments.get(vpc).and_then(|cable| cable.at(vpc));
        for port in peerings.into_iter().chain(attachment) {
            let rule = |inbound| Op::AddRule {
                netns: Netns::Node(vpc.clone()),
                dev: port.interface.clone(),
                inbound,
            };
            ops.extend(ranges.iter().map(|range| rule(Inbound::To(*range))));
            ops.push(rule(Inbound::NoOther { ipv6: false }));
            if net.has_ipv6 {
                ops.push(rule(Inbound::NoOther { ipv6: true }));
            }
        }
    }
    ops
}

fn role(net: &Net<'_>, netns: &Netns) -> Role {
    let Netns::Node(name) = netns else {
        return Role::Layer2;
    };
    if is_switch(net, name) {
        Role::Layer2
    } else if forwards(net, name) {
        Role::Router
    } else {
        Role::Host
    }
}

fn is_switch(net: &Net<'_>, name: &NodeName) -> bool {
    net.lab
        .nodes
        .get(name)
        .is_some_and(|node| node.kind == Kind::Switch)
}

fn ports<'n>(net: &'n Net<'_>) -> impl Iterator<Item = &'n Port> {
    net.cables().flat_map(|cable| &cable.ends)
}

fn add_bridge(bridge: &Bridge) -> Op {
    Op::AddBridge {
        netns: Netns::Node(bridge.node.clone()),
        name: bridge.interface.clone(),
        index: bridge.index,
    }
}

/// Before their members are up: a bond takes only what is down.
fn add_bonds(net: &Net<'_>) -> Vec<Op> {
    let bonds = net.lags.iter().filter_map(|(name, cable)| {
        let lag = net.lab.lags.get(name)?;
        Some([0, 1].map(|side| add_bond(lag, side, &cable.ends[side])))
    });
    bonds.flatten().collect()
}

fn add_bond(lag: &Lag, side: usize, port: &Port) -> Op {
    Op::AddBond {
        netns: Netns::Node(port.node.clone()),
        name: port.interface.clone(),
        index: port.index,
        mtu: lag.mtu,
        lacp: lag.lacp[side],
        min_links: lag.min_links,
        hash: lag.hash,
    }
}

fn add_vrf(vrf: &VrfPort) -> Op {
    Op::AddVrf {
        netns: Netns::Node(vrf.node.clone()),
        name: vrf.interface.clone(),
        index: vrf.index,
        table: vrf.table,
    }
}

fn join_vrf(net: &Net<'_>, node: &NodeName, dev: &IfName) -> Option<Op> {
    let vrf = net.vrf_of(node, dev)?;
    Some(Op::SetMaster {
        netns: Netns::Node(node.clone()),
        dev: dev.clone(),
        master: vrf.interface.clone(),
    })
}

fn add_vlan(vlan: &Vlan, port: &Port, parent: &IfName) -> Op {
    Op::AddVlan {
        netns: Netns::Node(port.node.clone()),
        name: port.interface.clone(),
        index: port.index,
        parent: parent.clone(),
        id: vlan.id,
        mtu: vlan.mtu,
    }
}

/// One pair for a direct cable; for a wired one a pair from each end to the wire.
fn add_veths(cable: &Cable) -> Vec<Op> {
    let [a, b] = cable.ends.each_ref().map(|port| VethEnd {
        netns: Netns::Node(port.node.clone()),
        name: port.interface.clone(),
        index: port.index,
    });
    let Some(wire) = &cable.wire else {
        return vec![veth(a, b, cable.mtu)];
    };
    let [wire_a, wire_b] = wire.ends.clone().map(|(name, index)| VethEnd {
        netns: Netns::Wire,
        name,
        index,
    });
    vec![veth(a, wire_a, cable.mtu), veth(b, wire_b, cable.mtu)]
}

fn veth(a: VethEnd, b: VethEnd, mtu: Bytes) -> Op {
    Op::AddVeth { a, b, mtu }
}

fn configure(net: &Net<'_>, port: &Port) -> Vec<Op> {
    let netns = Netns::Node(port.node.clone());
    let mut ops = Vec::new();
    if let Some(master) = &port.master {
        ops.push(Op::SetMaster {
            netns: netns.clone(),
            dev: port.interface.clone(),
            master: master.clone(),
        });
    } else {
        // Before its addresses: an interface that changes its table loses them.
        ops.extend(join_vrf(net, &port.node, &port.interface));
        ops.extend(port.addresses.iter().map(|&address| Op::AddAddress {
            netns: netns.clone(),
            dev: port.interface.clone(),
            address,
        }));
    }
    ops.push(up(netns, &port.interface));
    ops
}

fn up(netns: Netns, dev: &IfName) -> Op {
    Op::SetUp {
        netns,
        dev: dev.clone(),
    }
}
