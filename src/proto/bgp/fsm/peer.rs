//! The state machine of one session.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::connection::{
    ConnId, Connection, Graceful, Negotiated, OPEN_HOLD, Origin, Phase, negotiate,
};
use super::state::State;
use crate::proto::bgp::wire::{
    Cease, Decoded, Frame, MESSAGE_BYTES_MAX, MessageType, Notification, Open, Refresh, Restart,
    decode_refresh, decode_update, encode_keepalive, encode_refresh,
};
use crate::units::{Asn, Family};

/// The least time between two attempts: a refused connect must not spin.
const ATTEMPT_GAP_MIN: Duration = Duration::from_millis(100);

/// What a peer can rightly send to one that holds its OPEN back: its own OPEN, and a
/// NOTIFICATION (RFC 4271 §4.1 bounds each).
const HELD_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;

/// What the machine has to know of the session.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our AS.
    pub asn: Asn,
    /// Our BGP Identifier.
    pub router_id: Ipv4Addr,
    /// The peer's AS.
    pub remote_asn: Asn,
    /// Families to offer.
    pub families: Vec<Family>,
    /// Hold time to offer.
    pub hold: Duration,
    /// Keepalive interval before negotiation.
    pub keepalive: Duration,
    /// ConnectRetryTime.
    pub connect_retry: Duration,
    /// Never connect, only accept.
    pub passive: bool,
    /// Graceful restart with this restart time, if at all.
    pub restart_time: Option<Duration>,
}

impl Settings {
    /// Whether the peer is in another AS.
    pub fn external(&self) -> bool {
        self.asn != self.remote_asn
    }

    pub(super) fn hold_s(&self) -> u16 {
        u16::try_from(self.hold.as_secs()).unwrap_or(u16::MAX)
    }
}

/// What comes of an input, in order.
#[derive(Debug)]
pub enum Output {
    /// Open a TCP connection.
    Connect(ConnId),
    /// Write one message.
    Send(ConnId, MessageType, Vec<u8>),
    /// Close after what was sent.
    Close(ConnId),
    /// Established.
    Up(Negotiated),
    /// No longer Established, and why.
    Down {
        /// Why.
        reason: String,
        /// The peer's routes stay for now (RFC 4724 §4.2).
        retain: Option<Graceful>,
    },
    /// An attempt failed, and why.
    Failed(String),
    /// A message of this type arrived.
    Received(MessageType),
    /// An UPDATE of the established session.
    Update(Decoded),
    /// What the peer says of the refresh of a family's table, ours or its own.
    Refresh(Refresh, Family),
}

/// One session.
#[derive(Debug)]
pub struct Peer {
    settings: Settings,
    rng: ChaCha8Rng,
    /// Between start and stop.
    started: bool,
    /// Whether the interface that reaches the peer is up.
    link_up: bool,
    /// What BFD last said.
    bfd_up: Option<bool>,
    /// ConnectRetryTimer.
    retry_at: Option<Instant>,
    last_attempt: Option<Instant>,
    connections: Vec<Connection>,
    next_conn: u64,
    /// What was forwarded before is forwarded still.
    preserved: bool,
    outputs: Vec<Output>,
}

impl Peer {
    /// A session at rest. `conn_base` is the first of 2³² connection numbers
    /// that are its own.
    pub fn new(settings: Settings, seed: u64, conn_base: u64) -> Self {
        Self {
            settings,
            rng: ChaCha8Rng::seed_from_u64(seed),
            started: false,
            link_up: true,
            bfd_up: None,
            retry_at: None,
            last_attempt: None,
            connections: Vec::new(),
            next_conn: conn_base,
            preserved: false,
            outputs: Vec::new(),
        }
    }

    /// What the machine was made with.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The state to show.
    pub fn state(&self) -> State {
        match self.connections.iter().map(|conn| conn.phase).max() {
            Some(Phase::Established) => State::Established,
            Some(Phase::OpenConfirm) => State::OpenConfirm,
            Some(Phase::OpenSent) => State::OpenSent,
            Some(Phase::Connecting | Phase::OpenDelayed) => State::Connect,
            None if self.started && self.link_up => State::Active,
            None => State::Idle,
        }
    }

    /// What was negotiated, while Established.
    pub fn negotiated(&self) -> Option<&Negotiated> {
        self.established().and_then(|conn| conn.negotiated.as_ref())
    }

    /// The connection that routes flow over.
    pub fn established_conn(&self) -> Option<ConnId> {
        self.established().map(|conn| conn.id)
    }

    /// What BFD last said, if it said anything.
    pub const fn bfd_up(&self) -> Option<bool> {
        self.bfd_up
    }

