//! Where the kernels' routes lead each flow, hop by hop.

use std::{collections::BTreeMap, io};

use super::Live;
use crate::{
    lab::plan::{FlowPlan, Plan},
    os::{
        fib_watch::{FibNotice, FibWatch},
        route_lookup::{Arrival, Decision, RouteLookup},
    },
    results::measure::{FlowSeen, Hop, Topology, way},
    units::NodeName,
};

/// Longer ways are loops.
const HOPS_MAX: usize = 32;

/// The nodes' kernels, to be asked again and again.
#[derive(Debug)]
pub struct Kernels {
    nodes: BTreeMap<NodeName, Kernel>,
}

#[derive(Debug)]
struct Kernel {
    routes: RouteLookup,
    /// Interfaces by index, and which link, LAG or tunnel is behind each.
    devices: BTreeMap<u32, String>,
    links: BTreeMap<String, String>,
}

impl Kernel {
    fn index(&self, device: &str) -> Option<u32> {
        let mut all = self.devices.iter();
        all.find_map(|(index, name)| (name == device).then_some(*index))
    }
}

/// An interface at a node, and the one it is joined to.
struct Joint<'k> {
    hop: Hop,
    to: &'k NodeName,
    index: u32,
}

impl Live {
    /// Opens a way to ask each node's kernel.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn kernels(&self) -> io::Result<Kernels> {
        let plan = self.plan();
        let mut nodes = BTreeMap::new();
        for node in &plan.nodes {
            let Some(netns) = self.namespaces().get(&node.name) else {
                continue;
            };
            let notices = FibWatch::open(netns)?.snapshot()?.into_iter();
            let devices = notices.filter_map(|notice| match notice {
                FibNotice::Link { index, name, .. } => Some((index, name)),
                FibNotice::Route { .. }
                | FibNotice::Nexthop { .. }
                | FibNotice::Neighbour { .. }
                | FibNotice::Overrun => None,
            });
            let kernel = Kernel {
                routes: RouteLookup::open(netns)?,
                devices: devices.collect(),
                links: plan.interfaces_of(&node.name),
            };
            nodes.insert(node.name.clone(), kernel);
        }
        Ok(Kernels { nodes })
    }
}

impl Kernels {
    /// Where every flow between two hosts goes now. Not those of a service, whose hosts change.
    pub fn flows(&self, plan: &Plan, topology: &Topology) -> Vec<FlowSeen> {
        let between_hosts = |flow: &&FlowPlan| flow.service.is_none();
        let flows = plan.flows.iter().filter(between_hosts);
        flows
            .map(|flow| FlowSeen {
                probe: flow.probe.to_string(),
                hosts: [flow.from.to_string(), flow.to.to_string()],
                way: self.hops(plan, flow).map(|hops| way(topology, &hops)),
            })
            .collect()
    }

    /// The way of a packet of this flow, if it arrives as far as routes tell.
    fn hops(&self, plan: &Plan, flow: &FlowPlan) -> Option<Vec<Hop>> {
        let mut hops = Vec::new();
        let (mut at, mut arrival) = (&flow.from, None);
        while hops.len() < HOPS_MAX {
            let kernel = self.nodes.get(at)?;
            let out = match kernel.routes.ask(flow.destination, arrival).ok()? {
                Decision::Out(index) => index,
                Decision::Here => return (*at == flow.to).then_some(hops),
                Decision::Drop => return None,
            };
            let joint = self.joint(plan, at, kernel.devices.get(&out)?)?;
            hops.push(joint.hop);
            at = joint.to;
            arrival = Some(Arrival {
                source: flow.source,
                index: joint.index,
            });
        }
        None
    }

    fn joint<'k>(&'k self, plan: &'k Plan, node: &NodeName, device: &str) -> Option<Joint<'k>> {
        let link = self.nodes.get(node)?.links.get(device)?;
        let is_here = |end: &(&NodeName, &str)| *end.0 == *node && end.1 == device;
        let (vlan, to, there) =
            plan.joints()
                .find_map(|(vlan, [a, b])| match (is_here(&a), is_here(&b)) {
                    (true, _) => Some((vlan, b.0, b.1)),
                    (_, true) => Some((vlan, a.0, a.1)),
                    _ => None,
                })?;
        Some(Joint {
            hop: Hop {
                link: link.clone(),
                from: node.to_string(),
                to: to.to_string(),
                vlan,
            },
            to,
            index: self.nodes.get(to)?.index(there)?,
        })
    }
}
