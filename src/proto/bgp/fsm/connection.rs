//! One TCP connection of a session. Two may exist at a time until collision
//! detection has chosen (RFC 4271 §6.8).

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::peer::Settings;
use crate::proto::bgp::wire::{
    Capability, EXTENDED_BYTES_MAX, Framer, MESSAGE_BYTES_MAX, Notification, Open, SessionKind,
};
use crate::units::Family;

/// One TCP connection. The speaker allots the numbers of those it asks for; the
/// driver allots those that come in, with [`ConnId::INCOMING`] set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnId(pub u64);

impl ConnId {
    /// The bit that keeps the driver's numbers apart from the speaker's.
    pub const INCOMING: u64 = 1 << 63;

    /// The driver's `index`th incoming connection.
    pub const fn incoming(index: u64) -> Self {
        Self(index | Self::INCOMING)
    }
}

/// Who opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// We did, because the speaker asked for it.
    Outgoing,
    /// The peer did.
    Incoming,
}

/// How long the peer may take to send its OPEN: the "large value" of RFC 4271
/// §8.2.2.
pub(super) const OPEN_HOLD: Duration = Duration::from_secs(240);

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Connecting,
    /// Open, but our OPEN is held back while another connection is in
    /// OpenConfirm. What the peer sends is kept for later.
    OpenDelayed,
    OpenSent,
    OpenConfirm,
    Established,
}

/// What the two OPENs agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// The peer's BGP Identifier.
    pub router_id: Ipv4Addr,
    /// Hold time; zero means that there are no keepalives either.
    pub hold: Duration,
    /// Keepalive interval before jitter.
    pub keepalive: Duration,
    /// The families both offered, and what else decoding has to know.
    pub kind: SessionKind,
    /// The peer understands ROUTE-REFRESH.
    pub route_refresh: bool,
    /// And the markers around a refreshed table (RFC 7313).
    pub refresh_markers: bool,
    /// The longest message that the peer takes, in bytes (RFC 8654).
    pub message_bytes_max: usize,
    /// The peer says when it has told its table (RFC 4724 §3).
    pub says_end_of_rib: bool,
    /// What both ends have of graceful restart.
    pub graceful: Option<Graceful>,
}

/// What is to become of the peer's routes when it restarts (RFC 4724 §4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graceful {
    /// How long they are kept: the time that the peer asked for.
    pub time: Duration,
    /// The peer has restarted, so it is not waited for.
    pub restarting: bool,
    /// The families whose routes are kept.
    pub families: Vec<Family>,
    /// Those of them for which the peer has gone on forwarding.
    pub preserved: Vec<Family>,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnId,
    pub(super) origin: Origin,
    pub(super) phase: Phase,
    pub(super) framer: Framer,
    /// HoldTimer.
    pub(super) hold_at: Option<Instant>,
    /// KeepaliveTimer.
    pub(super) keepalive_at: Option<Instant>,
    /// Known from OpenConfirm on.
    pub(super) negotiated: Option<Negotiated>,
}

impl Connection {
    pub(super) fn new(id: ConnId, origin: Origin) -> Self {
        Self {
            id,
            origin,
            phase: Phase::Connecting,
            framer: Framer::default(),
            hold_at: None,
            keepalive_at: None,
            negotiated: None,
        }
    }

    /// Restarts the HoldTimer, when there is one.
    pub(super) fn heard(&mut self, now: Instant) {
        if let Some(negotiated) = &self.negotiated {
            self.hold_at = (!negotiated.hold.is_zero()).then(|| now + negotiated.hold);
        }
    }
}

/// Judges a peer's OPEN (RFC 4271 §6.2).
pub(super) fn negotiate(settings: &Settings, open: &Open) -> Result<Negotiated, Notification> {
    let external = settings.external();
    // AS 0 is refused even if it were configured (RFC 7607 §2).
    if open.asn() == 0 || open.asn() != settings.remote_asn.get() {
        return Err(Notification::new(2, 2));
    }
    // RFC 6286 §2.2: non-zero, and among internal peers not our own.
    let own = !external && open.router_id == settings.router_id;
    if open.router_id.is_unspecified() || own {
        return Err(Notification::new(2, 3));
    }
    if matches!(open.hold_s, 1 | 2) {
        return Err(Notification::new(2, 6));
    }
    let families: Vec<Family> = settings
        .families
        .iter()
        .copied()
        .filter(|&family| open.offers(family))
        .collect();
    if families.is_empty() {
        // RFC 5492 §3: the data lists what was missing.
        let missing = settings
            .families
            .iter()
            .flat_map(|&family| Open::multiprotocol_bytes(family));
        return Err(Notification::with(2, 7, missing.collect::<Vec<_>>()));
    }
    let offer = open
        .graceful_restart()
        .filter(|_| settings.restart_time.is_some());
    let graceful = offer.map(|offer| {
        let kept = |preserved: bool| {
            let offered = offer
                .families
                .iter()
                .filter(move |(_, has)| *has || !preserved);
            let common = offered.filter(|(family, _)| families.contains(family));
            common.map(|(family, _)| *family).collect::<Vec<_>>()
        };
        Graceful {
            time: Duration::from_secs(u64::from(offer.time_s)),
            restarting: offer.restarting,
            families: kept(false),
            preserved: kept(true),
        }
    });
    let hold = Duration::from_secs(u64::from(open.hold_s.min(settings.hold_s())));
    Ok(Negotiated {
        router_id: open.router_id,
        hold,
        keepalive: settings.keepalive.min(hold / 3),
        kind: SessionKind {
            external,
            four_octet: open.four_octet_as().is_some(),
            families,
        },
        route_refresh: open.has(&Capability::RouteRefresh),
        refresh_markers: open.has(&Capability::EnhancedRefresh),
        message_bytes_max: if open.has(&Capability::ExtendedMessage) {
            EXTENDED_BYTES_MAX
        } else {
            MESSAGE_BYTES_MAX
        },
        says_end_of_rib: open.graceful_restart().is_some(),
        graceful,
    })
}
