//! Why packets go where they go: at each router the path that it chose, and what decided.

use std::{cmp::Ordering, net::IpAddr};

use super::{Cause, Seen, Stuck};
use crate::results::{
    event::{NodeStanding, PathStanding, RouteStanding},
    measure::{
        input::SessionInput,
        result::{Hop, Steady},
    },
};

impl Seen<'_> {
    /// At each router on the way: what it chose, over what, and why.
    pub(super) fn choices(&self, hops: &[Hop], destination: IpAddr) -> Vec<Cause> {
        let mut nodes: Vec<&str> = Vec::new();
        for hop in hops {
            for node in [&hop.from, &hop.to] {
                if !nodes.contains(&node.as_str()) {
                    nodes.push(node);
                }
            }
        }
        let standing = nodes.into_iter().filter_map(|node| self.node(node));
        standing
            .flat_map(|standing| self.choice(standing, destination))
            .collect()
    }

    fn choice(&self, standing: &NodeStanding, destination: IpAddr) -> Vec<Cause> {
        let node = &standing.node;
        let paths = longest(standing, destination);
        let Some(best) = paths.iter().find(|path| path.best) else {
            return Vec::new();
        };
        if let Some(route) = self.overruling(standing, best, destination) {
            return vec![overruled(node, best, route)];
        }
        let mut causes = Vec::new();
        for other in paths.iter().filter(|path| !path.best) {
            let (Some(chosen), Some(left)) = (&best.from, &other.from) else {
                continue;
            };
            let why = decided(best, other);
            causes.push(Cause::new(
                "path-choice",
                format!(
                    "{node} takes `{chosen}` to {}, not `{left}`: {why}",
                    best.prefix
                ),
            ));
        }
        causes
    }

    /// Which node has no room for packets that should get through in one piece.
    pub(super) fn too_large(&self, steady: &Steady) -> Vec<Cause> {
        let Some(destination) = self.map.destination(steady.flow) else {
            return Vec::new();
        };
        let (from, to) = (&steady.from, &steady.to);
        let dropped = steady.carried.iter().filter(|one| one.arrived == 0);
        let each = dropped.flat_map(|one| {
            one.too_large_at.iter().map(move |node| {
                let over = self.node(node).and_then(|standing| {
                    let mut routes = standing.routes.iter();
                    routes.find(|route| route.to == destination)?.over.as_deref()
                });
                let over = over.map_or_else(String::new, |over| format!(", `{over}`"));
                let size = one.size;
                Cause::new(
                    "too-large",
                    format!(
                        "{from} → {to}: {node} drops packets of {size}B with DF: the MTU of the link they would leave by{over}, is smaller"
                    ),
                )
            })
        });
        each.collect()
    }

    /// A static route in the kernel that leads elsewhere than BGP's best path.
    fn overruling<'s>(
        &self,
        standing: &'s NodeStanding,
        best: &PathStanding,
        destination: IpAddr,
    ) -> Option<&'s RouteStanding> {
        let session = self.map.session(best.from.as_deref()?)?;
        let route = standing.routes.iter().find(|one| one.to == destination)?;
        let elsewhere = route.over.as_deref() != Some(session.over.as_str());
        (route.by.as_deref() == Some("static") && elsewhere).then_some(route)
    }

    /// Of a session that traffic to `to` should take: which end does not know that it can.
    pub(super) fn withheld(&self, session: &SessionInput, to: (&str, IpAddr)) -> Option<Cause> {
        let (receiver, destination) = to;
        let home = self.map.behind(receiver).unwrap_or(receiver);
        let [a, b] = &session.nodes;
        [(a, b), (b, a)].into_iter().find_map(|(node, peer)| {
            if node == home {
                return None;
            }
            let over = |path: &&PathStanding| path.from.as_deref() == Some(session.name.as_str());
            let leads = |path: &&PathStanding| path.prefix.contains(&destination);
            let here = self.node(node)?.paths.iter().filter(leads);
            if here.clone().any(|path| over(&path)) {
                return None;
            }
            let mut there = self.node(peer)?.paths.iter().filter(leads);
            let known = there.find(|path| path.best && !over(path))?;
            let back = known
                .from
                .as_deref()
                .and_then(|from| self.map.session(from));
            // What is known from here is not told here, nor by iBGP what came by iBGP.
            let is_from_here = back.is_some_and(|back| back.nodes.contains(node));
            if is_from_here || (known.source == "ibgp" && session.kind == "ibgp") {
                return None;
            }
            Some(self.withheld_by((node, peer), session, known))
        })
    }

    fn withheld_by(
        &self,
        (node, peer): (&str, &str),
        session: &SessionInput,
        known: &PathStanding,
    ) -> Cause {
        let (name, prefix) = (&session.name, known.prefix);
        let announced = self.announced(session, peer);
        let text = if announced.contains(&prefix) {
            format!(
                "{peer} announces {prefix} to {node} over `{name}`, as the wire shows, and {node} has no such path: {node}'s import policy refuses it"
            )
        } else {
            format!(
                "{peer} knows a way to {prefix} and does not announce it to {node} over `{name}`: {peer}'s export policy withholds it"
            )
        };
        Cause::new("withheld", text)
    }

    /// Where a flow that does not get through ends, by the routers' own word.
    pub(super) fn stuck(&self, flow: &Stuck) -> Option<Cause> {
        let mut node = self.map.behind(&flow.from)?;
        let mut passed = vec![node];
        let home = self.map.behind(&flow.to).unwrap_or(&flow.to);
        while node != home {
            let standing = self.node(node)?;
            let mut routes = standing.routes.iter();
            let route = routes.find(|one| one.to == flow.destination)?;
            let Some(over) = route.over.as_deref() else {
                return Some(nowhere(standing, flow));
            };
            node = self.other_end(over, node)?;
            if passed.contains(&node) {
                passed.push(node);
                let way = passed.join(", ");
                return Some(Cause::new(
                    "loop",
                    format!(
                        "{} → {}: the routes lead in a loop: {way}",
                        flow.from, flow.to
                    ),
                ));
            }
            passed.push(node);
        }
        None
    }

    fn other_end(&self, link: &str, node: &str) -> Option<&str> {
        let links = self.map.topology.links.iter().map(|l| (&l.name, &l.ends));
        let tunnels = self.map.topology.tunnels.iter().map(|t| (&t.name, &t.ends));
        let (_, ends) = links.chain(tunnels).find(|(name, _)| *name == link)?;
        ends.iter().find(|end| *end != node).map(String::as_str)
    }
}

