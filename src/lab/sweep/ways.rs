//! Physical ways between the ends of flows.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    element::{Element, is_managed},
    graph::{Edge, Gone, Graph, Vertex},
};
use crate::{
    lab::model::{Endpoint, Kind, Lab},
    units::{LinkName, NodeName, ProbeName},
};

/// What a failure leaves of a flow, as far as a drawing shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// A way is left.
    Survivable,
    /// No way is left.
    Cut,
    /// The failure takes an end of the flow itself: the host's own node, the node that its VPC is
    /// attached to. No second way could help.
    End,
}

/// One place at which a flow may end.
#[derive(Debug, Clone)]
struct Place {
    vertex: usize,
    /// It is gone with any of these.
    needs: BTreeSet<usize>,
}

/// A lab's nodes and links, and the flows between them.
#[derive(Debug, Clone)]
pub struct Topology {
    graph: Graph,
    nodes: Vec<NodeName>,
    links: Vec<LinkName>,
    probes: BTreeMap<ProbeName, [Vec<Place>; 2]>,
}

impl Topology {
    /// Of the lab as it is drawn; its probes are those whose packets are to arrive.
    pub fn of(lab: &Lab) -> Self {
        let nodes: Vec<NodeName> = lab.nodes.keys().cloned().collect();
        let place = |name: &NodeName| nodes.iter().position(|node| node == name);
        let vertices = lab.nodes.values().map(|node| Vertex {
            forwards: !matches!(node.kind, Kind::Host | Kind::Vpc { .. }),
            fails: !is_managed(&node.kind),
        });
        let mut graph = Graph {
            vertices: vertices.collect(),
            edges: Vec::new(),
        };
        let mut links = Vec::new();
        for (name, link) in &lab.links {
            let [Some(a), Some(b)] = link.ends.each_ref().map(place) else {
                continue;
            };
            let managed = |end: &NodeName| {
                lab.nodes
                    .get(end)
                    .is_some_and(|node| is_managed(&node.kind))
            };
            graph.edges.push(Edge {
                ends: [a, b],
                fails: !link.ends.iter().all(managed),
            });
            links.push(name.clone());
        }
        // An attachment is no link that anybody could cut.
        for (at, node) in lab.nodes.values().enumerate() {
            if let Kind::Vpc { attach, .. } = &node.kind
                && let Some(gateway) = place(attach)
            {
                graph.edges.push(Edge {
                    ends: [at, gateway],
                    fails: false,
                });
            }
        }
        let probes = lab
            .probes
            .iter()
            .filter(|(_, probe)| probe.isolated.is_none());
        let probes = probes.map(|(name, probe)| {
            let ends = probe.ends.each_ref().map(|end| places(lab, end, &place));
            (name.clone(), ends)
        });
        Self {
            probes: probes.collect(),
            graph,
            nodes: nodes.clone(),
            links,
        }
    }

    /// The probes.
    pub fn probes(&self) -> impl Iterator<Item = &ProbeName> {
        self.probes.keys()
    }

    /// What the failure of all these leaves of a probe's flows. A daemon counts as its node:
    /// whoever learns its way from it goes round it.
    pub fn verdict(&self, probe: &ProbeName, failed: &[&Element]) -> Verdict {
        let gone = self.gone(failed);
        let Some(ends) = self.probes.get(probe) else {
            return Verdict::Survivable;
        };
        let left = ends.each_ref().map(|places| {
            let whole = places
                .iter()
                .filter(|place| place.needs.is_disjoint(&gone.vertices));
            whole.map(|place| place.vertex).collect::<Vec<usize>>()
        });
        let [from, to] = &left;
        if from.is_empty() || to.is_empty() {
            Verdict::End
        } else if self.graph.connects(from, to, &gone) {
            Verdict::Survivable
        } else {
            Verdict::Cut
        }
    }

    /// The fewest nodes and links that part a probe's ends, by name, nodes first; what AWS keeps
    /// redundant is none of them. `None`: nothing else parts them.
    pub fn min_cut(&self, probe: &ProbeName) -> Option<Vec<String>> {
        let ends = self.probes.get(probe)?;
        let [from, to] = ends.each_ref().map(|places| {
            places
                .iter()
                .map(|place| place.vertex)
                .collect::<Vec<usize>>()
        });
        let cut = self.graph.min_cut(&from, &to)?;
        let nodes = cut.vertices.iter().filter_map(|&at| self.nodes.get(at));
        let links = cut.edges.iter().filter_map(|&at| self.links.get(at));
        let nodes = nodes.map(|name| format!("node {name}"));
        Some(nodes.chain(links.map(ToString::to_string)).collect())
    }

    fn gone(&self, failed: &[&Element]) -> Gone {
        let nodes = self.nodes.iter().enumerate();
        let links = self.links.iter().enumerate();
        let takes_node = |name: &NodeName| failed.iter().any(|one| one.nodes.contains(name));
        let takes_link = |name: &LinkName| failed.iter().any(|one| one.links.contains(name));
        Gone {
            vertices: nodes
                .filter(|(_, name)| takes_node(name))
                .map(|(at, _)| at)
                .collect(),
            edges: links
                .filter(|(_, name)| takes_link(name))
                .map(|(at, _)| at)
                .collect(),
        }
    }
}

/// Where an end of a probe may be.
fn places(lab: &Lab, end: &Endpoint, place: &impl Fn(&NodeName) -> Option<usize>) -> Vec<Place> {
    let node = match end {
        Endpoint::Node(node) | Endpoint::Behind { node, .. } => node,
        Endpoint::Service(name) => {
            let service = lab.services.get(name);
            let ends = service.into_iter().flat_map(|service| &service.endpoints);
            return ends.flat_map(|end| places(lab, end, place)).collect();
        }
    };
    let Some(vertex) = place(node) else {
        return Vec::new();
    };
    let mut needs = BTreeSet::from([vertex]);
    if let Some(Kind::Vpc { attach, .. }) = lab.nodes.get(node).map(|node| &node.kind) {
        needs.extend(place(attach));
    }
    vec![Place { vertex, needs }]
}
