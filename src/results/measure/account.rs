//! Who dropped a lost packet: a wire that counted it, or a node seen to have been unable to
//! forward it. Anything else is a loss the run cannot explain, and so cannot be trusted with.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;

use super::{
    dropped::{Dropped, Split},
    flow::{Fate, FlowView},
    input::{DropCause, NodeDrops, RunInput, Transition, TunnelDrops},
    result::{Hop, NodeDropReason},
    topology::Map,
    window::Window,
};
use crate::results::event::{Event, EventKind, MonoNs};

/// A packet meets a node this long before or after a change there and may have seen either state:
/// netlink's delivery and the packet's way from its sender.
const SLACK_NS: u64 = 50_000_000;
/// On a busy machine the news of a lost route, or of a LAG that found its partner, is read this
/// long after it: only believed of a node that counted at least as many drops as vanished there.
const LATE_NS: u64 = 1_000_000_000;

/// The name of a VPC's main route table: the kernel's main one.
const MAIN: &str = "main";

/// The node that a packet had reached when it was last seen.
fn place<'v>(
    view: &'v FlowView<'_>,
    seq: u32,
    passed: &'v [Hop],
    map: &Map<'v>,
) -> Option<&'v str> {
    match passed.last() {
        Some(last) => Some(&last.to),
        None => map.behind(view.sender(seq)),
    }
}

/// Nodes whose own counters cover everything that vanished there, of all flows.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// For whatever reason.
    drops: BTreeSet<String>,
    /// For want of a route alone.
    no_route: BTreeSet<String>,
    /// What nodes refused for its size.
    too_large: BTreeMap<String, u64>,
    /// What vanished, by the node it was last seen to have reached.
    vanished: BTreeMap<String, u64>,
    /// What a tunnel's ends counted as dropped and no loss has been put down to yet.
    tunnels: RefCell<BTreeMap<String, u64>>,
}

/// Which nodes' own counters cover what vanished there.
pub(super) fn counted(input: &RunInput, map: &Map<'_>) -> Counted {
    let mut tunnels: BTreeMap<String, u64> = BTreeMap::new();
    let booked_already = |drops: &&TunnelDrops| drops.cause == DropCause::Cap;
    for drops in input.tunnel_drops.iter().filter(|d| !booked_already(d)) {
        *tunnels.entry(drops.tunnel.clone()).or_default() += drops.count;
    }
    let tunnels = RefCell::new(tunnels);
    if input.node_drops.is_empty() {
        return Counted {
            tunnels,
            ..Counted::default()
        };
    }
    let mut vanished: BTreeMap<String, u64> = BTreeMap::new();
    for log in &input.flows {
        let view = FlowView::new(log, &input.wires, map);
        let lost = |seq: &u32| view.fate(*seq) == Some(Fate::Lost) && !view.dropped_by_wire(*seq);
        for seq in view.seqs().filter(lost) {
            let passed = view.hops(seq, map);
            if let Some(node) = place(&view, seq, &passed, map) {
                *vanished.entry(node.to_owned()).or_default() += 1;
            }
        }
    }
    let covering = |counted: fn(&NodeDrops) -> u64| {
        let covers = |(node, drops): (&String, &NodeDrops)| {
            let vanished = vanished.get(node).copied().unwrap_or(0);
            (counted(drops) >= vanished).then(|| node.clone())
        };
        input.node_drops.iter().filter_map(covers).collect()
    };
    Counted {
        drops: covering(|drops| drops.all()),
        no_route: covering(|drops| drops.no_route),
        too_large: input
            .node_drops
            .iter()
            .filter(|(_, drops)| drops.too_large > 0)
            .map(|(node, drops)| (node.clone(), drops.too_large))
            .collect(),
        vanished,
        tunnels,
    }
}

/// The evidence of one flow, for each of its destinations.
pub(super) struct Accounts<'a> {
    map: &'a Map<'a>,
    each: Vec<(Option<IpAddr>, Account<'a>)>,
}

