//! Vertices and edges that can be gone, and the fewest of them that part two sets of vertices.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Something to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Vertex {
    /// It hands on what is not for itself.
    pub(super) forwards: bool,
    /// It may be part of a cut.
    pub(super) fails: bool,
}

/// Between two vertices, either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) ends: [usize; 2],
    /// It may be part of a cut.
    pub(super) fails: bool,
}

/// What there is; vertices and edges are called by their places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Graph {
    pub(super) vertices: Vec<Vertex>,
    pub(super) edges: Vec<Edge>,
}

/// Vertices and edges that are gone.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Gone {
    pub(super) vertices: BTreeSet<usize>,
    pub(super) edges: BTreeSet<usize>,
}

/// More than all that can be cut.
const UNCUTTABLE: u32 = 1 << 20;

impl Graph {
    /// Whether anything of `to` is reached from anything of `from` without what is `gone`.
    pub(super) fn connects(&self, from: &[usize], to: &[usize], gone: &Gone) -> bool {
        let is_there = |vertex: &usize| !gone.vertices.contains(vertex);
        let mut seen: BTreeSet<usize> = from.iter().copied().filter(is_there).collect();
        let mut next: VecDeque<usize> = seen.iter().copied().collect();
        while let Some(here) = next.pop_front() {
            if to.contains(&here) {
                return true;
            }
            let forwards = self.vertices.get(here).is_some_and(|v| v.forwards);
            if !forwards && !from.contains(&here) {
                continue;
            }
            for (at, edge) in self.edges.iter().enumerate() {
                let [a, b] = edge.ends;
                let other = if a == here {
                    b
                } else if b == here {
                    a
                } else {
                    continue;
                };
                if !gone.edges.contains(&at) && is_there(&other) && seen.insert(other) {
                    next.push_back(other);
                }
            }
        }
        false
    }

    /// The fewest that part the two, by Menger's theorem (a maximum flow in which everything that
    /// can fail has room for one); `None`: nothing that can fail parts them. The two sets
    /// themselves stay.
    pub(super) fn min_cut(&self, from: &[usize], to: &[usize]) -> Option<Gone> {
        let mut net = self.network(from, to);
        loop {
            let parents = net.reached();
            if !parents.contains_key(&Net::TARGET) {
                break;
            }
            // Whatever can fail has room for one, also where it is gone back through.
            if net.push(&parents) > 1 {
                return None;
            }
        }
        let near: BTreeSet<usize> = net.reached().into_keys().collect();
        let is_cut =
            |item: usize| near.contains(&Net::entry(item)) && !near.contains(&Net::exit(item));
        let vertices = self.vertices.len();
        // What forwards nothing has no room from the start, and is no part of a cut.
        let fails = |&item: &usize| {
            self.vertices
                .get(item)
                .is_some_and(|v| v.fails && v.forwards)
        };
        Some(Gone {
            vertices: (0..vertices)
                .filter(fails)
                .filter(|&item| is_cut(item))
                .collect(),
            edges: (0..self.edges.len())
                .filter(|&edge| is_cut(vertices + edge))
                .collect(),
        })
    }

    /// Each vertex and each edge as a pipe with an entry and an exit.
    fn network(&self, from: &[usize], to: &[usize]) -> Net {
        let mut net = Net::default();
        for (at, vertex) in self.vertices.iter().enumerate() {
            let is_end = from.contains(&at) || to.contains(&at);
            let room = match (is_end, vertex.forwards, vertex.fails) {
                (true, ..) | (false, true, false) => UNCUTTABLE,
                (false, true, true) => 1,
                (false, false, _) => 0,
            };
            net.pipe(Net::entry(at), Net::exit(at), room);
        }
        for (at, edge) in self.edges.iter().enumerate() {
            let item = self.vertices.len() + at;
            let room = if edge.fails { 1 } else { UNCUTTABLE };
            net.pipe(Net::entry(item), Net::exit(item), room);
            for end in edge.ends {
                net.pipe(Net::exit(end), Net::entry(item), UNCUTTABLE);
                net.pipe(Net::exit(item), Net::entry(end), UNCUTTABLE);
            }
        }
        for &one in from {
            net.pipe(Net::SOURCE, Net::entry(one), UNCUTTABLE);
        }
        for &one in to {
            net.pipe(Net::exit(one), Net::TARGET, UNCUTTABLE);
        }
        net
    }
}

