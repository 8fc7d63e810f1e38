//! The lab's circuits, what else leads to AWS, and what all of it carries.

use std::collections::{BTreeMap, BTreeSet};

use super::Live;
use crate::{
    lab::{
        model::{Fault, Shape},
        plan::{Medium, Plan, TunnelPlan, WirePlan},
    },
    results::capacity::{Circuit, Edge, Network},
    units::{LinkName, NodeName},
};

/// Words of the gateways at which circuits and VPNs end.
const GATEWAYS: [&str; 3] = ["vgw", "dxgw", "tgw"];

impl Live {
    /// What leads to AWS as things stand: links that a fault has cut carry nothing.
    pub fn network(&self) -> Network {
        let plan = self.plan();
        let faults = self.faults();
        let mut edges = Vec::new();
        for wire in &plan.wires {
            for (end, shape) in wire.shape.iter().enumerate() {
                let (from, to) = (&wire.ends[end].node, &wire.ends[1 - end].node);
                let mut rate = shape_rate(shape);
                for fault in faults.values().map(|applied| &applied.fault) {
                    rate = changed(fault, wire, end, rate);
                }
                edges.extend(edge(plan, &wire.link, (from, to), rate));
            }
        }
        for link in &plan.direct {
            let [(a, _), (b, _)] = &link.ends;
            edges.extend(edge(plan, &link.link, (a, b), None));
            edges.extend(edge(plan, &link.link, (b, a), None));
        }
        Network {
            circuits: circuits(plan, &edges),
            edges,
        }
    }
}

fn shape_rate(shape: &Shape) -> Option<u64> {
    shape.rate.map(|rate| rate.bits_per_second())
}

/// The rate of what `wire.ends[end]` sends, with a fault in force.
fn changed(fault: &Fault, wire: &WirePlan, end: usize, rate: Option<u64>) -> Option<u64> {
    let sender = &wire.ends[end].node;
    let is_cut = match fault {
        Fault::Silent { link, from } => {
            *link == wire.link && from.as_ref().is_none_or(|from| from == sender)
        }
        Fault::Carrier { link, .. } => *link == wire.link,
        Fault::NodeDeath { links, .. } | Fault::Tagged { links, .. } => links.contains(&wire.link),
        Fault::Degrade { link, shape } if *link == wire.link => {
            return shape.get(end).and_then(shape_rate);
        }
        Fault::Degrade { .. }
        | Fault::DropNumbered { .. }
        | Fault::BgpShutdown { .. }
        | Fault::Maintenance { .. }
        | Fault::Kill { .. }
        | Fault::Freeze { .. } => false,
    };
    if is_cut { Some(0) } else { rate }
}

/// A direction of a link as a way to AWS, if it is one: over an internet only tunnels lead there,
/// and what AWS's end of them takes is limited.
fn edge(
    plan: &Plan,
    link: &LinkName,
    (from, to): (&NodeName, &NodeName),
    rate: Option<u64>,
) -> Option<Edge> {
    let kind = |node: &NodeName| {
        let node = plan.node(node.as_str());
        node.map_or("", |node| match node.behind {
            Some(_) => "host",
            None => node.kind.as_str(),
        })
    };
    let kinds = [kind(from), kind(to)];
    if kinds.iter().any(|kind| ["host", "vpc", ""].contains(kind)) {
        return None;
    }
    let mut rate = rate;
    if kinds.contains(&"internet") {
        let (near, word) = if kinds[0] == "internet" {
            (to, kinds[1])
        } else {
            (from, kinds[0])
        };
        let ends_here = |tunnel: &&TunnelPlan| tunnel.ends.iter().any(|end| end.node == *near);
        let tunnels: Vec<_> = plan.tunnels.iter().filter(ends_here).collect();
        if tunnels.is_empty() {
            return None;
        }
        if GATEWAYS.contains(&word) {
            let caps = tunnels.iter().filter_map(|tunnel| tunnel.cap);
            let bits = caps.map(|cap| cap.bits);
            let most = match word {
                // It uses one tunnel for a prefix, whatever there is.
                "vgw" => bits.max(),
                _ => Some(bits.sum()),
            };
            rate = rate.into_iter().chain(most).min();
        }
    }
    Some(Edge {
        link: link.to_string(),
        from: from.to_string(),
        to: to.to_string(),
        rate,
    })
}

/// Every link or LAG that carries VIFs, and has a gateway behind AWS's end of it.
fn circuits(plan: &Plan, edges: &[Edge]) -> Vec<Circuit> {
    let mut found: BTreeMap<&LinkName, Circuit> = BTreeMap::new();
    for session in plan.sessions.iter().filter(|s| s.kind.ends_with("-vif")) {
        let Medium::Link(over) = &session.over else {
            continue;
        };
        let [customer, location] = session.ends.each_ref().map(|end| end.node.to_string());
        let is_gateway = |node: &str| {
            let node = plan.node(node);
            node.is_some_and(|node| GATEWAYS.contains(&node.kind.as_str()))
        };
        let behind = edges
            .iter()
            .filter(|edge| edge.from == location && is_gateway(&edge.to));
        let gateways: BTreeSet<String> = behind.map(|edge| edge.to.clone()).collect();
        if gateways.is_empty() {
            continue;
        }
        let links = plan.links_of(over).iter();
        let circuit = found.entry(over).or_insert_with(|| Circuit {
            name: over.to_string(),
            links: links.map(ToString::to_string).collect(),
            sessions: Vec::new(),
            customer,
            location,
            gateways: gateways.into_iter().collect(),
        });
        circuit.sessions.push(session.session.to_string());
    }
    found.into_values().collect()
}