impl<'a> Accounts<'a> {
    /// `events` in time order.
    pub(super) fn new(
        map: &'a Map<'a>,
        events: &'a [Event],
        view: &FlowView<'_>,
        counted: &'a Counted,
    ) -> Self {
        let destinations = view.destinations(map).into_iter();
        let each = destinations.map(|to| (to, Account::new(map, events, to, counted)));
        Self {
            map,
            each: each.collect(),
        }
    }

    /// Of these lost packets: which a node dropped, and how many nobody accounts for.
    pub(super) fn split(
        &self,
        view: &FlowView<'_>,
        situation: &Situation<'_>,
        lost: &[u32],
    ) -> Split {
        let mut split = Split::default();
        for &seq in lost.iter().filter(|&&s| !view.dropped_by_wire(s)) {
            let to = view.destination(seq, self.map);
            let mut each = self.each.iter();
            let account = each.find(|(destination, _)| *destination == to);
            let dropped = account.and_then(|(_, a)| a.node_dropped(view, situation, seq));
            split.add(dropped, self.map);
        }
        split
    }
}

/// The evidence of one flow to one destination.
struct Account<'a> {
    map: &'a Map<'a>,
    changes: Vec<Change<'a>>,
    routes: Vec<Route<'a>>,
    tunnels: Vec<TunnelChange<'a>>,
    members: Vec<Member<'a>>,
    /// Nodes whose counters explain what vanished there.
    counted: &'a Counted,
}

/// A node lost, or got back, the ability to forward to the flow's destination.
struct Change<'a> {
    at: MonoNs,
    node: &'a str,
    able: bool,
    what: What<'a>,
    /// Of a carrier: the link, or the interface where there is none.
    link: &'a str,
}

/// What a node can do without or must have back: one and the same falls away and returns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What<'a> {
    /// A route in this VRF's table; none: in the main table.
    Route(Option<&'a str>),
    Carrier,
    Neighbour(Neighbour<'a>),
}

impl What<'_> {
    /// Whether a node that lost this can forward again once it has `other`: with its light a
    /// node has its routes back, and with another route it needs that light no more.
    fn is_mended_by(&self, other: What<'_>) -> bool {
        match (self, other) {
            (Self::Route(vrf), What::Route(back)) => *vrf == back,
            (Self::Route(_) | Self::Carrier, What::Route(_) | What::Carrier) => true,
            (Self::Neighbour(silent), What::Neighbour(back)) => *silent == back,
            (Self::Neighbour(_), _) | (_, What::Neighbour(_)) => false,
        }
    }
}

/// The one that falls silent and the one that answers must be the same.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Neighbour<'a> {
    dev: &'a str,
    link: Option<&'a str>,
    address: IpAddr,
}

/// A node's route to the flow's destination became this.
struct Route<'a> {
    at: MonoNs,
    node: &'a str,
    vrf: Option<&'a str>,
    prefix: IpNet,
    devices: &'a [String],
    blackhole: bool,
}

/// An end of a tunnel died, or came back.
struct TunnelChange<'a> {
    at: MonoNs,
    tunnel: &'a str,
    node: &'a str,
    up: bool,
}

/// A LAG's member began to carry, or ceased, as one end sees it.
struct Member<'a> {
    at: MonoNs,
    node: &'a str,
    link: Option<&'a str>,
    up: bool,
}

/// What an event says of a node's ability to forward to `destination`.
fn change(event: &Event, destination: Option<IpAddr>) -> Option<Change<'_>> {
    let mut light = "";
    let (node, able, what) = match &event.kind {
        EventKind::Fib {
            node,
            vrf,
            prefix,
            via,
            dev,
            ..
        } if destination.is_some_and(|d| prefix.contains(&d)) => {
            let what = What::Route(vrf.as_deref());
            (node, !(via.is_empty() && dev.is_empty()), what)
        }
        EventKind::Carrier {
            node,
            up,
            dev,
            link,
        } => {
            light = link.as_deref().unwrap_or(dev);
            (node, *up, What::Carrier)
        }
        EventKind::Neighbour {
            node,
            dev,
            link,
            address,
            reachable,
        } => {
            let neighbour = Neighbour {
                dev,
                link: link.as_deref(),
                address: *address,
            };
            (node, *reachable, What::Neighbour(neighbour))
        }
        _ => return None,
    };
    Some(Change {
        at: event.at,
        node,
        able,
        what,
        link: light,
    })
}

