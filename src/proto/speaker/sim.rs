//! Speakers joined by byte pipes under a virtual clock that jumps from one
//! deadline to the next.
//!
//! A pipe behaves as TCP over a link does: bytes arrive in order after the
//! link's delay; while the link is cut nothing arrives, and what both ends
//! still want when it is restored arrives then.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::{
    Action, ConnId, FibChange, Interface, NextHop, Origin, PeerId, RouteStatus, SessionState,
    Speaker, SpeakerEvent,
};
use crate::units::{IfName, Origination, PeerConfig, Span, SpeakerConfig, fixture};

/// A link between two nodes and the session over it.
pub(super) struct Link {
    ends: [(usize, PeerId); 2],
    delay: Duration,
    pub(super) cut: bool,
    held: Vec<Delivery>,
}

struct Node {
    speaker: Speaker,
    fib: BTreeMap<IpNet, Vec<NextHop>>,
    events: Vec<(Instant, SpeakerEvent)>,
    interfaces: Vec<Interface>,
    incoming: u64,
    /// Order of forwarding changes and sends, to check one against the other.
    log: Vec<Step>,
}

/// What a node did, for tests of order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Fib(FibChange),
    Send(usize),
    Close,
}

/// A connection: its two ends, and whether each still wants it.
struct Pipe {
    link: usize,
    ends: [(usize, ConnId); 2],
    open: [bool; 2],
}

#[derive(Debug)]
struct Delivery {
    pipe: usize,
    /// Which end receives it.
    end: usize,
    what: What,
}

#[derive(Debug)]
enum What {
    Accept,
    Connected,
    Bytes(Vec<u8>),
    Closed,
}

pub(super) struct Sim {
    pub(super) now: Instant,
    nodes: Vec<Node>,
    pub(super) links: Vec<Link>,
    pipes: Vec<Pipe>,
    by_conn: BTreeMap<(usize, ConnId), usize>,
    queue: BTreeMap<(Instant, u64), Delivery>,
    sequence: u64,
}

/// Describes a topology before it runs.
pub(super) struct Builder {
    pub(super) configs: Vec<SpeakerConfig>,
    pub(super) links: Vec<(usize, usize, Duration)>,
}

pub(super) fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

/// A session with everything allowed and short timers.
pub(super) fn peer_config(name: &str, local: &str, remote: &str, remote_asn: u32) -> PeerConfig {
    PeerConfig {
        hold: Span::from_secs(9),
        keepalive: Span::from_secs(3),
        ..fixture::peer(name, local, remote, remote_asn)
    }
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            configs: Vec::new(),
            links: Vec::new(),
        }
    }

    /// Node `n` has router-id `1.1.1.(n+1)`.
    pub(super) fn node(&mut self, number: u32) -> usize {
        let index = self.configs.len();
        let id = format!("1.1.1.{}", index + 1);
        self.configs.push(fixture::speaker(
            &format!("n{index}"),
            number,
            &id,
            Vec::new(),
        ));
        index
    }

    pub(super) fn originate(&mut self, node: usize, prefix: &str) {
        self.configs[node].originate.push(Origination {
            prefix: net(prefix),
            blackhole: false,
            while_known: None,
        });
    }

    /// Link `l` is 10.0.l.0/30, `.1` at `a`; its session is called `s<l>`.
    pub(super) fn link(&mut self, a: usize, b: usize, delay_ms: u64) -> usize {
        let index = self.links.len();
        self.links.push((a, b, Duration::from_millis(delay_ms)));
        for (node, other, own, far) in [(a, b, 1, 2), (b, a, 2, 1)] {
            let remote_asn = self.configs[other].asn.get();
            let local = format!("10.0.{index}.{own}");
            let remote = format!("10.0.{index}.{far}");
            let mut peer = peer_config(&format!("s{index}"), &local, &remote, remote_asn);
            peer.interface = Some(interface_name(index));
            self.configs[node].peers.push(peer);
        }
        index
    }

    /// The configuration of one end of a link.
    pub(super) fn peer(&mut self, node: usize, link: usize) -> &mut PeerConfig {
        let name = fixture::session(&format!("s{link}"));
        self.configs[node]
            .peers
            .iter_mut()
            .find(|peer| peer.session == name)
            .expect("the node is an end of the link")
    }

    /// Starts everything at the same instant.
    pub(super) fn start(self, seed: u64) -> Sim {
        Sim::new(self, seed)
    }
}

pub(super) fn interface_name(link: usize) -> IfName {
    IfName::new(format!("l{link}")).expect("a name")
}

