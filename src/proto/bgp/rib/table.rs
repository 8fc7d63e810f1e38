//! Adj-RIBs-In, Loc-RIB and the way between them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

use super::advertise::Advertised;
use super::fib::{Fib, FibChange, NextHop};
use super::resolver::{Interface, Resolver};
use crate::proto::bgp::decision::{Candidate, Kind, choose};
use crate::proto::bgp::fsm::Negotiated;
use crate::proto::bgp::policy;
use crate::proto::bgp::wire::{Attributes, Decoded, Reach};
use crate::units::{
    Asn, Attachment, Family, IfName, Origination, PeerConfig, RegionName, RouteChoice, RouteTable,
    SessionName, SpeakerConfig, StaticHop, StaticPath,
};

/// What a flush leads to, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The kernel has to change.
    Fib(FibChange),
    /// Whole UPDATEs for the peer of this index.
    Updates {
        /// The peer.
        peer: usize,
        /// The messages.
        bytes: Vec<u8>,
        /// How many they are.
        messages: u64,
    },
    /// Whole ROUTE-REFRESH messages for the peer of this index, in their place among the UPDATEs.
    Refresh {
        /// The peer.
        peer: usize,
        /// The messages.
        bytes: Vec<u8>,
        /// How many they are.
        messages: u64,
    },
    /// These attributes fit into no message, so the peer is not told.
    TooLarge {
        /// The peer.
        peer: usize,
        /// One of the prefixes.
        prefix: IpNet,
    },
}

/// Why routes of an UPDATE were not taken as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The AS_PATH does not begin with the peer's AS (RFC 4271 §6.3).
    #[error("AS_PATH does not begin with the peer's AS; treated as withdrawn")]
    FirstAs,
    /// The peer sent more prefixes than allowed.
    #[error("more than {0} prefixes")]
    MaxPrefix(u32),
}

/// A usable or at least accepted path, for showing.
#[derive(Debug, Clone)]
pub struct Row {
    /// The destination.
    pub prefix: IpNet,
    /// Its attributes after import policy.
    pub attributes: Arc<Attributes>,
    /// The peer; none for a route of our own.
    pub peer: Option<usize>,
    /// Where it came from.
    pub kind: Kind,
    /// Chosen.
    pub best: bool,
    /// Used for forwarding.
    pub used: bool,
    /// Its next hop can be reached.
    pub reachable: bool,
}

/// Where a path came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Originated here.
    Local,
    /// The static route of this index.
    Static(u32),
    /// The peer of this index.
    Peer(u32),
}

impl Source {
    pub(super) fn peer(self) -> Option<usize> {
        match self {
            Self::Peer(peer) => Some(peer as usize),
            Self::Local | Self::Static(_) => None,
        }
    }
}

/// A path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) source: Source,
    pub(super) attributes: Arc<Attributes>,
}

/// One prefix of the Loc-RIB.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// Accepted paths, at most one from each source.
    paths: Vec<Path>,
    /// The chosen one, as the peers have last been told.
    pub(super) best: Option<Path>,
}

/// Everything about one peer's routes.
#[derive(Debug)]
pub(super) struct PeerTable {
    pub(super) config: PeerConfig,
    /// Our AS on the session.
    pub(super) asn: Asn,
    pub(super) external: bool,
    /// Its paths are candidates here.
    propagated: bool,
    /// It is told what is chosen here.
    pub(super) associated: bool,
    /// Set while Established.
    pub(super) session: Option<Negotiated>,
    /// Adj-RIB-In before policy.
    received: BTreeMap<IpNet, Arc<Attributes>>,
    accepted: u64,
    /// Kept although the session has ended, and not yet announced again (RFC 4724 §4.2).
    stale: BTreeSet<IpNet>,
    /// Adj-RIB-Out.
    pub(super) advertised: Advertised,
    /// The MED of all that it is told, whatever policy says.
    pub(super) med: Option<u32>,
}

