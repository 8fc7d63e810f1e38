//! What goes in and out of a [`Speaker`](super::Speaker).

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::proto::bgp::fsm::ConnId;
use crate::proto::bgp::rib::FibChange;
use crate::units::{Asn, Family, SessionName, Span};

/// Index into [`SpeakerConfig::peers`](crate::units::SpeakerConfig::peers).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PeerId(pub u32);

/// Something the driver has to do. The order of actions is the order of
/// execution: a forwarding change always precedes the UPDATEs that depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open a TCP connection to the peer, from its configured local address.
    /// Answer with `handle_connected` or `handle_connect_failed`.
    Connect {
        /// The number of the connection to be.
        conn: ConnId,
        /// To whom.
        peer: PeerId,
    },
    /// Write these bytes.
    Send {
        /// The connection.
        conn: ConnId,
        /// Whole BGP messages.
        bytes: Vec<u8>,
    },
    /// Close after what was sent has been flushed; or give up a pending
    /// connect. The driver reports nothing more about this connection.
    Close {
        /// The connection.
        conn: ConnId,
    },
    /// Change a forwarding table of the kernel's.
    Fib {
        /// Which of the configuration's `tables`; 0 where it has none.
        table: usize,
        /// The change.
        change: FibChange,
    },
    /// Something worth telling.
    Event(SpeakerEvent),
}

/// What happened, for the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum SpeakerEvent {
    /// A session reached Established.
    SessionUp {
        /// Which.
        session: SessionName,
        /// The peer's AS.
        remote_asn: Asn,
        /// The peer's BGP Identifier.
        router_id: std::net::Ipv4Addr,
        /// Negotiated hold time; zero means none.
        hold: Span,
        /// Keepalive interval before jitter; zero means none.
        keepalive: Span,
        /// Negotiated families.
        families: Vec<Family>,
    },
    /// A session left Established.
    SessionDown {
        /// Which.
        session: SessionName,
        /// Why, in words.
        reason: String,
    },
    /// The forwarding of a prefix changed; `via` is empty when it ended, when
    /// the prefix became a blackhole and when the kernel reaches it by itself.
    RouteChanged {
        /// The prefix.
        prefix: IpNet,
        /// The gateways now in use.
        via: Vec<IpAddr>,
    },
    /// The peer has sent its whole table (RFC 4724 §2, End-of-RIB).
    EndOfRib {
        /// Whose.
        session: SessionName,
        /// Of which family.
        family: Family,
    },
    /// A peer sent more prefixes than allowed; the session stays down until it
    /// is started again (RFC 4486 Cease 1).
    MaxPrefixExceeded {
        /// Whose.
        session: SessionName,
        /// The limit.
        limit: u32,
    },
    /// Something is wrong but the session goes on (RFC 7606), or an attempt
    /// to establish one failed.
    Warning {
        /// About which session.
        session: SessionName,
        /// What, in words.
        text: String,
    },
}