/// What is left of each pipe's room, and of the way back through it.
#[derive(Debug, Default)]
struct Net {
    room: BTreeMap<usize, BTreeMap<usize, u32>>,
}

impl Net {
    const SOURCE: usize = 0;
    const TARGET: usize = 1;

    fn entry(item: usize) -> usize {
        2 * item + 2
    }

    fn exit(item: usize) -> usize {
        2 * item + 3
    }

    fn pipe(&mut self, a: usize, b: usize, room: u32) {
        *self.room.entry(a).or_default().entry(b).or_default() += room;
        self.room.entry(b).or_default().entry(a).or_default();
    }

    /// What can be reached, and from where.
    fn reached(&self) -> BTreeMap<usize, usize> {
        let mut parents = BTreeMap::from([(Self::SOURCE, Self::SOURCE)]);
        let mut next = VecDeque::from([Self::SOURCE]);
        while let Some(here) = next.pop_front() {
            for (&there, &room) in self.room.get(&here).into_iter().flatten() {
                if room > 0 && !parents.contains_key(&there) {
                    parents.insert(there, here);
                    next.push_back(there);
                }
            }
        }
        parents
    }

    /// Sends as much as goes along the way that `parents` show.
    fn push(&mut self, parents: &BTreeMap<usize, usize>) -> u32 {
        let mut steps = Vec::new();
        let mut here = Self::TARGET;
        while here != Self::SOURCE {
            let Some(&before) = parents.get(&here) else {
                return 0;
            };
            steps.push((before, here));
            here = before;
        }
        let room = |net: &Self, (a, b): (usize, usize)| {
            net.room
                .get(&a)
                .and_then(|to| to.get(&b))
                .copied()
                .unwrap_or_default()
        };
        let amount = steps
            .iter()
            .map(|&step| room(self, step))
            .min()
            .unwrap_or_default();
        for (a, b) in steps {
            if let Some(left) = self.room.get_mut(&a).and_then(|to| to.get_mut(&b)) {
                *left -= amount;
            }
            if let Some(back) = self.room.get_mut(&b).and_then(|to| to.get_mut(&a)) {
                *back += amount;
            }
        }
        amount
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn graph() -> impl Strategy<Value = Graph> {
        let vertices = prop::collection::vec((any::<bool>(), any::<bool>()), 2..6);
        let edges = prop::collection::vec((0usize..6, 0usize..6, any::<bool>()), 0..8);
        (vertices, edges).prop_map(|(vertices, edges)| {
            let n = vertices.len();
            let vertex = |(forwards, fails)| Vertex { forwards, fails };
            let edge = |(a, b, fails): (usize, usize, bool)| Edge {
                ends: [a % n, b % n],
                fails,
            };
            Graph {
                vertices: vertices.into_iter().map(vertex).collect(),
                edges: edges
                    .into_iter()
                    .map(edge)
                    .filter(|e| e.ends[0] != e.ends[1])
                    .collect(),
            }
        })
    }

    /// Every set of what may fail, each tried: the size of the smallest that parts the two.
    fn by_trying(graph: &Graph, from: usize, to: usize) -> Option<u32> {
        let vertices = graph.vertices.iter().enumerate();
        let vertices = vertices.filter(|(at, v)| v.fails && *at != from && *at != to);
        let edges = graph.edges.iter().enumerate().filter(|(_, e)| e.fails);
        let items: Vec<(bool, usize)> = vertices
            .map(|(at, _)| (true, at))
            .chain(edges.map(|(at, _)| (false, at)))
            .collect();
        let sets = 0u32..1 << items.len();
        let parts = |set: &u32| {
            let mut gone = Gone::default();
            for (at, (is_vertex, item)) in items.iter().enumerate() {
                if set >> at & 1 == 1 {
                    match is_vertex {
                        true => gone.vertices.insert(*item),
                        false => gone.edges.insert(*item),
                    };
                }
            }
            !graph.connects(&[from], &[to], &gone)
        };
        sets.filter(parts).map(u32::count_ones).min()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_smaller_set_parts_the_two_and_this_one_does(graph in graph()) {
            let cut = graph.min_cut(&[0], &[1]);
            let size = cut.as_ref().map(|cut| (cut.vertices.len() + cut.edges.len()) as u32);
            prop_assert_eq!(size, by_trying(&graph, 0, 1));
            if let Some(cut) = cut {
                prop_assert!(!graph.connects(&[0], &[1], &cut));
            }
        }
    }
}