/// The tables of a speaker.
#[derive(Debug)]
pub struct Rib {
    router_id: Ipv4Addr,
    choice: RouteChoice,
    multipath: usize,
    pub(super) peers: Vec<PeerTable>,
    originations: Vec<Origination>,
    /// Whose traffic is routed here.
    region: Option<RegionName>,
    statics: Vec<StaticPath>,
    started: bool,
    pub(super) entries: BTreeMap<IpNet, Entry>,
    fib: Fib,
    resolver: Resolver,
    dirty: Vec<IpNet>,
    /// Conditions of originations have to be looked at whatever changed.
    recheck: bool,
}

impl Rib {
    /// Empty tables of a speaker that has one of each.
    pub fn new(config: &SpeakerConfig) -> Self {
        Self::of(config, None)
    }

    /// Empty tables: of one route table among several, or of all there is. Each of several
    /// hears everything, and chooses among what is propagated into it.
    pub fn of(config: &SpeakerConfig, of: Option<&RouteTable>) -> Self {
        let is_in = |list: fn(&RouteTable) -> &Vec<SessionName>, peer: &PeerConfig| {
            of.is_none_or(|table| list(table).contains(&peer.session))
        };
        let table = |peer: &PeerConfig| PeerTable {
            propagated: is_in(|table| &table.propagated, peer),
            associated: is_in(|table| &table.associated, peer),
            config: peer.clone(),
            asn: peer.asn(config.asn),
            external: peer.is_external(config.asn),
            session: None,
            received: BTreeMap::new(),
            accepted: 0,
            stale: BTreeSet::new(),
            advertised: Advertised::default(),
            med: None,
        };
        Self {
            router_id: config.router_id,
            choice: config.choice,
            multipath: usize::from(config.multipath.max(1)),
            peers: config.peers.iter().map(table).collect(),
            originations: config.originate.clone(),
            region: of.and_then(|table| table.region.clone()),
            statics: of.map_or(&config.statics, |table| &table.statics).clone(),
            started: false,
            entries: BTreeMap::new(),
            fib: Fib::default(),
            resolver: Resolver::default(),
            dirty: Vec::new(),
            recheck: false,
        }
    }

    /// Originates from now on.
    pub fn start(&mut self) {
        self.started = true;
        self.recheck = true;
        for (index, route) in self.statics.clone().into_iter().enumerate() {
            let next_hop = match route.to {
                StaticHop::Via(next_hop) => {
                    self.resolver.resolve(next_hop);
                    next_hop
                }
                StaticHop::Blackhole => unspecified(&route.prefix),
            };
            let attributes = Arc::new(Attributes::local(next_hop));
            self.put_path(
                route.prefix.trunc(),
                Source::Static(index as u32),
                attributes,
            );
        }
    }

    /// A session is up: it will be told everything.
    pub fn peer_up(&mut self, peer: usize, session: Negotiated) {
        if let Some(table) = self.peers.get_mut(peer) {
            table.advertised.owe(&session.kind.families);
            let preserved = session
                .graceful
                .as_ref()
                .map(|graceful| &graceful.preserved);
            let preserved = preserved.cloned().unwrap_or_default();
            table.session = Some(session);
            self.drop_stale(peer, |family| !preserved.contains(&family));
        }
    }

    /// A session is down, but routes of these families stay, as stale as those are that have
    /// not come again since the last time; the latter go. How many stay.
    pub fn peer_lost(&mut self, peer: usize, keep: &[Family]) -> usize {
        self.drop_stale(peer, |_| true);
        let Some(table) = self.peers.get_mut(peer) else {
            return 0;
        };
        table.session = None;
        table.advertised = Advertised::default();
        let prefixes: Vec<IpNet> = table.received.keys().copied().collect();
        for prefix in prefixes {
            if keep.contains(&Family::of(&prefix)) {
                if let Some(table) = self.peers.get_mut(peer) {
                    table.stale.insert(prefix);
                }
            } else {
                self.withdraw(peer, prefix);
            }
        }
        self.stale(peer)
    }

    /// The peer begins to tell a family's table again: all that it has told is stale until it has
    /// come again (RFC 7313 §4).
    pub fn mark_stale(&mut self, peer: usize, family: Family) {
        if let Some(table) = self.peers.get_mut(peer) {
            let of_family = |prefix: &&IpNet| Family::of(prefix) == family;
            let told: Vec<IpNet> = table.received.keys().filter(of_family).copied().collect();
            table.stale.extend(told);
        }
    }

