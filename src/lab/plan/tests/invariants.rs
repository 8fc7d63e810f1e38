//! What holds of every plan, whatever the lab.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::super::{DaemonPlan, Medium, Plan};
use crate::{
    lab::op::{Netns, Op, RouteTarget},
    units::NodeName,
};

/// Panics with the broken rule.
pub(super) fn hold(plan: &Plan) {
    names_and_indexes_are_unique(plan);
    addresses_are_unique(plan);
    order_suits_the_kernel(plan);
    gateways_are_connected(plan);
    ends_exist(plan);
    speakers_agree_with_sessions(plan);
}

fn interfaces(plan: &Plan) -> Vec<(Netns, String, u32)> {
    let mut all = Vec::new();
    for op in &plan.ops {
        if let Op::AddVeth { a, b, .. } = op {
            for end in [a, b] {
                all.push((end.netns.clone(), end.name.to_string(), end.index));
            }
        }
        if let Op::AddBridge { netns, name, index }
        | Op::AddVlan {
            netns, name, index, ..
        }
        | Op::AddBond {
            netns, name, index, ..
        }
        | Op::AddVrf {
            netns, name, index, ..
        } = op
        {
            all.push((netns.clone(), name.to_string(), *index));
        }
    }
    for end in plan.tunnels.iter().flat_map(|tunnel| &tunnel.ends) {
        let netns = Netns::Node(end.node.clone());
        all.push((netns, end.interface.to_string(), end.index));
    }
    all
}

fn names_and_indexes_are_unique(plan: &Plan) {
    let all = interfaces(plan);
    let indexes: BTreeSet<u32> = all.iter().map(|(_, _, index)| *index).collect();
    assert_eq!(indexes.len(), all.len(), "ifindexes are unique in the lab");
    assert!(indexes.iter().all(|&index| index >= 10), "1 is lo's");
    let names: BTreeSet<(&Netns, &str)> = all
        .iter()
        .map(|(netns, name, _)| (netns, name.as_str()))
        .collect();
    assert_eq!(names.len(), all.len(), "interface names are unique");
    assert!(names.iter().all(|(_, name)| *name != "lo"));
    let nodes: BTreeSet<_> = plan.nodes.iter().map(|node| &node.name).collect();
    assert_eq!(nodes.len(), plan.nodes.len(), "namespaces are unique");
}

/// Every address of every namespace, tunnels included.
fn addresses(plan: &Plan) -> Vec<(NodeName, IpNet)> {
    let added = plan.ops.iter().filter_map(|op| {
        let Op::AddAddress {
            netns: Netns::Node(node),
            address,
            ..
        } = op
        else {
            return None;
        };
        Some((node.clone(), *address))
    });
    let inside = plan
        .tunnels
        .iter()
        .flat_map(|tunnel| &tunnel.ends)
        .flat_map(|end| end.inside.iter().map(|net| (end.node.clone(), *net)));
    added.chain(inside).collect()
}

fn addresses_are_unique(plan: &Plan) {
    let all = addresses(plan);
    let distinct: BTreeSet<_> = all.iter().map(|(_, net)| net.addr()).collect();
    assert_eq!(distinct.len(), all.len(), "no address is given twice");
    assert!(all.iter().all(|(_, net)| {
        net.max_prefix_len() - net.prefix_len() < 2
            || (net.addr() != net.network()
                && (net.addr().is_ipv6() || net.addr() != net.broadcast()))
    }));
}

/// Namespaces, settings, interfaces, then the rest.
fn order_suits_the_kernel(plan: &Plan) {
    let stage = |op: &Op| match op {
        Op::AddNetns { .. } => 0,
        Op::Sysctl { .. } => 1,
        Op::AddVeth { .. } | Op::AddBridge { .. } | Op::AddBond { .. } | Op::AddVrf { .. } => 2,
        // A tagged interface stands on one that is up.
        Op::AddVlan { .. }
        | Op::AddAddress { .. }
        | Op::SetMaster { .. }
        | Op::SetUp { .. }
        | Op::SetDown { .. } => 3,
        Op::AddRoute { .. } | Op::AddRule { .. } => 4,
        // By name, for an interface that comes when the lab lives.
        Op::ClampMss { .. } | Op::CapTunnel { .. } => 5,
    };
    assert!(plan.ops.is_sorted_by_key(stage));
}

fn gateways_are_connected(plan: &Plan) {
    let all = addresses(plan);
    for op in &plan.ops {
        let Op::AddRoute {
            netns: Netns::Node(node),
            to: RouteTarget::Via(gateway),
            ..
        } = op
        else {
            continue;
        };
        let mut own = all.iter().filter(|(of, _)| of == node);
        assert!(
            own.any(|(_, net)| net.contains(gateway) && net.addr() != *gateway),
            "{op}: the gateway is a neighbour"
        );
        assert!(
            all.iter().any(|(_, net)| net.addr() == *gateway),
            "{op}: somebody has the gateway's address"
        );
    }
}

fn ends_exist(plan: &Plan) {
    let all = interfaces(plan);
    let has = |node: &NodeName, interface: &str| {
        let netns = Netns::Node(node.clone());
        assert!(
            all.iter()
                .any(|(of, name, _)| *of == netns && name == interface),
            "{node}:{interface}"
        );
    };
    for wire in &plan.wires {
        for end in &wire.ends {
            has(&end.node, end.node_if.as_str());
            let inner = (Netns::Wire, end.wire_if.to_string(), end.wire_index);
            assert!(all.contains(&inner), "{inner:?}");
            assert_ne!(end.node_index, end.wire_index, "the linkwatch trap");
        }
    }
    for (node, interface) in plan.direct.iter().flat_map(|link| &link.ends) {
        has(node, interface.as_str());
    }
    for session in &plan.sessions {
        for end in &session.ends {
            has(&end.node, end.interface.as_str());
        }
        let known = match &session.over {
            // A VPC's way to its gateway is a plain pair.
            Medium::Link(link) => {
                plan.wires.iter().any(|wire| wire.link == *link)
                    || plan.direct.iter().any(|pair| pair.link == *link)
            }
            Medium::Tunnel(name) => plan.tunnels.iter().any(|tunnel| tunnel.tunnel == *name),
        };
        assert!(known, "{}: its medium exists", session.session);
    }
}

/// Both ends of a session are configured with each other's address and AS.
fn speakers_agree_with_sessions(plan: &Plan) {
    for node in &plan.nodes {
        let DaemonPlan::Embedded(config) = &node.daemon else {
            continue;
        };
        assert_eq!(config.node, node.name);
        for peer in &config.peers {
            let session = plan
                .sessions
                .iter()
                .find(|session| session.session == peer.session)
                .expect("every peer is a session of the plan");
            let own = session.ends.iter().find(|end| end.node == node.name);
            let far = session.ends.iter().find(|end| end.node != node.name);
            let (own, far) = (own.expect("own end"), far.expect("far end"));
            assert_eq!((own.address, own.asn), (peer.local, config.asn));
            assert_eq!((far.address, far.asn), (peer.remote, peer.remote_asn));
            assert!(!peer.families.is_empty());
        }
    }
}