/// The paths to the longest prefix that covers an address.
fn longest(standing: &NodeStanding, destination: IpAddr) -> Vec<&PathStanding> {
    let covering = |path: &&PathStanding| path.prefix.contains(&destination);
    let all: Vec<&PathStanding> = standing.paths.iter().filter(covering).collect();
    let length = all.iter().map(|path| path.prefix.prefix_len()).max();
    let is_longest = |path: &&PathStanding| Some(path.prefix.prefix_len()) == length;
    all.into_iter().filter(is_longest).collect()
}

fn overruled(node: &str, best: &PathStanding, route: &RouteStanding) -> Cause {
    let prefix = route
        .prefix
        .map_or_else(|| route.to.to_string(), |p| p.to_string());
    let over = match &route.over {
        Some(over) => format!(" over `{over}`"),
        None => String::new(),
    };
    let from = best.from.as_deref().unwrap_or_default();
    Cause::new(
        "static-route",
        format!(
            "the route to {prefix} at {node} is static{over}, not BGP's: BGP's best path, over `{from}`, is not used"
        ),
    )
}

fn nowhere(standing: &NodeStanding, flow: &Stuck) -> Cause {
    let node = &standing.node;
    let to = flow.destination;
    let unreachable = longest(standing, to)
        .into_iter()
        .find(|path| !path.reachable)
        .and_then(|path| Some((path.from.as_deref()?, path.next_hop?)));
    let why = match unreachable {
        Some((from, hop)) => {
            format!(": of its path over `{from}` the next hop {hop} is unreachable")
        }
        None => String::new(),
    };
    Cause::new(
        "no-route",
        format!(
            "{} → {}: {node} has no route to {to}{why}",
            flow.from, flow.to
        ),
    )
}

/// What the decision process went by (RFC 4271 §9.1.2), in its order.
fn decided(best: &PathStanding, other: &PathStanding) -> String {
    if !other.reachable {
        return match other.next_hop {
            Some(hop) => format!("its next hop {hop} is unreachable there"),
            None => "it is not usable there".to_owned(),
        };
    }
    let preference = |path: &PathStanding| path.local_pref.unwrap_or(100);
    let (mine, theirs) = (preference(best), preference(other));
    if mine != theirs {
        return format!("local-pref {mine} against {theirs}");
    }
    let (mine, theirs) = (hops(&best.as_path), hops(&other.as_path));
    match mine.cmp(&theirs) {
        Ordering::Equal => {}
        Ordering::Less | Ordering::Greater => {
            return format!(
                "an AS path of {mine} ({}) against {theirs} ({})",
                best.as_path, other.as_path
            );
        }
    }
    if best.med != other.med {
        let (mine, theirs) = (best.med.unwrap_or(0), other.med.unwrap_or(0));
        return format!("MED {mine} against {theirs}");
    }
    if best.source != other.source {
        return format!("{} before {}", best.source, other.source);
    }
    "a tie, which the lower router ID or the older path decides".to_owned()
}

/// An AS_SET counts as one.
fn hops(path: &str) -> usize {
    let mut count = 0;
    let mut in_set = false;
    for word in path.split_whitespace() {
        count += usize::from(!in_set);
        in_set = (in_set || word.starts_with('{')) && !word.ends_with('}');
    }
    count
}