    /// Takes away the peer's stale routes of such families; how many.
    pub fn drop_stale(&mut self, peer: usize, of: impl Fn(Family) -> bool) -> usize {
        let Some(table) = self.peers.get(peer) else {
            return 0;
        };
        let stale = table.stale.iter().copied();
        let gone: Vec<IpNet> = stale.filter(|prefix| of(Family::of(prefix))).collect();
        for prefix in &gone {
            self.withdraw(peer, *prefix);
        }
        gone.len()
    }

    /// How many stale routes of the peer are kept.
    pub fn stale(&self, peer: usize) -> usize {
        self.peers.get(peer).map_or(0, |table| table.stale.len())
    }

    /// A session is down: everything from it goes.
    pub fn peer_down(&mut self, peer: usize) {
        let Some(table) = self.peers.get_mut(peer) else {
            return;
        };
        table.session = None;
        table.accepted = 0;
        table.stale.clear();
        table.advertised = Advertised::default();
        for prefix in std::mem::take(&mut table.received).into_keys() {
            self.remove_path(prefix, Source::Peer(peer as u32));
        }
    }

    /// From now on the peer is told all routes with this MED; `None`: with what policy says.
    pub fn set_med(&mut self, peer: usize, med: Option<u32>) {
        if let Some(table) = self.peers.get_mut(peer) {
            table.med = med;
            table.advertised.compare_all();
        }
    }

    /// The peer wants the whole table of a family again (RFC 2918).
    pub fn refresh(&mut self, peer: usize, family: Family) {
        if let Some(table) = self.peers.get_mut(peer) {
            table.advertised.owe_again(family);
        }
    }

    /// What a peer said. The first fault found is the answer, but all of the
    /// message has been dealt with.
    ///
    /// # Errors
    /// See [`Fault`]; after `MaxPrefix` the session has to end.
    pub fn receive(&mut self, peer: usize, update: Decoded) -> Result<(), Fault> {
        let mut result = Ok(());
        for prefix in update.withdrawn {
            self.withdraw(peer, prefix);
        }
        for reach in update.reach {
            let received = self.announce(peer, reach);
            result = result.and(received);
        }
        let limit = self.peers.get(peer).and_then(|table| {
            let limit = table.config.max_prefix?;
            (table.accepted > u64::from(limit)).then_some(limit)
        });
        match limit {
            Some(limit) => Err(Fault::MaxPrefix(limit)),
            None => result,
        }
    }

