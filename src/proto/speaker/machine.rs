//! The speaker's surface.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{
    Action, ConnId, FibChange, FibStatus, Interface, MessageCounters, Origin, PeerId, PeerStatus,
    RouteSource, RouteStatus, SpeakerEvent, SpeakerStatus,
};
use crate::proto::bgp::decision::{Kind, LOCAL_PREF_DEFAULT};
use crate::proto::bgp::fsm::{Graceful, Negotiated, Output, Peer, Settings};
use crate::proto::bgp::rib::{Effect, Fault, Rib, Row};
use crate::proto::bgp::wire::{Cease, Decoded, MessageType, Notification, Refresh, Remedy};
use crate::units::{Family, PeerConfig, RouteTableName, Span, SpeakerConfig};

/// A BGP speaker. Feed it with `handle_*` and the commands, then drain
/// `poll_action` before sleeping until `poll_timeout`. Instants never go back.
#[derive(Debug)]
pub struct Speaker {
    config: SpeakerConfig,
    sessions: Vec<Session>,
    /// One, or one for each route table.
    ribs: Vec<Rib>,
    /// Whose an open connection is.
    conns: BTreeMap<ConnId, usize>,
    actions: VecDeque<Action>,
}

/// A session's machine and what is told of it.
#[derive(Debug)]
struct Session {
    machine: Peer,
    established_at: Option<Instant>,
    /// When the peer's stale routes go at the latest.
    stale_until: Option<Instant>,
    /// Families that the peer has said to have told, since the session is up.
    end_of_rib: BTreeSet<Family>,
    /// Families that the peer is telling again (RFC 7313).
    refreshing: BTreeSet<Family>,
    last_error: Option<String>,
    flaps: u64,
    messages_in: MessageCounters,
    messages_out: MessageCounters,
}

impl Session {
    /// Whether the peer says when it has told a family, and has not yet.
    fn awaits_end_of_rib(&self, family: Family) -> bool {
        let agreed = self.machine.negotiated();
        agreed.is_some_and(|agreed| agreed.says_end_of_rib) && !self.end_of_rib.contains(&family)
    }
}

impl Speaker {
    /// A speaker at rest; `seed` decides its jitter.
    pub fn new(config: SpeakerConfig, seed: u64, _now: Instant) -> Self {
        let session = |(index, peer): (usize, &PeerConfig)| {
            let settings = Settings {
                asn: peer.asn(config.asn),
                router_id: config.router_id,
                remote_asn: peer.remote_asn,
                families: peer.families.clone(),
                hold: peer.hold.as_duration(),
                keepalive: peer.keepalive.as_duration(),
                connect_retry: peer.connect_retry.as_duration(),
                passive: peer.passive,
                restart_time: peer.graceful_restart.map(Span::as_duration),
            };
            let index = index as u64;
            // Any odd constant keeps the peers' jitter apart.
            let seed = seed.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            Session {
                machine: Peer::new(settings, seed, index << 32),
                established_at: None,
                stale_until: None,
                end_of_rib: BTreeSet::new(),
                refreshing: BTreeSet::new(),
                last_error: None,
                flaps: 0,
                messages_in: MessageCounters::default(),
                messages_out: MessageCounters::default(),
            }
        };
        Self {
            sessions: config.peers.iter().enumerate().map(session).collect(),
            ribs: if config.tables.is_empty() {
                vec![Rib::new(&config)]
            } else {
                let tables = config.tables.iter();
                tables.map(|table| Rib::of(&config, Some(table))).collect()
            },
            conns: BTreeMap::new(),
            actions: VecDeque::new(),
            config,
        }
    }

    /// Starts every session (RFC 4271 §8.1.2, ManualStart) and originates.
    pub fn start(&mut self, now: Instant) {
        self.ribs.iter_mut().for_each(Rib::start);
        for session in &mut self.sessions {
            session.machine.start(now);
        }
        self.pump_all(now);
    }

    /// The full set of interfaces, before `start` and at every change. Loss of
    /// carrier ends external sessions configured on that interface at once,
    /// makes next hops behind it unreachable, and counts the kernel's routes
    /// over it as gone: the kernel drops them without a word.
    pub fn handle_interfaces(&mut self, interfaces: Vec<Interface>, now: Instant) {
        for rib in &mut self.ribs {
            rib.set_interfaces(interfaces.clone());
        }
        let is_up = |name| self.ribs.first().is_some_and(|rib| rib.is_up(name));
        for (session, peer) in self.sessions.iter_mut().zip(&self.config.peers) {
            if let Some(name) = &peer.interface {
                session.machine.handle_link(is_up(name), now);
            }
        }
        self.pump_all(now);
    }

