//! Links and what they do to packets.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Tags;
use crate::units::{Bytes, Distribution, LossBurst, NodeName, Percent, Rate, Span};

/// MTU of a link that does not say otherwise.
pub const DEFAULT_MTU: Bytes = Bytes::new(1500);
/// Smallest MTU: IPv6 needs it (RFC 8200 §5).
pub const MIN_MTU: Bytes = Bytes::new(1280);
/// Largest MTU: AWS's jumbo frames, and what the relay's buffers hold.
pub const MAX_MTU: Bytes = Bytes::new(9216);

/// A link between two nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The two nodes, different from each other, as declared.
    pub ends: [NodeName; 2],
    /// What happens to packets sent by each end.
    pub shape: [Shape; 2],
    /// Largest IP packet.
    pub mtu: Bytes,
    /// Addresses of each end; both empty: derived from the link's name. A
    /// family that is present is present at both ends, in one network, except
    /// that the end at a switch never has any and the one opposite always does.
    pub addresses: [Vec<IpNet>; 2],
    /// Must run through the wire even if no step touches it: it shapes, or the
    /// file asks for it with `shaped: true`.
    pub shaped: bool,
    /// A hosted connection: a circuit that a partner of AWS shares out, for one VIF.
    pub hosted: bool,
    /// Where it is and whose it is.
    pub tags: Tags,
    /// Line of the file.
    pub line: u32,
}

/// What one direction of a link does to packets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Shape {
    /// One-way delay.
    pub delay: Span,
    /// Variation around the delay, at most the delay itself.
    pub jitter: Span,
    /// How it lies around the delay.
    #[serde(default, skip_serializing_if = "is_default")]
    pub distribution: Distribution,
    /// Share of packets lost.
    pub loss: Percent,
    /// Losses come in runs of this mean length; `None`: each by itself. Only with a loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_burst: Option<LossBurst>,
    /// Share of packets that arrive twice.
    #[serde(default, skip_serializing_if = "is_default")]
    pub duplicate: Percent,
    /// Share of packets of which a bit is turned over.
    #[serde(default, skip_serializing_if = "is_default")]
    pub corrupt: Percent,
    /// Share of packets that take no delay and overtake; only with a delay.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reorder: Percent,
    /// Serialisation rate.
    pub rate: Option<Rate>,
    /// Bytes that may wait for the rate before packets are dropped; only with a
    /// rate. `None`: 100 ms at the rate.
    pub queue: Option<Bytes>,
}

impl Shape {
    /// Whether packets pass unchanged and at once.
    pub fn is_transparent(&self) -> bool {
        *self == Self::default()
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
