//! One BFD session (RFC 5880 §6.8) as a machine without clock or socket.
//!
//! No timer is ever armed: both deadlines are functions of what was last sent
//! and last heard, so receiving can never postpone sending.

use std::{
    collections::VecDeque,
    num::{NonZeroU8, NonZeroU32},
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::wire::{Diag, Packet, State};
use crate::units::{BfdConfig, Span};

mod intervals;
#[cfg(test)]
mod tests;

use intervals::Intervals;
pub use intervals::Negotiated;

/// Timers of one end, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionConfig {
    min_tx_us: u32,
    min_rx_us: u32,
    multiplier: NonZeroU8,
}

/// Why timers were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BfdConfigError {
    /// A Detect Mult of 0 is discarded by every receiver (RFC 5880 §6.8.6).
    #[error("a BFD multiplier of 0 is not allowed")]
    ZeroMultiplier,
    /// The wire carries 1 to 4294967295 microseconds.
    #[error("BFD {field} {value} is not between 1us and 4294s")]
    Interval {
        /// Which interval.
        field: &'static str,
        /// What was asked for.
        value: Span,
    },
}

impl SessionConfig {
    /// Microseconds; both at least 1.
    pub const fn new(min_tx_us: NonZeroU32, min_rx_us: NonZeroU32, multiplier: NonZeroU8) -> Self {
        Self {
            min_tx_us: min_tx_us.get(),
            min_rx_us: min_rx_us.get(),
            multiplier,
        }
    }
}

impl TryFrom<&BfdConfig> for SessionConfig {
    type Error = BfdConfigError;

    fn try_from(config: &BfdConfig) -> Result<Self, BfdConfigError> {
        let interval = |field, value: Span| {
            u32::try_from(value.as_micros())
                .ok()
                .and_then(NonZeroU32::new)
                .ok_or(BfdConfigError::Interval { field, value })
        };
        Ok(Self::new(
            interval("min-tx", config.min_tx)?,
            interval("min-rx", config.min_rx)?,
            NonZeroU8::new(config.multiplier).ok_or(BfdConfigError::ZeroMultiplier)?,
        ))
    }
}

/// The session's state changed, or what an Up session negotiated did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BfdEvent {
    /// The state now.
    pub state: State,
    /// Why; [`Diag::NoDiagnostic`] while things go well.
    pub diag: Diag,
    /// The intervals now.
    pub negotiated: Negotiated,
}

/// Why a well-formed packet was not for this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Discard {
    /// Your Discriminator names another session (RFC 5880 §6.8.6).
    #[error("Your Discriminator {0} is not ours")]
    UnknownDiscriminator(u32),
    /// We are AdminDown and listen to nobody.
    #[error("the session is administratively down")]
    AdminDown,
}

/// What a session did since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Packets handed out to be sent.
    pub sent: u64,
    /// Packets accepted.
    pub received: u64,
    /// Packets refused by [`Session::handle_packet`].
    pub discarded: u64,
    /// Times the session came Up.
    pub ups: u64,
    /// Times it left Up.
    pub downs: u64,
}

/// A session seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionStatus {
    /// Our state.
    pub state: State,
    /// Why we last changed it.
    pub diag: Diag,
    /// The peer's state as last heard.
    pub remote_state: State,
    /// The peer's diagnostic as last heard.
    pub remote_diag: Diag,
    /// Our discriminator.
    pub local_discriminator: NonZeroU32,
    /// The peer's; `None` until it is heard.
    pub remote_discriminator: Option<NonZeroU32>,
    /// The intervals in force.
    pub negotiated: Negotiated,
    /// Packet and transition counts.
    pub counters: Counters,
}

/// Changes are told at once (RFC 5880 §6.8.7), but so many in a row at most, then one per
/// [`NEWS_EVERY`]. Where packets of before overtake one another, as Linux lets them while a
/// neighbour's address is being resolved, each end may answer the other's last state but one: at once
/// and without end, two sessions go down and up in each round trip.
const NEWS_BURST: u32 = 8;
/// See [`NEWS_BURST`].
const NEWS_EVERY: Duration = Duration::from_millis(100);