/// What an event says of a node's route to `destination`.
fn route(event: &Event, destination: Option<IpAddr>) -> Option<Route<'_>> {
    match &event.kind {
        EventKind::Fib {
            node,
            vrf,
            prefix,
            dev,
            blackhole,
            ..
        } if destination.is_some_and(|d| prefix.contains(&d)) => Some(Route {
            at: event.at,
            node,
            vrf: vrf.as_deref(),
            prefix: *prefix,
            devices: dev,
            blackhole: *blackhole,
        }),
        _ => None,
    }
}

/// Where the packets of one transition were going.
pub(super) struct Situation<'a> {
    pub(super) window: Option<&'a Window>,
    pub(super) paths: [&'a [Hop]; 2],
}

impl<'a> Account<'a> {
    fn new(
        map: &'a Map<'a>,
        events: &'a [Event],
        destination: Option<IpAddr>,
        counted: &'a Counted,
    ) -> Self {
        let changes = events.iter().filter_map(|e| change(e, destination));
        let routes = events.iter().filter_map(|e| route(e, destination));
        let tunnels = events.iter().filter_map(|event| match &event.kind {
            EventKind::Tunnel {
                tunnel,
                node,
                state,
                ..
            } => Some(TunnelChange {
                at: event.at,
                tunnel,
                node,
                up: state == "up",
            }),
            _ => None,
        });
        let members = events.iter().filter_map(|event| match &event.kind {
            EventKind::Lacp { node, link, up, .. } => Some(Member {
                at: event.at,
                node,
                link: link.as_deref(),
                up: *up,
            }),
            _ => None,
        });
        Self {
            map,
            members: members.collect(),
            changes: changes.collect(),
            routes: routes.collect(),
            tunnels: tunnels.collect(),
            counted,
        }
    }

    fn node_dropped(
        &self,
        view: &FlowView<'_>,
        situation: &Situation<'_>,
        seq: u32,
    ) -> Option<Dropped> {
        let sent = view.sent_at(seq)?;
        let passed = view.hops(seq, self.map);
        let next: Vec<&Hop> = situation
            .paths
            .iter()
            .filter(|path| path.starts_with(&passed))
            .filter_map(|path| path.get(passed.len()))
            .collect();
        // No hop seen is not a path, but the lack of one.
        let through_the_end =
            !passed.is_empty() && situation.paths.iter().any(|path| **path == *passed);
        let mut nodes: Vec<&str> = next.iter().map(|hop| hop.from.as_str()).collect();
        match passed.last() {
            Some(last) => nodes.push(&last.to),
            None => nodes.extend(self.map.behind(view.sender(seq))),
        }
        let without_keys = || {
            let hop = passed.last().filter(|hop| self.is_dead(&hop.link, sent))?;
            Some(Dropped::of(
                &hop.from,
                NodeDropReason::TunnelDown,
                Some(&hop.link),
            ))
        };
        let dropped = |node: &&str| match self.victim(situation.window, node) {
            true => Some(Dropped::of(node, NodeDropReason::Failed, None)),
            false => self.unable(node, &next, sent),
        };
        let seen = || match through_the_end {
            true => None,
            false => nodes.iter().find_map(dropped),
        };
        without_keys()
            .or_else(|| self.counted_it((view, seq), &passed, sent))
            .or_else(|| self.not_collected(&passed, sent))
            .or_else(|| self.lost_inside_tunnel(situation, &passed))
            // Hosts may stand behind cables that no wire watches: any node the packet may
            // have been at will do.
            .or_else(|| {
                let mut nodes = nodes.iter();
                nodes.find_map(|node| self.entered_dead_tunnel(node, sent))
            })
            .or_else(seen)
            .or_else(|| self.no_way((view, seq), &passed))
            .or_else(|| self.too_large(place(view, seq, &passed, self.map)?, &nodes))
            .or_else(|| self.counted_by_tunnel(&passed))
    }