    /// Whether this connection belongs here.
    pub fn owns(&self, conn: ConnId) -> bool {
        self.connections.iter().any(|other| other.id == conn)
    }

    /// What has come of the inputs so far.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// The earliest timer and its name.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let retry = self.retry_at.map(|at| (at, "connect retry"));
        let timers = self.connections.iter().flat_map(|conn| {
            let hold = conn.hold_at.map(|at| (at, "hold"));
            let keepalive = conn.keepalive_at.map(|at| (at, "keepalive"));
            hold.into_iter().chain(keepalive)
        });
        retry.into_iter().chain(timers).min_by_key(|(at, _)| *at)
    }

    /// ManualStart.
    pub fn start(&mut self, now: Instant) {
        if self.started {
            return;
        }
        self.started = true;
        self.connect_soon(now);
    }

    /// ManualStop: every connection gets the NOTIFICATION, and no other is made.
    pub fn stop(&mut self, notification: &Notification) {
        self.started = false;
        self.retry_at = None;
        for conn in self
            .connections
            .iter()
            .map(|conn| conn.id)
            .collect::<Vec<_>>()
        {
            self.end(conn, Some(notification), &notification.to_string());
        }
    }

    /// The interface that reaches the peer went up or down. Down ends an
    /// external session at once; an internal one may find another way.
    pub fn handle_link(&mut self, up: bool, now: Instant) {
        if self.link_up == up || !self.settings.external() {
            return;
        }
        self.link_up = up;
        if up {
            if self.started && self.connections.is_empty() {
                self.connect_soon(now);
            }
            return;
        }
        self.retry_at = None;
        for conn in self
            .connections
            .iter()
            .map(|conn| conn.id)
            .collect::<Vec<_>>()
        {
            self.end(conn, None, "interface down");
        }
    }

    /// BFD changed its mind (RFC 5882 §10.2, RFC 9384). BFD shares its fate with the speaker
    /// here, so a peer that may restart gracefully might be doing just that (RFC 5882 §4.3.2):
    /// its routes stay, and it is sent no NOTIFICATION, which would end ours at its end.
    pub fn handle_bfd(&mut self, up: bool, now: Instant) {
        let was_up = self.bfd_up.replace(up) == Some(true);
        if !was_up || up {
            return;
        }
        if let Some(conn) = self.established_conn() {
            match self.graceful() {
                Some(_) => self.lose(conn, "BFD down"),
                None => {
                    let down = Notification::cease(Cease::BfdDown);
                    self.end(conn, Some(&down), "BFD down");
                }
            }
            self.retry(now);
        }
    }

    /// A connection is open: ours, or one that came in.
    pub fn handle_connected(&mut self, id: ConnId, origin: Origin, now: Instant) {
        if origin == Origin::Incoming
            && self.started
            && self.graceful().is_some()
            && let Some(old) = self.established_conn()
        {
            // RFC 4724 §5: the peer has restarted, and its old connection is no more.
            self.lose(old, "the peer has restarted");
        }
        if let Some(refusal) = self.refuse(id, origin) {
            if let Some(notification) = refusal {
                self.send(id, MessageType::Notification, notification.encode());
            }
            self.outputs.push(Output::Close(id));
            return;
        }
        if origin == Origin::Incoming {
            // A peer that connects again has given up its earlier connection.
            let stale = self.connections.iter().find(|conn| conn.origin == origin);
            if let Some(stale) = stale.map(|conn| conn.id) {
                let collision = Notification::cease(Cease::CollisionResolution);
                self.end(stale, Some(&collision), "replaced by a newer connection");
            }
            self.connections.push(Connection::new(id, origin));
        }
        if origin == Origin::Outgoing {
            self.retry_at = None;
        }
        if !self.committed() {
            self.open(id, now);
        } else if let Some(conn) = self.connection(id) {
            conn.phase = Phase::OpenDelayed;
        }
    }

    /// Our attempt to connect failed.
    pub fn handle_connect_failed(&mut self, id: ConnId, now: Instant) {
        if self.owns(id) {
            self.end(id, None, "connection refused or unreachable");
            self.retry(now);
        }
    }

    /// The peer closed, or the connection broke.
    pub fn handle_closed(&mut self, id: ConnId, now: Instant) {
        if self.owns(id) {
            let retain = self.graceful().cloned();
            self.connections_remove(id, "connection closed by the peer", retain);
            self.retry(now);
        }
    }

    /// Bytes arrived.
    pub fn handle_data(&mut self, id: ConnId, bytes: &[u8], now: Instant) {
        let Some(conn) = self.connection(id) else {
            return;
        };
        conn.framer.push(bytes);
        if conn.phase == Phase::OpenDelayed && conn.framer.held() > HELD_BYTES_MAX {
            // RFC 6608 has no subcode for a state in which only we wait.
            let unexpected = Notification::new(5, 0);
            self.end(id, Some(&unexpected), &format!("sent {unexpected}"));
            return;
        }
        self.handle_frames(id, now);
    }

    /// Takes in the messages that have arrived, unless our OPEN is held back.
    fn handle_frames(&mut self, id: ConnId, now: Instant) {
        let opened = |conn: &&mut Connection| conn.phase >= Phase::OpenSent;
        let Some(conn) = self.connection(id).filter(opened) else {
            return;
        };
        let mut framer = std::mem::take(&mut conn.framer);
        loop {
            let result = match framer.next_frame() {
                Ok(None) => break,
                Ok(Some(frame)) => self.handle_frame(id, frame, now),
                Err(notification) => Err(notification),
            };
            if let Err(notification) = result {
                self.end(id, Some(&notification), &format!("sent {notification}"));
                self.retry(now);
            }
            if !self.owns(id) {
                return;
            }
        }
        if let Some(conn) = self.connection(id) {
            conn.framer = framer;
        }
    }

    /// Some timers have expired.
    pub fn handle_timeout(&mut self, now: Instant) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        for id in self
            .connections
            .iter()
            .map(|conn| conn.id)
            .collect::<Vec<_>>()
        {
            let Some(conn) = self.connection(id) else {
                continue;
            };
            if due(conn.hold_at) {
                let expired = Notification::HOLD_TIMER_EXPIRED;
                self.end(id, Some(&expired), "hold timer expired");
                self.retry(now);
            } else if due(conn.keepalive_at) {
                self.keepalive(id, now);
            }
        }
        if due(self.retry_at) {
            self.retry_at = None;
            self.connect_soon(now);
        }
    }

    /// Asks the peer for its table again (RFC 2918); false when it cannot.
    pub fn request_refresh(&mut self, family: Family) -> bool {
        let Some(conn) = self.established() else {
            return false;
        };
        let able = conn
            .negotiated
            .as_ref()
            .is_some_and(|agreed| agreed.route_refresh && agreed.kind.families.contains(&family));
        if able {
            let id = conn.id;
            self.send(
                id,
                MessageType::RouteRefresh,
                encode_refresh(Refresh::Request, family),
            );
        }
        able
    }

    /// Why a new connection is not wanted: `Some(None)` when it needs no word.
    fn refuse(&self, id: ConnId, origin: Origin) -> Option<Option<Notification>> {
        match origin {
            Origin::Outgoing if !self.owns(id) => Some(None),
            Origin::Incoming if !self.started || !self.link_up => {
                Some(Some(Notification::cease(Cease::ConnectionRejected)))
            }
            // §6.8: an established session closes the newcomer.
            Origin::Outgoing | Origin::Incoming if self.established().is_some() => {
                Some(Some(Notification::cease(Cease::CollisionResolution)))
            }
            Origin::Outgoing | Origin::Incoming => None,
        }
    }

    fn handle_frame(
        &mut self,
        id: ConnId,
        frame: Frame<'_>,
        now: Instant,
    ) -> Result<(), Notification> {
        self.outputs.push(Output::Received(frame.kind));
        let Some(conn) = self.connection(id) else {
            return Ok(());
        };
        if frame.kind == MessageType::Notification {
            self.handle_notification(id, frame.body, now);
            return Ok(());
        }
        match (conn.phase, frame.kind) {
            (Phase::OpenSent, MessageType::Open) => self.handle_open(id, frame.body, now),
            (Phase::OpenConfirm, MessageType::Keepalive) => {
                self.establish(id, now);
                Ok(())
            }
            (Phase::Established, MessageType::Keepalive) => {
                conn.heard(now);
                Ok(())
            }
            (Phase::Established, MessageType::Update) => {
                conn.heard(now);
                let Some(negotiated) = &conn.negotiated else {
                    return Ok(());
                };
                let decoded = decode_update(frame.body, &negotiated.kind)?;
                self.outputs.push(Output::Update(decoded));
                Ok(())
            }
            (Phase::Established, MessageType::RouteRefresh) => {
                let agreed = conn.negotiated.as_ref();
                let markers = agreed.is_some_and(|agreed| agreed.refresh_markers);
                if let Some((refresh, family)) = decode_refresh(frame.body, markers)? {
                    self.outputs.push(Output::Refresh(refresh, family));
                }
                Ok(())
            }
            // RFC 6608: Finite State Machine Error, naming the state.
            (Phase::Connecting | Phase::OpenDelayed | Phase::OpenSent, _) => {
                Err(Notification::new(5, 1))
            }
            (Phase::OpenConfirm, _) => Err(Notification::new(5, 2)),
            (Phase::Established, _) => Err(Notification::new(5, 3)),
        }
    }

    fn handle_notification(&mut self, id: ConnId, body: &[u8], now: Instant) {
        let (reason, collision) = match Notification::decode(body) {
            Some(received) => (
                format!("received {received}"),
                received == Notification::cease(Cease::CollisionResolution),
            ),
            None => ("received a malformed NOTIFICATION".to_owned(), false),
        };
        self.end(id, None, &reason);
        if collision {
            self.retry_soon(now);
        } else {
            self.retry(now);
        }
    }

    fn handle_open(&mut self, id: ConnId, body: &[u8], now: Instant) -> Result<(), Notification> {
        let open = Open::decode(body)?;
        let negotiated = negotiate(&self.settings, &open)?;
        if !self.survives_collision(id, &open) {
            let collision = Notification::cease(Cease::CollisionResolution);
            self.end(id, Some(&collision), "lost to another connection");
            return Ok(());
        }
        if let Some(conn) = self.connection(id) {
            conn.negotiated = Some(negotiated);
            conn.phase = Phase::OpenConfirm;
            conn.heard(now);
        }
        self.keepalive(id, now);
        Ok(())
    }

    /// Connection collision detection (RFC 4271 §6.8, RFC 6286 §2.3): whether
    /// the connection on which this OPEN came stays. A loser that stood in its
    /// way is closed.
    ///
    /// A rival in OpenSent counts too, for we know whose it is. Both OPENs then
    /// are judged before any KEEPALIVE: a connection that has ours is never
    /// closed for a collision, so the peer loses no Established session to one.
    fn survives_collision(&mut self, id: ConnId, open: &Open) -> bool {
        let Some(rival) = self
            .connections
            .iter()
            .find(|conn| conn.id != id && conn.phase >= Phase::OpenSent)
        else {
            return true;
        };
        let ours = (self.settings.router_id, self.settings.asn.get());
        let theirs = (open.router_id, open.asn());
        let keep = if ours > theirs {
            Origin::Outgoing
        } else {
            Origin::Incoming
        };
        let rival = rival.id;
        let survives = self
            .connections
            .iter()
            .any(|conn| conn.id == id && conn.origin == keep);
        if survives {
            let collision = Notification::cease(Cease::CollisionResolution);
            self.end(rival, Some(&collision), "lost to another connection");
        }
        survives
    }

    /// Whether our KEEPALIVE has accepted a connection: the peer may consider
    /// it Established from then on.
    fn committed(&self) -> bool {
        let phases = self.connections.iter().map(|conn| conn.phase);
        phases.max() >= Some(Phase::OpenConfirm)
    }

    /// Sends our OPEN.
    fn open(&mut self, id: ConnId, now: Instant) {
        let restart = self.settings.restart_time.map(|time| Restart {
            restarting: false,
            time_s: u16::try_from(time.as_secs()).unwrap_or(u16::MAX),
            families: self
                .settings
                .families
                .iter()
                .map(|&family| (family, self.preserved))
                .collect(),
        });
        let open = Open::ours(
            self.settings.asn,
            self.settings.hold_s(),
            self.settings.router_id,
            &self.settings.families,
            restart,
        );
        self.send(id, MessageType::Open, open.encode());
        if let Some(conn) = self.connection(id) {
            conn.phase = Phase::OpenSent;
            conn.hold_at = Some(now + OPEN_HOLD);
        }
    }

    /// Lets a connection go on that waited for one that is no more.
    fn open_delayed(&mut self, now: Instant) {
        if self.committed() {
            return;
        }
        let delayed = |conn: &&Connection| conn.phase == Phase::OpenDelayed;
        if let Some(id) = self.connections.iter().find(delayed).map(|conn| conn.id) {
            self.open(id, now);
            self.handle_frames(id, now);
        }
    }

    fn establish(&mut self, id: ConnId, now: Instant) {
        let others = self.connections.iter().filter(|conn| conn.id != id);
        for other in others.map(|conn| conn.id).collect::<Vec<_>>() {
            let collision = Notification::cease(Cease::CollisionResolution);
            self.end(other, Some(&collision), "lost to another connection");
        }
        self.retry_at = None;
        let Some(conn) = self.connection(id) else {
            return;
        };
        conn.phase = Phase::Established;
        conn.heard(now);
        self.preserved = true;
        let Some(conn) = self.connection(id) else {
            return;
        };
        if let Some(negotiated) = conn.negotiated.clone() {
            self.outputs.push(Output::Up(negotiated));
        }
    }

    fn keepalive(&mut self, id: ConnId, now: Instant) {
        self.send(id, MessageType::Keepalive, encode_keepalive());
        let interval = self
            .connection(id)
            .and_then(|conn| conn.negotiated.as_ref())
            .map(|negotiated| negotiated.keepalive)
            .filter(|interval| !interval.is_zero());
        let at = interval.map(|interval| now + self.jitter(interval));
        if let Some(conn) = self.connection(id) {
            conn.keepalive_at = at;
        }
    }

    /// Ends a connection from our side.
    fn end(&mut self, id: ConnId, notification: Option<&Notification>, reason: &str) {
        let Some(conn) = self.connections.iter().find(|conn| conn.id == id) else {
            return;
        };
        if conn.phase > Phase::Connecting
            && let Some(notification) = notification
        {
            self.send(id, MessageType::Notification, notification.encode());
        }
        self.outputs.push(Output::Close(id));
        self.connections_remove(id, reason, None);
    }

    /// Closes an established connection without a word; the peer's routes stay for now if it
    /// may restart gracefully.
    fn lose(&mut self, id: ConnId, reason: &str) {
        let retain = self.graceful().cloned();
        self.outputs.push(Output::Close(id));
        self.connections_remove(id, reason, retain);
    }

    /// What was agreed on graceful restart, while Established and for one family at least.
    fn graceful(&self) -> Option<&Graceful> {
        let graceful = self.negotiated()?.graceful.as_ref()?;
        (!graceful.families.is_empty()).then_some(graceful)
    }

    fn connections_remove(&mut self, id: ConnId, reason: &str, retain: Option<Graceful>) {
        let Some(index) = self.connections.iter().position(|conn| conn.id == id) else {
            return;
        };
        let conn = self.connections.swap_remove(index);
        self.outputs.push(if conn.phase == Phase::Established {
            Output::Down {
                reason: reason.to_owned(),
                retain,
            }
        } else {
            Output::Failed(reason.to_owned())
        });
    }

    /// Waits for the ConnectRetryTimer, unless another connection is at work.
    fn retry(&mut self, now: Instant) {
        self.open_delayed(now);
        if self.may_connect() {
            let wait = self.jitter(self.settings.connect_retry);
            self.retry_at = Some(now + wait.max(ATTEMPT_GAP_MIN));
        }
    }

    /// Tries again almost at once: after both ends of a collision gave way.
    fn retry_soon(&mut self, now: Instant) {
        self.open_delayed(now);
        if self.may_connect() {
            self.retry_at = Some(now + self.jitter(2 * ATTEMPT_GAP_MIN).max(ATTEMPT_GAP_MIN));
        }
    }

    fn may_connect(&self) -> bool {
        self.started && self.link_up && !self.settings.passive && self.connections.is_empty()
    }

    /// Connects now, or when the last attempt is long enough ago. A pending
    /// attempt is given up: its ConnectRetryTimer has expired.
    fn connect_soon(&mut self, now: Instant) {
        let pending = self
            .connections
            .iter()
            .filter(|conn| conn.phase == Phase::Connecting);
        for id in pending.map(|conn| conn.id).collect::<Vec<_>>() {
            self.end(id, None, "connect timed out");
        }
        if !self.may_connect() {
            return;
        }
        let earliest = self.last_attempt.map(|at| at + ATTEMPT_GAP_MIN);
        if let Some(earliest) = earliest.filter(|&at| at > now) {
            self.retry_at = Some(earliest);
            return;
        }
        self.last_attempt = Some(now);
        let id = ConnId(self.next_conn);
        self.next_conn += 1;
        self.connections.push(Connection::new(id, Origin::Outgoing));
        self.outputs.push(Output::Connect(id));
        self.retry_at = Some(
            now + self
                .jitter(self.settings.connect_retry)
                .max(ATTEMPT_GAP_MIN),
        );
    }

    /// 75 to 100 % of a time (RFC 4271 §10).
    fn jitter(&mut self, time: Duration) -> Duration {
        time.mul_f64(self.rng.random_range(0.75..=1.0))
    }

    fn send(&mut self, id: ConnId, kind: MessageType, bytes: Vec<u8>) {
        self.outputs.push(Output::Send(id, kind, bytes));
    }

    fn connection(&mut self, id: ConnId) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|conn| conn.id == id)
    }

    fn established(&self) -> Option<&Connection> {
        self.connections
            .iter()
            .find(|conn| conn.phase == Phase::Established)
    }
}
