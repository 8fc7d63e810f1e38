//! Whether what a circuit carries would fit through what is left without it.
//!
//! What is left is a graph of declared rates, less what it carries already. The most that it
//! could take over is a maximum flow (Edmonds and Karp), whatever routing makes of it: load above
//! that is certain to be lost when the circuit fails; load below it may still be.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// More than any link carries: an edge without a rate.
const UNLIMITED: u64 = u64::MAX / 8;

/// What sessions say to each other is no load: a circuit with less than this idles, bits a second.
const CONTROL_BPS: u64 = 100_000;

/// What one direction of a link carries, bits a second, by the link and its sending node.
pub type Loads = BTreeMap<(String, String), u64>;

/// One direction of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The link.
    pub link: String,
    /// Sending node.
    pub from: String,
    /// Receiving node.
    pub to: String,
    /// What it can carry, bits a second; `None`: no limit is declared.
    pub rate: Option<u64>,
}

/// A circuit to AWS: a link, or the links of a LAG, that fail together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circuit {
    /// The link's or LAG's name.
    pub name: String,
    /// Its links.
    pub links: Vec<String>,
    /// The VIFs on it.
    pub sessions: Vec<String>,
    /// The customer's end.
    pub customer: String,
    /// AWS's end.
    pub location: String,
    /// The gateways behind AWS's end.
    pub gateways: Vec<String>,
}

/// The links between customer and AWS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// Both directions of every link.
    pub edges: Vec<Edge>,
    /// The circuits that may fail.
    pub circuits: Vec<Circuit>,
}

/// More load than would fit without its circuit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overload {
    /// The circuit.
    pub circuit: String,
    /// The VIFs on it.
    pub sessions: Vec<String>,
    /// Whether it is what AWS sends, and not what the customer does.
    pub from_aws: bool,
    /// What the circuit carries, bits a second.
    pub load_bps: u64,
    /// What the rest has room for, bits a second.
    pub room_bps: u64,
}

impl Network {
    /// Every circuit whose load would not fit without it, in its worse direction. A circuit
    /// without any other way beside it is none: its failure is an outage, not a shortage.
    pub fn overloads(&self, loads: &Loads) -> Vec<Overload> {
        let circuits = self.circuits.iter();
        circuits
            .filter_map(|circuit| {
                let both = [false, true].map(|from_aws| self.overload(circuit, from_aws, loads));
                both.into_iter()
                    .flatten()
                    .max_by_key(|over| over.load_bps.saturating_sub(over.room_bps))
            })
            .collect()
    }

    fn overload(&self, circuit: &Circuit, from_aws: bool, loads: &Loads) -> Option<Overload> {
        let sender = if from_aws {
            &circuit.location
        } else {
            &circuit.customer
        };
        let carried = circuit
            .links
            .iter()
            .filter_map(|link| loads.get(&(link.clone(), sender.clone())));
        let load_bps: u64 = carried.sum();
        let is_cut = |link: &String| {
            let mut edges = self.edges.iter();
            edges.any(|edge| edge.link == *link && edge.from == *sender && edge.rate == Some(0))
        };
        if load_bps < CONTROL_BPS || circuit.links.iter().all(is_cut) {
            return None;
        }
        let customer = vec![circuit.customer.clone()];
        let ends = match from_aws {
            true => (&circuit.gateways, &customer),
            false => (&customer, &circuit.gateways),
        };
        if self.room(circuit, ends, &Loads::new()) == 0 {
            return None;
        }
        let room_bps = self.room(circuit, ends, loads);
        (load_bps > room_bps).then(|| Overload {
            circuit: circuit.name.clone(),
            sessions: circuit.sessions.clone(),
            from_aws,
            load_bps,
            room_bps,
        })
    }

    /// The most that gets from any of the one to any of the other without the circuit, beside
    /// these loads.
    fn room(&self, without: &Circuit, ends: (&Vec<String>, &Vec<String>), loads: &Loads) -> u64 {
        let (source, sink) = (ends.0.first(), ends.1.first());
        let (Some(source), Some(sink)) = (source, sink) else {
            return 0;
        };
        // All sources are one node, and so are all sinks.
        let name = |node: &String| {
            if ends.0.contains(node) {
                source.clone()
            } else if ends.1.contains(node) {
                sink.clone()
            } else {
                node.clone()
            }
        };
        let mut free: BTreeMap<(String, String), u64> = BTreeMap::new();
        for edge in &self.edges {
            if without.links.contains(&edge.link) {
                continue;
            }
            let carried = loads.get(&(edge.link.clone(), edge.from.clone()));
            let rate = edge.rate.unwrap_or(UNLIMITED);
            let left = rate.saturating_sub(carried.copied().unwrap_or(0));
            *free.entry((name(&edge.from), name(&edge.to))).or_default() += left;
        }
        max_flow(free, source, sink)
    }
}

/// Shortest augmenting paths until there is none.
fn max_flow(mut free: BTreeMap<(String, String), u64>, source: &str, sink: &str) -> u64 {
    let mut total: u64 = 0;
    while let Some(path) = shortest(&free, source, sink) {
        let steps = || path.iter().zip(path.iter().skip(1));
        let of = |(from, to): (&String, &String)| free.get(&(from.clone(), to.clone())).copied();
        let Some(least) = steps().filter_map(of).min() else {
            break;
        };
        for (from, to) in steps() {
            if let Some(forth) = free.get_mut(&(from.clone(), to.clone())) {
                *forth -= least;
            }
            let back = free.entry((to.clone(), from.clone())).or_default();
            *back = back.saturating_add(least);
        }
        total = total.saturating_add(least);
        if total >= UNLIMITED {
            return UNLIMITED;
        }
    }
    total
}