/// One end of a single-hop asynchronous session, in the active role.
///
/// Call `handle_*` with what happened, then drain [`poll_transmit`](Self::poll_transmit)
/// and [`poll_event`](Self::poll_event), then sleep until
/// [`poll_timeout`](Self::poll_timeout) or the next packet. `now` never goes back.
#[derive(Debug)]
pub struct Session {
    discriminator: NonZeroU32,
    multiplier: NonZeroU8,
    state: State,
    diag: Diag,
    intervals: Intervals,
    remote: Remote,
    remote_discriminator: Option<NonZeroU32>,
    poll: Poll,
    rng: ChaCha8Rng,
    /// When the last packet other than a Final went out, or should have: the
    /// session's birth stands in with a jitter of 0.
    last_sent: Instant,
    /// Millionths of the interval between that and the next periodic packet.
    jitter_ppm: u32,
    /// When the last accepted packet came in; `None` once its Detection Time is over.
    last_heard: Option<Instant>,
    /// A packet saying something new must not wait for the interval.
    news: bool,
    /// Up to when the packets sent between intervals use up their rate.
    news_paid: Instant,
    final_owed: bool,
    events: VecDeque<BfdEvent>,
    reported: (State, Negotiated),
    counters: Counters,
}

/// What the peer last said.
#[derive(Debug, Clone, Copy)]
struct Remote {
    state: State,
    diag: Diag,
    multiplier: u8,
    desired_min_tx_us: u32,
    required_min_rx_us: u32,
    demand: bool,
}

impl Remote {
    /// RFC 5880 §6.8.1: before anything is heard.
    const UNHEARD: Self = Self {
        state: State::Down,
        diag: Diag::NoDiagnostic,
        multiplier: 0,
        desired_min_tx_us: 0,
        required_min_rx_us: 1,
        demand: false,
    };
}

/// A Poll Sequence (RFC 5880 §6.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Poll {
    Idle,
    /// Waiting for a Final.
    Asking,
    /// Waiting for a Final that answers outdated parameters: ask once more then,
    /// for two sequences must not overlap.
    AskingThenAgain,
}

impl Session {
    /// A session in state Down that wants to send at once. `seed` decides the jitter.
    pub fn new(config: SessionConfig, discriminator: NonZeroU32, seed: u64, now: Instant) -> Self {
        let intervals = Intervals::new(config.min_tx_us, config.min_rx_us);
        let mut session = Self {
            discriminator,
            multiplier: config.multiplier,
            state: State::Down,
            diag: Diag::NoDiagnostic,
            intervals,
            remote: Remote::UNHEARD,
            remote_discriminator: None,
            poll: Poll::Idle,
            rng: ChaCha8Rng::seed_from_u64(seed),
            last_sent: now,
            jitter_ppm: 0,
            last_heard: None,
            news: false,
            news_paid: now,
            final_owed: false,
            events: VecDeque::new(),
            reported: (State::Down, Negotiated::default()),
            counters: Counters::default(),
        };
        session.reported = (State::Down, session.negotiated());
        session
    }

    /// Our discriminator, by which received packets find this session.
    pub fn discriminator(&self) -> NonZeroU32 {
        self.discriminator
    }

    /// Our state.
    pub fn state(&self) -> State {
        self.state
    }

    /// The session seen from outside.
    pub fn status(&self) -> SessionStatus {
        SessionStatus {
            state: self.state,
            diag: self.diag,
            remote_state: self.remote.state,
            remote_diag: self.remote.diag,
            local_discriminator: self.discriminator,
            remote_discriminator: self.remote_discriminator,
            negotiated: self.negotiated(),
            counters: self.counters,
        }
    }