    /// Whose connection an incoming one from `remote` would be.
    pub fn peer_for(&self, remote: IpAddr) -> Option<PeerId> {
        let index = self
            .config
            .peers
            .iter()
            .position(|peer| peer.remote == remote)?;
        u32::try_from(index).ok().map(PeerId)
    }

    /// A connection is open: one that was asked for, or one that came in.
    pub fn handle_connected(&mut self, conn: ConnId, peer: PeerId, origin: Origin, now: Instant) {
        let index = peer.0 as usize;
        let Some(session) = self.sessions.get_mut(index) else {
            self.actions.push_back(Action::Close { conn });
            return;
        };
        self.conns.insert(conn, index);
        session.machine.handle_connected(conn, origin, now);
        self.pump(index, now);
    }

    /// A connection that was asked for could not be opened.
    pub fn handle_connect_failed(&mut self, conn: ConnId, now: Instant) {
        self.with_conn(conn, now, |machine| {
            machine.handle_connect_failed(conn, now)
        });
        self.conns.remove(&conn);
    }

    /// The connection is gone: end of stream or reset.
    pub fn handle_closed(&mut self, conn: ConnId, now: Instant) {
        self.with_conn(conn, now, |machine| machine.handle_closed(conn, now));
        self.conns.remove(&conn);
    }

    /// Bytes of a connection, in order.
    pub fn handle_data(&mut self, conn: ConnId, bytes: &[u8], now: Instant) {
        self.with_conn(conn, now, |machine| machine.handle_data(conn, bytes, now));
    }