impl Sim {
    #[expect(
        clippy::disallowed_methods,
        reason = "the virtual clock needs an epoch"
    )]
    fn new(builder: Builder, seed: u64) -> Self {
        let now = Instant::now();
        let mut sim = Self {
            now,
            nodes: Vec::new(),
            links: Vec::new(),
            pipes: Vec::new(),
            by_conn: BTreeMap::new(),
            queue: BTreeMap::new(),
            sequence: 0,
        };
        for (index, (a, b, delay)) in builder.links.iter().copied().enumerate() {
            let end = |node: usize| {
                let name = fixture::session(&format!("s{index}"));
                let peers = &builder.configs[node].peers;
                let peer = peers.iter().position(|peer| peer.session == name);
                (node, PeerId(peer.expect("configured") as u32))
            };
            sim.links.push(Link {
                ends: [end(a), end(b)],
                delay,
                cut: false,
                held: Vec::new(),
            });
        }
        for (index, config) in builder.configs.into_iter().enumerate() {
            let interface = |(link, ends): (usize, &(usize, usize, Duration))| {
                (ends.0 == index || ends.1 == index).then(|| Interface {
                    name: interface_name(link),
                    up: true,
                    prefixes: vec![net(&format!("10.0.{link}.0/30"))],
                })
            };
            sim.nodes.push(Node {
                interfaces: builder
                    .links
                    .iter()
                    .enumerate()
                    .filter_map(interface)
                    .collect(),
                speaker: Speaker::new(config, seed.wrapping_add(index as u64), now),
                fib: BTreeMap::new(),
                events: Vec::new(),
                incoming: 0,
                log: Vec::new(),
            });
        }
        for node in 0..sim.nodes.len() {
            let interfaces = sim.nodes[node].interfaces.clone();
            sim.call(node, |speaker, now| {
                speaker.handle_interfaces(interfaces, now)
            });
            sim.call(node, Speaker::start);
        }
        sim
    }

    /// Hands the speaker an input and carries out what it wants.
    pub(super) fn call(&mut self, node: usize, act: impl FnOnce(&mut Speaker, Instant)) {
        act(&mut self.nodes[node].speaker, self.now);
        let mut actions = VecDeque::new();
        while let Some(action) = self.nodes[node].speaker.poll_action() {
            actions.push_back(action);
        }
        for action in actions {
            self.execute(node, action);
        }
    }

    fn execute(&mut self, node: usize, action: Action) {
        match action {
            Action::Connect { conn, peer } => self.connect(node, conn, peer),
            Action::Send { conn, bytes } => {
                self.nodes[node].log.push(Step::Send(bytes.len()));
                let pipe = self.by_conn[&(node, conn)];
                let end = self.end_of(pipe, node, conn);
                assert!(self.pipes[pipe].open[end], "sending on a closed connection");
                self.send(pipe, 1 - end, What::Bytes(bytes), 1);
            }
            Action::Close { conn } => {
                self.nodes[node].log.push(Step::Close);
                let pipe = self.by_conn[&(node, conn)];
                let end = self.end_of(pipe, node, conn);
                self.pipes[pipe].open[end] = false;
                self.send(pipe, 1 - end, What::Closed, 1);
            }
            Action::Fib { change, .. } => {
                let fib = &mut self.nodes[node].fib;
                match change.clone() {
                    FibChange::Install { prefix, next_hops } => {
                        assert!(!next_hops.is_empty());
                        fib.insert(prefix, next_hops);
                    }
                    FibChange::Blackhole { prefix } => {
                        fib.insert(prefix, Vec::new());
                    }
                    FibChange::Remove { prefix } => {
                        fib.remove(&prefix);
                    }
                }
                self.nodes[node].log.push(Step::Fib(change));
            }
            Action::Event(event) => {
                let now = self.now;
                self.nodes[node].events.push((now, event));
            }
        }
    }

    fn connect(&mut self, node: usize, conn: ConnId, peer: PeerId) {
        let link = self
            .links
            .iter()
            .position(|link| link.ends.contains(&(node, peer)))
            .expect("every session has a link");
        let own = usize::from(self.links[link].ends[1] == (node, peer));
        let (other, _) = self.links[link].ends[1 - own];
        let remote = ConnId::incoming(self.nodes[other].incoming);
        self.nodes[other].incoming += 1;
        let pipe = self.pipes.len();
        let mut ends = [(node, conn); 2];
        ends[1] = (other, remote);
        self.pipes.push(Pipe {
            link,
            ends,
            open: [true, true],
        });
        self.by_conn.insert((node, conn), pipe);
        self.by_conn.insert((other, remote), pipe);
        self.send(pipe, 1, What::Accept, 1);
        self.send(pipe, 0, What::Connected, 2);
    }

    fn end_of(&self, pipe: usize, node: usize, conn: ConnId) -> usize {
        usize::from(self.pipes[pipe].ends[1] == (node, conn))
    }

    fn send(&mut self, pipe: usize, end: usize, what: What, delays: u32) {
        let at = self.now + self.links[self.pipes[pipe].link].delay * delays;
        self.sequence += 1;
        self.queue
            .insert((at, self.sequence), Delivery { pipe, end, what });
    }

    /// Runs for a while.
    pub(super) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let delivery = self.queue.keys().next().map(|(at, _)| *at);
            let timeouts = self
                .nodes
                .iter()
                .filter_map(|node| node.speaker.poll_timeout());
            let timeout = timeouts.map(|(at, _)| at).min();
            let Some(next) = delivery
                .into_iter()
                .chain(timeout)
                .min()
                .filter(|&at| at <= until)
            else {
                break;
            };
            self.now = self.now.max(next);
            if delivery == Some(next) {
                let (_, delivery) = self.queue.pop_first().expect("there is one");
                self.deliver(delivery);
                continue;
            }
            for node in 0..self.nodes.len() {
                let due = self.nodes[node].speaker.poll_timeout();
                if due.is_some_and(|(at, _)| at <= self.now) {
                    self.call(node, Speaker::handle_timeout);
                    let again = self.nodes[node].speaker.poll_timeout();
                    assert!(again.is_none_or(|(at, _)| at > self.now), "{again:?} spins");
                }
            }
        }
        self.now = until;
    }

    pub(super) fn run_ms(&mut self, ms: u64) {
        self.run(Duration::from_millis(ms));
    }

    fn deliver(&mut self, delivery: Delivery) {
        let pipe = &self.pipes[delivery.pipe];
        let link = pipe.link;
        if self.links[link].cut {
            self.links[link].held.push(delivery);
            return;
        }
        let (node, conn) = pipe.ends[delivery.end];
        if !pipe.open[delivery.end] {
            // A reset answers what a closed end receives.
            if matches!(delivery.what, What::Bytes(_)) && pipe.open[1 - delivery.end] {
                self.send(delivery.pipe, 1 - delivery.end, What::Closed, 1);
            }
            return;
        }
        match delivery.what {
            What::Accept => {
                if !pipe.open[0] {
                    self.pipes[delivery.pipe].open[1] = false;
                    return;
                }
                let peer = self.links[link].ends.iter().find(|(end, _)| *end == node);
                let (_, peer) = *peer.expect("an end");
                self.call(node, |speaker, now| {
                    speaker.handle_connected(conn, peer, Origin::Incoming, now);
                });
            }
            What::Connected => {
                let peer = self.links[link].ends.iter().find(|(end, _)| *end == node);
                let (_, peer) = *peer.expect("an end");
                self.call(node, |speaker, now| {
                    speaker.handle_connected(conn, peer, Origin::Outgoing, now);
                });
            }
            What::Bytes(bytes) => {
                self.call(node, |speaker, now| speaker.handle_data(conn, &bytes, now));
            }
            What::Closed => {
                self.pipes[delivery.pipe].open[delivery.end] = false;
                self.call(node, |speaker, now| speaker.handle_closed(conn, now));
            }
        }
    }

    /// TCP fails: both ends of every connection over the link learn of it, without a word of
    /// BGP's.
    pub(super) fn reset(&mut self, link: usize) {
        for pipe in 0..self.pipes.len() {
            if self.pipes[pipe].link != link {
                continue;
            }
            for end in [0, 1] {
                let (node, conn) = self.pipes[pipe].ends[end];
                if std::mem::take(&mut self.pipes[pipe].open[end]) {
                    self.call(node, |speaker, now| speaker.handle_closed(conn, now));
                }
            }
        }
    }

    /// The node's speaker dies and another begins, with the kernel's table empty. Its peers
    /// hear of it by a FIN, unless `silently`.
    pub(super) fn respawn(&mut self, node: usize, config: SpeakerConfig, silently: bool) {
        self.nodes[node].speaker = Speaker::new(config, 99, self.now);
        self.nodes[node].fib.clear();
        for pipe in 0..self.pipes.len() {
            for end in [0, 1] {
                let is_own = self.pipes[pipe].ends[end].0 == node;
                if is_own && std::mem::take(&mut self.pipes[pipe].open[end]) && !silently {
                    self.send(pipe, 1 - end, What::Closed, 1);
                }
            }
        }
        // Numbers of the new speaker's own connections begin anew.
        self.by_conn.retain(|(of, _), _| *of != node);
        let interfaces = self.nodes[node].interfaces.clone();
        self.call(node, |speaker, now| {
            speaker.handle_interfaces(interfaces, now)
        });
        self.call(node, Speaker::start);
    }

    /// Nothing passes any more, and nobody is told.
    pub(super) fn cut(&mut self, link: usize) {
        self.links[link].cut = true;
    }

    /// What both ends still want arrives now.
    pub(super) fn restore(&mut self, link: usize) {
        self.links[link].cut = false;
        for delivery in std::mem::take(&mut self.links[link].held) {
            self.sequence += 1;
            self.queue.insert((self.now, self.sequence), delivery);
        }
    }

    /// What BFD would say at both ends.
    pub(super) fn bfd(&mut self, link: usize, up: bool) {
        for (node, peer) in self.links[link].ends {
            self.call(node, |speaker, now| speaker.handle_bfd(peer, up, now));
        }
    }

    /// Light goes out or comes back at one end; the kernel forgets what the
    /// speaker had put there.
    pub(super) fn carrier(&mut self, node: usize, link: usize, up: bool) {
        let name = interface_name(link);
        let state = &mut self.nodes[node];
        for interface in &mut state.interfaces {
            if interface.name == name {
                interface.up = up;
            }
        }
        if !up {
            state
                .fib
                .retain(|_, hops| hops.iter().all(|hop| hop.interface != name));
        }
        let interfaces = state.interfaces.clone();
        self.call(node, |speaker, now| {
            speaker.handle_interfaces(interfaces, now)
        });
    }

    /// Gives a link's interface another subnet; no matter if the node has none.
    pub(super) fn connect_subnet(&mut self, node: usize, link: usize, subnet: &str) {
        let name = interface_name(link);
        for interface in &mut self.nodes[node].interfaces {
            if interface.name == name {
                interface.prefixes.push(net(subnet));
            }
        }
        let interfaces = self.nodes[node].interfaces.clone();
        self.call(node, |speaker, now| {
            speaker.handle_interfaces(interfaces, now)
        });
    }

    pub(super) fn peer_at(&self, node: usize, link: usize) -> PeerId {
        let end = self.links[link].ends.iter().find(|(end, _)| *end == node);
        end.expect("an end of the link").1
    }

    pub(super) fn state(&self, node: usize, link: usize) -> SessionState {
        let index = self.peer_at(node, link).0 as usize;
        self.nodes[node].speaker.status(self.now).peers[index].state
    }

    pub(super) fn status(&self, node: usize) -> super::SpeakerStatus {
        self.nodes[node].speaker.status(self.now)
    }

    pub(super) fn best(&self, node: usize, prefix: &str) -> Option<RouteStatus> {
        let prefix = net(prefix);
        let rib = self.status(node).rib;
        rib.into_iter()
            .find(|route| route.best && route.prefix == prefix)
    }

    /// Gateways of a prefix in the node's kernel.
    pub(super) fn via(&self, node: usize, prefix: &str) -> Option<Vec<IpAddr>> {
        let hops = self.nodes[node].fib.get(&net(prefix))?;
        Some(hops.iter().map(|hop| hop.gateway).collect())
    }

    pub(super) fn fib(&self, node: usize) -> &BTreeMap<IpNet, Vec<NextHop>> {
        &self.nodes[node].fib
    }

    pub(super) fn events(&self, node: usize) -> impl Iterator<Item = &SpeakerEvent> {
        self.nodes[node].events.iter().map(|(_, event)| event)
    }

    /// When the node last said so.
    pub(super) fn when(
        &self,
        node: usize,
        matches: impl Fn(&SpeakerEvent) -> bool,
    ) -> Option<Instant> {
        let mut events = self.nodes[node].events.iter().rev();
        events.find(|(_, event)| matches(event)).map(|(at, _)| *at)
    }

    pub(super) fn take_log(&mut self, node: usize) -> Vec<Step> {
        std::mem::take(&mut self.nodes[node].log)
    }

    /// Which node has this address.
    pub(super) fn owner(&self, address: Ipv4Addr) -> usize {
        let [_, _, link, host] = address.octets();
        self.links[usize::from(link)].ends[usize::from(host) - 1].0
    }

    /// Follows the kernels' first next hops; the nodes passed, none in a loop.
    pub(super) fn walk(&self, from: usize, prefix: &str) -> Option<Vec<usize>> {
        let mut at = from;
        let mut passed = BTreeSet::from([from]);
        let mut path = Vec::new();
        while let Some(gateways) = self.via(at, prefix) {
            let Some(IpAddr::V4(gateway)) = gateways.first() else {
                break;
            };
            at = self.owner(*gateway);
            path.push(at);
            if !passed.insert(at) {
                return None;
            }
        }
        Some(path)
    }
}