    /// A packet that passed [`Packet::decode`] and was chosen for this session
    /// by its discriminator or, when that is 0, by its addresses (RFC 5880 §6.8.6).
    ///
    /// Hand over waiting packets before calling [`handle_timeout`](Self::handle_timeout):
    /// what waited in a socket for a busy host was not lost on the path.
    pub fn handle_packet(&mut self, packet: &Packet, now: Instant) -> Result<(), Discard> {
        let yours = packet.your_discriminator;
        if yours != 0 && yours != self.discriminator.get() {
            self.counters.discarded += 1;
            return Err(Discard::UnknownDiscriminator(yours));
        }
        self.remote_discriminator = Some(packet.my_discriminator);
        self.remote = Remote {
            state: packet.state,
            diag: packet.diag,
            multiplier: packet.multiplier.get(),
            desired_min_tx_us: packet.desired_min_tx_us,
            required_min_rx_us: packet.required_min_rx_us,
            demand: packet.demand,
        };
        if packet.final_ {
            self.finish_poll();
        }
        if self.state == State::AdminDown {
            self.counters.discarded += 1;
            return Err(Discard::AdminDown);
        }
        self.counters.received += 1;
        self.last_heard = Some(now);
        if let Some((state, diag)) = next_state(self.state, packet.state) {
            self.enter(state, diag);
        }
        self.final_owed |= packet.poll;
        self.report();
        Ok(())
    }