    /// The full set of interfaces.
    pub fn set_interfaces(&mut self, interfaces: Vec<Interface>) {
        let change = self.resolver.replace(interfaces);
        self.recheck = true;
        let lost = self.fib.lose(&change.down);
        self.dirty.extend(lost);
        self.dirty.extend(change.subnets);
        let affected = |path: &Path| {
            let next_hop = path.attributes.next_hop;
            change.next_hops.contains(&next_hop) || is_link_local(next_hop)
        };
        let prefixes = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.paths.iter().any(affected))
            .map(|(prefix, _)| *prefix);
        self.dirty.extend(prefixes);
    }

    /// Whether the interface exists and is up.
    pub fn is_up(&self, interface: &IfName) -> bool {
        self.resolver.is_up(interface)
    }

    /// Decides for every marked prefix and tells everybody concerned: the
    /// kernel first, then the peers.
    pub fn flush(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut changed = BTreeSet::new();
        // A condition may hang on a route of our own: at most one round for each.
        for _ in 0..self.originations.len() + 2 {
            let round = self.decide_dirty(&mut effects);
            self.check_conditions(&round);
            changed.extend(round);
            if self.dirty.is_empty() {
                break;
            }
        }
        for peer in 0..self.peers.len() {
            self.advertise(peer, &changed, &mut effects);
        }
        effects
    }

    /// Prefixes received, accepted and advertised.
    pub fn counts(&self, peer: usize) -> (u64, u64, u64) {
        self.peers.get(peer).map_or((0, 0, 0), |table| {
            let received = table.received.len() as u64;
            (received, table.accepted, table.advertised.len())
        })
    }

    /// Every accepted path by prefix, the used ones first and best first.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (prefix, entry) in &self.entries {
            let used = self.choose(entry);
            let is_here = |index: &usize| {
                let path = entry.paths.get(*index);
                path.is_some_and(|path| self.is_propagated(path))
            };
            let others = (0..entry.paths.len()).filter(|index| !used.contains(index));
            let others = others.filter(is_here);
            for (order, index) in used.iter().copied().chain(others).enumerate() {
                if let Some(path) = entry.paths.get(index) {
                    rows.push(Row {
                        prefix: *prefix,
                        attributes: Arc::clone(&path.attributes),
                        peer: path.source.peer(),
                        kind: self.kind(path),
                        best: order == 0 && !used.is_empty(),
                        used: order < used.len(),
                        reachable: self.is_usable(path),
                    });
                }
            }
        }
        rows
    }

    /// What the kernel holds.
    pub fn fib(&self) -> impl Iterator<Item = (&IpNet, &[NextHop])> {
        self.fib.iter()
    }

    pub(super) fn kind(&self, path: &Path) -> Kind {
        let Source::Peer(peer) = path.source else {
            return match path.source {
                Source::Static(_) if self.static_path(path).is_some_and(|one| one.floating) => {
                    Kind::Floating
                }
                Source::Static(_) => Kind::Static,
                Source::Local | Source::Peer(_) => Kind::Local,
            };
        };
        match self.peers.get(peer as usize) {
            Some(table) if table.external => Kind::External,
            Some(_) => Kind::Internal,
            None => Kind::Local,
        }
    }

    fn withdraw(&mut self, peer: usize, prefix: IpNet) {
        let Some(table) = self.peers.get_mut(peer) else {
            return;
        };
        table.stale.remove(&prefix);
        if table.received.remove(&prefix).is_some()
            && self.remove_path(prefix, Source::Peer(peer as u32))
        {
            self.count_accepted(peer, -1);
        }
    }

    fn announce(&mut self, peer: usize, reach: Reach) -> Result<(), Fault> {
        let Some(table) = self.peers.get(peer) else {
            return Ok(());
        };
        let attributes = reach.attributes;
        let first = attributes.as_path.neighbour();
        if table.external
            && !table.config.transparent
            && first != Some(table.config.remote_asn.get())
        {
            for prefix in reach.prefixes {
                self.withdraw(peer, prefix);
            }
            return Err(Fault::FirstAs);
        }
        let acceptable = self.acceptable(table.asn, &attributes);
        self.resolver.resolve(attributes.next_hop);
        // Each rule changes the same attributes in the same way.
        let mut changed_by_rule = Vec::new();
        for prefix in reach.prefixes {
            let accepted = acceptable
                .then(|| self.import(peer, &prefix, &attributes, &mut changed_by_rule))
                .flatten();
            if let Some(table) = self.peers.get_mut(peer) {
                table.received.insert(prefix, Arc::clone(&attributes));
                table.stale.remove(&prefix);
            }
            match accepted {
                Some(accepted) => {
                    if self.put_path(prefix, Source::Peer(peer as u32), accepted) {
                        self.count_accepted(peer, 1);
                    }
                }
                None => {
                    if self.remove_path(prefix, Source::Peer(peer as u32)) {
                        self.count_accepted(peer, -1);
                    }
                }
            }
        }
        Ok(())
    }

    /// Loops (RFC 4271 §9.1.2, RFC 4456 §8) and a NEXT_HOP that is ourselves
    /// (§5.1.3) make a route unusable.
    fn acceptable(&self, asn: Asn, attributes: &Attributes) -> bool {
        let own = |table: &PeerTable| table.config.local == attributes.next_hop;
        !attributes.as_path.contains(asn.get())
            && attributes.originator_id != Some(self.router_id)
            && !self.peers.iter().any(own)
    }

    fn import(
        &self,
        peer: usize,
        prefix: &IpNet,
        attributes: &Arc<Attributes>,
        changed_by_rule: &mut Vec<(usize, Arc<Attributes>)>,
    ) -> Option<Arc<Attributes>> {
        let PeerTable { config, asn, .. } = self.peers.get(peer)?;
        let session = Some(&config.session);
        let (index, rule) = policy::accepting_rule(&config.import, prefix, attributes, session)?;
        if rule.set.is_empty() {
            return Some(Arc::clone(attributes));
        }
        if let Some((_, known)) = changed_by_rule.iter().find(|(other, _)| *other == index) {
            return Some(Arc::clone(known));
        }
        let mut changed = Attributes::clone(attributes);
        policy::apply(rule, &mut changed, *asn);
        let changed = Arc::new(changed);
        changed_by_rule.push((index, Arc::clone(&changed)));
        Some(changed)
    }

    fn count_accepted(&mut self, peer: usize, change: i64) {
        if let Some(table) = self.peers.get_mut(peer) {
            table.accepted = table.accepted.saturating_add_signed(change);
        }
    }

    /// Whether the path is new rather than a replacement (an implicit withdraw).
    fn put_path(&mut self, prefix: IpNet, source: Source, attributes: Arc<Attributes>) -> bool {
        let entry = self.entries.entry(prefix).or_default();
        match entry.paths.iter_mut().find(|path| path.source == source) {
            Some(path) if path.attributes == attributes => false,
            Some(path) => {
                path.attributes = attributes;
                self.dirty.push(prefix);
                false
            }
            None => {
                entry.paths.push(Path { source, attributes });
                self.dirty.push(prefix);
                true
            }
        }
    }

    /// Whether there was a path to remove.
    fn remove_path(&mut self, prefix: IpNet, source: Source) -> bool {
        let Some(entry) = self.entries.get_mut(&prefix) else {
            return false;
        };
        let Some(index) = entry.paths.iter().position(|path| path.source == source) else {
            return false;
        };
        entry.paths.remove(index);
        self.dirty.push(prefix);
        true
    }

    /// Runs the decision process; returns the prefixes whose best path changed.
    fn decide_dirty(&mut self, effects: &mut Vec<Effect>) -> BTreeSet<IpNet> {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        dirty.dedup();
        let mut changed = BTreeSet::new();
        for prefix in dirty {
            let (best, desired) = match self.entries.get(&prefix) {
                Some(entry) => self.decide(&prefix, entry),
                None => (None, None),
            };
            if let Some(change) = self.fib.sync(prefix, desired) {
                effects.push(Effect::Fib(change));
            }
            let Some(entry) = self.entries.get_mut(&prefix) else {
                continue;
            };
            if entry.best != best {
                entry.best = best;
                changed.insert(prefix);
            }
            if entry.paths.is_empty() {
                self.entries.remove(&prefix);
            }
        }
        changed
    }

    /// The best path and what the kernel ought to hold; an empty list is a
    /// blackhole.
    fn decide(&self, prefix: &IpNet, entry: &Entry) -> (Option<Path>, Option<Vec<NextHop>>) {
        let used = self.choose(entry);
        let Some(best) = used.first().and_then(|&index| entry.paths.get(index)) else {
            return (None, None);
        };
        let desired = if best.source == Source::Local {
            let blackhole = |one: &Origination| one.blackhole && one.prefix.trunc() == *prefix;
            self.originations.iter().any(blackhole).then(Vec::new)
        } else if self.is_blackhole(best) {
            Some(Vec::new())
        } else if self.resolver.is_connected(prefix) {
            // What is connected needs no gateway, whatever the peers say.
            None
        } else {
            let hop = |&index: &usize| {
                let path = entry.paths.get(index)?;
                Some(NextHop {
                    gateway: path.attributes.next_hop,
                    interface: self.interface(path)?.clone(),
                })
            };
            Some(used.iter().filter_map(hop).collect())
        };
        (Some(best.clone()), desired)
    }

    /// Indices of the paths to use, best first.
    fn choose(&self, entry: &Entry) -> Vec<usize> {
        let mut indices = Vec::with_capacity(entry.paths.len());
        let mut candidates = Vec::with_capacity(entry.paths.len());
        for (index, path) in entry.paths.iter().enumerate() {
            if !self.is_usable(path) {
                continue;
            }
            let peer = path.source.peer().and_then(|peer| self.peers.get(peer));
            let session = peer.and_then(|table| table.session.as_ref());
            indices.push(index);
            candidates.push(Candidate {
                attributes: &path.attributes,
                kind: self.kind(path),
                attachment: self.attachment(path),
                elsewhere: self.is_elsewhere(peer),
                router_id: session.map_or(self.router_id, |session| session.router_id),
                address: peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |table| {
                    table.config.remote
                }),
            });
        }
        choose(self.choice, &candidates, self.multipath)
            .into_iter()
            .filter_map(|chosen| indices.get(chosen).copied())
            .collect()
    }

    /// Whether packets can take it, were it chosen.
    fn is_usable(&self, path: &Path) -> bool {
        self.is_propagated(path)
            && (path.source == Source::Local
                || self.is_blackhole(path)
                || self.interface(path).is_some())
    }

    /// Whether it is in this table at all.
    fn is_propagated(&self, path: &Path) -> bool {
        let peer = path.source.peer().and_then(|peer| self.peers.get(peer));
        peer.is_none_or(|peer| peer.propagated)
    }

    fn static_path(&self, path: &Path) -> Option<&StaticPath> {
        match path.source {
            Source::Static(index) => self.statics.get(index as usize),
            Source::Local | Source::Peer(_) => None,
        }
    }

    fn is_blackhole(&self, path: &Path) -> bool {
        self.static_path(path)
            .is_some_and(|route| route.to == StaticHop::Blackhole)
    }

    fn attachment(&self, path: &Path) -> Option<Attachment> {
        match path.source.peer() {
            Some(peer) => self.peers.get(peer)?.config.attachment,
            None => self.static_path(path)?.propagated,
        }
    }

    /// Whether a peer's location is another Region's than the traffic that is routed here.
    fn is_elsewhere(&self, peer: Option<&PeerTable>) -> bool {
        let of = peer.and_then(|peer| peer.config.region.as_ref());
        let own = self.region.as_ref();
        own.zip(of).is_some_and(|(own, of)| own != of)
    }

    /// The interface that reaches the path's next hop.
    fn interface(&self, path: &Path) -> Option<&IfName> {
        let next_hop = path.attributes.next_hop;
        if !is_link_local(next_hop) {
            return self.resolver.resolved(next_hop);
        }
        // A link-local address means nothing without the session's link.
        let table = self.peers.get(path.source.peer()?)?;
        let interface = table.config.interface.as_ref()?;
        self.resolver.is_up(interface).then_some(interface)
    }

    /// Originates and stops originating as conditions come and go.
    fn check_conditions(&mut self, changed: &BTreeSet<IpNet>) {
        let all = std::mem::take(&mut self.recheck);
        if !self.started {
            return;
        }
        for index in 0..self.originations.len() {
            let Some(origination) = self.originations.get(index) else {
                continue;
            };
            let prefix = origination.prefix.trunc();
            let active = match origination.while_known.map(|net| net.trunc()) {
                None if !all => continue,
                None => true,
                Some(net) if !all && !changed.iter().any(|one| strictly_inside(one, &net)) => {
                    continue;
                }
                Some(net) => self.knows_inside(&net, &prefix),
            };
            if active {
                let attributes = Arc::new(Attributes::local(unspecified(&prefix)));
                self.put_path(prefix, Source::Local, attributes);
            } else {
                self.remove_path(prefix, Source::Local);
            }
        }
    }

    /// Whether a route strictly inside `net`, other than the summary itself, is
    /// in use: learned, originated or connected.
    fn knows_inside(&self, net: &IpNet, summary: &IpNet) -> bool {
        let learned = self
            .entries
            .range(*net..)
            .take_while(|(prefix, _)| net.contains(&prefix.network()))
            .any(|(prefix, entry)| {
                prefix != summary && strictly_inside(prefix, net) && entry.best.is_some()
            });
        learned || self.resolver.connected_inside(net)
    }
}

fn strictly_inside(prefix: &IpNet, net: &IpNet) -> bool {
    prefix.prefix_len() > net.prefix_len() && net.contains(prefix)
}

const fn unspecified(prefix: &IpNet) -> IpAddr {
    match prefix {
        IpNet::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpNet::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}
