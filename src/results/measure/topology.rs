//! The lab as a map: what runs over a link, which nodes a path visits, and in which order.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
};

use super::{
    input::{LagInput, ServiceInput, SessionInput, Topology},
    result::Hop,
    window::Window,
};

/// Questions about the topology.
pub(super) struct Map<'a> {
    pub(super) topology: &'a Topology,
    neighbours: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Map<'a> {
    pub(super) fn new(topology: &'a Topology) -> Self {
        let mut neighbours: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let links = topology.links.iter().map(|l| &l.ends);
        let tunnels = topology.tunnels.iter().map(|t| &t.ends);
        let pairs = links
            .chain(tunnels)
            .map(|[a, b]| (a.as_str(), b.as_str()))
            .chain(
                topology
                    .hosts
                    .iter()
                    .map(|h| (h.name.as_str(), h.behind.as_str())),
            );
        for (a, b) in pairs {
            neighbours.entry(a).or_default().push(b);
            neighbours.entry(b).or_default().push(a);
        }
        Self {
            topology,
            neighbours,
        }
    }

    /// Hops in the order a packet from `sender` passes them: each where the one before ended;
    /// across links that no wire sees, the nearest to the sender first.
    pub(super) fn in_order(&self, sender: &str, mut left: Vec<Hop>) -> Vec<Hop> {
        let distance = self.distances(sender);
        let far = |hop: &Hop| {
            distance
                .get(hop.from.as_str())
                .copied()
                .unwrap_or(usize::MAX)
        };
        left.sort_by_key(&far);
        let mut ordered: Vec<Hop> = Vec::with_capacity(left.len());
        while !left.is_empty() {
            let here = ordered.last().map_or(sender, |hop| hop.to.as_str());
            let next = left.iter().position(|hop| hop.from == here).unwrap_or(0);
            ordered.push(left.remove(next));
        }
        ordered
    }

    fn distances<'s>(&'s self, from: &'s str) -> BTreeMap<&'s str, usize> {
        let mut distance = BTreeMap::from([(from, 0)]);
        let mut queue = VecDeque::from([(from, 0)]);
        while let Some((node, steps)) = queue.pop_front() {
            for &next in self.neighbours.get(node).into_iter().flatten() {
                if !distance.contains_key(next) {
                    distance.insert(next, steps + 1);
                    queue.push_back((next, steps + 1));
                }
            }
        }
        distance
    }

    /// The sessions over a link, also as a member of a LAG, or over a tunnel.
    pub(super) fn sessions_over(&self, link: &str) -> impl Iterator<Item = &'a SessionInput> {
        let topology = self.topology;
        let lag = self.lag_of(link);
        let over =
            move |s: &&SessionInput| s.over == link || lag.is_some_and(|lag| s.over == lag.name);
        topology.sessions.iter().filter(over)
    }

    /// The sessions that a packet on this hop may belong to.
    pub(super) fn sessions_on(&self, hop: &Hop) -> impl Iterator<Item = &'a SessionInput> {
        let vlan = hop.vlan;
        self.sessions_over(&hop.link)
            .filter(move |s| s.vlan.is_none() || s.vlan == vlan)
    }

    /// The LAG a link is a member of.
    pub(super) fn lag_of(&self, link: &str) -> Option<&'a LagInput> {
        let mut lags = self.topology.lags.iter();
        lags.find(|lag| lag.links.iter().any(|member| member == link))
    }

    /// Whether `link` is what `name` names: itself, or a member of the LAG so called.
    pub(super) fn is_part(&self, link: &str, name: &str) -> bool {
        link == name || self.lag_of(link).is_some_and(|lag| lag.name == name)
    }

    /// Whether `link` is among what the fault of `window` hit, or a part of it.
    pub(super) fn is_hit(&self, link: &str, window: &Window) -> bool {
        window.hits().any(|hit| self.is_part(link, hit))
    }

    pub(super) fn session(&self, name: &str) -> Option<&'a SessionInput> {
        self.topology.sessions.iter().find(|s| s.name == name)
    }

    /// A path in the field's words: its sessions (with the link, on a LAG) and tunnels that have
    /// none, AWS's inside left out unless nothing else is there, else its links; `None` when no wire saw the packets.
    pub(super) fn name(&self, hops: &[Hop]) -> Option<String> {
        let of = |modelled: bool| {
            let mut names: Vec<String> = Vec::new();
            for hop in hops {
                let over: Vec<&str> = self
                    .sessions_on(hop)
                    .filter(|s| s.modelled == modelled)
                    .map(|s| s.name.as_str())
                    .collect();
                if over.is_empty() && !modelled && self.is_bare_tunnel(&hop.link) {
                    names.push(hop.link.clone());
                } else if !over.is_empty() {
                    let mut name = over.join("/");
                    // The sessions are the same on all links of a LAG.
                    if self.lag_of(&hop.link).is_some() {
                        name = format!("{name} ({})", hop.link);
                    }
                    names.push(name);
                }
            }
            names
        };
        let mut names = of(false);
        if names.is_empty() {
            names = of(true);
        }
        if names.is_empty() {
            names = hops.iter().map(|h| h.link.clone()).collect();
        }
        names.dedup();
        (!names.is_empty()).then(|| names.join(" + "))
    }

    /// Whether a path goes over the named session, VPN (`backup` for `backup.1`), link, LAG or
    /// tunnel.
    pub(super) fn goes_via(&self, hops: &[Hop], name: &str) -> bool {
        let is = |candidate: &str| {
            candidate == name
                || candidate
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with('.'))
        };
        hops.iter().any(|hop| {
            is(&hop.link)
                || self.lag_of(&hop.link).is_some_and(|lag| is(&lag.name))
                || self.sessions_on(hop).any(|session| is(&session.name))
        })
    }

    /// The node a host stands behind.
    pub(super) fn behind(&self, host: &str) -> Option<&'a str> {
        let hosts = &self.topology.hosts;
        let host = hosts.iter().find(|h| h.name == host)?;
        Some(&host.behind)
    }

    /// The route table that routes what a host sends, where the node it stands behind has several.
    pub(super) fn table_of(&self, host: &str) -> Option<&'a str> {
        let mut hosts = self.topology.hosts.iter();
        hosts.find(|h| h.name == host)?.table.as_deref()
    }

    /// Whether it is a tunnel without any session over it: a VPN with static routes.
    fn is_bare_tunnel(&self, link: &str) -> bool {
        self.is_tunnel(link) && self.sessions_over(link).next().is_none()
    }

    pub(super) fn is_tunnel(&self, link: &str) -> bool {
        self.topology.tunnels.iter().any(|t| t.name == link)
    }

    /// Declared one-way delay of a hop, nanoseconds; 0 for tunnels and undeclared links.
    pub(super) fn declared_delay_ns(&self, hop: &Hop) -> u64 {
        let link = self.topology.links.iter().find(|l| l.name == hop.link);
        link.map_or(0, |link| {
            let [forth, back] = &link.declared;
            let shape = if link.ends[0] == hop.from {
                forth
            } else {
                back
            };
            shape.delay.as_nanos()
        })
    }

    /// The service of this name.
    pub(super) fn service(&self, name: &str) -> Option<&'a ServiceInput> {
        let mut services = self.topology.services.iter();
        services.find(|service| service.name == name)
    }

    pub(super) fn destination(&self, flow: u16) -> Option<IpAddr> {
        let flows = &self.topology.flows;
        flows.iter().find(|f| f.flow == flow).map(|f| f.destination)
    }
}
