//! How every node stands: what its daemon says of its sessions and of its paths to where probes
//! go, and which routes its kernel has to these.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
};

use super::{Live, daemons::peers};
use crate::{
    engine::daemon::{NodeView, RouteView},
    os::route_lookup::{Decision, RouteLookup, interfaces},
    results::event::{
        BfdStanding, BgpStanding, EventKind, NodeStanding, PathStanding, RouteStanding,
    },
    units::NodeName,
};

/// Of a daemon that has taken more prefixes than this the table is not asked for: it would take
/// long to print.
const TABLE_MAX: u64 = 2_000;
/// Beyond so many nodes nobody looks at each.
const NODES_MAX: usize = 60;

impl Live {
    /// Puts into the journal how every node with a daemon stands now. One that does not answer
    /// says nothing.
    pub fn tell_standing(&self) {
        let ends: BTreeSet<IpAddr> = self
            .plan()
            .measured_flows()
            .flat_map(|flow| [flow.source, flow.destination])
            .collect();
        let speaking: BTreeSet<&NodeName> = self
            .plan()
            .sessions
            .iter()
            .flat_map(|session| session.ends.iter().map(|end| &end.node))
            .collect();
        if speaking.len() > NODES_MAX {
            return;
        }
        for node in speaking {
            if let Some(standing) = self.standing(node, &ends) {
                self.sink().now(EventKind::Standing(Box::new(standing)));
            }
        }
    }

    fn standing(&self, node: &NodeName, ends: &BTreeSet<IpAddr>) -> Option<NodeStanding> {
        let view = self.asked(node, |daemon| daemon.view()).ok()?;
        let accepted = view.bgp.iter().filter_map(|bgp| bgp.accepted).sum::<u64>();
        let rib = match accepted {
            0..=TABLE_MAX => self.asked(node, |daemon| daemon.rib()).unwrap_or_default(),
            _ => Vec::new(),
        };
        let mut standing = of_view(&view, &peers(self.plan(), node));
        standing.node = node.to_string();
        let leads = |route: &&RouteView| ends.iter().any(|end| route.prefix.contains(end));
        standing.paths = rib.iter().filter(leads).map(path).collect();
        standing.routes = self.kernel_routes(node, ends).unwrap_or_default();
        Some(standing)
    }

    fn kernel_routes(
        &self,
        node: &NodeName,
        ends: &BTreeSet<IpAddr>,
    ) -> io::Result<Vec<RouteStanding>> {
        let Some(netns) = self.namespaces().get(node) else {
            return Ok(Vec::new());
        };
        let lookup = RouteLookup::open(netns)?;
        let links = self.plan().interfaces_of(node);
        let indices = interfaces(netns, links.keys())?;
        let link = |index: u32| links.get(indices.get(&index)?).cloned();
        ends.iter()
            .map(|&to| {
                let covering = lookup.covering(to)?;
                let over = match lookup.ask(to, None)? {
                    Decision::Out(index) => link(index),
                    Decision::Here | Decision::Drop => None,
                };
                Ok(RouteStanding {
                    to,
                    prefix: covering.map(|route| route.prefix),
                    by: covering.map(|route| protocol(route.protocol)),
                    over,
                })
            })
            .collect()
    }
}

fn of_view(
    view: &NodeView,
    sessions: &BTreeMap<IpAddr, crate::units::SessionName>,
) -> NodeStanding {
    let bgp = view.bgp.iter().filter_map(|bgp| {
        Some(BgpStanding {
            session: sessions.get(&bgp.remote)?.to_string(),
            state: bgp.state.clone(),
            hold_ms: bgp.hold_ms.filter(|_| bgp.is_established()),
            accepted: bgp.accepted,
            advertised: bgp.advertised,
            reason: bgp.reason.clone().filter(|_| !bgp.is_established()),
        })
    });
    let bfd = view.bfd.iter().filter_map(|bfd| {
        Some(BfdStanding {
            session: sessions.get(&bfd.remote)?.to_string(),
            state: bfd.state.clone(),
        })
    });
    NodeStanding {
        bgp: bgp.collect(),
        bfd: bfd.collect(),
        ..NodeStanding::default()
    }
}

fn path(route: &RouteView) -> PathStanding {
    PathStanding {
        prefix: route.prefix,
        best: route.best,
        reachable: route.reachable,
        next_hop: route.next_hop,
        as_path: route.as_path.clone(),
        local_pref: route.local_pref,
        med: route.med,
        from: route.from.clone(),
        source: route.source.clone(),
    }
}

/// RTPROT_… in words; those of FRR's daemons are zebra's (`zebra/rt_netlink.h`).
fn protocol(number: u8) -> String {
    match number {
        2 => "connected".to_owned(),
        3 | 4 | 196 => "static".to_owned(),
        11 => "zebra".to_owned(),
        12 => "bird".to_owned(),
        186 => "bgp".to_owned(),
        187 => "isis".to_owned(),
        188 => "ospf".to_owned(),
        189 => "rip".to_owned(),
        other => format!("protocol {other}"),
    }
}