fn shortest(
    free: &BTreeMap<(String, String), u64>,
    source: &str,
    sink: &str,
) -> Option<Vec<String>> {
    let mut queue = VecDeque::from([vec![source.to_owned()]]);
    let mut seen = BTreeSet::from([source.to_owned()]);
    while let Some(path) = queue.pop_front() {
        let here = path.last()?;
        if here == sink {
            return Some(path);
        }
        for ((from, to), left) in free {
            if from == here && *left > 0 && seen.insert(to.clone()) {
                let mut longer = path.clone();
                longer.push(to.clone());
                queue.push_back(longer);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const MBIT: u64 = 1_000_000;

    fn link(name: &str, [a, b]: [&str; 2], mbit: Option<u64>) -> [Edge; 2] {
        let edge = |from: &str, to: &str| Edge {
            link: name.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            rate: mbit.map(|mbit| mbit * MBIT),
        };
        [edge(a, b), edge(b, a)]
    }

    fn circuit(name: &str, location: &str) -> Circuit {
        Circuit {
            name: name.to_owned(),
            links: vec![name.to_owned()],
            sessions: vec![format!("vif-{name}")],
            customer: "dc".to_owned(),
            location: location.to_owned(),
            gateways: vec!["vgw".to_owned()],
        }
    }

    /// Two circuits of 20 and 10 Mbit/s to two locations.
    fn two() -> Network {
        Network {
            edges: [
                link("first", ["dc", "east"], Some(20)),
                link("second", ["dc", "west"], Some(10)),
                link("inside-1", ["east", "vgw"], None),
                link("inside-2", ["west", "vgw"], None),
            ]
            .concat(),
            circuits: vec![circuit("first", "east"), circuit("second", "west")],
        }
    }

    fn load(each: &[(&str, &str, u64)]) -> Loads {
        let each = each.iter();
        each.map(|(link, from, mbit)| (((*link).to_owned(), (*from).to_owned()), mbit * MBIT))
            .collect()
    }

    fn worst(network: &Network, loads: &[(&str, &str, u64)]) -> Vec<(String, bool, u64, u64)> {
        let overloads = network.overloads(&load(loads)).into_iter();
        overloads
            .map(|o| (o.circuit, o.from_aws, o.load_bps / MBIT, o.room_bps / MBIT))
            .collect()
    }

    #[test]
    fn a_small_spare_is_told_before_it_is_needed() {
        let over = worst(&two(), &[("first", "dc", 15), ("first", "east", 12)]);
        assert_eq!(over, [("first".to_owned(), false, 15, 10)]);
        assert_eq!(worst(&two(), &[("first", "dc", 10)]), []);
        // What AWS sends counts by itself.
        let over = worst(&two(), &[("first", "dc", 1), ("first", "east", 11)]);
        assert_eq!(over, [("first".to_owned(), true, 11, 10)]);
    }

    #[test]
    fn two_that_share_a_load_have_no_room_for_each_other() {
        let over = worst(&two(), &[("first", "dc", 6), ("second", "dc", 6)]);
        assert_eq!(over, [("first".to_owned(), false, 6, 4)]);
        assert_eq!(
            worst(&two(), &[("first", "dc", 5), ("second", "dc", 5)]),
            []
        );
    }

    #[test]
    fn a_circuit_alone_has_no_backup_to_exceed() {
        let mut alone = two();
        alone.edges.retain(|edge| edge.link != "second");
        assert_eq!(worst(&alone, &[("first", "dc", 15)]), []);
        // Nor is there one while the other is cut.
        let mut cut = two();
        for edge in cut.edges.iter_mut().filter(|edge| edge.link == "first") {
            edge.rate = Some(0);
        }
        assert_eq!(worst(&cut, &[("second", "dc", 10)]), []);
    }

    #[test]
    fn a_circuit_that_idles_or_is_cut_carries_no_load() {
        // All of it is on the other, which has no room left.
        let mut loads = load(&[("second", "dc", 12)]);
        loads.insert(("first".to_owned(), "dc".to_owned()), 20_000);
        let mut cut = two();
        assert_eq!(cut.overloads(&loads), []);
        for edge in cut.edges.iter_mut().filter(|edge| edge.link == "first") {
            edge.rate = Some(0);
        }
        assert_eq!(
            worst(&cut, &[("second", "dc", 12), ("first", "dc", 12)]),
            []
        );
    }

    #[test]
    fn ways_over_other_sites_and_several_links_add_up() {
        let mut sites = two();
        sites.edges.extend(link("wan", ["dc", "other"], Some(3)));
        sites
            .edges
            .extend(link("theirs", ["other", "north"], Some(50)));
        sites.edges.extend(link("inside-3", ["north", "vgw"], None));
        let over = worst(&sites, &[("first", "dc", 15)]);
        assert_eq!(over, [("first".to_owned(), false, 15, 13)]);
        // A way without a declared limit takes all.
        for edge in sites
            .edges
            .iter_mut()
            .filter(|edge| edge.link == "wan" || edge.link == "theirs")
        {
            edge.rate = None;
        }
        assert_eq!(worst(&sites, &[("first", "dc", 19)]), []);
    }

    #[test]
    fn a_lag_fails_as_a_whole() {
        let mut lag = two();
        lag.edges.extend(link("twin", ["dc", "east"], Some(20)));
        lag.circuits[0].links.push("twin".to_owned());
        let over = worst(&lag, &[("first", "dc", 8), ("twin", "dc", 7)]);
        assert_eq!(over, [("first".to_owned(), false, 15, 10)]);
    }
}