    /// Time has come to [`poll_timeout`](Self::poll_timeout)'s deadline, or later.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.expire(now);
        self.report();
    }

    /// The next packet to send now, if any; call until `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Packet> {
        if self.final_owed {
            self.final_owed = false;
            return Some(self.packet(false, true));
        }
        let is_time = |deadline: Option<Instant>| deadline.is_some_and(|at| at <= now);
        if !is_time(self.transmit_deadline()) {
            if !is_time(self.news_deadline()) {
                return None;
            }
            self.news_paid = self.news_paid.max(now) + NEWS_EVERY;
        }
        self.news = false;
        self.last_sent = now;
        self.jitter_ppm = self.draw_jitter();
        Some(self.packet(self.poll != Poll::Idle, false))
    }

    /// What happened since the last call; call until `None`.
    pub fn poll_event(&mut self) -> Option<BfdEvent> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) and
    /// [`poll_transmit`](Self::poll_transmit) next, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let transmit = self.transmit_deadline().map(|at| (at, "bfd transmit"));
        let news = self.news_deadline().map(|at| (at, "bfd news"));
        let detect = self.detect_deadline().map(|at| (at, "bfd detection time"));
        transmit.into_iter().chain(news).chain(detect).min()
    }

    /// Holds the session down and tells the peer so (RFC 5880 §6.8.16).
    pub fn admin_down(&mut self) {
        if self.state != State::AdminDown {
            self.enter(State::AdminDown, Diag::AdministrativelyDown);
            self.report();
        }
    }

    /// Undoes [`admin_down`](Self::admin_down).
    pub fn admin_up(&mut self) {
        if self.state == State::AdminDown {
            self.enter(State::Down, Diag::NoDiagnostic);
            self.report();
        }
    }

    /// Brings the session down for a reason learned elsewhere, such as carrier
    /// loss ([`Diag::PathDown`]). It comes back by itself.
    pub fn path_down(&mut self) {
        if matches!(self.state, State::Init | State::Up) {
            self.enter(State::Down, Diag::PathDown);
            self.report();
        }
    }

    /// New timers for a running session, by a Poll Sequence (RFC 5880 §6.8.3).
    pub fn set_timers(&mut self, config: SessionConfig) {
        self.news |= self.multiplier != config.multiplier;
        self.multiplier = config.multiplier;
        self.intervals.configure(config.min_tx_us, config.min_rx_us);
        self.advertise();
        self.report();
    }

    fn enter(&mut self, state: State, diag: Diag) {
        if self.state == State::Up {
            self.counters.downs += 1;
        }
        if state == State::Up {
            self.counters.ups += 1;
        }
        self.state = state;
        self.diag = diag;
        self.news = true;
        self.advertise();
    }

    /// Brings the advertised intervals in line with state and configuration;
    /// a change opens a Poll Sequence.
    fn advertise(&mut self) {
        if !self.intervals.advertise(self.state == State::Up) {
            return;
        }
        self.news = true;
        // Nobody to ask: whoever appears later learns the values from the first packet.
        if self.remote_discriminator.is_none() {
            self.intervals.settle();
            return;
        }
        self.poll = match self.poll {
            Poll::Idle => Poll::Asking,
            Poll::Asking | Poll::AskingThenAgain => Poll::AskingThenAgain,
        };
    }

    fn finish_poll(&mut self) {
        match self.poll {
            Poll::Idle => {}
            Poll::Asking => {
                self.poll = Poll::Idle;
                self.intervals.settle();
            }
            Poll::AskingThenAgain => {
                self.poll = Poll::Asking;
                self.news = true;
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        if self.detect_deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        // RFC 5880 §6.8.1: a silent peer's discriminator is forgotten. So is its
        // wish for silence, or a peer that died wishing it could never come back.
        self.last_heard = None;
        self.remote_discriminator = None;
        self.remote = Remote {
            diag: self.remote.diag,
            ..Remote::UNHEARD
        };
        self.poll = Poll::Idle;
        self.intervals.settle();
        if matches!(self.state, State::Init | State::Up) {
            self.enter(State::Down, Diag::ControlDetectionTimeExpired);
        }
    }

    fn report(&mut self) {
        let now = (self.state, self.negotiated());
        let renegotiated = self.state == State::Up && now.1 != self.reported.1;
        if now.0 != self.reported.0 || renegotiated {
            self.reported = now;
            self.events.push_back(BfdEvent {
                state: self.state,
                diag: self.diag,
                negotiated: now.1,
            });
        }
    }

    fn negotiated(&self) -> Negotiated {
        self.intervals.negotiated(
            self.remote.desired_min_tx_us,
            self.remote.required_min_rx_us,
            self.remote.multiplier,
        )
    }

    fn detect_deadline(&self) -> Option<Instant> {
        self.last_heard
            .map(|heard| heard + self.negotiated().detection)
    }

    /// When the next periodic packet is due; `None` while the peer wants silence.
    fn transmit_deadline(&self) -> Option<Instant> {
        if self.remote.required_min_rx_us == 0 || self.demanded() {
            return None;
        }
        let interval_ns = self.negotiated().tx.as_nanos();
        let wait_ns = interval_ns * u128::from(self.jitter_ppm) / 1_000_000;
        Some(self.last_sent + Duration::from_nanos(wait_ns as u64))
    }

    /// When news may leave, if there are any.
    fn news_deadline(&self) -> Option<Instant> {
        let ahead = NEWS_EVERY * NEWS_BURST;
        let at = self.news_paid.checked_sub(ahead).unwrap_or(self.last_sent);
        self.news.then_some(at)
    }

    /// Demand mode is active on the peer and nothing is being polled (RFC 5880 §6.8.7).
    fn demanded(&self) -> bool {
        self.remote.demand
            && self.state == State::Up
            && self.remote.state == State::Up
            && self.poll == Poll::Idle
    }

    /// RFC 5880 §6.8.7: 75 to 100 % of the interval, at most 90 % when a single
    /// lost packet would already be a failure.
    fn draw_jitter(&mut self) -> u32 {
        let most = if self.multiplier.get() == 1 {
            900_000
        } else {
            1_000_000
        };
        self.rng.random_range(750_000..=most)
    }

    fn packet(&mut self, poll: bool, final_: bool) -> Packet {
        self.counters.sent += 1;
        Packet {
            diag: self.diag,
            state: self.state,
            poll,
            final_,
            control_plane_independent: false,
            demand: false,
            multiplier: self.multiplier,
            my_discriminator: self.discriminator,
            your_discriminator: self.remote_discriminator.map_or(0, NonZeroU32::get),
            desired_min_tx_us: self.intervals.desired_min_tx_us(),
            required_min_rx_us: self.intervals.required_min_rx_us(),
            required_min_echo_rx_us: 0,
        }
    }
}

/// RFC 5880 §6.2: what a received state does to ours, with the diagnostic; `None`
/// where nothing changes.
fn next_state(ours: State, theirs: State) -> Option<(State, Diag)> {
    match (ours, theirs) {
        (State::AdminDown, _) => None,
        (State::Down, State::Down) => Some((State::Init, Diag::NoDiagnostic)),
        (State::Down | State::Init, State::Init) | (State::Init, State::Up) => {
            Some((State::Up, Diag::NoDiagnostic))
        }
        (State::Init | State::Up, State::AdminDown) | (State::Up, State::Down) => {
            Some((State::Down, Diag::NeighborSignaledSessionDown))
        }
        (State::Down, State::AdminDown | State::Up)
        | (State::Init, State::Down)
        | (State::Up, State::Init | State::Up) => None,
    }
}