    /// The instant `poll_timeout` named has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        for session in &mut self.sessions {
            session.machine.handle_timeout(now);
        }
        for index in 0..self.sessions.len() {
            self.expire_stale(index, now);
        }
        self.pump_all(now);
    }

    /// BFD changed its mind. Only Up to Down of an established session ends it
    /// (RFC 5882 §10.2, RFC 9384).
    pub fn handle_bfd(&mut self, peer: PeerId, up: bool, now: Instant) {
        self.with_peer(peer, now, |machine| machine.handle_bfd(up, now));
    }

    /// Administrative shutdown (RFC 4486 Cease 2, RFC 9003) until `start_peer`.
    pub fn stop_peer(&mut self, peer: PeerId, message: Option<&str>, now: Instant) {
        let shutdown = Notification::shutdown(message);
        // Who is not wanted is not waited for.
        self.drop_stale(peer.0 as usize, |_| true);
        self.with_peer(peer, now, |machine| machine.stop(&shutdown));
    }

    /// Starts one session, also after too many prefixes have stopped it.
    pub fn start_peer(&mut self, peer: PeerId, now: Instant) {
        self.with_peer(peer, now, |machine| machine.start(now));
    }

    /// Tells the peer all its routes with this MED, or again with what policy says.
    pub fn set_med(&mut self, peer: PeerId, med: Option<u32>) {
        for rib in &mut self.ribs {
            rib.set_med(peer.0 as usize, med);
        }
        self.flush();
    }

    /// Asks the peer for its table again (RFC 2918); nothing happens when the
    /// peer cannot.
    pub fn refresh_peer(&mut self, peer: PeerId, family: Family, now: Instant) {
        self.with_peer(peer, now, |machine| {
            machine.request_refresh(family);
        });
    }

    /// The next thing to do, in order.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call `handle_timeout`, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let machines = self.sessions.iter().map(|session| &session.machine);
        let stale = self
            .sessions
            .iter()
            .filter_map(|session| session.stale_until);
        let timeouts = machines
            .filter_map(Peer::poll_timeout)
            .chain(stale.map(|at| (at, "stale routes")));
        timeouts.min_by_key(|(at, _)| *at)
    }

    /// What is going on.
    pub fn status(&self, now: Instant) -> SpeakerStatus {
        SpeakerStatus {
            node: self.config.node.clone(),
            asn: self.config.asn,
            router_id: self.config.router_id,
            peers: (0..self.sessions.len())
                .filter_map(|index| self.peer_status(index, now))
                .collect(),
            rib: self
                .tables()
                .flat_map(|(name, rib)| rib.rows().into_iter().map(move |row| (name, row)))
                .map(|(name, row)| self.route_status(name, row))
                .collect(),
            fib: self
                .tables()
                .flat_map(|(name, rib)| rib.fib().map(move |route| (name, route)))
                .map(|(name, (prefix, next_hops))| FibStatus {
                    table: name.cloned(),
                    prefix: *prefix,
                    next_hops: next_hops.to_vec(),
                })
                .collect(),
        }
    }

    /// Each table with its name, where there are several.
    fn tables(&self) -> impl Iterator<Item = (Option<&RouteTableName>, &Rib)> {
        let names = self.config.tables.iter().map(|table| Some(&table.name));
        names.chain(std::iter::repeat(None)).zip(&self.ribs)
    }

    fn peer_status(&self, index: usize, now: Instant) -> Option<PeerStatus> {
        let session = self.sessions.get(index)?;
        let config = self.config.peers.get(index)?;
        let negotiated = session.machine.negotiated();
        // All hear the same, and one tells the peer.
        let counts = self.ribs.iter().map(|rib| rib.counts(index));
        let (received, accepted, advertised) = counts
            .reduce(|a, b| (a.0, a.1, a.2 + b.2))
            .unwrap_or_default();
        Some(PeerStatus {
            session: config.session.clone(),
            state: session.machine.state(),
            local: config.local,
            remote: config.remote,
            remote_asn: config.remote_asn,
            router_id: negotiated.map(|agreed| agreed.router_id),
            hold: negotiated.map(|agreed| span(agreed.hold)),
            keepalive: negotiated.map(|agreed| span(agreed.keepalive)),
            families: negotiated.map_or_else(Vec::new, |agreed| agreed.kind.families.clone()),
            uptime_ms: session
                .established_at
                .map(|at| now.saturating_duration_since(at).as_millis() as u64),
            received,
            accepted,
            advertised,
            last_error: session.last_error.clone(),
            flaps: session.flaps,
            bfd_up: session.machine.bfd_up(),
            messages_in: session.messages_in,
            messages_out: session.messages_out,
        })
    }

    fn route_status(&self, table: Option<&RouteTableName>, row: Row) -> RouteStatus {
        let peer = row.peer.and_then(|index| self.config.peers.get(index));
        let attributes = &row.attributes;
        RouteStatus {
            table: table.cloned(),
            prefix: row.prefix,
            best: row.best,
            multipath: row.used,
            reachable: row.reachable,
            next_hop: row.peer.map(|_| attributes.next_hop),
            as_path: attributes.as_path.to_string(),
            local_pref: attributes.local_pref.unwrap_or(LOCAL_PREF_DEFAULT),
            med: attributes.med,
            communities: attributes.communities.clone(),
            from: peer.map(|peer| peer.session.clone()),
            source: match row.kind {
                Kind::Local | Kind::Static | Kind::Floating => RouteSource::Local,
                Kind::External => RouteSource::Ebgp,
                Kind::Internal => RouteSource::Ibgp,
            },
        }
    }

    fn with_conn(&mut self, conn: ConnId, now: Instant, act: impl FnOnce(&mut Peer)) {
        if let Some(&index) = self.conns.get(&conn)
            && let Some(session) = self.sessions.get_mut(index)
        {
            act(&mut session.machine);
            self.pump(index, now);
        }
    }

    fn with_peer(&mut self, peer: PeerId, now: Instant, act: impl FnOnce(&mut Peer)) {
        let index = peer.0 as usize;
        if let Some(session) = self.sessions.get_mut(index) {
            act(&mut session.machine);
            self.pump(index, now);
        }
    }

    fn pump_all(&mut self, now: Instant) {
        for index in 0..self.sessions.len() {
            self.drain(index, now);
        }
        self.flush();
    }

    fn pump(&mut self, index: usize, now: Instant) {
        self.drain(index, now);
        self.flush();
    }

    /// Takes what the session's machine has come to.
    fn drain(&mut self, index: usize, now: Instant) {
        while let Some(outputs) = self
            .sessions
            .get_mut(index)
            .map(|session| session.machine.take_outputs())
            .filter(|outputs| !outputs.is_empty())
        {
            for output in outputs {
                self.handle_output(index, output, now);
            }
        }
    }

    fn handle_output(&mut self, index: usize, output: Output, now: Instant) {
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        match output {
            Output::Connect(conn) => {
                self.conns.insert(conn, index);
                let peer = PeerId(index as u32);
                self.actions.push_back(Action::Connect { conn, peer });
            }
            Output::Send(conn, kind, bytes) => {
                count(&mut session.messages_out, kind, 1);
                self.actions.push_back(Action::Send { conn, bytes });
            }
            Output::Close(conn) => {
                self.conns.remove(&conn);
                self.actions.push_back(Action::Close { conn });
            }
            Output::Received(kind) => count(&mut session.messages_in, kind, 1),
            Output::Up(negotiated) => self.session_up(index, negotiated, now),
            Output::Down { reason, retain } => {
                session.established_at = None;
                session.flaps += 1;
                session.last_error = Some(reason.clone());
                session.stale_until = None;
                self.event(index, |session| SpeakerEvent::SessionDown {
                    session,
                    reason,
                });
                match retain {
                    Some(graceful) => self.retain(index, &graceful, now),
                    None => {
                        for rib in &mut self.ribs {
                            rib.peer_down(index);
                        }
                    }
                }
            }
            Output::Failed(reason) => {
                // The same failure over and over is told once.
                if session.last_error.as_ref() != Some(&reason) {
                    session.last_error = Some(reason.clone());
                    self.warn(index, reason);
                }
            }
            Output::Update(update) => self.handle_update(index, update),
            Output::Refresh(refresh, family) => self.handle_refresh(index, refresh, family),
        }
    }

    /// Keeps the routes of a peer that may be restarting (RFC 4724 §4.2).
    fn retain(&mut self, index: usize, graceful: &Graceful, now: Instant) {
        let ribs = self.ribs.iter_mut();
        let kept = ribs
            .map(|rib| rib.peer_lost(index, &graceful.families))
            .max();
        let kept = kept.unwrap_or_default();
        if kept == 0 {
            return;
        }
        let until = now + graceful.time;
        if let Some(session) = self.sessions.get_mut(index) {
            session.stale_until = Some(until);
        }
        let seconds = graceful.time.as_secs();
        let s = if kept == 1 { "" } else { "s" };
        self.warn(
            index,
            format!(
                "graceful restart keeps {kept} route{s} of the session that ended, for {seconds} s at most (RFC 4724 §4.2)"
            ),
        );
    }

    fn handle_refresh(&mut self, index: usize, refresh: Refresh, family: Family) {
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        match refresh {
            Refresh::Request => {
                for rib in &mut self.ribs {
                    rib.refresh(index, family);
                }
            }
            // RFC 7313 §4: not before the End-of-RIB of a peer that sends one, whose stale
            // routes are of another kind.
            Refresh::Begin if session.awaits_end_of_rib(family) => {
                let text = "a refresh begins before End-of-RIB; ignored (RFC 7313 §4)";
                self.warn(index, text.to_owned());
            }
            Refresh::Begin => {
                session.refreshing.insert(family);
                for rib in &mut self.ribs {
                    rib.mark_stale(index, family);
                }
            }
            Refresh::End => {
                if session.refreshing.remove(&family) {
                    self.drop_stale(index, |one| one == family);
                }
            }
        }
    }

    /// Forgets what has been stale for as long as the peer asked for, come again or not.
    fn expire_stale(&mut self, index: usize, now: Instant) {
        let due = |session: &Session| session.stale_until.is_some_and(|at| at <= now);
        if !self.sessions.get(index).is_some_and(due) {
            return;
        }
        if let Some(session) = self.sessions.get_mut(index) {
            session.stale_until = None;
        }
        self.drop_stale(index, |_| true);
    }

    /// Takes away a peer's stale routes of such families.
    fn drop_stale(&mut self, index: usize, of: impl Fn(Family) -> bool) {
        for rib in &mut self.ribs {
            rib.drop_stale(index, &of);
        }
    }

    fn session_up(&mut self, index: usize, negotiated: Negotiated, now: Instant) {
        if let Some(session) = self.sessions.get_mut(index) {
            session.established_at = Some(now);
            session.last_error = None;
            session.end_of_rib.clear();
            session.refreshing.clear();
        }
        if let Some(remote_asn) = self.config.peers.get(index).map(|peer| peer.remote_asn) {
            let agreed = &negotiated;
            self.event(index, |session| SpeakerEvent::SessionUp {
                session,
                remote_asn,
                router_id: agreed.router_id,
                hold: span(agreed.hold),
                keepalive: span(agreed.keepalive),
                families: agreed.kind.families.clone(),
            });
        }
        for rib in &mut self.ribs {
            rib.peer_up(index, negotiated.clone());
        }
    }

    fn handle_update(&mut self, index: usize, update: Decoded) {
        let established = |session: &Session| session.machine.negotiated().is_some();
        if !self.sessions.get(index).is_some_and(established) {
            // The session ended later in the same bytes.
            return;
        }
        for fault in &update.faults {
            let remedy = match fault.remedy {
                Remedy::Discard => "attribute discarded",
                Remedy::Withdraw => "treated as withdrawn",
            };
            let text = format!("attribute {}: {}; {remedy}", fault.attribute, fault.what);
            self.warn(index, text);
        }
        if let Some(family) = update.end_of_rib {
            self.event(index, |session| SpeakerEvent::EndOfRib { session, family });
            let refreshing = self.sessions.get_mut(index).is_some_and(|session| {
                session.end_of_rib.insert(family);
                session.refreshing.contains(&family)
            });
            if !refreshing {
                self.drop_stale(index, |one| one == family);
            }
        }
        let Some((first, others)) = self.ribs.split_first_mut() else {
            return;
        };
        for rib in others {
            // What is wrong with it the first table says.
            let _ = rib.receive(index, update.clone());
        }
        match first.receive(index, update) {
            Ok(()) => {}
            Err(Fault::FirstAs) => self.warn(index, Fault::FirstAs.to_string()),
            Err(Fault::MaxPrefix(limit)) => {
                self.event(index, |session| SpeakerEvent::MaxPrefixExceeded {
                    session,
                    limit,
                });
                if let Some(session) = self.sessions.get_mut(index) {
                    session
                        .machine
                        .stop(&Notification::cease(Cease::MaxPrefixes));
                }
            }
        }
    }

    /// Forwarding first, then UPDATEs: the order the tables give.
    fn flush(&mut self) {
        let flushed = self.ribs.iter_mut().map(Rib::flush).enumerate();
        let effects: Vec<(usize, Effect)> = flushed
            .flat_map(|(table, effects)| effects.into_iter().map(move |effect| (table, effect)))
            .collect();
        for (table, effect) in effects {
            match effect {
                Effect::Fib(change) => {
                    let event = SpeakerEvent::RouteChanged {
                        prefix: change.prefix(),
                        via: gateways(&change),
                    };
                    self.actions.push_back(Action::Fib { table, change });
                    self.actions.push_back(Action::Event(event));
                }
                Effect::Updates {
                    peer,
                    bytes,
                    messages,
                } => self.tell(peer, MessageType::Update, bytes, messages),
                Effect::Refresh {
                    peer,
                    bytes,
                    messages,
                } => self.tell(peer, MessageType::RouteRefresh, bytes, messages),
                Effect::TooLarge { peer, prefix } => {
                    let text = format!("the attributes of {prefix} fit into no message");
                    self.warn(peer, text);
                }
            }
        }
    }

    fn tell(&mut self, peer: usize, kind: MessageType, bytes: Vec<u8>, messages: u64) {
        if let Some(session) = self.sessions.get_mut(peer)
            && let Some(conn) = session.machine.established_conn()
        {
            count(&mut session.messages_out, kind, messages);
            self.actions.push_back(Action::Send { conn, bytes });
        }
    }

    fn warn(&mut self, index: usize, text: String) {
        self.event(index, |session| SpeakerEvent::Warning { session, text });
    }

    fn event(
        &mut self,
        index: usize,
        make: impl FnOnce(crate::units::SessionName) -> SpeakerEvent,
    ) {
        if let Some(peer) = self.config.peers.get(index) {
            self.actions
                .push_back(Action::Event(make(peer.session.clone())));
        }
    }
}

fn gateways(change: &FibChange) -> Vec<IpAddr> {
    match change {
        FibChange::Install { next_hops, .. } => next_hops.iter().map(|hop| hop.gateway).collect(),
        FibChange::Blackhole { .. } | FibChange::Remove { .. } => Vec::new(),
    }
}

fn span(duration: Duration) -> Span {
    Span::from_nanos(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

const fn count(counters: &mut MessageCounters, kind: MessageType, messages: u64) {
    match kind {
        MessageType::Open => counters.open += messages,
        MessageType::Update => counters.update += messages,
        MessageType::Notification => counters.notification += messages,
        MessageType::Keepalive => counters.keepalive += messages,
        MessageType::RouteRefresh => counters.route_refresh += messages,
    }
}