    /// Whether the packet was last seen entering a tunnel whose ends dropped one more than has
    /// been put down to them. Asked last, of what nothing else explains.
    fn counted_by_tunnel(&self, passed: &[Hop]) -> Option<Dropped> {
        let mut left = self.counted.tunnels.borrow_mut();
        let hop = passed.last()?;
        let left = left.get_mut(&hop.link)?;
        *left = left.checked_sub(1)?;
        let reason = NodeDropReason::TunnelDropped;
        Some(Dropped::of(&hop.from, reason, Some(&hop.link)))
    }

    /// The node that the packet had reached, if it counted no fewer packets without a route
    /// than vanished there.
    fn no_way(&self, (view, seq): (&FlowView<'_>, u32), passed: &[Hop]) -> Option<Dropped> {
        let node = place(view, seq, passed, self.map)?;
        let node = self.counted.no_route.get(node)?;
        let sender = view.sender(seq);
        let is_own = passed.is_empty() && self.map.behind(sender) == Some(node.as_str());
        let table = is_own.then(|| self.map.table_of(sender)).flatten();
        // Linux counts what a null route drops as it counts what no route covers.
        let vrf = table.filter(|table| *table != MAIN);
        let covering = self.longest(node, vrf, view.sent_at(seq)?);
        if let Some(null) = covering.filter(|route| route.blackhole) {
            let prefix = null.prefix.to_string();
            let reason = NodeDropReason::Blackhole;
            return Some(Dropped::of(node, reason, Some(&prefix)));
        }
        Some(Dropped::NoWay {
            node: node.clone(),
            too_large: false,
            is_own,
            table: table.map(str::to_owned),
        })
    }

    /// The node that refused the packet for its size: of those it may have been at, the one that
    /// refused most, if together they refused no fewer than vanished at the last that was seen.
    fn too_large(&self, last: &str, nodes: &[&str]) -> Option<Dropped> {
        let counted: &'a Counted = self.counted;
        let near = |node: &str| node == last || nodes.contains(&node);
        let refused = || counted.too_large.iter().filter(|(node, _)| near(node));
        let all: u64 = refused().map(|(_, count)| count).sum();
        if all < counted.vanished.get(last).copied().unwrap_or(0) {
            return None;
        }
        let (node, _) = refused().max_by_key(|(_, count)| **count)?;
        Some(Dropped::NoWay {
            node: node.clone(),
            too_large: true,
            is_own: false,
            table: None,
        })
    }

    /// Whether the node that the packet had reached counted what vanished there, and was seen
    /// to have lost its route soon after, or one of its LAGs to have changed about then: for the
    /// instant in which a LAG goes from one aggregate to another, Linux has no member to send on.
    fn counted_it(
        &self,
        (view, seq): (&FlowView<'_>, u32),
        passed: &[Hop],
        sent: MonoNs,
    ) -> Option<Dropped> {
        let node = place(view, seq, passed, self.map)?;
        if !self.counted.drops.contains(node) {
            return None;
        }
        let mut lost = self.changes.iter().filter(|c| {
            c.node == node && !c.able && matches!(c.what, What::Route(_) | What::Carrier)
        });
        if let Some(gone) = lost.find(|c| (sent..sent + LATE_NS).contains(&c.at)) {
            return Some(self.why_unable(gone));
        }
        let mut lacp = self.members.iter().filter(|m| m.node == node);
        lacp.find(|m| m.at.abs_diff(sent) < LATE_NS)
            .map(|m| Dropped::of(node, NodeDropReason::NoMember, m.link))
    }

    /// Whether the packet came in by a LAG's member on which its sender's end carries and the
    /// receiver's does not, or not yet: Linux drops it there. Each end has its own clock.
    fn not_collected(&self, passed: &[Hop], sent: MonoNs) -> Option<Dropped> {
        let hop = passed.last()?;
        let may_be = |node: &str, up: bool| {
            let here = || {
                let of = move |m: &&Member<'_>| m.node == node && m.link == Some(&hop.link);
                self.members.iter().filter(of)
            };
            here()
                .filter(|m| m.up == up && m.at <= sent + SLACK_NS)
                .any(|m| {
                    !here().any(|next| next.up != up && next.at > m.at && next.at + SLACK_NS < sent)
                })
        };
        let reason = NodeDropReason::NotCollecting;
        (may_be(&hop.from, true) && may_be(&hop.to, false))
            .then(|| Dropped::of(&hop.to, reason, Some(&hop.link)))
    }

    /// Whether the packet was about to enter, or had entered, a tunnel whose underlay the fault
    /// took away: there a wire drops it as ciphertext and cannot know it for a probe.
    fn lost_inside_tunnel(&self, situation: &Situation<'_>, passed: &[Hop]) -> Option<Dropped> {
        let [before, _] = situation.paths;
        let cut_underlay = situation.window.is_some_and(|w| {
            w.transition == Transition::Initial
                && !before.iter().any(|hop| self.map.is_hit(&hop.link, w))
                && matches!(
                    w.fault.as_str(),
                    "silent" | "one-way" | "carrier" | "node" | "degrade"
                )
        });
        // A VPN's other tunnel, which a router may try next, lies over the same underlay; that of
        // another VPN may be among several links that fell at once.
        let beside = || {
            let vpn = |hop: &Hop| hop.link.rsplit_once('.').map(|(vpn, _)| vpn.to_owned());
            let entered = passed.last().filter(|hop| self.map.is_tunnel(&hop.link))?;
            let own = vpn(entered);
            let several = situation.window.is_some_and(|w| w.hits().count() > 1);
            (own.is_some() && before.iter().any(|hop| vpn(hop) == own)
                || several && before.iter().any(|hop| self.map.is_tunnel(&hop.link)))
            .then_some(entered)
        };
        let on_the_way = || {
            let near = passed.last().into_iter().chain(before.get(passed.len()));
            let mut near = near.filter(|_| before.starts_with(passed));
            near.find(|hop| self.map.is_tunnel(&hop.link))
        };
        let tunnel = cut_underlay
            .then(|| on_the_way().or_else(beside))
            .flatten()?;
        let reason = NodeDropReason::UnderlayCut;
        Some(Dropped::of(&tunnel.from, reason, Some(&tunnel.link)))
    }

    /// Whether `node`, which had the packet, was sending it into a tunnel one end of
    /// which was dead: its ciphertext arrived nowhere, whichever wires were cut.
    fn entered_dead_tunnel(&self, node: &str, sent: MonoNs) -> Option<Dropped> {
        let here = || self.routes.iter().filter(|route| route.node == node);
        let in_force = here().filter(|route| {
            route.at <= sent + SLACK_NS
                && !here().any(|next| {
                    next.vrf == route.vrf && next.at > route.at && next.at + SLACK_NS < sent
                })
        });
        let devices: Vec<&String> = in_force.flat_map(|route| route.devices).collect();
        let tunnels = self.map.topology.tunnels.iter();
        let dead = tunnels
            .filter(|tunnel| {
                let mut ends = tunnel.ends.iter().zip(&tunnel.interfaces);
                ends.any(|(end, interface)| end == node && devices.contains(&interface))
            })
            .find(|tunnel| self.is_dead(&tunnel.name, sent))?;
        let reason = NodeDropReason::TunnelDown;
        Some(Dropped::of(node, reason, Some(&dead.name)))
    }

    /// Whether an end of the tunnel had died and not yet been seen up again.
    fn is_dead(&self, tunnel: &str, sent: MonoNs) -> bool {
        let of = || self.tunnels.iter().filter(|c| c.tunnel == tunnel);
        of().filter(|c| !c.up && c.at <= sent + SLACK_NS)
            .any(|down| {
                !of().any(|c| {
                    c.up && c.node == down.node && c.at > down.at && c.at + SLACK_NS < sent
                })
            })
    }

    /// Whether the fault itself took the node, or its light, away.
    fn victim(&self, window: Option<&Window>, node: &str) -> bool {
        window.is_some_and(|w| {
            let ends_here = || {
                let links = &self.map.topology.links;
                let mut hit = links.iter().filter(|l| self.map.is_hit(&l.name, w));
                hit.any(|l| l.ends.iter().any(|end| end == node))
            };
            w.transition == Transition::Initial
                && match w.fault.as_str() {
                    "carrier" => ends_here(),
                    "node" | "kill" | "freeze" => w.hits().any(|hit| hit == node),
                    _ => false,
                }
        })
    }

    /// Whether the node was last seen without a route, carrier or a neighbour that answers when
    /// the packet came by, on its way to one of `next`. The neighbour is blamed last.
    fn unable(&self, node: &str, next: &[&Hop], sent: MonoNs) -> Option<Dropped> {
        let here = || self.changes.iter().filter(|c| c.node == node);
        let in_force = here()
            .filter(|c| !c.able && c.at <= sent + SLACK_NS)
            .filter(|c| match &c.what {
                What::Neighbour(neighbour) => self.on_the_way(neighbour, next),
                What::Route(_) | What::Carrier => true,
            })
            .filter(|gone| {
                let mut back = here().filter(|c| c.able && gone.what.is_mended_by(c.what));
                !back.any(|c| c.at > gone.at && c.at + SLACK_NS < sent)
            });
        let gone = in_force.max_by_key(|gone| match gone.what {
            What::Neighbour(_) => 0,
            What::Carrier => 1,
            What::Route(_) => 2,
        })?;
        Some(self.why_unable(gone))
    }

    /// What a node that lost this drops packets for, as its FIB was then.
    fn why_unable(&self, gone: &Change<'_>) -> Dropped {
        let vrf = match gone.what {
            What::Neighbour(Neighbour { address, .. }) => {
                return Dropped::Neighbour(gone.node.to_owned(), address);
            }
            What::Carrier => {
                let reason = NodeDropReason::NoCarrier;
                return Dropped::of(gone.node, reason, Some(gone.link));
            }
            What::Route(vrf) => vrf,
        };
        let (reason, about) = match self.longest(gone.node, vrf, gone.at) {
            None => (NodeDropReason::NoRoute, None),
            Some(null) if null.blackhole => (NodeDropReason::Blackhole, Some(null.prefix)),
            Some(other) => (NodeDropReason::RouteLost, Some(other.prefix)),
        };
        let about = about.map(|prefix| prefix.to_string());
        Dropped::of(gone.node, reason, about.as_deref())
    }

    /// The route with the longest prefix that a node's table had for the destination.
    fn longest(&self, node: &str, vrf: Option<&str>, at: MonoNs) -> Option<&Route<'a>> {
        let here = self.routes.iter().rev();
        let here = here.filter(|r| r.node == node && r.vrf == vrf && r.at <= at);
        let mut seen: Vec<IpNet> = Vec::new();
        let mut best: Option<&Route<'a>> = None;
        for route in here {
            // The latest news of a prefix is what it was.
            if seen.contains(&route.prefix) {
                continue;
            }
            seen.push(route.prefix);
            let is_there = route.blackhole || !route.devices.is_empty();
            let longer = best.is_none_or(|b| b.prefix.prefix_len() < route.prefix.prefix_len());
            if is_there && longer {
                best = Some(route);
            }
        }
        best
    }

    /// Whether a packet to one of `next` may have been meant for this neighbour: what a tunnel
    /// carries leaves by any link.
    fn on_the_way(&self, neighbour: &Neighbour<'_>, next: &[&Hop]) -> bool {
        let here = |link: &str| {
            let meant =
                |hop: &&Hop| self.map.is_tunnel(&hop.link) || self.map.is_part(&hop.link, link);
            next.is_empty() || next.iter().any(meant)
        };
        neighbour.link.is_none_or(here)
    }
}
