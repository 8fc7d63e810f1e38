//! What goes in and out of a [`Speaker`](super::Speaker).

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::units::{Asn, Family, IfName, SessionName, Span};

/// Index into [`SpeakerConfig::peers`](crate::units::SpeakerConfig::peers).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PeerId(pub u32);

/// One TCP connection. The speaker allots the numbers of those it asks for
/// ([`Action::Connect`]); the driver allots those that come in, with
/// [`ConnId::INCOMING`] set.
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
    /// We did, as [`Action::Connect`] asked.
    Outgoing,
    /// The peer did.
    Incoming,
}

/// A network interface and the subnets it is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: IfName,
    /// Whether it can carry packets: administratively up and with carrier.
    pub up: bool,
    /// Connected subnets, one for each address; host bits do not matter.
    pub prefixes: Vec<IpNet>,
}

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
    /// Change the kernel's forwarding table.
    Fib(FibChange),
    /// Something worth telling.
    Event(SpeakerEvent),
}

/// One way out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NextHop {
    /// The neighbour.
    pub gateway: IpAddr,
    /// The interface that reaches it.
    pub interface: IfName,
}

/// A change of the forwarding table. Each replaces what the speaker had put
/// there for the same prefix; removing what is already gone is not an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum FibChange {
    /// Forward to these next hops, at least one, best path first.
    Install {
        /// The destination.
        prefix: IpNet,
        /// More than one means equal-cost multipath.
        next_hops: Vec<NextHop>,
    },
    /// Drop what no more specific route takes.
    Blackhole {
        /// The destination.
        prefix: IpNet,
    },
    /// Forget the prefix.
    Remove {
        /// The destination.
        prefix: IpNet,
    },
}

impl FibChange {
    /// The destination concerned.
    pub const fn prefix(&self) -> IpNet {
        match self {
            Self::Install { prefix, .. } | Self::Blackhole { prefix } | Self::Remove { prefix } => {
                *prefix
            }
        }
    }
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

/// The states of RFC 4271 §8.2.2.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum SessionState {
    /// Stopped: no connection is made or taken.
    #[default]
    Idle,
    /// A TCP connection is being opened.
    Connect,
    /// Waiting for the peer to connect, or for the next attempt.
    Active,
    /// Our OPEN is sent, the peer's is awaited.
    OpenSent,
    /// Both OPENs are exchanged, the peer's KEEPALIVE is awaited.
    OpenConfirm,
    /// Routes flow.
    Established,
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Idle => "Idle",
            Self::Connect => "Connect",
            Self::Active => "Active",
            Self::OpenSent => "OpenSent",
            Self::OpenConfirm => "OpenConfirm",
            Self::Established => "Established",
        })
    }
}
