//! Why a run is no success, as far as what was seen tells: a router's choice of path and what
//! decided it, a session that was not there or not as the lab means it, a route that no daemon
//! was asked about. A fold over the journal: above all over how each node stood before the first
//! fault, or when what was awaited did not come.

mod session;
mod way;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, net::IpAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    expect::concerns,
    input::{BEFORE, Expectation, RunInput, SessionInput, Topology},
    outage::Scene,
    result::{Hop, Outage, RunResult, Steady},
    topology::Map,
    window::Window,
};
use crate::results::event::{Event, EventKind, NodeStanding};

/// More than these say the same thing again.
const CAUSES: usize = 8;

/// Something that explains what was missed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// Stable name, kebab-case.
    pub code: String,
    /// What, in a sentence that names nodes, sessions and prefixes.
    pub text: String,
}

impl Cause {
    fn new(code: &str, text: String) -> Self {
        Self {
            code: code.to_owned(),
            text,
        }
    }
}

/// A flow that does not get through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// Sender.
    pub from: String,
    /// Receiver.
    pub to: String,
    /// The address its packets go to.
    pub destination: IpAddr,
}

/// What was seen of the nodes and sessions.
struct Seen<'a> {
    map: &'a Map<'a>,
    events: &'a [Event],
    nodes: BTreeMap<&'a str, &'a NodeStanding>,
}

impl<'a> Seen<'a> {
    /// How a node stood at first is how it stood before the first fault.
    fn at_first(map: &'a Map<'a>, events: &'a [Event]) -> Self {
        let mut nodes = BTreeMap::new();
        for standing in standings(events) {
            nodes.entry(standing.node.as_str()).or_insert(standing);
        }
        Self { map, events, nodes }
    }

    fn at_last(map: &'a Map<'a>, events: &'a [Event]) -> Self {
        let nodes = standings(events).map(|standing| (standing.node.as_str(), standing));
        Self {
            map,
            events,
            nodes: nodes.collect(),
        }
    }

    fn node(&self, name: &str) -> Option<&'a NodeStanding> {
        self.nodes.get(name).copied()
    }
}

fn standings(events: &[Event]) -> impl Iterator<Item = &NodeStanding> {
    events.iter().filter_map(|event| match &event.kind {
        EventKind::Standing(standing) => Some(&**standing),
        _ => None,
    })
}

/// Of a run with a result: what explains the expectations and waits that it missed.
pub(super) fn find(input: &RunInput, scene: &Scene<'_>, result: &RunResult) -> Vec<Cause> {
    if result.succeeded() {
        return Vec::new();
    }
    let seen = Seen::at_first(scene.map, scene.events);
    let mut causes = Vec::new();
    let judged = input.expectations.iter().zip(&result.expect);
    for (expectation, _) in judged.filter(|(_, judged)| judged.met != Some(true)) {
        if expectation.label == BEFORE {
            let missed = result
                .steady
                .iter()
                .filter(|one| one.probe == expectation.probe);
            for one in missed {
                causes.extend(seen.astray(expectation, one));
                causes.extend(seen.too_large(one));
            }
        }
        let outages = result.outages.iter().filter(|o| concerns(expectation, o));
        for outage in outages {
            let wanted = expectation.via.as_deref();
            causes.extend(seen.of_outage(outage, wanted, scene.windows));
        }
    }
    for outage in result.outages.iter().filter(|o| !o.recovered) {
        let is_awaited = result
            .waits_missed
            .iter()
            .any(|wait| wait.what.starts_with(&format!("{}: ", outage.probe)));
        if is_awaited {
            causes.extend(seen.of_outage(outage, None, scene.windows));
        }
    }
    few(causes)
}

/// Of a lab in which sessions do not come up, or traffic that is `stuck`, with every event so far.
pub fn obstacles(events: &[Event], topology: &Topology, stuck: &[Stuck]) -> Vec<Cause> {
    let mut events = events.to_vec();
    events.sort_by_key(|event| event.at);
    let map = Map::new(topology);
    let seen = Seen::at_last(&map, &events);
    let mut causes: Vec<Cause> = Vec::new();
    for session in &topology.sessions {
        causes.extend(seen.ended(session));
        causes.extend(seen.without_bfd(session));
    }
    if !causes.is_empty() {
        // Without its sessions no traffic is to be expected.
        return few(causes);
    }
    causes.extend(stuck.iter().filter_map(|flow| seen.stuck(flow)));
    few(causes)
}

/// Each once.
fn few(causes: Vec<Cause>) -> Vec<Cause> {
    let mut out: Vec<Cause> = Vec::new();
    for cause in causes {
        if !out.contains(&cause) {
            out.push(cause);
        }
    }
    out.truncate(CAUSES);
    out
}

impl Seen<'_> {
    /// Why packets took another way before the first fault than they were to.
    fn astray(&self, expectation: &Expectation, steady: &Steady) -> Vec<Cause> {
        let is_wrong = |hops: &[Hop]| {
            let wanted = expectation.via.as_deref();
            let never = expectation.further.never_via.as_ref();
            wanted.is_some_and(|name| !self.map.goes_via(hops, name))
                || never.is_some_and(|name| self.map.goes_via(hops, name.as_str()))
        };
        let Some(destination) = self.map.destination(steady.flow) else {
            return Vec::new();
        };
        let wrong = steady.taken.iter().filter(|taken| is_wrong(&taken.hops));
        wrong
            .flat_map(|taken| self.choices(&taken.hops, destination))
            .collect()
    }

    /// Why a fault cost so much: what should have noticed it, and what traffic should have gone
    /// over afterwards.
    fn of_outage(&self, outage: &Outage, wanted: Option<&str>, windows: &[Window]) -> Vec<Cause> {
        let mut causes = Vec::new();
        let mut windows = windows.iter();
        let window = windows
            .find(|window| window.label == outage.label && window.transition == outage.transition);
        let Some(window) = window else {
            return causes;
        };
        let is_hit = |session: &&SessionInput| self.map.is_hit(&session.over, window);
        for session in self.map.topology.sessions.iter().filter(is_hit) {
            causes.extend(self.without_bfd(session));
            causes.extend(self.slow_hold(session));
        }
        if outage.recovered && wanted.is_none() {
            return causes;
        }
        let is_spare = |session: &&SessionInput| {
            let is_wanted = wanted.is_none_or(|name| {
                session.name == name || session.name.starts_with(&format!("{name}."))
            });
            !self.map.is_hit(&session.over, window) && is_wanted
        };
        let went = wanted.is_some_and(|name| self.map.goes_via(&outage.hops_after, name));
        if let Some(destination) = self.map.destination(outage.flow).filter(|_| !went) {
            let to = (outage.to.as_str(), destination);
            let spare = self.map.topology.sessions.iter().filter(is_spare);
            causes.extend(spare.filter_map(|session| self.withheld(session, to)));
        }
        causes
    }
}
