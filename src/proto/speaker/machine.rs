//! The speaker's surface.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Instant;

use super::{Action, ConnId, Interface, Origin, PeerId, PeerStatus, SessionState, SpeakerStatus};
use crate::units::SpeakerConfig;

/// A BGP speaker. Feed it with `handle_*`, then drain `poll_action` and sleep
/// until `poll_timeout`.
#[derive(Debug)]
pub struct Speaker {
    config: SpeakerConfig,
    actions: VecDeque<Action>,
}

impl Speaker {
    /// A speaker at rest; `seed` decides its jitter.
    pub fn new(config: SpeakerConfig, _seed: u64, _now: Instant) -> Self {
        Self {
            config,
            actions: VecDeque::new(),
        }
    }

    /// Starts every session (RFC 4271 §8.1.2, ManualStart) and originates.
    pub fn start(&mut self, _now: Instant) {}

    /// The full set of interfaces, at start and at every change.
    pub fn handle_interfaces(&mut self, _interfaces: Vec<Interface>, _now: Instant) {}

    /// Whose connection an incoming one from `remote` would be.
    pub fn peer_for(&self, remote: IpAddr) -> Option<PeerId> {
        self.config
            .peers
            .iter()
            .position(|peer| peer.remote == remote)
            .and_then(|index| u32::try_from(index).ok())
            .map(PeerId)
    }

    /// A connection is open.
    pub fn handle_connected(&mut self, conn: ConnId, _peer: PeerId, _: Origin, _now: Instant) {
        self.actions.push_back(Action::Close { conn });
    }

    /// A connection that was asked for could not be opened.
    pub fn handle_connect_failed(&mut self, _conn: ConnId, _now: Instant) {}

    /// The connection is gone: EOF or reset.
    pub fn handle_closed(&mut self, _conn: ConnId, _now: Instant) {}

    /// Bytes of a connection, in order.
    pub fn handle_data(&mut self, _conn: ConnId, _bytes: &[u8], _now: Instant) {}

    /// The instant `poll_timeout` named has come.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// BFD changed its mind. Only Up to Down of an established session ends it
    /// (RFC 5882 §10.2, RFC 9384).
    pub fn handle_bfd(&mut self, _peer: PeerId, _up: bool, _now: Instant) {}

    /// Administrative shutdown (RFC 4486 Cease 2, RFC 9003) until `start_peer`.
    pub fn stop_peer(&mut self, _peer: PeerId, _message: Option<&str>, _now: Instant) {}

    /// Starts one session.
    pub fn start_peer(&mut self, _peer: PeerId, _now: Instant) {}

    /// The next thing to do, in order.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call `handle_timeout`, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        None
    }

    /// What is going on.
    pub fn status(&self, _now: Instant) -> SpeakerStatus {
        let peer = |peer: &crate::units::PeerConfig| PeerStatus {
            session: peer.session.clone(),
            state: SessionState::Idle,
            local: peer.local,
            remote: peer.remote,
            remote_asn: peer.remote_asn,
            router_id: None,
            hold: None,
            keepalive: None,
            families: Vec::new(),
            uptime_ms: None,
            received: 0,
            accepted: 0,
            advertised: 0,
            last_error: None,
            flaps: 0,
            bfd_up: None,
            messages_in: Default::default(),
            messages_out: Default::default(),
        };
        SpeakerStatus {
            node: self.config.node.clone(),
            asn: self.config.asn,
            router_id: self.config.router_id,
            peers: self.config.peers.iter().map(peer).collect(),
            rib: Vec::new(),
            fib: Vec::new(),
        }
    }
}
